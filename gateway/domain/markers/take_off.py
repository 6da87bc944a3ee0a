"""Where the quiet part ends: at the take-off, or where a positive dip before it begins."""

from typing import Final

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Floats, Indices
from gateway.domain.markers.rows import (
    anywhere,
    at,
    each,
    either,
    extremes,
    highest_place,
    larger,
    last,
    last_below,
    smaller,
    until,
    whole,
)
from gateway.domain.markers.search import Candidates

# Of the height, and standard deviations: above it the sweep is not quiet. Far below the level of the
# take-off: a gentle foot that is taken for baseline bends the background up into the wave.
FOOT: Final = (0.003, 3.0)
_DIP: Final = 5.0  # standard deviations: below it, the sweep dips
_HALF: Final = 0.5  # of its depth: here the dip is timed
# It begins this many times as long before as it takes from half to its deepest: a half sine 0.5, a bell's
# second derivative 1.9.
_LEAD: Final = 2.0
# Of the way from foot to half: how far before the foot the take-off may lie, of a gentle and of a sharp wave.
GENTLE: Final = 0.5
SHARP: Final = 0.25
_GUARD: Final = (0.1, 0.3)  # ms, and parts of the rise: what is left out before the take-off
_OF_QUIET: Final = 0.3  # but no more than this part of the quiet sweep


def earliest_take_off(grid: Grid, candidates: Candidates, lead: float) -> Indices:
    """The bin before which a take-off is not looked for at first: not far before the candidate's foot.

    `lead` is `GENTLE` or `SHARP`. Before a sharp wave the background bends on unseen, as a foot would.
    """
    bins = whole(lead * (candidates.half - candidates.foot + 1))
    earliest: Indices = larger(candidates.foot - bins, grid.searched)
    return earliest


def quiet_part(
    grid: Grid, curves: Floats, candidates: Candidates, noise: Noise, earliest: Indices
) -> Indices:
    """The bin where the quiet part of each sweep ends, the take-off not looked for before `earliest`.

    `curves` are bins, up to the peak at least, without the background known so far.
    """
    height = at(curves, candidates.peak)
    curves = until(curves, candidates.low)
    level = larger(FOOT[0] * height, FOOT[1] * noise.deviation)
    take_off = last_below(curves, level, smaller(earliest, candidates.low), candidates.low)
    deepest, _ = extremes(curves, candidates.quiet, take_off)
    dips = deepest < -larger(grid.scale.dip_fraction * height, _DIP * noise.deviation)
    begin = take_off
    if anywhere(dips):
        begin = either(dips, _dip(grid, curves, candidates.quiet, take_off), take_off)
    guard_ms = _GUARD[0] + _GUARD[1] * candidates.rise_ms
    guard = whole(smaller(guard_ms / grid.step_ms, _OF_QUIET * (begin - grid.searched)))
    end: Indices = larger(larger(begin - guard, smaller(candidates.quiet, begin)), grid.searched)
    return end


def _dip(grid: Grid, curves: Floats, quiet: Indices, take_off: Indices) -> Indices:
    """Where the dip between `quiet` and `take_off` begins: it is seen only once it is deep."""
    bottom = highest_place(-curves, quiet, take_off - 1)
    places = until(grid.places, bottom)
    shallow = until(curves, bottom) >= each(_HALF * at(curves, bottom))
    shallow |= places <= grid.searched
    shallow &= places <= each(bottom)
    half = last(shallow)
    least = grid.scale.dip_lead_ms / grid.step_ms
    # back to the first bin: a baseline that is not known yet, rather than a dip
    unknown = half == grid.searched
    lead = either(unknown, least, larger(least, _LEAD * (bottom - half)))
    begin: Indices = larger(either(unknown, quiet, half) - whole(lead), grid.searched)
    return begin
