from dataclasses import replace
from typing import Any

import pytest

from gateway.daemon.reference import load_reference
from gateway.domain.motor_limits import Against, MotorLimits
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording
from tests.factories import compared, marked, median, motor, motor_marks, reference

LIMITS = MotorLimits(norms=reference().norms, anatomy=reference().anatomy, thresholds=reference().thresholds)
LATE = motor_marks(onset_latency_ms=4.6)


def latency(recording: Recording, *, first: bool = True) -> Against | None:
    return LIMITS.latency(marked(recording), first=first)


@pytest.mark.parametrize(("latency_ms", "beyond"), [(4.4, False), (4.5, False), (4.51, True)])
def test_a_distal_latency_is_long_above_its_limit(latency_ms: float, *, beyond: bool) -> None:
    found = latency(median("wrist", motor_marks(onset_latency_ms=latency_ms), distance_mm=80.0))
    assert found == Against(value=latency_ms, limit=4.5, at_most=True)
    assert found.beyond is beyond


@pytest.mark.parametrize(
    ("changes", "judged"),
    [
        ({"distance_mm": 70.0}, True),
        ({"distance_mm": 90.0}, True),
        ({"distance_mm": 69.0}, False),
        ({"distance_mm": 91.0}, False),
        ({}, False),
        ({"distance_to_recording_mm": 80.0}, True),
        ({"distance_to_recording_mm": 120.0, "distance_mm": 80.0}, False),
        ({"distance_mm": 80.0, "skin_temperature_c": 32.0}, True),
        ({"distance_mm": 80.0, "skin_temperature_c": 31.9}, False),
        ({"distance_mm": 80.0, "site_position_mm": 80.0}, False),
        ({"distance_mm": 80.0, "recording_site": "adm"}, False),
    ],
)
def test_a_latency_is_judged_only_near_the_distance_of_the_table_and_warm(
    changes: dict[str, Any], *, judged: bool
) -> None:
    assert (latency(median("wrist", LATE, **changes)) is not None) is judged


def test_a_latency_is_that_of_the_site_the_table_is_about() -> None:
    assert latency(median("elbow", LATE, distance_mm=80.0)) is None
    assert latency(median("palm", LATE, distance_mm=80.0)) is None
    assert latency(median("wrist", NO_RESPONSE, distance_mm=80.0)) is None
    assert latency(median("wrist", MotorMarks(amplitude_mv=9.0), distance_mm=80.0)) is None


def test_a_distance_to_a_more_distal_site_is_not_one_to_the_electrode() -> None:
    assert latency(median("wrist", LATE, distance_mm=80.0), first=False) is None
    assert latency(median("wrist", LATE, distance_to_recording_mm=80.0), first=False) is not None


@pytest.mark.parametrize(("amplitude_mv", "beyond"), [(4.0, True), (4.1, False), (9.0, False)])
def test_a_distal_amplitude_is_low_below_its_limit_at_any_distance_and_temperature(
    amplitude_mv: float, *, beyond: bool
) -> None:
    weak = motor_marks(amplitude_mv=amplitude_mv)
    found = LIMITS.amplitude(marked(median("wrist", weak, skin_temperature_c=25.0)))
    assert found == Against(value=amplitude_mv, limit=4.1)
    assert found.beyond is beyond


def test_no_response_is_low_and_what_is_not_known_is_not_judged() -> None:
    absent = LIMITS.amplitude(marked(median("wrist", NO_RESPONSE)))
    assert absent == Against(value=0.0, limit=4.1)
    assert LIMITS.amplitude(marked(median("wrist", MotorMarks(onset_latency_ms=3.0)))) is None
    assert LIMITS.amplitude(marked(median("elbow"))) is None


def test_a_row_without_a_limit_judges_nothing() -> None:
    norms = LIMITS.norms
    bare = tuple(replace(row, amplitude_mv=None, onset_latency_ms=None) for row in norms.motor)
    limits = replace(LIMITS, norms=replace(norms, motor=bare))
    wrist = marked(median("wrist", distance_mm=80.0))
    assert limits.amplitude(wrist) is None
    assert limits.latency(wrist, first=True) is None


def test_the_distal_site_of_a_muscle_is_that_of_its_row() -> None:
    limits = replace(LIMITS, norms=load_reference(norms="preston-shapiro").norms)
    over_ta: dict[str, Any] = {"nerve": "fibular", "recording_site": "ta"}
    assert limits.row(marked(motor("below_fibular_head", **over_ta))) is not None
    assert limits.row(marked(motor("ankle", **over_ta))) is None
    assert limits.row(marked(motor("ankle", nerve="fibular", recording_site="edb"))) is not None


def velocity(**changes: Any) -> Against | None:
    wrist = median("wrist", motor_marks(onset_latency_ms=3.0), **changes)
    elbow = median("elbow", motor_marks(onset_latency_ms=8.0), distance_mm=220.0)
    return LIMITS.velocity(compared(wrist, elbow))


def test_a_velocity_is_slow_below_the_limit_of_its_segment() -> None:
    found = velocity()
    assert found == Against(value=44.0, limit=49.0)
    assert found.beyond


@pytest.mark.parametrize("changes", [{"skin_temperature_c": 31.0}, {"site_position_mm": 100.0}])
def test_a_velocity_is_not_judged_when_cold_or_inching(changes: dict[str, Any]) -> None:
    assert velocity(**changes) is None


def test_a_velocity_without_a_row_or_a_limit_is_not_judged() -> None:
    late = motor_marks(onset_latency_ms=8.0)
    above = compared(median("elbow"), median("axilla", late, distance_mm=150.0))
    other = compared(
        median("wrist", recording_site="adm"), median("elbow", late, distance_mm=220.0, recording_site="adm")
    )
    cold = compared(median("wrist"), median("elbow", late, distance_mm=220.0, skin_temperature_c=29.0))
    unknown = compared(median("wrist"), median("elbow", late))
    assert [LIMITS.velocity(segment) for segment in (above, other, cold, unknown)] == [None] * 4
