"""Cables are pulled out of a running gateway and put back: how long until a cart is answered again."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.faults.stalls import Stalls
from benchmarks.table import Goal, Row
from drivers.simulator.line import HungUp, Line
from gateway.protocols.lis_frames import ACK, ENQ, EOT
from tests.end_to_end.lives import Gateways
from tests.end_to_end.mortal_gateway import CONFIG, STALLS

LINES: Final = 24
LIMIT: Final = Goal(most=5.0)
SHORT_S: Final = (0.0, 2.0)
LONG_S: Final = (15.0, 25.0)
_LONG_SHARE: Final = 0.2
# How often a cart asks while nobody answers.
_ASK_S: Final = 0.1


async def run(folder: Path, pulls: int, seed: int) -> tuple[list[Row], Stalls]:
    """So many pulls, on a number of lines at once."""
    house = folder / "cables"
    house.mkdir()
    links = [house / f"line-{number}" for number in range(min(LINES, pulls))]
    (house / CONFIG).write_text(_config(house, links))
    waiting = iter(_pauses(pulls, seed))
    found: list[tuple[float, float]] = []

    async def cart(link: Path) -> None:
        await _answered(link)
        for away_s in waiting:
            await asyncio.sleep(away_s)
            found.append((away_s, await _answered(link)))

    with Gateways() as gateways:
        async with gateways.life(house), asyncio.TaskGroup() as group:
            for link in links:
                group.create_task(cart(link))
    return _rows(found), Stalls.read(house / STALLS)


def _pauses(pulls: int, seed: int) -> list[float]:
    chance = random.Random(seed)  # noqa: S311
    return [chance.uniform(*(LONG_S if chance.random() < _LONG_SHARE else SHORT_S)) for _ in range(pulls)]


def _config(house: Path, links: Sequence[Path]) -> str:
    drivers = [
        f'[[drivers]]\nname = "{link.name}"\ntype = "serial_lis"\nurl = "serial://{link}"\n' for link in links
    ]
    return f'[gateway]\nstate_dir = "{house}/state"\n{"".join(drivers)}'


async def _answered(link: Path) -> float:
    """Put a cart's cable in, ask until the gateway answers, and pull it; how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    line = Line(link)
    began = loop.time()
    try:
        while not await _asked(line):
            pass
        took_s = loop.time() - began
        await line.write(EOT)
    finally:
        line.close()
    return took_s


async def _asked(line: Line) -> bool:
    """Whether an enquiry was answered just now."""
    await line.opened()
    with contextlib.suppress(TimeoutError, HungUp):
        async with asyncio.timeout(_ASK_S):
            await line.write(ENQ)
            return ACK in await line.read()
    return False


def _rows(found: Sequence[tuple[float, float]]) -> list[Row]:
    group = "Cables pulled and put back"
    short = [took_s for away_s, took_s in found if away_s <= SHORT_S[1]]
    long = [took_s for away_s, took_s in found if away_s > SHORT_S[1]]
    return [
        Row(group=group, name="pulls", figure=len(found)),
        *(
            Row(
                group=group,
                name=f"away for {low:g} to {high:g} s ({len(times)}): answered after",
                figure=max(times, default=None),
                unit="s",
                decimals=1,
                goal=LIMIT,
            )
            for (low, high), times in ((SHORT_S, short), (LONG_S, long))
        ),
    ]
