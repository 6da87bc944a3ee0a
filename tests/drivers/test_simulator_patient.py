"""The virtual patient behaves as nerves do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulator import body
from drivers.simulator.amplifier import AMPLIFIERS
from drivers.simulator.fibres import Potential
from drivers.simulator.marks import read_marks
from drivers.simulator.nerve import Innervation, Lesion, Stretch
from drivers.simulator.patient import WARM_C, Patient, Stimulation
from gateway.domain.recording import Modality, MotorMarks, SensoryMarks

MOTOR = AMPLIFIERS[Modality.MOTOR]
SENSORY = AMPLIFIERS[Modality.SENSORY]


def at(recording_site: str, nerve: str, site: str, current_ma: float | None = None) -> Stimulation:
    return Stimulation(recording_site=recording_site, nerve=nerve, site=site, current_ma=current_ma)


def apb(site: str, current_ma: float | None = None) -> Stimulation:
    return at("apb", "median", site, current_ma)


def adm(nerve: str, site: str) -> Stimulation:
    return at("adm", nerve, site)


def with_lesion(site: str, lesion: Lesion) -> Innervation:
    (path,) = body.APB.paths
    stretches = tuple(
        replace(stretch, lesion=lesion if stretch.site == site else Lesion()) for stretch in path.stretches
    )
    return replace(body.APB, paths=(replace(path, stretches=stretches),))


def cmap(
    innervation: Innervation, stimulation: Stimulation, *, seed: int = 1, arm_c: float = 33.5
) -> MotorMarks:
    wave = Patient([innervation], seed=seed, arm_c=arm_c).response_uv(stimulation, MOTOR.times_ms)
    marks = read_marks(Modality.MOTOR, wave, MOTOR.times_ms)
    assert isinstance(marks, MotorMarks)
    return marks


def onset(marks: MotorMarks | SensoryMarks) -> float:
    assert marks.onset_latency_ms is not None
    return marks.onset_latency_ms


def amplitude(marks: MotorMarks) -> float:
    assert marks.amplitude_mv is not None
    return marks.amplitude_mv


def area(marks: MotorMarks) -> float:
    assert marks.negative_area_mv_ms is not None
    return marks.negative_area_mv_ms


def duration(marks: MotorMarks) -> float:
    assert marks.negative_duration_ms is not None
    return marks.negative_duration_ms


@pytest.mark.parametrize("innervation", [body.APB, body.ADM])
def test_the_negative_peak_of_a_hand_muscle_lasts_five_to_six_ms(innervation: Innervation) -> None:
    (path,) = innervation.paths
    wrist = at(innervation.recording_site, path.nerve, "wrist")
    assert 5.0 <= duration(cmap(innervation, wrist)) <= 6.0


def test_along_a_healthy_nerve_the_wave_gets_lower_and_longer_and_keeps_its_area() -> None:
    marks = [cmap(body.APB, apb(site)) for site in ("wrist", "elbow", "axilla")]
    assert [amplitude(m) for m in marks] == sorted((amplitude(m) for m in marks), reverse=True)
    assert [duration(m) for m in marks] == sorted(duration(m) for m in marks)
    assert area(marks[-1]) > 0.95 * area(marks[0])
    # Healthy APB, neck against wrist: amplitude -15 +- 12 %, duration +20 +- 7 % (Vucic 2006)
    assert amplitude(marks[-1]) > 0.85 * amplitude(marks[0])
    assert duration(marks[-1]) < 1.25 * duration(marks[0])


def test_a_sensory_potential_loses_far_more_on_the_same_way() -> None:
    (path,) = body.DIGIT_5.paths
    longer = replace(path, stretches=(*path.stretches, Stretch(site="elbow", length_mm=220, threshold_ma=14)))
    patient = Patient([replace(body.DIGIT_5, paths=(longer,))], seed=1)
    peaks = [
        patient.response_uv(at("digit_5", "ulnar", site), SENSORY.times_ms).max()
        for site in ("wrist", "elbow")
    ]
    # Below-elbow against wrist: 0.61 +- 0.08, lower limit 0.45 (AJPMR 2008;87:642)
    assert 0.45 < peaks[1] / peaks[0] < 0.77


@given(block=st.floats(0.1, 0.9), seed=st.integers(0, 1000))
def test_block_takes_about_its_share_of_the_area_and_no_time(block: float, seed: int) -> None:
    lesioned = with_lesion("elbow", Lesion(block=block))
    below, above = (cmap(lesioned, apb(site), seed=seed) for site in ("wrist", "elbow"))
    assert area(above) / area(below) == pytest.approx(1 - block, abs=0.1)
    assert duration(above) < 1.3 * duration(below)


def test_a_lesion_is_felt_above_it_and_not_below() -> None:
    lesioned = with_lesion("elbow", Lesion(block=0.5, slowing_ms=2.0, dispersion_ms=3.0))
    assert cmap(lesioned, apb("wrist")) == cmap(body.APB, apb("wrist"))
    for site in ("elbow", "axilla"):
        healthy, diseased = cmap(body.APB, apb(site)), cmap(lesioned, apb(site))
        assert amplitude(diseased) < 0.6 * amplitude(healthy)
        assert onset(diseased) > onset(healthy) + 2.0


def test_slowing_alone_delays_the_wave_and_leaves_its_shape() -> None:
    delayed = with_lesion("wrist", Lesion(slowing_ms=2.0))
    healthy = Patient([body.APB], seed=3).response_uv(apb("elbow"), MOTOR.times_ms)
    slowed = Patient([delayed], seed=3).response_uv(apb("elbow"), MOTOR.times_ms)
    samples = round(2.0 * MOTOR.sampling_rate_hz / 1000)
    np.testing.assert_allclose(slowed[samples:], healthy[:-samples], atol=1e-6)


@given(st.integers(0, 1000))
def test_dispersion_spreads_the_wave_and_keeps_most_of_its_area(seed: int) -> None:
    lesioned = with_lesion("elbow", Lesion(dispersion_ms=8.0))
    below, above = (cmap(lesioned, apb(site), seed=seed) for site in ("wrist", "elbow"))
    assert amplitude(above) < 0.6 * amplitude(below)
    assert area(above) > 0.8 * area(below)
    assert duration(above) > 1.5 * duration(below)


def test_axon_loss_is_felt_everywhere_and_sprouting_makes_up_for_a_part() -> None:
    lost = replace(body.APB, axon_loss=0.6)
    sprouted = replace(lost, sprouting=1.5)
    for site in ("wrist", "axilla"):
        healthy = area(cmap(body.APB, apb(site)))
        assert area(cmap(lost, apb(site))) == pytest.approx(0.4 * healthy, rel=0.15)
        assert area(cmap(sprouted, apb(site))) == pytest.approx(1.5 * area(cmap(lost, apb(site))))


def test_the_response_grows_with_the_current_up_to_a_plateau() -> None:
    patient = Patient([body.APB], seed=2)
    plateau_ma = body.APB.path("median").up_to("elbow")[-1].plateau_ma
    currents = [2.0, 8.0, 11.0, 15.0, 19.0, plateau_ma, 2 * plateau_ma]
    peaks = [patient.response_uv(apb("elbow", ma), MOTOR.times_ms).max() for ma in currents]
    assert peaks[0] == 0.0
    assert peaks == sorted(peaks)
    assert peaks[2] < 0.5 * peaks[-1]
    assert peaks[-2] == peaks[-1]


def test_a_technologist_goes_beyond_the_plateau_unless_a_current_is_stated() -> None:
    patient = Patient([body.APB], seed=2)
    plateau_ma = body.APB.path("median").up_to("axilla")[-1].plateau_ma
    assert 1.2 * plateau_ma <= patient.current_ma(apb("axilla")) <= 1.3 * plateau_ma
    assert patient.current_ma(apb("axilla", 9.5)) == 9.5


def test_a_degree_colder_costs_two_m_s_and_a_fifth_of_a_ms_of_distal_latency() -> None:
    colder = 5.0
    warm = [cmap(body.APB, apb(site)) for site in ("wrist", "elbow")]
    cold = [cmap(body.APB, apb(site), arm_c=WARM_C["arm"] - colder) for site in ("wrist", "elbow")]
    velocities = [220 / (onset(above) - onset(below)) for below, above in (warm, cold)]
    assert (velocities[0] - velocities[1]) / colder == pytest.approx(2.0, abs=0.25)
    assert (onset(cold[0]) - onset(warm[0])) / colder == pytest.approx(0.2, abs=0.03)
    assert duration(cold[0]) > 1.1 * duration(warm[0])
    assert amplitude(cold[0]) > amplitude(warm[0])


def test_fibres_that_cross_answer_from_the_other_nerve_and_none_answers_twice() -> None:
    crossed = replace(body.ADM, paths=(body.ULNAR_BESIDE_DETOUR, body.MARTIN_GRUBER_DETOUR), crossing=0.4)
    whole = cmap(crossed, adm("ulnar", "wrist"))
    staying = cmap(crossed, adm("ulnar", "below_elbow"))
    crossing = cmap(crossed, adm("median", "elbow"))
    assert area(crossing) == pytest.approx(0.4 * area(whole), rel=0.15)
    assert area(staying) + area(crossing) == pytest.approx(area(whole), rel=0.02)
    silent = Patient([crossed], seed=1).response_uv(adm("median", "wrist"), MOTOR.times_ms)
    assert not silent.any()


def test_the_same_seed_is_the_same_person_and_another_seed_another() -> None:
    first, again, other = (
        Patient([body.APB], seed=seed).response_uv(apb("wrist"), MOTOR.times_ms) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 50.0


def test_one_nerve_does_not_change_with_the_disease_of_another() -> None:
    healthy = Patient([body.APB, body.ADM], seed=5)
    diseased = Patient([replace(body.APB, axon_loss=0.9), body.ADM], seed=5)
    one, other = (p.response_uv(adm("ulnar", "wrist"), MOTOR.times_ms) for p in (healthy, diseased))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("stimulation", "what"),
    [
        (at("fdi", "ulnar", "wrist"), "fdi"),
        (at("apb", "ulnar", "wrist"), "ulnar does not lead to apb"),
        (at("apb", "median", "erb"), "median is not stimulated at erb"),
    ],
)
def test_what_the_patient_does_not_have_is_named(stimulation: Stimulation, what: str) -> None:
    with pytest.raises(KeyError, match=what):
        Patient([body.APB], seed=0).response_uv(stimulation, MOTOR.times_ms)


@given(
    st.lists(st.tuples(st.floats(0, 40), st.floats(1, 100)), max_size=20),
    st.floats(0.5, 5.0),
    st.floats(0.5, 2.0),
)
def test_the_response_is_the_sum_of_every_fibre_s_potential(
    fibres: list[tuple[float, float]], negative_ms: float, stretched: float
) -> None:
    potential = Potential(negative_ms=negative_ms, positive_ms=9.0, positive_height=0.3)
    times_ms = np.linspace(-2.0, 60.0, 400)
    expected = np.zeros_like(times_ms)
    for arrival_ms, size_uv in fibres:
        since = (times_ms - arrival_ms) / stretched
        expected += size_uv * np.sin(np.pi * np.clip(since / negative_ms, 0, 1))
        expected -= size_uv * 0.3 * np.sin(np.pi * np.clip((since - negative_ms) / 9.0, 0, 1))
    arrivals, sizes = (np.array([fibre[part] for fibre in fibres]) for part in (0, 1))
    response = potential.summed(arrivals, sizes, times_ms, stretched=stretched)
    np.testing.assert_allclose(response, expected, atol=1e-6)
