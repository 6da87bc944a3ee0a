"""The figures of many outcomes: how far the marks are off, what was missed, whether the stated errors hold.

An interval holds when the truth lies within 1.96 standard errors of the mark. Errors of amplitude and area
are parts of the truth. A quantity that was not marked has no error; how many there are is a row of its own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.markers.outcomes import Outcome
from benchmarks.markers.truth import Floats
from benchmarks.table import NONE_OF_THEM, Goal, Row
from gateway.domain.recording import Modality

# Of a normal distribution, what holds 95 %.
SE_95: Final = 1.96
COVERAGE: Final = Goal(least=93.0, most=97.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What is asked of one quantity: goals for the median and the 95th percentile of its error."""

    title: str
    quantity: str
    relative: bool
    median: Goal | None = None
    p95: Goal | None = None


def _accuracies(amplitude: str) -> tuple[Accuracy, ...]:
    return (
        Accuracy(
            title="onset latency",
            quantity="onset_latency_ms",
            relative=False,
            median=Goal(most=0.05),
            p95=Goal(most=0.20),
        ),
        Accuracy(title="peak latency", quantity="peak_latency_ms", relative=False),
        Accuracy(
            title="amplitude", quantity=amplitude, relative=True, median=Goal(most=0.5), p95=Goal(most=3.0)
        ),
        Accuracy(
            title="negative-peak duration",
            quantity="negative_duration_ms",
            relative=False,
            p95=Goal(most=0.40),
        ),
    )


ACCURACIES: Final[Mapping[Modality, tuple[Accuracy, ...]]] = {
    Modality.MOTOR: (
        *_accuracies("amplitude_mv"),
        Accuracy(title="negative area", quantity="negative_area_mv_ms", relative=True, p95=Goal(most=6.0)),
    ),
    Modality.SENSORY: _accuracies("amplitude_uv"),
}


def rows(
    group: str, modality: Modality, responses: Sequence[Outcome], nothing: Sequence[Outcome]
) -> list[Row]:
    """Everything about one modality: errors, what was missed or invented, the intervals."""
    return [
        *_errors(group, modality, responses),
        *_responses(group, responses, nothing),
        *_withheld(group, modality, responses),
        *_intervals(group, modality, responses),
    ]


def errors(outcomes: Sequence[Outcome], accuracy: Accuracy) -> Floats:
    """The absolute error of one quantity, in its unit or in percent of the truth, where it was marked."""
    name = accuracy.quantity
    found = [
        abs(one.error[name]) * (100.0 / one.truth[name] if accuracy.relative else 1.0)
        for one in outcomes
        if name in one.error
    ]
    return np.array(found, dtype=np.float64)


def held(error: float, standard_error: float) -> bool:
    """Whether the 95 % interval holds the truth."""
    return abs(error) <= SE_95 * standard_error


def coverage_row(group: str, title: str, holds: Sequence[bool]) -> Row:
    """How many intervals hold, in percent; no figure where none was stated."""
    percent = 100.0 * sum(holds) / len(holds) if holds else None
    name = f"95 % interval, {title}"
    return Row(group=group, name=name, figure=percent, unit="%", decimals=1, goal=COVERAGE)


def _errors(group: str, modality: Modality, outcomes: Sequence[Outcome]) -> Iterator[Row]:
    for accuracy in ACCURACIES[modality]:
        found = errors(outcomes, accuracy)
        unit, decimals = ("%", 2) if accuracy.relative else ("ms", 3)
        for name, share, goal in (("median", 50, accuracy.median), ("p95", 95, accuracy.p95)):
            yield Row(
                group=group,
                name=f"{accuracy.title}, error, {name}",
                figure=float(np.percentile(found, share)) if found.size else None,
                unit=unit,
                decimals=decimals,
                goal=goal,
            )


def _responses(group: str, responses: Sequence[Outcome], nothing: Sequence[Outcome]) -> Iterator[Row]:
    counts = (
        (f"responses missed, of {len(responses):,}", responses, "nothing", NONE_OF_THEM),
        (f"responses invented, of {len(nothing):,} without", nothing, "response", NONE_OF_THEM),
        ("unmarkable, of those with a response", responses, "unmarkable", None),
        ("unmarkable, of those without", nothing, "unmarkable", None),
    )
    for name, outcomes, said, goal in counts:
        chosen = [one for one in outcomes if one.said == said]
        seeds = tuple(one.seed for one in chosen) if goal else ()
        yield Row(group=group, name=name, figure=len(chosen), goal=goal, seeds=seeds)
        reasons = Counter(reason for one in chosen for reason in one.quality)
        for reason, count in sorted(reasons.items()):
            yield Row(group=group, name=f"  of them {reason}", figure=count)


def _withheld(group: str, modality: Modality, outcomes: Sequence[Outcome]) -> Iterator[Row]:
    marked = [one for one in outcomes if one.said == "response"]
    for accuracy in ACCURACIES[modality]:
        count = sum(accuracy.quantity not in one.error for one in marked)
        if count:
            yield Row(group=group, name=f"marked without {accuracy.title}", figure=count)


def _intervals(group: str, modality: Modality, outcomes: Sequence[Outcome]) -> Iterator[Row]:
    for accuracy in ACCURACIES[modality]:
        name = accuracy.quantity
        holds = [
            held(one.error[name], one.standard_error[name])
            for one in outcomes
            if name in one.error and name in one.standard_error
        ]
        yield coverage_row(group, accuracy.title, holds)
