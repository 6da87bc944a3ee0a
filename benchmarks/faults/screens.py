"""Lanes to a broker: the product's MQTT sinks, lines that fail, a mosquitto that can be killed, a screen."""

import asyncio
import contextlib
import itertools
import json
import signal
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Self

import aiomqtt

from benchmarks.faults.line import LOOPBACK, FaultyLine
from benchmarks.faults.trials import Lane
from benchmarks.faults.wires import Mqtt
from benchmarks.faults.workshop import SITE, Workshop
from gateway.daemon.clock import SystemClock
from gateway.errors import Unavailable
from gateway.protocols.telemetry import prefix
from gateway.sinks.broker import find_mosquitto
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_connection import MqttSettings

_CONFIG = """\
listener {port} {host}
allow_anonymous true
persistence false
set_tcp_nodelay true
log_type error
"""
_LOOK_S = 0.02
_REPLAY_S = 30.0
_SILENCE_S = 5.0


class Mosquitto:
    """A real broker on one port, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(_CONFIG.format(port=self.port, host=LOOPBACK), "utf-8")
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start it, and wait until it takes connections."""
        program = find_mosquitto()
        if program is None:
            raise Unavailable("mosquitto is not installed: apt-get install mosquitto")
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            program, "-c", str(self._config), stdout=quiet, stderr=quiet
        )
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, self.port)
                writer.close()
                return
            await asyncio.sleep(_LOOK_S)

    async def kill(self) -> None:
        """End it as a crash does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()


class Screen:
    """Hears every event, connects again when the broker is gone, and asks for what it missed.

    `live` are the numbers an event bears that came by itself, `replayed` those that came on request.
    """

    def __init__(
        self,
        port: int,
        told: Callable[[int], None] = lambda _: None,
        silence_s: float | None = _SILENCE_S,
    ) -> None:
        self._silence_s = silence_s
        self._told = told  # of each event that arrives by itself, the number of its own
        self.live: defaultdict[str, dict[int, int]] = defaultdict(dict)  # prefix -> seq -> its own number
        self.replayed: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.changed = 0
        self.again = 0
        self._port = port
        self._ended: dict[str, asyncio.Event] = {}
        self._requests = itertools.count()
        self._client: aiomqtt.Client | None = None

    async def run(self) -> None:
        """Listen, for ever; heartbeats come every second: a connection without any is given up."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with aiomqtt.Client(
                    LOOPBACK, self._port, protocol=aiomqtt.ProtocolVersion.V311, timeout=_SILENCE_S
                ) as client:
                    await client.subscribe(f"emg/v1/{SITE}/#", qos=1)
                    self._client = client
                    while True:
                        async with asyncio.timeout(self._silence_s):
                            self._hear(await anext(client.messages))
            self._client = None
            await asyncio.sleep(_LOOK_S)

    async def listening(self) -> None:
        """Return when it listens."""
        while self._client is None:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    def has(self, topics: str, number: int) -> bool:
        """Whether the event with this number of its own came by itself."""
        return number in self.live[topics].values()

    def _hear(self, message: aiomqtt.Message) -> None:
        levels, payload = message.topic.value.split("/"), message.payload
        if not isinstance(payload, bytes) or levels[4] in ("status", "cmd"):
            return
        topics, said = "/".join(levels[:4]), json.loads(payload)
        if said.get("done"):
            self._ended[said["request_id"]].set()
            return
        if levels[4] != "replay":
            self._told(said["data"]["n"])
        into = self.replayed if levels[4] == "replay" else self.live
        self.again += said["seq"] in into[topics]
        if into[topics].setdefault(said["seq"], said["data"]["n"]) != said["data"]["n"]:
            self.changed += 1

    async def catch_up(self, topics: str, until: int) -> None:
        """Ask for what is missing of the events up to `until`."""
        missing = [seq for seq in range(1, until + 1) if seq not in self.live[topics]]
        if not missing or self._client is None:
            return
        request = f"r-{next(self._requests)}"
        self._ended[request] = asyncio.Event()
        wanted = json.dumps({"request_id": request, "since": missing[0] - 1})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REPLAY_S):
                await self._client.publish(f"{topics}/cmd/replay", wanted, qos=1)
                await self._ended[request].wait()


@contextlib.asynccontextmanager
async def lanes(shop: Workshop, broker: Mosquitto, number: int) -> AsyncIterator[tuple[Screen, list[Lane]]]:
    """So many lanes to one broker, and a screen that hears them all."""
    async with contextlib.AsyncExitStack() as stack:
        screen = Screen(broker.port)
        tasks = [asyncio.create_task(screen.run())]
        await screen.listening()
        found = []
        for index in range(number):
            line = await stack.enter_async_context(FaultyLine(Mqtt(), (LOOPBACK, broker.port)))
            lane = _lane(shop, screen, prefix(SITE, f"cart-{index}"), line)
            tasks.append(asyncio.create_task(_sink(lane).run()))
            found.append(lane)
        try:
            yield screen, found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _lane(shop: Workshop, screen: Screen, topics: str, line: FaultyLine) -> Lane:
    return Lane(
        name=topics,
        line=line,
        door=shop.door(),
        results=lambda numbers: shop.events(topics, numbers),
        arrived=lambda number: screen.has(topics, number),
    )


def _sink(lane: Lane) -> MqttSink:
    return MqttSink(
        MqttSettings(host=LOOPBACK, port=lane.line.port),
        prefix=lane.name,
        boot_id="boot",
        outbox=lane.door,
        clock=SystemClock(),
        acknowledge=lambda _: None,
    )


async def caught_up(screen: Screen, lanes: Sequence[Lane]) -> None:
    """Let the screen ask for what it missed, on every lane."""
    await screen.listening()
    await asyncio.gather(*(screen.catch_up(lane.name, lane.sent) for lane in lanes))
