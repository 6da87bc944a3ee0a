import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.study import StudyOpened
from gateway.errors import StorageError, UsageError
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.ledger import ledger
from gateway.store.outbox import Message, Outbox, Results
from gateway.store.studies import Studies
from tests.factories import header
from tests.fakes import FakeClock

PREFIX = "emg/v1/lab1/cart-a"


@dataclass(frozen=True)
class Desk:
    """An outbox beside one study, and a clock to move."""

    outbox: Outbox
    studies: Studies
    database: Database
    code: str
    clock: FakeClock
    path: Path

    def results(self, **changes: Any) -> Results:
        nothing: dict[str, Any] = {"fact_id": None, "numbering": {}, "alerts": {}, "clear_at": None}
        return Results(code=self.code, **nothing | changes)

    def ledger(self, study: str | None = None) -> list[dict[str, Any]]:
        return ledger(self.path, study)


async def ignore(_facts: Sequence[JournaledFact]) -> None:
    """Nobody works on the facts of this file."""


@asynccontextmanager
async def desk(path: Path) -> AsyncIterator[Desk]:
    clock = FakeClock()
    async with open_database(path / "gateway.db") as database:
        journal = await Journal.open(database, clock, "boot-1")
        await journal.intake("room-1", "cart-a", ignore).deliver(header(), [])
        rows = await database.write(lambda c: c.execute("SELECT code FROM study").fetchall())
        outbox = Outbox(database, clock, "boot-1")
        yield Desk(outbox, Studies(database), database, rows[0]["code"], clock, path / "gateway.db")


def event(topic: str, *, data: dict[str, Any] | None = None) -> TelemetryEvent:
    return TelemetryEvent(topic=topic, data={} if data is None else data, retain=False, simulated=False)


def message(control_id: str, sink: str = "engine", refused: str | None = None) -> Message:
    return Message(sink=sink, control_id=control_id, payload=control_id.encode(), refused=refused)


async def test_events_are_numbered_without_gaps_across_restarts(tmp_path: Path) -> None:
    for _ in range(2):
        async with desk(tmp_path) as here:
            await here.outbox.store(here.results(events_sink=PREFIX, events=(event("a"), event("b"))))

    async with desk(tmp_path) as here:
        pending = await here.outbox.pending(PREFIX, 10)

    assert [item.seq for item in pending] == [1, 2, 3, 4]
    assert [json.loads(item.payload)["seq"] for item in pending] == [1, 2, 3, 4]
    assert json.loads(pending[0].payload)["time"] == "2026-11-02T09:15:00.000Z"


async def test_clearing_a_topic_takes_no_number(tmp_path: Path) -> None:
    clear = TelemetryEvent(topic="gone", data=None, retain=True, simulated=False)

    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(events_sink=PREFIX, events=(event("a"), clear, event("b"))))
        pending = await here.outbox.pending(PREFIX, 10)

    assert [(item.topic, item.seq, item.payload == b"", item.retain) for item in pending] == [
        ("a", 1, False, False),
        ("gone", None, True, True),
        ("b", 2, False, False),
    ]


async def test_a_row_leaves_only_when_it_is_settled(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=tuple(message(f"M-{n}") for n in range(4))))
        first, second, third, fourth = await here.outbox.pending("engine", 10)

        await here.outbox.delivered(first.id, "AA")
        await here.outbox.parked(second.id, "AE for an hour")
        await here.outbox.dead(third.id, "AR: unknown patient")
        await here.outbox.attempted(fourth.id, "no acknowledgement within 10 s")

        assert [item.control_id for item in await here.outbox.pending("engine", 10)] == ["M-3"]
        ledger = here.ledger()

    assert [(row["state"], row.get("answer"), row.get("error"), row["attempts"]) for row in ledger] == [
        ("delivered", "AA", None, 1),
        ("parked", None, "AE for an hour", 1),
        ("dead", None, "AR: unknown patient", 1),
        ("pending", None, "no acknowledgement within 10 s", 1),
    ]


async def test_a_message_that_must_not_be_sent_stands_in_the_ledger_with_its_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=(message("M-1", refused="simulated data"),)))

        assert await here.outbox.pending("engine", 10) == []
        (row,) = here.ledger()

    assert (row["state"], row["error"]) == ("refused", "simulated data")


async def test_each_destination_has_its_own_queue(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=(message("M-1", "one"), message("M-1", "two"))))
        (item,) = await here.outbox.pending("one", 10)
        await here.outbox.delivered(item.id, "AA")

        assert [entry.control_id for entry in await here.outbox.pending("two", 10)] == ["M-1"]


async def test_waiting_ends_when_something_is_stored_and_at_once_when_something_is_there(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here:
        waiting = asyncio.create_task(here.outbox.wait("engine"))
        await here.outbox.store(here.results(messages=(message("M-1", "other"),)))
        assert not waiting.done()

        await here.outbox.store(here.results(messages=(message("M-2"),)))
        await waiting
        await here.outbox.wait("engine")


async def test_the_last_number_is_the_one_before_the_first_pending(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        assert await here.outbox.last_seq(PREFIX) == 0
        await here.outbox.store(here.results(events_sink=PREFIX, events=(event("a"), event("b"), event("c"))))
        assert await here.outbox.last_seq(PREFIX) == 0

        items = await here.outbox.pending(PREFIX, 10)
        await here.outbox.delivered(items[0].id, "PUBACK")
        assert await here.outbox.last_seq(PREFIX) == 1

        for item in items[1:]:
            await here.outbox.delivered(item.id, "PUBACK")
        assert await here.outbox.last_seq(PREFIX) == 3


async def test_results_their_fact_and_what_was_said_are_stored_together(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        fact_id = await here.database.write(lambda c: c.execute("SELECT id FROM fact").fetchone()["id"])
        due = here.clock.now() + timedelta(hours=1)

        await here.outbox.store(
            here.results(fact_id=fact_id, numbering={"n": [1]}, alerts={"a": {}}, clear_at=due)
        )

        stored = await here.studies.load(here.code)
        assert stored.study is not None
        assert StudyOpened(stored.study.header).header.study_id == "S-1"
        assert (stored.numbering, stored.alerts) == ({"n": [1]}, {"a": {}})
        assert await here.studies.to_clear(here.clock.now()) == []
        assert await here.studies.to_clear(due) == [here.code]


async def test_the_ledger_is_found_by_code_or_by_the_device_s_study_id(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=(message("M-1"),)))

        assert len(here.ledger("S-1")) == len(here.ledger(here.code)) == 1
        with pytest.raises(UsageError, match="studies list"):
            here.ledger("S-9")


async def test_drained_means_nothing_is_pending_for_these_sinks(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.drained(["engine", "other"])
        messages = (message("M-1"), message("M-1", "other"), message("M-1", "removed"))
        await here.outbox.store(here.results(messages=messages))
        waiting = asyncio.create_task(here.outbox.drained(["engine", "other"]))
        (first,), (second,) = await here.outbox.pending("engine"), await here.outbox.pending("other")

        await here.outbox.delivered(first.id, "AA")
        assert not waiting.done()
        await here.outbox.dead(second.id, "AR")
        await waiting


async def test_a_ledger_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gateway\.db"):
        ledger(tmp_path / "gateway.db")


async def test_how_often_a_message_was_refused_survives_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=(message("M-1"),)))
        (item,) = await here.outbox.pending("engine")
        await here.outbox.attempted(item.id, "AE", refused=True)
        await here.outbox.attempted(item.id, "no acknowledgement")
        await here.outbox.attempted(item.id, "AE", refused=True)

    async with desk(tmp_path) as here:
        (item,) = await here.outbox.pending("engine")

    assert item.refusals == 2


async def test_a_message_that_could_not_be_written_is_a_dead_letter_from_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here:
        unwritable = Message(sink="engine", control_id="M-1", payload=b"", dead="nerve study 1: too long")
        await here.outbox.store(here.results(messages=(unwritable,)))
        assert await here.outbox.pending("engine") == []
    assert [(row["state"], row["error"]) for row in here.ledger()] == [("dead", "nerve study 1: too long")]
    assert [record.getMessage() for record in caplog.records] == ["hl7_unwritable"]


async def test_only_who_was_sent_something_for_a_patient_is_told_to_take_it_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=(message("C-1"), message("C-1", "never", "refused"))))
        back = [
            Message(sink=sink, control_id="C-2W", payload=b"w", takes_back=True)
            for sink in ("engine", "never")
        ]
        again = [replace(entry, control_id="C-3W", filing=2) for entry in back]
        await here.outbox.store(here.results(messages=(*back, *again)))
        assert [(row["sink"], row["control_id"]) for row in here.ledger()] == [
            ("engine", "C-1"),
            ("never", "C-1"),
            ("engine", "C-2W"),
        ]


async def test_what_nobody_sends_any_more_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(here.results(messages=(message("M-1"), message("M-2", sink="archive"))))
        await here.outbox.tell_abandoned(["engine"])
        await here.outbox.tell_abandoned(["engine", "archive"])
    (told,) = [r.fields for r in caplog.records if r.getMessage() == "destination_abandoned"]  # type: ignore[attr-defined]
    assert (told["sink"], told["pending"]) == ("archive", 1)
