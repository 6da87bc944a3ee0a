"""The standard error of every mark: from the noise, and from what is not known of the background.

A mark is a sum of samples with the background taken off; its variance is that of the sum plus what the
background's covariance makes of it there. A mark in time has the variance of its height over the squared
slope. What is measured on simulated sweeps, not derived, is marked so; `docs/markers.md` shows the coverage.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from gateway.domain.markers.background import Fit, Hum
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.search import Candidate
from gateway.domain.markers.wave import TROUGH_GAIN, Wave

# Measured: how much of the move between two estimates of the background counts as doubt about its shape.
_OF_MOVE: Final = 0.35
# Measured: what binning leaves of a time (half bins) and of heights and areas (parts of them).
_BINNED: Final = 0.12
_HEIGHT: Final = 0.001
_AREA: Final = 0.0015
_TOP: Final = 0.012  # of the time from half to peak: the jagged top that few motor units make
_DIP: Final = 0.1  # of a positive dip before the wave: where the baseline lies under it is not seen
_DIP_SEEN: Final = 3.0  # deviations
_FOLLOWED: Final = 0.8  # of the way a take-off was followed below the noise


def standard_errors(
    grid: Grid,
    waves: Sequence[Wave],
    noises: Sequence[Noise],
    hums: Sequence[Hum],
    candidates: Sequence[Candidate],
    background: Fit,
    moved: Floats,
) -> list[dict[str, float]]:
    """The standard errors of each wave, by mark.

    `onset`, `peak`, `end`, `duration` in ms, `height`, `peak_to_peak` in uV, `area` in uV.ms. `moved`
    is how far the coefficients of the background have moved since a first estimate.
    """
    doubts = _doubts(grid, waves, background.covariances(), moved)
    rows = zip(waves, noises, hums, candidates, doubts, strict=True)
    return [_errors(grid, *row) for row in rows]


def _doubts(grid: Grid, waves: Sequence[Wave], covariances: Floats, moved: Floats) -> list[list[float]]:
    """What the background adds to the variance of onset, peak, end (uV^2), duration, area (uV^2.ms^2)."""
    places = np.array([wave.places for wave in waves])
    slopes = np.array([(wave.steep_on, wave.steep_end) for wave in waves])
    heights = grid.at_fine[places]
    duration = -heights[:, 2] / slopes[:, 1, None] - heights[:, 0] / slopes[:, 0, None]
    area = grid.integrals[places[:, 2]] - grid.integrals[places[:, 0]]
    sums = np.concatenate([heights, duration[:, None], area[:, None]], axis=1)
    spread = np.add.reduce(sums[:, :, :, None] * covariances[:, None], axis=2)
    known = np.add.reduce(spread * sums, axis=2)
    shape = np.add.reduce(sums * moved[:, None, :], axis=2)
    doubts: list[list[float]] = (known + (_OF_MOVE * shape) ** 2).tolist()
    return doubts


def _errors(
    grid: Grid, wave: Wave, noise: Noise, hum: Hum, candidate: Candidate, doubt: Sequence[float]
) -> dict[str, float]:
    fine = noise.variance * grid.halves
    on, end = wave.steep_on**2, wave.steep_end**2
    flank = grid.flank_gain * fine
    lasts_ms = wave.end_ms - wave.onset_ms
    binned = (_BINNED * grid.fine_ms) ** 2
    followed = (_FOLLOWED * wave.back_ms) ** 2
    dip = (_DIP * max(wave.dip_uv - _DIP_SEEN * noise.deviation, 0.0)) ** 2
    rise = max(candidate.rise_ms / grid.fine_ms, 1.0)
    bend = max(min(wave.bend, wave.height_uv / rise**2), 1e-9)
    variances = {
        "onset": (flank + doubt[0] + hum.variance + dip) / on + binned + followed,
        "peak": fine * grid.top_gain * (grid.fine_ms / bend) ** 2 + binned + (_TOP * candidate.rise_ms) ** 2,
        "height": fine * grid.peak_gain + doubt[1] + hum.variance + dip + (_HEIGHT * wave.height_uv) ** 2,
        "end": (flank + doubt[2] + hum.variance + dip) / end + binned,
        "duration": (flank + dip) / on + (flank + dip) / end + doubt[3] + 2 * binned + followed,
        "area": fine * grid.fine_ms * abs(lasts_ms)
        + doubt[4]
        + (hum.variance / 2 + dip) * lasts_ms**2
        + (_AREA * wave.area_uv_ms) ** 2,
    }
    variances["peak_to_peak"] = (
        variances["height"]
        + noise.variance * TROUGH_GAIN
        + doubt[2]
        + hum.variance
        + (_HEIGHT * wave.trough_uv) ** 2
    )
    measured = grid.scale.error_factor
    return {name: measured * math.sqrt(max(variance, 0.0)) for name, variance in variances.items()}
