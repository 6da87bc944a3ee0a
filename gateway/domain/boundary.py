"""On the limit: whether a value is so near a limit that another measurement of it might be beyond.

A value on a limit is graded exactly as the source's inequality says; this only says how near it is. Near is
within half the 95 % interval of the value, which for marks of a machine is a setting. Every limit counts that
the grading set compares this segment with, also one that alone turns no grade: the comparison is unsure.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from gateway.domain.anatomy import Anatomy
from gateway.domain.criteria import (
    NOT_COMPARED,
    CriteriaSet,
    Floor,
    Grade,
    Graded,
    Measure,
    Rule,
    applicable,
    percent_of_limit,
)
from gateway.domain.norms import NormTable
from gateway.domain.rounding import half_up
from gateway.domain.segments import Segment
from gateway.domain.thresholds import Thresholds
from gateway.domain.uncertainty import half_width

_UNTOUCHED: Final = frozenset({Grade.EXCLUDED_SITE, Grade.NOT_LISTED})
# Finer than any value: keeps the binary noise of a difference out of the comparison.
_EXACT_DECIMALS: Final = 6
_FINEST: Final = 1e-6


NearLimit = Measure | Literal["percent_of_lower_limit"]
Near = tuple[NearLimit, float]  # what is near a limit, and the limit


def on_the_limit(
    segment: Segment,
    criteria: CriteriaSet,
    chosen: Graded,
    norms: NormTable,
    anatomy: Anatomy,
    thresholds: Thresholds,
) -> bool:
    """Whether a value that `criteria` compared to reach the grade `chosen` is near the limit."""
    near_one = next(limits_near(segment, criteria, chosen, norms, anatomy, thresholds), None)
    return near_one is not None


def limits_near(
    segment: Segment,
    criteria: CriteriaSet,
    chosen: Graded,
    norms: NormTable,
    anatomy: Anatomy,
    thresholds: Thresholds,
) -> Iterator[Near]:
    """Every limit that a value is near, the floor's first; one that several rules ask for comes again."""
    if chosen.grade in _UNTOUCHED or segment.proximal.motor is None or segment.distal.motor is None:
        return
    yield from _floors_near(segment, criteria.floor, norms, thresholds)
    if NOT_COMPARED.isdisjoint(chosen.reasons):  # else something stands before the rules
        for rule in applicable(segment, criteria, anatomy) or ():
            yield from _rule_near(rule, segment, thresholds)


def _rule_near(rule: Rule, segment: Segment, thresholds: Thresholds) -> Sequence[Near]:
    """The limits of `rule` that a value is near; none where it is about distal responses of another size."""
    found: list[Near] = []
    for entry in rule.conditions:
        value: float | None = getattr(segment, entry.quantity)
        if value is None:
            continue
        if near(value, entry.limit, uncertain_by(entry.quantity, segment, thresholds)):
            found.append((entry.quantity, entry.limit))
        elif entry.quantity == "distal_amplitude_mv" and not entry.holds(value):
            return ()
    return found


def near(value: float, limit: float, width: float) -> bool:
    """Whether a limit is within `width` of a value."""
    distance = abs(value - limit)
    if distance > width + _FINEST:
        return False
    return distance <= width or half_up(distance, _EXACT_DECIMALS) <= width


def uncertain_by(measure: Measure, segment: Segment, thresholds: Thresholds) -> float:
    """Half the 95 % interval of what a condition asks about, in its unit."""
    if measure == "distal_amplitude_mv":
        return amplitude_width(segment)
    if measure == "amplitude_ratio":
        return segment.half_width("amplitude_reduction_percent", thresholds) / 100
    return segment.half_width(measure, thresholds)


def amplitude_width(segment: Segment) -> float:
    """Half the 95 % interval of the distal amplitude, mV; 0 where a machine marked it."""
    return half_width(segment.distal.error("amplitude_mv") or 0.0)


def floor_points(segment: Segment, lower_limit_mv: float, thresholds: Thresholds) -> float:
    """The same in percent of the lower limit of normal; a machine's points where it marked it."""
    width = amplitude_width(segment)
    return 100 * width / lower_limit_mv if width else thresholds.machine_points.value


def _floors_near(segment: Segment, floor: Floor, norms: NormTable, thresholds: Thresholds) -> Iterator[Near]:
    amplitude = segment.distal_amplitude_mv
    if amplitude is None:
        return
    least, share = floor.amplitude_mv, floor.percent_of_lower_limit
    if least and near(amplitude, least.limit, amplitude_width(segment)):
        yield "distal_amplitude_mv", least.limit
    norm = norms.motor_norm(segment.nerve, segment.recording_site) if share else None
    if share and norm and norm.amplitude_mv:
        points = floor_points(segment, norm.amplitude_mv, thresholds)
        if near(percent_of_limit(amplitude, norm.amplitude_mv), share.limit, points):
            yield "percent_of_lower_limit", share.limit
