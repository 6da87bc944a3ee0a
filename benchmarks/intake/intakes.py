"""Two front doors for a driver under measurement: one that keeps nothing, and the product's journal."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from gateway.daemon.clock import SystemClock
from gateway.domain.study import Fact, StudyHeader
from gateway.ports import Intake, Session
from gateway.store.database import open_database
from gateway.store.journal import Journal


class NoDisk:
    """An intake that takes everything and keeps nothing: what is left is the driver's own cost."""

    async def unfinished(self) -> Sequence[Session]:
        """Nothing was ever left open."""
        return ()

    async def open(self) -> int:
        """Always the same session."""
        return 1

    async def accept(self, session: int, entry: bytes) -> None:
        """Forget it."""

    async def deliver(self, header: StudyHeader, facts: Sequence[Fact]) -> None:
        """Forget them."""

    async def close(self, session: int) -> None:
        """Nothing to close."""


@contextlib.asynccontextmanager
async def journal_on_disk() -> AsyncIterator[Intake]:
    """The journal in the current folder's file system, with nobody behind it."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        async with open_database(Path(folder) / "bench.db") as database:
            journal = await Journal.open(database, SystemClock(), "boot")
            yield journal.intake("bench", "cart-a", _nowhere)


async def _nowhere(_facts: Sequence[object]) -> None:
    """Where the facts would go on to."""
