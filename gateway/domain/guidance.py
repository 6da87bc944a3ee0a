"""Guidance: what is still missing or doubtful and would change the grade, the most decisive first.

First what settles a block that is in doubt, then what a block needs to count, then what could not be judged.
It disappears when it is done; what is declined, with a reason, becomes a caveat.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.actions import Action, record_sensory, unique
from gateway.domain.anatomy import Anatomy
from gateway.domain.criteria import BLOCKS, Grade
from gateway.domain.findings import Finding
from gateway.domain.sensory import SensoryResult
from gateway.domain.study import NerveKey
from gateway.domain.support import blocked_nerves, own_sensory


def guidance(
    findings: Sequence[Finding],
    sensory: Sequence[SensoryResult],
    anatomy: Anatomy,
    declined: Mapping[str, str],
) -> tuple[Action, ...]:
    """What is still to record, in order, without what was declined."""
    in_doubt = [entry for entry in findings if entry.finding is Grade.INDETERMINATE]
    others = [entry for entry in findings if entry.finding is not Grade.INDETERMINATE]
    ordered = [
        *_asked(in_doubt),
        *_sensory(blocked_nerves(findings), sensory, anatomy),
        *_sensory(_nerves([entry for entry in in_doubt if entry.actions]), sensory, anatomy),
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
    nerves: Mapping[NerveKey, object], sensory: Sequence[SensoryResult], anatomy: Anatomy
) -> Iterator[Action]:
    for nerve, side in nerves:
        names = anatomy.nerves[nerve].sensory_nerves
        if names and own_sensory((nerve, side), sensory, anatomy) is None:
            yield record_sensory(nerve, side, names)
