"""The figures of others on the same faults, beside ours, and what servers make of two messages in a row."""

import asyncio
import contextlib
import json
import shutil
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.faults import engines, screens
from benchmarks.faults.line import LOOPBACK, Fault, FaultyLine
from benchmarks.faults.peers.servers import answered_rows
from benchmarks.faults.screens import Mosquitto, Screen
from benchmarks.faults.stories import HL7, LONG, MQTT
from benchmarks.faults.trials import deck, go_through, unheard
from benchmarks.faults.wires import Mllp, Mqtt
from benchmarks.faults.workshop import SITE, workshop
from benchmarks.table import Row

HERE: Final = Path(__file__).parent
PYTHON: Final = HERE / "installed" / "bin" / "python"
LANES: Final = 32
# Longer than any fault lasts: who has not come back by then waits for ever.
FOREVER_S: Final = 15.0
# Short ones, and with one message in flight: peers send one after the other.
_HL7, _MQTT = (
    [fault for fault in faults if fault.messages == 1 and fault not in LONG] for faults in (HL7, MQTT)
)
NODE: Final = shutil.which("node") if (HERE / "node_modules").exists() else None
OURS: Final = "emg-gateway"


@dataclass(slots=True)
class Sender:
    """A peer's client in a process of its own, sending through a line."""

    command: Sequence[str]
    line: FaultyLine
    settled: set[int]
    gone: int = 0
    process: asyncio.subprocess.Process | None = None

    async def send(self, number: int, payload: bytes) -> None:
        """Send one message; a process that does not come back is ended, and counted."""
        if self.process is None:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        said = b""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(FOREVER_S):
                self.process.stdin.write(b64encode(payload) + b"\n")
                said = await self.process.stdout.readline()
        if not said:
            self.gone += 1
            await self.end()
        elif json.loads(said)["settled"]:
            self.settled.add(number)

    async def end(self) -> None:
        """End the process."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.communicate()
        self.process = None


async def run(folder: Path, trials: int, seed: int) -> list[Row]:
    """So many faults for each peer, and for ours."""
    python = str(PYTHON) if PYTHON.exists() else None
    clients = {
        "python-hl7 0.4.5, client": (python, "python_hl7_client.py"),
        "simple-hl7 3.3.0, client": (NODE, "simple_hl7_client.js"),
    }
    rows = await _ours_hl7(folder, trials, seed)
    for name, (program, script) in clients.items():
        rows += await _peer_hl7(folder, name, program, script, deck(_HL7, trials, seed))
    rows += await _ours_mqtt(folder, trials, seed)
    rows += await _peer_mqtt(folder, "aiomqtt 2.5, plain publisher", trials, seed)
    return [*rows, *await answered_rows(NODE)]


async def _ours_hl7(folder: Path, trials: int, seed: int) -> list[Row]:
    engine = engines.Engine()
    async with workshop(folder) as shop, engines.lanes(shop, engine, min(LANES, trials)) as lanes:
        await go_through(lanes, deck(_HL7, trials, seed))
        wrong = await unheard(lanes)
        twice = sum(len(found) > 1 for found in engine.blocks.values())
    return _rows("Faults on HL7", OURS, trials, wrong, wrong, twice, 0)


async def _ours_mqtt(folder: Path, trials: int, seed: int) -> list[Row]:
    async with (
        workshop(folder) as shop,
        Mosquitto(folder) as broker,
        screens.lanes(shop, broker, min(LANES, trials)) as (screen, lanes),
    ):
        await go_through(lanes, deck(_MQTT, trials, seed))
        wrong = await unheard(lanes)
    return _rows("Faults on MQTT", OURS, trials, wrong, wrong, screen.again, 0)


async def _peer_hl7(
    folder: Path, name: str, program: str | None, script: str, drawn: Sequence[Fault]
) -> list[Row]:
    group = "Faults on HL7"
    if program is None:
        return [Row(group=group, name=f"{name}: not installed", figure=None)]
    engine = engines.Engine()
    async with workshop(folder) as shop, engine.listening():
        command = [program, str(HERE / script)]
        peer = (LOOPBACK, engine.receiver.port)

        def payload(number: int) -> bytes:
            (message,) = shop.message("peer", f"PEER-{number}").messages
            return message.payload

        senders = await _faced(command, Mllp, peer, payload, drawn)
        copies = {number: len(engine.blocks.get(f"PEER-{number}", ())) for number in range(len(drawn))}
    return _judged(group, name, senders, copies)


async def _peer_mqtt(folder: Path, name: str, trials: int, seed: int) -> list[Row]:
    drawn, heard = deck(_MQTT, trials, seed), []
    topics = f"emg/v1/{SITE}/peer"
    async with Mosquitto(folder) as broker:
        screen = Screen(broker.port, told=heard.append, silence_s=None)
        listening = asyncio.create_task(screen.run())
        await screen.listening()
        command = [sys.executable, str(HERE / "aiomqtt_client.py")]

        def payload(number: int) -> bytes:
            return json.dumps({"seq": number, "data": {"n": number}}).encode()

        senders = await _faced(
            command, Mqtt, (LOOPBACK, broker.port), payload, drawn, f"{topics}/study/x/segment"
        )
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    copies = {number: heard.count(number) for number in range(len(drawn))}
    return _judged("Faults on MQTT", name, senders, copies)


async def _faced(
    command: Sequence[str],
    wire: Callable[[], Mllp | Mqtt],
    peer: tuple[str, int],
    payload: Callable[[int], bytes],
    drawn: Sequence[Fault],
    *arguments: str,
) -> list[Sender]:
    """Let a peer's clients face the faults, each its own share, one message a fault."""
    waiting = iter(enumerate(drawn))

    async def walk(lane: int) -> Sender:
        async with FaultyLine(wire(), peer) as line:
            sender = Sender([*command, str(line.port), *arguments], line, set())
            first = len(drawn) + lane  # meets nothing; its answer can be given again
            await sender.send(first, payload(first))
            for number, fault in waiting:
                line.arm(fault)
                await sender.send(number, payload(number))
                line.disarm()
            await sender.end()
        return sender

    return await asyncio.gather(*(walk(lane) for lane in range(min(LANES, len(drawn)))))


def _judged(group: str, name: str, senders: Sequence[Sender], copies: dict[int, int]) -> list[Row]:
    settled = set().union(*(sender.settled for sender in senders))
    lost = [number for number, found in copies.items() if not found]
    return _rows(
        group,
        name,
        len(copies),
        len(lost),
        sum(number in settled for number in lost),
        sum(found > 1 for found in copies.values()),
        sum(sender.gone for sender in senders),
    )


def _rows(group: str, name: str, trials: int, lost: int, wrong: int, twice: int, gone: int) -> list[Row]:
    figures = {
        "messages lost": lost,
        "of them taken for delivered": wrong,
        "messages that arrived twice or more": twice,
        f"no return within {FOREVER_S:g} s, ended": gone,
    }
    return [
        Row(group=f"{group}, {name}: {trials} of them", name=what, figure=n) for what, n in figures.items()
    ]
