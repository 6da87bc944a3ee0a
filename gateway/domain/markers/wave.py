"""The marks of one wave once the background is gone: peak, take-off, return, area, phases.

Bins show where; a parabola through half bins says when, to a fraction of a sample. The take-off is where the
wave last rises through a small part of its peak before it; where the noise is larger than that level, the
wave is timed higher up and followed down the parabola that a take-off is.
"""

import math
from collections.abc import Sequence
from operator import mul
from typing import Final, NamedTuple

from gateway.domain.markers.grid import Grid

_ABOVE_NOISE: Final = 2.5  # standard deviations: the lowest level at which a rising wave is timed
_LONGEST_BACK_MS: Final = 0.6
_NEAR_PEAK_MS: Final = 1.0
# Another negative phase, a notch, a positive dip before it count from this part of the wave on, and this
# many deviations.
PHASE: Final = (0.1, 6.0)
NOTCH: Final = (0.05, 6.0)
DIP: Final = (0.05, 6.0)
_FLAT: Final = 1e-9
# Savitzky, Golay, Anal Chem 1964;36:1627: the level at the middle of five points, and its variance in noise.
_LEVEL_OF_FIVE: Final = (-3 / 35, 12 / 35, 17 / 35, 12 / 35, -3 / 35)
TROUGH_GAIN: Final = 17 / 35


class Wave(NamedTuple):
    """Times in ms after the stimulus, heights in uV.

    `steep_on`, `steep_end`: slopes at take-off and return in uV/ms; `bend`: curvature of the peak in uV per
    half bin squared; `back_ms`: how far the take-off was followed below the noise; `places`: the half bins
    of take-off, peak and return; `has_onset`, `has_end`: whether the sweep shows them; `dip_uv`: the positive
    dip before the take-off; `notch_uv`: the deepest notch; `other_uv`: the highest other negative phase.
    """

    peak_bin: int
    onset_ms: float
    peak_ms: float
    end_ms: float
    height_uv: float
    trough_uv: float
    area_uv_ms: float
    total_end_ms: float
    first_onset_ms: float
    steep_on: float
    steep_end: float
    bend: float
    back_ms: float
    places: tuple[int, int, int]
    has_onset: bool
    has_end: bool
    dip_uv: float
    notch_uv: float
    other_uv: float


class _Passage(NamedTuple):
    """When a curve passes a level, and how steeply."""

    place: float  # in half bins from the begin of the sweep
    slope: float  # uV per half bin


def read_wave(
    grid: Grid, fine: Sequence[float], curve: Sequence[float], peak: int, deviation: float, quiet: int
) -> Wave:
    """The marks of the wave around bin `peak`; `fine` are half bins, `curve` bins, quiet until `quiet`."""
    near = round(_NEAR_PEAK_MS / grid.step_ms)
    first = max(peak - near, grid.earliest_peak)
    around = curve[first : peak + near + 1]
    peak = first + around.index(max(around))
    place, height, bend = _top(grid, fine, peak)
    level = max(grid.scale.onset_fraction * height, grid.scale.onset_floor_uv)
    timed = max(level, _ABOVE_NOISE * deviation)
    before = _last_below(curve, peak, timed, grid.searched)
    on = _passage(grid, fine, curve, max(before, grid.searched), timed, rising=True)
    back = 2.0 / on.slope * (timed - math.sqrt(level * timed))
    onset = on.place - min(back, _LONGEST_BACK_MS / grid.fine_ms)
    after = _first_not_above(curve, peak)
    end = _passage(grid, fine, curve, min(after, grid.bins - 1) - 1, 0.0, rising=False)
    phase = max(PHASE[0] * height, PHASE[1] * deviation)
    total, later = _later(curve, after, phase)
    earliest, earlier = _earlier(curve, max(before, grid.searched), quiet, phase, level)
    ms = grid.fine_ms
    last = len(fine) - 1
    places = (min(max(int(at), 0), last) for at in (onset, place, end.place))
    begin, top, back_at_zero = places
    return Wave(
        peak_bin=peak,
        onset_ms=grid.begin_ms + onset * ms,
        peak_ms=grid.begin_ms + place * ms,
        end_ms=grid.begin_ms + end.place * ms,
        height_uv=height,
        trough_uv=_trough(curve[min(after, grid.bins - 1) :]),
        area_uv_ms=_area(fine, onset, end.place, begin, back_at_zero) * ms,
        total_end_ms=grid.begin_ms + (end.place * ms if total is None else total * grid.step_ms),
        first_onset_ms=grid.begin_ms + (onset * ms if earliest is None else earliest * grid.step_ms),
        steep_on=on.slope / ms,
        steep_end=end.slope / ms,
        bend=bend,
        back_ms=(on.place - onset) * ms,
        places=(begin, top, back_at_zero),
        has_onset=before >= grid.searched,
        has_end=after < grid.bins,
        dip_uv=-min(curve[quiet : max(before, grid.searched)], default=0.0),
        notch_uv=_notch(curve, max(before, grid.searched), peak, min(after, grid.bins - 1)),
        other_uv=max(later, earlier),
    )


def _top(grid: Grid, fine: Sequence[float], peak: int) -> tuple[float, float, float]:
    """Place, height and bend of the parabola through the half bins around the highest bin."""
    middle = peak * grid.halves
    if grid.halves > 1 and fine[middle + 1] >= fine[middle]:
        middle += 1
    half = len(grid.peak_weights[0]) // 2
    value, slope, bend, centre = _parabola(grid.peak_weights, fine, middle - half, centre=half + 0.5)
    at = min(max(-slope / (2.0 * min(bend, -_FLAT)), -half), half)
    return centre + at, value + at * (slope + at * bend), -2.0 * bend


def _parabola(
    weights: Sequence[Sequence[float]], fine: Sequence[float], first: int, *, centre: float
) -> tuple[float, float, float, float]:
    """Value, slope and half the bend at the centre of the window that begins at `first`, and its place."""
    width = len(weights[0])
    first = min(max(first, 0), len(fine) - width)
    window = fine[first : first + width]
    value, slope, bend = (sum(map(mul, one, window)) for one in weights)
    return value, slope, bend, first + centre


def _passage(
    grid: Grid, fine: Sequence[float], curve: Sequence[float], at: int, level: float, *, rising: bool
) -> _Passage:
    """When the wave passes `level` between the middles of bin `at` and the next."""
    step = curve[min(at + 1, len(curve) - 1)] - curve[at]
    part = min(max((level - curve[at]) / step, 0.0), 1.0) if abs(step) > _FLAT else 0.0
    place = (at + 0.5 + part) * grid.halves
    half = len(grid.flank_weights[0]) // 2
    value, slope, bend, centre = _parabola(grid.flank_weights, fine, round(place) - half, centre=float(half))
    sign = 1.0 if rising else -1.0
    off = place - centre
    steep = sign * (slope + 2.0 * bend * off)
    if steep > _FLAT:
        step = sign * (level - (value + off * (slope + off * bend))) / steep
        off += min(max(step, -0.5 * half), 0.5 * half)
    steep = max(sign * (slope + 2.0 * bend * off), 0.25 * sign * slope, _FLAT)
    return _Passage(centre + off, steep)


def _last_below(curve: Sequence[float], peak: int, level: float, first: int) -> int:
    """The last bin before `peak` below `level`; the one before `first` when there is none."""
    at = peak
    while at >= first and curve[at] >= level:
        at -= 1
    return at


def _first_not_above(curve: Sequence[float], peak: int) -> int:
    """The first bin after `peak` that is back at the baseline; the number of bins when there is none."""
    at = peak
    while at < len(curve) and curve[at] > 0.0:
        at += 1
    return at


def _area(fine: Sequence[float], onset: float, end: float, first: int, last: int) -> float:
    """The sum of the half bins from `onset` to `end`, parts of bins by their part."""
    whole = math.fsum(fine[first:last])
    return whole - (onset - first) * fine[first] + (end - last) * fine[last]


def _later(curve: Sequence[float], end: int, least: float) -> tuple[float | None, float]:
    """Where the last negative phase after the wave is over (in bins), and how high such phases rise."""
    highest = max(curve[end:], default=0.0)
    if highest < least:
        return None, 0.0
    at = len(curve) - 1
    while curve[at] < least:
        at -= 1
    while at < len(curve) and curve[at] > 0.0:
        at += 1
    return float(at), highest


def _earlier(
    curve: Sequence[float], onset: int, quiet: int, least: float, level: float
) -> tuple[float | None, float]:
    """Where the first negative phase before the wave takes off (in bins), and how high such phases rise."""
    highest = max(curve[quiet:onset], default=0.0)
    if highest < least:
        return None, 0.0
    at = quiet
    while curve[at] < least:
        at += 1
    while at > quiet and curve[at] >= level:
        at -= 1
    return float(at), highest


def _trough(curve: Sequence[float]) -> float:
    """The lowest level of what follows the wave: the parabola through the five bins around the lowest."""
    lowest = min(curve)
    at = curve.index(lowest)
    around = curve[max(at - 2, 0) : at + 3]
    return sum(map(mul, _LEVEL_OF_FIVE, around)) if len(around) == len(_LEVEL_OF_FIVE) else lowest


def _notch(curve: Sequence[float], onset: int, peak: int, end: int) -> float:
    """How deep the deepest notch of the negative wave is, on either side of its peak."""
    deepest = 0.0
    for flank in (curve[peak:end], curve[onset + 1 : peak + 1][::-1]):
        lowest = math.inf
        for value in flank:
            if value < lowest:
                lowest = value
            elif value - lowest > deepest:
                deepest = value - lowest
    return deepest
