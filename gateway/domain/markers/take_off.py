"""Where the quiet part ends: at the take-off, or where a positive dip before it begins."""

from typing import Final

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Floats, Indices
from gateway.domain.markers.rows import at, each, either, larger, last, smaller, whole
from gateway.domain.markers.search import Candidates

_LEVEL: Final = (0.01, 3.0)  # of the height, and standard deviations: above it the wave has taken off
_DIP: Final = 5.0  # standard deviations: below it, the sweep dips
_BEFORE_FOOT: Final = 0.5  # of the way from foot to half: how far before the foot the take-off may lie
_GUARD: Final = (0.1, 0.3)  # ms, and parts of the rise: what is left out before the take-off
_OF_QUIET: Final = 0.3  # but no more than this part of the quiet sweep


def earliest_take_off(grid: Grid, candidates: Candidates) -> Indices:
    """The bin before which a take-off is not looked for at first: not far before the candidate's foot."""
    lead = whole(_BEFORE_FOOT * (candidates.half - candidates.foot + 1))
    earliest: Indices = larger(candidates.foot - lead, grid.searched)
    return earliest


def quiet_part(
    grid: Grid, curves: Floats, candidates: Candidates, noise: Noise, earliest: Indices
) -> Indices:
    """The bin where the quiet part of each sweep ends; `curves` are bins without the background known so far.

    The take-off is not looked for before `earliest`.
    """
    height = at(curves, candidates.peak)
    below = curves < each(larger(_LEVEL[0] * height, _LEVEL[1] * noise.deviation))
    below |= grid.places <= each(smaller(earliest, candidates.low))
    below &= grid.places <= each(candidates.low)
    take_off = either(earliest < candidates.low, last(below), candidates.low)
    dips = curves < each(-larger(grid.scale.dip_fraction * height, _DIP * noise.deviation))
    dips &= grid.places >= each(candidates.quiet)
    dip = dips.argmax(axis=-1)
    # a dip is seen only once it is deep
    lead = int(grid.scale.dip_lead_ms / grid.step_ms)
    dipped = at(dips, dip) & (dip < take_off)
    begin = either(dipped, larger(dip - lead, grid.searched), take_off)
    guard_ms = _GUARD[0] + _GUARD[1] * candidates.rise_ms
    guard = whole(smaller(guard_ms / grid.step_ms, _OF_QUIET * (begin - grid.searched)))
    end: Indices = larger(larger(begin - guard, smaller(candidates.quiet, begin)), grid.searched)
    return end
