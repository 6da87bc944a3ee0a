"""What marking costs: one sweep alone, many together, beside the plainest marker and one pass over memory.

All are timed in the same run, in rounds that take turns, in time of the processor, and the fastest round of
each counts: the machine is shared, and only what is compared within one run can be compared.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Final

import numpy as np

from benchmarks.markers.kernel import plain_marks
from benchmarks.markers.outcomes import reference
from benchmarks.markers.sweeps import draw_response
from benchmarks.markers.table import Goal, Row
from benchmarks.markers.truth import Sampling
from gateway.domain.markers import mark, mark_all
from gateway.domain.recording import Modality, Waveform

SAMPLES: Final = 2000
_SAMPLING: Final = Sampling(rate_hz=40_000.0, start_ms=-2.0, end_ms=48.0)
_DIFFERENT: Final = 50
_ONE_SWEEP: Final = Goal(most=0.3)
_AGAINST_PLAIN: Final = Goal(most=3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is timed: the batches, and how often."""

    batches: tuple[int, ...] = (8, 256, 1000)
    rounds: int = 15


@dataclass(frozen=True, slots=True)
class Run:
    """One way to work on one batch."""

    name: str
    way: Callable[[Sequence[Waveform]], object]
    waveforms: Sequence[Waveform]


def rows(group: str, load: Load) -> list[Row]:
    """Milliseconds a sweep of each way, and the two ratios."""
    sweeps = _sweeps(max(load.batches))
    settings = reference().markers
    counts = np.stack([one.samples for one in sweeps])

    def alone(waveforms: Sequence[Waveform]) -> None:
        for one in waveforms:
            mark(one, Modality.MOTOR, settings)

    ways: dict[str, Callable[[Sequence[Waveform]], object]] = {
        "together": lambda waveforms: mark_all(waveforms, Modality.MOTOR, settings),
        "plain": plain_marks,
    }
    runs = [Run(name, way, sweeps[:batch]) for name, way in ways.items() for batch in load.batches]
    runs += [Run("alone", alone, sweeps[:_DIFFERENT]), Run("memory", lambda _: counts.sum(), sweeps)]
    spent = _fastest(runs, load.rounds)
    figures = (
        ("one sweep alone", spent["alone"], "ms", _ONE_SWEEP),
        ("many together, a sweep", spent["together"], "ms", None),
        ("plain kernel, a sweep", spent["plain"], "ms", None),
        ("one pass over the memory, a sweep", spent["memory"], "ms", None),
        ("many together against the plain kernel", spent["together"] / spent["plain"], "x", _AGAINST_PLAIN),
        ("many together against one pass", spent["together"] / spent["memory"], "x", None),
    )
    return [
        Row(group=group, name=name, figure=figure, unit=unit, decimals=4 if unit == "ms" else 1, goal=goal)
        for name, figure, unit, goal in figures
    ]


def _sweeps(count: int) -> list[Waveform]:
    """Sweeps of one sampling; what repeats lies elsewhere in memory all the same."""
    drawn = [draw_response(seed, Modality.MOTOR, _SAMPLING).waveform for seed in range(_DIFFERENT)]
    return [replace(one) for one in islice(cycle(drawn), count)]


def _fastest(runs: Sequence[Run], rounds: int) -> dict[str, float]:
    """By name, the fastest round of the batch that suits it best, ms a sweep."""
    found: dict[str, float] = {}
    for run in [*runs] * rounds:
        began = time.process_time()
        run.way(run.waveforms)
        spent_ms = 1000.0 * (time.process_time() - began) / len(run.waveforms)
        found[run.name] = min(spent_ms, found.get(run.name, spent_ms))
    return found
