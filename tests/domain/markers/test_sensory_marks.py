"""SNAPs: marked at a few microvolts, in what averaging leaves of the noise."""

import math
from dataclasses import replace
from itertools import product

import pytest

from benchmarks.markers import sweeps
from gateway.domain.recording import SensoryMarks
from tests.domain.markers.curves import (
    SAMPLING,
    SENSORY,
    artefact,
    bell,
    cmap,
    drift,
    known,
    marking,
    marks,
    misses,
    noise,
    numbers,
    snap,
    sweep,
)


def test_the_marks_of_a_clean_wave_are_those_of_its_formula() -> None:
    found = marks(sweep(snap(peak_uv=15.0, begin_ms=2.5, negative_ms=1.2), modality=SENSORY), SENSORY)

    assert isinstance(found, SensoryMarks)
    assert found.onset_latency_ms == pytest.approx(2.574, abs=0.01)  # 2 % of the peak
    assert found.peak_latency_ms == pytest.approx(3.1, abs=0.01)
    assert found.amplitude_uv == pytest.approx(15.0, abs=0.1)
    assert found.peak_to_peak_uv == pytest.approx(15.0 * (1.0 + 27.0 * math.exp(-4.0)), abs=0.15)
    assert found.negative_duration_ms == pytest.approx(3.7 - 2.574, abs=0.015)
    assert found.total_duration_ms == found.negative_duration_ms


@pytest.mark.parametrize("peak_uv", [3.0, 5.0, 10.0, 30.0, 60.0])
@pytest.mark.parametrize("noise_uv", [0.1, 0.3, 0.5])
def test_a_few_microvolts_are_marked_in_averaged_noise(peak_uv: float, noise_uv: float) -> None:
    wave = snap(peak_uv=peak_uv)

    found = marking(sweep(wave, noise(noise_uv), modality=SENSORY), SENSORY)

    assert misses(found, known(wave, modality=SENSORY)) == {}


@pytest.mark.parametrize(
    ("rate_hz", "peak_uv"),
    [
        (4_000.0, 20.0),
        pytest.param(
            *(4_000.0, 60.0), marks=pytest.mark.xfail(reason="five samples a wave cut down its height")
        ),
        *product((8_000.0, 10_000.0, 20_000.0, 48_000.0, 100_000.0, 200_000.0), (20.0, 60.0)),
    ],
)
def test_any_sampling_rate_gives_the_same_marks(rate_hz: float, peak_uv: float) -> None:
    wave = snap(peak_uv=peak_uv)
    sampling = replace(SAMPLING[SENSORY], rate_hz=rate_hz)

    found = marking(sweep(wave, noise(0.2), modality=SENSORY, sampling=sampling), SENSORY)

    assert misses(found, known(wave, modality=SENSORY)) == {}


@pytest.mark.parametrize("height_uv", [-200.0, 200.0])
@pytest.mark.parametrize("decay_ms", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("recovery", [0.0, 0.05])
def test_an_artefact_drift_and_recovery_move_no_mark(
    height_uv: float, decay_ms: float, recovery: float
) -> None:
    under = (artefact(height_uv, decay_ms), artefact(-recovery * height_uv, 2.5), drift(0.3))

    found = marking(sweep(snap(), noise(0.2), *under, modality=SENSORY), SENSORY)

    assert misses(found, known(snap(), modality=SENSORY)) == {}


@pytest.mark.parametrize("depth_uv", [2.0, 4.0, 8.0])
def test_an_initial_positivity_is_told_and_moves_no_mark(depth_uv: float) -> None:
    wave = (snap(), bell(-depth_uv, 2.4, 0.2))

    found = marking(sweep(*wave, noise(0.2), modality=SENSORY), SENSORY)

    assert misses(found, known(*wave, modality=SENSORY)) == {}
    assert numbers(found)["initial_positivity"] == pytest.approx(depth_uv, rel=0.1)


def test_the_responses_of_virtual_patients_are_marked_at_their_peaks_or_called_uncertain() -> None:
    for seed in range(60):
        drawn = sweeps.draw_sensory(seed)
        assert drawn.truth is not None
        found = marking(drawn.waveform, SENSORY)
        if isinstance(found.response, SensoryMarks):
            assert found.response.peak_latency_ms == pytest.approx(drawn.truth.peak_ms, abs=0.3)
        else:
            assert found.response is None
            assert "uncertain_response" in numbers(found)


@pytest.mark.parametrize("muscle_uv", [30.0, 100.0, 300.0])
@pytest.mark.parametrize("peak_uv", [8.0, 15.0, 30.0])
def test_a_snap_before_a_larger_wave_of_a_muscle_is_the_one_that_is_marked(
    peak_uv: float, muscle_uv: float
) -> None:
    wave, muscle = snap(peak_uv=peak_uv), cmap(peak_uv=muscle_uv, begin_ms=4.5, negative_ms=7.0)
    for seed in range(10):
        both = marking(sweep(wave, muscle, noise(0.3, seed), modality=SENSORY), SENSORY)
        assert misses(both, {"amplitude_uv": peak_uv, "peak_latency_ms": 3.1}, within=5.0) == {}
        assert numbers(both).keys() & {"later_wave", "dispersed"}


@pytest.mark.parametrize("muscle_uv", [100.0, 300.0])
@pytest.mark.parametrize("begin_ms", [0.5, 2.5, 4.5])
def test_the_wave_of_a_muscle_alone_is_no_snap(muscle_uv: float, begin_ms: float) -> None:
    muscle = cmap(peak_uv=muscle_uv, begin_ms=begin_ms, negative_ms=7.0)
    for seed in range(10):
        alone = marking(sweep(muscle, noise(0.3, seed), modality=SENSORY), SENSORY)
        assert alone.response is None


@pytest.mark.parametrize("noise_uv", [2.0, 4.0, 6.0])
def test_noise_on_the_flank_never_makes_an_onset_unsure_by_more_than_the_sweep_is_long(
    noise_uv: float,
) -> None:
    for seed in range(60):
        found = marking(sweep(snap(peak_uv=15.0), noise(noise_uv, seed), modality=SENSORY), SENSORY)
        assert found.errors.get("onset_latency_ms", 0.0) < 20.0
