"""What people decide about messages on their way out, beside a gateway that runs."""

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import UsageError
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store.decisions import Decided, Decisions, Wanted
from gateway.store.outbox import Message
from gateway.store.visit import visit
from tests.fakes import FakeClock
from tests.store.test_outbox import PREFIX, Desk, desk

REFUSED = "AR: unknown patient Canary"


async def store(here: Desk, *control_ids: str, sink: str = "engine") -> None:
    messages = tuple(Message(sink=sink, control_id=name, payload=name.encode()) for name in control_ids)
    await here.outbox.store(here.results(messages=messages))


async def set_aside(here: Desk, *control_ids: str) -> None:
    await store(here, *control_ids)
    for item in await here.outbox.pending("engine", len(control_ids)):
        await here.outbox.dead(item.id, REFUSED)


async def refuse_events(here: Desk, *topics: str, keep: str = "") -> None:
    """Store an event for each of `topics`; the broker takes those of `keep` and no other."""
    events = tuple(TelemetryEvent(topic=topic, data={}, retain=True, simulated=False) for topic in topics)
    await here.outbox.store(here.results(events_sink=PREFIX, events=events))
    for item in await here.outbox.pending(PREFIX, len(topics)):
        if item.topic == keep:
            await here.outbox.delivered(item.id, "PUBACK")
        else:
            await here.outbox.dead(item.id, "the broker does not take it")


def deciding(here: Desk, control_ids: list[str] | None, kind: str = "retry") -> list[Decided]:
    with visit(here.path) as opened:
        decisions = opened.decisions(by="anna", clock=FakeClock())
        return decisions.retry(control_ids) if kind == "retry" else decisions.discard(control_ids, "a test")


def recorded(here: Desk) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(here.path)) as connection:
        return connection.execute("SELECT kind, sink, reason, stated_by FROM decision ORDER BY id").fetchall()


async def test_what_was_set_aside_goes_out_again_in_its_place(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1", "C-2")
        await store(here, "C-3")
        assert [entry.left for entry in deciding(here, ["C-2"])] == [""]
        assert [item.control_id for item in await here.outbox.pending("engine", 9)] == ["C-2", "C-3"]
        assert [item.refusals for item in await here.outbox.pending("engine")] == [0]
        assert recorded(here) == [("retried", "engine", None, "anna")]


async def test_everything_that_was_set_aside_can_be_meant(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1", "C-2")
        deciding(here, None)
        assert len(await here.outbox.pending("engine", 9)) == 2


async def test_a_message_that_a_later_one_has_overtaken_is_left(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        await store(here, "C-2")
        (later,) = await here.outbox.pending("engine")
        await here.outbox.delivered(later.id, "AA")
        (decided,) = deciding(here, ["C-1"])
        assert "a later message of its study is delivered" in decided.left
        assert await here.outbox.pending("engine") == []


async def test_a_retry_while_a_later_message_is_on_its_way_puts_nothing_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        await store(here, "C-2", "C-3")
        (on_its_way,) = await here.outbox.pending("engine")
        assert [entry.left for entry in deciding(here, ["C-1"])] == [""]
        await here.outbox.delivered(on_its_way.id, "AA")
        assert [item.control_id for item in await here.outbox.pending("engine", 9)] == ["C-3"]
        assert [row["state"] for row in here.ledger()] == ["parked", "delivered", "pending"]


async def test_a_replay_while_a_later_message_is_on_its_way_puts_nothing_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1", "C-2")
        first, second = await here.outbox.pending("engine", 2)
        await here.outbox.delivered(first.id, "AA")
        with visit(here.path) as opened:
            decisions = opened.decisions(by="anna", clock=FakeClock())
            decisions.replay(Wanted(sink="engine", control_ids=("C-1",)), "lost there", 20)
        await here.outbox.delivered(second.id, "AA")
        assert await here.outbox.pending("engine", 9) == []
        assert [row["state"] for row in here.ledger()] == ["delivered", "delivered"]


async def test_another_destination_overtakes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        await store(here, "C-2", sink="archive")
        (later,) = await here.outbox.pending("archive")
        await here.outbox.delivered(later.id, "AA")
        assert [entry.left for entry in deciding(here, ["C-1"])] == [""]


async def test_a_message_that_could_not_be_written_cannot_be_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.outbox.store(
            here.results(messages=(Message(sink="engine", control_id="C-1", payload=b""),))
        )
        await here.outbox.dead(1, "more than 100 stimulation sites")
        assert "nothing to send" in deciding(here, ["C-1"])[0].left


async def test_what_is_given_up_stays_in_the_ledger_with_who_and_why(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        deciding(here, ["C-1"], "discard")
        assert [row["state"] for row in here.ledger()] == ["discarded"]
        assert recorded(here) == [("discarded", "engine", "a test", "anna")]


async def test_a_message_on_its_way_is_given_up_only_while_its_destination_is_paused(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
        assert "pause engine" in deciding(here, ["C-1"], "discard")[0].left
        with visit(here.path) as opened:
            opened.decisions(by="anna", clock=FakeClock()).pause("engine")
        assert deciding(here, ["C-1"], "discard")[0].left == ""


async def test_all_never_means_what_is_on_its_way(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
        assert deciding(here, None, "discard") == []


@pytest.mark.parametrize("state", ["delivered", "unknown"])
async def test_only_what_is_not_delivered_can_be_decided_about(tmp_path: Path, state: str) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
        (item,) = await here.outbox.pending("engine")
        await here.outbox.delivered(item.id, "AA")
        with pytest.raises(UsageError, match="outbox list"):
            deciding(here, ["C-1" if state == "delivered" else "C-9"])


async def test_a_paused_destination_gets_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
        await store(here, "C-1", sink="archive")
        with visit(here.path) as opened:
            decisions = opened.decisions(by="anna", clock=FakeClock())
            assert [decisions.pause("engine"), decisions.pause("engine")] == [True, False]
            assert await here.outbox.pending("engine") == []
            assert len(await here.outbox.pending("archive")) == 1
            await here.outbox.drained(["engine"])
            assert [decisions.resume("engine"), decisions.resume("engine")] == [True, False]
        assert len(await here.outbox.pending("engine")) == 1
        assert [kind for kind, *_ in recorded(here)] == ["paused", "resumed"]


async def test_a_destination_stays_paused_over_a_restart_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
        with visit(here.path) as opened:
            opened.decisions(by="anna", clock=FakeClock()).pause("engine")
    caplog.set_level(logging.INFO)
    async with desk(tmp_path) as here:
        await here.outbox.hear()
        assert await here.outbox.pending("engine") == []
        with visit(here.path) as opened:
            opened.decisions(by="anna", clock=FakeClock()).resume("engine")
        await here.outbox.hear()
        await here.outbox.hear()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["destination_paused", "destination_resumed"]


async def test_a_sink_that_waits_hears_of_a_decision(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        await here.outbox.hear()
        waiting = asyncio.create_task(here.outbox.wait("engine"))
        await here.outbox.pending("engine")  # behind the waiter's own look, which found nothing
        deciding(here, ["C-1"])
        await here.outbox.hear()
        await asyncio.wait_for(waiting, 10)


async def test_a_destination_stands_as_its_messages_do(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        await store(here, "C-2", "C-3")
        with visit(here.path) as opened:
            decisions: Decisions = opened.decisions(by="anna", clock=FakeClock())
            decisions.pause("engine")
            engine, archive = decisions.destinations(["engine", "archive"])
    assert (engine.pending, engine.parked, engine.dead) == (2, 0, 1)
    assert (engine.paused_since, engine.paused_by) == ("2026-11-02T09:15:00+00:00", "anna")
    assert (archive.pending, archive.paused_since) == (0, None)


async def test_why_is_told_in_the_receivers_own_words_or_in_ours(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        await store(here, "C-2")
        await here.outbox.dead(2, "MSH-10: a control id has 1 to 20 characters")
        with visit(here.path) as opened:
            found = opened.decisions(by="anna", clock=FakeClock()).messages()
    assert [entry.reason for entry in found] == [REFUSED, "MSH-10: a control id has 1 to 20 characters"]


async def test_a_decision_that_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1")
        with closing(sqlite3.connect(here.path)) as connection:
            connection.execute("DROP TABLE decision")
        with pytest.raises(Exception, match="no such table"):
            deciding(here, ["C-1"])
        assert await here.outbox.pending("engine") == []


async def test_what_is_taken_from_a_wrong_patient_is_not_overtaken_by_what_the_right_one_gets(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1W")
        right = Message(sink="engine", control_id="C-2", payload=b"C-2", filing=2)
        await here.outbox.store(here.results(messages=(right,)))
        await here.outbox.delivered((await here.outbox.pending("engine"))[0].id, "AA")
        assert [entry.left for entry in deciding(here, ["C-1W"])] == [""]


async def test_an_event_that_the_broker_refused_goes_out_again_under_its_number(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await refuse_events(here, "a", "b", "c", keep="c")
        assert [(entry.message.name, entry.left) for entry in deciding(here, ["1"])] == [("1", "")]
        (item,) = await here.outbox.pending(PREFIX, 9)
        assert (item.seq, item.topic, json.loads(item.payload)["seq"]) == (1, "a", 1)
        assert recorded(here) == [("retried", PREFIX, None, "anna")]


async def test_until_it_is_taken_no_replay_brings_it_and_nothing_is_taken_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await refuse_events(here, "a", "b", "c", keep="c")
        deciding(here, ["1"])
        deciding(here, ["2"], "discard")
        assert await here.outbox.last_seq(PREFIX) == 3
        assert [item.seq for item in await here.outbox.after(PREFIX, 0, 3, 9)] == [3]
        (item,) = await here.outbox.pending(PREFIX, 9)
        await here.outbox.delivered(item.id, "PUBACK")
        assert [item.seq for item in await here.outbox.after(PREFIX, 0, 3, 9)] == [1, 3]
        assert [item.seq for item in await here.outbox.retained(PREFIX)] == [1, 3]


@pytest.mark.parametrize("taken", [True, False])
async def test_an_event_that_a_later_one_of_its_topic_follows_is_left(tmp_path: Path, *, taken: bool) -> None:
    async with desk(tmp_path) as here:
        await refuse_events(here, "a")
        later = TelemetryEvent(topic="a", data={}, retain=True, simulated=False)
        await here.outbox.store(here.results(events_sink=PREFIX, events=(later,)))
        if taken:
            await here.outbox.delivered(2, "PUBACK")
        assert "a later event of its topic has followed" in deciding(here, ["1"])[0].left


async def test_an_event_that_empties_a_topic_is_called_by_that(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        clear = TelemetryEvent(topic="alert/a", data=None, retain=True, simulated=False)
        await here.outbox.store(here.results(events_sink=PREFIX, events=(clear,)))
        await here.outbox.dead(1, "the broker does not take it")
        assert [entry.left for entry in deciding(here, ["alert/a"])] == [""]
        assert [item.payload for item in await here.outbox.pending(PREFIX, 9)] == [b""]


async def test_an_event_that_is_not_kept_any_more_cannot_be_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await refuse_events(here, "a")
        await here.database.write(lambda c: c.execute("UPDATE outbox SET payload = x''").rowcount)
        assert "not kept any more" in deciding(here, ["1"])[0].left


async def test_an_event_on_its_way_is_not_given_up(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await refuse_events(here, "a")
        deciding(here, None)
        assert [entry.left for entry in deciding(here, ["1"], "discard")] == ["it is on its way"]
