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
# An earlier phase is not quiet: as high as this part of the wave, so many times what is clear, and not so
# early that it is what is left of the artefact.
_PHASE = 0.2
_PHASE_CLEAR = 3.0
_AFTER_BLANK_MS = 0.6


class Candidate(NamedTuple):
    """A candidate: its peak, and where the quiet sweep before it ends. Bins, but for what says its unit.

    `first_peak` is the top of its first phase, `half`, `low` and `foot` are on the upstroke of that; before
    `quiet` it is surely quiet.
    `rise_ms` is the time from half to the peak; `still_rising_uv` how far the sweep has risen where it ends
    at its highest, 0 where it does not.
    """

    peak: int
    first_peak: int
    prominence_uv: float
    half: int
    low: int
    foot: int
    quiet: int
    rise_ms: float
    still_rising_uv: float


def candidates(grid: Grid, bins: Floats) -> list[Candidate]:
    """The candidate of each row of `bins` (n, bins), in uV."""
    kept = bins * grid.kept
    rest = kept - combined(projected(kept, grid.early), grid.early)
    smooth = rest.copy()
    smooth[:, 1:-1] = 0.5 * rest[:, 1:-1] + 0.25 * (rest[:, :-2] + rest[:, 2:])
    standing = prominences(smooth[:, grid.searched :])
    late = grid.earliest_peak - grid.searched
    peaks = standing[:, late:].argmax(axis=1) + late
    rows = zip(smooth.tolist(), standing.tolist(), peaks.tolist(), strict=True)
    return [_candidate(grid, curve, prominence, peak) for curve, prominence, peak in rows]


def prominences(curves: Floats) -> Floats:
    """How far each point stands above the lowest before it and the lowest after it, whichever is less."""
    rise = curves - np.minimum.accumulate(curves, axis=1)
    fall = curves - np.minimum.accumulate(curves[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(rise, fall)


def _candidate(grid: Grid, curve: Sequence[float], prominence: Sequence[float], place: int) -> Candidate:
    first = grid.searched
    peak, height = place + first, prominence[place]
    half, low, foot = _upstroke(curve, peak, height, first)
    rise_ms = (peak - half) * grid.step_ms
    first_peak = peak
    least = max(_PHASE * height, _PHASE_CLEAR * grid.scale.clear_uv)
    earlier = _earlier_phase(prominence[grid.earliest_peak - first : foot - first], least)
    if earlier is not None:
        top = earlier + grid.earliest_peak
        begin = _upstroke(curve, top, prominence[top - first], first)
        if (begin[2] - first) * grid.step_ms >= _AFTER_BLANK_MS:
            first_peak, (half, low, foot) = top, begin
    lead = max(foot - _LEAD * (half - foot + 1), first + (foot - first) // 2)
    quiet = min(lead, max(foot - 1, first))
    return Candidate(peak, first_peak, height, half, low, foot, quiet, rise_ms, _still_rising(curve[first:]))


def _upstroke(curve: Sequence[float], peak: int, height: float, first: int) -> tuple[int, int, int]:
    """Half, low and foot of the wave that stands `height` high at `peak`."""
    half = _walk_below(curve, peak, curve[peak] - _HALF * height, first)
    low = _walk_below(curve, half, curve[peak] - (1.0 - _LOW) * height, first)
    steepest = max((curve[at + 1] - curve[at - 1] for at in range(max(low, 1), peak)), default=0.0)
    foot = low
    while foot > max(first, 0) and foot > 0 and curve[foot + 1] - curve[foot - 1] >= _TAKEN_OFF * steepest:
        foot -= 1
    return half, low, foot


def _earlier_phase(prominence: Sequence[float], least: float) -> int | None:
    """The top of the first phase before the wave that stands at least so high."""
    for at, value in enumerate(prominence):
        if value >= least:
            while at + 1 < len(prominence) and prominence[at + 1] >= value:
                at, value = at + 1, prominence[at + 1]  # noqa: PLW2901  # up to its top
            return at
    return None


def _walk_below(curve: Sequence[float], start: int, level: float, first: int) -> int:
    """The last bin up to `start` below `level`, or `first`."""
    at = start
    while at > first and curve[at] >= level:
        at -= 1
    return at


def _still_rising(curve: Sequence[float]) -> float:
    top = max(curve)
    return top - min(curve) if top in curve[-_AT_END:] else 0.0
