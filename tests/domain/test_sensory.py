from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.daemon.reference import load_reference
from gateway.domain.norms import NormTable, Person
from gateway.domain.recording import NO_RESPONSE, Recording, Response, SensoryMarks, Side, Stimulus
from gateway.domain.sensory import (
    SensoryGrade,
    SensoryResult,
    compared_sides,
    sensory_normal,
    sensory_results,
)
from tests import factories
from tests.factories import marked, motor, reference, waveform

NORMS, ANATOMY, THRESHOLDS = reference().norms, reference().anatomy, reference().thresholds
WARM = 33.0
COLD = 31.9


def sensory(response: Response | None = None, **changes: Any) -> Recording:
    """A sensory recording of a warm limb."""
    return factories.sensory(response, **{"skin_temperature_c": WARM} | changes)


def median_sensory(response: Response | None = None, **changes: Any) -> Recording:
    return factories.median_sensory(response, **{"skin_temperature_c": WARM} | changes)


def results(
    *recordings: Recording, norms: NormTable = NORMS, ulnar_entrapped: bool = False
) -> tuple[SensoryResult, ...]:
    evoked = [marked(recording) for recording in recordings]
    return sensory_results(evoked, norms, ANATOMY, THRESHOLDS, ulnar_entrapped=ulnar_entrapped)


def judged(recording: Recording, norms: NormTable = NORMS, *, ulnar_entrapped: bool = False) -> SensoryResult:
    (found,) = results(recording, norms=norms, ulnar_entrapped=ulnar_entrapped)
    return found


def marks(
    amplitude: float | None = 22.0, peak: float | None = 3.1, onset: float | None = 2.4
) -> SensoryMarks:
    return SensoryMarks(amplitude_uv=amplitude, peak_latency_ms=peak, onset_latency_ms=onset)


@pytest.mark.parametrize(
    ("amplitude", "peak", "result", "reasons"),
    [
        (10.0, 4.0, SensoryGrade.NORMAL, ()),
        (9.9, 4.0, SensoryGrade.ABNORMAL, ("amplitude_low",)),
        (10.0, 4.01, SensoryGrade.ABNORMAL, ("peak_latency_long",)),
        (9.9, 4.01, SensoryGrade.ABNORMAL, ("amplitude_low", "peak_latency_long")),
    ],
)
def test_normal_means_within_every_limit_of_the_table(amplitude, peak, result, reasons) -> None:
    found = judged(sensory(marks(amplitude, peak)))

    assert (found.result, found.reasons) == (result, reasons)
    assert found.limits == {"amplitude_uv": 10.0, "peak_latency_ms": 4.0}


@pytest.mark.parametrize(
    ("distance", "applied"), [(130.0, True), (150.0, True), (129.0, False), (151.0, False), (None, False)]
)
def test_latency_limits_hold_only_near_the_table_s_distance(distance, applied) -> None:
    found = judged(sensory(marks(peak=5.0), distance_mm=distance))

    assert ("peak_latency_ms" in found.limits) is applied
    assert (found.result is SensoryGrade.ABNORMAL) is applied


@pytest.mark.parametrize(
    ("recording", "caveat"),
    [
        (sensory(marks(peak=None)), "peak_latency_not_recorded"),
        (sensory(distance_mm=None), "peak_latency_not_judged"),
        (sensory(distance_mm=100.0), "peak_latency_not_judged"),
    ],
)
def test_a_limit_that_cannot_be_applied_is_a_caveat(recording: Recording, caveat: str) -> None:
    found = judged(recording)

    assert (found.result, found.caveats) == (SensoryGrade.NORMAL, (caveat,))
    assert found.limits == {"amplitude_uv": 10.0}


def test_the_distance_to_the_electrode_is_as_good_as_the_distance() -> None:
    recording = sensory(marks(peak=4.5), distance_mm=None, distance_to_recording_mm=140.0)

    assert judged(recording).reasons == ("peak_latency_long",)
    assert judged(recording).velocity_m_s == 58.3


def test_a_distance_to_another_site_is_not_a_distance_to_the_electrode() -> None:
    elbow = sensory(marks(onset=6.3, peak=7.0), stimulation_site="elbow", distance_mm=215.0)
    wrist = sensory(marks(onset=2.5))

    found = {entry.evoked.recording.stimulation_site: entry.velocity_m_s for entry in results(elbow, wrist)}

    assert found == {"wrist": 56.0, "elbow": None}


@pytest.mark.parametrize("amplitude", [30.0, 3.0])
def test_a_long_median_latency_is_abnormal_at_the_entrapment(amplitude: float) -> None:
    found = judged(median_sensory(marks(amplitude=amplitude, peak=4.5)))

    assert found.result is SensoryGrade.ABNORMAL_AT_ENTRAPMENT
    assert judged(median_sensory(marks(amplitude=3.0))).result is SensoryGrade.ABNORMAL


def test_results_stand_in_anatomical_order() -> None:
    found = results(sensory(), sensory(recording_site="digit_3"), sensory(stimulation_site="palm"))

    sites = [(e.evoked.recording.recording_site, e.evoked.recording.stimulation_site) for e in found]
    assert sites == [("digit_3", "wrist"), ("digit_5", "wrist"), ("digit_5", "palm")]


def test_no_response_is_absent() -> None:
    found = judged(sensory(NO_RESPONSE))

    assert found.result is SensoryGrade.ABSENT
    assert found.limits == {}


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (sensory(recording_site="digit_2"), "norm_missing"),
        (sensory(NO_RESPONSE, recording_site="digit_2"), "norm_missing"),
        (sensory(stimulation_site="digit_5", recording_site="wrist"), "norm_missing"),
        (sensory(marks(amplitude=None)), "amplitude_missing"),
        (sensory(measured=None, waveform=waveform([0] * 800)), "unmarkable"),
    ],
)
def test_what_the_table_does_not_name_or_nobody_measured_is_not_judged(
    recording: Recording, reason: str
) -> None:
    found = judged(recording)

    assert (found.result, found.reasons) == (SensoryGrade.NOT_ASSESSABLE, (reason,))


@pytest.mark.parametrize(("onset", "result"), [(2.6, SensoryGrade.NORMAL), (2.9, SensoryGrade.ABNORMAL)])
def test_a_velocity_limit_holds_where_the_table_has_one(onset: float, result: SensoryGrade) -> None:
    norms = load_reference(norms="preston-shapiro").norms

    found = judged(sensory(marks(onset=onset, amplitude=30.0), distance_mm=140.0), norms)

    assert found.result is result
    assert found.limits["velocity_m_s"] == 50


def test_velocity_is_distance_by_onset_latency() -> None:
    assert judged(sensory()).velocity_m_s == 58.3
    assert judged(sensory(marks(onset=None))).velocity_m_s is None


def test_each_site_pair_has_one_result_from_its_used_recording() -> None:
    weak = sensory(marks(amplitude=5.0), stimulus=Stimulus(intensity_ma=5.0))
    strong = sensory(marks(amplitude=22.0), stimulus=Stimulus(intensity_ma=20.0))

    (found,) = results(strong, motor("wrist"), weak)

    assert found.evoked.amplitude == 22.0
    assert (found.nerve, found.side) == ("ulnar", "right")


@pytest.mark.parametrize(
    ("recordings", "normal"),
    [
        ([sensory(), median_sensory()], True),
        ([sensory(), median_sensory(marks(amplitude=3.0))], False),
        ([sensory(), median_sensory(NO_RESPONSE)], False),
        ([sensory(), median_sensory(recording_site="digit_3")], True),
        ([median_sensory(recording_site="digit_3")], None),
        ([], None),
    ],
)
def test_sensory_normal_needs_every_tested_nerve_normal_and_at_least_one(recordings, normal) -> None:
    assert sensory_normal([judged(recording) for recording in recordings]) is normal


@pytest.mark.parametrize("temperature", [COLD, 20.0])
def test_a_cold_limb_cannot_be_normal_and_its_latency_is_not_judged(temperature: float) -> None:
    found = judged(sensory(marks(peak=9.0), skin_temperature_c=temperature))

    assert (found.result, found.reasons) == (SensoryGrade.NOT_ASSESSABLE, ("temperature_low",))
    assert found.limits == {"amplitude_uv": 10.0}
    assert found.caveats == ("peak_latency_not_judged",)
    assert sensory_normal([found]) is None


def test_at_the_temperature_limit_a_limb_is_warm() -> None:
    found = judged(sensory(marks(peak=9.0), skin_temperature_c=32.0))

    assert (found.result, found.reasons) == (SensoryGrade.ABNORMAL, ("peak_latency_long",))


@pytest.mark.parametrize(
    ("temperature", "result"), [(30.0, SensoryGrade.NORMAL), (29.9, SensoryGrade.NOT_ASSESSABLE)]
)
def test_a_leg_may_be_cooler(temperature: float, result: SensoryGrade) -> None:
    sural = sensory(
        nerve="sural",
        stimulation_site="calf",
        recording_site="ankle",
        skin_temperature_c=temperature,
    )

    assert judged(sural).result is result


def test_velocity_is_not_judged_in_a_cold_limb_either() -> None:
    norms = load_reference(norms="preston-shapiro").norms
    recording = sensory(marks(onset=2.9, amplitude=30.0), distance_mm=140.0, skin_temperature_c=COLD)

    found = judged(recording, norms)

    assert found.reasons == ("temperature_low",)
    assert "velocity_not_judged" in found.caveats
    assert found.velocity_m_s == 48.3


def test_a_low_amplitude_stays_abnormal_in_the_cold() -> None:
    found = judged(sensory(marks(amplitude=9.9, peak=9.0), skin_temperature_c=COLD))

    assert (found.result, found.reasons) == (SensoryGrade.ABNORMAL, ("amplitude_low",))
    assert found.caveats == ("peak_latency_not_judged", "temperature_low")


def test_no_response_stays_absent_in_the_cold() -> None:
    found = judged(sensory(NO_RESPONSE, skin_temperature_c=COLD))

    assert (found.result, found.reasons, found.caveats) == (SensoryGrade.ABSENT, (), ("temperature_low",))


@pytest.mark.parametrize(
    ("amplitude", "result"), [(30.0, SensoryGrade.NOT_ASSESSABLE), (3.0, SensoryGrade.ABNORMAL)]
)
def test_a_long_median_latency_in_the_cold_is_no_entrapment(amplitude: float, result: SensoryGrade) -> None:
    found = judged(median_sensory(marks(amplitude=amplitude, peak=4.5), skin_temperature_c=COLD))

    assert found.result is result


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (marks(), SensoryGrade.NORMAL),
        (marks(amplitude=3.0), SensoryGrade.ABNORMAL),
        (NO_RESPONSE, SensoryGrade.ABSENT),
    ],
)
def test_an_unknown_temperature_is_only_a_caveat(response: Response, result: SensoryGrade) -> None:
    found = judged(sensory(response, skin_temperature_c=None))

    assert (found.result, found.caveats) == (result, ("temperature_unknown",))


def test_what_is_not_judged_has_no_temperature_caveat() -> None:
    assert judged(sensory(recording_site="digit_2", skin_temperature_c=None)).caveats == ()


@pytest.mark.parametrize(
    ("recording", "result"),
    [
        (sensory(marks(amplitude=9.9)), SensoryGrade.ABNORMAL_AT_ENTRAPMENT),
        (sensory(marks(peak=4.01)), SensoryGrade.ABNORMAL_AT_ENTRAPMENT),
        (sensory(marks(amplitude=9.9), skin_temperature_c=COLD), SensoryGrade.ABNORMAL_AT_ENTRAPMENT),
        (sensory(), SensoryGrade.NORMAL),
        (sensory(NO_RESPONSE), SensoryGrade.ABSENT),
        (sensory(skin_temperature_c=COLD), SensoryGrade.NOT_ASSESSABLE),
        (sensory(recording_site="digit_2"), SensoryGrade.NOT_ASSESSABLE),
        (median_sensory(marks(amplitude=3.0)), SensoryGrade.ABNORMAL),
    ],
)
def test_a_compressed_ulnar_nerve_explains_only_what_is_abnormal_in_the_ulnar_nerve(
    recording: Recording, result: SensoryGrade
) -> None:
    assert judged(recording, ulnar_entrapped=True).result is result


def test_limits_are_those_of_the_person() -> None:
    on = replace(NORMS, use_unverified=True)
    young = on.for_person(Person(age_years=30, bmi=22.0))

    assert judged(sensory(marks(amplitude=13.9)), young).reasons == ("amplitude_low",)
    assert judged(sensory(marks(amplitude=14.0)), young).result is SensoryGrade.NORMAL


LEFT, RIGHT = Side.LEFT, Side.RIGHT


def both(left: Recording, right: Recording) -> dict[Side, SensoryResult]:
    """The results of two sides beside each other."""
    found = [judged(replace(left, side=LEFT)), judged(replace(right, side=RIGHT))]
    return {entry.side: entry for entry in compared_sides(found, THRESHOLDS)}


@pytest.mark.parametrize(
    ("low", "difference"),
    [(20.0, None), (19.99, None), (19.98, 50.1), (12.0, 70.0), (3.0, 92.5), (40.0, None)],
)
@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_less_than_half_of_the_other_side_is_told_at_the_lower_one(
    side: Side, low: float, difference: float | None
) -> None:
    pair = (sensory(marks(low)), sensory(marks(40.0)))

    found = both(*(pair if side is LEFT else reversed(pair)))

    other = RIGHT if side is LEFT else LEFT
    assert found[side].side_difference_percent == difference
    assert found[side].caveats == (() if difference is None else ("side_difference",))
    assert (found[other].side_difference_percent, found[other].caveats) == (None, ())


def test_no_response_beside_a_response_is_a_side_difference() -> None:
    found = both(sensory(NO_RESPONSE), sensory())

    assert found[LEFT].side_difference_percent == 100.0
    assert found[LEFT].result is SensoryGrade.ABSENT


@pytest.mark.parametrize(
    "left",
    [
        sensory(measured=None, waveform=waveform([0] * 800)),
        sensory(marks(amplitude=None)),
        sensory(marks(1.0), recording_site="digit_3"),
        sensory(marks(1.0), stimulation_site="elbow"),
        median_sensory(marks(1.0), recording_site="digit_5"),
    ],
)
def test_only_amplitudes_of_the_same_site_pair_are_compared(left: Recording) -> None:
    assert all(e.side_difference_percent is None for e in both(left, sensory()).values())


def test_two_absent_responses_do_not_differ() -> None:
    assert all(e.caveats == () for e in both(sensory(NO_RESPONSE), sensory(NO_RESPONSE)).values())


def test_sites_the_table_does_not_name_are_compared_all_the_same() -> None:
    sites = {"recording_site": "digit_3"}

    found = both(sensory(marks(4.0), **sites), sensory(marks(20.0), **sites))

    assert found[LEFT].reasons == ("norm_missing",)
    assert found[LEFT].side_difference_percent == 80.0


AMPLITUDES = st.none() | st.floats(0.1, 100.0)
SIDES = st.dictionaries(
    st.tuples(st.sampled_from(["digit_3", "digit_5"]), st.sampled_from(Side)), AMPLITUDES, min_size=1
)


@given(SIDES)
def test_comparing_sides_changes_no_result_and_names_one_side_at_most(amplitudes) -> None:
    before = [
        judged(sensory(marks(amplitude), recording_site=site, side=side))
        for (site, side), amplitude in amplitudes.items()
    ]

    after = compared_sides(before, THRESHOLDS)

    assert [e.result for e in after] == [e.result for e in before]
    lower = [e.evoked.recording.recording_site for e in after if e.side_difference_percent is not None]
    assert len(lower) == len(set(lower))


@pytest.mark.parametrize(
    ("error_uv", "amplitude", "result"),
    [
        (0.2, 10.3, SensoryGrade.NORMAL),
        (0.1, 10.3, SensoryGrade.NORMAL),
        (0.2, 9.7, SensoryGrade.ABNORMAL),
    ],
)
def test_our_own_amplitude_within_its_95_percent_interval_of_a_limit_is_on_the_limit(
    error_uv: float, amplitude: float, result: SensoryGrade
) -> None:
    entry = marked(sensory(marks(amplitude)))
    ours = replace(entry, marked_by="gateway", errors={"amplitude_uv": error_uv})

    (found,) = sensory_results([ours], NORMS, ANATOMY, THRESHOLDS)

    assert found.result is result
    assert ("on_the_limit" in found.reasons) is (error_uv == 0.2)


def test_a_machine_s_amplitude_is_never_called_on_the_limit() -> None:
    assert judged(sensory(marks(10.1))).reasons == ()
