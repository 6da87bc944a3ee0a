"""A port in front of a peer that can fail: the message it is armed for meets a fault, all else passes.

What passes is split into the packets of its protocol, so that a fault strikes a message, or its answer, and
nothing else. A connection that was muted stays dead for both ends, as one whose state a router has lost:
nobody is told, and only new connections work.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

_READ_SIZE = 65_536
LOOPBACK = "127.0.0.1"


class Wire(Protocol):
    """What has to be known of a protocol to strike one of its messages."""

    def splitter(self) -> Callable[[bytes], list[bytes]]:
        """A new function that takes what was read and gives the packets that are complete."""

    def is_message(self, packet: bytes) -> bool:
        """Whether this is one of the messages that faults are for."""

    def answers(self, message: bytes, packet: bytes) -> bool:
        """Whether `packet` answers `message`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to `messages` in a row; the story ends when the line is as good as before."""

    name: str
    story: Callable[["FaultyLine", Sequence["Passage"]], Awaitable[None]]
    messages: int = 1


@dataclass(eq=False)
class _Connection:
    """Both ends of one connection through the line."""

    client: asyncio.StreamWriter
    peer: asyncio.StreamWriter
    muted: bool = False
    passages: list["Passage"] = field(default_factory=list)
    held: list[tuple[asyncio.StreamWriter, bytes]] | None = None

    def write(self, to: asyncio.StreamWriter, packet: bytes) -> None:
        """Send it, or keep it while something else is on its way in pieces."""
        if self.held is not None:
            self.held.append((to, packet))
        elif not to.is_closing():
            to.write(packet)

    def abort(self) -> None:
        for writer in (self.client, self.peer):
            writer.transport.abort()


class Passage:
    """One message on its way; its story decides what becomes of it and of its answer."""

    def __init__(self, connection: _Connection, message: bytes) -> None:
        self.message = message
        self._connection = connection
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def forward(self, part: bytes | None = None) -> None:
        """Hand the message, or a part of it, to the peer."""
        if not self._connection.peer.is_closing():
            self._connection.peer.write(self.message if part is None else part)

    async def answer(self) -> bytes:
        """The peer's answer, which nobody else sees; ConnectionError when the connection ends before."""
        return await self.answered

    def give(self, answer: bytes) -> None:
        """Hand an answer to the client, if it is still there."""
        if not self._connection.client.is_closing():
            self._connection.client.write(answer)

    def cut(self) -> None:
        """End the connection at both ends."""
        self._connection.abort()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold up what else the two ends say while the block runs."""
        self._connection.held = held = []
        try:
            yield
        finally:
            self._connection.held = None
            for to, packet in held:
                self._connection.write(to, packet)

    async def flushed(self) -> None:
        """Wait until what was handed over is on its way."""
        await self._connection.client.drain()
        await self._connection.peer.drain()

    def mute(self) -> None:
        """Let nothing pass any more, and tell nobody."""
        self._connection.muted = True


class FaultyLine:
    """Listens on a free port while its block runs, and passes everything on to `peer`."""

    def __init__(self, wire: Wire, peer: tuple[str, int]) -> None:
        self.over_s = 0.0  # when the last fault ended, on the loop's clock
        self.last_answer: bytes | None = None
        self.on_next_connection: bytes | None = None  # given in front of its first answer
        self.silent = False
        self.port = 0
        self._wire = wire
        self._peer = peer
        self._armed: Fault | None = None
        self._struck: list[Passage] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        for connection in self._connections:
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Take no connections."""
        if self._server is not None:
            self._server.close()

    def arm(self, fault: Fault) -> None:
        """Let the next messages meet `fault`."""
        self._armed, self._struck = fault, []

    def disarm(self) -> None:
        """Let everything pass."""
        self._armed = None

    def over(self) -> None:
        """From here on the line is good again."""
        self.over_s = asyncio.get_running_loop().time()

    def later(self, seconds: float, give: Callable[[bytes], None], answer: bytes) -> None:
        """Hand over an answer in so many seconds; the line is good meanwhile."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            give(answer)

        self._spawn(wait())

    def mute_all(self) -> None:
        """Kill every connection without a word."""
        for connection in self._connections:
            connection.muted = True

    def _spawn(self, job: Awaitable[None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, peer = await asyncio.open_connection(*self._peer)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, peer, muted=self.silent)
        self._connections.add(connection)
        try:
            pumps = self._pump(reader, connection, self._up), self._pump(answers, connection, self._down)
            await asyncio.gather(*pumps)
        finally:
            connection.abort()
            self._connections.discard(connection)

    async def _pump(
        self, reader: asyncio.StreamReader, connection: _Connection, carry: Callable[..., None]
    ) -> None:
        """Carry one direction until it ends; a muted connection does not tell the other end of it."""
        split = self._wire.splitter()
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_SIZE):
                for packet in split(data):
                    if not connection.muted:
                        carry(connection, packet)
        if not connection.muted:
            connection.abort()
        for passage in connection.passages:
            if not passage.answered.done():
                passage.answered.set_exception(ConnectionError("the connection ended"))
                passage.answered.exception()

    def _up(self, connection: _Connection, packet: bytes) -> None:
        message = self._wire.is_message(packet)
        if message and self._armed is not None:
            self._strike(connection, packet, self._armed)
            return
        connection.write(connection.peer, packet)
        if message and self.on_next_connection is not None:
            connection.client.write(self.on_next_connection)
            self.on_next_connection = None

    def _strike(self, connection: _Connection, packet: bytes, fault: Fault) -> None:
        passage = Passage(connection, packet)
        connection.passages.append(passage)
        self._struck.append(passage)
        if len(self._struck) == fault.messages:
            self.disarm()
            self._spawn(self._tell(fault, tuple(self._struck)))

    async def _tell(self, fault: Fault, passages: Sequence[Passage]) -> None:
        self.over_s = 0.0
        with contextlib.suppress(OSError):  # the other end gave up before the story did
            await fault.story(self, passages)
        if not self.over_s:
            self.over()

    def _down(self, connection: _Connection, packet: bytes) -> None:
        for passage in connection.passages:
            if not passage.answered.done() and self._wire.answers(passage.message, packet):
                passage.answered.set_result(packet)
                return
        self.last_answer = packet
        connection.write(connection.client, packet)
