"""The trials in order: HL7, MQTT, the broker killed; and the rows of their figures."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from benchmarks.faults import engines, screens
from benchmarks.faults.screens import Mosquitto, Screen
from benchmarks.faults.stalls import watch
from benchmarks.faults.stories import HL7, MQTT
from benchmarks.faults.trials import Lane, deck, go_through, unheard
from benchmarks.faults.workshop import Workshop, workshop
from benchmarks.table import NONE_OF_THEM, Goal, Row
from gateway.store.ledger import ledger

LANES: Final = 96  # at once
RECEIVER: Final = Goal(most=15.0)
BROKER: Final = Goal(most=5.0)
# So many of the MQTT trials are kills of the broker, each of which strikes every lane.
KILLED_SHARE: Final = 0.2
KILLED: Final = "the broker is killed and started again"
LONGEST_DOWN_S: Final = 4.0
STALLS: Final = "stalls"
# From when the first of them is on disk, an event is on its way for a few ms.
_ON_ITS_WAY_S: Final = 0.004


@contextlib.asynccontextmanager
async def _watched(folder: Path) -> AsyncIterator[Workshop]:
    """A workshop in a loop whose timers are watched from when it stands."""
    async with workshop(folder) as shop:
        watching = asyncio.create_task(watch(folder / STALLS))
        try:
            yield shop
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def hl7(folder: Path, trials: int, seed: int) -> list[Row]:
    """So many faults on lines to an engine."""
    engine, group = engines.Engine(), "Network faults on HL7"
    async with _watched(folder) as shop:
        async with engines.lanes(shop, engine, min(LANES, trials)) as lanes:
            await go_through(lanes, deck(HL7, trials, seed))
            wrong = await unheard(lanes)
        blocks = engine.blocks
        second = len(blocks.keys() - {row["control_id"] for row in ledger(shop.path)})
    return [
        *_rows(group, lanes, RECEIVER, wrong),
        _none(group, "under a second control id", second),
        _none(group, "sent again with other bytes", sum(len(set(found)) - 1 for found in blocks.values())),
        Row(
            group=group,
            name="sent again, the same bytes",
            figure=sum(map(len, blocks.values())) - len(blocks),
        ),
    ]


async def mqtt(folder: Path, trials: int, seed: int) -> list[Row]:
    """So many faults on lines to a broker, the last of them kills of the broker itself."""
    on_lines = max(1, round(trials * (1 - KILLED_SHARE)))
    chance = random.Random(seed)  # noqa: S311
    async with (
        _watched(folder) as shop,
        Mosquitto(folder) as broker,
        screens.lanes(shop, broker, min(LANES, on_lines)) as (screen, lanes),
    ):
        await go_through(lanes, deck(MQTT, on_lines, seed))
        wrong = await unheard(lanes)
        await _kills(broker, screen, lanes, trials - on_lines, chance)
        await unheard(lanes)
        await screens.caught_up(screen, lanes)
        return _mqtt_rows(screen, lanes, wrong)


async def _kills(
    broker: Mosquitto, screen: Screen, lanes: Sequence[Lane], trials: int, chance: random.Random
) -> None:
    """Kill the broker while every lane sends an event, until it struck so many on their way."""
    while trials > 0:
        sending = [asyncio.create_task(lane.send(1)) for lane in lanes]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(chance.uniform(0.0, _ON_ITS_WAY_S))
        await broker.kill()
        await asyncio.gather(*sending)
        struck = [lane for lane in lanes if lane.door.settled < lane.sent][:trials]
        trials -= len(struck)
        await asyncio.sleep(chance.uniform(0.0, LONGEST_DOWN_S))
        await broker.start()
        for lane in struck:
            lane.line.over()
        judged = await asyncio.gather(*(lane.judged(KILLED) for lane in struck))
        for lane, trial in zip(struck, judged, strict=True):
            lane.trials.append(trial)
        await asyncio.gather(*(lane.door.until(lane.sent) for lane in lanes))
        await screen.listening()


def _mqtt_rows(screen: Screen, lanes: Sequence[Lane], wrong: int) -> list[Row]:
    """The screen is away while the broker is: what it then did not hear must be in a replay."""
    group, lost, by_replay = "Network faults on MQTT", 0, 0
    for lane in lanes:
        missed = set(range(1, lane.sent + 1)) - screen.live[lane.name].keys()
        by_replay += len(missed & screen.replayed[lane.name].keys())
        lost += len(missed - screen.replayed[lane.name].keys())
    return [
        *_rows(group, lanes, BROKER, wrong),
        _none(group, "neither heard nor in a replay", lost),
        _none(group, "heard again with other bytes", screen.changed),
        Row(group=group, name="heard again, the same bytes", figure=screen.again),
        Row(group=group, name="missed with the broker down, in a replay", figure=by_replay),
    ]


def _rows(group: str, lanes: Sequence[Lane], limit: Goal, wrong: int) -> list[Row]:
    """How many trials, what was lost or wrongly matched, and the longest recovery from each fault."""
    trials = sorted((trial for lane in lanes for trial in lane.trials), key=lambda trial: trial.fault)
    found = [
        Row(group=group, name="trials", figure=len(trials)),
        _none(group, "lost: not settled in the outbox", sum(lane.sent - lane.door.settled for lane in lanes)),
        _none(group, "wrong match: settled, not over there", wrong),
    ]
    for fault, members in groupby(trials, key=lambda trial: trial.fault):
        recoveries = [trial.recovery_s for trial in members]
        name = f"{fault} ({len(recoveries):,})"
        found.append(Row(group=group, name=name, figure=max(recoveries), unit="s", decimals=1, goal=limit))
    return found


def _none(group: str, name: str, figure: int) -> Row:
    return Row(group=group, name=name, figure=figure, goal=NONE_OF_THEM)
