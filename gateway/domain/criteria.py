"""Criteria sets: when a fall of the CMAP counts as conduction block, by whose published rule.

A set is data (`config/criteria/*.toml`): the nerves it lists, the floor the distal response must pass, and
rules in order, the first that holds gives the grade. `grade` says what the numbers say under one set at an
eligible site; whether a finding follows from it is for the gates.
"""

import enum
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from gateway.domain.anatomy import Anatomy, Standing
from gateway.domain.criteria_slips import check_condition, check_floor, check_rule, check_set
from gateway.domain.norms import NormTable, Status
from gateway.domain.rounding import quotient, scaled
from gateway.domain.segments import Segment

Comparison = Literal[">=", ">", "<=", "<"]
_COMPARE: Final[Mapping[Comparison, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
Measure = Literal[
    "amplitude_ratio",
    "amplitude_reduction_percent",
    "peak_to_peak_reduction_percent",
    "area_reduction_percent",
    "duration_increase_percent",
    "distal_amplitude_mv",
]
_MISSING: Final[Mapping[Measure, str]] = {
    "amplitude_ratio": "amplitude_missing",
    "amplitude_reduction_percent": "amplitude_missing",
    "peak_to_peak_reduction_percent": "amplitude_missing",
    "area_reduction_percent": "area_missing",
    "duration_increase_percent": "duration_missing",
    "distal_amplitude_mv": "amplitude_missing",
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
# Reasons for which the numbers were compared with no rule.
NOT_COMPARED: Final = frozenset({"below_distal_floor", "norm_missing", "unmarkable", "no_distal_response"})
UNASSESSABLE: Final = frozenset({Grade.NOT_ASSESSABLE, Grade.NOT_LISTED, Grade.EXCLUDED_SITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One inequality on a rounded percentage."""

    quantity: Measure
    op: Comparison
    limit: float

    def __post_init__(self) -> None:
        check_condition(self)

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

    def __post_init__(self) -> None:
        check_floor(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The segment between two named sites, of one nerve or (None) of any."""

    distal: str
    proximal: str
    nerve: str | None = None

    def names(self, nerve: str, ends: tuple[str, str]) -> bool:
        """Whether it is this one."""
        return self.nerve in (None, nerve) and (self.distal, self.proximal) == ends


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A grade and all the conditions it needs; the rest narrows where it applies. Equal to itself only."""

    grade: Literal["probable_block", "definite_block", "block"]
    conditions: tuple[Condition, ...]
    limb: Literal["upper", "lower"] | None = None
    length: Literal["long", "short"] | None = None
    proximal_sites: tuple[str, ...] = ()
    segments: tuple[Between, ...] = ()
    except_segments: tuple[Between, ...] = ()
    except_nerves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_rule(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CriteriaSet:
    """One published (or given) definition of motor conduction block; loaded once, equal to itself only.

    `remark` is what a reader must know before trusting it; `segments` are those it lists (empty: all).
    """

    id: str
    title: str
    source: str
    status: Status
    version: str
    nerves: Literal["all"] | tuple[str, ...]
    rules: tuple[Rule, ...]
    floor: Floor = Floor()
    except_nerves: tuple[str, ...] = ()
    segments: tuple[Between, ...] = ()
    remark: str | None = None

    def __post_init__(self) -> None:
        check_set(self)


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade, the reasons it rests on, and the rule that gave it."""

    grade: Grade
    reasons: tuple[str, ...] = ()
    rule: Rule | None = field(default=None, compare=False)


_NONE: Final = Graded(Grade.NONE)
_NOT_LISTED: Final = Graded(Grade.NOT_LISTED)
# Notes of a distal response that is absent or unmarked; a segment has one of them at most.
_UNUSABLE: Final = ("unmarkable", "no_distal_response")
_CROSSOVER: Final = Graded(Grade.NOT_LISTED, ("muscle_of_another_nerve",))


def grade(segment: Segment, criteria: CriteriaSet, norms: NormTable, anatomy: Anatomy) -> Graded:
    """What the numbers of `segment` say under `criteria`."""
    return grades(segment, (criteria,), norms, anatomy)[criteria.id]


def grades(
    segment: Segment, sets: Iterable[CriteriaSet], norms: NormTable, anatomy: Anatomy
) -> dict[str, Graded]:
    """What the numbers of `segment` say under each of `sets`."""
    if segment.standing is not Standing.ELIGIBLE:
        excluded = Graded(Grade.EXCLUDED_SITE, (str(segment.standing),))
        return {criteria.id: excluded for criteria in sets}
    if segment.crossover:
        return {criteria.id: _CROSSOVER for criteria in sets}
    return _numbers(segment, sets, norms, anatomy)


def numbers_say_block(segment: Segment, criteria: CriteriaSet, norms: NormTable, anatomy: Anatomy) -> bool:
    """Whether the numbers would be a block under `criteria` if the segment were not at an excluded site."""
    if segment.crossover:
        return False
    return _numbers(segment, (criteria,), norms, anatomy)[criteria.id].grade in BLOCKS


def _numbers(
    segment: Segment, sets: Iterable[CriteriaSet], norms: NormTable, anatomy: Anatomy
) -> dict[str, Graded]:
    norm = norms.motor_norm(segment.nerve, segment.recording_site)
    lower_limit_mv = norm.amplitude_mv if norm else None
    values, place = measures(segment), _place(segment, anatomy)
    unusable = tuple(note for note in segment.notes if note in _UNUSABLE)
    nothing_passes = "no_proximal_response" in segment.notes
    found = {}
    for criteria, rules in _applicable(tuple(sets), *place):
        if rules is None:
            found[criteria.id] = _NOT_LISTED
        elif obstacles := unusable or _obstacles(
            values["distal_amplitude_mv"], criteria.floor, lower_limit_mv
        ):
            found[criteria.id] = Graded(Grade.NOT_ASSESSABLE, obstacles)
        else:  # where nothing passes, the highest grade the set knows
            found[criteria.id] = _highest(rules) if nothing_passes else outcome(rules, values)
    return found


def applicable(segment: Segment, criteria: CriteriaSet, anatomy: Anatomy) -> tuple[Rule, ...] | None:
    """The rules of a set that are about this segment, highest grade first; None where it is not listed."""
    ((_, rules),) = _applicable((criteria,), *_place(segment, anatomy))
    return rules


def _place(segment: Segment, anatomy: Anatomy) -> tuple[str, str, tuple[str, str], str]:
    """All that rules ask about where a segment lies."""
    limb = anatomy.nerves[segment.nerve].limb
    return segment.nerve, limb, segment.course.ends, "short" if segment.inching else "long"


@lru_cache(maxsize=4096)  # a laboratory records some fifty segments, under ten sets
def _applicable(
    sets: tuple[CriteriaSet, ...], nerve: str, limb: str, ends: tuple[str, str], length: str
) -> tuple[tuple[CriteriaSet, tuple[Rule, ...] | None], ...]:
    return tuple((criteria, _rules(criteria, nerve, limb, ends, length)) for criteria in sets)


def _rules(
    criteria: CriteriaSet, nerve: str, limb: str, ends: tuple[str, str], length: str
) -> tuple[Rule, ...] | None:
    if not _listed(nerve, ends, criteria):
        return None
    return tuple(
        rule
        for rule in criteria.rules
        if rule.limb in (None, limb)
        and rule.length in (None, length)
        and (not rule.proximal_sites or ends[1] in rule.proximal_sites)
        and (not rule.segments or any(entry.names(nerve, ends) for entry in rule.segments))
        and not any(entry.names(nerve, ends) for entry in rule.except_segments)
        and nerve not in rule.except_nerves
    )


def measures(segment: Segment) -> dict[Measure, float | None]:
    """What conditions ask about, of one segment."""
    return {name: getattr(segment, name) for name in _MISSING}


def outcome(rules: Sequence[Rule], values: Mapping[Measure, float | None]) -> Graded:
    """The grade of the first rule that holds.

    Not assessable where a quantity is missing that a rule of a higher grade asks for, or any rule where none
    holds, be the rest as it may: a set whose questions were not all answered says nothing.
    """
    missing: dict[str, str] = {}
    for rule in rules:
        holds: bool | None = True
        for entry in rule.conditions:
            value = values[entry.quantity]
            if value is None:
                missing.setdefault(_MISSING[entry.quantity], rule.grade)
                holds = None
            elif holds and not _COMPARE[entry.op](value, entry.limit):
                holds = False
        if holds:
            if set(missing.values()) <= {rule.grade}:
                return Graded(Grade(rule.grade), rule=rule)
            break
    return Graded(Grade.NOT_ASSESSABLE, tuple(missing)) if missing else _NONE


def _highest(rules: Sequence[Rule]) -> Graded:
    return Graded(Grade(rules[0].grade), ("no_proximal_response",), rules[0]) if rules else _NONE


def _listed(nerve: str, ends: tuple[str, str], criteria: CriteriaSet) -> bool:
    listed = criteria.nerves == "all" or nerve in criteria.nerves
    if not listed or nerve in criteria.except_nerves:
        return False
    return not criteria.segments or any(entry.names(nerve, ends) for entry in criteria.segments)


@lru_cache(maxsize=1024)  # three sets ask it of the same distal response
def percent_of_limit(amplitude_mv: float, lower_limit_mv: float) -> float:
    """An amplitude in percent of the lower limit of normal, to one decimal."""
    return quotient(scaled(amplitude_mv, 2), lower_limit_mv, 1)


def _obstacles(amplitude_mv: float | None, floor: Floor, lower_limit_mv: float | None) -> tuple[str, ...]:
    """Why the distal amplitude cannot carry a comparison: not known where there is a floor, or below it."""
    if amplitude_mv is None:
        return () if floor == Floor() else ("amplitude_missing",)
    low = floor.amplitude_mv is not None and not floor.amplitude_mv.holds(amplitude_mv)
    if floor.percent_of_lower_limit is None:
        return ("below_distal_floor",) if low else ()
    if not lower_limit_mv:
        return ("below_distal_floor", "norm_missing") if low else ("norm_missing",)
    low |= not floor.percent_of_lower_limit.holds(percent_of_limit(amplitude_mv, lower_limit_mv))
    return ("below_distal_floor",) if low else ()
