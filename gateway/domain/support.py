"""Electrodiagnostic support for MMN: what the findings of a study amount to, never more than support.

Categories follow EFNS/PNS 2010 (Van Schaik et al.), electrophysiological items E1 to E3: definite with a
definite block and normal conduction in that nerve's own sensory fibres, probable with probable blocks in
two nerves or one and supportive data, possible with one. Only findings count, never grades. A nerve means
nerve and side.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.criteria import BLOCKS, UNASSESSABLE, CriteriaSet, Grade
from gateway.domain.findings import Finding
from gateway.domain.gates import Circumstances, unknown
from gateway.domain.norms import NormTable
from gateway.domain.sensory import SensoryGrade, SensoryResult
from gateway.domain.study import ClinicalFacts, NerveKey, Study
from gateway.domain.thresholds import Thresholds

_JUDGED: Final = (SensoryGrade.ABSENT, SensoryGrade.ABNORMAL, SensoryGrade.NORMAL)  # worst first
_FAILED: Final = frozenset({SensoryGrade.ABSENT, SensoryGrade.ABNORMAL})
_LIFTS_A_SNAP: Final = ("artefact_overlaps_onset", "baseline_unsteady", "mains")
_UNREAD: Final = ("recalled", "unverified")


class Support(enum.StrEnum):
    """The grade of electrodiagnostic support."""

    DEFINITE = "definite"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    NONE = "none"
    AGAINST = "against"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, kw_only=True)
class MmnSupport:
    """The grade, why, what is missing for a better one (actions as strings), and what to keep in mind."""

    support: Support
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What the categories ask about: the blocked nerves, their own sensory nerves, the rest of the study."""

    findings: Sequence[Finding]
    blocks: Mapping[NerveKey, AbstractSet[Grade]]
    own_sensory: Mapping[NerveKey, SensoryGrade | None]
    supportive: tuple[str, ...]
    umn_signs: bool

    @property
    def confirmed(self) -> dict[NerveKey, AbstractSet[Grade]]:
        """The blocked nerves for which E3 holds: normal conduction in their own sensory fibres."""
        normal = SensoryGrade.NORMAL
        return {nerve: grades for nerve, grades in self.blocks.items() if self.own_sensory[nerve] is normal}


Reasons = tuple[str, ...]


def _against(evidence: _Evidence) -> Reasons:
    if evidence.blocks and evidence.umn_signs:
        return ("upper_motor_neuron_signs",)
    failed = {n: own for n, own in evidence.own_sensory.items() if own in _FAILED}
    return tuple(f"sensory_{own}:{_name(nerve)}" for nerve, own in failed.items())


def _definite(evidence: _Evidence) -> Reasons:
    definite = [nerve for nerve, grades in evidence.confirmed.items() if grades - {Grade.PROBABLE_BLOCK}]
    return tuple(f"definite_block:{_name(nerve)}" for nerve in definite)


def _probable(evidence: _Evidence) -> Reasons:
    enough = len(evidence.confirmed) >= 2 or len(evidence.supportive) >= 2
    return _possible(evidence) if enough else ()


def _possible(evidence: _Evidence) -> Reasons:
    probable = tuple(f"probable_block:{_name(nerve)}" for nerve in evidence.confirmed)
    return (*probable, *evidence.supportive) if probable else ()


def _not_assessable(evidence: _Evidence) -> Reasons:
    if evidence.blocks:
        return tuple(f"sensory_not_recorded:{_name(nerve)}" for nerve in evidence.blocks)
    if all(entry.finding in UNASSESSABLE for entry in evidence.findings):
        return ("no_assessable_segment",)
    return ()


def _none(evidence: _Evidence) -> Reasons:
    doubtful = [entry.segment for entry in evidence.findings if entry.finding is Grade.INDETERMINATE]
    names = dict.fromkeys(_name((segment.nerve, segment.side)) for segment in doubtful)
    falling = [entry.segment for entry in evidence.findings if entry.finding in BLOCKS]
    uncounted = dict.fromkeys(_name((segment.nerve, segment.side)) for segment in falling)
    found = (
        *(f"block_in_doubt:{name}" for name in names),
        *(f"block_not_counted:{name}" for name in uncounted),
    )
    return (*(found or ("no_block_found",)), *_not_judged(evidence.findings))


def _not_judged(findings: Sequence[Finding]) -> Reasons:
    """The nerves of which nothing could be judged, although the set lists them: nobody may call them free."""
    open_ = {(f.segment.nerve, f.segment.side) for f in findings if f.finding is Grade.NOT_ASSESSABLE}
    judged = {(f.segment.nerve, f.segment.side) for f in findings if f.finding not in UNASSESSABLE}
    return tuple(f"not_judged:{_name(nerve)}" for nerve in sorted(open_ - judged))


# The first category that has a reason is the grade.
_PRECEDENCE: Final = (
    (Support.AGAINST, _against),
    (Support.DEFINITE, _definite),
    (Support.PROBABLE, _probable),
    (Support.POSSIBLE, _possible),
    (Support.NOT_ASSESSABLE, _not_assessable),
    (Support.NONE, _none),
)


def mmn_support(
    findings: Sequence[Finding], sensory: Sequence[SensoryResult], about: Circumstances
) -> tuple[Support, Reasons]:
    """The grade of support and its reasons, highest precedence first."""
    blocks = blocked_nerves(findings)
    evidence = _Evidence(
        findings=findings,
        blocks=blocks,
        own_sensory={nerve: own_sensory(nerve, sensory, about.anatomy) for nerve in blocks},
        supportive=_supportive(about.clinical, about.thresholds),
        umn_signs=about.clinical.umn_signs is True,
    )
    graded = ((support, category(evidence)) for support, category in _PRECEDENCE)
    return next((support, reasons) for support, reasons in graded if reasons)


def blocked_nerves(findings: Iterable[Finding]) -> dict[NerveKey, set[Grade]]:
    """The nerves in which a block was found, and of what grades.

    A block where the response falls in health, such as the tibial nerve at the knee, counts for no nerve.
    """
    blocks: dict[NerveKey, set[Grade]] = {}
    for entry in findings:
        nerve = entry.segment.nerve
        if entry.finding in BLOCKS and f"{nerve}_physiological" not in entry.reasons:
            blocks.setdefault((nerve, entry.segment.side), set()).add(entry.finding)
    return blocks


def own_sensory(nerve: NerveKey, sensory: Iterable[SensoryResult], anatomy: Anatomy) -> SensoryGrade | None:
    """The worst judged result of the sensory nerves that go with a motor nerve; None: not recorded.

    A result at an entrapment, or one that could not be judged, counts as not recorded.
    """
    names = anatomy.nerves[nerve[0]].sensory_nerves
    found = {entry.result for entry in sensory if entry.nerve in names and entry.side == nerve[1]}
    return next((result for result in _JUDGED if result in found), None)


def _supportive(clinical: ClinicalFacts, thresholds: Thresholds) -> tuple[str, ...]:
    low, high = thresholds.csf_protein_raised_g_l.value, thresholds.csf_protein_below_g_l.value
    protein = clinical.csf_protein_g_l
    items = {
        "anti_gm1_igm_positive": clinical.anti_gm1_igm == "positive",
        "csf_protein_raised": protein is not None and low < protein < high,
        "plexus_mri_abnormal": clinical.plexus_mri_abnormal is True,
        "ivig_response": clinical.ivig_response is True,
    }
    return tuple(name for name, present in items.items() if present)


def _name(nerve: NerveKey) -> str:
    return f"{nerve[0]}:{nerve[1]}"


def exclusions(study: Study) -> tuple[str, ...]:
    """A caveat for every recording that an operator excluded, with where it was made and why."""
    if not study.excluded:
        return ()
    excluded = ((study.corrected(entry), study.exclusion(entry)) for entry in study.recordings)
    found = (
        f"excluded:{entry.modality}:{entry.nerve}:{entry.side}:{entry.stimulation_site}:{reason}"
        for entry, reason in excluded
        if reason is not None
    )
    return tuple(dict.fromkeys(found))


def _doubtful(result: SensoryResult) -> bool:
    """Whether what is wrong with the sweep may have made the amplitude of a SNAP."""
    return any(map(result.evoked.flagged, _LIFTS_A_SNAP))


def caveats(
    sets: Sequence[CriteriaSet],
    findings: Sequence[Finding],
    sensory: Sequence[SensoryResult],
    norms: NormTable,
    about: Circumstances,
) -> tuple[str, ...]:
    """What to keep in mind: numbers recalled rather than read, limits not applied, what nobody recorded."""
    motor = (norms.motor_norm(entry.segment.nerve, entry.segment.recording_site) for entry in findings)
    rows = [*motor, *(entry.norm for entry in sensory)]
    statuses = dict.fromkeys(row.status for row in rows if row is not None)
    judged = (entry.segment for entry in findings if entry.finding not in UNASSESSABLE)
    unsure = [entry for entry in sensory if entry.evoked.flagged("uncertain_response")]
    found = (
        *(f"criteria_{entry.status}:{entry.id}" for entry in sets if entry.status in _UNREAD),
        *(f"norms_{status}:{norms.id}" for status in statuses if status in _UNREAD),
        *(f"{caveat}:{entry.nerve}:{entry.side}" for entry in sensory for caveat in entry.caveats),
        *(f"uncertain_response:{entry.nerve}:{entry.side}" for entry in unsure),
        *(f"signal_doubtful:{entry.nerve}:{entry.side}" for entry in sensory if _doubtful(entry)),
        *(("onset_unknown",) if findings and about.clinical.symptom_onset_days is None else ()),
        *(caveat for segment in judged for caveat in unknown(segment, about)),
    )
    return tuple(dict.fromkeys(found))
