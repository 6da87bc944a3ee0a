"""What lies under the response: drift, hum and the artefact's tail, learnt where nothing answers.

A Bayesian regression. Beforehand only the size of each disturbance is known (`config/markers.toml`); the
quiet part before the take-off, and a point of the tail, say what it is in this sweep. What the sweep does not
tell stays uncertain, and the uncertainty goes into the standard error of every mark.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise
from gateway.domain.markers.regression import Flags, Floats, Indices, applied, combined, product, projected
from gateway.domain.markers.rows import (
    Many,
    anywhere,
    at,
    each,
    either,
    larger,
    plain,
    power_of_two,
    root,
    smaller,
    until_whole,
    window,
)
from gateway.domain.markers.search import Candidates
from gateway.domain.markers.tables import EACH_HERTZ, POINT

# Hum is taken from a tail at least this long, when it stands out and the tail is nothing but trend and hum.
_LONG_MS: Final = 10.0
_STANDS_OUT: Final = 12.0  # its power over the variance of its two coefficients
_LOUDEST: Final = 4.0  # times what is expected, unless the tail shows a whole period
_PERIOD_MS: Final = 16.0
_OVER_MS: Final = 18.0  # after its peak nearly every response is over
_FAINTEST: Final = 1 / 16
_MISFIT: Final = 3.0  # standard deviations of the tail's chi square
_PARAMETERS: Final = 5
_ARTEFACT_OVER_MS: Final = 3.0
_MOST: Final = 0.5  # of a sweep's power
_NEARLY_ALL: Final = 0.8
_BEND_MS: Final = 10.0  # what the bend of a drift is told for
_MOST_BENT: Final = (
    10.0  # times the bend that is expected; up to there what a bend leaves less of than hum is no hum
)
# Measured: the part of its power by which hum is mistaken, for what is left of the response in the tail.
_OF_HUM: Final = 0.03
# On a tail about as long as a period 50 and 60 Hz look alike. Each is taken off by its share; one alone from
# half of this on, in chi square (a likelihood ratio of 50).
_DECIDED: Final = 16.0
_OF_WAVE: Final = 0.02  # of the response: what an after-potential may still leave there


class Hum(NamedTuple):
    """Mains hum seen in each tail: cosine and sine of 50, then of 60 Hz, in uV, 0 where none was seen.

    Where the tail does not tell which of the two it is, each has a share.
    `known`: the tail was long and quiet enough to tell. `variance` is that of a coefficient, `amplitude_uv`
    the peak amplitude, of both shares together; `heard` whether any of the sweeps hums.
    """

    waves: Floats
    known: Flags
    variance: Floats
    amplitude_uv: Floats
    heard: bool


def hums(grid: Grid, bins: Floats, noise: Noise, begins: Indices) -> Hum:
    """The hum of each sweep, from where its tail begins."""
    tail = bins - each(at(bins, smaller(begins, grid.bins - 1)))
    tail *= grid.places >= each(begins)
    levels = _levels(noise.variance)
    posterior = grid.tail.covariances(levels, begins, 0)
    seen = projected(tail, grid.tails).take(EACH_HERTZ, axis=-1)
    found = applied(posterior, seen * each(each(_precisions(levels))))
    explained = product(found, seen)
    fifty_explains, sixty_explains = (plain(explained[..., of]) for of in (0, 1))
    more = (sixty_explains - fifty_explains) / noise.variance
    sixty = more > 0.0
    share = larger(smaller(0.5 + more / _DECIDED, 1.0), 0.0)
    variances = posterior[..., 3, 3] + posterior[..., 4, 4]
    variance = either(sixty, plain(variances[..., 1]), plain(variances[..., 0]))
    sizes = product(found[..., 3:], found[..., 3:])
    fifty_size, sixty_size = (plain(sizes[..., of]) for of in (0, 1))
    size = either(sixty, sixty_size, fifty_size)
    loudest, faintest = (part * grid.scale.mains_uv for part in (_LOUDEST, _FAINTEST))
    left = grid.bins - begins
    lasts_ms = left * grid.step_ms
    free = larger(left - _PARAMETERS, 1)
    chi_square = (product(tail, tail) - larger(fifty_explains, sixty_explains)) / noise.variance / free
    known = (lasts_ms >= _PERIOD_MS) | (lasts_ms >= _LONG_MS) & (size < loudest * loudest)
    known &= chi_square < 1.0 + _MISFIT * root(2.0 / free)
    stands_out = known & (size > _STANDS_OUT * variance) & (size > faintest * faintest)
    # Two waves that agree in the tail may differ by anything under the response.
    apart = share * (1.0 - share) * (fifty_size + sixty_size) / 2
    doubt = known * variance / 2 + stands_out * (_OF_HUM * size + apart)
    fifty, sixty = (
        found[..., 0, 3:] * each(stands_out * (1.0 - share)),
        found[..., 1, 3:] * each(stands_out * share),
    )
    amplitude_uv = stands_out * ((1.0 - share) * root(fifty_size) + share * root(sixty_size))
    return Hum(np.concatenate((fifty, sixty), axis=-1), known, doubt, amplitude_uv, anywhere(stands_out))


def tails(grid: Grid, candidates: Candidates, noise: Noise) -> Indices:
    """Where hum is looked for: in the quiet tail or, where loud hum leaves none, long after the response."""
    late = candidates.peak + round(_OVER_MS / grid.step_ms)
    latest = grid.bins - round(_PERIOD_MS / grid.step_ms)
    found: Indices = either((noise.tail > latest) & (late <= latest), late, noise.tail)
    return found


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
    bent = along * along - np.add.reduce(along * along) / rest.size
    bend = np.add.reduce(bent * flat) / np.add.reduce(bent * bent)
    drifts = float(np.add.reduce((flat - bent * bend) ** 2))
    if abs(bend) * (_BEND_MS / grid.step_ms) ** 2 > _MOST_BENT * grid.scale.bend_uv:
        drifts = math.inf  # no drift bends so much
    for values, most in ((level, _NEARLY_ALL), (flat, _MOST)):  # a slope passes for hum, and hum for a slope
        sums = np.add.reduce(values * waves, axis=2)
        amplitude = 2.0 / rest.size * float(np.sqrt(np.add.reduce(sums * sums, axis=1).max()))
        explained, power = amplitude * amplitude * rest.size / 2.0, float(np.add.reduce(values * values))
        shown = explained >= most * power and power - explained < drifts
        if shown and amplitude > _LOUDEST * grid.scale.mains_uv:
            return amplitude
    return 0.0


def without_hum(values: Floats, hum: Hum, waves: Floats) -> Floats:
    """The sweeps without their hum; `waves` (2, 2, points) are those of 50 and 60 Hz."""
    return residual(values, hum.waves, waves.reshape(4, -1)) if hum.heard else values


class Fit(NamedTuple):
    """Coefficients (..., k) of the background; up to its bin in `ends` each sweep is quiet.

    `before` (..., k, k) are their covariances but for the point in the tail, `reach` and `gain` what it adds.
    """

    ends: Indices
    coefficients: Floats
    before: Floats
    reach: Floats
    gain: Floats

    def covariances(self) -> Floats:
        """The covariances (..., k, k) of the coefficients."""
        gained = self.reach * each(self.gain)
        covariances: Floats = self.before - self.reach[..., :, None] * gained[..., None, :]
        return covariances


class Evidence(NamedTuple):
    """What each sweep tells of its background: the bins that are kept, and the mean of a point in its tail.

    `levels` are those of the noise, `precisions` what they are worth, `known` whether the tail has shown the
    hum; `at` (..., k) are the columns at the point, `doubts` the variance of what else may be there.
    """

    kept: Floats
    levels: Indices
    precisions: Floats
    known: Flags
    at: Floats
    points: Floats
    doubts: Floats


def evidence(grid: Grid, bins: Floats, candidates: Candidates, noise: Noise, hum: Hum) -> Evidence:
    """What the sweeps of `bins` (..., bins) tell of their background."""
    latest = grid.bins - POINT
    points = smaller(noise.tail, latest)
    means = plain(np.add.reduce(window(bins, points, POINT), axis=-1)) / POINT
    doubts = grid.scale.wander_uv + _OF_WAVE * candidates.prominence_uv
    levels = _levels(noise.variance)
    return Evidence(
        kept=bins * grid.kept,
        levels=levels,
        precisions=_precisions(levels),
        known=hum.known,
        at=grid.points[points],
        points=means,
        doubts=either(noise.tail <= latest, doubts * doubts, np.inf),
    )


def fitted(grid: Grid, seen: Evidence, ends: Indices) -> Fit:
    """What the background is when each sweep is quiet up to its bin in `ends`."""
    covariance = grid.background.covariances(seen.levels, ends, seen.known)
    kept, places, columns = (until_whole(values, ends) for values in (seen.kept, grid.places, grid.columns))
    sums = projected(kept * (places < each(ends)), columns)
    # one more observation, the point in the tail: a rank-one update
    both = applied(covariance, np.array((sums * each(seen.precisions), seen.at)))
    at_point, reached = product(both, seen.at)
    found, reach = both
    gain = 1.0 / (reached + seen.doubts)
    found += reach * each(gain * (seen.points - at_point))
    return Fit(ends, found, covariance, reach, gain)


def refitted(grid: Grid, seen: Evidence, fit: Fit, ends: Indices) -> Fit:
    """The fit with other `ends`: only those sweeps that have another are fitted again."""
    other = ends != fit.ends
    if not anywhere(other):
        return fit
    if not isinstance(other, Many):
        return fitted(grid, seen, ends)
    again = fitted(grid, Evidence._make(column[other] for column in seen), ends[other])
    found = Fit._make(column.copy() for column in fit)
    for column, values in zip(found, again, strict=True):
        column[other] = values
    return found


def residual(values: Floats, found: Floats, columns: Floats) -> Floats:
    """What the background leaves of the sweeps."""
    return values - combined(found, columns)


def _levels(variance: Floats) -> Indices:
    """The noise of each sweep as the power of two that its variance is nearest to."""
    levels: Indices = power_of_two(variance * math.sqrt(2.0)) - 1
    return levels


def _precisions(levels: Indices) -> Any:
    precisions: Any = 2.0**-levels
    return precisions
