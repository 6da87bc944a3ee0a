"""Events for those who missed them: what the broker should hold, and what can be replayed."""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from gateway.ports import OutboxItem
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store import past_events
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.migrations import migrate
from gateway.store.outbox import Outbox, Results
from tests.factories import header
from tests.fakes import FakeClock

PREFIX = "emg/v1/lab1/cart-a"
DAY_S = 86_400.0
FOR_EVER = 10**6


@dataclass
class Desk:
    """An outbox beside one study."""

    outbox: Outbox
    database: Database
    code: str
    clock: FakeClock

    async def tell(self, *events: TelemetryEvent, sink: str = PREFIX, delivered: bool = True) -> None:
        results = Results(
            code=self.code,
            fact_id=None,
            numbering={},
            alerts={},
            clear_at=None,
            events_sink=sink,
            events=events,
        )
        await self.outbox.store(results)
        if delivered:
            for item in await self.outbox.pending(sink, len(events)):
                await self.outbox.delivered(item.id, "PUBACK")

    async def thin(self, keep: int = FOR_EVER, days: float = 100_000.0) -> None:
        await self.outbox.thin(keep, self.clock.now() - timedelta(days=days))

    async def kept(self) -> list[int | None]:
        return numbers(await self.outbox.after(PREFIX, 0, FOR_EVER, FOR_EVER))


async def ignore(_facts: Sequence[JournaledFact]) -> None:
    """Nobody works on the facts of this file."""


@asynccontextmanager
async def desk(path: Path) -> AsyncIterator[Desk]:
    clock = FakeClock()
    async with open_database(path / "gateway.db") as database:
        journal = await Journal.open(database, clock, "boot-1")
        await journal.intake("room-1", "cart-a", ignore).deliver(header(), [])
        rows = await database.write(lambda c: c.execute("SELECT code FROM study").fetchall())
        yield Desk(Outbox(database, clock, "boot-1"), database, rows[0]["code"], clock)


def event(topic: str = "study/x/segment", data: dict[str, Any] | None = None) -> TelemetryEvent:
    return TelemetryEvent(topic=topic, data=data or {}, retain=False, simulated=False)


def kept_at_broker(topic: str, version: int | None) -> TelemetryEvent:
    data = None if version is None else {"version": version}
    return TelemetryEvent(topic=topic, data=data, retain=True, simulated=False)


def numbers(items: Sequence[OutboxItem]) -> list[int | None]:
    return [item.seq for item in items]


async def test_events_come_back_as_they_were_in_order_within_the_bounds(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.tell(*(event(data={"n": n}) for n in range(1, 8)), kept_at_broker("gone", None))
        await here.tell(event(), sink="emg/v1/lab1/cart-b")
        found = await here.outbox.after(PREFIX, 2, 6, 3)
        more = await here.outbox.after(PREFIX, 5, 6, 3)
    assert numbers(found) == [3, 4, 5]
    assert [json.loads(item.payload)["data"]["n"] for item in found] == [3, 4, 5]
    assert numbers(more) == [6]


async def test_the_newest_event_of_each_retained_topic_is_what_the_broker_should_hold(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.tell(kept_at_broker("study/x/assessment", 1), kept_at_broker("alert/a", 1), event())
        await here.tell(kept_at_broker("study/y/assessment", 1), kept_at_broker("study/x/assessment", 2))
        await here.tell(kept_at_broker("study/y/assessment", None))
        held = await here.outbox.retained(PREFIX)
        assert [(item.topic, json.loads(item.payload)["data"]["version"]) for item in held] == [
            ("alert/a", 1),
            ("study/x/assessment", 2),
        ]
        assert all(item.retain for item in held)
        await here.tell(kept_at_broker("alert/a", 2), delivered=False)  # it will arrive as an event
        assert [item.topic for item in await here.outbox.retained(PREFIX)] == ["study/x/assessment"]
        assert await here.outbox.retained("emg/v1/lab1/cart-b") == []


async def test_what_the_broker_refused_is_neither_replayed_nor_held(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.tell(event(), kept_at_broker("alert/a", 1), event())
        (refused,) = await here.outbox.retained(PREFIX)
        await here.outbox.dead(refused.id, "too large")
        assert await here.kept() == [1, 3]
        assert await here.outbox.retained(PREFIX) == []


async def test_events_are_kept_up_to_a_number_and_the_ledger_keeps_its_rows(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        assert await here.outbox.oldest(PREFIX) == 1
        await here.tell(*(event() for _ in range(10)))
        await here.thin(keep=10)
        assert await here.outbox.oldest(PREFIX) == 1
        await here.thin(keep=4)
        assert await here.kept() == [7, 8, 9, 10]
        assert await here.outbox.oldest(PREFIX) == 7
        (rows,) = await here.database.write(lambda c: c.execute("SELECT count(*) FROM outbox").fetchone())
        assert rows == 10


async def test_events_are_kept_up_to_an_age(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.tell(event(), event())
        here.clock.advance(DAY_S)
        await here.tell(event())
        here.clock.advance(1.0)
        await here.thin(days=1.0)
        assert await here.kept() == [3]
        await here.thin(keep=0)
        assert (await here.kept(), await here.outbox.oldest(PREFIX)) == ([], 4)
        await here.tell(event())
        assert await here.kept() == [4]


async def test_many_are_dropped_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_events, "_BATCH", 3)
    async with desk(tmp_path) as here:
        await here.tell(*(event() for _ in range(10)))
        await here.tell(*(event() for _ in range(5)), sink="emg/v1/lab1/cart-b")
        await here.thin(keep=2)
        assert await here.kept() == [9, 10]
        assert await here.outbox.oldest("emg/v1/lab1/cart-b") == 4


async def test_what_is_pending_or_held_by_the_broker_is_never_dropped(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.tell(kept_at_broker("alert/a", 1), event())
        await here.tell(event(), event(), delivered=False)
        await here.thin(keep=0)
        assert await here.outbox.oldest(PREFIX) == 3
        assert [json.loads(item.payload)["seq"] for item in await here.outbox.pending(PREFIX, 9)] == [3, 4]
        assert [json.loads(item.payload)["seq"] for item in await here.outbox.retained(PREFIX)] == [1]


async def test_a_store_of_an_earlier_version_knows_what_the_broker_holds(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
        steps = sorted(files("gateway.store.migrations").iterdir(), key=lambda step: step.name)
        for step in [step for step in steps if step.name.endswith(".sql")][:3]:
            connection.executescript(step.read_text("utf-8"))
        connection.execute(
            "INSERT INTO study (code, driver, cart, study_id, patient_id) VALUES ('C','d','cart-a','S','P')"
        )
        told = [("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", b""), ("c", b"1")]
        for seq, (topic, payload) in enumerate(told, start=1):
            connection.execute(
                "INSERT INTO outbox (sink, study, seq, topic, retain, payload, state, created_at)"
                " VALUES (?, 'C', ?, ?, ?, ?, 'delivered', 'then')",
                (PREFIX, seq, topic, topic != "c", payload),
            )
        connection.execute("INSERT INTO sequence VALUES (?, 5)", (PREFIX,))
        connection.execute("PRAGMA user_version = 3")
        connection.commit()
        migrate(connection, tmp_path / "gateway.db")
        connection.row_factory = sqlite3.Row
        assert [item.payload for item in past_events.retained(connection, PREFIX)] == [b"2"]
        assert past_events.oldest(connection, PREFIX) == 1
