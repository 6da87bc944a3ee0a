"""Which part of a sweep is looked at, on which grid, and what cannot be marked at all.

Sweeps sampled alike share a grid, but for those whose stimulus artefact, or a second one, jumps as no nerve
does: they are blanked for longer.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.domain.markers.flags import rounded, unmarkable
from gateway.domain.markers.grid import Grid, grid
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.rows import last
from gateway.domain.markers.settings import MarkerSettings, Scale
from gateway.domain.quality import Quality
from gateway.domain.recording import Waveform
from gateway.errors import DataError

AT_ONCE: Final = 256  # sweeps: from here on more are hardly quicker, and fall out of the cache
_SHOCK_GUARD_MS: Final = 0.2
_SHOCK_GOES_ON: Final = 0.65
_SHOCK_NOISE: Final = 5.0  # median bends of the sweep: of the steps of white noise 1 in 1e7 is as large
_SHOCKS_UNTIL_MS: Final = 6.0
_BLANK_STEP_MS: Final = 0.25
_PEAK_AFTER_BLANK_MS: Final = 0.5
_END_STEP_MS: Final = 0.5


class Sweep(NamedTuple):
    """The part of a sweep that is looked at: its grid, counts, scale and half bins in uV."""

    grid: Grid
    counts: NDArray[np.int32]
    uv_per_count: float
    rate_hz: float
    fine: Floats


def ended(sweep: Sweep, end_ms: float) -> Sweep | None:
    """What the sweep shows until then, to half a millisecond; None where that is too little."""
    usual = sweep.grid
    whole = usual.width * usual.halves
    steps_ms = math.floor(end_ms / _END_STEP_MS) * _END_STEP_MS  # few lengths: each has a grid of its own
    samples = usual.skipped + whole * max(int((steps_ms - usual.begin_ms) / usual.step_ms), 0)
    found = _grid(_Sampling(usual.rate_hz, usual.start_ms, samples), usual.scale)
    if isinstance(found, Quality):
        return None
    return sweep._replace(
        grid=found, counts=sweep.counts[:samples], fine=sweep.fine[: found.bins * found.halves]
    )


class _Sampling(NamedTuple):
    """How the sweeps of one grid were sampled."""

    rate_hz: float
    start_ms: float
    samples: int


def prepared(
    waveforms: Sequence[Waveform], settings: MarkerSettings, scale: Scale
) -> Iterator[tuple[int, Sweep | Quality]]:
    """The place of each waveform with what is looked at of it, or why it cannot be marked; in any order."""
    alike: defaultdict[_Sampling, list[int]] = defaultdict(list)
    for place, one in enumerate(waveforms):
        alike[_Sampling(one.sampling_rate_hz, one.start_ms, one.samples.size)].append(place)
    for sampling, places in alike.items():
        if settings.slowest_hz <= sampling.rate_hz <= settings.fastest_hz:
            for begin in range(0, len(places), AT_ONCE):
                some = places[begin : begin + AT_ONCE]
                sweeps = _sweeps([waveforms[place] for place in some], sampling, settings.longest_ms, scale)
                yield from zip(some, sweeps, strict=True)
        else:
            unusable = Quality("sampling_rate_unusable", rounded(sampling.rate_hz))
            yield from ((place, unusable) for place in places)


def _sweeps(
    waveforms: Sequence[Waveform], sampling: _Sampling, longest_ms: float, scale: Scale
) -> Iterator[Sweep | Quality]:
    """The sweeps, sampled alike, on their grids, or why they have none."""
    rate_hz, start_ms, size = sampling
    first, end = (
        min(max(round((edge_ms - start_ms) * rate_hz / 1000.0), 0), size)
        for edge_ms in (-longest_ms, longest_ms)
    )
    sampling = _Sampling(rate_hz, start_ms + first * 1000.0 / rate_hz, max(end - first, 0))
    usual = _grid(sampling, scale)
    if isinstance(usual, Quality):
        yield from [usual] * len(waveforms)
        return
    counts = np.array([one.samples[first:end] for one in waveforms])
    fine = usual.binned(counts, np.array([one.microvolts_per_count for one in waveforms]))
    blanked = _artefact_until_ms(usual, fine).tolist()
    grids = {until_ms: _blanked(usual, sampling, until_ms) for until_ms in set(blanked)}
    rows = zip(waveforms, fine, blanked, unmarkable(counts), strict=True)
    for one, halves, until_ms, nothing in rows:
        found = nothing or grids[until_ms]
        if isinstance(found, Quality):
            yield found
        else:
            yield Sweep(found, one.samples[first:end], one.microvolts_per_count, rate_hz, halves)


def _grid(sampling: _Sampling, scale: Scale) -> Grid | Quality:
    try:
        return grid(*sampling, scale)
    except DataError:
        return Quality("too_few_samples", float(sampling.samples))


def _blanked(usual: Grid, sampling: _Sampling, until_ms: float) -> Grid | Quality:
    """The grid of sweeps of which nothing is read until then."""
    if until_ms <= usual.scale.blanked_ms:
        return usual
    later = max(usual.scale.earliest_peak_ms, until_ms + _PEAK_AFTER_BLANK_MS)
    return _grid(sampling, replace(usual.scale, blanked_ms=until_ms, earliest_peak_ms=later))


def _artefact_until_ms(grid: Grid, fine: Floats) -> Floats:
    """Until when the stimulus artefact of each sweep, or a second one, jumps as no nerve does; else 0."""
    if grid.fine_ms > grid.scale.bin_ms:  # so coarse that a wave jumps as much as a shock
        return np.zeros(len(fine))
    least = grid.scale.shock_uv * max(1.0, 2.0 * grid.fine_ms / grid.scale.bin_ms)
    first = grid.stimulus * grid.halves
    end = int((_SHOCKS_UNTIL_MS - grid.begin_ms) / grid.fine_ms)
    early = fine[:, first:end]
    steps = early[:, 1:] - early[:, :-1]
    middle = steps[:, 1:-1]
    jumps = np.abs(middle) > least
    if not jumps.any():
        return np.zeros(len(fine))
    # a wave goes on as it began, or began as it goes on; a shock stands alone
    beside = np.maximum(steps[:, :-2] * middle, steps[:, 2:] * middle)
    jumps &= beside < _SHOCK_GOES_ON * (middle * middle)
    shocked = jumps.any(axis=1)
    if not shocked.any():
        return np.zeros(len(fine))
    some, half = fine[shocked], fine.shape[1] // 2
    bends = np.abs(some[:, 2:] - 2.0 * some[:, 1:-1] + some[:, :-2])
    noise = np.partition(bends, half, axis=1)[:, half, None]
    jumps[shocked] &= np.abs(middle[shocked]) > _SHOCK_NOISE * noise  # loud noise jumps as a shock does
    until_ms = grid.begin_ms + (first + last(jumps) + 2.5) * grid.fine_ms + _SHOCK_GUARD_MS
    blanked_ms: Floats = np.ceil(until_ms / _BLANK_STEP_MS) * _BLANK_STEP_MS * jumps.any(axis=1)
    return blanked_ms
