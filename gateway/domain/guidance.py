"""Guidance: what is still missing or doubtful and would change the grade, the most decisive first.

First what settles a block that is in doubt, then what a block needs to count, then what could not be judged.
It disappears when it is done; what is declined, with a reason, becomes a caveat.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.domain.actions import Action, Site, record_sensory, unique, warm_limb
from gateway.domain.anatomy import Anatomy
from gateway.domain.criteria import BLOCKS, Grade
from gateway.domain.findings import Finding
from gateway.domain.norms import NormTable
from gateway.domain.recording import Recording
from gateway.domain.sensory import SensoryGrade, SensoryResult
from gateway.domain.study import NerveKey
from gateway.domain.support import blocked_nerves, own_sensory


def guidance(
    findings: Sequence[Finding],
    sensory: Sequence[SensoryResult],
    anatomy: Anatomy,
    norms: NormTable,
    declined: Mapping[str, str],
) -> tuple[Action, ...]:
    """What is still to record, in order, without what was declined."""
    in_doubt = [entry for entry in findings if entry.finding is Grade.INDETERMINATE]
    others = [entry for entry in findings if entry.finding is not Grade.INDETERMINATE]
    ordered = [
        *_asked(in_doubt),
        *_sensory(blocked_nerves(findings), sensory, anatomy, norms),
        *_sensory(_nerves([entry for entry in in_doubt if entry.actions]), sensory, anatomy, norms),
        *_asked([entry for entry in others if entry.finding in BLOCKS]),
        *_asked([entry for entry in others if entry.finding not in BLOCKS]),
    ]
    return tuple(action for action in unique(ordered) if str(action) not in declined)


def _asked(findings: Sequence[Finding]) -> Iterator[Action]:
    for entry in findings:
        yield from entry.actions


def _nerves(findings: Sequence[Finding]) -> dict[NerveKey, None]:
    return dict.fromkeys((entry.segment.nerve, entry.segment.side) for entry in findings)


def _sensory(
    nerves: Iterable[NerveKey], sensory: Sequence[SensoryResult], anatomy: Anatomy, norms: NormTable
) -> Iterator[Action]:
    """The sensory side of nerves that have none yet that counts."""
    for nerve, side in nerves:
        names = anatomy.nerves[nerve].sensory_nerves
        if not names or own_sensory((nerve, side), sensory, anatomy) is not None:
            continue
        recorded = [entry for entry in sensory if entry.nerve in names and entry.side == side]
        for entry in recorded:
            if "temperature_low" in entry.reasons:
                yield warm_limb(entry.nerve, side, (_again(entry.evoked.recording),))
        limited = [name for name in names if any(row.nerve == name for row in norms.sensory)]
        entrapped = any(entry.result is SensoryGrade.ABNORMAL_AT_ENTRAPMENT for entry in recorded)
        yield record_sensory(nerve, side, (*limited, *names)[0], at_entrapment=entrapped)


def _again(recording: Recording) -> Site:
    return Site(
        modality=recording.modality,
        nerve=recording.nerve,
        side=recording.side,
        stimulation_site=recording.stimulation_site,
        recording_site=recording.recording_site,
    )
