"""Whether a wave is cut off: flat where the curve runs into a limit, not up to it.

A cut-off top lies within so many counts of its median (averaging leaves some). A round one falls off as a
parabola does: a quarter of its length beyond by 14 counts, and noise; a clipped one falls steeply. All
settings are engineering ones, no published authority.
"""

import operator
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.wave import OneWave

_WITHIN: Final = 3
_AROUND: Final = 4
_CLIPPED_MS: Final = 0.15
_CLIPPED_COUNTS: Final = 30
_CLIPPED_SAMPLES: Final = 6
_LOWEST: Final = int(np.iinfo(np.int32).min)

Counts = NDArray[np.int32]


class Clipped(NamedTuple):
    """How long, in ms, the wave and what follows it are cut off; 0: not."""

    top_ms: float
    trough_ms: float


def clipped(grid: Grid, waves: Sequence[OneWave], counts: Sequence[Counts], rate_hz: float) -> list[Clipped]:
    """Whether each wave lies flat at its highest or the trough after it at its lowest count."""
    begins = [grid.skipped + wave.begin * grid.width for wave in waves]
    backs = [grid.skipped + wave.end * grid.width for wave in waves]
    rows = list(zip(counts, begins, backs, strict=True))
    tops = [row[begin : back + 1] for row, begin, back in rows]
    # ~ turns counts upside down, the lowest of 32 bits too
    troughs = [~row[back : back + max(back - begin, 2)] for row, begin, back in rows]
    middles = map(operator.add, (*begins, *backs), _middles((*tops, *troughs)))
    top_ms = [_cut_ms(row, next(middles), rate_hz, upright=True) for row in counts]
    trough_ms = [_cut_ms(row, next(middles), rate_hz, upright=False) for row in counts]
    return list(map(Clipped, top_ms, trough_ms))


def _middles(parts: Sequence[Counts]) -> Iterator[int]:
    """The middle one of the places in each part that are as high as its highest; none is empty."""
    sizes = [part.size for part in parts]
    begins = [0, *accumulate(sizes)]
    values = np.concatenate(parts)
    highest = np.maximum.reduceat(values, begins[:-1])
    least = np.maximum(highest, _LOWEST + _WITHIN) - _WITHIN
    near = (values >= least.repeat(sizes)).nonzero()[0]
    bounds = near.searchsorted(begins)
    middles = near[(bounds[:-1] + bounds[1:]) // 2]
    return map(operator.sub, middles.tolist(), begins)


def _cut_ms(counts: Counts, place: int, rate_hz: float, *, upright: bool) -> float:
    """How long `counts` are cut off around `place`; 0 where they are not: most are not even flat there."""
    first, last, middle = max(place - _AROUND, 0), min(place + _AROUND, counts.size - 1), counts.item(place)
    if abs(middle - counts.item(first)) > 2 * _WITHIN or abs(middle - counts.item(last)) > 2 * _WITHIN:
        return 0.0
    around = sorted(counts[first : last + 1].tolist())
    if around[-1] - around[0] > 2 * _WITHIN:
        return 0.0
    limit = around[(len(around) - (not upright)) // 2]
    length_ms = _plateau(counts, place, limit) * 1000.0 / rate_hz
    return length_ms if length_ms >= _CLIPPED_MS else 0.0


def _plateau(counts: Counts, place: int, limit: int) -> int:
    """How many samples around `place` are at the limit where the curve runs into it, not up to it; else 0."""
    other = np.flatnonzero(np.abs(counts - np.int64(limit)) > _WITHIN)
    after = int(np.searchsorted(other, place))
    first = int(other[after - 1]) if after > 0 else -1
    last = int(other[after]) if after < other.size else counts.size
    length = last - first - 1
    beside = length // 4
    sides = [at for at in (first - beside, last + beside) if 0 <= at < counts.size]
    falls = [abs(limit - int(counts[at])) for at in sides]
    return length if length >= _CLIPPED_SAMPLES and falls and min(falls) >= _CLIPPED_COUNTS else 0
