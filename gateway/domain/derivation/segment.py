"""How a finding came about: marks, changes, floor, rules, gates, each with its numbers and its source."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.domain.anatomy import NamedSegment, Standing
from gateway.domain.boundary import amplitude_width, floor_points, near, uncertain_by
from gateway.domain.criteria import (
    BLOCKS,
    NOT_COMPARED,
    CriteriaSet,
    Grade,
    Limit,
    Measure,
    Rule,
    applicable,
    grade,
    measures,
    percent_of_limit,
)
from gateway.domain.criteria_words import MEASURE_UNITS, listed, scope
from gateway.domain.derivation.changes import changes, inputs, remarks
from gateway.domain.derivation.gates import gated, temperatures
from gateway.domain.derivation.norms import norm_row
from gateway.domain.derivation.steps import (
    Cited,
    Compared,
    Computed,
    Concluded,
    Ruled,
    Stated,
    Step,
    number,
)
from gateway.domain.findings import Finding
from gateway.domain.gates import Circumstances
from gateway.domain.norms import NormTable
from gateway.domain.segments import Segment
from gateway.domain.wording import GRADES, QUANTITIES, reasons, site

# Every report prints them; the others only where the grading set asks for them.
_ALWAYS: Final[tuple[Measure, ...]] = (
    "amplitude_reduction_percent",
    "area_reduction_percent",
    "duration_increase_percent",
)


def segment_derivation(
    entry: Finding, sets: Sequence[CriteriaSet], grading: str, norms: NormTable, about: Circumstances
) -> tuple[Step, ...]:
    """Every step from the marks of a segment to its finding under the set named `grading`.

    `norms` is the table fitted to the person, `sets` those the finding was made with.
    """
    criteria = next(one for one in sets if one.id == grading)
    asked = _asked(entry, criteria, about)
    return (
        *inputs(entry.segment, asked),
        *changes(entry.segment, asked),
        *remarks(entry.segment, about),
        _set(criteria),
        *_standing(entry, criteria, about),
        *_floor(entry, criteria, norms, about),
        *_rules(entry, criteria, about),
        _graded(entry),
        *gated(entry, about),
        *(temperatures(entry.segment, about) if entry.finding not in _SETTLED else ()),
        _concluded(entry),
        *_others(entry, sets, grading, norms, about),
    )


_SETTLED: Final = frozenset({Grade.NOT_LISTED, Grade.EXCLUDED_SITE})


def _asked(entry: Finding, criteria: CriteriaSet, about: Circumstances) -> tuple[Measure, ...]:
    rules = applicable(entry.segment, criteria, about.anatomy) or ()
    conditions = (condition.quantity for rule in rules for condition in rule.conditions)
    return tuple(dict.fromkeys((*_ALWAYS, *conditions)))


def _set(criteria: CriteriaSet) -> Cited:
    what = f"criteria set {criteria.id}, version {criteria.version}"
    return Cited(what=what, source=criteria.source, status=criteria.status)


def _standing(entry: Finding, criteria: CriteriaSet, about: Circumstances) -> Iterator[Stated]:
    """Why the segment may not count, or what is known of it in health."""
    segment = entry.segment
    nerve = about.anatomy.nerves[segment.nerve]
    if entry.chosen.grade is Grade.EXCLUDED_SITE:
        for excluded in _touched(nerve.excluded, segment):
            ends = f"{site(excluded.distal)} to {site(excluded.proximal)}"
            yield Stated(topic="excluded", words=f"{ends}, {excluded.why} [{excluded.source}]")
    elif entry.chosen.grade is Grade.NOT_LISTED:
        nerves, segments = listed(criteria)
        lists = f"nerves {nerves}" + (f", segments {segments}" if segments else "")
        words = reasons(entry.chosen.reasons) or f"the set lists {lists}"
        yield Stated(topic="not listed", words=words)
    for falling in _touched(nerve.physiological, segment):
        yield Stated(topic="in health", words=f"{falling.why} [{falling.source}]")


def _touched(known: Iterable[NamedSegment], segment: Segment) -> tuple[NamedSegment, ...]:
    return tuple(one for one in known if (one.distal, one.proximal) in segment.course.touched)


def _floor(entry: Finding, criteria: CriteriaSet, norms: NormTable, about: Circumstances) -> Iterator[Step]:
    segment, floor = entry.segment, criteria.floor
    amplitude = segment.distal_amplitude_mv
    if entry.chosen.grade in _SETTLED or amplitude is None or segment.distal.motor is None:
        return
    if floor.amplitude_mv:
        width = amplitude_width(segment)
        yield _above("floor: distal amplitude", amplitude, "mV", floor.amplitude_mv, width)
    if floor.percent_of_lower_limit:
        norm = norms.motor_norm(segment.nerve, segment.recording_site)
        if norm is None or not norm.amplitude_mv:
            yield Stated(topic="floor", words=f"{norms.id} has no lower limit of the amplitude")
            return
        yield norm_row(norms, norm)
        percent = percent_of_limit(amplitude, norm.amplitude_mv)
        yield Computed(
            quantity="distal amplitude of the lower limit",
            value=percent,
            unit="%",
            formula=f"100 x {number(amplitude, 2)} / {number(norm.amplitude_mv)} = {percent:.1f} %",
        )
        points = floor_points(segment, norm.amplitude_mv, about.thresholds)
        yield _above("floor: of the lower limit", percent, "%", floor.percent_of_lower_limit, points)


def _above(quantity: str, value: float, unit: str, limit: Limit, width: float) -> Compared:
    return Compared(
        quantity=quantity,
        value=value,
        unit=unit,
        op=limit.op,
        limit=limit.limit,
        holds=limit.holds(value),
        cited=Cited(what="floor", source=limit.source, status=limit.status),
        uncertain_by=width if width and near(value, limit.limit, width) else None,
    )


def _rules(entry: Finding, criteria: CriteriaSet, about: Circumstances) -> Iterator[Ruled]:
    """The rules about this segment, where the numbers were compared at all."""
    chosen = entry.chosen
    if chosen.grade in _SETTLED or not NOT_COMPARED.isdisjoint(chosen.reasons):
        return
    for rule in applicable(entry.segment, criteria, about.anatomy) or ():
        yield Ruled(
            number=criteria.rules.index(rule) + 1,
            grade=GRADES[rule.grade],
            about=", ".join(scope(rule)),
            conditions=tuple(_conditions(entry.segment, rule, about)),
            gave=rule is chosen.rule,
        )


def _conditions(segment: Segment, rule: Rule, about: Circumstances) -> Iterator[Compared]:
    values = measures(segment)
    for condition in rule.conditions:
        value = values[condition.quantity]
        width = uncertain_by(condition.quantity, segment, about.thresholds)
        known = value is not None and segment.proximal.motor is not None
        yield Compared(
            quantity=QUANTITIES[condition.quantity],
            value=value,
            unit=MEASURE_UNITS[condition.quantity],
            op=condition.op,
            limit=condition.limit,
            holds=None if value is None else condition.holds(value),
            uncertain_by=width if known and width and near(value or 0.0, condition.limit, width) else None,
        )


def _graded(entry: Finding) -> Concluded:
    chosen = entry.chosen
    why = f", {reasons(chosen.reasons)}" if chosen.reasons else ""
    return Concluded(
        what="grade", value=chosen.grade, words=f"{GRADES[chosen.grade]}{why}", reasons=chosen.reasons
    )


def _concluded(entry: Finding) -> Concluded:
    if "proximal_larger" in entry.reasons and entry.chosen.grade in BLOCKS:
        why = ", the proximal response is larger"
    elif entry.finding is entry.chosen.grade:
        why = ""
    else:
        why = f", {reasons(entry.gates or ('temperature_low',))}"
    words = f"{GRADES[entry.finding]}{why}"
    return Concluded(what="finding", value=entry.finding, words=words, reasons=entry.reasons)


def _others(
    entry: Finding, sets: Sequence[CriteriaSet], grading: str, norms: NormTable, about: Circumstances
) -> Iterator[Stated]:
    """What the other sets say, and by what; nothing where no set may say anything."""
    segment = entry.segment
    if segment.standing is not Standing.ELIGIBLE or segment.crossover:
        return
    for criteria in sets:
        if criteria.id == grading:
            continue
        graded = grade(segment, criteria, norms, about.anatomy)
        by = [c.text for c in _conditions(segment, graded.rule, about)] if graded.rule else []
        why = "; ".join([reasons(graded.reasons)] if graded.reasons else by)
        words = f"{GRADES[graded.grade]}{f' ({why})' if why else ''}"
        yield Stated(topic="another set", words=words, cited=_set(criteria))


def disagreement(entry: Finding, sets: Sequence[CriteriaSet]) -> dict[Grade, tuple[str, ...]]:
    """Which sets call a segment what, where they disagree: block or none, probable or definite; else empty.

    A set that knows only one grade of block does not contradict another about the grade.
    """
    calls: dict[Grade, list[str]] = {}
    for criteria in sets:
        calls.setdefault(entry.grades[criteria.id], []).append(criteria.id)
    graded = {entry.grades[one.id] for one in sets if len({rule.grade for rule in one.rules}) > 1}
    doubted = Grade.NONE in calls and bool(BLOCKS.intersection(calls))
    degree = {Grade.PROBABLE_BLOCK, Grade.DEFINITE_BLOCK} <= graded
    return {call: tuple(ids) for call, ids in calls.items()} if doubted or degree else {}
