"""A receiver of HL7 messages over MLLP: what the integration engineer's tool, the demo and the tests talk to.

It answers as it is told: properly, or in one of the ways real receivers misbehave. It keeps nothing: what
arrives goes to the queue `messages`, from where its owner takes it.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from gateway.errors import DataError, Unavailable
from gateway.protocols import er7
from gateway.protocols.acknowledgement import AckCode, acknowledge
from gateway.protocols.er7 import Message
from gateway.protocols.mllp import MAX_BLOCK, NEED_DATA, MllpReader, frame

_READ_SIZE: Final = 65_536
_REMEMBERED: Final = 10_000  # control ids, to tell a message that comes again
LATE_S: Final = 15.0  # longer than the usual wait for an acknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to send back: pieces, each written on its own, after a delay; then perhaps hang up."""

    pieces: tuple[bytes, ...] = ()
    delay_s: float = 0.0
    close: bool = False


Answer = Callable[[Message], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One block as it came; `duplicate` when its sender sent the same control id before.

    `message` is None for a block that is no HL7 message, which is refused; `problem` says why.
    """

    block: bytes
    message: Message | None = None
    duplicate: bool = False
    problem: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


def _only(code: AckCode) -> Answer:
    return lambda message: Reply(pieces=(_framed(message, code),))


def _framed(message: Message, code: AckCode) -> bytes:
    return frame(acknowledge(message, code, created=_now()))


def _acknowledged(code: AckCode) -> Answer:
    """Answers as MSH-15 and MSH-16 ask: with `code`, or its commit, or a commit and then `code`."""

    def answer(message: Message) -> Reply:
        commit, application = message.header.text(15), message.header.text(16)
        if application == "AL":
            codes = (AckCode.CA, code) if commit == "AL" else (code,)
        else:
            codes = (AckCode(f"C{code[1]}") if commit == "AL" else code,)
        return Reply(pieces=tuple(_framed(message, entry) for entry in codes))

    return answer


_accept: Final = _acknowledged(AckCode.AA)


def late(delay_s: float) -> Answer:
    """Accepts after `delay_s` seconds."""
    return lambda message: Reply(pieces=_accept(message).pieces, delay_s=delay_s)


def _fragmented(message: Message) -> Reply:
    return Reply(pieces=tuple(bytes([byte]) for piece in _accept(message).pieces for byte in piece))


def _duplicate(message: Message) -> Reply:
    return Reply(pieces=_accept(message).pieces * 2)


def _foreign(message: Message) -> Reply:
    header = message.header
    other = er7.Segment("MSH", (*header.fields[:9], "NOT-YOURS", *header.fields[10:]), header.delimiters)
    return _accept(Message((other,)))


# By the names the command line knows: each way a receiver can answer.
ANSWERS: Final[Mapping[str, Answer]] = {
    "AA": _accept,
    "AE": _acknowledged(AckCode.AE),
    "AR": _acknowledged(AckCode.AR),
    "CA": _only(AckCode.CA),
    "late": late(LATE_S),
    "fragmented": _fragmented,
    "duplicate": _duplicate,
    "foreign": _foreign,
    "nothing": lambda _: Reply(),
    "garbage": lambda _: Reply(pieces=(b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(b"no HL7"))),
    "close": lambda _: Reply(close=True),
}


class Receiver:
    """Listens while its `async with` block runs; `answer` may be exchanged at any time."""

    def __init__(
        self,
        answer: Answer = _accept,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_block: int = MAX_BLOCK,
        remembered: int = _REMEMBERED,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.messages: asyncio.Queue[Received] = asyncio.Queue()
        self._host = host
        self._port = port
        self._max_block = max_block
        self._remembered = remembered
        self._tls = tls
        self._server: asyncio.Server  # while the block runs
        self._connections: set[asyncio.Task[None]] = set()
        self._seen: dict[tuple[str, str, str], None] = {}
        self._answering: set[asyncio.StreamWriter] = set()
        self._all_answered = asyncio.Event()
        self._all_answered.set()

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on; a free one where 0 was asked for."""
        return self._port

    @property
    def connections(self) -> int:
        """How many senders are connected just now."""
        return len(self._connections)

    async def answered(self) -> None:
        """Return when every message that has arrived has been answered."""
        await self._all_answered.wait()

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._connected, self._host, self._port, ssl=self._tls)
        except OSError as error:
            reason = error.strerror or error
            raise Unavailable(
                f"cannot listen on {self._host}:{self._port}: {reason}; try another port"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One sender, until it hangs up or is to be hung up on; it sends again what was not acknowledged."""
        try:
            with contextlib.suppress(OSError):
                await self._converse(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = MllpReader(self._max_block)
        while data := await reader.read(_READ_SIZE):
            frames.receive(data)
            for reply in self._replies(frames):
                await self._send(writer, reply)
                if reply.close:
                    return

    def _replies(self, frames: MllpReader) -> Iterator[Reply]:
        """The answer to each block that is complete; a stream that is not MLLP is told so, then closed."""
        try:
            while (block := frames.next_block()) is not NEED_DATA:
                yield self._taken(block)
        except DataError as error:
            yield replace(_refused(error), close=True)

    def _taken(self, block: bytes) -> Reply:
        try:
            message = er7.parse(block)
        except DataError as error:
            self.messages.put_nowait(Received(block=block, problem=str(error)))
            return _refused(error)
        duplicate = self._remember(message)
        self.messages.put_nowait(Received(block=block, message=message, duplicate=duplicate))
        return self.answer(message)

    def _remember(self, message: Message) -> bool:
        """Whether this sender has sent this control id before (MSH-3, MSH-4, MSH-10)."""
        header = message.header
        key = header.text(3), header.text(4), header.text(10)
        known = key in self._seen
        self._seen[key] = None
        if len(self._seen) > self._remembered:
            del self._seen[next(iter(self._seen))]
        return known

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        self._answering.add(writer)
        self._all_answered.clear()
        try:
            await asyncio.sleep(reply.delay_s)
            for piece in reply.pieces:
                writer.write(piece)
                await writer.drain()
        finally:
            self._answering.discard(writer)
            if not self._answering:
                self._all_answered.set()


def _refused(error: DataError) -> Reply:
    return Reply(pieces=(frame(acknowledge(None, AckCode.AR, created=_now(), text=str(error))),))
