"""The standard error of every mark: from the noise, and from what is not known of the background.

A mark is a sum of samples with the background taken off; its variance is that of the sum plus what the
background's covariance makes of it there. A mark in time has the variance of its height over the squared
slope. What is measured on simulated sweeps, not derived, is marked so; `docs/markers.md` shows the coverage.
"""

from typing import Any, Final

import numpy as np

from gateway.domain.markers.background import Fit, Hum
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Floats, applied, product
from gateway.domain.markers.rows import each, either, first_not_above, larger, last_below, root, smaller
from gateway.domain.markers.take_off import FOOT
from gateway.domain.markers.wave import TROUGH_GAIN, Waves

MARKS: Final = ("onset", "peak", "end", "duration", "height", "peak_to_peak", "area")
_OF_PEAK: Final = np.array([mark == "peak" for mark in MARKS])
# Measured: how much of the move between two estimates of the background counts as doubt about its shape.
_OF_MOVE: Final = 0.35
# Measured: what binning leaves of a time (half bins) and of heights and areas (parts of them).
_BINNED: Final = 0.12
_HEIGHT: Final = 0.0009
_AREA: Final = 0.0013
_TOP: Final = 0.01  # of the time from half to peak: the jagged top that few motor units make
_DIP: Final = 0.1  # of a positive dip before the wave: where the baseline lies under it is not seen
_DIP_SEEN: Final = 3.0  # deviations
_WITHIN: Final = 2.0  # standard errors to either side, nearly all that may be; there no curve is a line
_LEAKED: Final = (
    0.45  # Measured: of what cannot be told from quiet, how much a wave's foot moves the background
)
_SURE: Final = 8.0  # standard errors high
_FOLLOWED: Final = 0.8  # of the way a take-off was followed below the noise


def standard_errors(
    grid: Grid,
    read: tuple[Waves, Floats],
    noise: Noise,
    hum: Hum,
    rise_ms: Floats,
    background: Fit,
    moved: Floats,
) -> Floats:
    """The standard errors of each wave (..., marks), given with the bins it was read from; as in `MARKS`.

    Of times and duration in ms, of heights in uV, of the area in uV.ms. `rise_ms` is the time from half to
    peak; `moved` is how far the coefficients of the background have moved since a first estimate.
    """
    wave, curves = read
    doubt = _doubts(grid, wave, background, moved)
    fine = noise.variance * grid.halves
    on, end = _square(wave.steep_on), _square(wave.steep_end)
    lasts_ms = wave.end_ms - wave.onset_ms
    binned = (_BINNED * grid.fine_ms) ** 2
    followed = _square(_FOLLOWED * wave.back_ms)
    dip = _square(_DIP * larger(wave.dip_uv - _DIP_SEEN * noise.deviation, 0.0))
    flank = grid.flank_gain * fine + dip
    foot = larger(FOOT[0] * wave.height_uv, FOOT[1] * noise.deviation)
    leaked = _square(_LEAKED * foot) / on
    rise = larger(rise_ms / grid.fine_ms, 1.0)
    bend = larger(smaller(wave.bend, wave.height_uv / _square(rise)), 1e-9)
    level = flank + doubt[0] + hum.variance
    height = fine * grid.peak_gain + doubt[1] + hum.variance + dip + _square(_HEIGHT * wave.height_uv)
    # where it is not even sure how high the wave is, its take-off may lie on what is left of the artefact
    unsure = either(height * _SURE * _SURE > _square(wave.height_uv), larger(height, level), level)
    later_ms = _later_ms(grid, wave, curves, _WITHIN * root(larger(unsure, 0.0))) / _WITHIN
    flat = larger(_square(later_ms) - level / on, 0.0)
    back = flank + doubt[2] + hum.variance
    earlier_ms = _earlier_ms(grid, wave, curves, _WITHIN * root(larger(back, 0.0))) / _WITHIN
    flat_end = larger(_square(earlier_ms) - back / end, 0.0)
    trough = noise.variance * TROUGH_GAIN + doubt[2] + hum.variance + _square(_HEIGHT * wave.trough_uv)
    variances = np.array(
        (
            level / on + flat + binned + followed + leaked,
            fine * grid.top_gain * _square(grid.fine_ms / bend) + binned + _square(_TOP * rise_ms),
            back / end + flat_end + binned,
            flank / on + flank / end + doubt[3] + 2 * binned + flat + flat_end + followed + leaked,
            height,
            height + trough,
            fine * grid.fine_ms * abs(lasts_ms)
            + doubt[4]
            + (hum.variance / 2 + dip) * _square(lasts_ms)
            + _square(_AREA * wave.area_uv_ms),
        )
    )
    errors: Floats = np.sqrt(np.maximum(variances, 0.0)).T
    # no background moves a peak: nothing to measure
    errors *= np.where(_OF_PEAK, 1.0, grid.scale.error_factor)
    return errors


def _later_ms(grid: Grid, wave: Waves, curves: Floats, uv: Floats) -> Floats:
    """How much later the take-off would be with the background so many uV higher: long where it is flat."""
    level = uv + larger(grid.scale.onset_fraction * wave.height_uv, grid.scale.onset_floor_uv)
    take_off = last_below(curves, level, grid.searched, wave.peak_bin)
    later_ms: Floats = larger(grid.begin_ms + (take_off + 0.5) * grid.step_ms - wave.onset_ms, 0.0)
    return later_ms


def _earlier_ms(grid: Grid, wave: Waves, curves: Floats, uv: Floats) -> Floats:
    """How much earlier the return would be with the background so many uV higher: long where it is flat."""
    back = first_not_above(curves, uv, wave.peak_bin)
    back_ms = grid.begin_ms + (back + 0.5) * grid.step_ms
    earlier_ms: Floats = larger(wave.end_ms - back_ms, 0.0) * wave.has_end
    return earlier_ms


def _doubts(grid: Grid, wave: Waves, background: Fit, moved: Floats) -> Any:
    """What the background adds to the variance of onset, peak, end (uV^2), duration, area (uV^2.ms^2)."""
    sums = np.empty((5, *moved.shape))
    sums[:3] = grid.at_fine[np.array((wave.begin, wave.top, wave.end))]
    sums[4] = grid.integrals[wave.end] - grid.integrals[wave.begin]
    _of_duration(wave, sums)
    known = product(applied(background.covariances(), sums), sums)
    doubts: Floats = known + _square(_OF_MOVE * product(sums, moved))
    last_seen = grid.at_fine[background.ends * grid.halves]
    sums[:3] -= last_seen
    sums[4] -= last_seen * each(wave.end_ms - wave.onset_ms)
    _of_duration(wave, sums)
    doubts += _square(grid.scale.way_fraction * product(sums, background.coefficients))
    return doubts if moved.ndim > 1 else doubts.tolist()  # of one sweep: plain numbers are quicker


def _of_duration(wave: Waves, sums: Floats) -> None:
    sums[3] = -sums[2] / each(wave.steep_end) - sums[0] / each(wave.steep_on)


def _square(value: Floats) -> Floats:
    return value * value
