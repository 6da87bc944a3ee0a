"""Recordings of all kinds, for property tests."""

from hypothesis import strategies as st

from gateway.domain.recording import NO_RESPONSE, MotorMarks, SensoryMarks, Side, Stimulus
from tests.factories import motor, sensory, waveform

numbers = st.floats(min_value=0, max_value=999, allow_subnormal=False).map(lambda value: round(value, 4))
extremes = st.sampled_from([1e-6, 999.0])
positive = numbers.filter(lambda value: value > 0)
optional = st.none() | numbers | extremes
waveforms = st.builds(
    waveform,
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=60),
    rate_hz=st.sampled_from([0.5, 4000.0, 48000.0, 1e7]),
    start_ms=st.sampled_from([-1e4, -2.0, 0.0, 0.5]),
    uv=st.sampled_from([1e-9, 0.05, 0.5, 1.0, 1e6]),
)
motor_marks = st.builds(MotorMarks, **dict.fromkeys(MotorMarks.__dataclass_fields__, optional))
sensory_marks = st.builds(SensoryMarks, **dict.fromkeys(SensoryMarks.__dataclass_fields__, optional))
common = {
    "side": st.sampled_from(Side),
    "distance_mm": st.none() | positive,
    "skin_temperature_c": st.none() | st.integers(0, 500).map(lambda tenths: tenths / 10),
    "stimulus": st.builds(
        Stimulus,
        intensity_ma=optional,
        duration_ms=st.none() | st.integers(0, 1000).map(lambda tenths: tenths / 10),
        supramaximal=st.sampled_from([None, True, False]),
    ),
    "filter_hz": st.none() | st.tuples(numbers, st.just(10_000.0)),
    "recorded_at": st.sampled_from([None, "2026-11-02T10:15:03+01:00", "2026-11-02T09:15:03Z"]),
    "averages": st.none() | st.integers(1, 100),
    "signal_status": st.sampled_from([None, "questionable", "unzeroed"]),
    "waveform": st.none() | waveforms,
}
unmarked = st.builds(
    motor, site=st.sampled_from(["wrist", "above_elbow"]), measured=st.none(), waveform=waveforms
)
motor_recordings = unmarked | st.builds(
    motor,
    site=st.sampled_from(["wrist", "below_elbow"]),
    response=motor_marks | st.just(NO_RESPONSE),
    site_position_mm=optional,
    **common,
)
sensory_recordings = st.builds(sensory, response=sensory_marks | st.just(NO_RESPONSE), **common)
