"""Nothing more can be written: it is told, what is there stays and goes out, and it goes on by itself."""

import logging
import sqlite3
from pathlib import Path

import pytest

from gateway.domain.study import ExamEnded
from gateway.errors import StorageError
from gateway.store.database import open_database
from tests.disks import full, read_only, small_disk
from tests.laboratory import Laboratory, curve, laboratory


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("storage_")]


async def refused(here: Laboratory) -> str:
    """What a cart's next frame meets, and the one after it."""

    async def nobody(_facts: object) -> None:
        """Nothing comes through."""

    intake = here.journal.intake("room-1", "cart-a", nobody)
    for _ in range(2):
        with pytest.raises(StorageError) as error:
            await intake.accept(await intake.open(), b"frame " * 5000)
    return str(error.value)


async def test_a_full_disk_refuses_the_cart_says_so_once_and_goes_on_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        async with laboratory(disk) as here:
            await here.examine("S-1", delivered=False)
            with full(disk):
                reason = await refused(here)
                waiting = [item.control_id for item in await here.outbox.pending("engine", 10)]
            assert here.database.fault is not None
            await here.examine("S-2")
            assert here.database.fault is None

        async with laboratory(disk) as again:
            assert len(await again.rows("SELECT 1 FROM fact WHERE kind = 'recording'")) == 8

    assert reason.startswith(f"{disk}/gateway.db: ")
    assert "what was already stored is kept; free space on its disk, it goes on by itself" in reason
    assert len(waiting) == 1
    assert told(caplog) == ["storage_refused", "storage_recovered"]


async def test_what_was_delivered_while_the_disk_was_full_is_not_sent_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        async with laboratory(disk) as here:
            for study in ("S-1", "S-2"):
                await here.examine(study, delivered=False)
            with full(disk):
                await refused(here)
                sent = []
                while found := await here.outbox.pending("engine"):
                    sent.append(found[0].control_id)
                    await here.outbox.delivered(found[0].id, "AA")
            await here.outbox.hear()
            states = await here.rows("SELECT control_id, state, answer FROM outbox WHERE sink = 'engine'")

    assert len(sent) == len(set(sent)) == 2
    assert states == [(name, "delivered", "AA") for name in sent]


async def test_a_disk_that_is_full_at_the_start_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        async with laboratory(disk) as here:
            await here.examine("S-1")
        with full(disk), pytest.raises(StorageError) as error:
            async with open_database(disk / "gateway.db"):
                pass

        async with laboratory(disk) as here:
            assert len(await here.whole()) == 1

    assert "free space" in str(error.value)


async def test_a_read_only_disk_at_the_start_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        async with laboratory(disk) as here:
            await here.examine("S-1")
        with read_only(disk), pytest.raises(StorageError) as error:
            async with open_database(disk / "gateway.db"):
                pass

    assert "Read-only file system" in str(error.value)
    assert "make the file and its disk writable for this user" in str(error.value)


async def test_a_database_that_becomes_read_only_lets_out_what_is_there(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", delivered=False)
        await here.database.write(lambda c: c.execute("PRAGMA query_only = ON").fetchone())

        reason = await refused(here)
        (item,) = await here.outbox.pending("engine")
        await here.outbox.delivered(item.id, "AA")

        assert await here.outbox.pending("engine") == []
        await here.database.write(lambda c: c.execute("PRAGMA query_only = OFF").fetchone())
        await here.record("S-2", [curve(9), ExamEnded(by="device")])
        await here.outbox.hear()
        assert await here.rows("SELECT state FROM outbox WHERE id = ?", item.id) == [("delivered",)]

    assert "writable for this user, it goes on by itself" in reason


async def test_one_that_is_refused_takes_nobody_down_who_only_reads(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        pages = await here.rows("PRAGMA page_count")
        await here.rows(f"PRAGMA max_page_count = {pages[0][0]}")

        def large(connection: sqlite3.Connection) -> int:
            values = (b"x" * 1_000_000,)
            return connection.execute(
                "INSERT INTO entry (session, received_at, body) VALUES (1, '', ?)", values
            ).rowcount

        writing, reading = here.database.write(large), here.rows("SELECT count(*) FROM study")
        with pytest.raises(StorageError, match="full"):
            await writing
        assert await reading == [(1,)]


async def test_a_checkpoint_that_the_disk_refuses_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with small_disk(tmp_path / "disk", 3) as disk:
        async with laboratory(disk) as here:
            await here.examine("S-1")
            with full(disk):
                await here.database.checkpoint()
            await here.database.checkpoint()

            assert (disk / "gateway.db-wal").stat().st_size == 0
            assert await here.whole() == ["S-1"]
