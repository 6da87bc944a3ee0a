"""Sweeps of a second simulator that shares nothing with the first: what fits only one of them shows.

Waves are formulas (`shapes`), disturbances are those of real rooms, and both go through real amplifier
filters (`filters`), so that the artefact leaves the tail that a filter makes. What is true is read off the
filtered clean wave. All ranges are modelling choices of this benchmark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.markers.filters import Band, draw_band
from benchmarks.markers.rooms import Room, draw_room
from benchmarks.markers.shapes import KINDS
from benchmarks.markers.sweeps import AFTER_RETURN_MS, draw_sampling, log_uniform, return_ms
from benchmarks.markers.truth import FINE_HZ, Drawn, Floats, Sampling, fine_grid, read_truth
from gateway.domain.recording import Modality, Waveform

Range = tuple[float, float]

# Filters and hum are under way when the sweep begins.
_LEAD_MS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """The ranges of waves, filters and sweeps of one modality."""

    scale_ms: Range
    begin_ms: Range
    peak_uv: Range
    sweep_ms: Range
    high_pass_hz: Range


WAVES: Final[Mapping[Modality, Waves]] = {
    Modality.MOTOR: Waves(
        scale_ms=(3.0, 8.0),
        begin_ms=(2.0, 16.0),
        peak_uv=(500.0, 15_000.0),
        sweep_ms=(25.0, 60.0),
        high_pass_hz=(2.0, 20.0),
    ),
    Modality.SENSORY: Waves(
        scale_ms=(0.8, 1.8),
        begin_ms=(1.5, 5.0),
        peak_uv=(3.0, 60.0),
        sweep_ms=(12.0, 40.0),
        high_pass_hz=(5.0, 20.0),
    ),
}


def draw_motor(seed: int) -> Drawn:
    """A CMAP with its truth; the same for the same seed."""
    return _response(seed, Modality.MOTOR)


def draw_sensory(seed: int) -> Drawn:
    """A SNAP with its truth; the same for the same seed."""
    return _response(seed, Modality.SENSORY)


def draw_nothing(seed: int, modality: Modality) -> Drawn:
    """A sweep without a response: in turn noise only, one disturbance with it, and all of them."""
    rng = np.random.default_rng((seed, 1))
    waves = WAVES[modality]
    cases = draw_room(rng, modality).cases()
    room, band = cases[seed % len(cases)], draw_band(rng, high_pass_hz=waves.high_pass_hz)
    sampling = draw_sampling(rng, waves.sweep_ms)
    fine_ms = fine_grid(sampling.start_ms - _LEAD_MS, sampling.end_ms)
    uv = band.applied(room.added(fine_ms, rng), FINE_HZ)
    return Drawn(
        seed=seed,
        modality=modality,
        waveform=_sampled(fine_ms, uv, sampling, room),
        clean_uv=np.zeros(sampling.times_ms.size),
        truth=None,
        disturbances=room.by_name(),
    )


def _response(seed: int, modality: Modality) -> Drawn:
    rng = np.random.default_rng((seed, 2))
    waves = WAVES[modality]
    room, band = draw_room(rng, modality), draw_band(rng, high_pass_hz=waves.high_pass_hz)
    shortest_ms, longest_ms = waves.sweep_ms
    fine_ms = fine_grid(-_LEAD_MS, longest_ms)
    clean_uv, back_ms = _clean(rng, modality, band, fine_ms)
    needed_ms = max(shortest_ms, back_ms + AFTER_RETURN_MS)
    sampling = draw_sampling(rng, (needed_ms, longest_ms))
    uv = clean_uv + band.applied(room.added(fine_ms, rng), FINE_HZ)
    shown = (fine_ms >= sampling.start_ms) & (fine_ms <= sampling.end_ms)
    return Drawn(
        seed=seed,
        modality=modality,
        waveform=_sampled(fine_ms, uv, sampling, room),
        clean_uv=np.interp(sampling.times_ms, fine_ms, clean_uv),
        truth=read_truth(fine_ms[shown], clean_uv[shown], modality),
        disturbances=room.by_name(),
    )


def _sampled(fine_ms: Floats, uv: Floats, sampling: Sampling, room: Room) -> Waveform:
    return sampling.stored(np.interp(sampling.times_ms, fine_ms, uv), room.per_count_uv)


def _clean(rng: np.random.Generator, modality: Modality, band: Band, fine_ms: Floats) -> tuple[Floats, float]:
    """A filtered wave in uV that returns within the longest sweep, and when it does."""
    waves = WAVES[modality]
    while True:
        shape = KINDS[rng.integers(len(KINDS))](rng, rng.uniform(*waves.scale_ms))
        wave = band.applied(shape(fine_ms - rng.uniform(*waves.begin_ms)), FINE_HZ)
        wave *= log_uniform(rng, waves.peak_uv) / wave.max()
        back_ms = return_ms(fine_ms, wave)
        if back_ms + AFTER_RETURN_MS < waves.sweep_ms[1]:
            return wave, back_ms
