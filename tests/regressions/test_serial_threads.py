"""Faults of other people's serial lines and their drivers, each with the name of its thread."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.serial_lis.driver import SerialLisDriver
from drivers.serial_lis.translate import Conversation
from gateway.daemon import supervision
from gateway.daemon.supervision import keep_running
from gateway.errors import Unavailable
from gateway.protocols.lis_frames import ACK, ENQ
from gateway.protocols.lis_records import Assembler
from gateway.sinks.broker import demo_broker
from gateway.transport import StreamSettings, open_stream
from tests.drivers.test_serial_lis import Disk
from tests.fakes import FakeClock
from tests.sinks.broker_side import MemoryOutbox, running, said, subscriber, until
from tests.transport.test_streams import LARGE, Cable, blocked, opened

DEADLINE_S = 30.0

# --- lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["reading", "writing"])
async def test_pyserial_asyncio_12_pulling_the_plug_is_told_to_who_reads_and_who_writes(
    cable: Cable, direction: str
) -> None:
    async with open_stream(cable.settings) as stream:
        working = stream.read() if direction == "reading" else stream.write(LARGE)
        waiting: asyncio.Task[object] = asyncio.create_task(working)
        await blocked(waiting)
        cable.unplug()
        with pytest.raises(Unavailable, match="the line is gone"):
            await waiting


async def test_pyserial_asyncio_fast_16_a_port_can_be_opened_the_moment_it_was_left(cable: Cable) -> None:
    for number in range(20):
        async with open_stream(cable.settings) as stream:
            os.write(cable.device, b"%d" % number)
            assert await stream.read() == b"%d" % number


async def test_pyserial_asyncio_31_a_writer_waits_for_a_line_that_is_full(cable: Cable) -> None:
    async with open_stream(cable.settings) as stream:
        writing: asyncio.Task[object] = asyncio.create_task(stream.write(LARGE))
        await blocked(writing)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing


async def test_pyserial_asyncio_53_a_full_line_does_not_hold_up_the_loop(cable: Cable) -> None:
    loop = asyncio.get_running_loop()
    async with open_stream(cable.settings) as stream:
        writing: asyncio.Task[object] = asyncio.create_task(stream.write(LARGE))
        ticks = [loop.time()]
        for _ in range(100):
            await asyncio.sleep(0)
            ticks.append(loop.time())
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert max(later - sooner for sooner, later in pairwise(ticks)) < 0.5


async def test_zigpy_1710_a_port_with_unsent_bytes_closes_at_once(cable: Cable) -> None:
    async with asyncio.timeout(5):
        async with open_stream(cable.settings) as stream:
            writing: asyncio.Task[object] = asyncio.create_task(stream.write(LARGE))
            await blocked(writing)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
    with pytest.raises(StopIteration):
        opened(cable.path)


async def test_pysml_7_a_terminal_server_that_died_without_a_word_is_found() -> None:
    """The kernel asks the other side when nothing has come for 10 s, and gives it up within 25 s."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        async with open_stream(StreamSettings(url=url)) as stream:
            line = stream._writer.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
            asks = line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, interval, count = (
                line.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
    assert asks
    assert idle + interval * count <= 25


# --- drivers ---------------------------------------------------------------------------------------------


def lis_driver(url: str) -> SerialLisDriver:
    def converse() -> Conversation:
        return Conversation(Assembler(check=lambda recording: recording, timezone=UTC))

    return SerialLisDriver("room-1", FakeClock(), StreamSettings(url=url), converse)


@dataclass
class Plug:
    """A place where a cart is plugged in and unplugged while a driver keeps trying."""

    path: Path
    device: int = -1

    def put_in(self) -> None:
        self.device, host = os.openpty()
        os.set_blocking(self.device, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(host))
        os.close(host)

    def pull(self) -> None:
        os.close(self.device)
        self.path.unlink()

    async def asks_and_is_answered(self) -> None:
        """The cart asks whether it may send, again until somebody listens."""
        loop, answered = asyncio.get_running_loop(), asyncio.Event()

        def read() -> None:
            with contextlib.suppress(OSError):
                if ACK in os.read(self.device, 100):
                    answered.set()

        loop.add_reader(self.device, read)
        async with asyncio.timeout(DEADLINE_S):
            while not answered.is_set():
                os.write(self.device, ENQ)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), 0.1)
        loop.remove_reader(self.device)


@dataclass
class Attempts:
    """How often a driver was started, and an end for whoever waits for a number of them."""

    driver: SerialLisDriver
    disk: Disk = field(default_factory=Disk)
    count: int = 0

    async def run(self) -> None:
        self.count += 1
        await self.driver.run(self.disk)


@asynccontextmanager
async def kept_running(attempts: Attempts) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_running("driver room-1", attempts.run, FakeClock()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_LARGEST_DELAY_S", 0.05)
    monkeypatch.setattr(supervision, "_FIRST_DELAY_S", 0.02)


@pytest.fixture
def plug(tmp_path: Path) -> Plug:
    return Plug(tmp_path / "cart")


async def test_weewx_134_a_cart_that_is_unplugged_and_comes_back_is_taken_up_again(plug: Plug) -> None:
    plug.put_in()
    async with kept_running(Attempts(lis_driver(f"serial://{plug.path}"))):
        for _ in range(3):
            await plug.asks_and_is_answered()
            plug.pull()
            plug.put_in()
        await plug.asks_and_is_answered()
    plug.pull()


async def test_zigbee2mqtt_17809_a_line_that_is_not_there_yet_is_tried_again(plug: Plug) -> None:
    attempts = Attempts(lis_driver(f"serial://{plug.path}"))
    async with kept_running(attempts):
        async with asyncio.timeout(DEADLINE_S):
            while attempts.count < 5:  # noqa: ASYNC110  # nothing tells how often it was tried
                await asyncio.sleep(0.01)
        plug.put_in()
        await plug.asks_and_is_answered()
    plug.pull()


async def test_thingsboard_1451_a_lost_line_is_told(plug: Plug, caplog: pytest.LogCaptureFixture) -> None:
    plug.put_in()
    attempts = Attempts(lis_driver(f"serial://{plug.path}"))
    async with kept_running(attempts):
        await plug.asks_and_is_answered()
        plug.pull()
        async with asyncio.timeout(DEADLINE_S):
            while attempts.count < 3:  # noqa: ASYNC110  # nothing tells how often it was tried
                await asyncio.sleep(0.01)
    told = [record for record in caplog.records if record.getMessage() == "task_interrupted"]
    assert told[0].levelno == logging.WARNING
    assert "the line is gone" in str(told[0].__dict__["fields"]["reason"])


async def test_sdc11073_381_the_same_driver_runs_again(plug: Plug) -> None:
    driver, disk = lis_driver(f"serial://{plug.path}"), Disk()
    for _ in range(2):
        plug.put_in()
        running_once = asyncio.create_task(driver.run(disk))
        await plug.asks_and_is_answered()
        plug.pull()
        with pytest.raises(Unavailable):
            await running_once


@pytest.mark.parametrize("error", [ValueError, OSError, AssertionError, KeyError, RecursionError])
async def test_bellows_476_an_unexpected_error_does_not_end_the_task(error: Callable[[], Exception]) -> None:
    tried: list[int] = []
    often = asyncio.Event()

    async def fails() -> None:
        tried.append(1)
        if len(tried) == 4:
            often.set()
        raise error

    task = asyncio.create_task(keep_running("x", fails, FakeClock()))
    async with asyncio.timeout(DEADLINE_S):
        await often.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_bellows_654_a_gateway_that_died_says_offline() -> None:
    """Health comes from what flows: the heartbeat ends, and the broker says so."""
    outbox = MemoryOutbox()
    outbox.full = True
    async with (
        demo_broker() as broker,
        subscriber(broker, "status") as messages,
        running(broker.host, broker.port, outbox) as task,
    ):
        await until(messages, lambda whole: whole["state"] == "online")
        await outbox.put(b"{}")
        await asyncio.gather(task, return_exceptions=True)
        assert "seq" not in said(await until(messages, lambda whole: whole["state"] == "offline"))
