import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.markers import mark
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, Response, SensoryMarks, Waveform
from tests.factories import cmap, marker_settings, waveform

SETTINGS = marker_settings()


def motor_marks_of(curve: Waveform) -> MotorMarks:
    marking = mark(curve, Modality.MOTOR, SETTINGS)
    assert isinstance(marking.response, MotorMarks), marking.quality
    return marking.response


def read(curve: Waveform, modality: Modality) -> tuple[Response | None, tuple[str, ...]]:
    marking = mark(curve, modality, SETTINGS)
    return marking.response, tuple(entry.code for entry in marking.quality)


@pytest.mark.parametrize("noise_uv", [0.0, 5.0])
@pytest.mark.parametrize(
    ("amplitude_uv", "onset_ms", "duration_ms"), [(9000.0, 3.0, 6.0), (1500.0, 7.5, 9.0)]
)
def test_a_cmap_is_marked_where_it_is(
    amplitude_uv: float, onset_ms: float, duration_ms: float, noise_uv: float
) -> None:
    found = motor_marks_of(
        cmap(amplitude_uv=amplitude_uv, onset_ms=onset_ms, duration_ms=duration_ms, noise_uv=noise_uv)
    )

    assert found.onset_latency_ms == pytest.approx(onset_ms, abs=0.2)
    assert found.peak_latency_ms == pytest.approx(onset_ms + duration_ms / 2, abs=0.2)
    assert found.amplitude_mv == pytest.approx(amplitude_uv / 1000, rel=0.01)
    assert found.negative_duration_ms == pytest.approx(duration_ms, abs=0.2)
    assert found.negative_area_mv_ms == pytest.approx(amplitude_uv / 1000 * duration_ms * 2 / np.pi, rel=0.02)
    assert found.peak_to_peak_mv == pytest.approx(1.3 * amplitude_uv / 1000, rel=0.02)


def test_a_snap_is_marked_in_microvolts() -> None:
    response, quality = read(cmap(amplitude_uv=22.0, duration_ms=1.2, noise_uv=0.3), Modality.SENSORY)

    assert quality == ()
    assert isinstance(response, SensoryMarks)
    assert response.amplitude_uv == pytest.approx(22.0, abs=1.0)
    assert response.peak_latency_ms == pytest.approx(3.6, abs=0.1)


@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_no_response(modality: Modality, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0.0, 5.0, 800).round().astype(np.int32)

    assert read(waveform(noise), modality)[0] is NO_RESPONSE


@pytest.mark.parametrize(
    "curve",
    [
        waveform([0, 0]),
        waveform([7] * 800),
        waveform([0, 5, 0, 5] * 3, start_ms=-0.1),
        waveform(list(range(20)), rate_hz=200.0),
    ],
)
def test_a_sweep_without_enough_in_it_cannot_be_marked(curve: Waveform) -> None:
    assert read(curve, Modality.MOTOR)[0] is None


def test_a_sweep_that_ends_before_the_return_has_no_duration_or_area() -> None:
    cut = waveform(cmap().samples[:200])  # 8 ms after the stimulus, the peak is at 6, the return at 9

    response, quality = read(cut, Modality.MOTOR)

    assert quality == ("sweep_ends_before_return",)
    assert isinstance(response, MotorMarks)
    assert response.amplitude_mv == pytest.approx(9.0, rel=0.05)
    assert response.negative_duration_ms is None
    assert response.negative_area_mv_ms is None


def test_a_sweep_that_ends_before_the_peak_is_not_marked_and_not_called_empty() -> None:
    cut = waveform(cmap().samples[:150])  # 5.5 ms after the stimulus

    assert read(cut, Modality.MOTOR) == (None, ("sweep_ends_before_peak",))


def test_a_wave_that_is_up_before_the_search_begins_is_said_to_meet_the_artefact() -> None:
    _, quality = read(cmap(onset_ms=0.3, duration_ms=5.0), Modality.MOTOR)

    assert "artefact_overlaps_onset" in quality


def test_without_a_sweep_before_the_stimulus_the_baseline_is_read_after_it() -> None:
    whole = cmap(onset_ms=4.0)
    late = Waveform(
        sampling_rate_hz=whole.sampling_rate_hz,
        start_ms=0.0,
        microvolts_per_count=1.0,
        samples=whole.samples[40:],
    )

    assert motor_marks_of(late) == motor_marks_of(whole)


@given(st.sampled_from([0.25, 0.5, 2.0, 3.0]))
def test_scaling_the_sweep_scales_its_amplitudes_and_nothing_else(scale: float) -> None:
    whole = cmap()
    scaled = motor_marks_of(waveform(whole.samples, uv=scale))
    plain = motor_marks_of(whole)

    assert scaled.amplitude_mv == pytest.approx(scale * (plain.amplitude_mv or 0), abs=0.003)
    assert scaled.onset_latency_ms == plain.onset_latency_ms
    assert scaled.negative_duration_ms == plain.negative_duration_ms


@given(st.integers(-5000, 5000))
def test_adding_a_constant_changes_nothing(offset: int) -> None:
    assert motor_marks_of(waveform(cmap().samples + offset)) == motor_marks_of(cmap())


@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=300), st.sampled_from([500.0, 4e3, 2e5])
)
def test_no_sweep_makes_the_marker_fail(samples: list[int], rate_hz: float) -> None:
    for modality in Modality:
        response, _ = read(waveform(samples, rate_hz=rate_hz, uv=0.1), modality)
        assert response is None or response is NO_RESPONSE or isinstance(response, MotorMarks | SensoryMarks)


@pytest.mark.parametrize(
    "curve", [waveform(cmap().samples, uv=1e6), waveform(cmap().samples, rate_hz=10.0, start_ms=-4000.0)]
)
def test_a_wave_no_nerve_makes_cannot_be_marked(curve: Waveform) -> None:
    assert read(curve, Modality.MOTOR)[0] is None
