"""Motor values against the norm table, each only where its row applies.

The amplitude is that of the table's distal site, the latency too and only near the table's distance, a
velocity that of a segment the row names. In a cold limb, where conduction is slow in health, neither latency
nor velocity is judged. Nothing here changes a finding.
"""

from dataclasses import dataclass

from gateway.domain.anatomy import Anatomy
from gateway.domain.norms import MotorNorm, NormTable
from gateway.domain.recording import MotorMarks
from gateway.domain.segments import Segment
from gateway.domain.sites import Evoked
from gateway.domain.temperature import cold
from gateway.domain.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A value and the limit that applies to it: the most it may be, or the least."""

    value: float
    limit: float
    at_most: bool = False

    @property
    def beyond(self) -> bool:
        """Whether the value is outside the limit."""
        return self.value > self.limit if self.at_most else self.value < self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorLimits:
    """The norm table as it applies to one person's motor recordings."""

    norms: NormTable
    anatomy: Anatomy
    thresholds: Thresholds

    def row(self, entry: Evoked) -> MotorNorm | None:
        """The row of the nerve and muscle, where this is the distal site it is about."""
        recording = entry.recording
        norm = self.norms.motor_norm(recording.nerve, recording.recording_site)
        inching = recording.site_position_mm is not None
        if norm is None or inching or recording.stimulation_site != self._distal_site(norm):
            return None
        return norm

    def _distal_site(self, norm: MotorNorm) -> str:
        named = {entry.distal for entry in norm.velocities}
        in_order = self.anatomy.nerves[norm.nerve].sites
        return next((name for name in in_order if name in named), self.anatomy.most_distal(norm.nerve))

    def amplitude(self, entry: Evoked) -> Against | None:
        """The distal amplitude, mV; 0 for no response."""
        norm, value = self.row(entry), entry.amplitude
        if norm is None or norm.amplitude_mv is None or value is None:
            return None
        return Against(value=value, limit=norm.amplitude_mv)

    def latency(self, entry: Evoked, *, first: bool) -> Against | None:
        """The distal latency, ms; `first`: nothing more distal was recorded over the muscle."""
        norm, marks, recording = self.row(entry), entry.graded, entry.recording
        if norm is None or norm.onset_latency_ms is None or norm.distance_mm is None:
            return None
        own_mm = recording.distance_mm if first else None
        length_mm = recording.distance_to_recording_mm or own_mm
        if length_mm is None or not isinstance(marks, MotorMarks) or marks.onset_latency_ms is None:
            return None
        near = abs(length_mm - norm.distance_mm) <= self.thresholds.latency_distance_mm.value
        if not near or self._cold(entry):
            return None
        return Against(value=marks.onset_latency_ms, limit=norm.onset_latency_ms, at_most=True)

    def velocity(self, segment: Segment) -> Against | None:
        """The conduction velocity of a segment between two named sites, m/s."""
        norm = self.norms.motor_norm(segment.nerve, segment.recording_site)
        value = segment.conduction_velocity_m_s
        if norm is None or value is None or segment.inching:
            return None
        limit = norm.velocity_limit(segment.distal_point.site, segment.proximal_point.site)
        if limit is None or self._cold(segment.distal) or self._cold(segment.proximal):
            return None
        return Against(value=value, limit=limit)

    def _cold(self, entry: Evoked) -> bool:
        return cold(entry.recording, self.anatomy, self.thresholds) is True
