"""The noise of a sweep, read where it is quiet, and where the quiet tail after the response begins.

Second differences see noise and neither drift nor curve. Those of neighbouring bins give the noise itself,
those of five-bin means what is left of it when a mark averages over a wave's flank: the same for white noise,
more for a muscle that is not relaxed, a filter or a wandering baseline. The larger of the two counts.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.search import Candidate

LAG = 5
# What averaging over a flank leaves of a bin's standard deviation.
SMOOTHED = 0.8
_SPAN = 3 * LAG
# Bins after the blanked stimulus whose artefact would pass for noise, for either kind of difference, in ms.
_ARTEFACT_MS = (0.6, 1.5)
_TRUSTED = (
    8  # differences: with fewer, the noise is read from the whole sweep; also the weight of white noise
)
_NORMAL_MAD = 0.6745  # median absolute deviation of a normal distribution of unit variance
_MOVES = 4.0  # standard deviations: the sweep is not quiet where means two lags apart differ by more
_QUIETEST = 0.05  # of the lowest level of a take-off: no amplifier is quieter
_DRIFT_AND_HUM = 2.0  # times the expected drift: hum moves the sweep about as much
_LEAST_AFTER_PEAK = 5  # bins


class Noise(NamedTuple):
    """The variance of one bin in uV^2; the bin where the quiet tail begins (the number of bins: none)."""

    variance: float
    tail: int

    @property
    def deviation(self) -> float:
        """The standard deviation of what averaging over a flank leaves of a bin's noise, in uV."""
        return SMOOTHED * math.sqrt(self.variance)


class Sums:
    """Running sums of a sweep's bins and of its squared second differences, from none to all."""

    def __init__(self, bins: Floats) -> None:
        count, length = bins.shape
        self.bins = np.zeros((count, length + 1))
        np.cumsum(bins, axis=1, out=self.bins[:, 1:])
        self.second = bins[:, 2:] - 2.0 * bins[:, 1:-1] + bins[:, :-2]
        self.near = np.zeros((count, length - 1))
        np.cumsum(self.second * self.second, axis=1, out=self.near[:, 1:])
        sums = self.bins
        wide = sums[:, _SPAN:] - sums[:, :-_SPAN] + 3.0 * (sums[:, LAG : -2 * LAG] - sums[:, 2 * LAG : -LAG])
        self.wide = np.zeros((count, length - _SPAN + 2))
        np.cumsum(wide * wide, axis=1, out=self.wide[:, 1:])


def noise(grid: Grid, sums: Sums, row: int, candidate: Candidate, uv_per_count: float) -> Noise:
    """The noise of one sweep and its tail."""
    quantum = uv_per_count * uv_per_count / (12 * grid.width * grid.halves)
    floor = quantum + (_QUIETEST * grid.scale.onset_floor_uv) ** 2
    near, wide = sums.near[row], sums.wide[row]
    head, head_wide = (grid.searched + int(after / grid.step_ms + 0.5) for after in _ARTEFACT_MS)
    quiet = [(0, grid.stimulus), (head, candidate.quiet)]
    variance = _white(sums.second[row], near, quiet, floor)
    tail = _tail(grid, sums.bins[row].tolist(), candidate.peak, variance)
    variance = _white(sums.second[row], near, [*quiet, (tail, grid.bins)], floor)
    spread, seen = _spread(wide, [(0, grid.stimulus), (head_wide, candidate.quiet), (tail, grid.bins)], _SPAN)
    colour = (spread / (6 * LAG) + _TRUSTED * variance) / (seen + _TRUSTED)
    return Noise(max(colour, variance), tail)


def _white(second: Floats, near: Floats, quiet: Iterable[tuple[int, int]], floor: float) -> float:
    spread, seen = _spread(near, quiet, 3)
    if seen < _TRUSTED:
        spread, seen = (float(np.median(np.abs(second))) / _NORMAL_MAD) ** 2, 1
    return max(spread / seen / 6.0, floor)  # of a second difference of white noise: 1 + 4 + 1


def _spread(sums: Floats, parts: Iterable[tuple[int, int]], span: int) -> tuple[float, int]:
    """The sum of the squares of what lies wholly in the parts, `span` bins long each, and their number."""
    spread, seen = 0.0, 0
    for begin, end in parts:
        last = end - span + 1
        if last > begin:
            spread += float(sums[last] - sums[begin])
            seen += last - begin
    return spread, seen


def _tail(grid: Grid, sums: Sequence[float], peak: int, variance: float) -> int:
    """Where the sweep has come to rest after `peak`: behind it no more moves than drift, hum and noise do."""
    scale, between_ms = grid.scale, 2 * LAG * grid.step_ms
    most = LAG * _DRIFT_AND_HUM * scale.drift_uv_per_ms * between_ms + _MOVES * math.sqrt(LAG * variance)
    at = grid.bins - _SPAN
    while at > peak:
        move = sums[at + _SPAN] - sums[at + 2 * LAG] - sums[at + LAG] + sums[at]
        if abs(move) > most:
            break
        at -= LAG
    return min(max(at + _SPAN, peak + _LEAST_AFTER_PEAK), grid.bins)
