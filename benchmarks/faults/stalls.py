"""How late the timers of an event loop fire, counted in a file that outlives the process.

A timer of `PERIOD_S` that fires late says how long something else had the loop, or the machine had other
things to do. What the thread of the loop computed meanwhile tells the one from the other: of a lateness no
more than that can be our own. Every process that is given the same file adds to it, until it is killed.
"""

import asyncio
import mmap
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PERIOD_S: Final = 0.005
_STEP_MS: Final = 0.25
_STEPS: Final = 4000  # the last one holds whatever is later
_CELL: Final = 4
_KINDS: Final = 2  # late, and of that computed by the loop's own thread
_SIZE: Final = _KINDS * _STEPS * _CELL


@dataclass(frozen=True, slots=True)
class Lateness:
    """How many timers were how late, in steps of a quarter of a millisecond."""

    counts: Sequence[int]

    @property
    def timers(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def quantile_ms(self, share: float) -> float | None:
        """No more than this late were so many of them; None: there were none."""
        wanted, seen = share * self.timers, 0
        for step, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return (step + 1) * _STEP_MS
        return None

    def __add__(self, other: "Lateness") -> "Lateness":
        return Lateness([mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)])


@dataclass(frozen=True, slots=True)
class Stalls:
    """What a file of counts holds: how late timers were, and how much of that the loop's thread computed."""

    late: Lateness
    computed: Lateness

    @classmethod
    def read(cls, path: Path) -> "Stalls":
        """The counts in the file at `path`; none where no process has written one."""
        data = path.read_bytes() if path.exists() else bytes(_SIZE)
        cells = [int.from_bytes(data[at : at + _CELL], sys.byteorder) for at in range(0, _SIZE, _CELL)]
        return cls(Lateness(cells[:_STEPS]), Lateness(cells[_STEPS:]))

    def write(self, path: Path) -> None:
        """Write the counts to `path`."""
        cells = [*self.late.counts, *self.computed.counts]
        path.write_bytes(b"".join(count.to_bytes(_CELL, sys.byteorder) for count in cells))

    def __add__(self, other: "Stalls") -> "Stalls":
        return Stalls(self.late + other.late, self.computed + other.computed)


async def watch(path: Path) -> None:
    """Add the lateness of this loop's timers to the file at `path`, until cancelled or killed.

    One process at a time may write a file.
    """
    with _mapped(path) as mapped, memoryview(mapped) as memory, memory.cast("I") as counts:
        await _count(counts)


def _mapped(path: Path) -> mmap.mmap:
    if not path.exists():
        path.write_bytes(bytes(_SIZE))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), _SIZE)


async def _count(counts: memoryview) -> None:
    await asyncio.sleep(0)  # what stands before us in the loop is the start, not the service
    while True:
        due, computed = time.monotonic() + PERIOD_S, time.thread_time()
        await asyncio.sleep(PERIOD_S)
        late_s = max(0.0, time.monotonic() - due)
        own_s = min(late_s, time.thread_time() - computed)
        for kind, seconds in enumerate((late_s, own_s)):
            counts[kind * _STEPS + min(_STEPS - 1, int(1000 * seconds / _STEP_MS))] += 1


if __name__ == "__main__":  # an idle loop, to compare with
    asyncio.run(watch(Path(sys.argv[1])))
