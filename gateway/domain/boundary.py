"""On the limit: whether a value is so near a limit that its uncertainty could turn the grade.

A value on a limit is graded exactly as the source's inequality says; this only says how near it is. Near is
within half the 95 % interval of the value, which for marks of a machine is a setting.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.criteria import (
    CriteriaSet,
    Floor,
    Grade,
    Graded,
    Measure,
    Rule,
    applicable,
    measures,
    outcome,
    percent_of_limit,
)
from gateway.domain.norms import NormTable
from gateway.domain.rounding import half_up
from gateway.domain.segments import Segment
from gateway.domain.thresholds import Thresholds
from gateway.domain.uncertainty import half_width

_UNTOUCHED: Final = frozenset({Grade.EXCLUDED_SITE, Grade.NOT_LISTED})
_BESIDE: Final[dict[str, float]] = {"amplitude_ratio": 0.001, "distal_amplitude_mv": 0.001}
_PERCENT_BESIDE: Final = 0.1
# Finer than any value: keeps the binary noise of a difference out of the comparison.
_EXACT_DECIMALS: Final = 6
_FINEST: Final = 1e-6


def on_the_limit(
    segment: Segment,
    criteria: CriteriaSet,
    chosen: Graded,
    norms: NormTable,
    anatomy: Anatomy,
    thresholds: Thresholds,
) -> bool:
    """Whether the grade `chosen` under `criteria` may be another within what the marks are sure of."""
    if chosen.grade in _UNTOUCHED or segment.proximal.motor is None or segment.distal.motor is None:
        return False
    rules = applicable(segment, criteria, anatomy) or ()
    if any(_near_floor(segment, criteria.floor, norms, thresholds)):
        return True
    beside = _beside(segment, rules, thresholds)
    if not beside:
        return False
    values = measures(segment)
    if chosen != outcome(rules, values):  # something stands before the rules
        return False
    moved = {name: [values[name], *others] for name, others in beside.items()}
    others = (dict(zip(moved, other, strict=True)) for other in product(*moved.values()))
    return any(outcome(rules, values | other).grade is not chosen.grade for other in others)


def _beside(segment: Segment, rules: Sequence[Rule], thresholds: Thresholds) -> dict[Measure, set[float]]:
    """The limits that each measure may reach, and the values next to them."""
    found: dict[Measure, set[float]] = {}
    for rule in rules:
        for entry in rule.conditions:
            measure, limit = entry.quantity, entry.limit
            value: float | None = getattr(segment, measure)
            if value is not None and near(value, limit, uncertain_by(measure, segment, thresholds)):
                step = _BESIDE.get(measure, _PERCENT_BESIDE)
                found.setdefault(measure, set()).update((limit - step, limit, limit + step))
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
        return _amplitude_width(segment)
    if measure == "amplitude_ratio":
        return segment.half_width("amplitude_reduction_percent", thresholds) / 100
    return segment.half_width(measure, thresholds)


def _amplitude_width(segment: Segment) -> float:
    """Half the 95 % interval of the distal amplitude; 0 where a machine marked it."""
    return half_width(segment.distal.error("amplitude_mv") or 0.0)


def _near_floor(segment: Segment, floor: Floor, norms: NormTable, thresholds: Thresholds) -> Iterator[bool]:
    amplitude, width = segment.distal_amplitude_mv, _amplitude_width(segment)
    if amplitude is None:
        return
    if floor.amplitude_mv and width:
        yield abs(amplitude - floor.amplitude_mv.limit) <= width
    norm = norms.motor_norm(segment.nerve, segment.recording_site)
    if floor.percent_of_lower_limit and norm and norm.amplitude_mv:
        points = 100 * width / norm.amplitude_mv if width else thresholds.machine_points.value
        yield near(percent_of_limit(amplitude, norm.amplitude_mv), floor.percent_of_lower_limit.limit, points)
