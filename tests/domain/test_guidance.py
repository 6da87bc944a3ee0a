"""Guidance: in order, as published, gone when the recording is made, a caveat when it is declined."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side, Stimulus
from gateway.domain.study import ActionDeclined, ClinicalFacts, DetailStated
from gateway.pipeline.stages import Examination, take
from tests.factories import MUSCLE, examined, median_sensory, motor, pair, reference, sensory

BLOCK, PROBABLE, NO_BLOCK = (
    {"amplitude": 60.0, "area": 60.0},
    {"amplitude": 35.0, "area": 35.0},
    {"amplitude": 5.0, "area": 5.0},
)
MEDIAN = ("median", ("wrist", "elbow"))
ULNAR = ("ulnar", ("wrist", "below_elbow"))
WEAK, UNKNOWN = ({"stimulus": Stimulus(intensity_ma=20.0, supramaximal=flag)} for flag in (False, None))
COLD = {"skin_temperature_c": 25.0}


def asked(examination: Examination) -> list[str]:
    names = [str(action) for action in examination.guidance]
    assert list(examination.mmn.missing) == names
    assert all(action.why for action in examination.guidance)
    return names


def again(recording: Recording, **changes) -> Recording:
    """The same site as it should be."""
    values = {
        "nerve": recording.nerve,
        "side": recording.side,
        "recording_site": recording.recording_site,
        "measured": recording.measured,
    }
    return motor(recording.stimulation_site, **values | changes)


CMAP = MotorMarks(onset_latency_ms=4.0, amplitude_mv=0.5, negative_area_mv_ms=1.0, negative_duration_ms=5.0)
WARM = {"skin_temperature_c": 33.0}
OVER_ADM = [motor(site, CMAP, nerve="median") for site in ("wrist", "elbow")]
SURAL = sensory(
    SensoryMarks(amplitude_uv=12.0, peak_latency_ms=4.0),
    nerve="sural",
    recording_site="ankle",
    stimulation_site="calf",
)


@pytest.mark.parametrize(
    ("recordings", "action", "made"),
    [
        (
            [*pair(*MEDIAN, **BLOCK, far=WEAK), median_sensory()],
            "repeat_supramaximal:median:right:elbow:apb",
            [again(pair(*MEDIAN, **BLOCK)[1])],
        ),
        (
            [*pair("median", ("axilla", "erb"), **BLOCK, far=UNKNOWN), median_sensory()],
            "repeat_supramaximal:median:right:erb:apb",
            [again(pair("median", ("axilla", "erb"), **BLOCK)[1])],
        ),
        ([*pair(*ULNAR, **BLOCK), sensory()], "exclude_martin_gruber:ulnar:right", OVER_ADM),
        (pair(*MEDIAN, **BLOCK), "record_sensory:median:right", [median_sensory()]),
        (
            [*pair(*MEDIAN, **BLOCK), median_sensory(SensoryMarks(amplitude_uv=20.0, peak_latency_ms=5.0))],
            "record_sensory:median:right",  # at an entrapment: another one of the same nerve
            [],
        ),
        (
            pair(*MEDIAN, **NO_BLOCK, near=COLD, far=COLD),
            "warm_limb:median:right",
            [again(entry, **WARM) for entry in pair(*MEDIAN, **NO_BLOCK)],
        ),
        (
            [
                *pair(*MEDIAN, **BLOCK, near={"montage_id": "a"}, far={"montage_id": "b"}),
                median_sensory(),
            ],
            "repeat_same_filters:median:right:elbow:apb",
            [again(pair(*MEDIAN, **BLOCK)[1], montage_id="a")],
        ),
        (
            pair("ulnar", ("wrist", "above_elbow"), **NO_BLOCK),
            "record_site:ulnar:right:below_elbow:adm",
            [again(pair("ulnar", ("wrist", "below_elbow"), **NO_BLOCK)[1])],
        ),
        (
            pair("fibular", ("ankle", "above_fibular_head"), **NO_BLOCK),
            "record_site:fibular:right:below_fibular_head:edb",
            [again(pair("fibular", ("ankle", "below_fibular_head"), **NO_BLOCK)[1])],
        ),
        (
            pair("fibular", ("ankle", "below_fibular_head"), amplitude=-30.0),
            "test_accessory_fibular:fibular:right",
            [
                again(
                    pair("fibular", ("ankle", "below_fibular_head"))[0], stimulation_site="lateral_malleolus"
                )
            ],
        ),
    ],
)
def test_what_is_asked_disappears_when_it_is_recorded(
    recordings: Sequence[Recording], action: str, made: Sequence[Recording]
) -> None:
    assert asked(examined(*recordings)) == [action]
    if made:
        assert asked(examined(*recordings, *made)) == []


def test_the_sural_nerve_will_do_for_the_fibular() -> None:
    block = pair("fibular", ("ankle", "below_fibular_head"), **BLOCK)

    (action,) = asked(examined(*block))
    assert action.startswith("record_sensory:")
    assert action.endswith(":right")
    assert asked(examined(*block, SURAL)) == []


def test_a_contaminated_segment_asks_for_every_site_between() -> None:
    assert asked(examined(*pair("ulnar", ("wrist", "axilla"), **BLOCK))) == [
        "record_site:ulnar:right:below_elbow:adm",
        "record_site:ulnar:right:above_elbow:adm",
    ]


def test_electrodes_that_moved_are_to_be_checked() -> None:
    near, far = pair(*MEDIAN, **NO_BLOCK)
    moved = again(near, measured=MotorMarks(amplitude_mv=7.0, negative_area_mv_ms=70.0))

    found = examined(moved, near, far)

    assert "electrode_drift" in found.findings[0].reasons
    assert asked(found) == ["check_electrodes:median:right:wrist:apb"]


def test_the_most_decisive_comes_first_and_nothing_twice() -> None:
    recordings = [
        *pair(*MEDIAN, **NO_BLOCK, side=Side.LEFT, near=COLD, far=COLD),  # could not be judged
        *pair("median", ("wrist", "elbow"), **BLOCK),  # needs its sensory nerve
        *pair(*ULNAR, **BLOCK, far=WEAK),  # in doubt
        *pair(*ULNAR, **BLOCK, muscle="fdi"),
    ]

    assert asked(examined(*recordings)) == [
        "exclude_martin_gruber:ulnar:right",
        "repeat_supramaximal:ulnar:right:below_elbow:adm",
        "record_sensory:median:right",
        "record_sensory:ulnar:right",
        "warm_limb:median:left",
    ]


@pytest.mark.parametrize(
    "recordings",
    [
        [],
        [*pair(*MEDIAN, **NO_BLOCK)],
        [*pair(*MEDIAN, **BLOCK), median_sensory()],
        [*pair(*MEDIAN, **BLOCK), median_sensory(NO_RESPONSE)],  # against, and settled
        [*pair(*MEDIAN, **BLOCK, near=COLD, far=COLD), median_sensory()],  # a block stands in the cold
        [*pair("radial", ("forearm", "elbow"), **BLOCK)],  # not listed: would change nothing
        [*pair("ulnar", ("below_elbow", "above_elbow"), **BLOCK)],
        [*pair(*MEDIAN, **NO_BLOCK, far=WEAK)],  # nothing fell
    ],
)
def test_nothing_is_asked_where_nothing_would_change(recordings) -> None:
    assert asked(examined(*recordings)) == []


def test_a_silent_site_that_was_stimulated_enough_is_not_asked_for_again() -> None:
    silent = pair(*ULNAR, far={"measured": NO_RESPONSE})

    assert asked(examined(*silent)) == ["exclude_martin_gruber:ulnar:right", "record_sensory:ulnar:right"]
    assert asked(examined(*pair(*ULNAR, far={"measured": NO_RESPONSE} | UNKNOWN))) == [
        "exclude_martin_gruber:ulnar:right",
        "repeat_supramaximal:ulnar:right:below_elbow:adm",
        "record_sensory:ulnar:right",
    ]


def test_a_declined_action_leaves_guidance_and_missing_and_is_a_caveat() -> None:
    before = examined(*pair(*MEDIAN, **BLOCK))
    action = "record_sensory:median:right"

    declined = take(before, ActionDeclined(action=action, reason="amputation"), reference())
    after = take(declined, ActionDeclined(action=action, reason=None), reference())

    assert (asked(before), asked(declined), asked(after)) == ([action], [], [action])
    assert [c for c in declined.mmn.caveats if action in c and "amputation" in c]
    assert declined.mmn.support == before.mmn.support
    assert after.mmn == before.mmn


def test_declining_one_side_leaves_the_other() -> None:
    both = [entry for side in Side for entry in pair(*MEDIAN, **PROBABLE, side=side)]
    decline = ActionDeclined(action="record_sensory:median:left", reason="patient_stops")

    assert asked(take(examined(*both), decline, reference())) == ["record_sensory:median:right"]


@pytest.mark.parametrize(
    ("stated", "left"), [(True, []), (False, ["repeat_supramaximal:median:right:erb:apb"])]
)
def test_what_the_operator_states_settles_it_too(stated, left) -> None:
    examination = examined(*pair("median", ("axilla", "erb"), **BLOCK, far=UNKNOWN), median_sensory())
    said = DetailStated(
        name="supramaximal",
        value=stated,
        nerve="median",
        side=Side.RIGHT,
        recording_site=MUSCLE["median"],
        stimulation_site="erb",
    )

    assert asked(take(examination, said, reference())) == left


def test_what_only_time_settles_asks_for_nothing() -> None:
    clinical = ClinicalFacts(symptom_onset_days=4)

    assert asked(examined(*pair(*MEDIAN, **BLOCK), clinical=clinical)) == []


def test_what_is_not_listed_or_at_a_compression_site_asks_for_nothing() -> None:
    where = (("tibial", ("ankle", "popliteal_fossa")), ("ulnar", ("below_elbow", "above_elbow")))
    tibial, elbow = (
        [replace(end, skin_temperature_c=25.0) for end in pair(*at, amplitude=-40.0)] for at in where
    )

    assert asked(examined(*tibial)) == []
    assert asked(examined(*elbow)) == []


FIBULAR = ("fibular", ("ankle", "below_fibular_head"))


def test_the_sensory_nerve_that_the_table_has_limits_for_is_asked_for() -> None:
    assert "record_sensory:sural:right" in asked(examined(*pair(*FIBULAR, **BLOCK)))


def test_a_cold_snap_asks_for_warmth_before_it_is_asked_for_again() -> None:
    cold = sensory(nerve="median", recording_site="digit_2", skin_temperature_c=25.0)

    assert asked(examined(*pair(*MEDIAN, **BLOCK), cold))[:2] == [
        "warm_limb:median:right",
        "record_sensory:median:right",
    ]


def test_a_snap_abnormal_at_an_entrapment_is_told_to_say_nothing() -> None:
    slow = SensoryMarks(amplitude_uv=20.0, peak_latency_ms=4.6)
    found = examined(*pair(*MEDIAN, **BLOCK), sensory(slow, nerve="median", recording_site="digit_2"))

    assert "entrapment" in found.guidance[0].why
