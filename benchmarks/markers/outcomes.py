"""Draw, mark, compare: for each seed what the marker made of it, small enough to keep for every sweep.

Seeds are shared out among processes in blocks; what comes back is the same whatever their number.
"""

import functools
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeVar

from benchmarks.markers import strangers, sweeps
from benchmarks.markers.truth import Drawn
from gateway.daemon.reference import load_reference
from gateway.domain.markers import MarkerSettings, Marking, mark_all
from gateway.domain.recording import Marks, Modality, MotorMarks, NoResponse, SensoryMarks
from gateway.pipeline.stages import Reference

Found = TypeVar("Found")
Said = Literal["response", "nothing", "unmarkable"]

_BLOCK: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """Where sweeps come from."""

    name: str
    response: Mapping[Modality, Callable[[int], Drawn]]
    nothing: Callable[[int, Modality], Drawn]

    def drawn(self, seed: int, modality: Modality, *, responds: bool = True) -> Drawn:
        """The sweep of a seed, with a response or without."""
        return self.response[modality](seed) if responds else self.nothing(seed, modality)


SIMULATORS: Final = (
    Simulator(
        name="virtual patient",
        response={Modality.MOTOR: sweeps.draw_motor, Modality.SENSORY: sweeps.draw_sensory},
        nothing=sweeps.draw_nothing,
    ),
    Simulator(
        name="strangers",
        response={Modality.MOTOR: strangers.draw_motor, Modality.SENSORY: strangers.draw_sensory},
        nothing=strangers.draw_nothing,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One sweep: what the marker said, and by quantity the truth, the error of the mark, its standard error.

    `truth` is empty where nothing answered; `error` and `standard_error` lack what was not marked.
    """

    seed: int
    said: Said
    quality: tuple[str, ...]
    truth: Mapping[str, float]
    error: Mapping[str, float]
    standard_error: Mapping[str, float]


@functools.cache
def reference() -> Reference:
    """What the product ships: anatomy, criteria, marker settings."""
    return load_reference()


def compared(drawn: Drawn, marking: Marking) -> Outcome:
    """What the marker made of one sweep."""
    truth = {} if drawn.truth is None else quantities(drawn.truth.marks(drawn.modality))
    marks = marking.response if isinstance(marking.response, (MotorMarks, SensoryMarks)) else None
    found = {} if marks is None else quantities(marks)
    return Outcome(
        seed=drawn.seed,
        said=_said(marking),
        quality=tuple(entry.code for entry in marking.quality),
        truth=truth,
        error={name: found[name] - value for name, value in truth.items() if name in found},
        standard_error={name: marking.errors[name] for name in truth if name in marking.errors},
    )


def quantities(marks: Marks) -> dict[str, float]:
    """The quantities that were marked, by name."""
    values = {entry.name: getattr(marks, entry.name) for entry in fields(marks)}
    return {name: value for name, value in values.items() if value is not None}


def outcomes(
    simulator: Simulator, modality: Modality, seeds: range, *, responds: bool, workers: int
) -> list[Outcome]:
    """Each seed's sweep drawn and marked."""
    work = functools.partial(_of_block, simulator, modality, responds=responds)
    return [outcome for block in in_blocks(work, seeds, workers) for outcome in block]


def in_blocks(work: Callable[[range], Found], seeds: range, workers: int) -> Iterator[Found]:
    """`work` done on blocks of the seeds, by this process where `workers` is 1; answers in order."""
    blocks = [seeds[at : at + _BLOCK] for at in range(0, len(seeds), _BLOCK)]
    if workers == 1:
        yield from map(work, blocks)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, blocks)


def _of_block(simulator: Simulator, modality: Modality, seeds: range, *, responds: bool) -> list[Outcome]:
    drawn = [simulator.drawn(seed, modality, responds=responds) for seed in seeds]
    return [compared(one, marking) for one, marking in zip(drawn, _marked(drawn), strict=True)]


def _marked(drawn: Sequence[Drawn]) -> tuple[Marking, ...]:
    settings: MarkerSettings = reference().markers
    return mark_all([one.waveform for one in drawn], drawn[0].modality, settings)


def _said(marking: Marking) -> Said:
    if marking.response is None:
        return "unmarkable"
    return "nothing" if isinstance(marking.response, NoResponse) else "response"
