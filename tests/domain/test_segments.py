from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.recording import NO_RESPONSE, MotorMarks, Response, Side
from gateway.domain.segments import compare, motor_sites, segments
from gateway.domain.sites import Evoked
from tests.factories import cmap, compared, marked, motor, motor_marks, reference, sensory, waveform

ANATOMY = reference().anatomy
THRESHOLDS = reference().thresholds


def proximal_marks(**changes: float | None) -> MotorMarks:
    values = {
        "onset_latency_ms": 6.7,
        "amplitude_mv": 3.0,
        "negative_area_mv_ms": 9.5,
        "negative_duration_ms": 6.6,
    }
    return motor_marks(**values | changes)


def test_a_block_in_the_forearm_in_numbers() -> None:
    segment = compared(motor("wrist"), motor("below_elbow", proximal_marks(), distance_mm=220.0))

    assert segment.amplitude_ratio == 0.333
    assert segment.amplitude_reduction_percent == 66.7
    assert segment.area_reduction_percent == 66.1
    assert segment.duration_increase_percent == 10.0
    assert segment.conduction_velocity_m_s == 57.9
    assert segment.temporal_dispersion is False
    assert segment.notes == ()


@pytest.mark.parametrize(
    ("duration_ms", "increase", "dispersed"), [(7.8, 30.0, False), (7.81, 30.2, True), (5.4, -10.0, False)]
)
def test_dispersion_is_an_increase_above_thirty_percent(
    duration_ms: float, increase: float, dispersed: bool
) -> None:
    segment = compared(motor("wrist"), motor("below_elbow", proximal_marks(negative_duration_ms=duration_ms)))

    assert segment.duration_increase_percent == increase
    assert segment.temporal_dispersion is dispersed


def test_thirty_percent_exactly_is_thirty() -> None:
    near, far = motor_marks(negative_duration_ms=3.0), proximal_marks(negative_duration_ms=3.9)

    segment = compared(motor("wrist", near), motor("below_elbow", far))

    assert segment.duration_increase_percent == 30.0
    assert segment.temporal_dispersion is False


def test_nothing_proximal_is_a_full_reduction_without_a_duration() -> None:
    segment = compared(motor("wrist"), motor("below_elbow", NO_RESPONSE))

    assert segment.notes == ("no_proximal_response",)
    assert (segment.amplitude_ratio, segment.amplitude_reduction_percent) == (0.0, 100.0)
    assert segment.area_reduction_percent == 100.0
    assert segment.duration_increase_percent is None
    assert segment.temporal_dispersion is None
    assert segment.conduction_velocity_m_s is None


def test_nothing_distal_leaves_nothing_to_compute() -> None:
    segment = compared(motor("wrist", NO_RESPONSE), motor("below_elbow", proximal_marks()))

    assert segment.notes == ("no_distal_response",)
    assert segment.amplitude_ratio is None


def test_a_sweep_that_cannot_be_marked_is_not_an_absent_response() -> None:
    flat = waveform([0] * 800)

    segment = compared(motor("wrist"), motor("below_elbow", measured=None, waveform=flat))

    assert segment.notes == ("unmarkable",)
    assert segment.amplitude_ratio is None


@pytest.mark.parametrize(("amplitude", "larger"), [(10.8, False), (10.81, True)])
def test_proximal_larger_by_more_than_a_fifth_has_no_velocity(amplitude: float, larger: bool) -> None:
    segment = compared(
        motor("wrist"), motor("below_elbow", proximal_marks(amplitude_mv=amplitude), distance_mm=220.0)
    )

    assert ("proximal_larger" in segment.notes) is larger
    assert (segment.conduction_velocity_m_s is None) is larger


def test_missing_quantities_leave_only_their_own_change_unknown() -> None:
    near = MotorMarks(onset_latency_ms=2.9, amplitude_mv=9.0)

    segment = compared(motor("wrist", near), motor("below_elbow", proximal_marks()))

    assert segment.amplitude_reduction_percent == 66.7
    assert segment.area_reduction_percent is None
    assert segment.duration_increase_percent is None


@pytest.mark.parametrize(
    ("near", "far", "velocity"),
    [
        ({}, {"distance_mm": 220.0}, 57.9),
        ({"distance_to_recording_mm": 70.0}, {"distance_to_recording_mm": 290.0}, 57.9),
        ({"site_position_mm": 70.0}, {"site_position_mm": 290.0}, 57.9),
        ({"distance_to_recording_mm": 290.0}, {"distance_to_recording_mm": 70.0}, None),
        ({}, {}, None),
    ],
)
def test_velocity_is_length_by_latency_difference(near, far, velocity: float | None) -> None:
    segment = compared(motor("wrist", **near), motor("below_elbow", proximal_marks(), **far))

    assert segment.conduction_velocity_m_s == velocity


@pytest.mark.parametrize("latency", [2.9, 2.0])
def test_no_velocity_without_a_delay(latency: float) -> None:
    segment = compared(
        motor("wrist"), motor("below_elbow", proximal_marks(onset_latency_ms=latency), distance_mm=220.0)
    )

    assert segment.conduction_velocity_m_s is None


def test_segments_join_neighbouring_recorded_sites_muscle_by_muscle() -> None:
    entries = [
        marked(motor("axilla")),
        marked(motor("wrist", recording_site="fdi")),
        marked(motor("wrist")),
        marked(sensory()),
        marked(motor("below_elbow")),
    ]

    by_muscle = motor_sites(entries, ANATOMY, THRESHOLDS)
    found = {m: segments(sites, ANATOMY, THRESHOLDS) for m, sites in by_muscle.items()}

    assert [(s.distal_point.site, s.proximal_point.site) for s in found["adm"]] == [
        ("wrist", "below_elbow"),
        ("below_elbow", "axilla"),
    ]
    assert found["fdi"] == ()


def test_short_means_inching() -> None:
    assert compared(motor("wrist"), motor("wrist", proximal_marks(), site_position_mm=100.0)).inching
    assert not compared(motor("wrist"), motor("below_elbow")).inching


def test_drift_at_a_site_is_noted_on_its_segments() -> None:
    entries = [
        marked(motor("wrist", motor_marks(amplitude_mv=5.0))),
        marked(motor("wrist")),
        marked(motor("below_elbow")),
    ]

    (segment,) = segments(motor_sites(entries, ANATOMY, THRESHOLDS)["adm"], ANATOMY, THRESHOLDS)

    assert segment.notes == ("electrode_drift",)


def ours(site: str, onset_ms: float, amplitude_mv: float, errors: Mapping[str, float]) -> Evoked:
    """A CMAP that we marked, with the standard errors of its quantities."""
    marks = motor_marks(onset_latency_ms=onset_ms, amplitude_mv=amplitude_mv)
    entry = marked(motor(site, marks, distance_mm=220.0))
    return replace(entry, marked_by="gateway", gateway=marks, errors=errors)


BOTH = {"amplitude_mv": 0.08, "onset_latency_ms": 0.03}
WRIST = ours("wrist", 3.0, 8.0, BOTH)
BELOW_ELBOW = ours("below_elbow", 7.0, 4.0, {"amplitude_mv": 0.04, "onset_latency_ms": 0.04})


def test_changes_between_our_own_marks_have_standard_errors() -> None:
    found = compare(WRIST, BELOW_ELBOW, ANATOMY, THRESHOLDS, 220.0)

    assert found.standard_errors == pytest.approx(
        {
            "amplitude_ratio": 0.5 * 0.01 * 2**0.5,
            "amplitude_reduction_percent": 50 * 0.01 * 2**0.5,
            "conduction_velocity_m_s": 55.0 * 0.05 / 4.0,
        }
    )


def test_area_and_duration_have_theirs_from_their_own_quantities() -> None:
    errors = {"negative_area_mv_ms": 0.28, "negative_duration_ms": 0.3}
    near, far = (ours(site, 3.0, 8.0, errors) for site in ("wrist", "below_elbow"))

    found = compare(near, far, ANATOMY, THRESHOLDS)

    assert found.standard_errors == pytest.approx(
        {"area_reduction_percent": 100 * 0.01 * 2**0.5, "duration_increase_percent": 100 * 0.05 * 2**0.5}
    )


def test_a_change_is_known_to_1_96_standard_errors_or_to_three_points() -> None:
    found = compare(WRIST, BELOW_ELBOW, ANATOMY, THRESHOLDS)

    expected = 1.96 * 50 * 0.01 * 2**0.5
    assert found.half_width("amplitude_reduction_percent", THRESHOLDS) == pytest.approx(expected)
    assert found.half_width("area_reduction_percent", THRESHOLDS) == 3.0


def test_a_machine_s_mark_at_one_end_leaves_the_error_unknown() -> None:
    found = compare(WRIST, replace(BELOW_ELBOW, marked_by="device"), ANATOMY, THRESHOLDS)

    assert found.standard_errors == {}
    assert found.half_width("amplitude_reduction_percent", THRESHOLDS) == 3.0


@pytest.mark.parametrize(
    "near", [MotorMarks(amplitude_mv=0.0), MotorMarks(negative_area_mv_ms=28.0), MotorMarks(), NO_RESPONSE]
)
def test_a_quantity_that_is_unknown_or_nothing_has_no_error(near: Response) -> None:
    assert compare(replace(WRIST, graded=near), BELOW_ELBOW, ANATOMY, THRESHOLDS).standard_errors == {}
    assert compare(WRIST, replace(BELOW_ELBOW, graded=NO_RESPONSE), ANATOMY, THRESHOLDS).standard_errors == {}


def test_a_velocity_that_is_not_reported_has_no_error() -> None:
    larger = ours("below_elbow", 7.0, 16.0, {"onset_latency_ms": 0.03})

    found = compare(WRIST, larger, ANATOMY, THRESHOLDS, 220.0)

    assert "proximal_larger" in found.notes
    assert found.standard_errors == {}


def test_a_second_nerve_at_the_distal_site_is_suspected_on_the_distal_recording() -> None:
    long, short = cmap(duration_ms=10.0), cmap(onset_ms=7.0, duration_ms=5.0)
    entries = [
        marked(motor(site, measured=None, waveform=curve))
        for site, curve in (("wrist", long), ("below_elbow", short), ("axilla", short))
    ]

    wrist, *others = motor_sites(entries, ANATOMY, THRESHOLDS)["adm"]

    assert wrist.flagged("costimulation_suspected")
    assert not any(entry.flagged("costimulation_suspected") for entry in others)


amplitudes = st.floats(min_value=0.1, max_value=30.0).map(lambda x: round(x, 3))


@given(near=amplitudes, far=amplitudes, scale=st.sampled_from([0.5, 2.0, 10.0]))
def test_scaling_both_sites_changes_no_ratio(near: float, far: float, scale: float) -> None:
    def ratio(factor: float) -> float | None:
        distal = motor("wrist", MotorMarks(amplitude_mv=round(near * factor, 6)))
        proximal = motor("below_elbow", MotorMarks(amplitude_mv=round(far * factor, 6)))
        return compared(distal, proximal).amplitude_ratio

    assert ratio(scale) == ratio(1.0)


def test_left_and_right_are_told_apart() -> None:
    assert compared(motor("wrist", side=Side.LEFT), motor("below_elbow", side=Side.LEFT)).side is Side.LEFT
    assert marked(motor("wrist", measured=None, waveform=cmap())).motor is not None
