"""Faults of other people's clocks and stores, each with the name of its thread."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import DataError
from gateway.store.database import open_database
from tests.factories import header
from tests.fakes import FakeClock
from tests.pipeline.test_acknowledgements import BLOCKED, UNBLOCKED, WRIST, ward

DECADES_S = 20 * 365 * 86_400.0
SILENCE_S = 1200.0


async def test_oem_gateway_12_a_clock_that_is_put_right_reorders_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    clock.step(-DECADES_S)
    async with ward(tmp_path, clock) as here:
        await here.take(WRIST)
        clock.step(2 * DECADES_S)
        await here.take(BLOCKED)
        clock.step(-DECADES_S)
        await here.take(UNBLOCKED)
        rows = await here.rows("SELECT seq, payload FROM outbox WHERE seq IS NOT NULL ORDER BY id")
        told = await here.told()
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    assert [entry[:2] for entry in told] == [("active", "start"), ("latched", "end")]
    times = [json.loads(payload)["time"][:4] for _, payload in rows]
    assert sorted(set(times)) == ["2006", "2026", "2046"]


async def test_pwnagotchi_309_every_fact_has_its_boot_and_a_time_that_never_goes_back(tmp_path: Path) -> None:
    clock = FakeClock()
    async with ward(tmp_path, clock) as here:
        await here.take(WRIST)
        clock.step(-3600.0)
        clock.advance(1.0)
        await here.take(BLOCKED)
        rows = await here.rows("SELECT boot_id, monotonic_s, received_at FROM fact ORDER BY id")
    assert {boot for boot, _, _ in rows} == {"boot-1"}
    monotonic = [seconds for _, seconds, _ in rows]
    assert monotonic == sorted(monotonic)
    assert monotonic[-1] - monotonic[0] == 1.0
    assert rows[-1][2] < rows[0][2]  # the wall clock, as it was


async def test_octoprint_3266_a_clock_that_goes_back_neither_ends_nor_prolongs_an_examination(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    ended = "SELECT count(*) FROM fact WHERE kind = 'ended'"
    async with ward(tmp_path, clock) as here:
        await here.take(WRIST)
        for step in (-DECADES_S, 2 * DECADES_S, -DECADES_S):
            clock.step(step)
            await here.runner.end_silent(SILENCE_S)
        assert await here.rows(ended) == [(0,)]
        clock.step(-DECADES_S)
        clock.advance(SILENCE_S)
        await here.runner.end_silent(SILENCE_S)
        assert await here.rows(ended) == [(1,)]


async def test_kura_2169_a_damaged_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED)
    damaged = b"\x00" * 100 + path.read_bytes()[100:]
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"gateway\.db: damaged: .*store salvage"):
        async with open_database(path):
            pass
    assert path.read_bytes() == damaged


async def test_fledge_245_a_fact_that_cannot_be_read_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with ward(tmp_path, running=False) as here:
        intake = here.journal.intake("room-1", "cart-a", nobody)
        await intake.deliver(header(), [WRIST])
        await intake.deliver(header(study_id="S-2"), [WRIST])
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection, connection:
        connection.execute("UPDATE fact SET body = x'00' WHERE id = 2")
    async with ward(tmp_path) as here:
        processed = await here.rows("SELECT id FROM fact WHERE processed = 1 ORDER BY id")
        kept = await here.rows("SELECT body FROM fact WHERE id = 2")
    assert processed == [(1,), (3,), (4,)]
    assert kept == [(b"\x00",)]


async def nobody(_facts: object) -> None:
    """It is stopped."""
