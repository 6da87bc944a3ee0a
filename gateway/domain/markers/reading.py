"""From sweeps of one grid to what was read off each: every step for all of them, one after the other."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

import numpy as np

from gateway.domain.markers.background import Background, Fit, Hum, hums, residual, tails, without_hum
from gateway.domain.markers.errors import standard_errors
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise, Sums, noise
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.response import Verdict, evident, unexplained, verdict
from gateway.domain.markers.search import Candidate, candidates
from gateway.domain.markers.tables import ARTEFACT
from gateway.domain.markers.take_off import quiet_part
from gateway.domain.markers.wave import Wave, read_wave

_RESTED_MS: Final = 5.0


class Reading(NamedTuple):
    """One sweep: the wave with its standard errors, and what was found around it.

    `artefact_uv` is the artefact's tail at the take-off, `moved_uv` how far the baseline moves under the
    wave.
    """

    verdict: Verdict
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
    noises = [noise(grid, sums, *row) for row in zip(count(), found, uv_per_count, strict=False)]
    begins = tails(grid, found, noises)
    hum = hums(grid, bins, noises, begins)
    noises = [_rest(*row) for row in zip(noises, hum, begins, strict=True)]
    bins = without_hum(bins, hum, grid.hums)
    background, moved = _learnt(grid, bins, found, noises, hum)
    left = residual(without_hum(fine, hum, grid.fine_hums), background.coefficients, grid.fine_columns)
    curves = zip(left.tolist(), grid.whole(left).tolist(), found, noises, background.ends, strict=True)
    waves = [
        read_wave(grid, halves, curve, _highest(curve, candidate), entry.deviation, end)
        for halves, curve, candidate, entry, end in curves
    ]
    errors = standard_errors(grid, waves, noises, hum, found, background, moved)
    standing = _standing(grid, bins, waves, errors, noises)
    under = grid.at_fine[[wave.places for wave in waves]] * background.coefficients[:, None, :]
    artefacts = np.add.reduce(under[:, 0, ARTEFACT], axis=1).tolist()
    baselines = np.add.reduce(under, axis=2)
    moves = (baselines[:, 2] - baselines[:, 0]).tolist()
    verdicts = [
        verdict(
            grid,
            wave,
            error,
            left_uv,
            entry,
            candidate.rise_ms,
            rested=_rested(grid, entry),
        )
        for wave, error, left_uv, entry, candidate in zip(waves, errors, standing, noises, found, strict=True)
    ]
    rising = (candidate.still_rising_uv for candidate in found)
    rows = zip(verdicts, waves, errors, noises, hum, standing, rising, artefacts, moves, strict=True)
    return [Reading(*row) for row in rows]


def _standing(
    grid: Grid,
    bins: Floats,
    waves: Sequence[Wave],
    errors: Sequence[Mapping[str, float]],
    noises: Sequence[Noise],
) -> list[float]:
    """What of each wave no background explains; what is evident need not be asked."""
    sure = [
        _rested(grid, entry) and evident(grid.scale, wave, error["height"])
        for wave, error, entry in zip(waves, errors, noises, strict=True)
    ]
    asked = [row for row, known in enumerate(sure) if not known]
    if not asked:
        return [wave.height_uv for wave in waves]
    answers = iter(unexplained(grid, bins[asked], [waves[row].peak_bin for row in asked]))
    return [wave.height_uv if known else next(answers) for wave, known in zip(waves, sure, strict=True)]


def _highest(curve: Sequence[float], candidate: Candidate) -> int:
    """The peak of the higher phase: a later one may stand out more, from the trough of the first."""
    first, main = candidate.first_peak, candidate.peak
    return first if curve[first] > curve[main] else main


def _rest(noise: Noise, hum: Hum, begin: int) -> Noise:
    """The sweep rests where nothing but hum is left."""
    return noise._replace(tail=begin) if hum.known else noise


def _rested(grid: Grid, noise: Noise) -> bool:
    """Whether the sweep is quiet again for a while: mains hum, however large, never is."""
    return (grid.bins - noise.tail) * grid.step_ms >= _RESTED_MS


def _learnt(
    grid: Grid, bins: Floats, found: Sequence[Candidate], noises: Sequence[Noise], hum: Sequence[Hum]
) -> tuple[Fit, Floats]:
    """The background, learnt from what is surely quiet, then up to the take-off so found, and again.

    Also how far its coefficients have moved on the way.
    """
    background = Background(grid, bins, found, noises, hum)
    first = background.fit([candidate.quiet for candidate in found])
    curves = residual(bins, first.coefficients, grid.columns).tolist()
    rows = zip(curves, found, noises, strict=True)
    ends = [quiet_part(grid, curve, candidate, entry.deviation) for curve, candidate, entry in rows]
    second = background.fit(ends)
    curves = residual(bins, second.coefficients, grid.columns).tolist()
    again = zip(curves, found, noises, ends, strict=True)
    later = [
        _moved(quiet_part(grid, curve, candidate, entry.deviation, end), end)
        for curve, candidate, entry, end in again
    ]
    final = second if later == ends else background.fit(later)
    return final, first.coefficients - final.coefficients


def _moved(end: int, before: int) -> int:
    """Where the quiet part ends, unless it has hardly moved: then nothing is learnt from it."""
    return end if abs(end - before) > 1 else before
