"""The lines themselves: a real pseudo-terminal, a real TCP server, and what is left when they go away."""

import asyncio
import contextlib
import os
import select
import socket
import struct
import termios
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
import serial

from gateway.errors import ConfigError, Unavailable
from gateway.transport import Stream, StreamSettings, open_stream, streams
from gateway.transport.streams import SerialStream

NOBODY = 65_534
LARGE = bytes(range(256)) * 1024  # more than the kernel keeps for a terminal
VERY_LARGE = bytes(16 * 1024 * 1024)  # or for a connection


@dataclass
class Cable:
    """The device's end of a pseudo-terminal, and the path of the host's end."""

    device: int
    path: str

    @property
    def settings(self) -> StreamSettings:
        return StreamSettings(url=f"serial://{self.path}")

    def unplug(self) -> None:
        if self.device >= 0:
            os.close(self.device)
            self.device = -1


@pytest.fixture
def cable() -> Iterator[Cable]:
    device, host = os.openpty()
    cable = Cable(device, os.ttyname(host))
    os.close(host)
    yield cable
    cable.unplug()


def opened(path: str) -> int:
    """The descriptor under which this process has `path` open."""
    entries = {entry: entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    return next(int(entry.name) for entry, target in entries.items() if str(target) == path)


async def blocked(waiting: "asyncio.Task[object]") -> None:
    """Return when `waiting` cannot go on: it gets no further, however often it is its turn."""
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()


async def test_a_serial_line_carries_every_byte_both_ways(cable: Cable) -> None:
    every = bytes(range(256))
    async with open_stream(cable.settings) as stream:
        os.write(cable.device, every)
        assert await stream.read() == every
        await stream.write(every)
        assert os.read(cable.device, 1000) == every


async def test_reading_waits_for_what_comes_later(cable: Cable) -> None:
    async with open_stream(cable.settings) as stream:
        reading = asyncio.create_task(stream.read())
        await blocked(reading)
        os.write(cable.device, b"late")
        assert await reading == b"late"


async def test_reading_goes_on_when_what_had_come_is_gone_again(cable: Cable) -> None:
    async with open_stream(cable.settings) as stream:
        reading = asyncio.create_task(stream.read())
        await blocked(reading)
        os.write(cable.device, b"noise")
        select.select([opened(cable.path)], [], [])
        await asyncio.sleep(0)  # the loop sees that something has come
        await asyncio.sleep(0)  # the reader is told, and runs next
        termios.tcflush(opened(cable.path), termios.TCIFLUSH)
        await blocked(reading)
        os.write(cable.device, b"data")
        assert await reading == b"data"


async def test_a_large_write_waits_for_a_slow_reader(cable: Cable) -> None:
    async with open_stream(cable.settings) as stream:
        writing = asyncio.create_task(stream.write(LARGE))
        await blocked(writing)
        arrived = bytearray()
        while len(arrived) < len(LARGE):
            await asyncio.sleep(0)
            if select.select([cable.device], [], [], 0)[0]:
                arrived += os.read(cable.device, 1000)
        await writing
    assert bytes(arrived) == LARGE


async def test_the_plug_is_pulled_while_reading(cable: Cable) -> None:
    async with open_stream(cable.settings) as stream:
        reading = asyncio.create_task(stream.read())
        await blocked(reading)
        cable.unplug()
        with pytest.raises(Unavailable, match=f"^{cable.path}: the line is gone$"):
            await reading
        with pytest.raises(Unavailable, match="the line is gone"):
            await stream.read()


async def test_the_plug_is_pulled_while_writing(cable: Cable) -> None:
    async with open_stream(cable.settings) as stream:
        writing = asyncio.create_task(stream.write(LARGE))
        await blocked(writing)
        cable.unplug()
        with pytest.raises(Unavailable, match=rf"{cable.path}: the line is gone \(Input/output error\)"):
            await writing


async def test_a_line_can_be_opened_again(cable: Cable) -> None:
    for _ in range(2):
        async with open_stream(cable.settings) as stream:
            await stream.write(b"\x05")
            assert os.read(cable.device, 1) == b"\x05"


@pytest.mark.parametrize("direction", ["read", "write"])
async def test_a_cancelled_wait_leaves_nothing_registered(cable: Cable, direction: str) -> None:
    loop = asyncio.get_running_loop()
    async with open_stream(cable.settings) as stream:
        waiting = asyncio.create_task(stream.read() if direction == "read" else stream.write(LARGE))
        await blocked(waiting)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not loop.remove_reader(opened(cable.path))
        assert not loop.remove_writer(opened(cable.path))


async def refused(settings: StreamSettings) -> str:
    """What is said when a line that is not there is opened."""
    with pytest.raises((ConfigError, Unavailable)) as caught:
        async with open_stream(settings):
            pytest.fail("opened")
    assert "\n" not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/no-such-port", "No such file or directory"),
        ("/dev", "Is a directory"),
        ("/dev/null", "Inappropriate ioctl for device"),
    ],
)
async def test_what_is_no_serial_port_is_named_with_the_reason(path: str, reason: str) -> None:
    told = await refused(StreamSettings(url=f"serial://{path}"))
    assert told.startswith(f"Unavailable: cannot open {path}: ")
    assert reason in told


async def test_a_port_of_somebody_else_is_named_with_the_reason(cable: Cable) -> None:
    os.chmod(cable.path, 0)  # noqa: PTH101  # a Path is thought to block
    us = os.geteuid()
    if us == 0:  # whom no mode stops
        os.seteuid(NOBODY)
    try:
        told = await refused(cable.settings)
    finally:
        os.seteuid(us)
    assert f"cannot open {cable.path}: Permission denied; " in told


async def test_a_port_is_ours_alone(cable: Cable) -> None:
    async with open_stream(cable.settings):
        told = await refused(cable.settings)
    assert f"cannot open {cable.path}: Resource temporarily unavailable; " in told
    assert "another program" in told


@pytest.mark.parametrize("baudrate", [-1, 10**12])
async def test_a_speed_that_no_port_has_is_a_matter_of_configuration(cable: Cable, baudrate: int) -> None:
    told = await refused(replace(cable.settings, baudrate=baudrate))
    assert told.startswith(f"ConfigError: cannot set up {cable.path}: ")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/dev/ttyUSB0",
        "serial://",
        "serial://ttyUSB0",
        "serial://dev/ttyUSB0",
        "socket://",
        "socket://host",
        "socket://host:0",
        "socket://host:port",
        "socket://host:65536",
        "socket://.:1",
        "socket://[1:1",
        f"socket://{'a' * 64}:1",
        "http://host:80",
    ],
)
def test_a_url_that_names_no_line_is_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StreamSettings(url=url)
    assert str(caught.value).startswith(f"url {url!r}: ")
    assert str(caught.value).endswith("use serial:///dev/ttyUSB0 or socket://host:port")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A terminal server's socket, listening."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def settings_of(server: socket.socket) -> StreamSettings:
    return StreamSettings(url=f"socket://127.0.0.1:{server.getsockname()[1]}")


@contextlib.asynccontextmanager
async def connected(server: socket.socket) -> AsyncIterator[tuple[Stream, socket.socket]]:
    """The gateway's end and the device's end of one connection."""
    async with open_stream(settings_of(server)) as stream:
        device, _ = server.accept()
        with device:
            yield stream, device


def reset(connection: socket.socket) -> None:
    """Close at once and with a reset, as a server that is switched off and on does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_a_connection_carries_bytes_both_ways(server: socket.socket) -> None:
    async with connected(server) as (stream, device):
        device.sendall(b"\x05")
        assert await stream.read() == b"\x05"
        await stream.write(b"\x06")
        assert device.recv(16) == b"\x06"
    async with connected(server) as (stream, device):
        await stream.write(b"again")
        assert device.recv(16) == b"again"


async def test_the_other_side_closes(server: socket.socket) -> None:
    async with connected(server) as (stream, device):
        device.close()
        with pytest.raises(Unavailable, match=r"127.0.0.1:\d+: the other side closed the line"):
            await stream.read()


async def until_gone(stream: Stream) -> None:
    while True:
        await stream.write(b"\x05")
        await asyncio.sleep(0)


async def test_writing_to_a_side_that_has_closed_ends(server: socket.socket) -> None:
    async with connected(server) as (stream, device):
        device.close()
        with pytest.raises(Unavailable, match=r"127.0.0.1:\d+: the line is gone"):
            await until_gone(stream)


@pytest.mark.parametrize("direction", ["read", "write"])
async def test_the_connection_is_reset(server: socket.socket, direction: str) -> None:
    async with connected(server) as (stream, device):
        reset(device)
        with pytest.raises(Unavailable, match=r"127.0.0.1:\d+: the line is gone \(.*(reset|lost)"):
            await (stream.read() if direction == "read" else until_gone(stream))


async def test_an_error_of_a_serial_device_is_told_with_its_reason(server: socket.socket) -> None:
    """Its descriptor is that of a connection: there is no adapter to pull out."""
    with socket.create_connection(server.getsockname()) as port:
        reset(server.accept()[0])
        stream = SerialStream(cast("serial.Serial", port), "/dev/ttyUSB0")
        with pytest.raises(Unavailable, match=r"/dev/ttyUSB0: the line is gone \(Connection reset"):
            await stream.read()


async def test_what_was_written_last_arrives_before_the_end(server: socket.socket) -> None:
    async with open_stream(settings_of(server)) as stream:
        device, _ = server.accept()
        await stream.write(b"last word")
    with device:
        assert device.recv(100) == b"last word"
        assert device.recv(100) == b""


async def test_a_side_that_takes_nothing_does_not_hold_up_the_end(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_CLOSE_TIMEOUT_S", 0.01)
    async with connected(server) as (stream, _):
        writing = asyncio.create_task(stream.write(VERY_LARGE))
        await blocked(writing)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing


async def test_nobody_listens(server: socket.socket) -> None:
    settings = settings_of(server)
    server.close()
    told = await refused(settings)
    assert told.startswith(f"Unavailable: cannot connect to {settings.url.removeprefix('socket://')}: ")
    assert "Connect call failed" in told


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_CONNECT_TIMEOUT_S", 0.05)
    with contextlib.ExitStack() as busy:
        server = busy.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # The one place in its queue is taken: the kernel leaves whoever comes next without an answer.
        busy.enter_context(socket.create_connection(server.getsockname()))
        assert (await refused(settings_of(server))).endswith(": no answer")
