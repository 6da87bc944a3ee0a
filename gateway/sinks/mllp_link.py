"""One TCP connection to an HL7 receiver: blocks out, blocks in, and whether it still stands.

The end of the connection is noticed when it happens, also while nothing is sent: a message is never written
to a peer that has already hung up. A peer that dies without a word is found by TCP keep-alive.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from gateway.errors import DataError, Unavailable
from gateway.protocols.mllp import NEED_DATA, MllpReader, frame
from gateway.sinks.mllp_address import MllpAddress
from gateway.sinks.tls import told

MAX_ANSWER: Final = 1024 * 1024  # an acknowledgement is a few hundred bytes
_MAX_UNREAD: Final = 16  # blocks nobody waits for: a peer that sends more does not answer, it talks
_KEEP_ALIVE: Final = (  # a dead peer is found within 90 s, before a network drops the idle connection
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class MllpLink(asyncio.Protocol):
    """An open connection. Every call raises Unavailable, with the reason, once it is gone."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._reader = MllpReader(MAX_ANSWER)
        self._blocks: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._lost = asyncio.Event()
        self._closed = asyncio.Event()
        self._reason = ""
        self._transport: asyncio.Transport  # set before anybody else has the link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop when the connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with what arrived."""
        self._reader.receive(data)
        try:
            while (block := self._reader.next_block()) is not NEED_DATA:
                self._blocks.append(block)
        except DataError as error:
            self._lose(str(error))
        if len(self._blocks) > _MAX_UNREAD:
            self._lose("it sends messages instead of answers")
        self._arrived.set()

    def eof_received(self) -> None:
        """Called by the event loop when the peer closes its side."""
        self._lose("the other side closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop when the connection is gone."""
        self._lose(told(exc) if isinstance(exc, OSError) else "the connection was closed")
        self._closed.set()

    def _lose(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._lost.set()
        self._arrived.set()

    def check(self) -> None:
        """Raise Unavailable if the connection is gone."""
        if self._lost.is_set():
            raise Unavailable(f"{self._place}: {self._reason}")

    async def send(self, block: bytes) -> None:
        """Send one block, unless the peer has hung up; answers nobody waited for are dropped first."""
        # A FIN that is already here is read within two turns of the loop: one polls, one calls back.
        for _ in range(2):
            await asyncio.sleep(0)
        self.check()
        self._blocks.clear()
        self._transport.write(frame(block))

    async def next_block(self) -> bytes:
        """The next block that arrives; what came before the end of the connection still counts."""
        while not self._blocks:
            self.check()
            self._arrived.clear()
            await self._arrived.wait()
        return self._blocks.popleft()

    async def wait_lost(self) -> None:
        """Return when the connection is gone."""
        await self._lost.wait()

    async def close(self) -> None:
        """Close at once; unsent bytes are dropped."""
        self._transport.abort()
        await self._closed.wait()


@asynccontextmanager
async def connected(
    address: MllpAddress, timeout_s: float, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MllpLink]:
    """A connection, closed on the way out; Unavailable when there is none within `timeout_s`."""
    link = MllpLink(str(address))
    try:
        async with asyncio.timeout(timeout_s):
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: link, address.host, address.port, ssl=tls
            )
    except OSError as error:  # TimeoutError and what TLS refuses are such
        raise Unavailable(f"{address}: {told(error)}") from error
    try:
        for level, option, value in _KEEP_ALIVE:
            transport.get_extra_info("socket").setsockopt(level, option, value)
        yield link
    finally:
        await link.close()
