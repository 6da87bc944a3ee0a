"""What is said of a sweep beside its marks: each with its number."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.markers.cut_off import Clipped
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.reading import Reading
from gateway.domain.markers.response import certain
from gateway.domain.markers.settings import Scale
from gateway.domain.markers.wave import DIP, NOTCH, PHASE
from gateway.domain.quality import Quality

# Engineering settings, no published authority: from here on a reader would want to know.
_LOW_SIGNAL: Final = 20.0  # times its standard error
_ARTEFACT: Final = 3.0  # times the level that the take-off is timed at
_MOVED: Final = 0.05  # of the height
_PHASE_ERRORS: Final = 5.0
_RAIL_SHARE: Final = (0.1, 0.5)  # of the samples, at each limit and at both
_RAIL_COUNTS: Final = 64
_DIGITS: Final = 3


def rounded(value: float) -> float:
    """To three significant digits: nobody reads more."""
    return float(f"{value:.{_DIGITS}g}")


def unmarkable(counts: NDArray[np.int32]) -> Iterator[Quality | None]:
    """Why nothing can be read off each row of counts, if so: it is flat, or at the converter's limits."""
    lowest, highest = np.minimum.reduce(counts, axis=1), np.maximum.reduce(counts, axis=1)
    at_top = counts == highest[:, None]
    for row, tops, low, high in zip(counts, at_top, lowest.tolist(), highest.tolist(), strict=True):
        yield _constant_or_clipped(row, np.count_nonzero(tops) / row.size, low, high)


def _constant_or_clipped(counts: NDArray[np.int32], top: float, low: int, high: int) -> Quality | None:
    if low == high:
        return Quality("constant_signal", 0.0)
    if top >= _RAIL_SHARE[0] and high - low >= _RAIL_COUNTS:
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
    if wave.has_onset and reading.errors["onset"] > scale.unsure_onset_ms:
        yield Quality("uncertain_onset", rounded(reading.errors["onset"]))
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
