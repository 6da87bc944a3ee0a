"""The pattern of a study and what else could explain it, each with its reason; never more than a hint.

Which nerves are blocked, in which limbs and whether the other side is, is what neurophysiologists read a
report for. A mimic is named when the study shows something that speaks for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.anatomy import Standing
from gateway.domain.criteria import UNASSESSABLE, CriteriaSet, numbers_say_block
from gateway.domain.differential import Demyelination, Differential
from gateway.domain.findings import Finding
from gateway.domain.gates import Circumstances
from gateway.domain.martin_gruber import Crossover
from gateway.domain.norms import NormTable
from gateway.domain.recording import Side
from gateway.domain.sensory import SensoryGrade, SensoryResult
from gateway.domain.study import NerveKey
from gateway.domain.support import blocked_nerves, own_sensory

_OTHER: Final = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
# Low responses in so many nerves, with nothing blocked and normal SNAPs, are a pattern and not one lesion.
_LOW_NERVES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The blocked nerves, how many in arms and legs; `asymmetric` None: no other side to compare with."""

    blocked: tuple[NerveKey, ...] = ()
    upper_limb: int = 0
    lower_limb: int = 0
    asymmetric: bool | None = None


NO_PATTERN: Final = Pattern()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mimic:
    """Something else that could explain the study, and what speaks for it."""

    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What mimics are looked for in."""

    findings: Sequence[Finding]
    sensory: Sequence[SensoryResult]
    differentials: Sequence[Differential]
    grading: CriteriaSet
    norms: NormTable
    about: Circumstances


def pattern(findings: Sequence[Finding], about: Circumstances) -> Pattern:
    """Where the blocks are."""
    blocked = tuple(blocked_nerves(findings))
    judged = {
        (entry.segment.nerve, entry.segment.side)
        for entry in findings
        if entry.finding not in UNASSESSABLE and entry.finding != "indeterminate"
    }
    opposite = [(nerve, _OTHER[side]) for nerve, side in blocked]
    compared = [other for other in opposite if other in judged]
    upper = sum(about.anatomy.nerves[nerve].limb == "upper" for nerve, _ in blocked)
    return Pattern(
        blocked=blocked,
        upper_limb=upper,
        lower_limb=len(blocked) - upper,
        asymmetric=any(other not in blocked for other in compared) if compared else None,
    )


def mimics(evidence: Evidence) -> tuple[Mimic, ...]:
    """What else could explain the study, in the order of the table."""
    found = ((name, tuple(dict.fromkeys(asked(evidence)))) for name, asked in _MIMICS.items())
    return tuple(Mimic(name=name, reasons=reasons) for name, reasons in found if reasons)


def _motor_neuron(evidence: Evidence) -> Iterator[str]:
    if evidence.about.clinical.umn_signs:
        yield "upper_motor_neuron_signs"
    judged = [entry.result for entry in evidence.sensory if entry.result is not SensoryGrade.NOT_ASSESSABLE]
    if not judged or any(result is not SensoryGrade.NORMAL for result in judged):
        return
    low = {} if blocked_nerves(evidence.findings) else dict.fromkeys(_low_distal(evidence))
    if len(low) >= _LOW_NERVES:
        yield from (f"low_distal_amplitude:{_name(nerve)}" for nerve in low)


def _low_distal(evidence: Evidence) -> Iterator[NerveKey]:
    for entry in evidence.findings:
        segment = entry.segment
        norm = evidence.norms.motor_norm(segment.nerve, segment.recording_site)
        amplitude = segment.distal_amplitude_mv
        if norm is None or not norm.amplitude_mv or amplitude is None or amplitude >= norm.amplitude_mv:
            continue
        bypassed = "accessory_fibular_demonstrated" in segment.notes
        if segment.distal_point.site == evidence.about.anatomy.most_distal(segment.nerve) and not bypassed:
            yield segment.nerve, segment.side


def _demyelinating(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.differentials:
        if entry.support is Demyelination.STRONG:
            met = [str(item) for item, nerves in entry.items.items() if nerves and item != "block"]
            if met:
                yield f"demyelination_{entry.support}:{entry.criteria.id}"


def _multifocal(evidence: Evidence) -> Iterator[str]:
    for nerve in blocked_nerves(evidence.findings):
        result = own_sensory(nerve, evidence.sensory, evidence.about.anatomy)
        if result in (SensoryGrade.ABNORMAL, SensoryGrade.ABSENT):
            yield f"sensory_{result}:{_name(nerve)}"


def _compression(evidence: Evidence) -> Iterator[str]:
    for result in evidence.sensory:
        if result.result is SensoryGrade.ABNORMAL_AT_ENTRAPMENT:
            yield f"sensory_abnormal_at_entrapment:{result.nerve}:{result.side}"
    for entry in evidence.findings:
        segment = entry.segment
        if segment.standing is not Standing.COMPRESSION_SITE:
            continue
        if numbers_say_block(segment, evidence.grading, evidence.norms, evidence.about.anatomy):
            ends = f"{segment.distal_point.site}:{segment.proximal_point.site}"
            yield f"block_at_compression_site:{segment.nerve}:{segment.side}:{ends}"


def _with_reason(reason: str, evidence: Evidence) -> Iterator[str]:
    for entry in evidence.findings:
        if reason in entry.reasons:
            yield f"{reason}:{entry.segment.nerve}:{entry.segment.side}"


_MIMICS: Final[Mapping[str, Callable[[Evidence], Iterator[str]]]] = {
    "motor_neuron_disease": _motor_neuron,
    "cidp": _demyelinating,
    "multifocal_cidp": _multifocal,
    "entrapment": _compression,
    "acute_axonal_lesion": lambda evidence: _with_reason("acute_onset", evidence),
    "martin_gruber_anastomosis": lambda evidence: _with_reason(Crossover.DEMONSTRATED, evidence),
}
MIMICS: Final = tuple(_MIMICS)


def _name(nerve: NerveKey) -> str:
    return f"{nerve[0]}:{nerve[1]}"
