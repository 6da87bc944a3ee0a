"""What the marker is told (`config/markers.toml`): scales and limits, one set for CMAPs and one for SNAPs."""

from dataclasses import dataclass

from gateway.domain.recording import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The numbers of one modality: times in ms, amplitudes in uV; what each is for stands in the file."""

    bin_ms: float
    blanked_ms: float
    shock_uv: float
    earliest_peak_ms: float
    peak_window_ms: float
    flank_window_ms: float
    dip_lead_ms: float
    dip_fraction: float
    onset_fraction: float
    onset_floor_uv: float
    fastest_rise_ms: float
    shortest_ms: float
    longest_ms: float
    response_floor_uv: float
    faint_uv: float
    clear_uv: float
    uncertain_below_uv: float
    seen_uv: float
    drift_uv_per_ms: float
    bend_uv: float
    mains_uv: float
    wander_uv: float
    artefact_decay_ms: tuple[float, ...]
    artefact_uv: tuple[float, ...]
    search_removes_hum: bool
    unsure_onset_ms: float
    way_fraction: float
    error_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerSettings:
    """How curves are marked, and how far the machine's marks may lie from ours."""

    motor: Scale
    sensory: Scale
    slowest_hz: float
    fastest_hz: float
    longest_ms: float
    disagreement_ms: float
    disagreement_percent: float

    def scale(self, modality: Modality) -> Scale:
        """The numbers of `modality`."""
        return self.motor if modality is Modality.MOTOR else self.sensory
