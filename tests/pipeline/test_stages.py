import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.domain.assessment import document
from gateway.domain.criteria import Grade
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Side
from gateway.domain.study import ClinicalFacts, Device, ExamEnded, Patient, StudyOpened, fold
from gateway.domain.support import Support
from gateway.pipeline.stages import Examination, assessment, examine, take
from tests.factories import (
    cmap,
    header,
    median,
    median_sensory,
    motor,
    motor_marks,
    reference,
    sensory,
    study,
    waveform,
)
from tests.schemas import schema
from tests.strategies import motor_recordings, sensory_recordings

REFERENCE = reference()
VALIDATOR = Draft202012Validator(schema("assessment"))

BLOCKED = motor_marks(
    onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6
)
EXAMINATION = [
    median("wrist", distance_mm=70.0),
    median("elbow", BLOCKED, distance_mm=220.0),
    median("axilla", BLOCKED, distance_mm=120.0),
    motor("wrist"),
    motor("below_elbow", distance_mm=220.0),
    motor("above_elbow", NO_RESPONSE),
    median("wrist", side=Side.LEFT),
    median("elbow", side=Side.LEFT, measured=None, waveform=cmap(onset_ms=7.0)),
    median_sensory(),
    sensory(),
    sensory(NO_RESPONSE, side=Side.LEFT),
]


def printed(recordings: list[Recording]) -> dict[str, object]:
    found = document(
        assessment(examine(study(*recordings), REFERENCE), REFERENCE), study_id="S-1", gateway_version="0"
    )
    plain: dict[str, object] = json.loads(json.dumps(found))
    return plain


def test_a_whole_examination_is_assessed() -> None:
    found = assessment(examine(study(*EXAMINATION), REFERENCE), REFERENCE)

    by_sites = {
        (e.segment.side, e.segment.nerve, e.segment.proximal_point.site): e.finding for e in found.findings
    }
    assert by_sites == {
        ("right", "median", "elbow"): Grade.DEFINITE_BLOCK,
        ("right", "median", "axilla"): Grade.NONE,
        ("left", "median", "elbow"): Grade.NONE,
        ("right", "ulnar", "below_elbow"): Grade.NONE,
        ("right", "ulnar", "above_elbow"): Grade.EXCLUDED_SITE,
    }
    assert found.mmn.support is Support.DEFINITE
    assert found.sensory_normal is False


def test_the_document_is_valid_under_the_published_schema() -> None:
    VALIDATOR.validate(printed(EXAMINATION))
    VALIDATOR.validate(printed([]))
    VALIDATOR.validate(printed([motor("wrist", measured=None, waveform=waveform([0] * 100))]))


def test_the_document_holds_nothing_of_the_patient() -> None:
    assert "Canary" not in json.dumps(printed(EXAMINATION))
    assert "P-1" not in json.dumps(printed(EXAMINATION))


@settings(max_examples=25)  # a whole examination each
@given(st.permutations(EXAMINATION))
def test_the_order_of_arrival_does_not_matter(recordings: list[Recording]) -> None:
    assert printed(recordings) == printed(EXAMINATION)


def test_recordings_stand_in_anatomical_order() -> None:
    found = printed(EXAMINATION[::-1])["recordings"]
    assert isinstance(found, list)
    names = [(r["nerve"], r["side"], r["stimulation_site"]) for r in found if r["modality"] == "motor"]

    assert names == [
        ("median", "left", "wrist"),
        ("median", "left", "elbow"),
        ("median", "right", "wrist"),
        ("median", "right", "elbow"),
        ("median", "right", "axilla"),
        ("ulnar", "right", "wrist"),
        ("ulnar", "right", "below_elbow"),
        ("ulnar", "right", "above_elbow"),
    ]


def test_an_unrelated_nerve_changes_nothing() -> None:
    alone = examine(study(*EXAMINATION[:3]), REFERENCE)
    both = take(alone, motor("ankle", nerve="tibial", recording_site="ah"), REFERENCE)

    assert both.nerves[("median", Side.RIGHT)] == alone.nerves[("median", Side.RIGHT)]


def test_muscles_never_mix() -> None:
    found = examine(study(motor("wrist"), motor("below_elbow", recording_site="fdi")), REFERENCE)

    assert found.findings == ()


def test_what_a_later_header_adds_is_known_and_what_it_leaves_out_stays_known() -> None:
    first = header(clinical=ClinicalFacts(umn_signs=True), device=Device(model="M"))
    later = header(
        patient=Patient(id="P-1", height_cm=170.0),
        performed_at="2026-11-02T11:00:00+01:00",
        clinical=ClinicalFacts(anti_gm1_igm="positive"),
        simulated=True,
    )

    examination = take(
        examine(study(*EXAMINATION[:3], median_sensory()), REFERENCE), StudyOpened(first), REFERENCE
    )
    examination = take(examination, StudyOpened(later), REFERENCE)

    assert examination.study.header == replace(
        first,
        patient=replace(first.patient, height_cm=170.0),
        clinical=ClinicalFacts(umn_signs=True, anti_gm1_igm="positive"),
        simulated=True,
    )
    assert examination.mmn.support is Support.AGAINST


def test_a_study_is_the_fold_of_its_facts() -> None:
    first, second = motor("wrist"), motor("below_elbow")
    opened = StudyOpened(header())

    ended = fold(opened, [first, ExamEnded(by="device")])
    reopened = fold(opened, [first, ExamEnded(by="device"), second])

    assert (ended.recordings, ended.ended) == ((first,), True)
    assert (reopened.recordings, reopened.ended) == ((first, second), False)


def test_taking_facts_one_by_one_is_examining_the_whole() -> None:
    examination = Examination(study=study())
    for recording in EXAMINATION:
        examination = take(examination, recording, REFERENCE)

    assert examination == examine(study(*EXAMINATION), REFERENCE)


@pytest.mark.parametrize("order", [1, -1])
def test_a_second_stimulation_of_a_site_is_the_same_site(order: int) -> None:
    weak = motor(
        "wrist", motor_marks(amplitude_mv=2.0), stimulus=EXAMINATION[0].stimulus.__class__(intensity_ma=5.0)
    )
    series = [weak, motor("wrist"), motor("below_elbow")][::order]

    found = assessment(examine(study(*series), REFERENCE), REFERENCE)

    assert [entry.recording.stimulation_site for entry in found.recordings] == ["wrist", "below_elbow"]
    assert found.recordings[0].amplitude == 9.0


@settings(max_examples=50)  # a whole examination each
@given(st.lists(motor_recordings | sensory_recordings, max_size=6))
def test_no_recordings_make_an_assessment_fail(recordings: list[Recording]) -> None:
    VALIDATOR.validate(printed(recordings))


def test_our_own_marks_stand_beside_the_machine_s_in_the_document() -> None:
    both = motor("wrist", MotorMarks(onset_latency_ms=3.0, amplitude_mv=9.0), waveform=cmap())

    (entry,) = printed([both])["recordings"]  # type: ignore[misc]

    assert entry["marked_by"] == "device"
    assert entry["marks"]["amplitude_mv"] == 9.0
    assert entry["gateway_marks"]["amplitude_mv"] == pytest.approx(9.0, abs=0.01)
    assert "negative_area_mv_ms" in entry["filled_by_gateway"]


def test_inching_segments_carry_their_positions() -> None:
    near = motor("wrist", site_position_mm=100.0)
    far = motor("wrist", motor_marks(amplitude_mv=3.0), site_position_mm=125.0)

    (entry,) = printed([far, near])["segments"]  # type: ignore[misc]

    assert (entry["distal_position_mm"], entry["proximal_position_mm"]) == (100.0, 125.0)
