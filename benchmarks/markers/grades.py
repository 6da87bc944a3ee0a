"""Grades from our marks against grades from the true marks, segment by segment and set by set.

Both studies go through the product's stages. A grade that differs is wrong, unless the segment is on a limit
of that set (the truth within 1.96 standard errors, and half a unit of the last printed digit, of it) or we
call it not assessable: that is withheld, and counted on its own.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.markers.examinations import Examined, draw_examination
from benchmarks.markers.figures import SE_95, coverage_row, held
from benchmarks.markers.outcomes import in_blocks, reference
from benchmarks.table import NONE_OF_THEM, Row
from gateway.domain.criteria import Condition, CriteriaSet, Grade, Measure
from gateway.domain.findings import Finding
from gateway.domain.segments import Segment
from gateway.pipeline.stages import examine

# The mark each comparison is made of, and whether it grows or falls with the proximal mark.
_MARKS: Final[Mapping[Measure, tuple[str, float]]] = {
    "amplitude_reduction_percent": ("amplitude_mv", -1.0),
    "area_reduction_percent": ("negative_area_mv_ms", -1.0),
    "duration_increase_percent": ("negative_duration_ms", 1.0),
}
# Beside those whose intervals are published: what limits are on.
_COMPARED: Final[Mapping[Measure, tuple[str, float]]] = {
    **_MARKS,
    "peak_to_peak_reduction_percent": ("peak_to_peak_mv", -1.0),
}
_HALF_A_DIGIT_PERCENT: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One quantity from the distal to the proximal site, in percent of the distal one.

    The truth, our figure, and our standard error; the last two are None where we do not know them.
    """

    truth: float
    ours: float | None
    standard_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One examination: the sets under which a grade is wrong, and what else there is to count.

    `unsaid` are the wrong ones of which our own figures do not say that they are on the limit.
    """

    seed: int
    wrong: tuple[str, ...]
    unsaid: tuple[str, ...]
    withheld: bool
    on_limit: bool
    changes: tuple[Mapping[Measure, Change], ...]


def rows(group: str, seeds: range, workers: int) -> list[Row]:
    """The figures of the examinations of these seeds."""
    verdicts = [verdict for block in in_blocks(_judged, seeds, workers) for verdict in block]
    counts = (
        ("graded wrongly through marking", [one for one in verdicts if one.wrong], NONE_OF_THEM),
        ("  of them not on a limit by our figures either", [one for one in verdicts if one.unsaid], None),
        ("with a grade withheld", [one for one in verdicts if one.withheld], None),
        ("with a segment on a limit", [one for one in verdicts if one.on_limit], None),
    )
    return [
        *(
            Row(
                group=group,
                name=name,
                figure=len(found),
                goal=goal,
                seeds=tuple(one.seed for one in found) if goal else (),
            )
            for name, found, goal in counts
        ),
        *_intervals(group, verdicts),
    ]


def judged(examined: Examined, seed: int) -> Verdict:
    """The grades of one examination, from the curves and from the truth."""
    ours = examine(examined.curves, reference()).findings
    truth = examine(examined.truth, reference()).findings
    pairs = list(zip(ours, truth, strict=True))
    differing = [
        (criteria, mine, true)
        for mine, true in pairs
        for criteria in reference().criteria
        if mine.grades[criteria.id] is not true.grades[criteria.id]
    ]
    assessed = [one for one in differing if one[1].grades[one[0].id] is not Grade.NOT_ASSESSABLE]
    wrong = [one for one in assessed if not on_limit(*one)]
    return Verdict(
        seed=seed,
        wrong=tuple(dict.fromkeys(criteria.id for criteria, _, _ in wrong)),
        unsaid=tuple(dict.fromkeys(one[0].id for one in wrong if not on_limit_by_ours(*one))),
        withheld=len(assessed) < len(differing),
        on_limit=any(on_limit(criteria, *pair) for criteria in reference().criteria for pair in pairs),
        changes=tuple(changes(mine.segment, true.segment) for mine, true in pairs),
    )


def _judged(seeds: range) -> list[Verdict]:
    return [judged(draw_examination(seed), seed) for seed in seeds]


def _intervals(group: str, verdicts: Sequence[Verdict]) -> Iterator[Row]:
    compared = [change for verdict in verdicts for change in verdict.changes]
    for measure in _MARKS:
        holds = [
            held(one.ours - one.truth, one.standard_error)
            for one in (found[measure] for found in compared if measure in found)
            if one.ours is not None and one.standard_error is not None
        ]
        yield coverage_row(group, measure.removesuffix("_percent").replace("_", " "), holds)


def changes(ours: Segment, truth: Segment) -> Mapping[Measure, Change]:
    """Each comparison of one segment that the truth knows."""
    found = ((measure, _change(measure, ours, truth)) for measure in _COMPARED)
    return {measure: change for measure, change in found if change is not None}


def _change(measure: Measure, ours: Segment, truth: Segment) -> Change | None:
    name, sign = _COMPARED[measure]
    true = _pair(getattr(truth.distal.motor, name, None), getattr(truth.proximal.motor, name, None))
    if true is None:
        return None
    mine = _pair(getattr(ours.distal.motor, name, None), getattr(ours.proximal.motor, name, None))
    stated = _pair(ours.distal.errors.get(name), ours.proximal.errors.get(name))
    return Change(
        truth=sign * _growth_percent(*true),
        ours=None if mine is None else sign * _growth_percent(*mine),
        standard_error=None if stated is None else _of_ratio(true, stated),
    )


def _pair(distal: float | None, proximal: float | None) -> tuple[float, float] | None:
    """Both of a pair, where both are known."""
    return None if distal is None or proximal is None else (distal, proximal)


def _growth_percent(distal: float, proximal: float) -> float:
    return 100.0 * (proximal - distal) / distal


def _of_ratio(marks: tuple[float, float], errors: tuple[float, float]) -> float:
    """The standard error of 100 proximal / distal, of two marks whose errors do not depend on each other."""
    distal, proximal = marks
    return 100.0 / distal * math.hypot(errors[0] * proximal / distal, errors[1])


def on_limit(criteria: CriteriaSet, ours: Finding, truth: Finding) -> bool:
    """Whether the truth is within the stated uncertainty of a limit of the set, or of its floor."""
    near = (_within(change, change.truth, limit) for change, limit in _limits(criteria, ours, truth))
    return any(near) or _on_floor(criteria, ours.segment, truth.segment, truth.segment.distal.amplitude)


def on_limit_by_ours(criteria: CriteriaSet, ours: Finding, truth: Finding) -> bool:
    """Whether our own figure is: then a reader is told that the grade may be another."""
    near = (_within(change, change.ours, limit) for change, limit in _limits(criteria, ours, truth))
    return any(near) or _on_floor(criteria, ours.segment, truth.segment, ours.segment.distal.amplitude)


def _limits(criteria: CriteriaSet, ours: Finding, truth: Finding) -> Iterator[tuple[Change, float]]:
    """Each change that the set asks about, with its limit."""
    found = changes(ours.segment, truth.segment)
    conditions = (_in_percent(condition) for rule in criteria.rules for condition in rule.conditions)
    return ((found[measure], limit) for measure, limit in conditions if measure in found)


def _in_percent(condition: Condition) -> tuple[Measure, float]:
    """What a condition asks about and its limit; a ratio as the reduction that it is."""
    if condition.quantity == "amplitude_ratio":
        return "amplitude_reduction_percent", 100.0 * (1.0 - condition.limit)
    return condition.quantity, condition.limit


def _within(change: Change, value: float | None, limit: float) -> bool:
    if value is None:
        return False
    return abs(value - limit) <= SE_95 * (change.standard_error or 0.0) + _HALF_A_DIGIT_PERCENT


def _on_floor(criteria: CriteriaSet, ours: Segment, truth: Segment, amplitude: float | None) -> bool:
    amplitude_mv = amplitude or 0.0
    uncertain_mv = SE_95 * ours.distal.errors.get("amplitude_mv", 0.0)
    return any(abs(amplitude_mv - floor_mv) <= uncertain_mv for floor_mv in _floors_mv(criteria, truth))


def _floors_mv(criteria: CriteriaSet, segment: Segment) -> Iterator[float]:
    """What the distal amplitude must pass under the set or one of its rules, in mV."""
    floor = criteria.floor
    conditions = (condition for rule in criteria.rules for condition in rule.conditions)
    yield from (one.limit for one in conditions if one.quantity == "distal_amplitude_mv")
    if floor.amplitude_mv is not None:
        yield floor.amplitude_mv.limit
    norm = reference().norms.motor_norm(segment.nerve, segment.recording_site)
    if floor.percent_of_lower_limit is not None and norm is not None and norm.amplitude_mv:
        yield floor.percent_of_lower_limit.limit / 100.0 * norm.amplitude_mv
