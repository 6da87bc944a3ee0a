"""Brokers that will not have one event, two gateways with one name, screens that ask for too much."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import OutboxItem
from gateway.protocols.screens import Acknowledge
from gateway.sinks import mqtt
from gateway.sinks.allowance import Allowance
from gateway.sinks.backoff import Backoff
from gateway.sinks.broker import BrokerAddress, demo_broker
from gateway.sinks.own_status import OwnStatus
from gateway.sinks.refused_event import RefusedEvent
from tests.sinks.broker_side import (
    LOOPBACK,
    PREFIX,
    STATUS,
    Line,
    MemoryOutbox,
    StoppedClock,
    running,
    said,
    subscriber,
    until,
)
from tests.sinks.mosquitto import plain_mosquitto
from tests.sinks.picky_broker import Publish, Verdict, picky_broker
from tests.sinks.test_mqtt_commands import ACK, Lines, online, publish

ASSESSMENT = "study/x/assessment"
LARGE = b'{"large":"' + b"x" * 5000 + b'"}'


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_RECONNECT", Backoff(first_s=0.01, cap_s=0.02))


@pytest.fixture
async def lines() -> AsyncIterator[Lines]:
    handler, logger = Lines(), logging.getLogger("gateway.sinks.mqtt")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def held(broker: BrokerAddress) -> list[str]:
    """The topics of what a mosquitto holds: it tells that before anything new."""
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe("#", qos=1)
        await client.publish("sentinel", qos=1)
        messages = aiter(client.messages)
        found = []
        while (topic := (await anext(messages)).topic.value) != "sentinel":
            found.append(topic)
        return found


# --- an event that the broker refuses --------------------------------------------------------------------


async def test_an_event_too_large_for_the_broker_is_set_aside_and_the_others_go_on(
    tmp_path: Path, lines: Lines
) -> None:
    outbox = MemoryOutbox()
    async with plain_mosquitto(tmp_path, "max_packet_size 2000") as broker:
        async with running(broker.host, broker.port, outbox, status_interval_s=60):
            await outbox.put(b'{"n":1}', topic=ASSESSMENT, retain=True)
            await outbox.put(LARGE, topic=ASSESSMENT, retain=True)
            await outbox.put(*(b'{"n":%d}' % number for number in range(3, 30)))
            fields = await lines.line("mqtt_event_refused")
            await outbox.emptied()
        # What the broker held is older than what it refused: it would look as if it were true.
        assert await held(broker) == [STATUS]
    assert list(outbox.refused) == [2]
    assert "5012 bytes" in outbox.refused[2]
    assert (fields["seq"], fields["topic"], fields["size"]) == (2, ASSESSMENT, "5012 bytes")


@pytest.mark.parametrize("beside", [b'{"n":1}', b""])
async def test_one_that_the_broker_took_before_and_refuses_now_is_set_aside_too(
    tmp_path: Path, lines: Lines, beside: bytes
) -> None:
    outbox = MemoryOutbox()
    async with demo_broker("mosquitto") as first, running(first.host, first.port, outbox):
        await outbox.put(beside, topic="alert/a", retain=True)
        await outbox.put(LARGE, topic=ASSESSMENT, retain=True)
        await outbox.emptied()
    async with (
        plain_mosquitto(tmp_path, "max_packet_size 2000") as second,
        running(second.host, second.port, outbox),
    ):
        if beside:  # that it takes this one is proof enough
            await lines.line("mqtt_event_refused")
        await outbox.put(b'{"n":3}')
        await outbox.emptied()
        if not beside:
            await lines.line("mqtt_event_refused")
    assert list(outbox.refused) == [2]


async def test_one_that_is_tried_again_comes_under_its_number_and_takes_back_no_claim() -> None:
    outbox = MemoryOutbox()
    await outbox.put(b'{"n":1}', b'{"n":2}', b'{"n":3}')
    await outbox.dead(2, "the broker does not take it")
    async with (
        demo_broker("mosquitto") as broker,
        subscriber(broker) as messages,
        running(broker.host, broker.port, outbox, status_interval_s=0.02),
    ):
        await until(messages, lambda whole: whole.get("last_event_seq") == 3)
        await outbox.again(2)
        await until(messages, lambda whole: whole.get("n") == 2)
        claims = [await until(messages, lambda whole: "last_event_seq" in whole) for _ in range(5)]
    assert {said(claim)["last_event_seq"] for claim in claims} == {3}


async def test_one_that_is_never_acknowledged_while_heartbeats_are_is_set_aside() -> None:
    long_since = asyncio.Event()

    def judge(packet: Publish) -> Verdict:
        if packet.connection > 8:
            long_since.set()
        return "ignore" if packet.payload == b"2" else "acknowledge"

    outbox = MemoryOutbox()
    async with (
        picky_broker(judge) as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=0.02, ack_timeout_s=0.2),
    ):
        await outbox.put(b"1", b"2", b"3")
        await long_since.wait()
        assert outbox.refused == {}  # nobody can tell yet: no other event goes through
        await outbox.put(b"4")
        await outbox.emptied()
    assert outbox.answers.keys() == {1, 3, 4}
    assert "no PUBACK within 0.2 s" in outbox.refused[2]


@pytest.mark.parametrize("verdict", ["ignore", "hang up"])
async def test_a_broker_that_does_this_to_everything_costs_no_event(verdict: Verdict) -> None:
    """Its network is cut, it is restarted, it is full: nothing of this is about one event."""
    healthy = asyncio.Event()
    enough = asyncio.Event()

    def judge(packet: Publish) -> Verdict:
        if packet.connection > 20:
            enough.set()
        first = packet.topic == STATUS and b'"seq":1,' in packet.payload
        return "acknowledge" if healthy.is_set() or first else verdict

    outbox = MemoryOutbox()
    async with (
        picky_broker(judge) as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=0.01, ack_timeout_s=0.05),
    ):
        await outbox.put(*(b"%d" % number for number in range(20)))
        await enough.wait()
        healthy.set()
        await outbox.emptied()
    assert outbox.refused == {}


async def test_a_broker_that_dies_amid_its_acknowledgements_gets_the_others_again() -> None:
    def judge(packet: Publish) -> Verdict:
        dies = packet.connection == 1 and packet.payload == b"4"
        return "hang up" if dies else "acknowledge"

    outbox = MemoryOutbox()
    await outbox.put(*(b"%d" % number for number in range(1, 13)))
    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, outbox, status_interval_s=60):
        await outbox.emptied()
    events = [int(packet.payload) for packet in broker.seen if packet.topic != STATUS]
    assert outbox.refused == {}
    assert list(dict.fromkeys(events)) == list(range(1, 13))
    again = [
        int(packet.payload) for packet in broker.seen if packet.topic != STATUS and packet.connection == 2
    ]
    assert again == sorted(again)
    assert again[-1] == 12


async def test_an_older_word_does_not_take_the_place_of_a_newer_one_that_the_broker_holds() -> None:
    """The disk did not take the note that the older one was delivered, and took that of the newer one."""
    outbox = MemoryOutbox()
    await outbox.put(b"old", b"new", topic="alert/a", retain=True)
    outbox.answers[2] = "PUBACK"
    async with picky_broker(lambda _: "acknowledge") as broker, running(LOOPBACK, broker.port, outbox):
        await outbox.emptied()
    alerts = [(packet.payload, packet.retain) for packet in broker.seen if packet.topic.endswith("alert/a")]
    assert alerts == [(b"new", True), (b"old", False)]


async def test_a_broker_that_lets_us_publish_no_event_at_all_costs_none() -> None:
    """Its access rules are wrong: that is put right there, and everything arrives."""
    healthy, enough = asyncio.Event(), asyncio.Event()

    def judge(packet: Publish) -> Verdict:
        if packet.connection > 40:
            enough.set()
        return "acknowledge" if healthy.is_set() or packet.topic == STATUS else "hang up"

    outbox = MemoryOutbox()
    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, outbox, status_interval_s=60):
        await outbox.put(b"1", b"2", b"3")
        await enough.wait()
        healthy.set()
        await outbox.emptied()
    assert outbox.refused == {}


Step = tuple[str, int]


@given(
    st.lists(st.tuples(st.sampled_from(["lost", "silent", "ack", "beat"]), st.integers(1, 3)), max_size=60)
)
def test_only_what_was_sent_alone_and_lost_again_and_again_is_given_up(steps: list[Step]) -> None:
    refused, alone, taken = RefusedEvent(8), dict.fromkeys(range(1, 4), 0), set[int]()
    for kind, number in steps:
        event = OutboxItem(id=number, payload=b"")
        if kind == "beat":
            refused.heartbeat_acknowledged()
            continue
        refused.sent(event)
        if kind == "ack":
            refused.acknowledged(event)
            alone[number] = 0
            taken.add(number)
            continue
        blamed = refused.connection_lost(silent=kind == "silent")
        alone[number] += kind == "lost"
        if blamed is not None:
            assert blamed.id == number
            assert alone[number] >= 6
            assert taken - {number}
            alone[number] = 0
        taken.clear()


def test_what_is_suspected_is_tried_alone_and_in_the_end_after_another() -> None:
    first, second = (OutboxItem(id=number, payload=b"") for number in (1, 2))
    refused = RefusedEvent(8)
    turns = []
    for _ in range(8):
        for event in refused.turn([first, second]):
            turns.append(event.id)
            refused.sent(event)
        if turns[-1] == 2 and refused.suspected:
            refused.acknowledged(second)
            refused.sent(*refused.turn([first, second]))
            turns.append(1)
        if refused.connection_lost(silent=False) is first:
            break
    assert turns == [1, 2, *[1] * 5, 2, 1]


def test_one_that_is_alone_is_not_given_up_however_often_it_was_lost() -> None:
    """Nobody can tell whether the broker would have taken another one."""
    event, refused = OutboxItem(id=1, payload=b""), RefusedEvent(8)
    for _ in range(50):
        assert list(refused.turn([event])) == [event]
        refused.sent(event)
        assert refused.connection_lost(silent=False) is None


def test_a_connection_that_is_lost_without_an_event_blames_none() -> None:
    refused = RefusedEvent(8)
    for _ in range(20):
        assert refused.connection_lost(silent=False) is None
    assert not refused.suspected


# --- two gateways with one name --------------------------------------------------------------------------


async def test_two_gateways_with_the_same_name_are_named_and_lose_nothing(lines: Lines) -> None:
    ours, theirs = MemoryOutbox(), MemoryOutbox()
    async with demo_broker("mosquitto") as broker, contextlib.AsyncExitStack() as stack:
        for boot_id, outbox in (("boot-1", ours), ("boot-2", theirs)):
            gateway = running(broker.host, broker.port, outbox, boot_id=boot_id, status_interval_s=60)
            await stack.enter_async_context(gateway)
        fields = await lines.line("mqtt_another_gateway")
        await ours.put(b"{}")
        await theirs.put(b"{}")
        await ours.emptied()
        await theirs.emptied()
    assert fields["boot_id"] in {"boot-1", "boot-2"}
    assert fields["prefix"] == PREFIX
    assert "own site or cart" in fields["advice"]


async def test_the_word_of_the_run_before_is_no_other_gateway(lines: Lines, kind: Any) -> None:
    outbox = MemoryOutbox()
    async with demo_broker(kind) as broker:
        async with running(broker.host, broker.port, outbox, boot_id="boot-0"):
            await outbox.put(b"{}")
            await outbox.emptied()
        async with running(broker.host, broker.port, outbox):
            await outbox.put(b"{}")
            await outbox.emptied()
            await publish(broker, "ack", b"no command")
            await lines.line("command_refused")
    assert lines.seen("mqtt_another_gateway") == []


def word(boot_id: object, state: str = "online") -> bytes:
    return json.dumps({"boot_id": boot_id, "state": state}).encode()


def test_another_gateway_that_is_heard_speaking_is_told_once() -> None:
    own = OwnStatus("boot-1")
    heard = [own.another(word("boot-2"), kept=False) for _ in range(3)]
    assert heard == ["boot-2", None, None]


def test_what_the_broker_kept_of_another_is_told_when_it_comes_again() -> None:
    own = OwnStatus("boot-1")
    kept = [own.another(word("boot-2", "offline"), kept=True) for _ in range(4)]
    assert kept == [None, "boot-2", None, None]


def test_a_broker_that_fell_back_to_an_old_state_now_and_then_is_no_other_gateway() -> None:
    own = OwnStatus("boot-1")
    for boot_id in ("boot-0", "boot-1") * 3:
        assert own.another(word(boot_id), kept=True) is None


@given(
    st.binary() | st.sampled_from([word("boot-1"), word(7), word("x" * 65), word("b", "offline"), b"[" * 999])
)
def test_nothing_else_is_another_gateway(payload: bytes) -> None:
    assert OwnStatus("boot-1").another(payload, kept=False) is None


# --- screens that ask for too much -----------------------------------------------------------------------


async def test_a_flood_of_commands_costs_a_few_lines_and_the_next_person_is_heard(lines: Lines) -> None:
    seen: asyncio.Queue[Acknowledge] = asyncio.Queue()
    clock = StoppedClock()
    async with (
        demo_broker("mosquitto") as broker,
        online(broker, MemoryOutbox(), acknowledge=seen.put_nowait, clock=clock),
        aiomqtt.Client(broker.host, broker.port) as screen,
    ):
        for _ in range(2000):
            await screen.publish(f"{PREFIX}/cmd/ack", b"{}", qos=0)
        assert (await lines.line("commands_ignored"))["count"] == 1
        while seen.empty():  # what is left of the flood may take the place of the first
            clock.seconds += 1.0
            await publish(broker, "ack", ACK)
        assert seen.get_nowait() == Acknowledge(**ACK)
    assert len(lines.seen("command_refused")) + len(lines.seen("commands_ignored")) < 100


@given(st.lists(st.floats(0, 10), max_size=50))
def test_an_allowance_is_never_exceeded(pauses: list[float]) -> None:
    allowance, now, taken = Allowance(burst=5, per_s=2.0, now=100.0), 100.0, 0
    for pause in pauses:
        now += pause
        while allowance.take(now):
            taken += 1
        assert taken <= 5 + 2.0 * (now - 100.0) + 1e-6
    assert taken >= 5 or not pauses


async def test_a_packet_that_no_screen_needs_is_not_taken_into_memory(
    line: Line, broker: BrokerAddress
) -> None:
    outbox = MemoryOutbox()
    async with (
        subscriber(broker, "status") as messages,
        running(LOOPBACK, line.port, outbox, status_interval_s=60),
    ):
        await until(messages, lambda whole: whole["state"] == "online")
        await publish(broker, "ack", b"x" * (mqtt._LARGEST_PACKET + 1))  # noqa: SLF001  # the limit itself
        await until(messages, lambda whole: whole["state"] == "offline" and "seq" not in whole)
        back = await until(messages, lambda whole: whole["state"] == "online")
        await outbox.put(b"{}")
        await outbox.emptied()
    assert said(back)["seq"] == 2
