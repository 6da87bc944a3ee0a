"""Reference limits: what a healthy nerve shows at least, or at most, in which technique.

A table is data (`config/norms/*.toml`); every row carries the status of its numbers. The laboratory's own
table wins over the shipped one of the same id; that is settled where tables are loaded, not here.
"""

from dataclasses import dataclass
from typing import Literal

Status = Literal["given", "verified", "recalled", "unverified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityLimit:
    """The lowest normal conduction velocity of one segment, m/s."""

    distal: str
    proximal: str
    limit_m_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorNorm:
    """Limits of one nerve recorded over one muscle; latency holds at `distance_mm` from the electrode."""

    nerve: str
    muscle: str
    status: Status
    distance_mm: float | None = None
    amplitude_mv: float | None = None
    onset_latency_ms: float | None = None
    velocities: tuple[VelocityLimit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryNorm:
    """Limits of one sensory nerve for the site pair and distance named."""

    nerve: str
    stimulation_sites: tuple[str, ...]
    recording_site: str
    status: Status
    distance_mm: float
    amplitude_uv: float
    onset_latency_ms: float | None = None
    peak_latency_ms: float | None = None
    velocity_m_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NormTable:
    """One published or local table of limits, bound to its technique."""

    id: str
    title: str
    source: str
    technique: str
    motor: tuple[MotorNorm, ...] = ()
    sensory: tuple[SensoryNorm, ...] = ()

    def motor_norm(self, nerve: str, muscle: str) -> MotorNorm | None:
        """The row of a nerve over a muscle; None when the table has none."""
        return next((row for row in self.motor if (row.nerve, row.muscle) == (nerve, muscle)), None)

    def sensory_norm(self, nerve: str, stimulation_site: str, recording_site: str) -> SensoryNorm | None:
        """The row of a sensory nerve for this site pair and direction; None when the table has none."""
        for row in self.sensory:
            sites_match = stimulation_site in row.stimulation_sites and recording_site == row.recording_site
            if row.nerve == nerve and sites_match:
                return row
        return None
