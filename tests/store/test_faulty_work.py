"""A work that is itself wrong: its caller hears of it, nobody else does."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.errors import DataError, StorageError
from gateway.store.database import open_database

COUNT = "SELECT count(*) FROM session"


def insert(body: bytes):
    return lambda c: c.execute("INSERT INTO session (driver, opened_at) VALUES ('d', ?)", (body,)).lastrowid


async def test_a_fault_in_one_work_is_not_the_others_that_wait_with_it(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        results = await asyncio.gather(
            database.write(insert(b"x")),
            database.write(lambda _: 1 // 0),
            database.write(insert(b"y")),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [int, ZeroDivisionError, int]
        assert results[::2] == [1, 2]
        assert await database.write(lambda c: c.execute(COUNT).fetchone()[0]) == 2


async def test_what_contradicts_the_schema_is_no_matter_of_trying_again(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        results = await asyncio.gather(
            database.write(insert(b"x")),
            database.write(lambda c: c.execute("INSERT INTO entry VALUES (1, 99, 'now', x'00')")),
            database.write(lambda c: c.execute("INSERT INTO session (driver) VALUES (?)", (1, 2))),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [
            int,
            sqlite3.IntegrityError,
            sqlite3.ProgrammingError,
        ]


async def test_a_transaction_that_the_disk_took_down_is_tried_again_without_what_took_it_down(
    tmp_path: Path,
) -> None:
    def ended(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    async with open_database(tmp_path / "gateway.db") as database:
        results = await asyncio.gather(
            database.write(insert(b"x")),
            database.write(ended),
            database.write(insert(b"y")),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [int, StorageError, int]
        assert await database.write(lambda c: c.execute(COUNT).fetchone()[0]) == 2


async def test_a_database_that_cannot_be_opened_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"this is no database, it only looks like a file" * 100)

    for _ in range(3):
        with pytest.raises(DataError):
            async with open_database(path):
                pass
    path.unlink()

    async with open_database(path) as database:
        assert await database.write(insert(b"x")) == 1
