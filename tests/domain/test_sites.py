from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.quality import Quality
from gateway.domain.recording import (
    NO_RESPONSE,
    MarkedBy,
    MotorMarks,
    Recording,
    Response,
    SensoryMarks,
    Stimulus,
)
from gateway.domain.sites import Evoked, used
from tests.factories import cmap, marked, motor, motor_marks, reference, sensory, waveform

THRESHOLDS = reference().thresholds


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

    assert used(entries, THRESHOLDS).amplitude == amplitude


def test_of_equal_responses_at_unknown_currents_the_last_is_used() -> None:
    cold, warm = (replace(stimulated(9.0, None), skin_temperature_c=c) for c in (25.0, 33.0))

    assert used([marked(cold), marked(warm)], THRESHOLDS).recording is warm


@pytest.mark.parametrize(("second", "drifted"), [(8.1, False), (8.09, True), (9.9, False), (9.95, True)])
def test_a_change_over_ten_percent_at_the_same_current_is_electrode_drift(
    second: float, drifted: bool
) -> None:
    entries = [marked(stimulated(9.0, 20)), marked(stimulated(second, 20))]

    assert used(entries, THRESHOLDS).flagged("electrode_drift") is drifted


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
        "total_duration_ms",
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
    quality = marked(motor("wrist", response, waveform=curve)).quality

    assert warning in [entry.code for entry in quality]


def test_two_absent_responses_agree() -> None:
    entry = marked(motor("wrist", NO_RESPONSE, waveform=cmap(amplitude_uv=0.0, noise_uv=3.0)))

    assert entry.quality == (Quality("response_absent"),)
    assert entry.amplitude == 0.0


def test_amplitudes_are_in_the_unit_of_the_modality() -> None:
    assert marked(sensory()).amplitude == 22.0
    assert marked(sensory()).motor is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_response_that_comes_or_goes_at_the_same_current_is_drift(order: int) -> None:
    absent = motor("wrist", NO_RESPONSE, stimulus=Stimulus(intensity_ma=20))
    series = [marked(absent), marked(stimulated(9.0, 20))][::order]

    drift = [entry for entry in used(series, THRESHOLDS).quality if entry.name == "electrode_drift"]
    assert drift == [Quality("electrode_drift", -100.0 if order < 0 else None)]


@pytest.mark.parametrize(
    ("amplitudes", "percent"), [((10.0, 8.0), -20.0), ((10.0, 8.0, 9.0), -20.0), ((8.0, 10.0, 9.5), 25.0)]
)
def test_drift_carries_the_largest_change_in_percent(amplitudes, percent: float) -> None:
    entries = [marked(stimulated(amplitude, 20)) for amplitude in amplitudes]

    assert Quality("electrode_drift", percent) in used(entries, THRESHOLDS).quality


def growing(series, *, flags=()) -> tuple[Quality, ...]:
    """What a series of (amplitude, current) says about its plateau; `flags`: currents that have it proven."""
    recordings = (
        stimulated(amplitude, current, supramaximal=True if current in flags else None)
        for amplitude, current in series
    )
    found = used([marked(recording) for recording in recordings], THRESHOLDS)
    return tuple(entry for entry in found.quality if entry.name == "submaximal_series")


@pytest.mark.parametrize(
    ("series", "percent"),
    [
        ([(4.0, 10), (8.0, 20), (8.4, 25)], 5.0),
        ([(4.0, 10), (8.0, 20), (8.39, 25)], None),  # 4.9 %
        ([(4.0, 10), (9.0, 20), (8.0, 25)], None),
        ([(4.0, 10), (8.0, 20)], 100.0),
        ([(8.0, 20), (4.0, 10)], 100.0),  # the order of arrival does not matter
        ([(8.0, 20)], None),
        ([(4.0, None), (8.0, None)], None),
        ([(4.0, None), (8.0, 20)], None),
        ([(4.0, 20), (8.0, 20)], None),  # no step
    ],
)
def test_a_series_that_still_grows_at_its_last_step_is_not_at_its_plateau(
    series, percent: float | None
) -> None:
    assert growing(series) == (() if percent is None else (Quality("submaximal_series", percent),))


def test_the_word_that_a_stimulus_was_supramaximal_stands_above_the_series() -> None:
    assert growing([(4.0, 10), (8.0, 20)], flags=(20,)) == ()
    assert growing([(4.0, 10), (8.0, 20)], flags=(10,)) == ()  # the recording at 10 mA is used


def test_a_response_that_comes_with_the_last_step_grows_without_a_percentage() -> None:
    absent = motor("wrist", NO_RESPONSE, stimulus=Stimulus(intensity_ma=10))

    found = used([marked(absent), marked(stimulated(8.0, 20))], THRESHOLDS)

    assert found.quality == (Quality("submaximal_series"),)


def test_a_sweep_that_cannot_be_marked_is_no_step_of_a_series() -> None:
    flat = motor("wrist", measured=None, waveform=waveform([0] * 800), stimulus=Stimulus(intensity_ma=30))

    assert not used([marked(stimulated(8.0, 20)), marked(flat)], THRESHOLDS).flagged("submaximal_series")
    assert not used([marked(flat), marked(flat)], THRESHOLDS).flagged("electrode_drift")


@given(
    st.lists(st.tuples(st.floats(0.01, 30.0), st.sampled_from([10, 20, 30, None])), min_size=1, max_size=6)
)
def test_a_series_never_changes_a_mark(series) -> None:
    entries = [marked(stimulated(round(amplitude, 3), current)) for amplitude, current in series]

    found = used(entries, THRESHOLDS)

    assert replace(found, quality=()) in [replace(entry, quality=()) for entry in entries]


def with_errors(response: Response | None) -> Evoked:
    """A recording with a curve, the standard errors of our marks set by hand."""
    entry = marked(motor("wrist", measured=response, waveform=cmap()))
    return replace(entry, errors={"amplitude_mv": 0.02, "negative_duration_ms": 0.1})


def test_a_graded_mark_has_an_error_where_it_is_ours() -> None:
    assert with_errors(None).error("amplitude_mv") == 0.02
    assert with_errors(None).error("onset_latency_ms") is None
    partly = with_errors(MotorMarks(onset_latency_ms=3.0, amplitude_mv=9.0))
    assert partly.error("amplitude_mv") is None
    assert partly.error("negative_duration_ms") == 0.1


def test_what_the_machine_says_of_its_signal_stands_among_the_quality() -> None:
    assert marked(motor("wrist", signal_status="unzeroed")).quality == (Quality("signal_unzeroed"),)


def test_marks_without_a_quantity_are_not_the_machine_s() -> None:
    entry = marked(motor("wrist", MotorMarks(), waveform=cmap()))

    assert entry.marked_by == "gateway"
    assert marked(motor("wrist", NO_RESPONSE)).marked_by == "device"


@pytest.mark.parametrize("amplitude", [0, 0.0])
def test_a_response_of_no_height_is_none(amplitude: float) -> None:
    cmap_of_zeros = MotorMarks(amplitude_mv=amplitude, negative_area_mv_ms=0, negative_duration_ms=0)
    snap_of_zero = SensoryMarks(amplitude_uv=amplitude, peak_latency_ms=0)

    for zeros in (marked(motor("wrist", cmap_of_zeros)), marked(sensory(snap_of_zero))):
        assert zeros.graded is NO_RESPONSE
        assert zeros.marked_by == "device"
        assert zeros.flagged("response_absent")


@pytest.mark.parametrize(
    ("stated", "stronger", "percent"),
    [
        ((3.0, 20, True), [(7.8, 30, False)], 160.0),
        ((8.0, 20, True), [(8.4, 30, None)], 5.0),
        ((8.0, 20, True), [(8.39, 30, None)], None),  # 4.9 %: a plateau
        ((8.0, 20, True), [(9.0, 10, None)], None),  # a weaker one: something else is wrong
        ((8.0, None, True), [(9.0, 30, None)], None),
        ((8.0, 20, True), [(9.0, None, None)], None),
    ],
)
def test_a_stronger_current_that_gives_more_contradicts_the_statement(stated, stronger, percent) -> None:
    series = [
        marked(stimulated(amplitude, current, supramaximal=flag))
        for amplitude, current, flag in (*stronger, stated)
    ]

    found = used(series, THRESHOLDS)

    assert found.amplitude == stated[0]
    assert [e.value for e in found.quality if e.name == "supramaximal_contradicted"] == (
        [] if percent is None else [percent]
    )


@pytest.mark.parametrize(
    ("total_ms", "marked_by", "filled", "dispersed", "several"),
    [
        (12.0, "device", (), False, True),  # the machine says so by its two durations
        (6.0, "device", (), True, False),
        (12.0, "device", ("total_duration_ms",), False, False),  # ours: only where another phase was seen
        (12.0, "device", ("total_duration_ms",), True, True),
        (12.0, "gateway", (), False, False),
        (12.0, "gateway", (), True, True),
        (None, "gateway", (), True, False),
    ],
)
def test_several_phases_are_told_by_whoever_measured_the_whole_duration(
    total_ms: float | None, marked_by: MarkedBy, filled: tuple[str, ...], *, dispersed: bool, several: bool
) -> None:
    entry = replace(
        marked(motor("wrist", motor_marks(total_duration_ms=total_ms))),
        marked_by=marked_by,
        filled=filled,
        quality=(Quality("dispersed", 20.0),) if dispersed else (),
    )

    assert entry.several_phases is several
