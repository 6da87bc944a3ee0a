"""What goes on around a gateway that is killed: carts on their lines, an engine, screens at a broker."""

import asyncio
import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count
from pathlib import Path
from typing import Self

import aiomqtt

from benchmarks.faults.stalls import Stalls
from drivers.simulator import SIMULATOR, Cart
from gateway.domain.recording import Recording
from gateway.domain.study import Study
from gateway.errors import Temporary
from gateway.formats.study_json import decode_recording
from gateway.sinks.broker import BrokerAddress
from gateway.sinks.receiver import Receiver
from gateway.store.ledger import ledger
from tests.end_to_end.examinations import Journaled
from tests.end_to_end.mortal_gateway import CONFIG, STALLS

SCENARIOS = ("block-forearm", "normal")
PERFORMED_AT = "2026-11-02T09:15:00+00:00"
# The waits of a cart after it was not answered, a fifth of what LIS01-A2 asks for.
CART = Cart(time_scale=0.2, patience_s=60.0)
_PATIENCE_S = 5.0
_RECORDINGS = "SELECT study_id, body FROM fact JOIN study ON study.code = fact.study WHERE kind = 'recording'"

Script = Callable[[int], Study]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was sent in and what came out, counted when all is quiet."""

    recordings: int = 0
    recordings_lost: int = 0
    pieces: int = 0  # recordings beyond those that were played: twice there, or in part
    messages: int = 0
    messages_lost: int = 0
    second_ids: int = 0  # control ids beyond one a study
    changed: int = 0  # messages or events that came again with other bytes
    sent_again: int = 0  # messages and events that came again, the same
    events: int = 0
    events_lost: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        names = [field.name for field in fields(self)]
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Screen:
    """Hears everything below a prefix, and remembers it by number."""

    def __init__(self) -> None:
        self.payloads: defaultdict[str, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        self.heard = 0

    @contextlib.asynccontextmanager
    async def listening(self, broker: BrokerAddress, topics: str) -> AsyncIterator[None]:
        """Listen while the block runs."""
        async with aiomqtt.Client(
            broker.host, broker.port, protocol=aiomqtt.ProtocolVersion.V311, timeout=30
        ) as client:
            await client.subscribe(topics, qos=1)
            task = asyncio.create_task(self._listen(client))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload, levels = message.payload, message.topic.value.split("/")
            if not isinstance(payload, bytes) or not payload or levels[4] in ("status", "cmd", "replay"):
                continue
            self.heard += 1
            self.payloads["/".join(levels[:4])][json.loads(payload)["seq"]].add(payload)


class Ward:
    """Carts that play one study after the other until it is enough, whatever becomes of the gateway.

    `script` gives the study with a number; each cart plays until `complete` is first asked, then ends the
    study it is at. `enough` may be set before.
    """

    def __init__(self, folder: Path, broker: BrokerAddress, script: Script, carts: int = 1) -> None:
        self.folder = folder
        self.tally = Tally()
        self.stalls = Stalls.read(folder / STALLS)
        self._broker = broker
        self._script = script
        self._carts = carts
        self._journal = Journaled(folder)
        self._numbers = count()
        self._played: list[Study] = []
        self.enough = asyncio.Event()
        self._screen = Screen()
        self._receiver = Receiver()
        self._stack = contextlib.AsyncExitStack()
        self._patience_until = 0.0

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._receiver)
            await stack.enter_async_context(self._screen.listening(self._broker, f"emg/v1/{self._site}/#"))
            linked = [asyncio.Event() for _ in range(self._carts)]
            self._playing = [asyncio.create_task(self._play(n, event)) for n, event in enumerate(linked)]
            stack.push_async_callback(self._pull_the_plugs)
            for event in linked:
                await event.wait()
            (self.folder / CONFIG).write_text(self._config())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _pull_the_plugs(self) -> None:
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    @property
    def _site(self) -> str:
        return self.folder.name

    def _config(self) -> str:
        drivers = [
            f'[[drivers]]\nname = "room-{n}"\ncart = "cart-{n}"\ntype = "serial_lis"\n'
            f'url = "serial://{self.folder}/line-{n}"\n'
            for n in range(self._carts)
        ]
        return (
            f'[gateway]\nsite = "{self._site}"\nstate_dir = "{self.folder}/state"\n{"".join(drivers)}'
            f'[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1:{self._receiver.port}"\n'
            f'[mqtt]\nurl = "mqtt://{self._broker.host}:{self._broker.port}"\n'
        )

    async def _play(self, number: int, linked: asyncio.Event) -> None:
        """One study after the other; one that was not taken is played again, as its technologist would."""

        async def opened(_: str) -> None:
            linked.set()

        while True:
            study = self._script(next(self._numbers))
            self._played.append(study)
            played = False
            while not played:
                with contextlib.suppress(Temporary):
                    await CART.play(study, link=self.folder / f"line-{number}", opened=opened)
                    played = True
            if self.enough.is_set():
                return

    def complete(self) -> bool:
        """Whether everything was taken, and has gone out."""
        self.enough.set()
        if not all(task.done() for task in self._playing):
            return False
        for task in self._playing:
            task.result()
        rows = ledger(self._journal.path)
        if not self._journal.settled(0) or {row["state"] for row in rows} != {"delivered"}:
            return False
        # What the broker acknowledged may be on its way to the screen.
        self._patience_until = self._patience_until or asyncio.get_running_loop().time() + _PATIENCE_S
        return self._unheard() == 0 or asyncio.get_running_loop().time() > self._patience_until

    def check_dead(self, _: Sequence[list[str]]) -> None:
        """What is not lost is there in the end; nothing is looked at before."""

    def check_complete(self) -> None:
        """Count what is there, and what is not."""
        self.tally = self._recordings() + self._messages() + self._events()
        self.stalls = Stalls.read(self.folder / STALLS)

    def _recordings(self) -> Tally:
        played = Counter(
            _known_by(study.header.study_id, recording)
            for study in self._played
            for recording in study.recordings
        )
        stored = Counter(
            _known_by(study_id, decode_recording(body)) for study_id, body in self._journal.rows(_RECORDINGS)
        )
        return Tally(
            recordings=played.total(),
            recordings_lost=(played - stored).total(),
            pieces=(stored - played).total(),
        )

    def _messages(self) -> Tally:
        blocks: defaultdict[str, set[bytes]] = defaultdict(set)
        queue, arrived = self._receiver.messages, self._receiver.messages.qsize()
        for _ in range(arrived):
            received = queue.get_nowait()
            if received.message is None:
                raise ValueError(f"the gateway sent what is no HL7: {received.problem}")
            blocks[received.message.header.text(10)].add(received.block)
        studies = {control_id.rpartition("-")[0] for control_id in blocks}
        return Tally(
            messages=len(self._played),
            messages_lost=len(self._played) - len(studies),
            second_ids=len(blocks) - len(studies),
            changed=sum(len(found) - 1 for found in blocks.values()),
            sent_again=arrived - len(blocks),
        )

    def _stored_events(self) -> list[tuple[str, int]]:
        return [(row["sink"], row["seq"]) for row in ledger(self._journal.path) if "seq" in row]

    def _unheard(self) -> int:
        return sum(seq not in self._screen.payloads[sink] for sink, seq in self._stored_events())

    def _events(self) -> Tally:
        versions = [found for numbers in self._screen.payloads.values() for found in numbers.values()]
        return Tally(
            events=len(self._stored_events()),
            events_lost=self._unheard(),
            changed=sum(len(found) - 1 for found in versions),
            sent_again=self._screen.heard - len(versions),
        )


def _known_by(study_id: str, recording: Recording) -> Hashable:
    """The study and the curve: what a line carries without rounding."""
    curve = recording.waveform
    return study_id, recording.stimulation_site, None if curve is None else tuple(curve.samples.tolist())


def endless(number: int) -> Study:
    """Whole examinations of virtual patients, each with its own study."""
    study = SIMULATOR.study(SCENARIOS[number % len(SCENARIOS)], seed=number, performed_at=PERFORMED_AT)
    return replace(study, header=replace(study.header, study_id=f"S-{number}"))
