"""The accessory fibular nerve: stimulated behind the lateral malleolus, off the course of the nerve."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.commands.text import assessment_text
from gateway.domain.accessory import accessory_branch
from gateway.domain.anatomy import SitePoint
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Response, Side, Stimulus
from gateway.errors import DataError
from gateway.pipeline.stages import Examination, assessment, examine
from gateway.protocols.results import results
from tests.factories import SUPRAMAXIMAL, examined, marked, motor, pair, reference, sensory, study

ANATOMY = reference().anatomy
UNKNOWN = Stimulus(intensity_ma=38.0)
TOO_WEAK = Stimulus(intensity_ma=10.0, supramaximal=False)
LARGER = pair("fibular", ("ankle", "below_fibular_head"), amplitude=-40.0)


ANSWER = MotorMarks(onset_latency_ms=4.2, amplitude_mv=2.0)


def malleolus(response: Response = ANSWER, **changes: object) -> Recording:
    about = {"nerve": "fibular", "recording_site": "edb"} | changes
    return motor("lateral_malleolus", response, **about)


def asked(found: Examination) -> list[str]:
    return [str(action) for action in found.guidance]


def test_a_larger_response_at_the_knee_asks_for_it() -> None:
    found = examined(*LARGER)

    (action,) = found.guidance
    assert str(action) == "test_accessory_fibular:fibular:right"
    (site,) = action.recordings
    assert (site.stimulation_site, site.recording_site) == ("lateral_malleolus", "edb")
    assert found.findings[0].reasons == ("proximal_larger",)


def test_a_response_shows_the_branch_and_settles_it() -> None:
    found = examined(*LARGER, malleolus())

    assert found.findings[0].reasons == ("proximal_larger", "accessory_fibular_demonstrated")
    assert (found.findings[0].finding, asked(found)) == ("none", [])


@pytest.mark.parametrize(
    ("distal", "expected"),
    [(SUPRAMAXIMAL, []), (UNKNOWN, ["repeat_supramaximal:fibular:right:ankle:edb"])],
)
def test_no_response_excludes_it_and_leaves_the_stimulus_at_the_ankle(
    distal: Stimulus, expected: Sequence[str]
) -> None:
    larger = pair("fibular", ("ankle", "below_fibular_head"), amplitude=-40.0, near={"stimulus": distal})

    found = examined(*larger, malleolus(NO_RESPONSE))

    assert found.findings[0].reasons == ("proximal_larger", "accessory_fibular_excluded")
    assert asked(found) == expected


@pytest.mark.parametrize(
    "recording",
    [
        malleolus(NO_RESPONSE, stimulus=TOO_WEAK),
        malleolus(MotorMarks(onset_latency_ms=4.2)),
        malleolus(recording_site="ta"),
        malleolus(side=Side.LEFT),
    ],
)
def test_what_cannot_tell_settles_nothing(recording: Recording) -> None:
    found = examined(*LARGER, recording)

    assert asked(found) == ["test_accessory_fibular:fibular:right"]
    assert found.findings[0].reasons == ("proximal_larger",)


def test_a_response_that_may_be_none_shows_no_branch() -> None:
    entry = marked(malleolus(MotorMarks(onset_latency_ms=4.2, amplitude_mv=0.1)))

    assert accessory_branch([entry]) is True
    assert accessory_branch([replace(entry, quality=(Quality("uncertain_response", 3.0),))]) is None


def test_it_bounds_no_segment_and_stands_after_the_nerve() -> None:
    block = pair("fibular", ("ankle", "below_fibular_head"), area=60.0, amplitude=60.0)

    found = examined(malleolus(), *block)

    assert [entry.segment.course.ends for entry in found.findings] == [("ankle", "below_fibular_head")]
    assert found.findings[0].reasons == ()
    sites = [entry.recording.stimulation_site for entry in found.recordings]
    assert sites == ["ankle", "below_fibular_head", "lateral_malleolus"]


def test_alone_it_is_no_segment() -> None:
    assert examined(malleolus()).findings == ()


@pytest.mark.parametrize(("sites", "muscle"), [(("below_fibular_head", "above_fibular_head"), "ta")])
def test_where_the_branch_cannot_explain_it_nobody_is_sent_to_the_malleolus(sites, muscle) -> None:
    larger = pair("fibular", sites, muscle=muscle, amplitude=-40.0)

    assert asked(examined(*larger)) == []


def test_a_low_response_that_a_branch_explains_is_no_sign_of_motor_neuron_disease() -> None:
    low = pair("fibular", ("ankle", "below_fibular_head"), distal_mv=1.2, amplitude=-40.0)
    ulnar = pair("ulnar", ("wrist", "below_elbow"), distal_mv=5.0)
    snap = sensory()

    def named(*recordings: Recording) -> list[str]:
        return [entry.name for entry in examined(*recordings).mimics]

    assert "motor_neuron_disease" in named(*low, *ulnar, snap)
    assert "motor_neuron_disease" not in named(*low, *ulnar, snap, malleolus())


def test_only_nerves_that_have_one_know_the_site() -> None:
    with pytest.raises(DataError, match="stimulation site"):
        ANATOMY.check(motor("lateral_malleolus"))
    assert ANATOMY.check(malleolus()) == malleolus()


def test_it_is_read_as_it_is_spelled() -> None:
    spellings = ("Lateral Malleolus", "lat. malleolus", "LAT MALLEOLUS", "behind lateral malleolus")
    assert {ANATOMY.site_named(text) for text in spellings} == {"lateral_malleolus"}


def test_it_sorts_behind_the_sites_along_the_nerve() -> None:
    keys = [
        ANATOMY.order("fibular", SitePoint(site))
        for site in ("ankle", "above_fibular_head", "lateral_malleolus")
    ]
    assert keys == sorted(keys)


def test_it_travels_to_the_report_and_the_table_like_any_other_site() -> None:
    found = examined(*LARGER, malleolus())
    report = results(assessment(found, reference()), ANATOMY)
    groups = [group.key.name for study in report for group in study.groups]

    text = assessment_text(found, reference())

    assert "lateral_malleolus" in groups
    assert "lateral malleolus" in text
    assert "accessory fibular nerve demonstrated" in text


def test_a_laboratory_whose_anatomy_has_no_such_site_is_not_asked_for_it() -> None:
    fibular = replace(ANATOMY.nerves["fibular"], accessory_sites=())
    anatomy = replace(ANATOMY, nerves={**ANATOMY.nerves, "fibular": fibular})
    larger = pair("fibular", ("ankle", "below_fibular_head"), amplitude=-40.0, near={"stimulus": UNKNOWN})

    found = examine(study(*larger), replace(reference(), anatomy=anatomy))

    assert asked(found) == ["repeat_supramaximal:fibular:right:ankle:edb"]


def test_a_site_is_on_the_course_or_off_it() -> None:
    with pytest.raises(DataError, match="names a site twice"):
        replace(ANATOMY.nerves["fibular"], accessory_sites=("ankle",))
