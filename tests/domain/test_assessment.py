import json
from dataclasses import replace

from jsonschema import Draft202012Validator

from gateway.domain.assessment import document, quality_object, recording_object, segment_object
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, MotorMarks
from gateway.domain.segments import compare
from gateway.domain.sites import Evoked
from gateway.pipeline.stages import assessment, examine
from tests.factories import cmap, judged, marked, motor, motor_marks, reference, study
from tests.schemas import schema

VALIDATOR = Draft202012Validator(schema("assessment"))
ERRORS = {"amplitude_mv": 0.0123456, "onset_latency_ms": 0.05}


def ours(site: str, **changes: float) -> Evoked:
    """A CMAP that we marked, with standard errors of our own."""
    marks = motor_marks(**changes)
    entry = marked(motor(site, marks, distance_mm=220.0))
    return replace(entry, marked_by="gateway", gateway=marks, errors=ERRORS)


def test_a_quality_entry_carries_its_number_with_its_unit_and_what_to_do() -> None:
    entry = replace(ours("wrist"), quality=(Quality("mains", 12.3456), Quality("response_absent")))

    found = recording_object(entry)

    assert found["quality"] == ("mains", "response_absent")
    assert found["quality_details"] == (
        {
            "code": "mains",
            "value": 12.3,
            "unit": "uV",
            "what": "mains hum",
            "advice": "check the ground and the impedances, keep mains cables away",
        },
        {
            "code": "response_absent",
            "value": None,
            "unit": None,
            "what": "no response",
            "advice": "raise the current before believing it",
        },
    )


def test_a_number_that_is_not_known_has_no_unit() -> None:
    assert quality_object(Quality("electrode_drift"))["unit"] is None
    assert quality_object(Quality("electrode_drift", -12.0))["unit"] == "%"


def test_standard_errors_stand_beside_our_own_marks() -> None:
    assert recording_object(ours("wrist"))["gateway_standard_errors"] == {
        "amplitude_mv": 0.0123,
        "onset_latency_ms": 0.05,
    }
    assert "gateway_standard_errors" not in recording_object(marked(motor("wrist")))
    absent = recording_object(
        marked(motor("wrist", NO_RESPONSE, waveform=cmap(amplitude_uv=0.0, noise_uv=3.0)))
    )
    assert (absent["gateway_marks"], absent["gateway_standard_errors"]) == (None, {})


def test_the_standard_errors_of_a_segment_stand_beside_its_changes() -> None:
    known = reference()
    segment = compare(ours("wrist"), ours("below_elbow", amplitude_mv=4.5), known.anatomy, known.thresholds)

    found = segment_object(judged(segment))

    assert found["standard_errors"] == {"amplitude_ratio": 0.00153, "amplitude_reduction_percent": 0.153}


def test_the_document_with_all_of_it_is_valid_under_the_published_schema() -> None:
    partly = MotorMarks(onset_latency_ms=5.0, amplitude_mv=3.0)
    curves = (motor("wrist", partly, waveform=cmap()), motor("below_elbow", measured=None, waveform=cmap()))
    whole = assessment(examine(study(*curves), reference()), reference())
    graded = replace(whole, recordings=tuple(replace(entry, errors=ERRORS) for entry in whole.recordings))

    printed = json.loads(json.dumps(document(graded, study_id="S-1", gateway_version="0")))

    VALIDATOR.validate(printed)
    wrist, _ = printed["recordings"]
    assert [entry["code"] for entry in wrist["quality_details"]] == wrist["quality"]
    assert "marks_disagree:onset_latency_ms" in wrist["quality"]
