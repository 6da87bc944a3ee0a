"""Median fibres in ulnar muscles: excluded, demonstrated, not excluded, and where the question is asked."""

import pytest

from gateway.domain.criteria import Grade
from gateway.domain.findings import Finding
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Response, Side, Stimulus
from tests.factories import EVERY_SET, examined, motor, pair, waveform

EXCLUDED, DEMONSTRATED, OPEN = (), ("martin_gruber_demonstrated",), ("martin_gruber_not_excluded",)
FOREARM = ("ulnar", ("wrist", "below_elbow"))
ASKED = "exclude_martin_gruber:ulnar:right"
LOSS = {"amplitude": 60.0, "area": 60.0}  # of 10 mV: 6 mV


def over_adm(site: str, amplitude_mv: float | Response, **changes) -> Recording:
    """A median response over an ulnar muscle."""
    response = (
        MotorMarks(
            onset_latency_ms=4.0,
            amplitude_mv=amplitude_mv,
            negative_area_mv_ms=1.0,
            negative_duration_ms=5.0,
        )
        if isinstance(amplitude_mv, float)
        else amplitude_mv
    )
    return motor(site, response, **{"nerve": "median"} | changes)


def of_ulnar(*recordings: Recording, grading: str | None = None) -> Finding:
    """The finding of the only ulnar segment."""
    (found,) = (e for e in examined(*recordings, grading=grading).findings if e.segment.nerve == "ulnar")
    return found


@pytest.mark.parametrize(
    ("wrist", "elbow", "known"),
    [
        (0.5, 4.1, DEMONSTRATED),  # gain 3.6 of 6 mV: 60 %
        (0.5, 4.099, DEMONSTRATED),  # 59.98 % rounds to 60.0
        (0.5, 4.09, OPEN),  # 59.8 %
        (0.5, 1.7, OPEN),  # 20 %: not below
        (0.5, 1.698, OPEN),  # 19.97 % rounds to 20.0
        (0.5, 1.69, EXCLUDED),  # 19.8 %
        (0.5, 0.5, EXCLUDED),
        (2.0, 0.5, EXCLUDED),
        (0.0, 0.0, EXCLUDED),
        (NO_RESPONSE, NO_RESPONSE, EXCLUDED),
        (NO_RESPONSE, 4.0, DEMONSTRATED),
        (4.0, NO_RESPONSE, EXCLUDED),
        (0.5, 7.0, DEMONSTRATED),  # more than the ulnar nerve loses
    ],
)
@pytest.mark.parametrize("muscle", ["adm", "fdi"])
def test_the_gain_of_the_median_against_the_loss_of_the_ulnar(wrist, elbow, known, muscle) -> None:
    median = [
        over_adm("wrist", wrist, recording_site=muscle),
        over_adm("elbow", elbow, recording_site=muscle),
    ]

    found = of_ulnar(*pair(*FOREARM, muscle=muscle, **LOSS), *median, grading="amplitude-50")

    assert found.reasons == known
    assert found.finding is (Grade.INDETERMINATE if known else Grade.BLOCK)
    assert (ASKED in [str(action) for action in found.actions]) <= (known == OPEN)


@pytest.mark.parametrize(
    ("loss_of_2_mv", "gain", "known"),
    [
        (60.0, 1.0, DEMONSTRATED),  # 1.2 mV lost: 1 mV is 83 %
        (60.0, 0.999, OPEN),  # 83 %, but not 1 mV
        (60.0, 0.24, OPEN),  # 20 %
        (60.0, 0.23, EXCLUDED),
    ],
)
def test_a_gain_below_one_millivolt_demonstrates_nothing(loss_of_2_mv, gain, known) -> None:
    ulnar = pair(*FOREARM, distal_mv=2.0, amplitude=loss_of_2_mv, area=60.0)

    assert of_ulnar(*ulnar, over_adm("wrist", 0.1), over_adm("elbow", round(0.1 + gain, 3))).reasons == known


@pytest.mark.parametrize(
    "median",
    [
        [],
        [over_adm("wrist", 0.5)],
        [over_adm("elbow", 0.5)],
        [over_adm("palm", 0.5), over_adm("elbow", 0.5)],
        [over_adm("wrist", 0.5), over_adm("axilla", 0.5)],
        [over_adm("wrist", 0.5, recording_site="fdi"), over_adm("elbow", 0.5)],
        [over_adm("wrist", 0.5, recording_site="apb"), over_adm("elbow", 0.5, recording_site="apb")],
        [over_adm("wrist", 0.5, side=Side.LEFT), over_adm("elbow", 0.5)],
        [over_adm("wrist", 0.5, side=Side.LEFT), over_adm("elbow", 0.5, side=Side.LEFT)],
        [over_adm("wrist", 0.5), over_adm("wrist", 0.5, site_position_mm=200.0)],
        [over_adm("wrist", 0.5), motor("elbow", nerve="median", measured=None, waveform=waveform([0] * 800))],
    ],
)
@pytest.mark.parametrize("set_id", EVERY_SET)
def test_without_both_median_sites_over_the_same_muscle_of_that_side_it_is_not_excluded(
    set_id, median
) -> None:
    found = of_ulnar(*pair(*FOREARM, **LOSS), *median, grading=set_id)

    assert (found.finding, found.reasons) == (Grade.INDETERMINATE, OPEN)
    assert [str(action) for action in found.actions] == [ASKED]


def test_the_action_names_the_two_recordings_to_make() -> None:
    (action,) = of_ulnar(*pair(*FOREARM, **LOSS)).actions

    made = {(s.modality, s.nerve, s.side, s.stimulation_site, s.recording_site) for s in action.recordings}
    assert made == {("motor", "median", "right", site, "adm") for site in ("wrist", "elbow")}


def test_the_used_recording_of_a_median_series_counts() -> None:
    median = [
        over_adm("elbow", 0.5, stimulus=Stimulus(intensity_ma=10.0)),
        over_adm("elbow", 4.5, stimulus=Stimulus(intensity_ma=30.0)),
        over_adm("wrist", 0.5),
    ]

    assert of_ulnar(*pair(*FOREARM, **LOSS), *median).reasons == DEMONSTRATED


@pytest.mark.parametrize(
    ("sites", "near", "far", "reasons"),
    [
        (("wrist", "wrist"), None, 100.0, OPEN),
        (("wrist", "wrist"), 100.0, 125.0, OPEN),
        (("wrist", "below_elbow"), 230.0, None, OPEN),
        (("below_elbow", "below_elbow"), None, 280.0, ("compression_site",)),
        (("below_elbow", "above_elbow"), None, None, ("compression_site",)),
        (("wrist", "above_elbow"), None, None, ("contaminated_segment",)),
        (("above_elbow", "axilla"), None, None, EXCLUDED),
        (("axilla", "erb"), None, None, EXCLUDED),
        (("above_elbow", "above_elbow"), None, 350.0, EXCLUDED),
    ],
)
def test_the_question_is_asked_in_the_ulnar_forearm_inching_included(sites, near, far, reasons) -> None:
    ends = {"near": {"site_position_mm": near}, "far": {"site_position_mm": far}}

    assert of_ulnar(*pair("ulnar", sites, **LOSS, **ends)).reasons == reasons


def test_no_other_nerve_is_asked() -> None:
    for nerve, sites in (("median", ("wrist", "elbow")), ("fibular", ("ankle", "below_fibular_head"))):
        (found,) = examined(*pair(nerve, sites, **LOSS)).findings
        assert (found.finding, found.reasons) == (Grade.DEFINITE_BLOCK, ())


def test_an_ulnar_response_that_does_not_fall_loses_nothing_to_the_median() -> None:
    ulnar = pair(*FOREARM, amplitude=0.0, area=60.0)

    for elbow, known in ((0.5, EXCLUDED), (1.0, OPEN), (2.0, DEMONSTRATED)):
        assert of_ulnar(*ulnar, over_adm("wrist", 0.5), over_adm("elbow", elbow)).reasons == known


def test_both_absent_median_responses_let_a_complete_block_stand() -> None:
    ulnar = pair(*FOREARM, far={"measured": NO_RESPONSE})
    median = [over_adm("wrist", NO_RESPONSE), over_adm("elbow", NO_RESPONSE)]

    found = of_ulnar(*ulnar, *median)

    assert (found.finding, found.reasons) == (Grade.DEFINITE_BLOCK, ("no_proximal_response",))


WEAK = [Stimulus(supramaximal=False)]
GROWING = [Stimulus(intensity_ma=10.0), Stimulus(intensity_ma=20.0)]


@pytest.mark.parametrize("stimuli", [WEAK, GROWING])
@pytest.mark.parametrize(
    ("weak", "wrist", "elbow", "known"),
    [
        ("elbow", 0.5, 0.9, OPEN),  # fibres that cross over may not have been reached
        ("wrist", 0.5, 0.9, EXCLUDED),  # a stronger stimulus leaves even less gain
        ("wrist", 0.5, 4.6, OPEN),  # the gain may be feigned
        ("elbow", 0.5, 4.6, DEMONSTRATED),  # a stronger stimulus only adds to it
    ],
)
def test_a_median_stimulus_that_was_too_weak_proves_only_so_much(stimuli, weak, wrist, elbow, known) -> None:
    median = []
    for site, amplitude in (("wrist", wrist), ("elbow", elbow)):
        steps = stimuli if site == weak else [Stimulus()]
        median += [
            over_adm(site, round(amplitude - 0.1 * (len(steps) - 1 - step), 3), stimulus=stimulus)
            for step, stimulus in enumerate(steps)
        ]

    assert of_ulnar(*pair(*FOREARM, **LOSS), *median).reasons == known


def whys(*recordings: Recording) -> list[tuple[str, list[str | None]]]:
    """Why an anastomosis is still to be excluded, and from which median sites."""
    asked = [
        action for action in of_ulnar(*pair(*FOREARM, **LOSS), *recordings).actions if str(action) == ASKED
    ]
    return [(action.why, [site.stimulation_site for site in action.recordings]) for action in asked]


def test_what_was_not_recorded_is_asked_for() -> None:
    fibres = "median fibres may reach this muscle: stimulate the median nerve at"

    assert whys() == [(f"{fibres} wrist and elbow over it", ["wrist", "elbow"])]
    assert whys(over_adm("wrist", 0.5)) == [(f"{fibres} elbow over it", ["elbow"])]
    assert whys(over_adm("elbow", 0.5)) == [(f"{fibres} wrist over it", ["wrist"])]


def test_a_gain_in_between_asks_for_both_again_and_says_what_would_settle_it() -> None:
    ((why, sites),) = whys(over_adm("wrist", 0.5), over_adm("elbow", 2.9))

    assert why.startswith("the median nerve gains 2.4 mV at the elbow, 40 % of what the ulnar nerve loses:")
    assert "repeat both sites" in why
    assert "collision" in why
    assert sites == ["wrist", "elbow"]


def test_a_gain_that_is_too_small_for_a_nerve_that_loses_little_is_in_between_too() -> None:
    recordings = pair(*FOREARM, amplitude=0.0, area=60.0)

    found = of_ulnar(*recordings, over_adm("wrist", 0.5), over_adm("elbow", 1.0))

    assert found.actions[0].why.startswith("the median nerve gains 0.5 mV at the elbow: too much")


@pytest.mark.parametrize(
    ("too_weak", "amplitudes"),
    [("elbow", {"wrist": 0.5, "elbow": 0.5}), ("wrist", {"wrist": 0.5, "elbow": 6.0})],
)
def test_a_median_stimulus_that_was_too_weak_is_to_be_repeated_there(too_weak, amplitudes) -> None:
    weak = Stimulus(supramaximal=False)
    recordings = [
        over_adm(site, height, **({"stimulus": weak} if site == too_weak else {}))
        for site, height in amplitudes.items()
    ]

    ((why, sites),) = whys(*recordings)

    assert why == f"the median stimulus at the {too_weak} was too weak to tell: repeat it, supramaximal"
    assert sites == [too_weak]
    assert whys(*recordings, over_adm(too_weak, amplitudes[too_weak])) == []
