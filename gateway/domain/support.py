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
from gateway.domain.findings import NOT_CHECKED, Action, Finding
from gateway.domain.norms import NormTable
from gateway.domain.sensory import SensoryGrade, SensoryResult
from gateway.domain.study import ClinicalFacts, NerveKey

# CSF protein "raised but below 1 g/L": the upper limit is EFNS/PNS 2010, the lower the usual limit of normal.
_CSF_PROTEIN_RAISED_G_L: Final = (0.45, 1.0)


_JUDGED: Final = (SensoryGrade.ABSENT, SensoryGrade.ABNORMAL, SensoryGrade.NORMAL)  # worst first
_FAILED: Final = frozenset({SensoryGrade.ABSENT, SensoryGrade.ABNORMAL})
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
    clinical: ClinicalFacts

    @property
    def confirmed(self) -> dict[NerveKey, AbstractSet[Grade]]:
        """The blocked nerves for which E3 holds: normal conduction in their own sensory fibres."""
        normal = SensoryGrade.NORMAL
        return {nerve: grades for nerve, grades in self.blocks.items() if self.own_sensory[nerve] is normal}


Reasons = tuple[str, ...]


def _against(evidence: _Evidence) -> Reasons:
    if evidence.blocks and evidence.clinical.umn_signs:
        return ("upper_motor_neuron_signs",)
    failed = {n: own for n, own in evidence.own_sensory.items() if own in _FAILED}
    return tuple(f"sensory_{own}:{_name(nerve)}" for nerve, own in failed.items())


def _definite(evidence: _Evidence) -> Reasons:
    definite = [nerve for nerve, grades in evidence.confirmed.items() if grades - {Grade.PROBABLE_BLOCK}]
    return tuple(f"definite_block:{_name(nerve)}" for nerve in definite)


def _probable(evidence: _Evidence) -> Reasons:
    enough = len(evidence.confirmed) >= 2 or len(_supportive(evidence.clinical)) >= 2
    return _possible(evidence) if enough else ()


def _possible(evidence: _Evidence) -> Reasons:
    probable = tuple(f"probable_block:{_name(nerve)}" for nerve in evidence.confirmed)
    return (*probable, *_supportive(evidence.clinical)) if probable else ()


def _not_assessable(evidence: _Evidence) -> Reasons:
    if evidence.blocks:
        return tuple(f"sensory_not_recorded:{_name(nerve)}" for nerve in evidence.blocks)
    if all(entry.finding in UNASSESSABLE for entry in evidence.findings):
        return ("no_assessable_segment",)
    return ()


# The first category that has a reason is the grade.
_PRECEDENCE: Final = (
    (Support.AGAINST, _against),
    (Support.DEFINITE, _definite),
    (Support.PROBABLE, _probable),
    (Support.POSSIBLE, _possible),
    (Support.NOT_ASSESSABLE, _not_assessable),
    (Support.NONE, lambda _: ("no_block_found",)),
)


def mmn_support(
    findings: Sequence[Finding], sensory: Sequence[SensoryResult], clinical: ClinicalFacts, anatomy: Anatomy
) -> tuple[Support, Reasons]:
    """The grade of support and its reasons, highest precedence first."""
    blocks = _blocked_nerves(findings)
    evidence = _Evidence(
        findings=findings,
        blocks=blocks,
        own_sensory={nerve: own_sensory(nerve, sensory, anatomy) for nerve in blocks},
        clinical=clinical,
    )
    graded = ((support, category(evidence)) for support, category in _PRECEDENCE)
    return next((support, reasons) for support, reasons in graded if reasons)


def _blocked_nerves(findings: Iterable[Finding]) -> dict[NerveKey, set[Grade]]:
    blocks: dict[NerveKey, set[Grade]] = {}
    for entry in findings:
        if entry.finding in BLOCKS:
            blocks.setdefault((entry.segment.nerve, entry.segment.side), set()).add(entry.finding)
    return blocks


def own_sensory(nerve: NerveKey, sensory: Iterable[SensoryResult], anatomy: Anatomy) -> SensoryGrade | None:
    """The worst judged result of the sensory nerves that go with a motor nerve; None: not recorded.

    A result at an entrapment, or one that could not be judged, counts as not recorded.
    """
    names = anatomy.nerves[nerve[0]].sensory_nerves
    found = {entry.result for entry in sensory if entry.nerve in names and entry.side == nerve[1]}
    return next((result for result in _JUDGED if result in found), None)


def _supportive(clinical: ClinicalFacts) -> tuple[str, ...]:
    low, high = _CSF_PROTEIN_RAISED_G_L
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


def guidance(
    findings: Sequence[Finding], sensory: Sequence[SensoryResult], anatomy: Anatomy
) -> tuple[Action, ...]:
    """What is still to record, most decisive first: the segments, then the sensory side of blocked nerves."""
    actions = [action for entry in findings for action in entry.actions]
    for nerve, side in _blocked_nerves(findings):
        names = anatomy.nerves[nerve].sensory_nerves
        if own_sensory((nerve, side), sensory, anatomy) is None and names:
            why = f"a block of the {nerve} nerve counts only beside normal conduction in its sensory fibres"
            actions.append(Action(code="record_sensory", nerve=names[0], side=side, why=why))
    return tuple({str(action): action for action in actions}.values())


def caveats(
    sets: Sequence[CriteriaSet],
    findings: Sequence[Finding],
    sensory: Sequence[SensoryResult],
    norms: NormTable,
) -> tuple[str, ...]:
    """What to keep in mind: numbers recalled rather than read, limits not applied, gates not built."""
    motor = (norms.motor_norm(entry.segment.nerve, entry.segment.recording_site) for entry in findings)
    rows = [*motor, *(entry.norm for entry in sensory)]
    statuses = dict.fromkeys(row.status for row in rows if row is not None)
    return (
        *(f"criteria_{entry.status}:{entry.id}" for entry in sets if entry.status in _UNREAD),
        *(f"norms_{status}:{norms.id}" for status in statuses if status in _UNREAD),
        *(f"{caveat}:{entry.nerve}:{entry.side}" for entry in sensory for caveat in entry.caveats),
        *(f"not_checked:{gate}" for gate in NOT_CHECKED),
    )
