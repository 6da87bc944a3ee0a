"""A broker for the demo, on a free loopback port: mosquitto where it is installed, else an embedded one.

Neither is for production: anyone on this machine may connect, and nothing is kept. When the block that
`demo_broker` opens ends, the broker is gone.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gateway.errors import Unavailable

_LOOPBACK: Final = "127.0.0.1"
_TRIES: Final = 3
_START_S: Final = 10.0
_STOP_S: Final = 5.0
_BETWEEN_TRIES_S: Final = 0.02
# Where Debian puts it, off the PATH of ordinary users.
_BESIDE_PATH: Final = ("/usr/sbin", "/usr/local/sbin")
_INSTALL: Final = (
    "install mosquitto (apt-get install mosquitto), or the extra: pip install 'emg-gateway[demo]'"
)
_MOSQUITTO_CONFIG: Final = """\
listener {port} {host}
allow_anonymous true
persistence false
set_tcp_nodelay true
log_dest stderr
log_type error
"""
# What the embedded broker and its state machine write for each connection is of no use to our users.
_CHATTY: Final = ("amqtt", "transitions")

BrokerKind = Literal["mosquitto", "amqtt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker that answers, and which program it is."""

    host: str
    port: int
    kind: BrokerKind


@contextlib.asynccontextmanager
async def demo_broker(
    prefer: BrokerKind | None = None, *, ports: Iterable[int] | None = None
) -> AsyncIterator[BrokerAddress]:
    """Run a broker while the block runs; Unavailable when none is installed or none starts.

    `prefer` names the program; without it mosquitto is taken where it is found. `ports` are tried in order;
    without them three that are free.
    """
    kind: BrokerKind = prefer or ("mosquitto" if find_mosquitto() else "amqtt")
    async with contextlib.AsyncExitStack() as running:
        port = await _start(_PROGRAMS[kind], ports or _free_ports(), running)
        yield BrokerAddress(host=_LOOPBACK, port=port, kind=kind)


def find_mosquitto() -> str | None:
    """The path of the mosquitto program; None where it is not installed."""
    places = [os.environ.get("PATH", os.defpath), *_BESIDE_PATH]
    return shutil.which("mosquitto", path=os.pathsep.join(places))


def _free_ports() -> Iterator[int]:
    for _ in range(_TRIES):
        with socket.socket() as probe:
            probe.bind((_LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        yield port


_Program = Callable[[int], AbstractAsyncContextManager[None]]


async def _start(program: _Program, ports: Iterable[int], running: contextlib.AsyncExitStack) -> int:
    """Start `program` on the first port that it gets; that port."""
    last = Unavailable("no port to start a broker on")
    for port in ports:
        if await _answers(port):
            last = Unavailable(f"port {port} is in use; name another")
            continue
        try:
            await running.enter_async_context(program(port))
        except _PortLost as error:
            last = error
        else:
            return port
    raise last


class _PortLost(Unavailable):
    """The broker did not start on its port; the next one may do."""


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@contextlib.asynccontextmanager
async def _mosquitto(port: int) -> AsyncIterator[None]:
    program = find_mosquitto()
    if program is None:
        raise Unavailable(f"mosquitto is not installed: {_INSTALL}")
    with tempfile.TemporaryDirectory(prefix="emg-gateway-broker-") as folder, tempfile.TemporaryFile() as log:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(_MOSQUITTO_CONFIG.format(port=port, host=_LOOPBACK), "utf-8")
        # A session of its own: Ctrl-C reaches us, and we stop it after our last word.
        process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            if not await _ready(process, port):
                log.seek(0)
                raise _PortLost(f"mosquitto does not start on port {port}: {_last_line(log.read())}")
            yield
        finally:
            await _stop(process)


async def _ready(process: asyncio.subprocess.Process, port: int) -> bool:
    """Whether the program takes connections; False when it has ended, or takes none in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while not await _answers(port):
                if await _ended(process, _BETWEEN_TRIES_S):
                    return False
            return process.returncode is None
    return False


async def _ended(process: asyncio.subprocess.Process, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        return False
    return True


def _last_line(log: bytes) -> str:
    lines = log.decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it says nothing")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    if not await _ended(process, _STOP_S):
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _amqtt(port: int) -> AsyncIterator[None]:
    try:
        from amqtt.broker import Broker  # noqa: PLC0415  # an extra, and 0.3 s to import
        from amqtt.errors import BrokerError  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(f"no MQTT broker is installed: {_INSTALL}") from error

    class ClosingBroker(Broker):  # type: ignore[misc]  # the library declares no types
        """Closes every connection: the library forgets to where the client has reset it."""

        async def stream_connected(
            self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
        ) -> None:
            try:
                await super().stream_connected(reader, writer, listener_name)
            finally:
                writer.close()

    with _silenced(_CHATTY):
        broker = ClosingBroker(_amqtt_config(port))
        try:
            await broker.start()
        except BrokerError as error:
            raise _PortLost(f"the embedded broker does not start on port {port}: {error}") from error
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await broker.shutdown()


def _amqtt_config(port: int) -> dict[str, object]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{_LOOPBACK}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


@contextlib.contextmanager
def _silenced(names: Iterable[str]) -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in names}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


_PROGRAMS: Final[dict[BrokerKind, _Program]] = {"mosquitto": _mosquitto, "amqtt": _amqtt}
