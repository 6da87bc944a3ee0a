"""A wave that is cut off has no height and no peak; a smooth one, however small, is not called cut off."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.markers.sweeps import draw_response
from gateway.domain.recording import Modality, Waveform
from tests.domain.markers.curves import (
    ANSWER,
    MOTOR,
    SAMPLING,
    SENSORY,
    above_ms,
    cmap,
    cut_off,
    known,
    marking,
    marks,
    misses,
    noise,
    numbers,
    quantities,
    sweep,
    usual,
)

SEEDS = range(40)
KEPT = {"onset_latency_ms", "negative_duration_ms", "total_duration_ms"}
HARDLY = pytest.mark.xfail(reason="a trough that is hardly cut off is not told from a round one")


def restless(waveform: Waveform, seed: int) -> Waveform:
    """The sweep with a count of noise behind the converter, as filters and averages leave it."""
    steps = np.random.default_rng(seed).integers(-1, 2, waveform.samples.size)
    return replace(waveform, samples=waveform.samples + steps)


@pytest.mark.parametrize(("modality", "most_uv"), [(MOTOR, 6000.0), (MOTOR, 3000.0), (SENSORY, 10.0)])
def test_a_wave_whose_top_is_cut_off_has_neither_height_nor_peak_nor_area(
    modality: Modality, most_uv: float
) -> None:
    found = marking(cut_off(usual(modality), -9e3, most_uv), modality)

    assert quantities(found.response).keys() == found.errors.keys() == KEPT
    assert numbers(found) == pytest.approx({"clipped": above_ms(ANSWER[modality], most_uv)}, abs=0.1)
    whole = quantities(marks(usual(modality), modality))
    for name, value in quantities(found.response).items():
        assert value == pytest.approx(whole[name], abs=0.15)


def test_a_top_that_is_cut_off_just_before_the_sweep_ends_is_clipped_too() -> None:
    ending = sweep(cmap(), noise(5.0), sampling=replace(SAMPLING[MOTOR], end_ms=6.9))

    assert "clipped" in numbers(marking(cut_off(ending, -9e3, 6000.0)))


@pytest.mark.parametrize(
    "most_uv",
    [3000.0, 4000.0, 5000.0, 6000.0, 7000.0],
)
def test_a_count_of_noise_on_the_plateau_hides_it_not(most_uv: float) -> None:
    for seed in SEEDS:
        found = marking(restless(cut_off(sweep(cmap(), noise(5.0, seed)), -9e3, most_uv), seed))
        assert numbers(found) == pytest.approx({"clipped": above_ms(cmap(), most_uv)}, abs=0.15)
        assert quantities(found.response).keys() == KEPT


@pytest.mark.parametrize("least_uv", [pytest.param(-4000.0, marks=HARDLY), -3000.0, -1500.0])
@pytest.mark.parametrize("moves", [False, True])
def test_a_trough_that_is_cut_off_takes_the_peak_to_peak_and_nothing_else(
    least_uv: float, moves: bool
) -> None:
    whole = known(cmap())
    del whole["peak_to_peak_mv"]

    for seed in SEEDS:
        cut = cut_off(sweep(cmap(), noise(5.0, seed)), least_uv, 9e3)
        found = marking(restless(cut, seed) if moves else cut)
        flat_ms = above_ms(lambda times_ms: -cmap()(times_ms), -least_uv)
        assert numbers(found) == pytest.approx({"clipped": flat_ms}, abs=0.2)
        assert quantities(found.response).keys() == {*whole, "total_duration_ms"}
        assert misses(found, whole) == {}


def test_a_wave_that_comes_back_to_a_flat_baseline_is_not_clipped() -> None:
    for step in range(20):
        wave = cmap(begin_ms=3.0 + step / 40.0)
        found = marking(cut_off(sweep(wave), 0.0, 9e3))
        assert "clipped" not in numbers(found)


@pytest.mark.parametrize("peak_uv", [100.0, 150.0])
def test_a_small_smooth_wave_is_not_called_clipped(peak_uv: float) -> None:
    assert "clipped" not in numbers(marking(sweep(cmap(peak_uv=peak_uv))))


@pytest.mark.parametrize("modality", Modality)
def test_no_virtual_patient_is_called_clipped(modality: Modality) -> None:
    drawn = (draw_response(seed, modality).waveform for seed in range(120))

    assert not any("clipped" in numbers(marking(one, modality)) for one in drawn)
