"""Refuses a criteria set that cannot mean what it says, such as one that blocks every healthy nerve.

Every condition on the response asks for a fall, every rule has one, and the highest grade comes first. The
ranges are no clinical limits: outside them a number is a slip.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from gateway.domain.plausibility import Range, check_number, check_some
from gateway.errors import DataError

if TYPE_CHECKING:  # these ask for the checks
    from gateway.domain.criteria import Between, Comparison, Condition, CriteriaSet, Floor, Measure, Rule

_PERCENT_FALL: Final = Range(most=100.0, below_most=True)
_CMAP_MV: Final = Range(most=50.0)
_POSSIBLE: "Final[Mapping[Measure, Range]]" = {
    "amplitude_ratio": Range(most=1.0, below_most=True),
    "amplitude_reduction_percent": _PERCENT_FALL,
    "peak_to_peak_reduction_percent": _PERCENT_FALL,
    "area_reduction_percent": _PERCENT_FALL,
    "duration_increase_percent": Range(most=500.0),
    "distal_amplitude_mv": _CMAP_MV,
}
_UP: "Final[tuple[Comparison, ...]]" = (">=", ">")
_DOWN: "Final[tuple[Comparison, ...]]" = ("<=", "<")
# How a fall is asked for; the other way round a healthy nerve would be blocked.
_FALLS: "Final[Mapping[Measure, tuple[Comparison, ...]]]" = {
    "amplitude_ratio": _DOWN,
    "amplitude_reduction_percent": _UP,
    "peak_to_peak_reduction_percent": _UP,
    "area_reduction_percent": _UP,
}


def check_condition(condition: "Condition") -> None:
    """DataError when the limit cannot be meant, or a fall is asked for the wrong way round."""
    check_number(condition.limit, _POSSIBLE[condition.quantity], "limit")
    _check_op(condition.op, _FALLS.get(condition.quantity, (*_UP, *_DOWN)), "a fall")


def check_floor(floor: "Floor") -> None:
    """DataError when a floor is none, or cannot be meant."""
    floors = (("amplitude_mv", _CMAP_MV), ("percent_of_lower_limit", Range(most=100.0)))
    for name, possible in floors:
        limit = getattr(floor, name)
        if limit is not None:
            check_number(limit.limit, possible, f"{name}.limit")
            _check_op(limit.op, _UP, "a floor", f"{name}.op")


def _check_op(op: "Comparison", known: "tuple[Comparison, ...]", what: str, place: str = "op") -> None:
    if op not in known:
        raise DataError(f"is the wrong way round for {what}, write {' or '.join(known)}", place)


def check_rule(rule: "Rule") -> None:
    """DataError when the rule asks for no fall, or for what no segment can show."""
    check_some(rule.conditions, "condition", "conditions")
    quantities = dict.fromkeys(entry.quantity for entry in rule.conditions)
    if not _FALLS.keys() & quantities.keys():
        raise DataError("no fall of the response is asked for, add a reduction or a ratio", "conditions")
    for quantity in quantities:
        if not _can_hold([entry for entry in rule.conditions if entry.quantity == quantity]):
            raise DataError(f"contradict each other, no {quantity} meets all of them", "conditions")


def _can_hold(conditions: "Sequence[Condition]") -> bool:
    """Whether one number meets all of them: if any does, then a limit or a number right beside it."""
    limits = {entry.limit for entry in conditions}
    beside = {math.nextafter(limit, way) for limit in limits for way in (-math.inf, math.inf)}
    return any(all(entry.holds(value) for entry in conditions) for value in limits | beside)


def check_set(criteria: "CriteriaSet") -> None:
    """DataError when nothing can be graded, or a grade is never reached."""
    check_some(criteria.nerves, "nerve", "nerves")
    check_some(criteria.rules, "rule", "rules")
    one_level = criteria.rules[0].grade == "block"
    probable: list[Rule] = []
    for index, rule in enumerate(criteria.rules):
        if (rule.grade == "block") != one_level:
            reason = "a set has either block, or definite_block and probable_block"
            raise DataError(reason, f"rules[{index}].grade")
        if rule.grade == "probable_block":
            probable.append(rule)
        elif any(_meet(rule, above) for above in probable):
            raise DataError("definite_block must stand above probable_block", f"rules[{index}].grade")


def _meet(one: "Rule", other: "Rule") -> bool:
    """Whether both may apply to one segment, by its limb, length and sites."""
    return (
        _same_if_given(one.limb, other.limb)
        and _same_if_given(one.length, other.length)
        and _share(one.proximal_sites, other.proximal_sites)
        and (
            not (one.segments and other.segments)
            or any(_coincide(mine, its) for mine in one.segments for its in other.segments)
        )
    )


def _coincide(one: "Between", other: "Between") -> bool:
    same_ends = (one.distal, one.proximal) == (other.distal, other.proximal)
    return same_ends and _same_if_given(one.nerve, other.nerve)


def _same_if_given(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _share(some: Sequence[str], others: Sequence[str]) -> bool:
    return not some or not others or bool(set(some).intersection(others))
