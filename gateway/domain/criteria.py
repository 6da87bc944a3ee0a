"""Criteria sets: when a fall of the CMAP counts as conduction block, by whose published rule.

A set is data (`config/criteria/*.toml`): the nerves it lists, the floor the distal response must pass, and
rules in order, the first that holds gives the grade. `grade` says what the numbers say under one set at an
eligible site; whether a finding follows from it is for the gates.
"""

import enum
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gateway.domain.anatomy import Anatomy, Standing
from gateway.domain.norms import NormTable, Status
from gateway.domain.rounding import quotient
from gateway.domain.segments import Segment

Comparison = Literal[">=", ">", "<=", "<"]
_COMPARE: Final[Mapping[Comparison, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
Measure = Literal["amplitude_reduction_percent", "area_reduction_percent", "duration_increase_percent"]
_MISSING: Final[Mapping[Measure, str]] = {
    "amplitude_reduction_percent": "amplitude_missing",
    "area_reduction_percent": "area_missing",
    "duration_increase_percent": "duration_missing",
}


class Grade(enum.StrEnum):
    """What the numbers of a segment say under one set; `INDETERMINATE` only after a gate."""

    NONE = "none"
    PROBABLE_BLOCK = "probable_block"
    DEFINITE_BLOCK = "definite_block"
    BLOCK = "block"
    INDETERMINATE = "indeterminate"
    NOT_ASSESSABLE = "not_assessable"
    NOT_LISTED = "not_listed"
    EXCLUDED_SITE = "excluded_site"


BLOCKS: Final = frozenset({Grade.PROBABLE_BLOCK, Grade.DEFINITE_BLOCK, Grade.BLOCK})
UNASSESSABLE: Final = frozenset({Grade.NOT_ASSESSABLE, Grade.NOT_LISTED, Grade.EXCLUDED_SITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One inequality on a rounded percentage."""

    quantity: Measure
    op: Comparison
    limit: float

    def holds(self, value: float) -> bool:
        """Whether `value` meets the inequality exactly as written."""
        return _COMPARE[self.op](value, self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A floor of the distal response, with its own source and status."""

    op: Comparison
    limit: float
    source: str
    status: Status

    def holds(self, value: float) -> bool:
        """Whether `value` passes the floor."""
        return _COMPARE[self.op](value, self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What the distal negative-peak amplitude must be, absolutely and against the lower limit of normal."""

    amplitude_mv: Limit | None = None
    percent_of_lower_limit: Limit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A grade and all the conditions it needs; `limb` and `length` narrow where it applies."""

    grade: Literal["probable_block", "definite_block", "block"]
    conditions: tuple[Condition, ...]
    limb: Literal["upper", "lower"] | None = None
    length: Literal["long", "short"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CriteriaSet:
    """One published (or given) definition of motor conduction block."""

    id: str
    title: str
    source: str
    status: Status
    version: str
    nerves: Literal["all"] | tuple[str, ...]
    rules: tuple[Rule, ...]
    floor: Floor = Floor()


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade and the reasons it rests on."""

    grade: Grade
    reasons: tuple[str, ...] = ()


def grade(segment: Segment, criteria: CriteriaSet, norms: NormTable, anatomy: Anatomy) -> Graded:
    """What the numbers of `segment` say under `criteria`."""
    if segment.standing is not Standing.ELIGIBLE:
        return Graded(Grade.EXCLUDED_SITE, (str(segment.standing),))
    if criteria.nerves != "all" and segment.nerve not in criteria.nerves:
        return Graded(Grade.NOT_LISTED)
    obstacles = _obstacles(segment, criteria.floor, norms)
    if obstacles:
        return Graded(Grade.NOT_ASSESSABLE, obstacles)
    rules = [rule for rule in criteria.rules if _applies(rule, segment, anatomy)]
    if "no_proximal_response" in segment.notes:  # nothing passes: the highest grade the set knows
        return Graded(Grade(rules[0].grade), ("no_proximal_response",)) if rules else Graded(Grade.NONE)
    missing = _missing(segment, rules)
    if missing:
        return Graded(Grade.NOT_ASSESSABLE, missing)
    for rule in rules:
        if all(condition.holds(getattr(segment, condition.quantity)) for condition in rule.conditions):
            return Graded(Grade(rule.grade))
    return Graded(Grade.NONE)


def _obstacles(segment: Segment, floor: Floor, norms: NormTable) -> tuple[str, ...]:
    """Why the distal response cannot carry a comparison: absent, unmarked, or below the floor."""
    blocking = tuple(note for note in segment.notes if note in ("unmarkable", "no_distal_response"))
    if blocking:
        return blocking
    amplitude = segment.distal.amplitude
    if amplitude is None:
        return ("amplitude_missing",)
    reasons = []
    if floor.amplitude_mv and not floor.amplitude_mv.holds(amplitude):
        reasons.append("below_distal_floor")
    if floor.percent_of_lower_limit:
        norm = norms.motor_norm(segment.nerve, segment.recording_site)
        if norm is None or not norm.amplitude_mv:
            reasons.append("norm_missing")
        elif not floor.percent_of_lower_limit.holds(quotient(100 * amplitude, norm.amplitude_mv, 1)):
            reasons.append("below_distal_floor")
    return tuple(dict.fromkeys(reasons))


def _applies(rule: Rule, segment: Segment, anatomy: Anatomy) -> bool:
    limb_fits = rule.limb is None or anatomy.nerves[segment.nerve].limb == rule.limb
    length = "short" if segment.inching else "long"
    return limb_fits and rule.length in (None, length)


def _missing(segment: Segment, rules: list[Rule]) -> tuple[str, ...]:
    needed = dict.fromkeys(condition.quantity for rule in rules for condition in rule.conditions)
    return tuple(_MISSING[quantity] for quantity in needed if getattr(segment, quantity) is None)
