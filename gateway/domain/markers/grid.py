"""The time grid of a sweep: bins of about 0.2 ms (CMAP) or 0.1 ms (SNAP), whatever the sampling rate.

A bin is the mean of whole samples, and none straddles the stimulus. A nerve's wave is smooth at that scale,
noise is smaller there, and a sweep at 200 kHz costs no more than one at 20. Marks are refined on bins half as
wide. What depends on the grid alone, the columns of the regressions and their tables, is worked out once.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.markers.regression import Floats, orthonormal, parabola
from gateway.domain.markers.settings import Scale
from gateway.domain.markers.tables import POINT, TREND, background_table, running, tail_table
from gateway.errors import DataError

_MAINS_HZ: Final = (50.0, 60.0)
_EITHER_HZ: Final = 55.0  # where the sweep does not tell which of the two it is
_SEARCH_DECAYS_MS: Final = (0.15, 0.4, 1.2)
_NULL_DECAYS_MS: Final = (0.15, 0.3, 0.6, 1.2, 3.0)
_SLOW_DECAYS_MS: Final = (2.0, 4.5, 7.0, 11.0, 18.0)
_LEAST_BINS: Final = 12  # after the earliest peak
_LEAST_IN_ALL: Final = 20
_MEAN_OF: Final = 5  # usual bins: over so much a response is told from noise
_WIDE: Final = 0.7  # samples wider than this part of a bin are bins themselves


class Grid:
    """One rate, start, length and scale. DataError where there is no room for a response."""

    def __init__(self, rate_hz: float, start_ms: float, samples: int, scale: Scale) -> None:
        sample_ms = 1000.0 / rate_hz
        self.rate_hz: Final = rate_hz
        self.start_ms: Final = start_ms
        self.scale: Final = scale
        self.width: Final = max(1, int(scale.bin_ms / 2 / sample_ms + 0.5))
        self.halves: Final = 2 if self.width * sample_ms < _WIDE * scale.bin_ms else 1
        whole = self.width * self.halves
        before = min(max(math.ceil(-start_ms / sample_ms - 1e-9), 0), samples)
        self.skipped: Final = before % whole
        self.bins: Final = (samples - self.skipped) // whole
        self.stimulus: Final = (before - self.skipped) // whole
        self.step_ms: Final = whole * sample_ms
        self.fine_ms: Final = self.width * sample_ms
        self.begin_ms: Final = start_ms + (self.skipped - 0.5) * sample_ms
        self.times_ms: Final[Floats] = (
            self.begin_ms + (np.arange(self.bins, dtype=np.float64) + 0.5) * self.step_ms
        )
        self.searched: Final = int(np.searchsorted(self.times_ms, scale.blanked_ms))
        self.earliest_peak: Final = int(np.searchsorted(self.times_ms, scale.earliest_peak_ms))
        if self.bins - self.earliest_peak < _LEAST_BINS or self.bins < _LEAST_IN_ALL:
            raise DataError("too short to be marked", "samples")
        self.mean_of: Final = max(1, round(_MEAN_OF * scale.bin_ms / self.step_ms))
        self.places: Final = np.arange(self.bins)
        self.kept: Final = np.where((self.places >= self.stimulus) & (self.places < self.searched), 0.0, 1.0)
        self.fine_times_ms: Final[Floats] = (
            self.begin_ms + (np.arange(self.bins * self.halves, dtype=np.float64) + 0.5) * self.fine_ms
        )
        self._regressions()
        self._parabolas()

    def _regressions(self) -> None:
        times_ms, scale = self.times_ms, self.scale
        self.columns = _background(times_ms, scale)
        self.fine_columns = _background(self.fine_times_ms, scale)
        self.at_fine = np.ascontiguousarray(self.fine_columns.T)
        points = _background(times_ms + (POINT - 1) / 2 * self.step_ms, scale)
        points[TREND:] = 0.0  # in the tail hum averages out, and no artefact is left
        self.points = np.ascontiguousarray(points.T)
        self.integrals = running(self.fine_columns) * self.fine_ms
        self.background = background_table(self.columns, self.kept, scale)
        along = 2.0 * (times_ms - times_ms[0]) / (times_ms[-1] - times_ms[0]) - 1.0
        trend = [np.ones_like(along), along, along * along]
        self.hums = np.stack([_wave(hertz, times_ms) for hertz in _MAINS_HZ])
        self.fine_hums = np.stack([_wave(hertz, self.fine_times_ms) for hertz in _MAINS_HZ])
        waves = [*self.hums[0], *self.hums[1]]
        self.tails = np.stack([*trend, *waves])
        self.tail = tail_table(self.tails, scale)
        null = [*trend, *_decays(_NULL_DECAYS_MS, times_ms), *waves]
        self.null = orthonormal(np.stack(null) * self.kept)
        null += _decays(_SLOW_DECAYS_MS, times_ms)
        # the slow ones explain much of a broad response too: asked only of what may be a tail
        self.slow_null = orthonormal(np.stack(null) * self.kept)
        early = [*trend[:2], *_decays(_SEARCH_DECAYS_MS, times_ms)]
        early += waves if scale.search_removes_hum else []
        self.early = orthonormal(np.stack(early) * self.kept)

    def _parabolas(self) -> None:
        peak = parabola(max(2, round(self.scale.peak_window_ms / self.fine_ms)), even=False)
        flank = parabola(max(2, round(self.scale.flank_window_ms / self.fine_ms)), even=True)
        self.peak_weights, self.flank_weights = peak, flank
        # what each parabola makes of white noise: the variance of its value, and of the slope at the peak
        self.peak_gain = float(np.add.reduce(peak[0] ** 2))
        self.top_gain = float(np.add.reduce(peak[1] ** 2))
        self.flank_gain = float(np.add.reduce(flank[0] ** 2))

    def binned(self, counts: NDArray[np.int32], uv_per_count: Floats) -> Floats:
        """The half bins of sweeps (n, samples) of whole counts, in uV from the mean of the first."""
        size = self.bins * self.halves
        samples = counts[:, self.skipped : self.skipped + size * self.width].astype(np.float64)
        fine = samples[:, :: self.width].copy()
        for each in range(1, self.width):
            fine += samples[:, each :: self.width]
        fine -= fine[:, :1].copy()  # sums of whole counts are exact: an offset leaves no trace
        fine *= (uv_per_count / self.width)[:, None]
        return fine

    def whole(self, fine: Floats) -> Floats:
        """The bins of sweeps given in half bins (..., bins x halves)."""
        return (fine[..., 0::2] + fine[..., 1::2]) * 0.5 if self.halves == 2 else fine


@lru_cache(maxsize=8)
def grid(rate_hz: float, start_ms: float, samples: int, scale: Scale) -> Grid:
    """The grid of such sweeps, kept for the next; a cart has one or two."""
    return Grid(rate_hz, start_ms, samples, scale)


def _background(times_ms: Floats, scale: Scale) -> Floats:
    trend = (np.ones_like(times_ms), times_ms, times_ms * times_ms / 100.0)
    hum = _wave(_EITHER_HZ, times_ms)
    return np.stack([*trend, *hum, *_decays(scale.artefact_decay_ms, times_ms)])


def _wave(hertz: float, times_ms: Floats) -> Floats:
    angle = (2e-3 * np.pi * hertz) * times_ms
    return np.stack([np.cos(angle), np.sin(angle)])


def _decays(constants_ms: Sequence[float], times_ms: Floats) -> list[Floats]:
    after = np.maximum(times_ms, 0.0)
    return [np.where(times_ms > 0, np.exp(after / -constant), 0.0) for constant in constants_ms]
