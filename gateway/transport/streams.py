"""Byte streams by URL: a serial port on this machine or a terminal server's TCP socket.

pyserial opens and configures the port; reading goes through the event loop (`add_reader`), not through a
thread. A line that is gone raises Unavailable: whoever supervises the driver opens it again.
"""

import asyncio
import contextlib
import os
import socket
import termios
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import serial

from gateway.errors import ConfigError, Unavailable

_READ_SIZE: Final = 65_536
_CONNECT_TIMEOUT_S: Final = 5.0
# What was written last may still be on its way when the line is closed; a peer that takes nothing is left.
_CLOSE_TIMEOUT_S: Final = 1.0
# The line may be silent for hours; a terminal server that died without a word is found within 25 s.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
_FORMS: Final = "use serial:///dev/ttyUSB0 or socket://host:port"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Where a line is and how it is set; the serial settings do not apply to `socket://`.

    ConfigError for a URL that names no line.
    """

    url: str
    baudrate: int = 9600
    bytesize: Literal[5, 6, 7, 8] = 8
    parity: Literal["N", "E", "O", "M", "S"] = "N"
    stopbits: Literal[1, 2] = 1
    flow: Literal["none", "rtscts", "xonxoff"] = "none"

    def __post_init__(self) -> None:
        _address(self.url)


class Stream(Protocol):
    """An open line."""

    async def read(self) -> bytes:
        """What has arrived, at least one byte; Unavailable when the line is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all of `data`; Unavailable when the line is gone."""
        ...


@contextlib.asynccontextmanager
async def open_stream(settings: StreamSettings) -> AsyncIterator[Stream]:
    """Open the line `settings.url` names; ConfigError where it cannot be set up as asked."""
    address = _address(settings.url)
    if isinstance(address, str):
        with _serial_port(settings, address) as port:
            yield SerialStream(port, address)
    else:
        async with _socket(*address) as stream:
            yield stream


def _address(url: str) -> str | tuple[str, int]:
    """The device file, or the host and port, that `url` names."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # the form a name is looked up in
    except ValueError as error:
        raise ConfigError(f"url {url!r}: {error}; {_FORMS}") from error
    if parts.scheme == "serial" and parts.path and not parts.netloc:
        return parts.path
    if parts.scheme == "socket" and host and port:
        return host, port
    raise ConfigError(f"url {url!r}: {_FORMS}")


@contextlib.contextmanager
def _serial_port(settings: StreamSettings, path: str) -> Iterator[serial.Serial]:
    try:
        port = serial.Serial(
            path,
            baudrate=settings.baudrate,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            rtscts=settings.flow == "rtscts",
            xonxoff=settings.flow == "xonxoff",
            timeout=0,
            inter_byte_timeout=0,  # VMIN 1: reading nothing means the end, not that nothing has come yet
            exclusive=True,
        )
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"cannot set up {path}: {error}") from error
    except (OSError, termios.error) as error:  # pyserial's own is an OSError
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error)
        ask = "is it plugged in, may this user open it, has another program opened it?"
        raise Unavailable(f"cannot open {path}: {reason}; {ask}") from error
    try:
        yield port
    finally:
        # A port that was unplugged can fail to close cleanly; it is closed all the same.
        with contextlib.suppress(OSError, serial.SerialException):
            port.close()


class SerialStream:
    """A serial port on the event loop."""

    def __init__(self, port: serial.Serial, path: str) -> None:
        self._descriptor: Final[int] = port.fileno()
        self._path = path

    async def read(self) -> bytes:
        """What has arrived, at least one byte."""
        while True:
            await self._ready(for_writing=False)
            try:
                data = os.read(self._descriptor, _READ_SIZE)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(error) from error
            if not data:
                raise self._gone(None)
            return data

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""
        remaining = memoryview(data)
        while remaining:
            try:
                remaining = remaining[os.write(self._descriptor, remaining) :]
            except BlockingIOError:
                await self._ready(for_writing=True)
            except OSError as error:
                raise self._gone(error) from error

    def _gone(self, error: OSError | None) -> Unavailable:
        reason = "" if error is None or error.errno is None else f" ({os.strerror(error.errno)})"
        return Unavailable(f"{self._path}: the line is gone{reason}")

    async def _ready(self, *, for_writing: bool) -> None:
        """Wait until the port can be read or written."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if for_writing else (loop.add_reader, loop.remove_reader)
        )
        add(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._descriptor)


@contextlib.asynccontextmanager
async def _socket(host: str, port: int) -> AsyncIterator[Stream]:
    place = f"{host}:{port}"
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # TimeoutError is one
        raise Unavailable(f"cannot connect to {place}: {str(error) or 'no answer'}") from error
    for option in _KEEP_ALIVE:
        writer.get_extra_info("socket").setsockopt(*option)
    try:
        yield SocketStream(reader, writer, place)
    finally:
        await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close in order, or without when that takes too long."""
    writer.close()
    try:
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await writer.wait_closed()
    finally:
        writer.transport.abort()


class SocketStream:
    """A TCP connection to a terminal server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: str) -> None:
        self._reader = reader
        self._writer = writer
        self._place = place

    async def read(self) -> bytes:
        """What has arrived, at least one byte."""
        try:
            data = await self._reader.read(_READ_SIZE)
        except OSError as error:
            raise Unavailable(f"{self._place}: the line is gone ({error})") from error
        if not data:
            raise Unavailable(f"{self._place}: the other side closed the line")
        return data

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Unavailable(f"{self._place}: the line is gone ({error})") from error
