"""What lies under the response: drift, hum and the artefact's tail, learnt where nothing answers.

A Bayesian regression. Beforehand only the size of each disturbance is known (`config/markers.toml`); the
quiet part before the take-off, and a point of the tail, say what it is in this sweep. What the sweep does not
tell stays uncertain, and the uncertainty goes into the standard error of every mark.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Floats, applied, combined, projected
from gateway.domain.markers.search import Candidate
from gateway.domain.markers.tables import TREND, Level

# Hum is taken from a tail at least this long, when it stands out and the tail is nothing but trend and hum.
_LONG_MS: Final = 10.0
_STANDS_OUT: Final = 12.0  # its power over the variance of its two coefficients
_LOUDEST: Final = 4.0  # times what is expected, unless the tail shows a whole period
_PERIOD_MS: Final = 16.0
_OVER_MS: Final = 18.0  # after its peak nearly every response is over
_FAINTEST: Final = 1 / 16
_MISFIT: Final = 3.0  # standard deviations of the tail's chi square
_PARAMETERS: Final = 5
_EACH_HERTZ: Final = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 5, 6]])  # of the columns of the tail
_ARTEFACT_OVER_MS: Final = 3.0
_MOST: Final = 0.5  # of a sweep's power
_NEARLY_ALL: Final = 0.8
# Measured: the part of its power by which hum is mistaken, for what is left of the response in the tail.
_OF_HUM: Final = 0.03
_POINT: Final = 10  # bins of the tail whose mean anchors the background
_OF_WAVE: Final = 0.02  # of the response: what an after-potential may still leave there


class Hum(NamedTuple):
    """Mains hum seen in the tail: 0 for 50 Hz, 1 for 60 Hz; cosine and sine in uV, 0 where none was seen.

    `known`: the tail was long and quiet enough to tell. `variance` is that of a coefficient.
    """

    which: int
    cosine: float
    sine: float
    known: bool
    variance: float

    @property
    def amplitude_uv(self) -> float:
        """Peak amplitude."""
        return math.hypot(self.cosine, self.sine)


def hums(grid: Grid, bins: Floats, noises: Sequence[Noise], tails: Sequence[int]) -> list[Hum]:
    """The hum of each sweep, from where its tail begins."""
    begins = np.array(tails)
    first = bins[np.arange(len(bins)), np.minimum(begins, grid.bins - 1)]
    tail = (bins - first[:, None]) * (grid.places >= begins[:, None])
    levels = [_level(entry.variance) for entry in noises]
    seen = projected(tail, grid.tails)[:, _EACH_HERTZ]
    rows = zip(levels, tails, strict=True)
    posterior = np.array([grid.tail.covariance(level, tail) for level, tail in rows])
    found = applied(posterior, seen * _precisions(levels)[:, None, None])
    explained = np.add.reduce(found * seen, axis=2).tolist()
    power = np.add.reduce(tail * tail, axis=1).tolist()
    variances = (posterior[:, :, 3, 3] + posterior[:, :, 4, 4]).tolist()
    seen_hums = zip(noises, tails, found[:, :, 3:].tolist(), explained, power, variances, strict=True)
    return [_hum(grid, *row) for row in seen_hums]


def tails(grid: Grid, candidates: Sequence[Candidate], noises: Sequence[Noise]) -> list[int]:
    """Where hum is looked for: in the quiet tail or, where loud hum leaves none, long after the response."""
    late = round(_OVER_MS / grid.step_ms)
    least = round(_PERIOD_MS / grid.step_ms)
    return [
        min(max(candidate.peak + late, 0), grid.bins)
        if entry.tail > grid.bins - least and candidate.peak + late <= grid.bins - least
        else entry.tail
        for candidate, entry in zip(candidates, noises, strict=True)
    ]


def loud_hum(grid: Grid, fine: Floats) -> float:
    """The amplitude in uV of hum that is most of a sweep (half bins) and louder than expected; else 0."""
    begin = grid.searched + round(_ARTEFACT_OVER_MS / grid.step_ms)
    if (grid.bins - begin) * grid.step_ms < _LONG_MS:  # half a period tells nothing
        return 0.0
    rest = grid.whole(fine[None])[0, begin:]
    waves = grid.hums[:, :, begin:]
    along = np.arange(rest.size) - (rest.size - 1) / 2.0
    level = rest - np.add.reduce(rest) / rest.size
    flat = level - along * (np.add.reduce(along * level) / np.add.reduce(along * along))
    for values, most in ((level, _NEARLY_ALL), (flat, _MOST)):  # a slope passes for hum, and hum for a slope
        sums = np.add.reduce(values * waves, axis=2)
        amplitude = 2.0 / rest.size * float(np.sqrt(np.add.reduce(sums * sums, axis=1).max()))
        shown = amplitude * amplitude * rest.size / 2.0 >= most * float(np.add.reduce(values * values))
        if shown and amplitude > _LOUDEST * grid.scale.mains_uv:
            return amplitude
    return 0.0


def _hum(
    grid: Grid,
    noise: Noise,
    tail: int,
    found: Sequence[Sequence[float]],
    explained: Sequence[float],
    power: float,
    variances: Sequence[float],
) -> Hum:
    which = 0 if explained[0] >= explained[1] else 1
    cosine, sine = found[which]
    size = cosine * cosine + sine * sine
    variance = variances[which]
    lasts_ms = (grid.bins - tail) * grid.step_ms
    free = max(grid.bins - tail - _PARAMETERS, 1)
    chi_square = (power - explained[which]) / noise.variance / free
    expected = grid.scale.mains_uv
    known = (
        lasts_ms >= _LONG_MS
        and (size < (_LOUDEST * expected) ** 2 or lasts_ms >= _PERIOD_MS)
        and chi_square < 1.0 + _MISFIT * math.sqrt(2.0 / free)
    )
    if known and size > _STANDS_OUT * variance and size > (_FAINTEST * expected) ** 2:
        return Hum(which, cosine, sine, known, variance / 2 + _OF_HUM * size)
    return Hum(which, 0.0, 0.0, known, variance / 2 if known else 0.0)


def without_hum(values: Floats, hums: Sequence[Hum], waves: Floats) -> Floats:
    """The sweeps without their hum; `waves` (2, 2, points) are those of 50 and 60 Hz."""
    if not any(hum.cosine or hum.sine for hum in hums):
        return values
    coefficients: Floats = np.array([(hum.cosine, hum.sine) for hum in hums])
    chosen = waves[[hum.which for hum in hums]]
    found: Floats = values - np.add.reduce(coefficients[:, :, None] * chosen, axis=1)
    return found


class Fit(NamedTuple):
    """Coefficients (n, k) of the background; `ends` are the bins each sweep was taken to be quiet up to.

    `before` (n, k, k) are their covariances but for the point in the tail, `reach` and `gain` what that adds.
    """

    ends: Sequence[int]
    coefficients: Floats
    before: Floats
    reach: Floats
    gain: Floats

    def covariances(self) -> Floats:
        """The covariances (n, k, k) of the coefficients."""
        return self.before - self.reach[:, :, None] * (self.reach * self.gain[:, None])[:, None, :]


class Background:
    """Fits the background of sweeps (n, bins) to their quiet parts."""

    def __init__(
        self,
        grid: Grid,
        bins: Floats,
        candidates: Sequence[Candidate],
        noises: Sequence[Noise],
        hums: Sequence[Hum],
    ) -> None:
        self._grid: Final = grid
        self._kept: Final = bins * grid.kept
        self._levels: Final = [_level(entry.variance) for entry in noises]
        self._precisions: Final = _precisions(self._levels)[:, None]
        self._known: Final = [hum.known for hum in hums]
        points = np.array([min(entry.tail, grid.bins - _POINT) for entry in noises])
        times_ms = grid.times_ms[points] + (_POINT - 1) / 2 * grid.step_ms
        self._at: Final = np.stack([np.ones_like(times_ms), times_ms, times_ms * times_ms / 100.0], axis=1)
        means = bins[np.arange(len(bins))[:, None], points[:, None] + np.arange(_POINT)]
        self._points: Final = np.add.reduce(means, axis=1) / _POINT
        self._doubts: Final = np.array(
            [
                (grid.scale.wander_uv + _OF_WAVE * candidate.prominence_uv) ** 2
                if entry.tail <= grid.bins - _POINT
                else np.inf
                for candidate, entry in zip(candidates, noises, strict=True)
            ]
        )

    def fit(self, ends: Sequence[int]) -> Fit:
        """What the background is when each sweep is quiet up to its bin in `ends`."""
        grid = self._grid
        rows = zip(self._levels, ends, self._known, strict=True)
        covariance = np.array(
            [grid.background.covariance(level, end, hum_known=known) for level, end, known in rows]
        )
        seen = projected(self._kept * (grid.places < np.array(ends)[:, None]), grid.columns)
        found = applied(covariance, seen * self._precisions)
        # one more observation, the point in the tail: a rank-one update
        reach = np.add.reduce(covariance[:, :, :TREND] * self._at[:, None, :], axis=2)
        gain = 1.0 / (np.add.reduce(reach[:, :TREND] * self._at, axis=1) + self._doubts)
        missed = self._points - np.add.reduce(self._at * found[:, :TREND], axis=1)
        found = found + reach * (gain * missed)[:, None]
        return Fit(ends, found, covariance, reach, gain)


def residual(values: Floats, found: Floats, columns: Floats) -> Floats:
    """What the background leaves of the sweeps."""
    return values - combined(found, columns)


def _level(variance: float) -> Level:
    return round(math.log2(variance))


def _precisions(levels: Sequence[Level]) -> Floats:
    return np.array([2.0**-level for level in levels])
