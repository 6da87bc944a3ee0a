"""Where the quiet part ends: at the take-off, or where a positive dip before it begins."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.search import Candidate

_LEVEL: Final = (0.01, 3.0)  # of the height, and standard deviations: above it the wave has taken off
_DIP: Final = 5.0  # standard deviations: below it, the sweep dips
_BEFORE_FOOT: Final = 0.5  # of the way from foot to half: how far before the foot the take-off may lie
_GUARD: Final = (0.1, 0.3)  # ms, and parts of the rise: what is left out before the take-off
_OF_QUIET: Final = 0.3  # but no more than this part of the quiet sweep


def quiet_part(
    grid: Grid, curve: Sequence[float], candidate: Candidate, deviation: float, earliest: int | None = None
) -> int:
    """The bin where the quiet part of a sweep ends; `curve` are its bins without the background known so far.

    The take-off is not looked for before `earliest`; without it, not far before the candidate's foot.
    """
    height = curve[candidate.peak]
    if earliest is None:
        lead = _BEFORE_FOOT * (candidate.half - candidate.foot + 1)
        earliest = max(candidate.foot - int(lead), grid.searched)
    level = max(_LEVEL[0] * height, _LEVEL[1] * deviation)
    take_off = candidate.low
    while take_off > earliest and curve[take_off] >= level:
        take_off -= 1
    begin = take_off
    lowest = min(curve[candidate.quiet : take_off], default=0.0)
    deep = -max(grid.scale.dip_fraction * height, _DIP * deviation)
    if lowest < deep:
        begin = _dip(grid, curve, candidate.quiet, deep)
    guard = min(
        _GUARD[0] / grid.step_ms + _GUARD[1] * candidate.rise_ms / grid.step_ms,
        _OF_QUIET * (begin - grid.searched),
    )
    return max(begin - int(guard), min(candidate.quiet, begin), grid.searched)


def _dip(grid: Grid, curve: Sequence[float], first: int, level: float) -> int:
    """Where the dip begins: it is seen only once it is deep."""
    at = first
    while curve[at] >= level:
        at += 1
    return max(at - int(grid.scale.dip_lead_ms / grid.step_ms), grid.searched)
