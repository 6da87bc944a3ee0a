import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.errors import DataError, StorageError, Unavailable
from gateway.store.database import open_database


def insert(body: bytes):
    return lambda c: c.execute("INSERT INTO session (driver, opened_at) VALUES ('d', ?)", (body,)).lastrowid


async def test_what_write_returned_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "state" / "gateway.db"
    async with open_database(path) as database:
        await database.write(insert(b"x"))

        other = sqlite3.connect(path)
        assert other.execute("SELECT count(*) FROM session").fetchone() == (1,)
        other.close()


async def test_only_its_own_user_can_read_the_database(tmp_path: Path) -> None:
    async with open_database(tmp_path / "state" / "gateway.db") as database:
        await database.write(insert(b"x"))

        files = (tmp_path / "state").glob("gateway.db*")
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in files}
        assert modes == {"gateway.db": 0o600, "gateway.db-shm": 0o600, "gateway.db-wal": 0o600}


async def test_the_database_is_durable_and_never_blocks_readers(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        assert await database.write(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
        assert await database.write(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == 2  # FULL


async def test_works_that_wait_together_share_a_commit_and_keep_their_order(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        ids = await asyncio.gather(*(database.write(insert(b"x")) for _ in range(600)))

    assert ids == list(range(1, 601))


async def test_a_work_that_fails_does_not_take_the_others_down(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        results = await asyncio.gather(
            database.write(insert(b"x")),
            database.write(lambda c: c.execute("INSERT INTO nowhere VALUES (1)")),
            database.write(insert(b"y")),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [int, StorageError, int]
        assert await database.write(lambda c: c.execute("SELECT count(*) FROM session").fetchone()[0]) == 2


async def test_a_half_done_work_leaves_nothing_behind(tmp_path: Path) -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        insert(b"x")(connection)
        raise DataError("changed my mind")

    async with open_database(tmp_path / "gateway.db") as database:
        with pytest.raises(DataError, match="changed my mind"):
            await database.write(half_done)

        assert await database.write(lambda c: c.execute("SELECT count(*) FROM session").fetchone()[0]) == 0


async def test_a_fault_in_our_own_code_reaches_the_caller_and_the_store_goes_on(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        with pytest.raises(ZeroDivisionError):
            await database.write(lambda _: 1 // 0)

        assert await database.write(insert(b"x")) == 1


async def test_a_full_disk_is_said_and_what_was_stored_is_kept(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        await database.write(insert(b"x"))
        await database.write(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())

        with pytest.raises(StorageError, match="full; what was already stored is kept"):
            await database.write(insert(b"x" * 1_000_000))

        await database.write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
        assert await database.write(insert(b"y")) == 2


async def test_a_state_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(StorageError, match="file"):
        async with open_database(tmp_path / "file" / "gateway.db"):
            pass


async def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"this is no database, it only looks like a file" * 100)

    with pytest.raises(DataError, match=r"gateway\.db: damaged: .* store salvage"):
        async with open_database(path):
            pass


async def test_a_database_of_a_newer_gateway_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with open_database(path) as database:
        await database.write(lambda c: c.execute("PRAGMA user_version = 99"))

    with pytest.raises(DataError, match="newer gateway"):
        async with open_database(path):
            pass


async def test_a_caller_that_gives_up_does_not_hold_up_the_store(tmp_path: Path) -> None:
    async with open_database(tmp_path / "gateway.db") as database:
        task = asyncio.create_task(database.write(insert(b"x")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert await database.write(insert(b"y")) == 2


async def test_a_second_gateway_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with open_database(path):
        with pytest.raises(Unavailable, match="another gateway"):
            async with open_database(path):
                pass

    async with open_database(path):
        pass
