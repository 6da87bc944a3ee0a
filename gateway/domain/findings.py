"""From a grade to a finding: what may stop a block from being reported, and what would settle it.

One gate is built: a proximal response that is absent counts only where the operator stated that the
stimulus was supramaximal. Gates that are not built are named in `NOT_CHECKED`, which every assessment
carries as caveats: no finding claims a check that was not made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.criteria import BLOCKS, CriteriaSet, Grade, grade
from gateway.domain.norms import NormTable
from gateway.domain.recording import Side
from gateway.domain.segments import Segment

NOT_CHECKED: Final = (
    "martin_gruber",
    "supramaximality",
    "costimulation",
    "temperature",
    "filters",
    "symptom_onset",
    "entrapment",
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
    unproven = (
        chosen.grade in BLOCKS
        and "no_proximal_response" in segment.notes
        and not segment.proximal.recording.stimulus.supramaximal
    )
    dispersed = ("temporal_dispersion",) if segment.temporal_dispersion else ()
    return Finding(
        segment=segment,
        grades={set_id: entry.grade for set_id, entry in graded.items()},
        finding=Grade.INDETERMINATE if unproven else chosen.grade,
        reasons=tuple(dict.fromkeys((*chosen.reasons, *segment.notes, *dispersed))),
        actions=tuple(_actions(segment, unproven, anatomy)),
    )


def _actions(segment: Segment, unproven: bool, anatomy: Anatomy) -> list[Action]:
    nerve, side, muscle = segment.nerve, segment.side, segment.recording_site
    missing = anatomy.missing_sites(nerve, segment.distal_point, segment.proximal_point)
    if segment.standing == "contaminated_segment":
        why = "the segment contains a compression site: stimulate at its edge to tell them apart"
        return [
            Action(
                code="record_site",
                nerve=nerve,
                side=side,
                stimulation_site=site,
                recording_site=muscle,
                why=why,
            )
            for site in missing
        ]
    proximal = segment.proximal_point.site
    wanted = []
    if unproven:
        why = "no proximal response: raise the current until it is proven supramaximal"
        wanted.append(("repeat_supramaximal", why))
    if "electrode_drift" in segment.notes:
        wanted.append(("check_electrodes", "the response changed by more than 10 % at the same current"))
    return [
        Action(code=code, nerve=nerve, side=side, stimulation_site=proximal, recording_site=muscle, why=why)
        for code, why in wanted
    ]
