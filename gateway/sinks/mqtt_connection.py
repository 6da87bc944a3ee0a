"""One connection to an MQTT 3.1.1 broker, used once, every wait of it bounded.

aiomqtt speaks the protocol. What it leaves to its caller is done here: a broker that accepts and then says
nothing is given up, a connection that is lost ends every wait at once, and whatever way it ends, its socket
and its task are gone afterwards.
"""

import asyncio
import contextlib
import errno
import hashlib
import logging
import math
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeVar
from urllib.parse import urlsplit

import aiomqtt

from gateway.errors import ConfigError, Unavailable

DEFAULT_PORT: Final = 1883
DEFAULT_TLS_PORT: Final = 8883
# SUBACK's return code for a subscription that is not allowed (MQTT 3.1.1, section 3.9.3).
_REFUSED: Final = 0x80
T = TypeVar("T")

# Who uses a connection reports its loss, once; the library would add a line of its own to each.
_library_log = logging.getLogger(f"{__name__}.aiomqtt")
_library_log.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """The broker, and how long its silence is borne.

    The broker publishes the will after 1.5 times `keepalive_s` without a word from us. A connection that has
    died without a word is found within `ack_timeout_s`: a heartbeat goes every second, and a broker answers
    in milliseconds. Together with the longest wait before connecting again that stays below 5 s.
    """

    host: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, compare=False)
    keepalive_s: int = 5
    ack_timeout_s: float = 3.0
    status_interval_s: float = 1.0

    @property
    def broker(self) -> str:
        """The broker as messages name it."""
        return f"{self.host}:{self.port}"


class NoAnswer(Unavailable):
    """The broker did not answer in time; it did not hang up."""


def broker_address(url: str) -> tuple[str, int, bool]:
    """The host and port that `mqtt://host:port` names, and whether TLS is spoken there (mqtts://).

    ConfigError for any other URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # the form a name is looked up in
    except ValueError as error:
        # The reason may quote the URL, and with it a password.
        raise ConfigError("[mqtt] url cannot be read; write mqtt://host:port") from error
    if parts.username is not None or parts.password is not None:
        raise ConfigError("[mqtt] url holds a password; use username and password_file instead")
    beyond = parts.path.strip("/") or parts.query or parts.fragment
    tls = parts.scheme == "mqtts"
    if parts.scheme not in ("mqtt", "mqtts") or not host or port == 0 or beyond:
        raise ConfigError("[mqtt] url names no broker; write mqtt://host:port, or embedded")
    return host, port or (DEFAULT_TLS_PORT if tls else DEFAULT_PORT), tls


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho forgets the socket then, and it would stay open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class BrokerConnection(aiomqtt.Client):
    """A client for one connection: `connect`, publish, then `leave` or not, and always `drop`.

    Without `will_topic` there is no will. What arrives while `most_unread` messages wait is dropped; a packet
    above `largest_packet` bytes ends the connection before it is read.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        will_topic: str | None = None,
        will: bytes = b"",
        most_unread: int | None = None,
        largest_packet: int | None = None,
    ) -> None:
        if settings.tls is not None:
            settings.tls.sslsocket_class = _ClosingSocket
        digest = hashlib.sha256(will_topic.encode() if will_topic else os.urandom(20)).hexdigest()
        super().__init__(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password,
            # The same for every connection with this will: the broker ends a dead one, will and all, before
            # it accepts the next, not after. 23 characters are what every MQTT 3.1.1 broker takes.
            identifier=f"emg-{digest[:19]}",
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            will=aiomqtt.Will(will_topic, will, qos=1, retain=True) if will_topic else None,
            keepalive=settings.keepalive_s,
            # `_answer` sets the limits: before Python 3.12 a cancellation can get lost in the library's own.
            timeout=math.inf,
            logger=_library_log,
            tls_context=settings.tls,
            max_queued_incoming_messages=most_unread,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        if largest_packet is not None:
            self._limit_packets(largest_packet)
        self._limit_s = settings.ack_timeout_s
        self._entering: asyncio.Task[aiomqtt.Client] | None = None

    def _limit_packets(self, largest: int) -> None:
        """The library would take up to 256 MiB into memory, and a subscriber cannot tell the broker less."""
        receive = self._client._sock_recv  # noqa: SLF001  # it asks for the rest of a packet at once

        def receive_within_limit(size: int) -> bytes:
            if size > largest:
                raise OSError(errno.EMSGSIZE, f"a packet of {size} bytes")
            return receive(size)

        self._client._sock_recv = receive_within_limit  # type: ignore[assignment, method-assign]  # noqa: SLF001

    async def connect(self) -> None:
        """Connect and wait for CONNACK; Unavailable when it is refused or does not come."""
        # A task of its own, because the library connects in a thread: what that opens has to be closed.
        self._entering = asyncio.create_task(self.__aenter__())
        async with self._answer("CONNACK"):
            await asyncio.shield(self._entering)

    async def publish_acknowledged(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1 and wait for PUBACK; Unavailable when it does not come.

        The packet is on its way before anything is awaited: calls in order send in order.
        """
        async with self._answer("PUBACK", lost=self._disconnected):
            await self.publish(topic, payload, qos=1, retain=retain)

    async def subscribe_acknowledged(self, *topics: str) -> bool:
        """Subscribe with QoS 1; whether the broker lets us. Unavailable when it does not answer."""
        async with self._answer("SUBACK", lost=self._disconnected):
            granted = await self.subscribe([(topic, 1) for topic in topics])
        return all(code != _REFUSED for code in granted)

    async def listen(self, take: Callable[[aiomqtt.Message], None]) -> NoReturn:
        """Hand over what is subscribed to until the connection is closed: Unavailable."""
        try:
            while True:
                take(await anext(self.messages))
        except aiomqtt.MqttError as error:
            raise Unavailable(str(error)) from error

    async def leave(self) -> None:
        """Disconnect in order: the broker forgets the will."""
        async with self._answer("end of the connection"):
            await self.__aexit__(None, None, None)

    async def drop(self) -> None:
        """Close what is still open without a word, as a crash would: the broker publishes the will.

        A cancellation comes through only after that.
        """
        closing = asyncio.create_task(self._close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise

    async def _close(self) -> None:
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("given up"))
            self._connected.exception()  # seen: the library only looks once its thread is done
        if self._entering is not None:
            await asyncio.wait({self._entering})
            _see(self._entering)
        open_socket = self._client.socket()
        if isinstance(open_socket, socket.socket):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        if self._misc_task is not None:  # ends once the socket has been closed
            await asyncio.wait({self._misc_task})
        _see(self._disconnected)

    @contextlib.asynccontextmanager
    async def _answer(
        self, awaited: str, *, lost: "asyncio.Future[None] | None" = None
    ) -> AsyncIterator[None]:
        """Unavailable when what is `awaited` does not come in time, or the connection is `lost` before."""
        try:
            async with asyncio.timeout(self._limit_s) as limit:
                with _ended_by(lost, limit):
                    yield
        except TimeoutError as error:
            if lost is not None and lost.done():
                raise Unavailable(str(lost.exception() or "disconnected")) from error
            raise NoAnswer(f"no {awaited} within {self._limit_s:g} s") from error
        except aiomqtt.MqttError as error:
            raise Unavailable(str(error)) from error


@contextlib.contextmanager
def _ended_by(lost: "asyncio.Future[None] | None", limit: asyncio.Timeout) -> Iterator[None]:
    """End a wait when the connection is lost: the library would go on waiting for the answer."""
    if lost is None:
        yield
        return

    def end(_: object) -> None:
        if not limit.expired():
            limit.reschedule(0.0)

    lost.add_done_callback(end)
    try:
        yield
    finally:
        lost.remove_done_callback(end)


def _see(future: "asyncio.Future[T]") -> None:
    """Look at the outcome, so that asyncio does not report an error nobody asked about."""
    if future.done() and not future.cancelled():
        future.exception()
