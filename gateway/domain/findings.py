"""From a grade to a finding: what may stop a block from being reported, and what would settle it.

Built are: a proximal response that is absent counts only where the operator stated that the stimulus was
supramaximal; recordings whose filters or electrodes are known to differ are not compared; a proximal
response that is larger is no block. Gates that are not built are named in `NOT_CHECKED`, which every
assessment carries as caveats: no finding claims a check that was not made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.anatomy import Anatomy, Standing
from gateway.domain.criteria import BLOCKS, UNASSESSABLE, CriteriaSet, Grade, grade
from gateway.domain.norms import NormTable
from gateway.domain.recording import Recording, Side
from gateway.domain.segments import Segment

NOT_CHECKED: Final = (
    "martin_gruber",
    "supramaximality",
    "costimulation",
    "temperature",
    "symptom_onset",
    "ulnar_entrapment",
    "on_the_limit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A recording the technologist should make while the electrodes are still on, and why."""

    code: str
    nerve: str
    side: Side
    stimulation_site: str | None = None
    recording_site: str | None = None
    why: str

    def __str__(self) -> str:
        parts = [self.code, self.nerve, str(self.side)]
        if self.stimulation_site:
            parts.append(self.stimulation_site)
            if self.recording_site:
                parts.append(self.recording_site)
        return ":".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One segment with its grade under every set and what the grading set's grade amounts to."""

    segment: Segment
    grades: Mapping[str, Grade]
    finding: Grade
    reasons: tuple[str, ...]
    actions: tuple[Action, ...]


def finding(
    segment: Segment, sets: Sequence[CriteriaSet], grading: str, norms: NormTable, anatomy: Anatomy
) -> Finding:
    """Grade `segment` under every set, and gate the grade of the set named `grading` to a finding."""
    graded = {criteria.id: grade(segment, criteria, norms, anatomy) for criteria in sets}
    chosen = graded[grading]
    gated, gates = _gated(segment, chosen.grade)
    dispersed = ("temporal_dispersion",) if segment.temporal_dispersion else ()
    return Finding(
        segment=segment,
        grades={set_id: entry.grade for set_id, entry in graded.items()},
        finding=gated,
        reasons=tuple(dict.fromkeys((*chosen.reasons, *gates, *segment.notes, *dispersed))),
        actions=tuple(_actions(segment, gated, gates, anatomy)),
    )


def _gated(segment: Segment, chosen: Grade) -> tuple[Grade, tuple[str, ...]]:
    """The finding that is left of a grade, and the gates that changed it."""
    if chosen in UNASSESSABLE:
        return chosen, ()
    if _set_up_differs(segment.distal.recording, segment.proximal.recording):
        return Grade.INDETERMINATE if chosen in BLOCKS else Grade.NOT_ASSESSABLE, ("filter_mismatch",)
    if chosen in BLOCKS and "proximal_larger" in segment.notes:
        return Grade.NONE, ()
    unproven = (
        "no_proximal_response" in segment.notes and not segment.proximal.recording.stimulus.supramaximal
    )
    return (Grade.INDETERMINATE if unproven else chosen), ()


def _set_up_differs(distal: Recording, proximal: Recording) -> bool:
    """Whether filters or electrodes are known on both sides and are not the same."""
    pairs = (
        (getattr(distal, name), getattr(proximal, name)) for name in ("filter_hz", "notch_hz", "montage_id")
    )
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


_SUPRAMAXIMAL: Final = "no proximal response: raise the current until it is proven supramaximal"
_SAME_FILTERS: Final = "the filters or electrodes of the two sites differ: record again with the same"
_ELECTRODES: Final = "the response changed by more than 10 % at the same current: check the electrodes"


def _actions(segment: Segment, gated: Grade, gates: Sequence[str], anatomy: Anatomy) -> list[Action]:
    proximal = segment.proximal.recording
    if segment.standing is Standing.CONTAMINATED:
        missing = anatomy.missing_sites(segment.nerve, segment.distal_point, segment.proximal_point)
        why = "the segment contains a compression site: stimulate at its edge to tell them apart"
        return [_action("record_site", replace(proximal, stimulation_site=site), why) for site in missing]
    wanted = []
    if "filter_mismatch" in gates:
        wanted.append(_action("repeat_same_filters", proximal, _SAME_FILTERS))
    if gated is Grade.INDETERMINATE and "no_proximal_response" in segment.notes:
        wanted.append(_action("repeat_supramaximal", proximal, _SUPRAMAXIMAL))
    drifted = [e for e in (segment.distal, segment.proximal) if e.flagged("electrode_drift")]
    wanted += [_action("check_electrodes", entry.recording, _ELECTRODES) for entry in drifted]
    return wanted


def _action(code: str, at: Recording, why: str) -> Action:
    """An action at the site of a recording."""
    return Action(
        code=code,
        nerve=at.nerve,
        side=at.side,
        stimulation_site=at.stimulation_site,
        recording_site=at.recording_site,
        why=why,
    )
