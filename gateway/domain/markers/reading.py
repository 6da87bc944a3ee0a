"""From sweeps of one grid to what was read off each: every step for all of them, one after the other."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.domain.markers.background import (
    Fit,
    Hum,
    evidence,
    fitted,
    hums,
    refitted,
    residual,
    tails,
    without_hum,
)
from gateway.domain.markers.errors import MARKS, standard_errors
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.noise import Noise, noise
from gateway.domain.markers.regression import Flags, Floats, Indices
from gateway.domain.markers.response import Verdict, evident, may_be_tail, unexplained, verdict
from gateway.domain.markers.rows import anywhere, either, highest_place, root, until
from gateway.domain.markers.search import Candidates, candidates
from gateway.domain.markers.tables import ARTEFACT
from gateway.domain.markers.take_off import GENTLE, earliest_take_off, quiet_part
from gateway.domain.markers.wave import OneWave, Wave, Waves, read_waves

_RESTED_MS: Final = 5.0


class Reading(NamedTuple):
    """One sweep: the wave with its standard errors, and what was found around it.

    `deviation_uv` is that of the noise over a flank, `hum_uv` the amplitude of the mains, `artefact_uv` the
    artefact's tail at the take-off, `moved_uv` how far the baseline moves under the wave.
    """

    verdict: Verdict
    wave: OneWave
    errors: Mapping[str, float]
    deviation_uv: float
    hum_uv: float
    unexplained_uv: float
    still_rising_uv: float
    artefact_uv: float
    moved_uv: float


def read(grid: Grid, fine: Floats, uv_per_count: Floats, lead: float = GENTLE) -> list[Reading]:
    """What is read off sweeps given in half bins (n, bins x halves), in uV.

    `lead` says how far before the foot of a wave its take-off is looked for.
    """
    scales: Any = uv_per_count
    if len(fine) == 1:  # one alone has no rows: see `rows`
        fine, scales = fine[0], uv_per_count.item(0)
    bins = grid.whole(fine)
    found = candidates(grid, bins)
    noises = noise(grid, bins, found, scales)
    begins = tails(grid, found, noises)
    hum = hums(grid, bins, noises, begins)
    # nothing but hum is left in a tail where it is known
    noises = Noise(noises.variance, noises.deviation, either(hum.known, begins, noises.tail))
    bins = without_hum(bins, hum, grid.hums)
    background, moved = _learnt(grid, bins, found, noises, hum, lead)
    left = residual(without_hum(fine, hum, grid.fine_hums), background.coefficients, grid.fine_columns)
    curves = grid.whole(left)
    wave = read_waves(grid, left, curves, _highest(curves, found), noises, background.ends)
    errors = standard_errors(grid, (wave, curves), noises, hum, found.rise_ms, background, moved)
    rested = (grid.bins - noises.tail) * grid.step_ms >= _RESTED_MS  # mains hum, however large, never rests
    height_errors = errors[..., MARKS.index("height")]
    asked = np.logical_not(rested & evident(grid.scale, wave, height_errors))
    under = grid.at_fine[np.array((wave.begin, wave.end))] * background.coefficients
    at_onset, at_end = np.add.reduce(under, axis=-1)
    artefacts = np.add.reduce(under[0, ..., ARTEFACT], axis=-1)
    standing, elsewhere, near = _standing(grid, bins, wave, asked, (height_errors, artefacts))
    of_mean = root(noises.variance / grid.mean_of)
    waves = [Wave._make(row) for row in _rows(*wave)]
    mark_errors = [dict(zip(MARKS, row, strict=True)) for row in errors.reshape(-1, len(MARKS)).tolist()]
    seen = _rows(standing, elsewhere, of_mean, found.rise_ms)
    verdicts = (
        verdict(grid, one, error, *row) for one, error, row in zip(waves, mark_errors, seen, strict=True)
    )
    numbers = (
        noises.deviation,
        hum.amplitude_uv,
        near,
        found.still_rising_uv,
        artefacts,
        at_end - at_onset,
    )
    rows = zip(verdicts, waves, mark_errors, _rows(*numbers), strict=True)
    return [Reading(said, one, error, *row) for said, one, error, row in rows]


def _rows(*columns: Any) -> Iterable[tuple[Any, ...]]:
    """What the columns say of each sweep."""
    if isinstance(columns[0], np.ndarray):
        return zip(*(column.tolist() for column in columns), strict=True)
    return (columns,)


def _standing(
    grid: Grid, bins: Floats, wave: Waves, asked: Flags, sizes: tuple[Floats, Floats]
) -> tuple[Floats, Floats, Floats]:
    """What no background explains: near each peak, no slow tail either; in the whole sweep; near each peak.

    Slow ones are asked of what may be a tail, by the `sizes` of height's error and artefact; what is not
    `asked` about stands as high as it is.
    """
    if not anywhere(asked):
        return wave.height_uv, wave.height_uv, wave.height_uv
    peaks, found = np.array(wave.peak_bin), np.array((wave.height_uv,) * 3)
    near, elsewhere = unexplained(grid, bins[asked], peaks[asked], grid.null)
    found[:, asked] = near, elsewhere, near
    tail = asked & may_be_tail(grid.scale, wave, *sizes)
    if anywhere(tail):
        found[0, tail] = unexplained(grid, bins[tail], peaks[tail], grid.slow_null)[0]
    standing, anything, near = found if found.ndim > 1 else found.tolist()
    return standing, anything, near


def _highest(curves: Floats, candidates: Candidates) -> Indices:
    """The highest bin from the first upstroke on: a later phase may stand out more, from a trough."""
    found: Indices = highest_place(curves, candidates.low, candidates.peak)
    return found


def _learnt(
    grid: Grid, bins: Floats, found: Candidates, noises: Noise, hum: Hum, lead: float
) -> tuple[Fit, Floats]:
    """The background, learnt from what is surely quiet, then up to the take-off so found, and again.

    Also how far its coefficients have moved on the way.
    """
    seen = evidence(grid, bins, found, noises, hum)
    first = fitted(grid, seen, found.quiet)
    bins, columns = until(bins, found.peak), until(grid.columns, found.peak)
    curves = residual(bins, first.coefficients, columns)
    ends = quiet_part(grid, curves, found, noises, earliest_take_off(grid, found, lead))
    second = fitted(grid, seen, ends)
    curves = residual(bins, second.coefficients, columns)
    later = quiet_part(grid, curves, found, noises, ends)
    later = either(abs(later - ends) > 1, later, ends)  # hardly moved: nothing is learnt from it
    final = refitted(grid, seen, second, later)
    return final, first.coefficients - final.coefficients
