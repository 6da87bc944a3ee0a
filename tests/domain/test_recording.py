import math
from typing import Any

import numpy as np
import pytest

from gateway.domain.recording import NO_RESPONSE, MotorMarks, SensoryMarks, Stimulus, Waveform
from gateway.errors import DataError
from tests.factories import motor, sensory, waveform


@pytest.mark.parametrize("value", [-0.1, 1000.1, math.nan, math.inf])
def test_an_impossible_quantity_is_refused_with_its_name(value: float) -> None:
    with pytest.raises(DataError, match="impossible") as caught:
        MotorMarks(amplitude_mv=value)

    assert caught.value.place == "amplitude_mv"


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_an_impossible_stimulus_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="impossible"):
        Stimulus(intensity_ma=value)


@pytest.mark.parametrize(
    "changes", [{"distance_mm": 0.0}, {"site_position_mm": -1.0}, {"distance_to_recording_mm": math.nan}]
)
def test_an_impossible_distance_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(DataError, match="impossible"):
        motor("wrist", **changes)


def test_a_recording_needs_marks_or_a_waveform() -> None:
    with pytest.raises(DataError, match="neither"):
        motor("wrist", measured=None)


def test_sensory_marks_do_not_fit_a_motor_recording() -> None:
    with pytest.raises(DataError, match="another kind"):
        motor("wrist", SensoryMarks(amplitude_uv=20.0))


def test_no_response_is_neither_zero_nor_missing() -> None:
    assert motor("wrist", NO_RESPONSE).measured is NO_RESPONSE
    assert sensory(NO_RESPONSE).measured is NO_RESPONSE


def test_samples_are_read_only_and_scaled_in_microvolts() -> None:
    curve = waveform([0, 10, -4], rate_hz=1000.0, start_ms=-1.0, uv=0.5)

    assert curve.microvolts.tolist() == [0.0, 5.0, -2.0]
    assert curve.times_ms.tolist() == [-1.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        curve.samples[0] = 1


def test_waveforms_are_equal_when_every_sample_is() -> None:
    assert waveform([1, 2]) == waveform([1, 2])
    assert waveform([1, 2]) != waveform([1, 3])
    assert waveform([1, 2]) != "a waveform"


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling_rate_hz": 0.0},
        {"sampling_rate_hz": math.inf},
        {"microvolts_per_count": math.nan},
        {"start_ms": math.inf},
        {"samples": np.array([1])},
        {"samples": np.zeros((2, 2))},
    ],
)
def test_a_broken_waveform_is_refused(changes: dict[str, object]) -> None:
    whole = {"sampling_rate_hz": 1000.0, "start_ms": 0.0, "microvolts_per_count": 1.0, "samples": np.zeros(4)}

    with pytest.raises(DataError):
        Waveform(**whole | changes)


def test_a_recording_is_named_by_nerve_side_and_sites() -> None:
    assert motor("wrist", site_position_mm=85.0).name == "motor ulnar right adm wrist@85mm"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"skin_temperature_c": 331.0}, "skin_temperature_c"),
        ({"skin_temperature_c": -1.0}, "skin_temperature_c"),
        ({"skin_temperature_c": float("nan")}, "skin_temperature_c"),
        ({"filter_hz": (10_000.0, 2.0)}, "filter_hz"),
        ({"filter_hz": (0.0, 0.0)}, "filter_hz"),
        ({"filter_hz": (2.0, float("nan"))}, "filter_hz"),
        ({"averages": 0}, "averages"),
    ],
)
def test_a_slip_of_a_unit_or_of_an_order_is_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(DataError) as caught:
        motor("wrist", **changes)
    assert caught.value.place == place


@pytest.mark.parametrize(("name", "value"), [("intensity_ma", 38_000.0), ("duration_ms", 200.0)])
def test_a_stimulus_that_no_stimulator_gives_is_refused(name: str, value: float) -> None:
    with pytest.raises(DataError, match=f"{name}: is impossible"):
        Stimulus(**{name: value})
