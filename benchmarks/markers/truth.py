"""What is true about a clean wave, exactly: onset, negative peak, return, area; and one drawn sweep.

The noise-free wave is computed on a fine grid and taken as linear in between. Peak: the global maximum.
Onset: where the wave last rises through a small level before it; that level is 1 % of the peak, at least
10 uV, for a CMAP, and 2 % of the peak, at least 0.2 uV, for a SNAP. Return: where it first is back at zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.recording import Marks, Modality, MotorMarks, SensoryMarks, Waveform

Floats = NDArray[np.float64]

FINE_HZ: Final = 200_000.0
# The part of its peak, and the least number of microvolts, by which a wave has left the baseline.
ONSET_LEVEL: Final[Mapping[Modality, tuple[float, float]]] = {
    Modality.MOTOR: (0.01, 10.0),
    Modality.SENSORY: (0.02, 0.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The marks of a clean wave, not rounded; area from onset to return, peak to peak to the trough after."""

    onset_ms: float
    peak_ms: float
    end_ms: float
    amplitude_uv: float
    area_uv_ms: float
    peak_to_peak_uv: float

    @property
    def duration_ms(self) -> float:
        """From onset to return."""
        return self.end_ms - self.onset_ms

    def marks(self, modality: Modality) -> Marks:
        """The same under the names and in the units of a recording's marks."""
        if modality is Modality.SENSORY:
            return SensoryMarks(
                onset_latency_ms=self.onset_ms,
                peak_latency_ms=self.peak_ms,
                amplitude_uv=self.amplitude_uv,
                peak_to_peak_uv=self.peak_to_peak_uv,
                negative_duration_ms=self.duration_ms,
            )
        return MotorMarks(
            onset_latency_ms=self.onset_ms,
            peak_latency_ms=self.peak_ms,
            amplitude_mv=self.amplitude_uv / 1000,
            peak_to_peak_mv=self.peak_to_peak_uv / 1000,
            negative_area_mv_ms=self.area_uv_ms / 1000,
            negative_duration_ms=self.duration_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a cart samples a sweep: its rate in Hz, its begin and end in ms after the stimulus."""

    rate_hz: float
    start_ms: float
    end_ms: float

    @property
    def times_ms(self) -> Floats:
        """The times of the samples."""
        step_ms = 1000.0 / self.rate_hz
        count = round((self.end_ms - self.start_ms) / step_ms)
        return self.start_ms + step_ms * np.arange(count, dtype=np.float64)

    def stored(self, uv: Floats, per_count_uv: float) -> Waveform:
        """The sweep `uv` in whole counts; the converter is wide enough for every sweep."""
        return Waveform(
            sampling_rate_hz=self.rate_hz,
            start_ms=self.start_ms,
            microvolts_per_count=per_count_uv,
            samples=np.rint(uv / per_count_uv).astype(np.int32),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """One sweep as a cart would store it, and what is true about it; `truth` is None where nothing answered.

    `clean_uv` is the noise-free wave at the times of the samples; `disturbances` says by name what was added.
    """

    seed: int
    modality: Modality
    waveform: Waveform
    clean_uv: Floats
    truth: Truth | None
    disturbances: Mapping[str, float]


def fine_grid(start_ms: float, end_ms: float) -> Floats:
    """Times in ms from `start_ms` to `end_ms`, at `FINE_HZ`."""
    return np.arange(start_ms, end_ms, 1000.0 / FINE_HZ)


def read_truth(times_ms: Floats, wave_uv: Floats, modality: Modality) -> Truth:
    """The truth about a clean wave, clinical negative up; ValueError where it has no onset or no return."""
    peak = int(np.argmax(wave_uv))
    height_uv = float(wave_uv[peak])
    share, least_uv = ONSET_LEVEL[modality]
    level_uv = max(share * height_uv, least_uv)
    before = np.flatnonzero(wave_uv[:peak] < level_uv)
    after = np.flatnonzero(wave_uv[peak:] <= 0.0)
    if not before.size or not after.size:
        raise ValueError("the grid does not hold the whole negative peak")
    onset_ms = _crossing(times_ms, wave_uv, int(before[-1]), level_uv)
    end_ms = _crossing(times_ms, wave_uv, peak + int(after[0]) - 1, 0.0)
    return Truth(
        onset_ms=onset_ms,
        peak_ms=float(times_ms[peak]),
        end_ms=end_ms,
        amplitude_uv=height_uv,
        area_uv_ms=_area(times_ms, wave_uv, onset_ms, end_ms),
        peak_to_peak_uv=height_uv - float(wave_uv[peak:].min()),
    )


def _crossing(times_ms: Floats, wave_uv: Floats, index: int, level_uv: float) -> float:
    """When the wave passes `level_uv` between the point `index` and the next."""
    before, after = wave_uv[index], wave_uv[index + 1]
    step = times_ms[index + 1] - times_ms[index]
    return float(times_ms[index] + step * (level_uv - before) / (after - before))


def _area(times_ms: Floats, wave_uv: Floats, begin_ms: float, end_ms: float) -> float:
    """The integral of the piecewise linear wave, in uV.ms."""
    inside = (times_ms > begin_ms) & (times_ms < end_ms)
    ends = np.interp([begin_ms, end_ms], times_ms, wave_uv)
    at = np.concatenate(([begin_ms], times_ms[inside], [end_ms]))
    height = np.concatenate((ends[:1], wave_uv[inside], ends[1:]))
    return float(np.sum((height[1:] + height[:-1]) / 2 * np.diff(at)))
