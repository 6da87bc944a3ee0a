"""Network faults, one after the other on many lines at once: what each cost, and what became of the message.

Every line has a sink of its own with the product's default times, its outbox on disk, and a peer: the
product's receiver of HL7 messages, or a real mosquitto with a screen. All of it is in one event loop.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.faults.line import Fault, FaultyLine
from benchmarks.faults.workshop import Door
from gateway.store.outbox import Results

# Beyond it a message that is not delivered counts as lost: no fault and no recovery takes half as long.
GIVE_UP_S = 90.0
_ON_ITS_WAY_S = 5.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one fault led to; the recovery is from its end to the acknowledgement on disk, in seconds."""

    fault: str
    recovery_s: float
    lost: int = 0


@dataclass
class Lane:
    """One line with its sink, and how to put what into its outbox."""

    name: str
    line: FaultyLine
    door: Door
    results: Callable[[range], Results]  # what to store for these numbers
    arrived: Callable[[int], bool]  # whether the other side has what bears this number
    sent: int = 0
    trials: list[Trial] = field(default_factory=list)

    async def send(self, messages: int) -> None:
        """Put so many into the outbox."""
        numbers = range(self.sent + 1, self.sent + 1 + messages)
        self.sent = numbers[-1]
        await self.door.store(self.results(numbers))

    async def meet(self, fault: Fault) -> None:
        """Let the next message, or messages, meet `fault`."""
        self.line.over_s = 0.0
        self.line.arm(fault)
        await self.send(fault.messages)
        self.trials.append(await self.judged(fault.name))
        self.line.disarm()

    async def judged(self, fault: str) -> Trial:
        """Wait until everything that was sent is acknowledged."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                await self.door.until(self.sent)
        settled_s = asyncio.get_running_loop().time()
        while not self.line.over_s:  # noqa: ASYNC110  # delivered before the story was over
            await asyncio.sleep(_LOOK_S)
        recovery_s = max(0.0, settled_s - self.line.over_s)
        return Trial(fault=fault, recovery_s=recovery_s, lost=self.sent - self.door.settled)

    @property
    def unheard(self) -> int:
        """How many were settled in the ledger although the other side has not got them."""
        return sum(not self.arrived(number) for number in range(1, self.sent + 1))


def deck(faults: Sequence[Fault], trials: int, seed: int) -> list[Fault]:
    """So many faults, each kind as often as the others, in an order that depends on the seed."""
    drawn = [faults[number % len(faults)] for number in range(trials)]
    random.Random(seed).shuffle(drawn)  # noqa: S311
    return drawn


async def go_through(lanes: Sequence[Lane], drawn: Sequence[Fault]) -> None:
    """Let the lanes meet all faults, each the next as soon as it is done with one."""
    waiting = iter(drawn)

    async def walk(lane: Lane) -> None:
        await lane.send(1)  # its answer can be given again
        await lane.door.until(lane.sent)
        for fault in waiting:
            await lane.meet(fault)

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(walk(lane))


async def unheard(lanes: Sequence[Lane]) -> int:
    """How many were settled and not heard, when all that is on its way has had its time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ON_ITS_WAY_S):
            while any(lane.unheard for lane in lanes):  # noqa: ASYNC110  # peers do not set our events
                await asyncio.sleep(_LOOK_S)
    return sum(lane.unheard for lane in lanes)
