"""From a grade to a finding: what is left of what the numbers say after every gate.

In this order: excluded or contaminated, not listed, the set's own floor and missing quantities, then the
gates. A gate turns a block into `indeterminate`; a cold limb and other filters or electrodes also turn `none`
into `not_assessable`. A proximal response that is larger is no block.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.actions import Action, unique, wanted
from gateway.domain.anatomy import Standing
from gateway.domain.boundary import on_the_limit
from gateway.domain.criteria import BLOCKS, UNASSESSABLE, CriteriaSet, Grade, Graded, grades
from gateway.domain.gates import GATES, Circumstances, Gate, closed, filter_mismatch
from gateway.domain.norms import NormTable
from gateway.domain.segments import Segment

Reasons = tuple[str, ...]
Asked = Iterator[Action]
# Reasons of a set itself that another recording can answer.
_ANSWERABLE: Final = frozenset(
    {"proximal_larger", "no_distal_response", "unmarkable", "area_missing", "duration_missing"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One segment with its grade under every set and what the grading set's grade amounts to.

    `rule` of `chosen` is the one that gave the grade; `gates` are those that were not passed, `doubts` those
    that a block under any of the sets would not pass.
    """

    segment: Segment
    grades: Mapping[str, Grade]
    chosen: Graded
    finding: Grade
    gates: Reasons
    doubts: Reasons = ()
    reasons: Reasons
    actions: tuple[Action, ...]


def finding(
    segment: Segment,
    sets: Sequence[CriteriaSet],
    grading: CriteriaSet,
    norms: NormTable,
    about: Circumstances,
) -> Finding:
    """Grade `segment` under every set, and gate the grade of the set that grades to a finding."""
    graded = grades(segment, sets, norms, about.anatomy)
    chosen = graded[grading.id]
    gated, gates = _gated(segment, chosen.grade, about)
    near = on_the_limit(segment, grading, chosen, norms, about.anatomy, about.thresholds)
    limit = ("on_the_limit",) if near else ()
    reasons = tuple(dict.fromkeys((*chosen.reasons, *gates, *_remarks(segment), *limit)))
    return Finding(
        segment=segment,
        grades={name: entry.grade for name, entry in graded.items()},
        chosen=chosen,
        finding=gated,
        gates=gates,
        doubts=_doubts(segment, graded.values(), about),
        reasons=reasons,
        actions=unique(_asked(segment, chosen.grade, gated, reasons, about)),
    )


def _doubts(segment: Segment, graded: Iterable[Graded], about: Circumstances) -> Reasons:
    return closed(segment, about) if any(entry.grade in BLOCKS for entry in graded) else ()


def gates_for(segment: Segment, chosen: Grade) -> tuple[Gate, ...]:
    """The gates a grade has to pass: a block every one, none only that it could have been seen."""
    if chosen in UNASSESSABLE:
        return ()
    block = chosen in BLOCKS and "proximal_larger" not in segment.notes
    return GATES if block else (filter_mismatch,)


def _gated(segment: Segment, chosen: Grade, about: Circumstances) -> tuple[Grade, Reasons]:
    """The finding that is left of a grade, and the gates that changed it."""
    if chosen in UNASSESSABLE:
        return chosen, ()
    asked = gates_for(segment, chosen)
    gates = closed(segment, about, asked)
    if asked is GATES:
        return (Grade.INDETERMINATE if gates else chosen), gates
    doubtful = gates or segment.cold
    return (Grade.NOT_ASSESSABLE if doubtful else Grade.NONE), gates


def _remarks(segment: Segment) -> Iterator[str]:
    """What is said of a segment whatever its finding."""
    if segment.cold:
        yield "temperature_low"
    yield from segment.notes
    if segment.temporal_dispersion:
        yield "temporal_dispersion"
    falls = (segment.amplitude_reduction_percent or 0.0, segment.area_reduction_percent or 0.0)
    if segment.course.falls_in_health and max(falls) > 0:
        yield f"{segment.nerve}_physiological"


def _asked(segment: Segment, chosen: Grade, gated: Grade, reasons: Reasons, about: Circumstances) -> Asked:
    """What to record: to settle what is doubtful, nothing for what stands."""
    if chosen is Grade.NOT_LISTED or segment.standing is Standing.COMPRESSION_SITE:
        open_ = False
    else:
        open_ = gated is not chosen or not _ANSWERABLE.isdisjoint(reasons)
    kept = [reason for reason in reasons if open_ or reason == "electrode_drift"]
    yield from wanted(segment, kept, about)
