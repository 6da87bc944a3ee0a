"""The noise of a sweep, read where it is quiet, and where the quiet tail after the response begins.

Second differences see noise and neither drift nor curve. Those of neighbouring bins give the noise itself,
those of five-bin means what is left of it when a mark averages over a wave's flank: the same for white noise,
more for a muscle that is not relaxed, a filter or a wandering baseline. The larger of the two counts.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.regression import Floats, Indices
from gateway.domain.markers.rows import anywhere, each, either, larger, root, smaller, total, whole
from gateway.domain.markers.search import Candidates

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
    """Of each sweep: the variance of one bin in uV^2, and the bin where the quiet tail begins.

    Where there is no tail it is the number of bins. `deviation` is the standard deviation of what averaging
    over a flank leaves of a bin's noise, in uV.
    """

    variance: Floats
    deviation: Floats
    tail: Indices


def noise(grid: Grid, bins: Floats, candidates: Candidates, uv_per_count: Floats) -> Noise:
    """The noise of the sweeps (..., bins) in uV, and their tails."""
    quantum = uv_per_count * uv_per_count / (12 * grid.width * grid.halves)
    floor = quantum + (_QUIETEST * grid.scale.onset_floor_uv) ** 2
    second = bins[..., 2:] - 2.0 * bins[..., 1:-1] + bins[..., :-2]
    fives = bins[..., 4:] + bins[..., 3:-1] + bins[..., 2:-2] + bins[..., 1:-3] + bins[..., :-4]
    earlier, later = fives[..., : -2 * LAG], fives[..., 2 * LAG :]
    near, wide = _squares(second), _squares(earlier + later - 2.0 * fives[..., LAG:-LAG])
    head, head_wide = (grid.searched + int(after / grid.step_ms + 0.5) for after in _ARTEFACT_MS)
    before = (0, grid.stimulus)
    quiet = _spread(near, (before, (head, candidates.quiet)), 3)
    variance = _white(second, *quiet, floor)
    tail = _tail(grid, later[..., ::-LAG] - earlier[..., ::-LAG], candidates.peak, variance)
    at_rest = _spread(near, ((tail, grid.bins),), 3)
    variance = _white(second, quiet[0] + at_rest[0], quiet[1] + at_rest[1], floor)
    parts = (before, (head_wide, candidates.quiet), (tail, grid.bins))
    spread, seen = _spread(wide, parts, _SPAN)
    colour = (spread / (6 * LAG) + _TRUSTED * variance) / (seen + _TRUSTED)
    variance = larger(colour, variance)
    return Noise(variance, SMOOTHED * root(variance), tail)


def _squares(values: Floats) -> Floats:
    """The squares of each sweep, and nothing behind them."""
    squares = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.multiply(values, values, out=squares[..., :-1])
    return squares


def _white(second: Floats, spread: Floats, seen: Indices, floor: Floats) -> Floats:
    white = spread / larger(seen, 1)
    few = seen < _TRUSTED
    if anywhere(few):
        middle = np.median(np.abs(second), axis=-1) / _NORMAL_MAD
        white = either(few, middle * middle, white)
    found: Floats = larger(white / 6.0, floor)  # of a second difference of white noise: 1 + 4 + 1
    return found


def _spread(
    squares: Floats, parts: Iterable[tuple[Indices | int, Indices | int]], span: int
) -> tuple[Floats, Indices]:
    """The sum of the squares of what lies wholly in the parts, `span` bins long each, and their number."""
    inside: list[tuple[Any, Any]] = []
    seen: Any = 0
    for begin, end in parts:
        first = smaller(begin, squares.shape[-1] - 1)
        after = larger(end - (span - 1), first)
        inside.append((first, after))
        seen = seen + (after - first)
    return total(squares, *inside), seen


def _tail(grid: Grid, moves: Floats, peak: Indices, variance: Floats) -> Indices:
    """Where the sweep has come to rest after `peak`: behind it no more moves than drift, hum and noise do.

    `moves` are differences of the sums of five bins two lags apart, for every lag from the end.
    """
    scale, between_ms = grid.scale, 2 * LAG * grid.step_ms
    most = LAG * _DRIFT_AND_HUM * scale.drift_uv_per_ms * between_ms + _MOVES * root(LAG * variance)
    back = np.arange(grid.bins - _SPAN, -1, -LAG)
    stops = np.abs(moves) > each(most)
    stops |= back <= each(peak)
    stops[..., -1] = True
    rest = larger(grid.bins - LAG * whole(stops.argmax(axis=-1)), peak + _LEAST_AFTER_PEAK)
    found: Indices = smaller(rest, grid.bins)
    return found
