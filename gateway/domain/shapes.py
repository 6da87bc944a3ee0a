"""Two responses of one muscle by their shape, and whether a second nerve was stimulated at the distal site.

A stimulus that is too strong at the wrist or ankle reaches the neighbouring nerve too. Its muscles add to the
distal response, the proximal one looks reduced, and no nerve is blocked. Block and too weak a stimulus take
fibres away and leave the shape; dispersion makes the proximal response longer, which is allowed for; a second
nerve makes the distal one longer and of another shape.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.quality import Quality
from gateway.domain.recording import MotorMarks, Response, Waveform
from gateway.domain.rounding import half_up, reduction_percent
from gateway.domain.sites import Evoked
from gateway.domain.uncertainty import half_width

Curve = NDArray[np.float64]

# None of these has a published authority: engineering settings of this product.
_LEAST_CORRELATION: Final = 0.9
_CORRELATION_DECIMALS: Final = 3
_SHORTER_PERCENT: Final = 10.0
# How much longer dispersion may have made the proximal wave: by 40 % at most.
_STRETCHES: Final = np.array([[1.0], [1.1], [1.2], [1.3], [1.4]])
# About a tenth of a millisecond each: coarse enough to average noise, fine enough for any CMAP.
_BINS: Final = 64
# The level at an edge of the wave is a mean of this long on either side.
EDGE_MS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeWave:
    """The negative phase of one response: its curve, where it begins and how long it lasts."""

    waveform: Waveform
    onset_ms: float
    duration_ms: float


def costimulation(distal: Evoked, proximal: Evoked) -> Quality | None:
    """What speaks for a second nerve at the distal site of a pair, with the correlation as its number.

    Both must hold: the shapes correlate by less than 0.9; and the duration falls proximally (by more than
    10 % and its uncertainty) or only the distal wave begins with a positive dip. None too where a curve is
    missing or its negative phase could not be marked.
    """
    near = _negative_wave(distal)
    far = _negative_wave(proximal) if near else None
    if near is None or far is None:
        return None
    dips = distal.flagged("initial_positivity") and not proximal.flagged("initial_positivity")
    error_ms = math.hypot(*(entry.errors.get("negative_duration_ms", 0.0) for entry in (distal, proximal)))
    if not dips and not _falls(near.duration_ms, far.duration_ms, error_ms):
        return None
    alike = half_up(correlation(near, far), _CORRELATION_DECIMALS)
    return Quality("costimulation_suspected", alike) if alike < _LEAST_CORRELATION else None


def _negative_wave(entry: Evoked) -> NegativeWave | None:
    """The negative phase by our own marks: they lie on the curve they were read from."""
    recording = entry.recording
    curve = recording.thinned.negative_phase if recording.thinned else recording.waveform
    span = negative_span(entry.gateway)
    if curve is None or span is None:
        return None
    return NegativeWave(waveform=curve, onset_ms=span[0], duration_ms=span[1])


def negative_span(response: Response | None) -> tuple[float, float] | None:
    """Onset and duration (ms) of the negative phase of a CMAP; None where it is not marked as a whole."""
    if not isinstance(response, MotorMarks):
        return None
    onset, duration = response.onset_latency_ms, response.negative_duration_ms
    return None if onset is None or not duration else (onset, duration)


def _falls(distal_ms: float, proximal_ms: float, error_ms: float) -> bool:
    shorter = reduction_percent(distal_ms, proximal_ms)
    return shorter > _SHORTER_PERCENT and distal_ms - proximal_ms > half_width(error_ms)


def correlation(distal: NegativeWave, proximal: NegativeWave) -> float:
    """Pearson's correlation of two negative phases, aligned at their onsets, 0 outside the phase.

    The best of several compressions of the proximal wave (1 to 1.4 times); 0 where one has no shape.
    """
    span_ms = max(distal.duration_ms, proximal.duration_ms)
    edges_ms: Curve = np.linspace(0.0, span_ms, _BINS + 1)
    near = _standardised(_binned(distal, edges_ms[np.newaxis]))
    far = _standardised(_binned(proximal, edges_ms * _STRETCHES))
    return float((near * far).sum(axis=1).max())


def _binned(wave: NegativeWave, edges_ms: Curve) -> Curve:
    """The area of the wave between each two of the edges (ms after its onset), a row a set of edges.

    It stands on the straight line between its two ends, so that drift takes no part.
    """
    times, curve = wave.waveform.times_ms, wave.waveform.microvolts
    steps = (curve[1:] + curve[:-1]) * (0.5 * (times[1] - times[0]))
    cumulated: Curve = np.concatenate(([0.0], np.cumsum(steps)))

    def area(until_ms: Curve) -> Curve:
        return np.interp(until_ms, times, cumulated)

    ends = wave.onset_ms + np.array([0.0, wave.duration_ms])
    first, last = (area(ends + EDGE_MS) - area(ends - EDGE_MS)) / (2 * EDGE_MS)
    inside = np.clip(edges_ms, 0.0, wave.duration_ms)
    below = first * inside + (last - first) / (2 * wave.duration_ms) * inside**2
    found: Curve = np.diff(area(wave.onset_ms + inside) - below, axis=1)
    return found


def _standardised(rows: Curve) -> Curve:
    """Each row without its mean, scaled to unit energy; zeros where there is no energy."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    energy = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    standardised: Curve = np.divide(centred, energy, out=np.zeros_like(centred), where=energy > 0.0)
    return standardised
