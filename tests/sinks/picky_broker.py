"""A broker that a test makes misbehave: enough of MQTT 3.1.1 for one publisher."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.sinks.broker_side import LOOPBACK

# `late`: the acknowledgement comes 50 ms after the packet, as on a small machine.
Verdict = Literal["acknowledge", "late", "ignore", "hang up"]
_LATE_S = 0.05


@dataclass(frozen=True)
class Publish:
    """A packet as it came, and over which connection (from 1)."""

    connection: int
    topic: str
    payload: bytes
    retain: bool


@dataclass
class PickyBroker:
    """`judge` says what becomes of each PUBLISH; what came is in `seen`."""

    judge: Callable[[Publish], Verdict]
    port: int = 0
    seen: list[Publish] = field(default_factory=list)
    connects: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._packet(number, reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _packet(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a packet and answer it; whether the connection goes on."""
        (first,) = await reader.readexactly(1)
        body = await reader.readexactly(await _length(reader))
        match first >> 4:
            case 1:  # CONNECT
                self.connects.append(body)
                writer.write(b"\x20\x02\x00\x00")
            case 8:  # SUBSCRIBE
                granted = b"\x01" * _topics(body[2:])
                writer.write(bytes([0x90, 2 + len(granted)]) + body[:2] + granted)
            case 12:  # PINGREQ
                writer.write(b"\xd0\x00")
            case 3:  # PUBLISH
                return self._judged(number, first, body, writer)
            case _:
                return False
        return True

    def _judged(self, number: int, first: int, body: bytes, writer: asyncio.StreamWriter) -> bool:
        end = 2 + int.from_bytes(body[:2], "big")
        found = Publish(number, body[2:end].decode(), body[end + 2 :], retain=bool(first & 1))
        self.seen.append(found)
        verdict = self.judge(found)
        puback = b"\x40\x02" + body[end : end + 2]
        if verdict == "acknowledge":
            writer.write(puback)
        elif verdict == "late":
            asyncio.get_running_loop().call_later(_LATE_S, writer.write, puback)
        return verdict != "hang up"


def _topics(filters: bytes) -> int:
    found = 0
    while filters:
        filters = filters[2 + int.from_bytes(filters[:2], "big") + 1 :]
        found += 1
    return found


async def _length(reader: asyncio.StreamReader) -> int:
    found = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        found |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return found


@contextlib.asynccontextmanager
async def picky_broker(judge: Callable[[Publish], Verdict]) -> AsyncIterator[PickyBroker]:
    found = PickyBroker(judge)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]  # a connection runs in a task
        await found.serve(reader, writer)

    server = await asyncio.start_server(connected, LOOPBACK, 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
