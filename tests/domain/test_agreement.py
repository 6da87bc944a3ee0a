import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.agreement import disagreements
from gateway.domain.markers import Marking
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Response, SensoryMarks
from tests.factories import marker_settings

SETTINGS = marker_settings()


def found(device: Response, ours: Response | None, **errors: float) -> tuple[Quality, ...]:
    return disagreements(device, Marking(response=ours, errors=errors), SETTINGS)


def test_the_number_is_machine_minus_ours_in_the_quantity_s_unit() -> None:
    device = MotorMarks(onset_latency_ms=3.9, amplitude_mv=9.0, negative_duration_ms=6.0)
    ours = MotorMarks(onset_latency_ms=3.1, amplitude_mv=9.1, negative_duration_ms=8.0)

    assert found(device, ours) == (
        Quality("marks_disagree", 0.8, subject="onset_latency_ms"),
        Quality("marks_disagree", -2.0, subject="negative_duration_ms"),
    )


@pytest.mark.parametrize(
    ("latency_ms", "error_ms", "beyond"),
    [
        (3.5, 0.0, False),  # the machine's own half width is 0.5 ms
        (3.51, 0.0, True),
        (3.7, 0.25, False),  # sqrt((1.96 x 0.25)^2 + 0.5^2) = 0.7000
        (3.71, 0.25, True),
        (2.29, 0.25, True),
    ],
)
def test_a_latency_disagrees_beyond_both_half_widths(
    latency_ms: float, error_ms: float, beyond: bool
) -> None:
    device, ours = (MotorMarks(onset_latency_ms=value) for value in (latency_ms, 3.0))

    assert bool(found(device, ours, onset_latency_ms=error_ms)) is beyond


@pytest.mark.parametrize(
    ("amplitude_uv", "error_uv", "beyond"),
    [(20.0, 0.0, False), (20.01, 0.0, True), (20.01, 0.5, False), (24.0, 0.5, True)],
)
def test_other_quantities_disagree_beyond_a_part_of_the_machine_s_value(
    amplitude_uv: float, error_uv: float, beyond: bool
) -> None:
    device, ours = (SensoryMarks(amplitude_uv=value) for value in (amplitude_uv, 17.0))

    assert bool(found(device, ours, amplitude_uv=error_uv)) is beyond


@pytest.mark.parametrize(
    ("device", "ours", "expected"),
    [
        (NO_RESPONSE, MotorMarks(amplitude_mv=9.0), True),
        (MotorMarks(amplitude_mv=9.0), NO_RESPONSE, True),
        (NO_RESPONSE, NO_RESPONSE, False),
        (MotorMarks(), NO_RESPONSE, False),
        (NO_RESPONSE, None, False),
        (MotorMarks(amplitude_mv=9.0), None, False),
        (MotorMarks(amplitude_mv=9.0), MotorMarks(negative_area_mv_ms=30.0), False),
    ],
)
def test_whether_there_is_a_response_is_a_disagreement_of_its_own(device, ours, expected: bool) -> None:
    assert found(device, ours) == ((Quality("marks_disagree", subject="response"),) if expected else ())


marks = st.builds(
    MotorMarks,
    onset_latency_ms=st.none() | st.floats(0.5, 20.0),
    amplitude_mv=st.none() | st.floats(0.05, 30.0),
    negative_area_mv_ms=st.none() | st.floats(0.1, 100.0),
    negative_duration_ms=st.none() | st.floats(1.0, 20.0),
)


@given(marks)
def test_a_machine_that_says_what_we_say_agrees(same: MotorMarks) -> None:
    assert found(same, same) == ()


@given(device=marks, ours=marks, error=st.floats(0.0, 10.0))
def test_an_uncertain_mark_of_ours_never_adds_a_disagreement(
    device: MotorMarks, ours: MotorMarks, error: float
) -> None:
    uncertain = found(device, ours, **dict.fromkeys(MotorMarks.__dataclass_fields__, error))

    assert set(uncertain) <= set(found(device, ours))
    for entry in uncertain:
        assert entry.subject is not None
        difference = getattr(device, entry.subject) - getattr(ours, entry.subject)
        assert entry.value == pytest.approx(difference, abs=1e-6)
