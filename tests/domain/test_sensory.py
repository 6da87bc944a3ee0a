import pytest

from gateway.daemon.reference import load_reference
from gateway.domain.norms import NormTable
from gateway.domain.recording import NO_RESPONSE, Recording, SensoryMarks, Stimulus
from gateway.domain.sensory import SensoryGrade, SensoryResult, sensory_normal, sensory_results
from tests.factories import marked, median_sensory, motor, reference, sensory, waveform

NORMS, ANATOMY = reference().norms, reference().anatomy


def results(*recordings: Recording, norms: NormTable = NORMS) -> tuple[SensoryResult, ...]:
    return sensory_results([marked(recording) for recording in recordings], norms, ANATOMY)


def judged(recording: Recording, norms: NormTable = NORMS) -> SensoryResult:
    (found,) = results(recording, norms=norms)
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
