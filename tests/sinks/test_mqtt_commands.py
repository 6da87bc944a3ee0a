"""What screens ask for over a real broker: acknowledgements, replays, and what is neither."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest

from gateway.errors import Unavailable
from gateway.protocols.screens import Acknowledge
from gateway.sinks import replay
from gateway.sinks.broker import BrokerAddress, BrokerKind, demo_broker
from gateway.sinks.mqtt_connection import BrokerConnection
from tests.sinks.broker_side import LOOPBACK, PREFIX, Line, MemoryOutbox, running, said, subscriber, until

ALERT = "ABCDEFGH-ulnar-right-adm-wrist-below_elbow"
ACK = {"alert_id": ALERT, "by": "nurse", "screen": "lab2-1"}


async def publish(address: BrokerAddress, name: str, payload: Any, *, retain: bool = False) -> None:
    """A screen sends a command."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    async with aiomqtt.Client(address.host, address.port) as client:
        await client.publish(f"{PREFIX}/cmd/{name}", body, qos=1, retain=retain)


@asynccontextmanager
async def online(address: BrokerAddress, outbox: MemoryOutbox, **more: Any) -> AsyncIterator[None]:
    """A sink that is connected and has subscribed: it does so before it says that it is online."""
    async with (
        subscriber(address, "status") as messages,
        running(address.host, address.port, outbox, status_interval_s=60, **more),
    ):
        await until(messages, lambda whole: whole["state"] == "online")
        yield


class Lines(logging.Handler):
    """What the sink logs, as it does."""

    def __init__(self) -> None:
        super().__init__()
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()
        self.all: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put_nowait(record)
        self.all.append(record)

    def seen(self, wanted: str) -> list[logging.LogRecord]:
        """All lines of this event so far."""
        return [record for record in self.all if record.getMessage() == wanted]

    async def line(self, wanted: str) -> dict[str, Any]:
        while (record := await self.records.get()).getMessage() != wanted:
            pass
        fields: dict[str, Any] = record.__dict__["fields"]
        return fields


@pytest.fixture
async def lines() -> AsyncIterator[Lines]:
    handler, logger = Lines(), logging.getLogger("gateway.sinks.mqtt")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


# --- acknowledgements ------------------------------------------------------------------------------------


async def test_what_a_screen_acknowledges_is_passed_on(broker: BrokerAddress) -> None:
    seen: asyncio.Queue[Acknowledge] = asyncio.Queue()
    async with online(broker, MemoryOutbox(), acknowledge=seen.put_nowait):
        await publish(broker, "ack", ACK)
        assert await seen.get() == Acknowledge(**ACK)


async def test_commands_are_heard_again_after_every_reconnection(broker: BrokerAddress, line: Line) -> None:
    """No session is resumed: a broker may have lost it."""
    seen: asyncio.Queue[Acknowledge] = asyncio.Queue()
    async with (
        subscriber(broker, "status") as messages,
        running(LOOPBACK, line.port, MemoryOutbox(), seen.put_nowait, status_interval_s=60),
    ):
        for _ in range(2):
            await until(messages, lambda whole: whole["state"] == "online")
            await publish(broker, "ack", ACK)
            await seen.get()
            line.cut()
        await until(messages, lambda whole: whole["state"] == "online")


@pytest.mark.parametrize(
    ("name", "payload", "told"),
    [
        ("ack", b"Canary", "not a JSON object"),
        ("ack", ACK | {"by": "<b>Canary</b>\n"}, "by: use 1 to 64"),
        ("ack", ACK | {"screen": "Canary" * 2000}, "longer than 2048 bytes"),
        ("ack", ACK | {"by": "Canary" * 100}, "by: use 1 to 64"),
        ("ack", b"Canary" * 300_000, "longer than 2048 bytes"),
        ("ack", ACK | {"alert_id": 7}, "not a JSON object"),
        ("replay", {"request_id": "Canary/#", "since": 0}, "request_id: use 1 to 64"),
    ],
)
async def test_what_is_no_command_costs_one_line_that_repeats_nothing(
    broker: BrokerAddress, lines: Lines, name: str, payload: Any, told: str
) -> None:
    seen: asyncio.Queue[Acknowledge] = asyncio.Queue()
    async with online(broker, MemoryOutbox(), acknowledge=seen.put_nowait):
        await publish(broker, name, payload)
        fields = await lines.line("command_refused")
        await publish(broker, "ack", ACK)
        assert await seen.get() == Acknowledge(**ACK)
    assert fields["prefix"] == PREFIX
    assert told in fields["reason"]
    assert "Canary" not in str(fields)
    assert len(str(fields)) < 200
    assert lines.records.empty()


async def test_a_command_that_the_broker_kept_is_not_obeyed(broker: BrokerAddress, lines: Lines) -> None:
    await publish(broker, "ack", ACK, retain=True)
    seen: asyncio.Queue[Acknowledge] = asyncio.Queue()
    async with online(broker, MemoryOutbox(), acknowledge=seen.put_nowait):
        assert "without retain" in (await lines.line("command_refused"))["reason"]
    assert seen.empty()


async def test_one_that_is_not_taken_is_told(broker: BrokerAddress, lines: Lines) -> None:
    def full(_: Acknowledge) -> None:
        raise Unavailable("too many")

    async with online(broker, MemoryOutbox(), acknowledge=full):
        await publish(broker, "ack", ACK)
        assert (await lines.line("command_refused"))["reason"] == "too many"


async def test_a_broker_that_allows_no_subscription_is_told_and_served(
    broker: BrokerAddress, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> tuple[int, ...]:
        return (0x80, 0x80)

    monkeypatch.setattr(BrokerConnection, "subscribe", refused)
    outbox = MemoryOutbox()
    async with online(broker, outbox):
        assert (await lines.line("mqtt_commands_not_allowed"))["prefix"] == PREFIX
        await outbox.put(b"{}")
        await outbox.emptied()


# --- replays ---------------------------------------------------------------------------------------------


def event(number: int) -> bytes:
    return json.dumps({"seq": number}).encode()


async def filled(outbox: MemoryOutbox, count: int) -> None:
    first = len(outbox.events) + 1
    await outbox.put(*(event(number) for number in range(first, first + count)))
    await outbox.emptied()


async def answer(messages: AsyncIterator[aiomqtt.Message]) -> tuple[list[bytes], dict[str, Any]]:
    """The events of a replay, and its end."""
    events = []
    while "done" not in (whole := said(message := await anext(messages))):
        assert not message.retain
        assert isinstance(message.payload, bytes)
        events.append(message.payload)
    return events, whole


async def test_a_screen_gets_what_it_missed_as_it_was_in_order(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    async with subscriber(broker, "replay/r-1") as messages, online(broker, outbox):
        await filled(outbox, 50)
        await publish(broker, "replay", {"request_id": "r-1", "since": 7})
        events, end = await answer(messages)
    assert events == [event(number) for number in range(8, 51)]
    assert end == {"request_id": "r-1", "done": True, "last_event_seq": 50}


async def test_what_is_not_kept_any_more_is_said(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    outbox.first = 31
    async with subscriber(broker, "replay/r-1") as messages, online(broker, outbox):
        await filled(outbox, 33)
        await publish(broker, "replay", {"request_id": "r-1", "since": 7})
        events, end = await answer(messages)
    assert events == [event(31), event(32), event(33)]
    assert end == {"request_id": "r-1", "done": True, "last_event_seq": 33, "oldest": 31}


@pytest.mark.parametrize("since", [5, 9])
async def test_where_nothing_was_missed_the_end_comes_at_once(broker: BrokerAddress, since: int) -> None:
    outbox = MemoryOutbox()
    async with subscriber(broker, "replay/r-1") as messages, online(broker, outbox):
        await filled(outbox, 5)
        await publish(broker, "replay", {"request_id": "r-1", "since": since})
        assert await answer(messages) == ([], {"request_id": "r-1", "done": True, "last_event_seq": 5})


async def test_a_replay_takes_no_number(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    async with online(broker, outbox), subscriber(broker) as messages:
        await filled(outbox, 2)
        await publish(broker, "replay", {"request_id": "r-1", "since": 0})
        await until(messages, lambda whole: "done" in whole)
        await filled(outbox, 1)
        await until(messages, lambda whole: whole.get("seq") == 3)
    assert [entry.seq for entry in outbox.events] == [1, 2, 3]


async def test_what_happens_now_does_not_wait_for_a_replay(
    broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_EVENTS_PER_S", 10.0)
    outbox = MemoryOutbox()
    async with online(broker, outbox), subscriber(broker) as messages:
        await filled(outbox, 100)
        await publish(broker, "replay", {"request_id": "r-1", "since": 0})
        await until_topic(messages, "replay/r-1")
        await filled(outbox, 1)
        before = [str(message.topic) for message in await until_topic(messages, "study/x/segment", seq=101)]
    assert before.count(f"{PREFIX}/replay/r-1") < 99


async def until_topic(
    messages: AsyncIterator[aiomqtt.Message], topic: str, seq: int | None = None
) -> list[aiomqtt.Message]:
    """What arrives up to a message on this topic, with this number."""
    found = []
    while True:
        message = await anext(messages)
        found.append(message)
        if str(message.topic) == f"{PREFIX}/{topic}" and seq in (None, said(message)["seq"]):
            return found


async def test_replays_follow_one_another_and_too_many_are_refused(
    broker: BrokerAddress, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_WAITING", 2)
    outbox = MemoryOutbox()
    async with subscriber(broker, "replay/#") as messages, online(broker, outbox):
        await filled(outbox, 5)
        async with aiomqtt.Client(broker.host, broker.port) as screen:
            for number in range(40):
                request = json.dumps({"request_id": f"r-{number}", "since": 0})
                await screen.publish(f"{PREFIX}/cmd/replay", request)
            assert "ask again later" in (await lines.line("command_refused"))["reason"]
        topics = [str((await anext(messages)).topic) for _ in range(2 * 6)]
    assert topics == [topic for topic in dict.fromkeys(topics) for _ in range(6)]


# --- a broker that forgot --------------------------------------------------------------------------------


async def test_a_broker_that_lost_what_it_held_is_told_again(kind: BrokerKind) -> None:
    """zigbee2mqtt #26372: retained state was gone after the broker was restarted."""
    outbox = MemoryOutbox()
    async with demo_broker(kind) as first:
        sink = running(first.host, first.port, outbox)
        await sink.__aenter__()
        await outbox.put(b'{"v":1}', b'{"v":2}', topic="alert/a", retain=True)
        await outbox.put(b'{"v":3}', topic="alert/b", retain=True)
        await outbox.put(b"", topic="alert/b", retain=True)
        await outbox.emptied()
    async with demo_broker(kind, ports=[first.port]) as second:
        async with subscriber(second, "alert/#") as messages:
            assert said(await anext(messages)) == {"v": 2}
        await sink.__aexit__(None, None, None)


async def test_the_status_is_online_again_after_the_broker_was_restarted(kind: BrokerKind) -> None:
    """zigbee2mqtt #4854: the state stayed offline until the bridge was restarted."""
    async with demo_broker(kind) as first:
        sink = running(first.host, first.port, MemoryOutbox(), status_interval_s=60)
        await sink.__aenter__()
        async with subscriber(first, "status") as messages:
            await until(messages, lambda whole: whole["state"] == "online")
    async with demo_broker(kind, ports=[first.port]) as second:
        async with subscriber(second, "status") as messages:
            await until(messages, lambda whole: whole["state"] == "online")
        await sink.__aexit__(None, None, None)
