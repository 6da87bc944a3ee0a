"""What is briefer than a nerve's wave, or longer, is never marked."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.domain.markers import Marking, mark_all
from gateway.domain.recording import NO_RESPONSE, Modality
from tests.domain.markers.curves import (
    MOTOR,
    SAMPLING,
    SENSORY,
    SETTINGS,
    USUAL_NOISE_UV,
    cmap,
    half_wave,
    marking,
    noise,
    numbers,
    quantities,
    spike,
    sweep,
    usual,
)

SPIKE_UV = {MOTOR: 1000.0, SENSORY: 10.0}


@pytest.mark.parametrize("peak_uv", [200.0, 1000.0, 3000.0])
@pytest.mark.parametrize("begin_ms", [2.5, 4.0, 6.0])
def test_a_muscle_that_answers_in_a_sensory_recording_is_too_slow(begin_ms: float, peak_uv: float) -> None:
    sampling = replace(SAMPLING[SENSORY], end_ms=40.0)
    curve = cmap(peak_uv=peak_uv, begin_ms=begin_ms, negative_ms=15.0)

    found = marking(sweep(curve, noise(0.2), modality=SENSORY, sampling=sampling), SENSORY)

    assert found.response is None
    # from 2 % of the peak on
    assert numbers(found) == pytest.approx({"too_slow": 0.938 * 15.0}, abs=0.7)


@pytest.mark.parametrize("peak_uv", [20.0, 50.0, 1000.0])
@pytest.mark.parametrize("end_ms", [18.0, 30.0, 40.0])
def test_no_wave_of_15_ms_is_marked_as_that_of_a_sensory_nerve(end_ms: float, peak_uv: float) -> None:
    sampling = replace(SAMPLING[SENSORY], end_ms=end_ms)
    for begin_ms in (2.5, 3.0, 4.0, 6.0):
        for curve in (
            cmap(peak_uv=peak_uv, begin_ms=begin_ms, negative_ms=15.0),
            half_wave(peak_uv, begin_ms, 15.0),
        ):
            found = marking(sweep(curve, noise(0.2), modality=SENSORY, sampling=sampling), SENSORY)
            assert quantities(found.response) == {}


def test_the_same_wave_is_marked_where_a_muscle_was_recorded() -> None:
    assert quantities(marking(sweep(cmap(negative_ms=15.0), noise(5.0))).response)


@pytest.mark.parametrize(
    ("modality", "noise_uv"),
    [
        (MOTOR, 0.0),
        (MOTOR, USUAL_NOISE_UV[MOTOR]),
        (SENSORY, 0.0),
        pytest.param(
            SENSORY,
            USUAL_NOISE_UV[SENSORY],
            marks=pytest.mark.xfail(reason="with noise beside it some are timed as longer than they are"),
        ),
    ],
)
def test_a_spike_of_a_tenth_of_a_millisecond_is_never_marked(modality: Modality, noise_uv: float) -> None:
    for seed, at_ms in enumerate(np.arange(2.0, 15.0, 0.25)):
        wave = sweep(spike(SPIKE_UV[modality], at_ms), noise(noise_uv, seed), modality=modality)
        assert is_no_mark(marking(wave, modality))


@pytest.mark.parametrize("modality", Modality)
def test_a_late_clear_spike_is_not_called_none(modality: Modality) -> None:
    found = marking(sweep(spike(SPIKE_UV[modality], 8.0), modality=modality), modality)

    assert found.response is None
    assert found.quality[0].name == "uncertain_response"


@pytest.mark.parametrize("modality", Modality)
def test_48_samples_from_2_ms_on_are_no_failure_alone_or_in_a_batch(modality: Modality) -> None:
    brief = replace(SAMPLING[MOTOR], start_ms=2.0, end_ms=4.4)
    few = sweep(cmap(), sampling=brief)
    assert few.samples.size == 48

    found = mark_all((usual(modality), few, usual(modality, 2)), modality, SETTINGS)

    assert found == tuple(marking(one, modality) for one in (usual(modality), few, usual(modality, 2)))
    assert quantities(found[1].response) == {}
    if modality is MOTOR:
        assert numbers(found[1]) == {"too_few_samples": 48.0}


def is_no_mark(found: Marking) -> bool:
    """Whether nothing was marked: none, or what may be one."""
    return found.response is NO_RESPONSE or (
        found.response is None and "uncertain_response" in numbers(found)
    )
