"""Whether a sweep was watched long enough to say that nothing answered.

A sweep that ends before a slow response could come shows nothing, whether the nerve conducts or not: taken
for no response it would be a complete block, or an absent SNAP. What the machine itself calls absent stands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.anatomy import Anatomy, SitePoint
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, Modality, Recording
from gateway.domain.sites import Evoked
from gateway.domain.thresholds import Thresholds

_ABSENT: Final = "response_absent"


def watched(nerve_recordings: Iterable[Evoked], anatomy: Anatomy, thresholds: Thresholds) -> list[Evoked]:
    """The recordings of one nerve and side; one whose sweep ended too early shows nothing."""
    entries = list(nerve_recordings)
    return [_seen(entry, entries, anatomy, thresholds) for entry in entries]


def _seen(entry: Evoked, nerve: Sequence[Evoked], anatomy: Anatomy, thresholds: Thresholds) -> Evoked:
    ends_ms = entry.watched_ms
    if ends_ms is None or entry.graded is not NO_RESPONSE or entry.marked_by != "gateway":
        return entry
    if ends_ms >= _latest_ms(entry.recording, nerve, anatomy, thresholds):
        return entry
    others = (quality for quality in entry.quality if quality.name != _ABSENT)
    quality = (Quality("sweep_ends_before_response", ends_ms), *others)
    return replace(entry, graded=None, gateway=None, quality=quality)


def _latest_ms(
    recording: Recording, nerve: Sequence[Evoked], anatomy: Anatomy, thresholds: Thresholds
) -> float:
    """When a response that is slow, but comes, has begun at the latest, ms after the stimulus."""
    slowest = thresholds.slowest_conduction_m_s.value
    if recording.modality is Modality.SENSORY:
        known_mm = recording.distance_to_recording_mm or recording.distance_mm
        return (known_mm or thresholds.usual_sensory_distance_mm.value) / slowest
    distal = _next_distal(recording, nerve, anatomy)
    if distal is None:
        return thresholds.latest_distal_onset_ms.value
    marks = distal.motor
    began = marks.onset_latency_ms if marks else None
    length_mm = _between_mm(distal.recording, recording) or thresholds.longest_segment_mm.value
    return (thresholds.latest_distal_onset_ms.value if began is None else began) + length_mm / slowest


def _next_distal(recording: Recording, nerve: Sequence[Evoked], anatomy: Anatomy) -> Evoked | None:
    """The nearest recording of a more distal site of the same muscle, of several the one that answered."""

    def along(entry: Recording) -> tuple[int, float]:
        return anatomy.order(entry.nerve, SitePoint(entry.stimulation_site, entry.site_position_mm))

    here = along(recording)
    distal = [
        entry
        for entry in nerve
        if entry.recording.modality is Modality.MOTOR
        and entry.recording.recording_site == recording.recording_site
        and along(entry.recording) < here
    ]
    return max(distal, key=lambda entry: (along(entry.recording), entry.motor is not None), default=None)


def _between_mm(distal: Recording, proximal: Recording) -> float | None:
    near, far = (end.distance_to_recording_mm or end.site_position_mm for end in (distal, proximal))
    if near and far and far > near:
        return far - near
    return proximal.distance_mm
