"""What sinks under trial stand on: the store on disk, messages and events written as the product does."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.simulator import SIMULATOR
from gateway.daemon.clock import SystemClock
from gateway.daemon.reference import load_reference
from gateway.domain.assessment import Assessment
from gateway.pipeline.stages import assessment, examine
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal
from gateway.store.outbox import Message, Outbox, Results

PERFORMED_AT = "2026-11-02T09:15:00+00:00"
SITE = "trials"


class Door(Outbox):
    """The outbox of one sink; says when what was put into it has been settled."""

    def __init__(self, database: Database, boot_id: str) -> None:
        super().__init__(database, SystemClock(), boot_id)
        self.settled = 0
        self._changed = asyncio.Condition()

    async def delivered(self, item_id: int, answer: str) -> None:
        """As the outbox's."""
        await asyncio.shield(self._told(super().delivered(item_id, answer)))

    async def parked(self, item_id: int, error: str) -> None:
        """As the outbox's."""
        await asyncio.shield(self._told(super().parked(item_id, error)))

    async def dead(self, item_id: int, reason: str) -> None:
        """As the outbox's."""
        await asyncio.shield(self._told(super().dead(item_id, reason)))

    async def _told(self, settling: Coroutine[None, None, None]) -> None:
        """Once begun it is written, even where the sink is cancelled meanwhile: so it counts."""
        await settling
        async with self._changed:
            self.settled += 1
            self._changed.notify_all()

    async def until(self, settled: int) -> None:
        """Return once so many have been settled."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.settled >= settled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The store, a study in it, and what there is to say about that."""

    database: Database
    path: Path
    code: str
    current: Assessment
    anatomy: Any

    def door(self) -> Door:
        """A new door to the outbox."""
        return Door(self.database, "boot")

    def message(self, sink: str, control_id: str) -> Results:
        """A message about the study, written now as the pipeline does."""
        payload = encode(
            self.current,
            study_code=self.code,
            control_id=control_id,
            sender=MessageHeader(sending_application="EMG-GATEWAY"),
            created=SystemClock().now(),
            numbering=Numbering(),
            anatomy=self.anatomy,
        )
        message = Message(sink=sink, control_id=control_id, payload=payload)
        return self._results(messages=(message,))

    def events(self, prefix: str, numbers: range) -> Results:
        """Events that bear these numbers of their own."""
        events = [
            TelemetryEvent(topic=f"study/{self.code}/segment", data={"n": n}, retain=False, simulated=True)
            for n in numbers
        ]
        return self._results(events_sink=prefix, events=tuple(events))

    def _results(self, **what: Any) -> Results:
        return Results(code=self.code, fact_id=None, numbering={}, alerts={}, clear_at=None, **what)


@contextlib.asynccontextmanager
async def workshop(folder: Path) -> AsyncIterator[Workshop]:
    """Open the store in `folder`; it is closed when the block ends."""
    reference = load_reference()
    study = SIMULATOR.study("block-forearm", seed=1, performed_at=PERFORMED_AT)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "gateway.db"
        async with open_database(path) as database:
            journal = await Journal.open(database, SystemClock(), "boot")
            codes: list[str] = []

            async def deliver(facts: Any) -> None:
                codes.extend(fact.code for fact in facts)

            await journal.intake("trials", "cart-a", deliver).deliver(study.header, ())
            yield Workshop(
                database=database,
                path=path,
                code=codes[0],
                current=assessment(examine(study, reference), reference),
                anatomy=reference.anatomy,
            )
