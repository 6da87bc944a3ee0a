"""What stands around a sink in tests: an outbox in memory, subscribers, a line between it and its broker."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiomqtt

from gateway.errors import StorageError
from gateway.protocols.screens import Acknowledge
from gateway.sinks.broker import BrokerAddress
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_connection import MqttSettings

PREFIX = "emg/v1/lab1/cart-a"
STATUS = f"{PREFIX}/status"
LOOPBACK = "127.0.0.1"


class StoppedClock:
    """It goes on when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 2, 12, 0, 0, 5000, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Event:
    id: int
    seq: int | None
    topic: str
    payload: bytes
    retain: bool


class MemoryOutbox:
    """An outbox that forgets at the end: everything the sink asks of one, nothing more."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: dict[int, str] = {}
        self.refused: dict[int, str] = {}
        self.full = False
        self.first = 1
        self._changed = asyncio.Condition()

    async def put(self, *payloads: bytes, topic: str = "study/x/segment", retain: bool = False) -> None:
        for payload in payloads:
            number = len(self.events) + 1
            seq = number if payload else None
            self.events.append(Event(id=number, seq=seq, topic=topic, payload=payload, retain=retain))
        async with self._changed:
            self._changed.notify_all()

    def _waiting(self) -> list[Event]:
        return [event for event in self.events if event.id not in self.answers | self.refused]

    async def pending(self, sink: str, limit: int = 1) -> Sequence[Event]:
        assert sink == PREFIX
        return self._waiting()[:limit]

    async def wait(self, sink: str) -> None:
        assert sink == PREFIX
        async with self._changed:
            await self._changed.wait_for(self._waiting)

    async def delivered(self, item_id: int, answer: str) -> None:
        if self.full:
            raise StorageError("the disk is full")
        self.answers[item_id] = answer
        async with self._changed:
            self._changed.notify_all()

    async def dead(self, item_id: int, reason: str) -> None:
        self.refused[item_id] = reason
        self.answers.pop(item_id, None)
        async with self._changed:
            self._changed.notify_all()

    async def again(self, item_id: int) -> None:
        """Somebody wants what was refused to be tried again."""
        del self.refused[item_id]
        async with self._changed:
            self._changed.notify_all()

    async def retained(self, sink: str) -> Sequence[Event]:
        assert sink == PREFIX
        newest = {event.topic: event for event in self.events if event.retain}
        return [event for event in newest.values() if event.payload and event.id in self.answers]

    async def after(self, sink: str, since: int, until: int, limit: int) -> Sequence[Event]:
        assert sink == PREFIX
        first = max(since + 1, self.first)
        return [event for event in self.events if event.seq and first <= event.seq <= until][:limit]

    async def oldest(self, sink: str) -> int:
        assert sink == PREFIX
        return self.first

    async def last_seq(self, sink: str) -> int:
        assert sink == PREFIX
        return max((event.seq or 0 for event in self.events if event.id in self.answers), default=0)

    async def emptied(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._waiting())


@contextlib.asynccontextmanager
async def running(
    host: str,
    port: int,
    outbox: MemoryOutbox,
    acknowledge: Callable[[Acknowledge], None] = lambda _: None,
    *,
    boot_id: str = "boot-1",
    clock: StoppedClock | None = None,
    **settings: Any,
) -> AsyncIterator["asyncio.Task[None]"]:
    whole = replace(MqttSettings(host=host, port=port, ack_timeout_s=5.0), **settings)
    sink = MqttSink(
        whole,
        prefix=PREFIX,
        boot_id=boot_id,
        outbox=outbox,
        clock=clock or StoppedClock(),
        acknowledge=acknowledge,
    )
    task = asyncio.create_task(sink.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def subscriber(
    address: BrokerAddress, below: str = "#"
) -> AsyncIterator[AsyncIterator[aiomqtt.Message]]:
    async with aiomqtt.Client(address.host, address.port) as client:
        await client.subscribe(f"{PREFIX}/{below}", qos=1)
        yield _asked_for(client, f"{PREFIX}/{below}")


async def _asked_for(client: aiomqtt.Client, wanted: str) -> AsyncIterator[aiomqtt.Message]:
    """Without what amqtt keeps for the filters of others: it tells that to everybody who connects."""
    async for message in client.messages:
        if message.topic.matches(wanted):
            yield message


def said(message: aiomqtt.Message) -> dict[str, Any]:
    assert isinstance(message.payload, bytes)
    whole: dict[str, Any] = json.loads(message.payload)
    return whole


async def until(
    messages: AsyncIterator[aiomqtt.Message], wanted: Callable[[dict[str, Any]], bool]
) -> aiomqtt.Message:
    while not wanted(said(message := await anext(messages))):
        pass
    return message


@dataclass
class Line:
    """A network between sink and broker that can be cut, and that can swallow what the broker answers."""

    port: int
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    def mute(self) -> None:
        """From now on nothing of what the broker answers gets through; a new connection is whole again."""
        for gate in self.gates:
            gate.clear()

    def unmute(self) -> None:
        for gate in self.gates:
            gate.set()


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event | None = None
) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65_536):
            if gate is not None:
                await gate.wait()
            writer.write(chunk)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
