"""The marks of a curve: onset, negative peak, return to baseline, area.

A first marker: it reads the baseline before the stimulus, finds the negative peak after the artefact, walks
back to the take-off and on to the first return to baseline. It does not model the artefact, remove mains
or drift, or tell a dispersed wave's phases apart. Where it finds nothing above the noise it says
NO_RESPONSE; where it cannot tell, None and a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.domain.quality import Quality
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Response,
    SensoryMarks,
    Waveform,
)
from gateway.domain.rounding import (
    AREA_DECIMALS,
    MICROVOLT_DECIMALS,
    MILLISECOND_DECIMALS,
    MILLIVOLT_DECIMALS,
    half_up,
)
from gateway.errors import DataError

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerSettings:
    """How curves are marked (`config/markers.toml`); times in ms, factors of the noise, limits in uV."""

    artefact_ms: float
    baseline_ms: float
    smoothing_ms: float
    noise_factor: float
    motor_floor_uv: float
    sensory_floor_uv: float
    onset_fraction: float
    onset_noise_factor: float
    disagreement_ms: float
    disagreement_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What was read off one sweep.

    `response` is rounded as published: NO_RESPONSE where nothing stands above the noise, None where the
    sweep cannot be marked. `errors` holds the standard error of each quantity, under the quantity's name
    and in its unit.
    """

    response: Response | None
    errors: Mapping[str, float] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()


def mark_all(
    waveforms: Sequence[Waveform], modality: Modality, settings: MarkerSettings
) -> tuple[Marking, ...]:
    """The marks of each of `waveforms`, the same to the last bit as of each alone."""
    found = (_mark(waveform, modality, settings) for waveform in waveforms)
    return tuple(Marking(response=r, quality=tuple(Quality(name) for name in q)) for r, q in found)


def mark(waveform: Waveform, modality: Modality, settings: MarkerSettings) -> Marking:
    """The marks of one sweep; see `mark_all`."""
    return mark_all((waveform,), modality, settings)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweep:
    """A smoothed sweep with its baseline removed: uV against ms, clinical negative positive."""

    times_ms: Curve
    microvolts: Curve
    noise_uv: float


def _mark(
    waveform: Waveform, modality: Modality, settings: MarkerSettings
) -> tuple[Response | None, tuple[str, ...]]:
    """The marks of `waveform` and the names of what was wrong with it.

    NO_RESPONSE when nothing stands above the noise; None when the sweep cannot be marked.
    """
    sweep = _prepare(waveform, settings)
    if sweep is None:
        return None, ("too_few_samples",)
    searched = np.flatnonzero(sweep.times_ms >= settings.artefact_ms)
    peak = int(searched[np.argmax(sweep.microvolts[searched])])
    height = float(sweep.microvolts[peak])
    floor = settings.motor_floor_uv if modality is Modality.MOTOR else settings.sensory_floor_uv
    if height < max(floor, settings.noise_factor * sweep.noise_uv):
        return NO_RESPONSE, ()
    rise = max(settings.onset_fraction * height, settings.onset_noise_factor * sweep.noise_uv)
    onset_ms = _crossing_before(sweep, peak, int(searched[0]), rise)
    return_ms = _return_after(sweep, peak)
    quality: tuple[str, ...] = ()
    if onset_ms is None:
        quality += ("artefact_overlaps_onset",)
    if return_ms is None:
        quality += ("sweep_ends_before_return",)
    area = None if onset_ms is None or return_ms is None else _area(sweep, onset_ms, return_ms)
    trough = float(sweep.microvolts[peak:].min())
    try:
        return _marks(modality, sweep.times_ms[peak], height, trough, onset_ms, return_ms, area), quality
    except DataError:  # a wave no nerve makes: a scale or a rate is wrong by orders of magnitude
        return None, ("impossible_response",)


def _prepare(waveform: Waveform, settings: MarkerSettings) -> _Sweep | None:
    times, curve = waveform.times_ms, waveform.microvolts
    width = max(1, round(settings.smoothing_ms * waveform.sampling_rate_hz / 1000))
    quiet = (times < 0) & (times >= -settings.baseline_ms)
    if np.count_nonzero(quiet) < 8:  # no sweep before the stimulus: the first quiet part after it
        quiet = (times >= settings.artefact_ms) & (times < settings.artefact_ms + 0.5)
    after = times >= settings.artefact_ms
    if np.count_nonzero(quiet) < 8 or np.count_nonzero(after) < 2 * width or np.ptp(curve) == 0:
        return None
    baseline = float(np.median(curve[quiet]))
    noise = 1.4826 * float(np.median(np.abs(curve[quiet] - baseline)))  # MAD of a normal distribution
    smooth = np.convolve(curve - baseline, np.full(width, 1.0 / width), mode="same")
    return _Sweep(times_ms=times, microvolts=smooth, noise_uv=noise / float(np.sqrt(width)))


def _crossing_before(sweep: _Sweep, peak: int, first: int, level: float) -> float | None:
    """When the wave last rises through `level` before its peak; None when it never was below."""
    below = np.flatnonzero(sweep.microvolts[first:peak] < level)
    return None if below.size == 0 else _interpolate(sweep, first + int(below[-1]), level)


def _return_after(sweep: _Sweep, peak: int) -> float | None:
    """When the wave first comes back to the baseline after its peak; None when the sweep ends before."""
    below = np.flatnonzero(sweep.microvolts[peak:] <= 0)
    return None if below.size == 0 else _interpolate(sweep, peak + int(below[0]) - 1, 0.0)


def _interpolate(sweep: _Sweep, index: int, level: float) -> float:
    """The time between sample `index` and the next at which the curve passes `level`, in ms."""
    before, after = sweep.microvolts[index], sweep.microvolts[index + 1]
    step = sweep.times_ms[index + 1] - sweep.times_ms[index]
    return float(sweep.times_ms[index] + step * (level - before) / (after - before))


def _area(sweep: _Sweep, onset_ms: float, return_ms: float) -> float:
    inside = (sweep.times_ms > onset_ms) & (sweep.times_ms < return_ms)
    ends = np.interp([onset_ms, return_ms], sweep.times_ms, sweep.microvolts)
    times = np.concatenate(([onset_ms], sweep.times_ms[inside], [return_ms]))
    values = np.concatenate((ends[:1], sweep.microvolts[inside], ends[1:]))
    return float(np.sum((values[1:] + values[:-1]) / 2 * np.diff(times)))  # trapezium rule, uV.ms


def _marks(
    modality: Modality,
    peak_ms: float,
    height_uv: float,
    trough_uv: float,
    onset_ms: float | None,
    return_ms: float | None,
    area_uv_ms: float | None,
) -> Response:
    duration = None if onset_ms is None or return_ms is None else return_ms - onset_ms
    onset = None if onset_ms is None else half_up(onset_ms, MILLISECOND_DECIMALS)
    negative_duration = None if duration is None else half_up(duration, MILLISECOND_DECIMALS)
    peak_latency = half_up(float(peak_ms), MILLISECOND_DECIMALS)
    if modality is Modality.SENSORY:
        return SensoryMarks(
            onset_latency_ms=onset,
            peak_latency_ms=peak_latency,
            amplitude_uv=half_up(height_uv, MICROVOLT_DECIMALS),
            peak_to_peak_uv=half_up(height_uv - trough_uv, MICROVOLT_DECIMALS),
            negative_duration_ms=negative_duration,
        )
    return MotorMarks(
        onset_latency_ms=onset,
        peak_latency_ms=peak_latency,
        amplitude_mv=half_up(height_uv / 1000, MILLIVOLT_DECIMALS),
        peak_to_peak_mv=half_up((height_uv - trough_uv) / 1000, MILLIVOLT_DECIMALS),
        negative_area_mv_ms=None if area_uv_ms is None else half_up(area_uv_ms / 1000, AREA_DECIMALS),
        negative_duration_ms=negative_duration,
    )
