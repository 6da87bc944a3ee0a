"""Compression of the ulnar nerve at the elbow, told from its motor fibres.

A conduction block across the elbow is no sign of multifocal motor neuropathy, its site is excluded. It does
explain an abnormal ulnar SNAP of the same side, as does slow conduction there. Source: AAEM 2003, common
entrapment sites.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    for first in (entry for entry in steps if entry.distal_point == below and entry.inching):
        same_muscle = [entry for entry in steps if entry.recording_site == first.recording_site]
        for last in (entry for entry in same_muscle if entry.proximal_point == above):
            length = _whole_mm(first, last, same_muscle)
            yield compare(first.distal, last.proximal, anatomy, thresholds, length)


def _whole_mm(first: Segment, last: Segment, steps: Sequence[Segment]) -> float | None:
    """From the begin of `first` to the end of `last`, as measured or by adding up; None where not known."""
    near = first.distal.recording.distance_to_recording_mm
    far = last.proximal.recording.distance_to_recording_mm
    if near is not None and far is not None and far > near:
        return far - near
    lengths = [entry.length_mm for entry in steps[steps.index(first) : steps.index(last) + 1]]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _slow(segment: Segment, norms: NormTable, anatomy: Anatomy, thresholds: Thresholds) -> bool:
    norm = norms.motor_norm(segment.nerve, segment.recording_site)
    limit = norm.velocity_limit(*_ELBOW) if norm else None
    velocity = segment.conduction_velocity_m_s
    if limit is None or velocity is None or segment.inching:
        return False
    ends = (segment.distal.recording, segment.proximal.recording)
    return velocity < limit and not any(cold(end, anatomy, thresholds) for end in ends)
