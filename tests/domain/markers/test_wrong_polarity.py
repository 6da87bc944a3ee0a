"""A response of the wrong sign is neither marked nor called none, and is said to be one."""

import numpy as np
import pytest

from benchmarks.markers.truth import Floats
from gateway.domain.recording import Modality, Waveform
from tests.domain.markers.curves import (
    ANSWER,
    MOTOR,
    SENSORY,
    USUAL_NOISE_UV,
    marking,
    negated,
    noise,
    numbers,
    sweep,
)


@pytest.mark.parametrize("inverted_after_phase", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("modality", Modality)
@pytest.mark.parametrize("part", [0.5, 1.0, 2.0])
def test_an_inverted_response_is_neither_marked_nor_called_none(
    modality: Modality, inverted_after_phase: float, part: float
) -> None:
    found = marking(inverted(modality, inverted_after_phase, part), modality)

    assert found.response is None


@pytest.mark.parametrize(
    ("modality", "inverted_after_phase"),
    [(MOTOR, 0.0), (MOTOR, 0.5), (MOTOR, 1.0), (SENSORY, 0.0), (SENSORY, 0.5), (SENSORY, 1.0)],
)
@pytest.mark.parametrize("part", [0.5, 1.0, 2.0])
def test_an_inverted_response_is_said_to_be_of_the_wrong_polarity(
    modality: Modality, inverted_after_phase: float, part: float
) -> None:
    found = numbers(marking(inverted(modality, inverted_after_phase, part), modality))

    height_uv = part * {MOTOR: 8000.0, SENSORY: 15.0}[modality]
    assert found == pytest.approx({"wrong_polarity": height_uv}, rel=0.03)


def inverted(modality: Modality, after_phase: float, part: float) -> Waveform:
    """A response of the wrong sign with this much of its second phase."""

    def wave(times_ms: Floats) -> Floats:
        upright = part * ANSWER[modality](times_ms)
        return np.where(upright < 0.0, after_phase * upright, upright)

    return negated(sweep(wave, noise(USUAL_NOISE_UV[modality]), modality=modality))
