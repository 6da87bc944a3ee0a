"""The write-ahead log stays small, also while others read all the time."""

import asyncio
import itertools
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from gateway.daemon.upkeep import upkeep
from gateway.store.opening import LARGEST_LOG_BYTES
from gateway.store.retention import Retention, RetentionPolicy
from tests.factories import marker_settings
from tests.laboratory import Laboratory, laboratory

MEGABYTE = b"x" * 1_000_000


def log_bytes(here: Laboratory) -> int:
    return here.path.with_name("gateway.db-wal").stat().st_size


async def fill(here: Laboratory, megabytes: int) -> None:
    insert = "INSERT INTO entry (session, received_at, body) VALUES (1, '', ?)"
    for _ in range(megabytes):
        await here.database.write(lambda c: c.execute(insert, (MEGABYTE,)).rowcount)


@contextmanager
def reader(path: Path) -> Iterator[None]:
    """Somebody who reads, and does not end, while the block runs."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM entry").fetchone()
        yield
        connection.execute("COMMIT")


async def test_an_idle_gateway_has_an_empty_log(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        assert log_bytes(here) > 0
        assert await here.database.checkpoint() == 0
        assert log_bytes(here) == 0
        assert await here.database.checkpoint() == 0


async def test_readers_that_take_turns_without_a_pause_do_not_let_it_grow_for_ever(tmp_path: Path) -> None:
    """At no time does nobody read, and each began behind a commit: nobody but a patient one finds a gap."""
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        stop = threading.Event()
        readers = [asyncio.create_task(asyncio.to_thread(_read_all_the_time, here.path, stop)) for _ in "ab"]
        sizes = []
        for _ in range(10):
            await fill(here, 6)
            sizes.append(await here.database.checkpoint())
        stop.set()
        await asyncio.gather(*readers)

        assert max(sizes) < LARGEST_LOG_BYTES + 10_000_000
        assert min(sizes[3:]) == 0


_SLOW: Final = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n"
)


def _read_all_the_time(path: Path, stop: threading.Event) -> None:
    while not stop.is_set():
        with reader(path), closing(sqlite3.connect(":memory:")) as busy:
            busy.execute(_SLOW).fetchone()


async def test_a_reader_that_never_ends_does_not_hold_up_who_writes_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr("gateway.daemon.upkeep._LARGE_LOG_BYTES", 2_000_000)
    monkeypatch.setattr("gateway.daemon.upkeep._LOG_S", 0.01)
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        policy = RetentionPolicy(quota_bytes=10**15, min_free_bytes=0)
        keeper = Retention(here.database, policy, marker_settings(), here.clock)
        emptying = asyncio.create_task(upkeep(here.database, keeper)["store log"]())
        with reader(here.path):
            await fill(here, 4)
            while not caplog.records:  # noqa: ASYNC110  # it has no other way to tell
                await asyncio.sleep(0.01)
        while log_bytes(here):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        emptying.cancel()
        await asyncio.gather(emptying, return_exceptions=True)

    (told,) = [record for record in caplog.records if record.getMessage() == "store_log_large"]
    assert "fuser -v" in told.fields["advice"]


async def test_who_reads_and_does_not_end_is_waited_for_once_and_not_every_time(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        with reader(here.path):
            await fill(here, 20)
            loop = asyncio.get_running_loop()
            moments = [loop.time()]
            for _ in range(2):
                assert await here.database.checkpoint() > LARGEST_LOG_BYTES
                moments.append(loop.time())

    patient, hasty = (after - before for before, after in itertools.pairwise(moments))
    assert hasty < patient / 3


async def test_a_large_log_is_cut_back_when_it_begins_anew(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        with reader(here.path):
            await fill(here, 20)
            assert log_bytes(here) > LARGEST_LOG_BYTES
        await here.database.checkpoint()

        assert log_bytes(here) == 0
