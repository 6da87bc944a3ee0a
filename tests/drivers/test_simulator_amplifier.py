"""The virtual amplifier adds what it states, and the cart's marks are the numbers of the wave."""

from dataclasses import replace

import numpy as np
import pytest

from drivers.simulator.amplifier import AMPLIFIERS, Amplifier
from drivers.simulator.fibres import Floats, Potential
from drivers.simulator.marks import printed, read_marks
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, SensoryMarks

MOTOR = AMPLIFIERS[Modality.MOTOR]
SENSORY = AMPLIFIERS[Modality.SENSORY]


def perfect(amplifier: Amplifier) -> Amplifier:
    return replace(amplifier, noise_uv_rms=0.0, mains_uv=0.0, artefact_uv=0.0)


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(7))


@pytest.mark.parametrize("amplifier", [MOTOR, SENSORY])
def test_a_recorded_sweep_is_the_clean_wave_to_half_a_count(amplifier: Amplifier) -> None:
    clean_uv = 300.0 * np.sin(amplifier.times_ms)
    waveform = perfect(amplifier).record(clean_uv, generator())
    assert waveform.start_ms == -2.0
    np.testing.assert_allclose(waveform.times_ms, amplifier.times_ms)
    np.testing.assert_allclose(
        waveform.microvolts, clean_uv, atol=0.5001 * amplifier.microvolts_per_count, rtol=0
    )


def test_a_sweep_holds_the_noise_and_the_hum_that_the_amplifier_states() -> None:
    silence = np.zeros_like(MOTOR.times_ms)
    noise = replace(perfect(MOTOR), noise_uv_rms=5.0).record(silence, generator()).microvolts
    hum = replace(perfect(MOTOR), mains_uv=4.0).record(silence, generator()).microvolts
    assert noise.std() == pytest.approx(5.0, rel=0.1)
    assert noise.mean() == pytest.approx(0.0, abs=0.5)
    assert np.abs(hum).max() == pytest.approx(4.0, abs=0.3)
    period = round(MOTOR.sampling_rate_hz / 50)
    np.testing.assert_allclose(hum[period:], hum[:-period], atol=0.5)


@pytest.mark.parametrize("amplifier", [MOTOR, SENSORY])
def test_the_artefact_starts_with_the_stimulus_and_is_gone_before_any_response(amplifier: Amplifier) -> None:
    alone = replace(perfect(amplifier), artefact_uv=amplifier.artefact_uv)
    sweep = alone.record(np.zeros_like(amplifier.times_ms), generator()).microvolts
    assert not sweep[amplifier.times_ms < 0].any()
    assert sweep.max() > 0.9 * amplifier.artefact_uv
    assert np.abs(sweep[amplifier.times_ms > 1.0]).max() < 5.0


def test_a_response_beyond_the_converter_saturates() -> None:
    waveform = MOTOR.record(np.full_like(MOTOR.times_ms, 1e6), generator())
    assert waveform.samples.tolist() == [32767] * waveform.samples.size


def half_sine(height_uv: float, onset_ms: float, negative_ms: float, times_ms: Floats) -> Floats:
    potential = Potential(negative_ms=negative_ms, positive_ms=10.0, positive_height=0.2)
    return potential.summed(np.array([onset_ms]), np.array([height_uv]), times_ms)


def test_the_marks_of_a_known_wave_are_its_numbers() -> None:
    wave = half_sine(8000.0, 3.0, 5.0, MOTOR.times_ms)
    marks = read_marks(Modality.MOTOR, wave, MOTOR.times_ms)
    assert isinstance(marks, MotorMarks)
    assert marks.onset_latency_ms == pytest.approx(3.0, abs=0.05)
    assert marks.amplitude_mv == pytest.approx(8.0, abs=0.01)
    assert marks.peak_to_peak_mv == pytest.approx(9.6, abs=0.01)
    assert marks.negative_area_mv_ms == pytest.approx(8.0 * 5.0 * 2 / np.pi, abs=0.05)
    assert marks.negative_duration_ms == pytest.approx(5.0, abs=0.05)
    assert marks.total_duration_ms == marks.negative_duration_ms


def test_a_late_second_negative_phase_counts_to_the_total_duration_only() -> None:
    wave = half_sine(8000.0, 3.0, 5.0, MOTOR.times_ms) + half_sine(2000.0, 20.0, 4.0, MOTOR.times_ms)
    marks = read_marks(Modality.MOTOR, wave, MOTOR.times_ms)
    assert isinstance(marks, MotorMarks)
    assert marks.negative_duration_ms == pytest.approx(5.0, abs=0.05)
    assert marks.total_duration_ms == pytest.approx(21.0, abs=0.05)


def test_sensory_marks_carry_the_peak_and_microvolts() -> None:
    wave = half_sine(20.0, 2.5, 1.5, SENSORY.times_ms)
    marks = read_marks(Modality.SENSORY, wave, SENSORY.times_ms)
    assert isinstance(marks, SensoryMarks)
    assert marks.onset_latency_ms == pytest.approx(2.5, abs=0.05)
    assert marks.peak_latency_ms == pytest.approx(3.25, abs=0.02)
    assert marks.amplitude_uv == pytest.approx(20.0, abs=0.1)
    assert marks.peak_to_peak_uv == pytest.approx(24.0, abs=0.1)


@pytest.mark.parametrize(("modality", "height_uv"), [(Modality.MOTOR, 40.0), (Modality.SENSORY, 0.8)])
def test_a_wave_lost_in_the_noise_is_no_response(modality: Modality, height_uv: float) -> None:
    wave = half_sine(height_uv, 3.0, 2.0, SENSORY.times_ms)
    assert read_marks(modality, wave, SENSORY.times_ms) is NO_RESPONSE
    assert printed(NO_RESPONSE) is NO_RESPONSE


def test_marks_are_printed_with_the_decimals_of_their_unit() -> None:
    motor = MotorMarks(onset_latency_ms=3.14159, amplitude_mv=9.87654, negative_area_mv_ms=30.4567)
    assert printed(motor) == MotorMarks(onset_latency_ms=3.14, amplitude_mv=9.877, negative_area_mv_ms=30.46)
    sensory = SensoryMarks(peak_latency_ms=3.456, amplitude_uv=20.26)
    assert printed(sensory) == SensoryMarks(peak_latency_ms=3.46, amplitude_uv=20.3)
