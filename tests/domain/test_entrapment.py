from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.daemon.reference import load_reference
from gateway.domain.criteria import CriteriaSet
from gateway.domain.entrapment import ulnar_at_elbow
from gateway.domain.norms import NormTable, VelocityLimit
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Response
from gateway.domain.segments import motor_sites, segments
from tests.factories import marked, median, motor, motor_marks, reference

NORMS, ANATOMY, THRESHOLDS = reference().norms, reference().anatomy, reference().thresholds
EFNS = reference().grading_set
AMPLITUDE_50 = next(entry for entry in reference().criteria if entry.id == "amplitude-50")


def entrapped(*recordings: Recording, criteria: CriteriaSet = EFNS, norms: NormTable = NORMS) -> bool:
    sites = motor_sites([marked(recording) for recording in recordings], ANATOMY, THRESHOLDS)
    found = [entry for muscle in sites.values() for entry in segments(muscle, ANATOMY, THRESHOLDS)]
    return ulnar_at_elbow(found, criteria, norms, ANATOMY, THRESHOLDS)


def marks(area: float = 28.0, latency: float = 6.0, **changes: Any) -> MotorMarks:
    return motor_marks(negative_area_mv_ms=area, onset_latency_ms=latency, **changes)


def below(response: Response | None = None, **changes: Any) -> Recording:
    return motor("below_elbow", response or marks(), **changes)


def above(response: Response | None = None, **changes: Any) -> Recording:
    return motor("above_elbow", response or marks(latency=7.8), **{"distance_mm": 100.0} | changes)


def beyond(position_mm: float, area: float, **changes: Any) -> Recording:
    """A short step above `below_elbow`, so far from the electrode."""
    return below(marks(area), site_position_mm=position_mm, **changes)


@pytest.mark.parametrize(("area", "met"), [(20.0, False), (19.6, True), (14.0, True), (13.0, True)])
def test_block_numbers_across_the_elbow_count_although_the_site_is_excluded(area: float, met: bool) -> None:
    assert entrapped(below(), above(marks(area, latency=7.8))) is met


@pytest.mark.parametrize(("amplitude", "met"), [(4.6, False), (4.5, True)])
def test_the_numbers_are_those_of_the_grading_set(amplitude: float, met: bool) -> None:
    proximal = above(marks(latency=7.8, amplitude_mv=amplitude))

    assert entrapped(below(), proximal, criteria=AMPLITUDE_50) is met
    assert not entrapped(below(), proximal)


def test_a_set_that_does_not_list_the_nerve_says_nothing() -> None:
    median_only = replace(EFNS, nerves=("median",))

    assert not entrapped(below(), above(marks(5.0, latency=7.8)), criteria=median_only)


def test_any_ulnar_muscle_will_do() -> None:
    fdi = {"recording_site": "fdi"}

    assert entrapped(below(**fdi), above(marks(10.0, latency=7.8), **fdi), criteria=AMPLITUDE_50) is False
    norms = load_reference(norms="preston-shapiro").norms
    assert entrapped(below(**fdi), above(marks(10.0, latency=7.8), **fdi), norms=norms)


@pytest.mark.parametrize(("distance_mm", "slow"), [(86.0, False), (85.8, True)])
def test_a_velocity_below_the_limit_of_the_table_counts(distance_mm: float, slow: bool) -> None:
    proximal = above(marks(latency=8.0), distance_mm=distance_mm)  # 43.0 and 42.9 m/s

    assert entrapped(below(), proximal) is slow


def test_a_table_without_a_limit_across_the_elbow_says_nothing_of_velocity() -> None:
    slow = above(marks(latency=12.0))

    assert entrapped(below(), slow)
    assert not entrapped(below(), slow, norms=load_reference(norms="preston-shapiro").norms)


def test_the_limit_is_that_of_the_muscle_recorded() -> None:
    fdi = {"recording_site": "fdi"}

    assert not entrapped(below(**fdi), above(marks(latency=12.0), **fdi))


def test_without_a_distance_there_is_no_velocity() -> None:
    assert not entrapped(below(), above(marks(latency=12.0), distance_mm=None))


@pytest.mark.parametrize(
    ("distal_c", "proximal_c", "slow"),
    [(32.0, 32.0, True), (31.9, 33.0, False), (33.0, 31.9, False), (None, 31.9, False), (None, 33.0, True)],
)
def test_a_cold_nerve_is_slow_anyway(distal_c, proximal_c, slow: bool) -> None:
    distal, proximal = (
        below(skin_temperature_c=distal_c),
        above(marks(latency=12.0), skin_temperature_c=proximal_c),
    )

    assert entrapped(distal, proximal) is slow


def test_a_block_stands_in_the_cold() -> None:
    assert entrapped(below(skin_temperature_c=20.0), above(marks(10.0, latency=7.8)))


@pytest.mark.parametrize(
    "recordings",
    [
        [],
        [below()],
        [motor("wrist"), below(marks(5.0))],
        [motor("wrist"), above(marks(5.0, latency=7.8))],
        [above(), motor("axilla", marks(5.0, latency=9.0))],
        [below(), motor("axilla", marks(5.0, latency=9.0))],
        [median("wrist"), median("elbow", marks(5.0))],
        [below(recording_site="apb"), above(marks(5.0, latency=12.0), recording_site="apb")],
        [below(NO_RESPONSE), above()],
    ],
)
def test_other_segments_say_nothing_about_the_elbow(recordings: list[Recording]) -> None:
    assert not entrapped(*recordings)


def test_short_steps_within_the_elbow_count() -> None:
    assert entrapped(below(), beyond(260.0, 13.0))
    assert entrapped(beyond(240.0, 28.0), beyond(260.0, 13.0))
    assert entrapped(beyond(260.0, 28.0), above(marks(13.0)))
    assert not entrapped(below(), beyond(260.0, 27.0), beyond(280.0, 26.0), above(marks(25.0, latency=7.8)))


def test_a_step_that_leaves_the_elbow_does_not_count() -> None:
    leaving = replace(above(marks(5.0)), site_position_mm=340.0)

    assert not entrapped(below(), beyond(260.0, 28.0), leaving)


def test_a_fall_spread_over_short_steps_counts_as_one() -> None:
    steps = (beyond(260.0, 25.0), beyond(280.0, 22.0))

    assert entrapped(below(), *steps, above(marks(19.0, latency=7.8)))
    assert not entrapped(below(), *steps, above(marks(21.0, latency=7.8)))


def test_falls_over_different_muscles_are_not_added_up() -> None:
    other = {"recording_site": "fdi"}

    assert not entrapped(
        below(), beyond(260.0, 25.0), beyond(260.0, 25.0, **other), above(marks(9.0), **other)
    )


@pytest.mark.parametrize(("to_electrode_mm", "slow"), [(320.0, False), (300.0, True)])
def test_velocity_over_short_steps_is_by_the_distances_to_the_electrode(to_electrode_mm, slow: bool) -> None:
    distal = below(distance_to_recording_mm=220.0)
    step = beyond(260.0, 28.0, distance_mm=40.0)
    last = above(marks(latency=8.0), distance_mm=10.0, distance_to_recording_mm=to_electrode_mm)

    assert entrapped(distal, step, last) is slow


@pytest.mark.parametrize(("last_mm", "slow"), [(60.0, False), (40.0, True), (None, False)])
def test_or_else_by_the_lengths_of_all_steps(last_mm: float | None, slow: bool) -> None:
    steps = (below(), beyond(260.0, 28.0, distance_mm=40.0))

    assert entrapped(*steps, above(marks(latency=8.0), distance_mm=last_mm)) is slow


@given(area=st.floats(0.1, 60.0), latency=st.floats(6.1, 20.0), muscle=st.sampled_from(["adm", "fdi"]))
def test_a_higher_limit_never_frees_a_nerve(area: float, latency: float, muscle: str) -> None:
    recordings = (below(recording_site=muscle), above(marks(area, latency), recording_site=muscle))
    across = (VelocityLimit(distal="below_elbow", proximal="above_elbow", limit_m_s=50.0),)
    stricter = replace(NORMS, motor=tuple(replace(row, velocities=across) for row in NORMS.motor))

    assert entrapped(*recordings, norms=stricter) >= entrapped(*recordings)
