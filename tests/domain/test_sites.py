import pytest

from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Stimulus
from gateway.domain.sites import used
from tests.factories import cmap, marked, motor, motor_marks, sensory


def stimulated(
    amplitude_mv: float, current_ma: float | None, *, supramaximal: bool | None = None
) -> Recording:
    stimulus = Stimulus(intensity_ma=current_ma, supramaximal=supramaximal)
    return motor("wrist", motor_marks(amplitude_mv=amplitude_mv), stimulus=stimulus)


@pytest.mark.parametrize(
    ("series", "amplitude"),
    [
        ([(4.0, 10, None), (9.0, 20, None), (8.0, 30, None)], 9.0),
        ([(4.0, 10, None), (9.0, 20, True), (9.5, 30, None)], 9.0),
        ([(8.0, 20, True), (9.0, 30, True)], 9.0),
        ([(9.0, 30, True), (8.0, 20, True)], 8.0),
        ([(9.0, 20, None), (8.5, 20, None)], 8.5),
        ([(9.0, None, None), (8.5, None, None)], 9.0),
        ([(9.0, 20, False), (4.0, 10, False)], 9.0),
    ],
)
def test_used_is_the_last_supramaximal_else_the_largest_and_a_repeat_replaces(
    series, amplitude: float
) -> None:
    entries = [marked(stimulated(a, current, supramaximal=flag)) for a, current, flag in series]

    assert used(entries).amplitude == amplitude


@pytest.mark.parametrize(("second", "drifted"), [(8.1, False), (8.09, True), (9.9, False), (9.95, True)])
def test_a_change_over_ten_percent_at_the_same_current_is_electrode_drift(
    second: float, drifted: bool
) -> None:
    entries = [marked(stimulated(9.0, 20)), marked(stimulated(second, 20))]

    assert ("electrode_drift" in used(entries).quality) is drifted


def test_the_machine_s_marks_are_graded_and_ours_stand_beside_them() -> None:
    entry = marked(motor("wrist", motor_marks(amplitude_mv=8.9), waveform=cmap()))

    assert entry.marked_by == "device"
    assert entry.motor is not None
    assert entry.motor.amplitude_mv == 8.9
    assert isinstance(entry.gateway, MotorMarks)
    assert entry.gateway.amplitude_mv == pytest.approx(9.0, abs=0.05)
    assert "peak_latency_ms" in entry.filled


def test_a_quantity_the_machine_did_not_send_comes_from_the_waveform() -> None:
    sent = MotorMarks(onset_latency_ms=3.0, amplitude_mv=9.0)

    entry = marked(motor("wrist", sent, waveform=cmap()))

    assert entry.motor is not None
    assert entry.motor.negative_area_mv_ms == pytest.approx(34.4, abs=0.5)
    assert set(entry.filled) == {
        "peak_latency_ms",
        "peak_to_peak_mv",
        "negative_area_mv_ms",
        "negative_duration_ms",
    }


def test_without_marks_the_gateway_s_are_graded() -> None:
    entry = marked(motor("wrist", measured=None, waveform=cmap()))

    assert entry.marked_by == "gateway"
    assert entry.graded == entry.gateway


@pytest.mark.parametrize(
    ("response", "curve", "warning"),
    [
        (motor_marks(amplitude_mv=4.0), cmap(), "marks_disagree:amplitude_mv"),
        (motor_marks(onset_latency_ms=5.0), cmap(), "marks_disagree:onset_latency_ms"),
        (NO_RESPONSE, cmap(), "marks_disagree:response"),
        (motor_marks(), cmap(amplitude_uv=0.0, noise_uv=3.0), "marks_disagree:response"),
    ],
)
def test_marks_that_disagree_with_the_curve_are_warned_about(response, curve, warning: str) -> None:
    assert warning in marked(motor("wrist", response, waveform=curve)).quality


def test_two_absent_responses_agree() -> None:
    entry = marked(motor("wrist", NO_RESPONSE, waveform=cmap(amplitude_uv=0.0, noise_uv=3.0)))

    assert entry.quality == ("response_absent",)
    assert entry.amplitude == 0.0


def test_amplitudes_are_in_the_unit_of_the_modality() -> None:
    assert marked(sensory()).amplitude == 22.0
    assert marked(sensory()).motor is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_response_that_comes_or_goes_at_the_same_current_is_drift(order: int) -> None:
    absent = motor("wrist", NO_RESPONSE, stimulus=Stimulus(intensity_ma=20))
    series = [marked(absent), marked(stimulated(9.0, 20))][::order]

    assert "electrode_drift" in used(series).quality


def test_marks_without_a_quantity_are_not_the_machine_s() -> None:
    entry = marked(motor("wrist", MotorMarks(), waveform=cmap()))

    assert entry.marked_by == "gateway"
    assert marked(motor("wrist", NO_RESPONSE)).marked_by == "device"
