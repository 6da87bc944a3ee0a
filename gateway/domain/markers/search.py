"""Where a response may be: the wave that stands out most on both sides, and where its upstroke begins.

A decaying artefact has no rise before it, a drift no fall after it; what has both is a candidate. Whether it
is a response is decided later, when the background is known.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.regression import Floats, combined, projected

_HALF = 0.5  # the part of its prominence where the upstroke is timed
_LOW = 0.25  # and where it is followed by slope: a notch above it belongs to the wave
_TAKEN_OFF = 0.2  # of the steepest slope: from here on back the wave has not taken off
# What must be known about the baseline lies this many upstrokes before the take-off, but not before the
# middle of what there is: an initial positivity stays out.
_LEAD = 6
_AT_END = 2  # bins


class Candidate(NamedTuple):
    """Bins of a candidate: peak, half and low on the upstroke, foot, the end of what is surely quiet.

    `still_rising_uv`: how far the sweep has risen where it ends at its highest, 0 where it does not.
    """

    peak: int
    prominence_uv: float
    half: int
    low: int
    foot: int
    quiet: int
    still_rising_uv: float

    @property
    def rise(self) -> int:
        """Bins from half to peak."""
        return self.peak - self.half


def candidates(grid: Grid, bins: Floats) -> list[Candidate]:
    """The candidate of each row of `bins` (n, bins), in uV."""
    kept = bins * grid.kept
    rest = kept - combined(projected(kept, grid.early), grid.early)
    smooth = rest.copy()
    smooth[:, 1:-1] = 0.5 * rest[:, 1:-1] + 0.25 * (rest[:, :-2] + rest[:, 2:])
    standing = prominences(smooth[:, grid.searched :])
    late = grid.earliest_peak - grid.searched
    peaks = standing[:, late:].argmax(axis=1) + late
    rows = zip(peaks.tolist(), standing, smooth.tolist(), strict=True)
    return [
        _candidate(curve, peak + grid.searched, float(prominence[peak]), grid.searched)
        for peak, prominence, curve in rows
    ]


def prominences(curves: Floats) -> Floats:
    """How far each point stands above the lowest before it and the lowest after it, whichever is less."""
    rise = curves - np.minimum.accumulate(curves, axis=1)
    fall = curves - np.minimum.accumulate(curves[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(rise, fall)


def _candidate(curve: Sequence[float], peak: int, prominence: float, first: int) -> Candidate:
    half = _walk_below(curve, peak, curve[peak] - _HALF * prominence, first)
    low = _walk_below(curve, half, curve[peak] - (1.0 - _LOW) * prominence, first)
    steepest = max((curve[at + 1] - curve[at - 1] for at in range(max(low, 1), peak)), default=0.0)
    foot = low
    while foot > max(first, 0) and foot > 0 and curve[foot + 1] - curve[foot - 1] >= _TAKEN_OFF * steepest:
        foot -= 1
    lead = max(foot - _LEAD * (half - foot + 1), first + (foot - first) // 2)
    quiet = min(lead, max(foot - 1, first))
    return Candidate(peak, prominence, half, low, foot, quiet, _still_rising(curve[first:]))


def _walk_below(curve: Sequence[float], start: int, level: float, first: int) -> int:
    """The last bin up to `start` below `level`, or `first`."""
    at = start
    while at > first and curve[at] >= level:
        at -= 1
    return at


def _still_rising(curve: Sequence[float]) -> float:
    top = max(curve)
    return top - min(curve) if top in curve[-_AT_END:] else 0.0
