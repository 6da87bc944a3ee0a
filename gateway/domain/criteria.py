"""Criteria sets: when a fall of the CMAP counts as conduction block, by whose published rule.

A set is data (`config/criteria/*.toml`): the nerves it lists, the floor the distal response must pass, and
rules in order, the first that holds gives the grade. `grade` says what the numbers say under one set at an
eligible site; whether a finding follows from it is for the gates.
"""

import enum
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from gateway.domain.anatomy import Anatomy, Standing
from gateway.domain.norms import NormTable, Status
from gateway.domain.plausibility import Range, check_number, check_some
from gateway.domain.rounding import quotient, scaled
from gateway.domain.segments import Segment
from gateway.errors import DataError

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


_MEASURED: Final = operator.attrgetter(*_MISSING)

_FALL: Final = Range(most=100.0, below_most=True)
_LARGEST_CMAP_MV: Final = 50.0
_POSSIBLE: Final[Mapping[Measure, Range]] = {
    "amplitude_ratio": Range(most=1.0, below_most=True),
    "amplitude_reduction_percent": _FALL,
    "peak_to_peak_reduction_percent": _FALL,
    "area_reduction_percent": _FALL,
    "duration_increase_percent": Range(most=500.0),
    "distal_amplitude_mv": Range(most=_LARGEST_CMAP_MV),
}
_UP: Final[tuple[Comparison, ...]] = (">=", ">")
_DOWN: Final[tuple[Comparison, ...]] = ("<=", "<")
# How a fall of the response is asked for; the other way round a healthy nerve would be blocked.
_ASKS_FOR_A_FALL: Final[Mapping[Measure, tuple[Comparison, ...]]] = {
    "amplitude_ratio": _DOWN,
    "amplitude_reduction_percent": _UP,
    "peak_to_peak_reduction_percent": _UP,
    "area_reduction_percent": _UP,
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

    def __post_init__(self) -> None:
        check_number(self.limit, _POSSIBLE[self.quantity], "limit")
        _check_op(self.op, _ASKS_FOR_A_FALL.get(self.quantity, (*_UP, *_DOWN)), "a fall")

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

    def __post_init__(self) -> None:
        _check_op(self.op, _UP, "a floor")

    def holds(self, value: float) -> bool:
        """Whether `value` passes the floor."""
        return _COMPARE[self.op](value, self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What the distal negative-peak amplitude must be, absolutely and against the lower limit of normal."""

    amplitude_mv: Limit | None = None
    percent_of_lower_limit: Limit | None = None

    def __post_init__(self) -> None:
        if self.amplitude_mv:
            check_number(self.amplitude_mv.limit, Range(most=_LARGEST_CMAP_MV), "amplitude_mv.limit")
        if self.percent_of_lower_limit:
            check_number(self.percent_of_lower_limit.limit, Range(most=100.0), "percent_of_lower_limit.limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The segment between two named sites, of one nerve or (None) of any."""

    distal: str
    proximal: str
    nerve: str | None = None

    def names(self, nerve: str, ends: tuple[str, str]) -> bool:
        """Whether it is this one."""
        return self.nerve in (None, nerve) and (self.distal, self.proximal) == ends

    def meets(self, other: "Between") -> bool:
        """Whether some segment is both this one and the other."""
        one_nerve = self.nerve is None or other.nerve in (None, self.nerve)
        return one_nerve and (self.distal, self.proximal) == (other.distal, other.proximal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A grade and all the conditions it needs; the rest narrows where it applies."""

    grade: Literal["probable_block", "definite_block", "block"]
    conditions: tuple[Condition, ...]
    limb: Literal["upper", "lower"] | None = None
    length: Literal["long", "short"] | None = None
    proximal_sites: tuple[str, ...] = ()
    segments: tuple[Between, ...] = ()
    except_segments: tuple[Between, ...] = ()
    except_nerves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_some(self.conditions, "condition", "conditions")
        if not any(entry.quantity in _ASKS_FOR_A_FALL for entry in self.conditions):
            raise DataError("no fall of the response is asked for, add a reduction or a ratio", "conditions")
        for quantity in {entry.quantity for entry in self.conditions}:
            if not _can_hold([entry for entry in self.conditions if entry.quantity == quantity]):
                raise DataError(f"no {quantity} can meet all of them", "conditions")

    def meets(self, other: "Rule") -> bool:
        """Whether both may apply to one segment, by limb, length and sites."""
        apart = (
            {self.limb, other.limb} == {"upper", "lower"}
            or {self.length, other.length} == {"long", "short"}
            or (
                (self.proximal_sites and other.proximal_sites)
                and not set(self.proximal_sites).intersection(other.proximal_sites)
            )
            or (
                (self.segments and other.segments)
                and not any(mine.meets(its) for mine in self.segments for its in other.segments)
            )
        )
        return not apart


def _check_op(op: Comparison, known: tuple[Comparison, ...], what: str) -> None:
    if op not in known:
        raise DataError(f"is the wrong way round for {what}, write {' or '.join(known)}", "op")


def _can_hold(conditions: Sequence[Condition]) -> bool:
    """Whether one number can meet all of them: a limit itself, or one just beside it."""
    limits = {entry.limit for entry in conditions}
    near = {math.nextafter(limit, way) for limit in limits for way in (-math.inf, math.inf)}
    return any(all(entry.holds(value) for entry in conditions) for value in limits | near)


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
        check_some(self.nerves, "nerve", "nerves")
        check_some(self.rules, "rule", "rules")
        for index, rule in enumerate(self.rules):
            above = self.rules[:index]
            if (rule.grade == "block") != (self.rules[0].grade == "block"):
                raise DataError(
                    "a set has the one grade block, or definite_block and probable_block",
                    f"rules[{index}].grade",
                )
            if rule.grade == "definite_block" and any(
                other.grade == "probable_block" and other.meets(rule) for other in above
            ):
                raise DataError("is never reached behind a probable_block, write it above", f"rules[{index}]")


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
    ends = anatomy.ends(segment.nerve, segment.distal_point, segment.proximal_point)
    limb = anatomy.nerves[segment.nerve].limb
    return segment.nerve, limb, ends, "short" if segment.inching else "long"


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

    Not assessable where a quantity is missing that may have given a higher grade, or any grade at all.
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
    """Why the distal amplitude cannot carry a comparison: not known, or below the floor."""
    if amplitude_mv is None:
        return ("amplitude_missing",)
    low = floor.amplitude_mv is not None and not floor.amplitude_mv.holds(amplitude_mv)
    if floor.percent_of_lower_limit is None:
        return ("below_distal_floor",) if low else ()
    if not lower_limit_mv:
        return ("below_distal_floor", "norm_missing") if low else ("norm_missing",)
    low |= not floor.percent_of_lower_limit.holds(percent_of_limit(amplitude_mv, lower_limit_mv))
    return ("below_distal_floor",) if low else ()
