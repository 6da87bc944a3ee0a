"""The whole evaluation of a marker: every simulator, both modalities, examinations, cost; and its picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.markers import cost, figures, grades
from benchmarks.markers.outcomes import SIMULATORS, Outcome, Simulator, outcomes, reference
from benchmarks.markers.pictures import Strip, strips
from benchmarks.markers.svg import picture
from benchmarks.markers.truth import Drawn
from benchmarks.table import Row
from gateway.domain.markers import mark
from gateway.domain.recording import Marks, Modality, MotorMarks, SensoryMarks

# Examinations take three sweeps each and more, and are graded twice.
_SEEDS_AN_EXAMINATION: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is evaluated; `load` None: nothing that depends on the machine."""

    seeds: range
    strangers: bool = False
    workers: int = 1
    load: cost.Load | None = None

    @property
    def simulators(self) -> tuple[Simulator, ...]:
        """The virtual patient, and the strangers where they were asked for."""
        return SIMULATORS if self.strangers else SIMULATORS[:1]

    @property
    def examinations(self) -> range:
        """The seeds of the examinations: the first fifth, at least one."""
        return self.seeds[: max(1, len(self.seeds) // _SEEDS_AN_EXAMINATION)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The rows of the table, and the motor outcomes of the virtual patient, for the picture."""

    rows: tuple[Row, ...]
    motor: tuple[Outcome, ...]


def evaluate(plan: Plan) -> Evaluation:
    """Everything that was asked for."""
    rows: list[Row] = []
    shown: list[Outcome] = []
    for simulator in plan.simulators:
        for modality in Modality:
            found = outcomes(simulator, modality, plan.seeds, responds=True, workers=plan.workers)
            nothing = outcomes(simulator, modality, plan.seeds, responds=False, workers=plan.workers)
            group = f"{modality.capitalize()} sweeps of the {simulator.name}"
            rows += figures.rows(group, modality, found, nothing)
            shown = shown or found
    group = f"Examinations of the {SIMULATORS[0].name}, {len(plan.examinations):,}"
    rows += grades.rows(group, plan.examinations, plan.workers)
    if plan.load is not None:
        rows += cost.rows(f"Cost of a motor sweep of {cost.SAMPLES:,} samples", plan.load)
    return Evaluation(rows=tuple(rows), motor=tuple(shown))


def drawing(evaluation: Evaluation) -> str:
    """The picture of the best, the typical and the worst motor sweeps of the virtual patient, as SVG."""
    panels = ((strip, tuple(_marked(strip))) for strip in strips(evaluation.motor))
    return picture("Motor sweeps of the virtual patient with their marks: best, typical and worst", panels)


def _marked(strip: Strip) -> Iterator[tuple[Drawn, Marks | None]]:
    """The sweeps of a strip, drawn and marked again."""
    for seed in strip.seeds:
        drawn = SIMULATORS[0].drawn(seed, Modality.MOTOR)
        response = mark(drawn.waveform, Modality.MOTOR, reference().markers).response
        yield drawn, response if isinstance(response, (MotorMarks, SensoryMarks)) else None
