"""From sweeps of one grid to what was read off each: every step for all of them, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.markers.background import Background, Hum, hums, residual, without_hum
from gateway.domain.markers.errors import standard_errors
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise, Sums, noise
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.response import Verdict, certain, unexplained, verdict
from gateway.domain.markers.search import candidates
from gateway.domain.markers.tables import ARTEFACT
from gateway.domain.markers.take_off import quiet_part
from gateway.domain.markers.wave import Wave, read_wave


@dataclass(frozen=True, slots=True)
class Reading:
    """One sweep: the wave with its standard errors, and what was found around it.

    `artefact_uv` is the artefact's tail at the take-off, `moved_uv` how far the baseline moves under the
    wave.
    """

    verdict: Verdict
    certain: bool
    wave: Wave
    errors: Mapping[str, float]
    noise: Noise
    hum: Hum
    unexplained_uv: float
    still_rising_uv: float
    artefact_uv: float
    moved_uv: float


def read(grid: Grid, fine: Floats, uv_per_count: Sequence[float]) -> list[Reading]:
    """What is read off sweeps given in half bins (n, bins x halves), in uV."""
    bins = grid.whole(fine)
    found = candidates(grid, bins)
    sums = Sums(bins)
    noises = [
        noise(grid, sums, row, candidate, uv)
        for row, (candidate, uv) in enumerate(zip(found, uv_per_count, strict=True))
    ]
    hum = hums(grid, bins, noises)
    bins = without_hum(bins, hum, grid.hums)
    fine = without_hum(fine, hum, grid.fine_hums)
    background = Background(grid, bins, found, noises, hum)
    first, _ = background.fit([candidate.quiet for candidate in found])
    pairs = list(zip(found, (entry.deviation for entry in noises), strict=True))
    curves = residual(bins, first, grid.columns).tolist()
    quiet = [quiet_part(grid, curve, *pair) for curve, pair in zip(curves, pairs, strict=True)]
    second, _ = background.fit(quiet)
    curves = residual(bins, second, grid.columns).tolist()
    rows = zip(curves, pairs, quiet, strict=True)
    quiet = [quiet_part(grid, curve, *pair, end) for curve, pair, end in rows]
    third, covariance = background.fit(quiet)
    left = residual(fine, third, grid.fine_columns)
    waves = [
        read_wave(grid, halves, curve, candidate.peak, deviation, end)
        for halves, curve, (candidate, deviation), end in zip(
            left.tolist(), grid.whole(left).tolist(), pairs, quiet, strict=True
        )
    ]
    errors = standard_errors(grid, waves, noises, hum, found, (third, covariance), first - third)
    standing = unexplained(grid, bins, [candidate.peak for candidate in found])
    readings = []
    for row, wave in enumerate(waves):
        rise_ms = found[row].rise * grid.step_ms
        at = grid.at_fine[list(wave.places)] * third[row]
        below = at[:, :].sum(axis=1)
        height_error = errors[row]["height"]
        readings.append(
            Reading(
                verdict(grid.scale, wave, height_error, standing[row], noises[row].variance, rise_ms),
                certain(grid.scale, wave, height_error),
                wave,
                errors[row],
                noises[row],
                hum[row],
                standing[row],
                found[row].still_rising_uv,
                float(at[0, ARTEFACT].sum()),
                float(below[2] - below[0]),
            )
        )
    return readings
