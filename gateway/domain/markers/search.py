"""Where a response may be: the wave that stands out most on both sides, and where its upstroke begins.

A decaying artefact has no rise before it, a drift no fall after it; what has both is a candidate. Whether it
is a response is decided later, when the background is known.
"""

from typing import NamedTuple

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.regression import Floats, Indices, combined, projected
from gateway.domain.markers.rows import (
    at,
    each,
    extremes,
    highest,
    larger,
    last_below,
    lowest,
    smaller,
    until,
    whole,
)

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


class Candidates(NamedTuple):
    """The candidate of each sweep: its peak, and until where it is quiet. Bins, but for what says its unit.

    `first_peak` is the top of its first phase, `half`, `low` and `foot` are on the upstroke of that; before
    `quiet` it is surely quiet.
    `rise_ms` is the time from half to the peak; `still_rising_uv` how far the sweep has risen where it ends
    at its highest, 0 where it does not.
    """

    peak: Indices
    first_peak: Indices
    prominence_uv: Floats
    half: Indices
    low: Indices
    foot: Indices
    quiet: Indices
    rise_ms: Floats
    still_rising_uv: Floats


def candidates(grid: Grid, bins: Floats) -> Candidates:
    """The candidate of each sweep of `bins` (..., bins), in uV."""
    kept = bins * grid.kept
    kept -= combined(projected(kept, grid.early), grid.early)
    smooth = kept.copy()
    smooth[..., 1:-1] = 0.5 * kept[..., 1:-1] + 0.25 * (kept[..., :-2] + kept[..., 2:])
    begin = grid.searched  # bins are counted from here on
    curves = smooth[..., begin:]
    standing = prominences(curves)
    late = grid.earliest_peak - begin
    peak = whole(standing[..., late:].argmax(axis=-1)) + late
    height = at(standing, peak)
    upstroke = _upstroke(curves, peak, height)
    rise_ms = (peak - upstroke[0]) * grid.step_ms
    first_peak, (half, low, foot) = _first_phase(grid, curves, standing, peak, upstroke)
    lead = larger(foot - _LEAD * (half - foot + 1), foot // 2)
    quiet = smaller(lead, larger(foot - 1, 0))
    places = (place + begin for place in (peak, first_peak, half, low, foot, quiet))
    peak, first_peak, half, low, foot, quiet = places
    return Candidates(peak, first_peak, height, half, low, foot, quiet, rise_ms, _still_rising(curves))


def prominences(curves: Floats) -> Floats:
    """How far each point stands above the lowest before it and the lowest after it, whichever is less."""
    before = np.minimum.accumulate(curves, axis=-1)
    after = np.minimum.accumulate(curves[..., ::-1], axis=-1)[..., ::-1]
    standing: Floats = curves - np.maximum(before, after)
    return standing


def _upstroke(curves: Floats, peak: Indices, height: Floats) -> tuple[Indices, Indices, Indices]:
    """Half, low and foot of the wave that stands `height` high at `peak`."""
    curves = until(curves, peak + 1)
    top = at(curves, peak)
    half, low = (last_below(curves, top - part * height, 0, peak) for part in (_HALF, 1.0 - _LOW))
    slopes = np.zeros_like(curves)
    np.subtract(curves[..., 2:], curves[..., :-2], out=slopes[..., 1:-1])
    _, steepest = extremes(slopes, low, peak)
    return half, low, last_below(slopes, _TAKEN_OFF * steepest, 0, low)


def _first_phase(
    grid: Grid, curves: Floats, standing: Floats, peak: Indices, upstroke: tuple[Indices, Indices, Indices]
) -> tuple[Indices, tuple[Indices, Indices, Indices]]:
    """The top and the upstroke of the first phase that is not what is left of the artefact.

    It is the wave's own where there is no earlier one.
    """
    foot = upstroke[2]
    least = larger(_PHASE * at(standing, peak), _PHASE_CLEAR * grid.scale.clear_uv)
    standing = until(standing, foot)
    places = np.arange(standing.shape[-1])
    high = standing >= each(least)
    high &= places < each(foot)
    begin = grid.earliest_peak - grid.searched
    high[..., :begin] = False
    if not high.any():
        return peak, upstroke
    falls = standing[..., 1:] < standing[..., :-1]
    tops = places == each(foot) - 1
    tops[..., :-1] |= falls
    tops[..., begin + 1 :] &= ~falls[..., begin:]
    rows, top = np.atleast_2d(tops & high).nonzero()
    curves, standing = np.atleast_2d(until(curves, foot), standing)
    phases = np.array((top, *_upstroke(curves[rows], top, standing[rows, top])))
    late = phases[3] >= round(_AFTER_BLANK_MS / grid.step_ms)
    rows, first = np.unique(rows[late], return_index=True)
    found = np.array((peak, *upstroke)).reshape(4, -1)
    found[:, rows] = phases[:, late][:, first]
    first_peak, half, low, foot = found.reshape(4, *np.shape(peak))
    return first_peak, (half, low, foot)


def _still_rising(curves: Floats) -> Floats:
    top = highest(curves)
    rising: Floats = (top - lowest(curves)) * (highest(curves[..., -_AT_END:]) == top)
    return rising
