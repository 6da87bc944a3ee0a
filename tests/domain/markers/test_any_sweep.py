"""What holds of every sweep: how its marks follow when it is scaled, shifted, lifted or turned over, and that
no content of a sweep makes the marker fail.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.markers.truth import Sampling
from gateway.domain.markers import Marking
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, Recording, SensoryMarks, Waveform
from gateway.errors import DataError
from gateway.formats.dicom.writing import Encoding
from tests.domain.markers.curves import (
    MOTOR,
    SENSORY,
    USUAL_NOISE_UV,
    cmap,
    half_a_digit,
    marking,
    negated,
    noise,
    quantities,
    snap,
    sweep,
    usual,
)
from tests.factories import motor, sensory, study, waveform
from tests.parity.doors import by_dicom

BOTH = pytest.mark.parametrize("modality", Modality)
EVERY = settings(max_examples=40, deadline=None)
AMPLITUDES = ("amplitude", "peak_to_peak", "negative_area")
LATENCIES = ("onset_latency_ms", "peak_latency_ms")
# Later, so that it can be shifted to either side.
LATE = {MOTOR: cmap(begin_ms=6.0), SENSORY: snap(begin_ms=4.5)}
FINEST_UV = 0.01
LOWEST, HIGHEST = -(2**31), 2**31 - 1
RATES_HZ = st.one_of(
    st.floats(1e-3, 1e7), st.sampled_from([500.0, 2e3, 4e3, 10e3, 20e3, 48e3, 100e3, 200e3, 1e6, 1e7])
)
STARTS_MS = st.one_of(st.floats(-1e4, 1e4), st.floats(-20.0, 5.0))
SCALES_UV = st.one_of(st.floats(FINEST_UV, 1e6), st.sampled_from([0.01, 0.25, 1.0]))
SAMPLES = st.lists(
    st.one_of(st.integers(LOWEST, HIGHEST), st.integers(-5, 5), st.sampled_from([LOWEST, HIGHEST])),
    min_size=2,
    max_size=400,
)


@BOTH
@EVERY
@given(factor=st.floats(0.5, 2.5))
def test_scaling_a_sweep_scales_its_amplitudes_and_their_errors_and_moves_no_time(
    factor: float, modality: Modality
) -> None:
    whole = usual(modality)
    plain, scaled = (
        marking(replace(whole, microvolts_per_count=by * whole.microvolts_per_count), modality)
        for by in (1.0, factor)
    )

    before, after = quantities(plain.response), quantities(scaled.response)
    assert before.keys() == after.keys()
    for name, value in before.items():
        by = factor if name.startswith(AMPLITUDES) else 1.0
        near = half_a_digit(name) * (1.0 + by) + by * plain.errors[name]
        assert after[name] == pytest.approx(by * value, abs=near)
        # what is expected of a baseline does not grow with the wave on it
        assert scaled.errors[name] == pytest.approx(by * plain.errors[name], rel=0.6)


@BOTH
@EVERY
@given(later_ms=st.floats(-2.0, 5.0))
def test_shifting_a_sweep_in_time_shifts_its_latencies_and_nothing_else(
    later_ms: float, modality: Modality
) -> None:
    whole = sweep(LATE[modality], noise(USUAL_NOISE_UV[modality]), modality=modality)

    plain = marking(whole, modality)
    shifted = marking(replace(whole, start_ms=whole.start_ms + later_ms), modality)

    before, after = quantities(plain.response), quantities(shifted.response)
    assert before.keys() == after.keys()
    for name, value in before.items():
        by = later_ms if name in LATENCIES else 0.0
        near = 2.0 * half_a_digit(name) + plain.errors[name]
        assert after[name] == pytest.approx(value + by, abs=near)


@BOTH
@EVERY
@given(counts=st.integers(-(10**9), 10**9))
def test_adding_a_constant_changes_nothing(counts: int, modality: Modality) -> None:
    whole = usual(modality)

    lifted = marking(replace(whole, samples=whole.samples + counts), modality)

    assert lifted == marking(whole, modality)


@BOTH
@EVERY
@given(seed=st.integers(0, 10**6))
def test_turning_a_sweep_over_once_never_gives_its_marks_and_twice_gives_the_same(
    seed: int, modality: Modality
) -> None:
    whole = usual(modality, seed)

    assert marking(negated(whole), modality).response is None
    assert marking(negated(negated(whole)), modality) == marking(whole, modality)


@BOTH
def test_a_polarity_that_is_declared_wrong_twice_is_declared_right(modality: Modality) -> None:
    wrong = by_dicom(Encoding(polarity="negative_up"), "true")
    recording = motor("wrist") if modality is MOTOR else sensory()
    whole = study(replace(recording, measured=None, waveform=usual(modality)))

    once, twice = wrong(whole), wrong(wrong(whole))

    assert of(twice.recordings, modality) == of(whole.recordings, modality)
    assert of(once.recordings, modality).response is None


def of(recordings: tuple[Recording, ...], modality: Modality) -> Marking:
    """What the marker says of the only recording."""
    (recording,) = recordings
    assert recording.waveform is not None
    return marking(recording.waveform, modality)


@BOTH
@settings(max_examples=150, deadline=None)
@given(samples=SAMPLES, rate_hz=RATES_HZ, start_ms=STARTS_MS, uv=SCALES_UV)
def test_no_sweep_makes_the_marker_fail(
    samples: list[int], rate_hz: float, start_ms: float, uv: float, modality: Modality
) -> None:
    found = marking(waveform(samples, rate_hz=rate_hz, start_ms=start_ms, uv=uv), modality)

    assert is_whole(found)


@BOTH
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(2, 6000), bits=st.integers(1, 31), rate_hz=RATES_HZ)
def test_no_noise_and_no_wandering_makes_the_marker_fail(
    seed: int, size: int, bits: int, rate_hz: float, modality: Modality
) -> None:
    rng = np.random.default_rng(seed)
    white = rng.integers(-(2**bits), 2**bits, size)
    wandering = np.clip(np.cumsum(white) // 4, LOWEST, HIGHEST)

    for samples in (white.clip(LOWEST, HIGHEST), wandering):
        assert is_whole(marking(waveform(samples, rate_hz=rate_hz, start_ms=-3.0, uv=0.1), modality))


@BOTH
@pytest.mark.parametrize(
    "samples",
    [
        [0, 1],
        [LOWEST, HIGHEST],
        [HIGHEST] * 1000,
        [LOWEST, HIGHEST] * 500,
        [LOWEST] * 500 + [HIGHEST] * 500,
        [0] * 999 + [HIGHEST],
        [LOWEST] + [0] * 999,
        [0] * 200 + [HIGHEST] + [0] * 799,
    ],
    ids=["two", "two extreme", "constant", "alternating", "step", "last", "first", "spike"],
)
@pytest.mark.parametrize("rate_hz", [1e-3, 2e3, 20e3, 1e6, 1e7])
@pytest.mark.parametrize("uv", [FINEST_UV, 1.0, 1e6])
def test_no_extreme_sweep_makes_the_marker_fail(
    samples: list[int], rate_hz: float, uv: float, modality: Modality
) -> None:
    assert is_whole(marking(waveform(samples, rate_hz=rate_hz, uv=uv), modality))


@pytest.mark.parametrize("uv", [1e-6, 1e-3, 5e-3])
def test_no_resolution_makes_the_marker_fail(uv: float) -> None:
    long = Sampling(rate_hz=20_000.0, start_ms=-150.0, end_ms=150.0)

    assert is_whole(marking(long.stored(snap()(long.times_ms), uv), SENSORY))


@pytest.mark.parametrize("rate_hz", [20e3, 200e3, 1e6])
def test_a_million_samples_are_marked_as_far_as_they_are_looked_at(rate_hz: float) -> None:
    times_ms = -5.0 + np.arange(1_000_000) * 1000.0 / rate_hz
    counts = np.rint((cmap()(times_ms) + noise(5.0)(times_ms)) / 0.25)

    found = marking(waveform(counts.astype(np.int32), rate_hz=rate_hz, start_ms=-5.0, uv=0.25))

    assert isinstance(found.response, MotorMarks)
    assert found.response.amplitude_mv == pytest.approx(8.0, abs=0.04)


@pytest.mark.parametrize("name", ["sampling_rate_hz", "start_ms", "microvolts_per_count"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_no_waveform(name: str, value: float) -> None:
    with pytest.raises(DataError, match=name):
        replace(usual(MOTOR), **{name: value})


@pytest.mark.parametrize(
    "samples",
    [[0.0, np.nan], [0.0, np.inf], [0.0, 1.5], [0.0, 1.0], [False, True], [0j, 1j]],
    ids=["not a number", "infinite", "a half", "whole, as floats", "truths", "complex"],
)
def test_samples_that_are_not_whole_counts_are_no_waveform(samples: list[complex]) -> None:
    with pytest.raises(DataError, match="samples"):
        Waveform(
            sampling_rate_hz=20e3,
            start_ms=0.0,
            microvolts_per_count=1.0,
            samples=np.array(samples),
        )


def is_whole(found: Marking) -> bool:
    """Whether a marking is one of the three kinds there are, with what belongs to it."""
    errors = [*found.errors.values()]
    if isinstance(found.response, MotorMarks | SensoryMarks):
        return found.errors.keys() == quantities(found.response).keys() and all(
            0.0 < error < float("inf") for error in errors
        )
    explained = found.response is NO_RESPONSE or len(found.quality) > 0
    return explained and not errors and all(entry.meaning for entry in found.quality)
