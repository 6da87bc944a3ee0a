"""Each gate on both sides of its limit, unknown against false, alone and together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.domain.criteria import Grade
from gateway.domain.findings import Finding
from gateway.domain.gates import unknown
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Side, Stimulus, Waveform
from gateway.domain.study import ClinicalFacts
from gateway.domain.support import Support
from gateway.pipeline.stages import Examination
from tests.factories import circumstances, cmap, compared, examined, motor, pair, sensory, waveform

DEFINITE, INDETERMINATE, NONE, OUT = (
    Grade.DEFINITE_BLOCK,
    Grade.INDETERMINATE,
    Grade.NONE,
    Grade.NOT_ASSESSABLE,
)
MEDIAN = ("median", ("wrist", "elbow"))
TO_ERB = ("median", ("axilla", "erb"))
FIBULAR = ("fibular", ("ankle", "below_fibular_head"))
TIBIAL = ("tibial", ("ankle", "popliteal_fossa"))
BLOCK, NO_BLOCK = {"amplitude": 60.0, "area": 60.0}, {"amplitude": 5.0, "area": 5.0}
UNKNOWN, NOT = Stimulus(intensity_ma=40.0), Stimulus(intensity_ma=40.0, supramaximal=False)


def only(examination: Examination) -> Finding:
    (found,) = examination.findings
    return found


def judged(*recordings: Recording, clinical: ClinicalFacts | None = None, grading: str | None = None) -> Any:
    """Finding, reasons and actions (as published) of the only segment."""
    found = only(examined(*recordings, clinical=clinical, grading=grading))
    return found.finding, found.reasons, [str(action) for action in found.actions]


def series(where: tuple[str, tuple[str, str]], *steps: tuple[float, float, bool | None]) -> list[Recording]:
    """A pair whose proximal site was stimulated at these (current, amplitude, supramaximal)."""
    near, far = pair(*where, **BLOCK)
    assert isinstance(far.measured, MotorMarks)
    return [
        near,
        *(
            motor(
                far.stimulation_site,
                MotorMarks(
                    onset_latency_ms=8.0,
                    amplitude_mv=amplitude,
                    negative_area_mv_ms=amplitude * 10,
                    negative_duration_ms=10.0,
                ),
                nerve=far.nerve,
                recording_site=far.recording_site,
                stimulus=Stimulus(intensity_ma=current, supramaximal=flag),
            )
            for current, amplitude, flag in steps
        ),
    ]


@pytest.mark.parametrize(
    ("where", "stimulus", "reasons"),
    [
        (MEDIAN, {"supramaximal": True}, ()),
        (MEDIAN, {"supramaximal": None}, ()),
        (MEDIAN, {"supramaximal": False}, ("submaximal",)),
        (TO_ERB, {"supramaximal": True}, ()),
        (TO_ERB, {"supramaximal": None}, ("erb_unproven",)),
        (TO_ERB, {"supramaximal": False}, ("submaximal",)),
        (("median", ("wrist", "erb")), {"supramaximal": None}, ("erb_unproven",)),
        (("median", ("elbow", "axilla")), {"supramaximal": None}, ()),
        (FIBULAR, {"supramaximal": None}, ()),
        (FIBULAR, {"supramaximal": False}, ("submaximal",)),
    ],
)
def test_the_proximal_stimulus_must_have_been_supramaximal(where, stimulus, reasons) -> None:
    recordings = pair(*where, **BLOCK, far={"stimulus": Stimulus(intensity_ma=40.0, **stimulus)})
    nerve, (_, site) = where
    again = [f"repeat_supramaximal:{nerve}:right:{site}:{recordings[0].recording_site}"]

    expected = (INDETERMINATE, reasons, again) if reasons else (DEFINITE, (), [])
    assert judged(*recordings) == expected


@pytest.mark.parametrize(
    ("supramaximal", "reason"),
    [(True, None), (None, "supramaximal_unproven"), (False, "submaximal")],
)
def test_so_must_the_one_in_the_popliteal_fossa(supramaximal, reason) -> None:
    stimulus = Stimulus(intensity_ma=40.0, supramaximal=supramaximal)

    found, reasons, actions = judged(
        *pair(*TIBIAL, **BLOCK, far={"stimulus": stimulus}), grading="utrecht-2000"
    )

    assert found is (INDETERMINATE if reason else DEFINITE)
    assert reasons == (*([reason] if reason else []), "tibial_physiological")
    assert actions == (["repeat_supramaximal:tibial:right:popliteal_fossa:ah"] if reason else [])


@pytest.mark.parametrize(
    ("steps", "growing"),
    [
        ([(20.0, 4.0, None)], False),  # no series
        ([(20.0, 3.8, None), (30.0, 3.99, None)], True),  # 5.0 %
        ([(20.0, 4.0, None), (30.0, 4.198, None)], True),  # 4.95 % rounds to 5.0
        ([(20.0, 4.0, None), (30.0, 4.197, None)], False),
        ([(30.0, 3.99, None), (20.0, 3.8, None)], True),  # in any order
        ([(10.0, 1.0, None), (20.0, 3.9, None), (30.0, 4.0, None)], False),  # only the last step counts
        ([(20.0, 3.0, None), (20.0, 4.0, None)], False),  # no step: the later replaces the earlier
        ([(20.0, 3.0, None), (30.0, 4.0, True)], False),  # the flag of the one used is known
        ([(20.0, 4.0, None), (30.0, 4.0, False)], None),
    ],
)
def test_a_series_that_still_grows_is_submaximal_where_the_flag_is_unknown(steps, growing) -> None:
    if growing is None:  # the one used is of the higher current, and flagged false
        growing = True

    found, reasons, _ = judged(*series(MEDIAN, *steps))

    assert (found, "submaximal" in reasons) == (INDETERMINATE if growing else DEFINITE, growing)


def test_at_erb_an_unknown_stimulus_is_in_doubt_with_a_plateau_or_without() -> None:
    flat = judged(*series(TO_ERB, (20.0, 4.0, None), (30.0, 4.0, None)))
    growing = judged(*series(TO_ERB, (20.0, 3.0, None), (30.0, 4.0, None)))

    assert flat[:2] == (INDETERMINATE, ("erb_unproven",))
    assert growing[:2] == (INDETERMINATE, ("submaximal", "erb_unproven"))


def test_inching_towards_erb_needs_the_proof_too() -> None:
    unknown = Stimulus(intensity_ma=40.0)
    near, far = pair(*TO_ERB, **BLOCK)
    step = replace(far, stimulation_site="axilla", site_position_mm=420.0, stimulus=unknown)

    assert "erb_unproven" in judged(near, step)[1]


@pytest.mark.parametrize(
    ("days", "reasons"), [(0.0, ("acute_onset",)), (4, ("acute_onset",)), (13.9, ("acute_onset",)), (14, ())]
)
def test_acute_onset(days, reasons) -> None:
    clinical = ClinicalFacts(symptom_onset_days=days)

    found = examined(*pair(*MEDIAN, **BLOCK), clinical=clinical)

    assert (only(found).finding, only(found).reasons) == (INDETERMINATE if reasons else DEFINITE, reasons)
    assert "onset_unknown" not in found.mmn.caveats
    assert only(examined(*pair(*MEDIAN, **NO_BLOCK), clinical=clinical)).finding is NONE


@pytest.mark.parametrize(
    ("near", "far", "mismatch"),
    [
        ({"filter_hz": (2.0, 10_000.0)}, {"filter_hz": (3.0, 10_000.0)}, True),
        ({"filter_hz": (2.0, 10_000.0)}, {"filter_hz": (2.0, 8_000.0)}, True),
        ({"montage_id": "belly"}, {"montage_id": "tendon"}, True),
        ({"filter_hz": (2.0, 10_000.0), "montage_id": "a"}, {"montage_id": "a"}, False),
        ({"filter_hz": (2.0, 10_000.0)}, {}, False),
        ({}, {"montage_id": "tendon"}, False),
        ({"gain_uv_per_div": 2000.0}, {"gain_uv_per_div": 5000.0}, False),
    ],
)
@pytest.mark.parametrize(
    ("changes", "stands", "doubted"), [(BLOCK, DEFINITE, INDETERMINATE), (NO_BLOCK, NONE, OUT)]
)
def test_other_filters_or_electrodes(near, far, mismatch, changes, stands, doubted) -> None:
    again = ["repeat_same_filters:median:right:elbow:apb"]

    found = judged(*pair(*MEDIAN, **changes, near=near, far=far))

    assert found == ((doubted, ("filter_mismatch",), again) if mismatch else (stands, (), []))


@pytest.mark.parametrize(
    ("where", "celsius", "cold"),
    [
        (MEDIAN, (31.9, 34.0), True),
        (MEDIAN, (34.0, 31.9), True),
        (MEDIAN, (32.0, 32.0), False),
        (FIBULAR, (29.9, 29.9), True),
        (FIBULAR, (30.0, 30.0), False),
        (FIBULAR, (31.0, 31.0), False),  # an arm would be cold
    ],
)
def test_a_cold_limb_leaves_a_block_and_takes_away_none(where, celsius, cold) -> None:
    ends = {name: {"skin_temperature_c": value} for name, value in zip(("near", "far"), celsius, strict=True)}
    reasons = ("temperature_low",) if cold else ()

    assert judged(*pair(*where, **BLOCK, **ends))[:2] == (DEFINITE, reasons)
    found = judged(*pair(*where, **NO_BLOCK, **ends))
    assert found == (OUT if cold else NONE, reasons, [f"warm_limb:{where[0]}:right"] if cold else [])


def test_a_cold_limb_does_not_settle_a_block_in_doubt() -> None:
    ends = {"skin_temperature_c": 28.0}

    found, reasons, actions = judged(*pair(*MEDIAN, **BLOCK, near=ends, far=ends | {"stimulus": NOT}))

    assert (found, reasons) == (INDETERMINATE, ("submaximal", "temperature_low"))
    assert actions[0] == "repeat_supramaximal:median:right:elbow:apb"


def two_nerves_at_the_wrist() -> list[Recording]:
    """A long distal wave of another shape than the small proximal one."""
    return [
        motor("wrist", nerve="median", recording_site="apb", measured=None, waveform=cmap(duration_ms=10.0)),
        motor(
            "elbow",
            nerve="median",
            recording_site="apb",
            measured=None,
            waveform=cmap(amplitude_uv=2500.0, onset_ms=7.0, duration_ms=5.0),
        ),
    ]


def test_costimulation_at_the_distal_site() -> None:
    assert judged(*two_nerves_at_the_wrist()) == (
        INDETERMINATE,
        ("costimulation_suspected",),
        ["reduce_current:median:right:wrist:apb"],
    )


@pytest.mark.parametrize(
    ("supramaximal", "finding", "reasons"),
    [
        (True, DEFINITE, {"no_proximal_response"}),
        (None, INDETERMINATE, {"no_proximal_response"}),
        (False, INDETERMINATE, {"no_proximal_response", "submaximal"}),
    ],
)
@pytest.mark.parametrize("set_id", [None, "amplitude-50", "utrecht-2000", "efns-pns-cidp-2010"])
def test_nothing_proximal_counts_where_the_stimulus_was_supramaximal(
    set_id, supramaximal, finding, reasons
) -> None:
    stimulus = Stimulus(intensity_ma=60.0, supramaximal=supramaximal)
    recordings = pair(*MEDIAN, far={"stimulus": stimulus, "measured": NO_RESPONSE})

    found = only(examined(*recordings, grading=set_id))

    block = Grade.BLOCK if set_id == "amplitude-50" else DEFINITE
    assert found.finding is (block if finding is DEFINITE else finding)
    assert set(found.reasons) == reasons
    assert found.segment.amplitude_reduction_percent == found.segment.area_reduction_percent == 100.0
    assert found.segment.duration_increase_percent is None
    assert found.segment.temporal_dispersion is None
    asked = [] if supramaximal else ["repeat_supramaximal:median:right:elbow:apb"]
    assert [str(action) for action in found.actions] == asked


def test_all_gates_together_stand_in_the_published_order() -> None:
    worst: dict[str, Any] = {"skin_temperature_c": 25.0}
    near, far = pair(
        "ulnar",
        ("wrist", "below_elbow"),
        **BLOCK,
        duration=40.0,
        near=worst | {"filter_hz": (2.0, 10_000.0)},
        far=worst | {"filter_hz": (20.0, 10_000.0), "stimulus": NOT},
    )

    found, reasons, _ = judged(near, far, clinical=ClinicalFacts(symptom_onset_days=3))

    assert found is INDETERMINATE
    assert reasons == (
        "submaximal",
        "martin_gruber_not_excluded",
        "acute_onset",
        "filter_mismatch",
        "temperature_low",
        "temporal_dispersion",
    )


@pytest.mark.parametrize(
    ("where", "changes", "finding"),
    [
        (("ulnar", ("below_elbow", "above_elbow")), BLOCK, Grade.EXCLUDED_SITE),
        (("radial", ("forearm", "elbow")), BLOCK, Grade.NOT_LISTED),
        (MEDIAN, BLOCK | {"distal_mv": 0.5}, OUT),
        (MEDIAN, BLOCK | {"area": None}, OUT),
    ],
)
def test_gates_ask_nothing_of_what_is_no_block(where, changes, finding) -> None:
    ends: dict[str, Any] = {"near": {"montage_id": "a"}, "far": {"montage_id": "b", "stimulus": NOT}}

    found, reasons, _ = judged(*pair(*where, **changes, **ends), clinical=ClinicalFacts(symptom_onset_days=3))

    assert found is finding
    assert not {"submaximal", "filter_mismatch", "acute_onset"}.intersection(reasons)


def test_only_cold_and_other_filters_take_away_none() -> None:
    near, far = pair("ulnar", ("wrist", "below_elbow"), **NO_BLOCK, far={"stimulus": NOT})

    assert judged(near, far, clinical=ClinicalFacts(symptom_onset_days=3)) == (NONE, (), [])


@pytest.mark.parametrize(
    ("rise", "finding", "reasons"),
    [(20.0, NONE, ()), (20.04, NONE, ()), (20.05, NONE, ("proximal_larger",))],
)
def test_a_larger_proximal_response_is_no_block_and_has_no_velocity(rise, finding, reasons) -> None:
    near, far = pair(*MEDIAN, amplitude=-rise, far={"distance_mm": 250.0})

    segment = only(examined(near, far)).segment
    assert judged(near, far)[:2] == (finding, reasons)
    assert (segment.conduction_velocity_m_s is None) is bool(reasons)


def test_the_numbers_of_a_larger_proximal_response_stand_but_make_no_block() -> None:
    found = only(examined(*pair(*MEDIAN, amplitude=-30.0, area=60.0)))

    assert (found.finding, found.reasons) == (NONE, ("proximal_larger",))


@pytest.mark.parametrize(("fall", "reasons"), [(20.0, ("tibial_physiological",)), (-10.0, ())])
def test_the_tibial_nerve_falls_in_health(fall, reasons) -> None:
    assert judged(*pair(*TIBIAL, amplitude=fall), grading="amplitude-50") == (NONE, reasons, [])


@pytest.mark.parametrize("amplitude", [None, -5.0])
def test_so_does_its_area_where_the_amplitude_does_not_say(amplitude) -> None:
    snap = sensory(nerve="sural", stimulation_site="calf", recording_site="ankle")

    found = examined(*pair(*TIBIAL, amplitude=amplitude, area=60.0), snap, grading="utrecht-2000")

    (segment,) = found.findings
    assert (segment.finding, segment.reasons) == ("definite_block", ("tibial_physiological",))
    assert (found.mmn.support, found.mmn.reasons) == ("none", ("block_not_counted:tibial:right",))


CAVEATS = {
    "supramaximal_unknown:median:right:wrist:apb",
    "supramaximal_unknown:median:right:elbow:apb",
    "temperature_unknown:median:right",
    "filter_unknown:median:right",
    "montage_unknown:median:right",
    "onset_unknown",
    "gain_differs:median:right",
}


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        (
            {"stimulus": UNKNOWN},
            {"stimulus": UNKNOWN},
            CAVEATS - {"gain_differs:median:right"},
        ),
        (
            {"gain_uv_per_div": 2000.0, "skin_temperature_c": 33.0, "montage_id": "a"},
            {"gain_uv_per_div": 5000.0, "skin_temperature_c": 33.0, "filter_hz": (2.0, 10_000.0)},
            {
                "gain_differs:median:right",
                "filter_unknown:median:right",
                "montage_unknown:median:right",
                "onset_unknown",
            },
        ),
        (
            {"skin_temperature_c": 33.0, "filter_hz": (2.0, 10_000.0), "montage_id": "a"},
            {"skin_temperature_c": 33.0, "filter_hz": (2.0, 10_000.0), "montage_id": "a"},
            {"onset_unknown"},
        ),
    ],
)
@pytest.mark.parametrize("changes", [BLOCK, NO_BLOCK])
def test_what_nobody_recorded_is_a_caveat_and_no_more(near, far, expected, changes) -> None:
    found = examined(*pair(*MEDIAN, **changes, near=near, far=far))

    assert CAVEATS.intersection(found.mmn.caveats) == expected
    assert only(found).finding in {DEFINITE, NONE}
    assert only(found).reasons == ()


def test_a_stimulus_that_is_doubted_is_no_caveat_besides() -> None:
    found = examined(*pair(*TO_ERB, **BLOCK, far={"stimulus": UNKNOWN}))

    assert not [caveat for caveat in found.mmn.caveats if caveat.startswith("supramaximal_unknown")]


def test_a_response_that_may_be_none_is_a_caveat() -> None:
    segment = compared(*pair(*MEDIAN, **BLOCK))
    unsure = replace(segment, proximal=replace(segment.proximal, quality=(Quality("uncertain_response"),)))

    assert "uncertain_response:median:right:elbow:apb" in set(unknown(unsure, circumstances()))


@pytest.mark.parametrize("doubt", [{"stimulus": NOT}, {"montage_id": "b"}])
def test_a_block_in_doubt_never_counts_whatever_supports_it(doubt) -> None:
    clinical = ClinicalFacts(anti_gm1_igm="positive", ivig_response=True)
    left = [sensory(nerve="median", recording_site="digit_2", side=side) for side in (Side.LEFT, Side.RIGHT)]
    blocks = [
        recording
        for side in (Side.LEFT, Side.RIGHT)
        for recording in pair(*MEDIAN, **BLOCK, side=side, near={"montage_id": "a"}, far=doubt)
    ]

    found = examined(*blocks, *left, clinical=clinical).mmn

    assert found.support is Support.NONE
    assert found.missing


def test_a_statement_that_a_stronger_current_contradicts_proves_nothing() -> None:
    near, far = pair(*TO_ERB, **BLOCK)
    weak = replace(far, stimulus=Stimulus(intensity_ma=20.0, supramaximal=True))
    strong = replace(
        far,
        measured=replace(far.measured, amplitude_mv=9.5, negative_area_mv_ms=95.0),
        stimulus=Stimulus(intensity_ma=30.0, supramaximal=False),
    )

    assert judged(near, strong, weak)[:2] == (INDETERMINATE, ("submaximal",))


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        ({"notch_hz": 50.0}, {}, {"notch_unknown"}),
        ({}, {"gain_uv_per_div": 2000.0}, {"gain_unknown"}),
        ({"notch_hz": 50.0}, {"notch_hz": 50.0}, set()),
        ({"skin_temperature_c": 33.0}, {}, {"temperature_unknown"}),
        ({"skin_temperature_c": 33.0}, {"skin_temperature_c": 33.0}, set()),
    ],
)
def test_what_was_recorded_at_one_end_only_is_a_caveat(near, far, expected) -> None:
    first, second = (
        replace(end, **({"skin_temperature_c": None} | changes))
        for end, changes in zip(pair("median", ("wrist", "elbow")), (near, far), strict=True)
    )
    found = {caveat.partition(":")[0] for caveat in unknown(compared(first, second), circumstances())}

    warm = {"temperature_unknown"} if "skin_temperature_c" in near else set()
    assert found & ({"notch_unknown", "gain_unknown"} | warm) == expected


def complexes(
    distal_ms: float, proximal_ms: float, proximal_phase_ms: float = 10.0
) -> tuple[Recording, Recording]:
    """A block by the first phase alone; durations are those of the whole complex, as a machine sends them."""
    near, far = pair(*MEDIAN, **BLOCK)
    assert isinstance(near.measured, MotorMarks)
    assert isinstance(far.measured, MotorMarks)
    return (
        replace(near, measured=replace(near.measured, total_duration_ms=distal_ms)),
        replace(
            far,
            measured=replace(
                far.measured, total_duration_ms=proximal_ms, negative_duration_ms=proximal_phase_ms
            ),
        ),
    )


@pytest.mark.parametrize(
    ("distal_ms", "proximal_ms", "finding"),
    [
        (10.0, 13.0, DEFINITE),
        (10.0, 13.1, INDETERMINATE),
        (10.0, 33.0, INDETERMINATE),
        (30.0, 33.0, DEFINITE),
    ],
)
def test_a_response_that_fell_apart_is_no_block_by_its_first_phase(
    distal_ms: float, proximal_ms: float, finding: Grade
) -> None:
    found = only(examined(*complexes(distal_ms, proximal_ms)))

    assert found.finding is finding
    assert ("dispersed_complex" in found.reasons) is (finding is INDETERMINATE)


def test_dispersion_that_the_first_phase_shows_is_judged_by_the_set() -> None:
    found = only(examined(*complexes(10.0, 33.0, proximal_phase_ms=13.1)))

    assert found.finding is Grade.PROBABLE_BLOCK


def test_a_longer_response_in_one_piece_is_judged_by_its_duration() -> None:
    found = only(examined(*complexes(10.0, 13.1, proximal_phase_ms=13.1)))

    assert found.finding is Grade.PROBABLE_BLOCK


def test_a_whole_duration_that_only_one_end_has_says_nothing() -> None:
    near, far = complexes(10.0, 20.0)
    assert isinstance(near.measured, MotorMarks)

    found = only(examined(replace(near, measured=replace(near.measured, total_duration_ms=None)), far))

    assert found.finding is DEFINITE


def test_curves_that_fell_apart_are_told_by_our_own_marks() -> None:
    near = motor("wrist", None, nerve="median", recording_site="apb", waveform=groups((3.5,)))
    far = motor("elbow", None, nerve="median", recording_site="apb", waveform=groups((7.0, 16.0, 25.0)))

    found = only(examined(replace(near, measured=None), replace(far, measured=None)))

    assert found.segment.proximal.flagged("dispersed")
    assert found.segment.area_reduction_percent == pytest.approx(66.0, abs=3.0)
    assert (found.finding, found.gates) == (INDETERMINATE, ("dispersed_complex",))


def groups(onsets_ms: tuple[float, ...]) -> Waveform:
    """One response of 9 mV in equal parts that begin at these times, at 20 kHz, with 3 uV of noise."""
    times_ms = -2.0 + np.arange(1000) / 20.0
    phases = [(times_ms - onset_ms) / 6.0 for onset_ms in onsets_ms]
    humps = [np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase), 0.0) for phase in phases]
    noise = np.random.default_rng(1).normal(0.0, 3.0, times_ms.size)
    curve = 9000.0 / len(onsets_ms) * np.sum(humps, axis=0) + noise
    return waveform(np.round(curve).astype(np.int32))
