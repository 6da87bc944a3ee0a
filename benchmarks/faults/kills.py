"""The gateway is killed: at every step from a cart to engine and screens, and at random under load."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.faults.stalls import Stalls
from benchmarks.faults.ward import Tally, Ward, endless
from benchmarks.table import NONE_OF_THEM, Row
from gateway.domain.study import Study
from gateway.sinks.broker import BrokerAddress, demo_broker
from tests.end_to_end.examinations import OverALine
from tests.end_to_end.lives import Gateways, some_at_once, survive

# A gateway lives at most so long before it is killed; it starts to work after about a fifth of that.
LONGEST_LIFE_S = 1.5
KILLS_A_WARD = 50
CARTS = 2
# The last gateway finishes what is left, on a machine that may be busy with other things.
DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Killed:
    """What a series of kills led to.

    How far each gateway got; how many of them had taken something from a cart in this life, the others were
    killed while they started or recovered; what was counted; how late timers were.
    """

    last_steps: Sequence[str]
    at_work: int
    tally: Tally
    stalls: Stalls


@asynccontextmanager
async def _stage() -> AsyncIterator[tuple[Gateways, BrokerAddress]]:
    async with demo_broker("mosquitto") as broker:
        with Gateways() as gateways:
            yield gateways, broker


def _short(_: int) -> Study:
    return OverALine.STUDY


async def at_every_step(folder: Path, every: int) -> tuple[int, Killed]:
    """How many steps a short examination has, and what came of a kill at each (`every` 1) or some of them."""
    async with _stage() as (gateways, broker):

        async def lived(name: str, *deaths: str) -> tuple[Ward, list[list[str]]]:
            ward = Ward(folder / name, broker, _short)
            ward.enough.set()
            return ward, await survive(ward, gateways, deaths, DEADLINE_S)

        (_, (once,)), (_, (again,)) = await lived("once"), await lived("again")
        steps = [step for step in once if step in again]  # what only one makes is chance

        async def killed_at(number: int) -> tuple[Ward, list[list[str]]]:
            ward, lives = await lived(f"step-{number}", steps[number])
            return ward, lives if lives[0][-1] == steps[number] else lives[1:]  # it never came there

        found = await some_at_once(killed_at, range(0, len(steps), every))
    return len(steps), _together([ward for ward, _ in found], [lives for _, lives in found])


async def at_random(folder: Path, kills: int, seed: int) -> Killed:
    """What came of so many kills at random times, while carts play without a pause."""
    chance = random.Random(seed)  # noqa: S311
    moments = [chance.uniform(0.0, LONGEST_LIFE_S) for _ in range(kills)]
    shares = [moments[at : at + KILLS_A_WARD] for at in range(0, kills, KILLS_A_WARD)]
    names = (f"ward-{number}" for number in count())
    async with _stage() as (gateways, broker):

        async def killed(share: Sequence[float]) -> tuple[Ward, list[list[str]]]:
            ward = Ward(folder / next(names), broker, endless, CARTS)
            return ward, await survive(ward, gateways, share, DEADLINE_S)

        found = await some_at_once(killed, shares)
    return _together([ward for ward, _ in found], [lives for _, lives in found])


def _together(wards: Sequence[Ward], lives: Sequence[list[list[str]]]) -> Killed:
    """`lives`: the steps of each gateway of a ward; the last one was not killed."""
    killed = [steps for ward in lives for steps in ward[:-1]]
    tally, stalls = wards[0].tally, wards[0].stalls
    for ward in wards[1:]:
        tally, stalls = tally + ward.tally, stalls + ward.stalls
    return Killed(
        last_steps=[steps[-1] if steps else "" for steps in killed],
        at_work=sum(any(step.startswith("after ACK") for step in steps) for steps in killed),
        tally=tally,
        stalls=stalls,
    )


def rows(group: str, killed: Killed, *, steps: int | None = None) -> list[Row]:
    """The rows of one series."""

    def row(name: str, figure: int, *, none: bool = False) -> Row:
        return Row(group=group, name=name, figure=figure, goal=NONE_OF_THEM if none else None)

    tally = killed.tally
    kinds = {last.rpartition(" #")[0] for last in killed.last_steps}
    return [
        *([row("steps of the examination", steps)] if steps is not None else []),
        row("kills", len(killed.last_steps)),
        row("of them after a cart had been answered", killed.at_work),
        row("different places", len(kinds)),
        row("recordings that carts had acknowledged", tally.recordings),
        row("of them not in the store", tally.recordings_lost, none=True),
        row("in the store twice, or in part", tally.pieces, none=True),
        row("HL7 messages due", tally.messages),
        row("of them not delivered", tally.messages_lost, none=True),
        row("of them under two control ids", tally.second_ids, none=True),
        row("MQTT events", tally.events),
        row("of them not delivered", tally.events_lost, none=True),
        row("sent again with other bytes", tally.changed, none=True),
        row("sent again, the same bytes", tally.sent_again),
    ]


async def run(folder: Path, kills: int, seed: int, every: int = 1) -> tuple[list[Row], Stalls]:
    """Both series: the rows, and how late the gateways' timers were."""
    steps, stepwise = await at_every_step(folder, every)
    found, stalls = (
        rows(
            "Killed at every step" if every == 1 else f"Killed at one of {every} steps", stepwise, steps=steps
        ),
        stepwise.stalls,
    )
    if kills:
        random_kills = await at_random(folder, kills, seed)
        found += rows("Killed at random times under load", random_kills)
        stalls += random_kills.stalls
    return found, stalls
