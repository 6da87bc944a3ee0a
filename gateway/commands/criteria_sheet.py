"""What recordings are judged by, as a sheet in Markdown: made from the data and tables that judging goes by.

The prose says what the code does in each step; the tables are the loaded criteria, limits and thresholds, so
a laboratory's own data shows here too. Every line ends in a box to be ticked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Final

from gateway.commands.criteria_prose import (
    CONTAMINATED,
    DEMYELINATION,
    GUIDANCE,
    MEASURED,
    MIMICKED_BY,
    NOT_JUDGED,
    OPENING,
    PATTERN,
    SENSORY,
    STEPS,
    SUPPORT,
)
from gateway.domain.anatomy import Anatomy, NamedSegment
from gateway.domain.checklist import ExaminationPlan
from gateway.domain.criteria import CriteriaSet
from gateway.domain.criteria_words import condition, floors, listed, scope
from gateway.domain.differential import DemyelinationCriteria
from gateway.domain.norms import MotorNorm, NormTable, SensoryNorm, Stratum
from gateway.domain.pattern import MIMICS as MIMICKED
from gateway.domain.thresholds import Thresholds
from gateway.domain.wording import MIMICS, plain
from gateway.pipeline.stages import Reference

Row = Sequence[str]
_BOX: Final = "[ ]"
_OPEN_END: Final = float("inf")


def sheet(reference: Reference) -> str:
    """The whole sheet."""
    parts = [
        OPENING,
        MEASURED,
        _anatomy(reference.anatomy),
        *_criteria(reference.criteria, reference.grading),
        STEPS,
        _thresholds(reference.thresholds),
        SENSORY,
        *_norms(reference.norms),
        SUPPORT,
        _pattern(),
        *_differential(reference.differentials),
        GUIDANCE,
        _plan(reference.plan),
        NOT_JUDGED,
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = [(*header, "OK"), ("---",) * (len(header) + 1), *((*row, _BOX) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _anatomy(anatomy: Anatomy) -> str:
    excluded = [
        _special(nerve, entry, "never counts")
        for nerve, known in anatomy.nerves.items()
        for entry in known.excluded
    ]
    falls = [
        _special(nerve, entry, "a block there counts for no nerve")
        for nerve, known in anatomy.nerves.items()
        for entry in known.physiological
    ]
    sensory = [
        (nerve, " or ".join(plain(name) for name in known.sensory_nerves))
        for nerve, known in anatomy.nerves.items()
        if known.sensory_nerves
    ]
    header = ("Nerve", "Segment", "Why", "Effect", "Source")
    return "\n\n".join(
        [
            "## Segments of their own kind",
            _table(header, [*excluded, *falls]),
            CONTAMINATED,
            _table(("Motor nerve", "Its own sensory nerve"), sensory),
        ]
    )


def _special(nerve: str, entry: NamedSegment, effect: str) -> Row:
    return nerve, f"{plain(entry.distal)} to {plain(entry.proximal)}", entry.why, effect, entry.source


def _criteria(sets: Sequence[CriteriaSet], grading: str) -> Iterator[str]:
    yield f"## Criteria for conduction block\n\nFindings follow `{grading}`; the others stand beside it."
    for entry in sets:
        yield f"### `{entry.id}`: {entry.title}"
        remark = f" {entry.remark[:1].upper()}{entry.remark[1:]}." if entry.remark else ""
        yield f"Source: {entry.source}. Status: {entry.status}.{remark}"
        yield _table(("Rule", "Says"), _rules(entry))


def _rules(entry: CriteriaSet) -> Iterator[Row]:
    nerves, segments = listed(entry)
    yield "lists", f"nerves: {nerves}" + (f"; segments: {segments}" if segments else "")
    for text, limit in floors(entry):
        yield "floor", f"{text} ({limit.source}; {limit.status})"
    for rule in entry.rules:
        narrowed = "; ".join(scope(rule))
        conditions = " and ".join(map(condition, rule.conditions))
        yield plain(rule.grade), conditions + (f" ({narrowed})" if narrowed else "")


def _thresholds(thresholds: Thresholds) -> str:
    rows = []
    for field in fields(thresholds):
        entry = getattr(thresholds, field.name)
        rows.append((f"`{field.name}`", f"{entry.value:g}", entry.source, entry.status))
    return "### Thresholds\n\n" + _table(("Threshold", "Value", "Source", "Status"), rows)


def _norms(norms: NormTable) -> Iterator[str]:
    yield f"### Norms: `{norms.id}`, {norms.title}\n\nSource: {norms.source}. Technique: {norms.technique}."
    header = ("Nerve", "Muscle", "For", "Amplitude mV", "Latency ms (at mm)", "Velocity m/s", "Status")
    yield _table(header, [_motor_row(row) for row in norms.motor])
    header = ("Nerve", "Sites", "For", "Amplitude uV", "Latency ms (at mm)", "Velocity m/s", "Status")
    yield _table(header, [_sensory_row(row) for row in norms.sensory])
    if not norms.use_unverified:
        yield "Rows of unverified numbers are off."


def _motor_row(row: MotorNorm) -> Row:
    velocities = ", ".join(
        f"{plain(entry.distal)} to {plain(entry.proximal)} >= {entry.limit_m_s:g}" for entry in row.velocities
    )
    return (
        row.nerve,
        row.muscle,
        _stratum(row.stratum),
        _limit(">=", row.amplitude_mv),
        _limit("<=", row.onset_latency_ms) + _at(row.distance_mm),
        velocities or "-",
        row.status,
    )


def _sensory_row(row: SensoryNorm) -> Row:
    latencies = [("onset", row.onset_latency_ms), ("peak", row.peak_latency_ms)]
    shown = [f"{name} <= {limit:g}" for name, limit in latencies if limit is not None]
    sites = f"{' or '.join(row.stimulation_sites)} to {row.recording_site}"
    return (
        plain(row.nerve),
        plain(sites),
        _stratum(row.stratum),
        _limit(">=", row.amplitude_uv),
        (", ".join(shown) or "-") + _at(row.distance_mm),
        _limit(">=", row.velocity_m_s),
        row.status,
    )


def _limit(op: str, value: float | None) -> str:
    return "-" if value is None else f"{op} {value:g}"


def _at(distance_mm: float | None) -> str:
    return "" if distance_mm is None else f" ({distance_mm:g})"


def _stratum(stratum: Stratum | None) -> str:
    if stratum is None:
        return "everybody"
    parts = []
    if stratum.age_years:
        parts.append(f"{stratum.age_years[0]:g} to {stratum.age_years[1]:g} years")
    for name, ends, unit in (("height", stratum.height_cm, " cm"), ("BMI", stratum.bmi, "")):
        if ends:
            below = "" if ends[1] == _OPEN_END else f" below {ends[1]:g}{unit}"
            parts.append(f"{name}{f' from {ends[0]:g}{unit}' if ends[0] else ''}{below}")
    if stratum.sex:
        parts.append({"F": "women", "M": "men"}[stratum.sex])
    return ", ".join(parts)


def _differential(lists: Sequence[DemyelinationCriteria]) -> Iterator[str]:
    yield DEMYELINATION
    for entry in lists:
        tibial, least = entry.tibial_dispersion_percent, entry.dispersion_distal_percent
        rows = [
            ("distal latency", f">= {entry.latency_above_percent:g} % above the norm table's limit"),
            ("velocity", f">= {entry.velocity_below_percent:g} % below the norm table's limit"),
            ("block", f"`{entry.block_set}`, no gate against it"),
            (
                "dispersion",
                f"duration increase > {entry.dispersion_percent:g} %"
                + (f" (tibial >= {tibial:g} %)" if tibial else "")
                + (f", distal amplitude >= {least:g} % of the lower limit (unverified)" if least else ""),
            ),
        ]
        op = ">=" if entry.duration_at_limit_counts else ">"
        rows += [
            (
                "distal duration",
                f"{limit.nerve} {limit.muscle} {op} {limit.limit_ms:g} ms"
                + (f" at a low filter of {limit.low_filter_hz:g} Hz" if limit.low_filter_hz else ""),
            )
            for limit in entry.durations
        ]
        yield f"### `{entry.id}`: {entry.title}\n\nSource: {entry.source}. Status: {entry.status}."
        yield _table(("Item", "Says"), rows)


def _pattern() -> str:
    rows = [(MIMICS[name], MIMICKED_BY[name]) for name in MIMICKED]
    return f"{PATTERN}\n\n{_table(('Could be', 'Named when'), rows)}"


def _plan(plan: ExaminationPlan) -> str:
    motor = [
        ("motor", item.nerve, item.muscle, ", ".join(map(plain, item.sites)), ", ".join(item.sides))
        for item in plan.motor
    ]
    sensory = [("sensory", plain(item.nerve), "-", "any", ", ".join(item.sides)) for item in plan.sensory]
    header = ("Kind", "Nerve", "Muscle", "Sites", "Sides")
    title = "## A complete examination\n\n"
    return title + f"Source: {plan.source}. Status: {plan.status}.\n\n" + _table(header, [*motor, *sensory])
