"""A store with examinations in it, made by the journal and the outbox themselves."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gateway.domain.recording import Recording
from gateway.domain.study import ExamEnded, Fact
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.outbox import Message, Outbox, Results
from gateway.store.studies import Studies
from tests.factories import header, motor, waveform
from tests.fakes import FakeClock

PREFIX = "emg/v1/lab1/cart-a"
RAW = b"raw frame " * 60


def curve(seed: int) -> Recording:
    """A recording that only its curve tells about: 40 ms at 20 kHz, with noise."""
    times = -2.0 + np.arange(800) / 20.0
    phase = (times - 3.0) / 6.0
    wave = np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase), 0.0)
    noise = np.random.default_rng(seed).normal(0.0, 20.0, times.size)
    counts = np.round(9000.0 * wave + noise).astype(np.int32)
    site = "wrist" if seed % 2 else "below_elbow"
    return motor(site, measured=None, waveform=waveform(counts))


@dataclass
class Laboratory:
    """An open store; `code` of a study by its id."""

    database: Database
    journal: Journal
    outbox: Outbox
    studies: Studies
    clock: FakeClock
    path: Path
    codes: dict[str, str] = field(default_factory=dict)
    seeds: "itertools.count[int]" = field(default_factory=itertools.count)

    async def record(self, study_id: str, facts: Sequence[Fact], *, processed: bool = True) -> None:
        """A session of the line with `facts`; their results, unless it is not `processed`: an event each."""
        journaled: list[JournaledFact] = []

        async def take(found: Sequence[JournaledFact]) -> None:
            journaled.extend(found)

        intake = self.journal.intake("room-1", "cart-a", take)
        session = await intake.open()
        for _ in facts:
            await intake.accept(session, RAW)
        await intake.deliver(header(study_id=study_id), facts)
        await intake.close(session)
        for fact in journaled:
            self.codes[study_id] = fact.code
            if processed:
                await self.store(fact)

    async def store(self, fact: JournaledFact) -> None:
        event = TelemetryEvent(topic="study", data={"n": fact.id}, retain=False, simulated=False)
        name = f"{fact.code}-{fact.id}"
        message = Message(sink="engine", control_id=name, payload=name.encode())
        nothing: dict[str, Any] = {"numbering": {}, "alerts": {}, "clear_at": None}
        results = Results(
            code=fact.code,
            fact_id=fact.id,
            events_sink=PREFIX,
            events=(event,),
            messages=(message,) if isinstance(fact.fact, ExamEnded) else (),
            **nothing,
        )
        await self.outbox.store(results)

    async def examine(self, study_id: str, recordings: int = 4, *, delivered: bool = True) -> None:
        """A whole examination, over, and its results taken by everybody unless told otherwise."""
        facts = [curve(next(self.seeds)) for _ in range(recordings)]
        await self.record(study_id, [*facts, ExamEnded(by="device")])
        if delivered:
            await self.deliver()

    async def deliver(self) -> None:
        for sink in ("engine", PREFIX):
            for item in await self.outbox.pending(sink, 10_000):
                await self.outbox.delivered(item.id, "AA")

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return await self.database.write(lambda c: [tuple(row) for row in c.execute(query, values)])

    async def whole(self) -> list[str]:
        """The ids of the studies whose recordings still have all their curves, in order."""
        query = (
            "SELECT study_id FROM fact JOIN study ON code = study WHERE kind = 'recording'"
            " GROUP BY study_id HAVING max(thinned) = 0 ORDER BY min(fact.id)"
        )
        return [name for (name,) in await self.rows(query)]

    async def raw(self) -> list[int]:
        """The sessions that still have their raw input."""
        return [session for (session,) in await self.rows("SELECT DISTINCT session FROM entry ORDER BY 1")]


@asynccontextmanager
async def laboratory(folder: Path) -> AsyncIterator[Laboratory]:
    clock = FakeClock()
    async with open_database(folder / "gateway.db") as database:
        journal = await Journal.open(database, clock, "boot-1")
        outbox = Outbox(database, clock, "boot-1")
        yield Laboratory(database, journal, outbox, Studies(database), clock, folder / "gateway.db")
