"""Acknowledgements over a real store: from the door to the alert as screens are told it."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.study import Fact, StudyHeader
from gateway.errors import Unavailable
from gateway.pipeline.acknowledgements import Acknowledgements
from gateway.pipeline.publication import Publication
from gateway.pipeline.runner import Runner
from gateway.protocols.screens import Acknowledge
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.outbox import Outbox
from gateway.store.studies import Studies
from tests.factories import header, median, motor_marks, reference
from tests.fakes import FakeClock

MINUTE_S = 60.0
WRIST = median("wrist", distance_mm=70.0)
BLOCKED = median(
    "elbow",
    motor_marks(onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6),
    distance_mm=220.0,
)
UNBLOCKED = median("elbow", motor_marks(onset_latency_ms=7.0), distance_mm=220.0)


@dataclass
class Ward:
    """A gateway with one cart, and the door for its screens."""

    database: Database
    journal: Journal
    runner: Runner
    door: Acknowledgements
    clock: FakeClock

    async def take(self, *facts: Fact, of: StudyHeader | None = None, cart: str = "cart-a") -> None:
        await self.journal.intake("room-1", cart, self.runner.deliver).deliver(of or header(), facts)
        await self.runner.drain()

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.database.write(lambda c: [tuple(row) for row in c.execute(query)])

    async def alert_id(self) -> str:
        ((alerts,),) = await self.rows("SELECT alerts FROM study WHERE alerts <> '{}'")
        (name,) = json.loads(alerts)
        return str(name)

    async def told(self) -> list[Any]:
        """State, phase and who acknowledged, of every alert as told; None: its topic was cleared."""
        rows = await self.rows("SELECT payload FROM outbox WHERE topic LIKE 'alert/%' ORDER BY id")
        alerts = [json.loads(payload)["data"] if payload else None for (payload,) in rows]
        return [alert and (alert["state"], alert["phase"], by(alert["acknowledged"])) for alert in alerts]

    async def acknowledged(self, by: str = "nurse", alert_id: str | None = None) -> None:
        """Offer an acknowledgement; return once it has been journaled and worked off."""
        wanted = Acknowledge(alert_id=alert_id or await self.alert_id(), by=by, screen="lab2-1")
        await self.runner.deliver(await self.journal.acknowledge("cart-a", wanted))
        await self.runner.drain()


def by(seen: dict[str, str] | None) -> str | None:
    return seen and seen["by"]


@asynccontextmanager
async def ward(folder: Path, clock: FakeClock | None = None, *, running: bool = True) -> AsyncIterator[Ward]:
    clock = clock or FakeClock()
    async with open_database(folder / "gateway.db") as database:
        journal = await Journal.open(database, clock, "boot-1")
        runner = Runner(
            reference(),
            Publication(site="lab1"),
            journal,
            Studies(database),
            Outbox(database, clock, "boot-1"),
            clock,
        )
        await runner.recover()
        door = Acknowledgements("cart-a", journal, runner.deliver)
        jobs = [asyncio.create_task(job()) for job in ((runner.run, door.run) if running else ())]
        if jobs:
            await runner.recovered.wait()
        try:
            yield Ward(database, journal, runner, door, clock)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)


async def test_an_acknowledgement_survives_a_restart_and_its_alert_leaves_a_minute_after_its_block(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with ward(tmp_path, clock) as here:
        await here.take(WRIST, BLOCKED)
        await here.acknowledged()
    async with ward(tmp_path, clock) as here:
        await here.take(UNBLOCKED)
    async with ward(tmp_path, clock) as here:
        clock.advance(MINUTE_S - 1)
        await here.runner.clear_due()
        await here.runner.drain()
        assert len(await here.told()) == 3
        clock.advance(1)
        await here.runner.clear_due()
        await here.runner.drain()
        assert await here.told() == [
            ("active", "start", None),
            ("active", "update", "nurse"),
            ("inactive", "end", "nurse"),
            None,
        ]
        assert await here.rows("SELECT alerts, alerts_clear_at FROM study") == [("{}", None)]


async def test_one_that_was_journaled_when_the_gateway_was_killed_is_worked_off_in_its_place(
    tmp_path: Path,
) -> None:
    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED)
        alert_id = await here.alert_id()
    async with ward(tmp_path, running=False) as here:
        wanted = Acknowledge(alert_id=alert_id, by="nurse", screen="lab2-1")
        assert len(await here.journal.acknowledge("cart-a", wanted)) == 1
        intake = here.journal.intake("room-1", "cart-a", nobody)
        await intake.deliver(header(), [UNBLOCKED])
    async with ward(tmp_path) as here:
        assert [state for state, _, _ in await here.told()] == ["active", "active", "inactive"]
        assert await here.rows("SELECT count(*) FROM fact WHERE processed = 0") == [(0,)]
        sequence = await here.rows("SELECT seq FROM outbox WHERE seq IS NOT NULL ORDER BY id")
        assert [seq for (seq,) in sequence] == list(range(1, len(sequence) + 1))


async def nobody(_facts: Sequence[JournaledFact]) -> None:
    """The gateway was killed."""


async def test_what_was_seen_before_is_not_journaled_again(tmp_path: Path) -> None:
    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED)
        alert_id = await here.alert_id()
        for by in ("nurse", "doctor"):
            await here.acknowledged(by, alert_id)
        await here.take(UNBLOCKED)
        await here.acknowledged("doctor", alert_id)
        assert [by for _, _, by in await here.told()] == [None, "nurse", "nurse"]
        assert await here.rows("SELECT count(*) FROM fact WHERE kind = 'acknowledged'") == [(1,)]


async def test_two_screens_at_once_are_one_acknowledgement(tmp_path: Path) -> None:
    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED)
        alert_id = await here.alert_id()
        for by in ("nurse", "doctor"):
            here.door.offer(Acknowledge(alert_id=alert_id, by=by, screen="s"))
        while len(await here.told()) < 2:
            await here.runner.drain()
        assert [by for _, _, by in await here.told()] == [None, "nurse"]


async def test_the_events_of_a_simulated_study_stay_marked(tmp_path: Path) -> None:
    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED, of=header(simulated=True))
        await here.acknowledged()
        ((payload,),) = await here.rows("SELECT payload FROM outbox ORDER BY id DESC LIMIT 1")
    assert json.loads(payload)["simulated"] is True


class Told(logging.Handler):
    """Waits for the line that refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put_nowait(record)


@pytest.mark.parametrize("case", ["unknown study", "unknown alert", "of another cart"])
async def test_an_alert_that_is_not_there_is_refused_with_one_line_and_the_next_is_taken(
    tmp_path: Path, case: str
) -> None:
    lines = Told()
    logger = logging.getLogger("gateway.pipeline.acknowledgements")
    logger.addHandler(lines)
    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED, cart="cart-b" if case == "of another cart" else "cart-a")
        alert_id = await here.alert_id()
        wrong = {"unknown study": f"AAAAAAAA{alert_id[8:]}", "unknown alert": f"{alert_id}-7"}
        here.door.offer(Acknowledge(alert_id=wrong.get(case, alert_id), by="Canary", screen="s"))
        told = await lines.records.get()
        here.door.offer(Acknowledge(alert_id="AAAAAAAA-a-b-c-d-e", by="Canary", screen="s"))
        await lines.records.get()
    logger.removeHandler(lines)
    assert (told.levelname, told.getMessage()) == ("WARNING", "acknowledgement_refused")
    assert told.__dict__["fields"] == {"cart": "cart-a", "reason": "alert_id: there is no such alert"}


async def test_a_flood_is_refused_at_the_door(tmp_path: Path) -> None:
    async with ward(tmp_path, running=False) as here:
        wanted = Acknowledge(alert_id="AAAAAAAA-a-b-c-d-e", by="x", screen="s")
        for _ in range(64):
            here.door.offer(wanted)
        with pytest.raises(Unavailable, match="than people make"):
            here.door.offer(wanted)


async def test_what_the_store_cannot_read_is_refused_and_not_repeated(tmp_path: Path) -> None:
    def damage(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE study SET alerts = 'Canary'")

    async with ward(tmp_path) as here:
        await here.take(WRIST, BLOCKED)
        alert_id = await here.alert_id()
        await here.database.write(damage)
        with pytest.raises(Exception, match="alerts: not a stored JSON object"):
            await here.acknowledged(alert_id=alert_id)
