"""The marks of one wave once the background is gone: peak, take-off, return, area, phases.

Bins show where; a parabola through half bins says when, to a fraction of a sample. The take-off is where the
wave last rises through a small part of its peak before it; where the noise is larger than that level, the
wave is timed higher up and followed down the parabola that a take-off is.
"""

from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Flags, Floats, Indices, product, projected
from gateway.domain.markers.rows import (
    anywhere,
    at,
    between,
    each,
    either,
    extremes,
    first_not_above,
    flanks,
    highest,
    highest_place,
    larger,
    last,
    last_below,
    lowest_place,
    plain,
    root,
    smaller,
    total,
    until,
    whole,
    window,
)

_ABOVE_NOISE: Final = 2.5  # standard deviations: the lowest level at which a rising wave is timed
_LEAST_STEEP: Final = 0.1  # of the way up to the peak: less steep a rise is not followed down
_LONGEST_BACK_MS: Final = 0.6
_NEAR_PEAK_MS: Final = 1.0
# Another negative phase, a notch, a positive dip before it count from this part of the wave on, and this
# many deviations.
PHASE: Final = (0.1, 6.0)
NOTCH: Final = (0.05, 6.0)
DIP: Final = (0.05, 6.0)
_FLAT: Final = 1e-9
# Savitzky, Golay, Anal Chem 1964;36:1627: the level at the middle of five points, and its variance in noise.
_LEVEL_OF_FIVE: Final = np.array([-3, 12, 17, 12, -3]) / 35
TROUGH_GAIN: Final = 17 / 35

Number = TypeVar("Number", float, Floats)
Place = TypeVar("Place", int, Indices)
Truth = TypeVar("Truth", bool, Flags)


class Wave(NamedTuple, Generic[Number, Place, Truth]):
    """The wave of one sweep or, in arrays, of each of many. Times in ms after the stimulus, heights in uV.

    `steep_on`, `steep_end`: slopes at take-off and return in uV/ms; `bend`: curvature of the peak in uV per
    half bin squared; `back_ms`: how far the take-off was followed below the noise; `begin`, `top`, `end`: the
    half bins of take-off, peak and return; `has_onset`, `has_end`: whether the sweep shows them; `dip_uv`:
    the positive dip before the take-off; `notch_uv`: the deepest notch; `other_uv`: the highest other
    negative phase.
    """

    peak_bin: Place
    onset_ms: Number
    peak_ms: Number
    end_ms: Number
    height_uv: Number
    trough_uv: Number
    area_uv_ms: Number
    total_end_ms: Number
    first_onset_ms: Number
    steep_on: Number
    steep_end: Number
    bend: Number
    back_ms: Number
    begin: Place
    top: Place
    end: Place
    has_onset: Truth
    has_end: Truth
    dip_uv: Number
    notch_uv: Number
    other_uv: Number


Waves = Wave[Floats, Indices, Flags]
OneWave = Wave[float, int, bool]


def read_waves(
    grid: Grid, fine: Floats, curves: Floats, peak: Indices, noise: Noise, quiet: Indices
) -> Waves:
    """The marks of the wave around bin `peak` of each sweep.

    `fine` are half bins (..., bins x halves), `curves` bins (..., bins), quiet until `quiet`.
    """
    ms, begin_ms = grid.fine_ms, grid.begin_ms
    peak = _highest_near(grid, curves, peak)
    top, height, bend = _top(grid, fine, peak)
    level = larger(grid.scale.onset_fraction * height, grid.scale.onset_floor_uv)
    timed = larger(level, _ABOVE_NOISE * noise.deviation)
    before, has_onset = _last_below(grid, curves, peak, timed)
    after, has_end = _back(curves, peak)
    rises, steep_on = _passage(grid, fine, curves, before, timed, 1.0)
    end, steep_end = _passage(grid, fine, curves, after - 1, 0.0, -1.0)
    steep_on = larger(steep_on, _LEAST_STEEP * height / larger(top - rises, 1.0))
    back = 2.0 / steep_on * (timed - root(level * timed))
    back = smaller(back, _LONGEST_BACK_MS / ms)
    onset = rises - back
    phase = larger(PHASE[0] * height, PHASE[1] * noise.deviation)
    trough, later, total_end = _behind(grid, curves, (after, noise.tail), phase, end, has_end)
    dip, earlier, first_onset = _ahead(grid, curves, (quiet, before), (phase, level), onset)
    begin, middle, finish = (between(whole(place), 0, fine.shape[-1] - 1) for place in (onset, top, end))
    return Wave(
        peak_bin=peak,
        onset_ms=begin_ms + onset * ms,
        peak_ms=begin_ms + top * ms,
        end_ms=begin_ms + end * ms,
        height_uv=height,
        trough_uv=trough,
        area_uv_ms=_area(fine, (onset, begin), (end, finish), steep_end) * ms,
        total_end_ms=begin_ms + total_end * ms,
        first_onset_ms=begin_ms + first_onset * ms,
        steep_on=steep_on / ms,
        steep_end=steep_end / ms,
        bend=bend,
        back_ms=back * ms,
        begin=begin,
        top=middle,
        end=finish,
        has_onset=has_onset,
        has_end=has_end,
        dip_uv=dip,
        notch_uv=_notch(curves, before, peak, after),
        other_uv=larger(later, earlier),
    )


def _highest_near(grid: Grid, curves: Floats, peak: Indices) -> Indices:
    near = round(_NEAR_PEAK_MS / grid.step_ms)
    first, final = (between(peak + off, grid.earliest_peak, grid.bins - 1) for off in (-near, near))
    found: Indices = highest_place(curves, first, final)
    return found


def _top(grid: Grid, fine: Floats, peak: Indices) -> tuple[Floats, Floats, Floats]:
    """Place, height and bend of the parabola through the half bins around the highest bin."""
    middle = peak * grid.halves
    if grid.halves > 1:
        middle = middle + whole(at(fine, middle + 1) >= at(fine, middle))
    half = grid.peak_weights.shape[1] // 2
    (value, slope, bend), first = _parabola(grid.peak_weights, fine, middle - half)
    off = between(-slope / (2.0 * smaller(bend, -_FLAT)), -half, half)
    return first + (half + 0.5) + off, value + off * (slope + off * bend), -2.0 * bend


def _parabola(weights: Floats, fine: Floats, first: Indices) -> tuple[tuple[Floats, Floats, Floats], Indices]:
    """Value, slope and half the bend at the centre of a window of each sweep, and where the window begins.

    It begins at `first`, or where there is room for it.
    """
    width = weights.shape[1]
    first = between(first, 0, fine.shape[-1] - width)
    value, slope, bend = projected(window(fine, first, width), weights).T
    return (plain(value), plain(slope), plain(bend)), first


def _last_below(grid: Grid, curves: Floats, peak: Indices, level: Floats) -> tuple[Indices, Flags]:
    """The last bin before `peak` below `level`, the first searched where there is none, and whether."""
    found = last_below(curves, level, grid.searched, peak)
    return found, at(curves, found) < level


def _back(curves: Floats, peak: Indices) -> tuple[Indices, Flags]:
    """The first bin after `peak` that is back at the baseline, the last where there is none, and whether."""
    found = first_not_above(curves, 0.0, peak)
    return found, at(curves, found) <= 0.0


def _passage(
    grid: Grid, fine: Floats, curves: Floats, bin_before: Indices, level: Floats | float, sign: float
) -> tuple[Floats, Floats]:
    """When the wave rises (`sign` 1) or falls (-1) through `level`, and how steeply.

    It does between the middles of `bin_before` and the next bin; in half bins, and uV per half bin.
    """
    here = at(curves, bin_before)
    step = at(curves, smaller(bin_before + 1, grid.bins - 1)) - here
    part = (level - here) / either(abs(step) > _FLAT, step, np.inf)
    place = (bin_before + 0.5 + between(part, 0.0, 1.0)) * grid.halves
    half = grid.flank_weights.shape[1] // 2
    (value, slope, bend), first = _parabola(grid.flank_weights, fine, whole(np.rint(place)) - half)
    off = place - (first + half)
    steep = slope + 2.0 * bend * off
    missed = level - (value + off * (slope + off * bend))
    step = missed / either(sign * steep > _FLAT, steep, np.inf)
    off = off + between(step, -0.5 * half, 0.5 * half)
    steep = larger(sign * (slope + 2.0 * bend * off), 0.25 * sign * slope)
    return first + half + off, larger(steep, _FLAT)


def _area(
    fine: Floats, onset: tuple[Floats, Indices], end: tuple[Floats, Indices], steep_end: Floats
) -> Floats:
    """The sum of the half bins between two places, parts of bins by their part."""
    before, behind = ((place - bin_of) * at(fine, bin_of) for place, bin_of in (onset, end))
    part = end[0] - end[1]
    above = 0.5 * steep_end * part * (1.0 - part)  # the part before zero lies higher than the whole
    area: Floats = total(fine, (onset[1], end[1])) - before + behind + above
    return area


def _behind(
    grid: Grid,
    curves: Floats,
    between: tuple[Indices, Indices],
    phase: Floats,
    end: Floats,
    has_end: Flags,
) -> tuple[Floats, Floats, Floats]:
    """Of what follows the wave: the trough, how high it rises, and when its last negative phase is over.

    A phase is at least `phase` high and lies before the sweep is at rest; where there is none, it is over
    when the wave is, at `end`. What rises later is a background carried on too far.
    """
    after, rest = between
    trough = _trough(curves, lowest_place(curves, after), after)
    _, later = extremes(curves, after, rest)
    later = later * has_end
    there = later >= phase
    if not anywhere(there):
        return trough, later, end
    high = curves >= each(phase)
    high &= grid.places >= each(after)
    high &= grid.places < each(rest)
    high[..., 0] = True
    over = curves <= 0.0
    over &= grid.places >= each(last(high))
    over_at = either(over.any(axis=-1), over.argmax(axis=-1), grid.bins)
    return trough, later, either(there, over_at * grid.halves, end)


def _ahead(
    grid: Grid,
    curves: Floats,
    between: tuple[Indices, Indices],
    levels: tuple[Floats, Floats],
    onset: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Of what precedes the wave: the dip, how high it rises, and when its first negative phase takes off.

    A phase is at least as high as the first of `levels`, and begins at the second; where there is none, it
    is the wave that takes off first, at `onset`.
    """
    (quiet, before), (phase, level) = between, levels
    dip, earlier = extremes(curves, quiet, before)
    there = earlier >= phase
    if not anywhere(there):
        return -dip, earlier, onset
    curves, places = until(curves, before), until(grid.places, before)
    high = curves >= each(phase)
    high &= places >= each(quiet)
    low = last_below(curves, level, quiet, high.argmax(axis=-1))
    return -dip, earlier, either(there, low * grid.halves, onset)


def _trough(curves: Floats, lowest: Indices, begin: Indices) -> Floats:
    """The lowest level: the parabola through the five bins around the lowest, where there are five."""
    middle = smaller(lowest, curves.shape[-1] - 3)
    five = window(curves, middle - 2, 5)
    room = (middle == lowest) & (lowest >= begin + 2)
    trough: Floats = either(room, product(five, _LEVEL_OF_FIVE), at(curves, lowest))
    return trough


def _notch(curves: Floats, before: Indices, peak: Indices, after: Indices) -> Floats:
    """How deep the deepest notch of the negative wave is, on either side of its peak."""
    both = flanks(curves, smaller(before, peak - 1), peak, larger(after, peak + 1))
    deepest: Floats = larger(*(highest(flank - np.minimum.accumulate(flank, axis=-1)) for flank in both))
    return deepest
