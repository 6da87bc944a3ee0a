"""Electrodiagnostic support for MMN: what the findings of a study amount to, never more than support.

Categories follow EFNS/PNS 2010 (Van Schaik et al.), electrophysiological items E1 to E3: definite with a
definite block and normal conduction in that nerve's own sensory fibres, probable with probable blocks in
two nerves or one and supportive data, possible with one. Only findings count, never grades. A nerve means
nerve and side.
"""

import enum
from collections.abc import Iterable, Sequence
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


def mmn_support(
    findings: Sequence[Finding], sensory: Sequence[SensoryResult], clinical: ClinicalFacts, anatomy: Anatomy
) -> tuple[Support, tuple[str, ...]]:
    """The grade of support and its reasons, highest precedence first."""
    blocks = _blocked_nerves(findings)
    own = {nerve: own_sensory(nerve, sensory, anatomy) for nerve in blocks}
    with_e3 = {nerve: grades for nerve, grades in blocks.items() if own[nerve] is SensoryGrade.NORMAL}
    if blocks and clinical.umn_signs:
        return Support.AGAINST, ("upper_motor_neuron_signs",)
    failed = [nerve for nerve in blocks if own[nerve] in (SensoryGrade.ABNORMAL, SensoryGrade.ABSENT)]
    if failed:
        return Support.AGAINST, tuple(f"sensory_{own[nerve]}:{_name(nerve)}" for nerve in failed)
    definite = [nerve for nerve, grades in with_e3.items() if grades - {Grade.PROBABLE_BLOCK}]
    if definite:
        return Support.DEFINITE, tuple(f"definite_block:{_name(nerve)}" for nerve in definite)
    if with_e3:
        reasons = tuple(f"probable_block:{_name(nerve)}" for nerve in with_e3)
        supportive = _supportive(clinical)
        if len(with_e3) >= 2 or len(supportive) >= 2:
            return Support.PROBABLE, (*reasons, *supportive)
        return Support.POSSIBLE, (*reasons, *supportive)
    if blocks:
        return Support.NOT_ASSESSABLE, tuple(f"sensory_not_recorded:{_name(nerve)}" for nerve in blocks)
    if all(entry.finding in UNASSESSABLE for entry in findings):
        return Support.NOT_ASSESSABLE, ("no_assessable_segment",)
    return Support.NONE, ("no_block_found",)


def _blocked_nerves(findings: Iterable[Finding]) -> dict[NerveKey, set[Grade]]:
    blocks: dict[NerveKey, set[Grade]] = {}
    for entry in findings:
        if entry.finding in BLOCKS:
            blocks.setdefault((entry.segment.nerve, entry.segment.side), set()).add(entry.finding)
    return blocks


_JUDGED: Final = (SensoryGrade.ABSENT, SensoryGrade.ABNORMAL, SensoryGrade.NORMAL)  # worst first


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
    """What to keep in mind: numbers recalled rather than read, latencies not recorded, gates not built."""
    motor = (norms.motor_norm(entry.segment.nerve, entry.segment.recording_site) for entry in findings)
    rows = [*motor, *(entry.norm for entry in sensory)]
    statuses = dict.fromkeys(row.status for row in rows if row is not None)
    return (
        *(f"criteria_{entry.status}:{entry.id}" for entry in sets if entry.status in _UNREAD),
        *(f"norms_{status}:{norms.id}" for status in statuses if status in _UNREAD),
        *(
            f"latency_not_recorded:{entry.nerve}:{entry.side}"
            for entry in sensory
            if _latency_unrecorded(entry)
        ),
        *(f"not_checked:{gate}" for gate in NOT_CHECKED),
    )


def _latency_unrecorded(entry: SensoryResult) -> bool:
    norm = entry.norm
    if norm is None or entry.result not in (SensoryGrade.NORMAL, SensoryGrade.ABNORMAL):
        return False
    limited = {
        name for name in ("onset_latency_ms", "peak_latency_ms", "velocity_m_s") if getattr(norm, name)
    }
    return not limited & set(entry.limits)
