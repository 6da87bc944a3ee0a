"""Compression of the ulnar nerve at the elbow, told from its motor fibres.

A conduction block across the elbow is no sign of multifocal motor neuropathy, its site is excluded. It does
explain an abnormal ulnar SNAP of the same side, as does slow conduction there. Source: AAEM 2003, common
entrapment sites.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.anatomy import Anatomy, SitePoint
from gateway.domain.criteria import CriteriaSet, numbers_say_block
from gateway.domain.norms import NormTable
from gateway.domain.segments import Segment, compare
from gateway.domain.temperature import cold
from gateway.domain.thresholds import Thresholds

_ULNAR: Final = "ulnar"
_ELBOW: Final = ("below_elbow", "above_elbow")


def ulnar_at_elbow(
    segments: Iterable[Segment],
    criteria: CriteriaSet,
    norms: NormTable,
    anatomy: Anatomy,
    thresholds: Thresholds,
) -> bool:
    """Whether the ulnar nerve is compressed at the elbow, by its segments of one side, over any muscle.

    It is when a segment across the elbow, or a short one within it, meets the block numbers of `criteria`
    as if the site were not excluded, or is slower than the table's limit there. Nothing is slow without
    such a limit, or where an end was cold.
    """
    steps = [entry for entry in segments if entry.nerve == _ULNAR and entry.course.ends == _ELBOW]
    across = (*steps, *_joined(steps, anatomy, thresholds))
    return any(
        numbers_say_block(entry, criteria, norms, anatomy) or _slow(entry, norms, anatomy, thresholds)
        for entry in across
    )


def _joined(steps: Sequence[Segment], anatomy: Anatomy, thresholds: Thresholds) -> Iterator[Segment]:
    """The whole segment across the elbow, muscle by muscle, where it was recorded in short steps."""
    below, above = (SitePoint(site=site) for site in _ELBOW)
    firsts = [entry for entry in steps if entry.distal_point == below and entry.inching]
    for first in firsts:
        same_muscle = (entry for entry in steps if entry.recording_site == first.recording_site)
        for last in (entry for entry in same_muscle if entry.proximal_point == above):
            # Its `distance_mm` is only that of the last step.
            recording = replace(last.proximal.recording, distance_mm=None)
            yield compare(first.distal, replace(last.proximal, recording=recording), anatomy, thresholds)


def _slow(segment: Segment, norms: NormTable, anatomy: Anatomy, thresholds: Thresholds) -> bool:
    norm = norms.motor_norm(segment.nerve, segment.recording_site)
    limit = norm.velocity_limit(*_ELBOW) if norm else None
    velocity = segment.conduction_velocity_m_s
    if limit is None or velocity is None or segment.inching:
        return False
    ends = (segment.distal.recording, segment.proximal.recording)
    return velocity < limit and not any(cold(end, anatomy, thresholds) for end in ends)
