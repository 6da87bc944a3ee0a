"""What is said of a sweep beside its marks: each with its number."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.reading import Reading
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.response import certain
from gateway.domain.markers.settings import Scale
from gateway.domain.markers.wave import DIP, NOTCH, PHASE
from gateway.domain.quality import Quality

# Engineering settings, no published authority: from here on a reader would want to know.
_LOW_SIGNAL: Final = 20.0  # times its standard error
_ARTEFACT: Final = 3.0  # times the level that the take-off is timed at
_MOVED: Final = 0.05  # of the height
_CLIPPED_MS: Final = 0.15
# A cut-off top lies within so many counts of its median (averaging leaves some). A round one falls off as a
# parabola does: a quarter of its length beyond by 14 counts, and noise; a clipped one falls steeply.
_WITHIN: Final = 3
_CLIPPED_COUNTS: Final = 30
_CLIPPED_SAMPLES: Final = 6
_PHASE_ERRORS: Final = 5.0
_RAIL_SHARE: Final = (0.1, 0.5)  # of the samples, at each limit and at both
_RAIL_COUNTS: Final = 64
_DIGITS: Final = 3

Counts = NDArray[np.int32]


class Clipped(NamedTuple):
    """How long, in ms, the wave and what follows it are cut off; 0: not."""

    top_ms: float
    trough_ms: float


def rounded(value: float) -> float:
    """To three significant digits: nobody reads more."""
    return float(f"{value:.{_DIGITS}g}")


def unmarkable(counts: Floats) -> Iterator[Quality | None]:
    """Why nothing can be read off each row of counts, if so: it is flat, or at the converter's limits."""
    lowest, highest = np.minimum.reduce(counts, axis=1), np.maximum.reduce(counts, axis=1)
    for row, low, high in zip(counts, lowest.tolist(), highest.tolist(), strict=True):
        yield _constant_or_clipped(row, low, high)


def _constant_or_clipped(counts: Floats, low: float, high: float) -> Quality | None:
    if low == high:
        return Quality("constant_signal", 0.0)
    if high - low >= _RAIL_COUNTS:
        top = np.count_nonzero(counts == high) / counts.size
        if top < _RAIL_SHARE[0]:
            return None
        bottom = np.count_nonzero(counts == low) / counts.size
        if bottom >= _RAIL_SHARE[0] and top + bottom >= _RAIL_SHARE[1]:
            return Quality("all_clipped", rounded(100.0 * (top + bottom)))
    return None


def flags(grid: Grid, reading: Reading, cut: Clipped) -> Iterator[Quality]:
    """What is to be said of a response that was marked."""
    scale, wave = grid.scale, reading.wave
    height = wave.height_uv
    if any(cut):
        yield Quality("clipped", rounded(max(cut)))
    artefact = abs(reading.artefact_uv)
    level = max(scale.onset_fraction * height, scale.onset_floor_uv)
    if not wave.has_onset or artefact > _ARTEFACT * level:
        yield Quality("artefact_overlaps_onset", rounded(artefact))
    if abs(reading.moved_uv) > max(_MOVED * height, 2 * scale.mains_uv):
        yield Quality("baseline_unsteady", rounded(abs(reading.moved_uv)))
    yield from hum_flag(scale, reading)
    significance = height / reading.errors["height"]
    if not certain(scale, wave, reading.errors["height"]):
        yield Quality("uncertain_response", rounded(significance))
    elif significance < _LOW_SIGNAL:
        yield Quality("low_signal_to_noise", rounded(significance))
    if not wave.has_end:
        yield Quality("sweep_ends_before_return", rounded(grid.times_ms[-1] - wave.peak_ms))
    if wave.dip_uv >= max(DIP[0] * height, DIP[1] * reading.deviation_uv):
        yield Quality("initial_positivity", rounded(wave.dip_uv))
    yield from _shape(reading)


def hum_flag(scale: Scale, reading: Reading) -> Iterator[Quality]:
    """Mains hum that is as large as is expected at most."""
    if reading.hum_uv >= scale.mains_uv:
        yield Quality("mains", rounded(reading.hum_uv))


def _shape(reading: Reading) -> Iterator[Quality]:
    wave = reading.wave
    deviation = reading.deviation_uv
    if wave.notch_uv >= max(NOTCH[0] * wave.height_uv, NOTCH[1] * deviation):
        yield Quality("notched", rounded(100.0 * wave.notch_uv / wave.height_uv))
    if dispersed(reading):
        yield Quality("dispersed", rounded(100.0 * wave.other_uv / wave.height_uv))


def dispersed(reading: Reading) -> bool:
    """Whether the response has another negative phase that is not noise."""
    wave = reading.wave
    least = max(PHASE[0] * wave.height_uv, PHASE[1] * reading.deviation_uv)
    return wave.other_uv >= max(least, _PHASE_ERRORS * reading.errors["height"])


def clipped(grid: Grid, reading: Reading, counts: Counts, rate_hz: float) -> Clipped:
    """Whether the wave lies flat at its highest or the trough after it at its lowest count."""
    begin, end = (grid.skipped + place * grid.width for place in (reading.wave.begin, reading.wave.end))
    tops, troughs = slice(begin, end + 1), slice(end, end + max(end - begin, 2))
    # ~ turns counts upside down, the lowest of 32 bits too
    return Clipped(_cut_ms(counts, tops, rate_hz), _cut_ms(~counts, troughs, rate_hz))


def _cut_ms(counts: Counts, part: slice, rate_hz: float) -> float:
    """How long `counts` are cut off at the highest of this part of them; 0 where they are not."""
    values = counts[part]  # never empty: what is called a response lasts, and returns within the sweep
    highest = (values >= int(np.maximum.reduce(values)) - _WITHIN).nonzero()[0]
    length_ms = _plateau(counts, part.start + int(highest[highest.size // 2])) * 1000.0 / rate_hz
    return length_ms if length_ms >= _CLIPPED_MS else 0.0


def _plateau(counts: Counts, place: int) -> int:
    """How many samples around `place` are the same where the curve runs into them, not up to them; else 0."""
    around = sorted(counts[max(place - 4, 0) : place + 5].tolist())
    limit = around[len(around) // 2]
    if around[-1] - around[0] > 2 * _WITHIN:
        return 0
    other = np.flatnonzero(np.abs(counts - np.int64(limit)) > _WITHIN)
    after = int(np.searchsorted(other, place))
    first = int(other[after - 1]) if after > 0 else -1
    last = int(other[after]) if after < other.size else counts.size
    length = last - first - 1
    beside = length // 4
    sides = [at for at in (first - beside, last + beside) if 0 <= at < counts.size]
    falls = [abs(limit - int(counts[at])) for at in sides]
    return length if length >= _CLIPPED_SAMPLES and falls and min(falls) >= _CLIPPED_COUNTS else 0
