"""Positions of carts that measure every site, and of inching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.anatomy import SitePoint, Standing
from gateway.domain.inching import with_named_sites
from gateway.domain.recording import Recording
from gateway.domain.segments import Segment, motor_sites, point, segments
from tests.factories import marked, median, motor, motor_marks, reference, sensory

ANATOMY, THRESHOLDS = reference().anatomy, reference().thresholds


def points(*recordings: Recording) -> list[SitePoint]:
    return [point(entry.recording) for entry in with_named_sites([marked(r) for r in recordings])]


def compared(*recordings: Recording) -> list[Segment]:
    sites = motor_sites([marked(recording) for recording in recordings], ANATOMY, THRESHOLDS)
    return [entry for muscle in sites.values() for entry in segments(muscle, ANATOMY, THRESHOLDS)]


def test_where_every_site_was_measured_the_sites_are_the_named_ones() -> None:
    (found,) = compared(
        motor("wrist", site_position_mm=70.0),
        motor("below_elbow", motor_marks(onset_latency_ms=6.9), site_position_mm=280.0),
    )

    assert found.standing is Standing.ELIGIBLE
    assert not found.inching
    assert (found.length_mm, found.conduction_velocity_m_s) == (210.0, 52.5)


def test_of_measured_steps_the_most_distal_of_a_name_is_the_named_site() -> None:
    found = compared(
        motor("wrist", site_position_mm=70.0),
        *(motor("below_elbow", site_position_mm=position) for position in (325.0, 280.0, 300.0)),
        motor("above_elbow", site_position_mm=345.0),
    )

    assert [entry.standing for entry in found] == [Standing.ELIGIBLE, *[Standing.COMPRESSION_SITE] * 3]
    assert [entry.length_mm for entry in found] == [210.0, 20.0, 25.0, 20.0]


def test_beside_a_site_without_a_position_every_position_marks_a_step() -> None:
    recordings = (motor("wrist"), motor("below_elbow", site_position_mm=300.0))

    (found,) = compared(*recordings)

    assert points(*recordings) == [("wrist", None), ("below_elbow", 300.0)]
    assert found.standing is Standing.CONTAMINATED


def test_another_muscle_and_a_sensory_nerve_say_nothing() -> None:
    recordings = (
        motor("wrist", site_position_mm=70.0),
        motor("wrist", recording_site="fdi"),
        sensory(site_position_mm=140.0),
    )

    assert points(*recordings) == [("wrist", None), ("wrist", None), ("wrist", 140.0)]


@given(st.permutations([70.0, 120.0, 170.0, 220.0]))
def test_the_order_of_arrival_does_not_matter(positions: list[float]) -> None:
    found = points(*(motor("wrist", site_position_mm=position) for position in positions))

    assert set(found) == {("wrist", None), ("wrist", 120.0), ("wrist", 170.0), ("wrist", 220.0)}


@pytest.mark.parametrize("known", [{"distance_to_recording_mm": 60.0}, {}])
def test_a_measured_distance_to_the_electrode_wins_over_the_position(known: dict[str, float]) -> None:
    (entry,) = with_named_sites([marked(median("wrist", site_position_mm=70.0, **known))])

    assert entry.recording.distance_to_recording_mm == known.get("distance_to_recording_mm", 70.0)
