import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.domain.limits import Limits
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    SensoryMarks,
)
from gateway.domain.study import ClinicalFacts, Device, Order, Study
from gateway.errors import DataError
from gateway.formats import study_json
from tests.factories import header, reference, study
from tests.schemas import schema
from tests.strategies import motor_recordings, sensory_recordings

CHECK = reference().anatomy.check
VALIDATOR = Draft202012Validator(schema("study"))


def document(**changes: Any) -> dict[str, Any]:
    return {
        "schema": "emg-gateway/study/1",
        "study_id": "S-1",
        "performed_at": "2026-11-02T10:15:00+01:00",
        "recordings": [
            {
                "modality": "motor",
                "nerve": "ulnar",
                "side": "right",
                "recording_site": "adm",
                "stimulation_site": "wrist",
                "measured": {"amplitude_mv": 9.0},
            }
        ],
    } | changes


def recording(**changes: Any) -> dict[str, Any]:
    return document(recordings=[document()["recordings"][0] | changes])


def decoded(content: object) -> Study:
    return study_json.decode(json.dumps(content).encode(), CHECK)


@given(st.lists(motor_recordings | sensory_recordings, max_size=4))
def test_what_is_written_reads_back_to_the_same_study(recordings: list[Recording]) -> None:
    whole = study(
        *recordings,
        device=Device(manufacturer="Maker", model="M", serial="1"),
        order=Order(placer="O-1", accession="A-1"),
        clinical=ClinicalFacts(symptom_onset_days=400.0, umn_signs=False),
        simulated=True,
    )

    written = study_json.encode(whole)

    assert study_json.decode(written, CHECK) == whole
    VALIDATOR.validate(json.loads(written))


@given(motor_recordings | sensory_recordings)
def test_the_journal_s_form_of_a_recording_reads_back(entry: Recording) -> None:
    body = json.dumps(study_json.recording_object(entry)).encode()

    assert study_json.decode_recording(body) == entry


def test_the_journal_s_form_of_a_header_reads_back() -> None:
    whole = header(clinical=ClinicalFacts(plexus_mri_abnormal=False))

    assert study_json.decode_header(json.dumps(study_json.header_object(whole)).encode()) == whole


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (document(schema="emg-gateway/study/9"), "schema"),
        (document(study_id=""), "study_id"),
        (document(study_id="x" * 65), "study_id"),
        (document(comment="hello"), "an unknown key; known: study_id, performed_at"),
        (document(performed_at="yesterday"), "performed_at: not an RFC 3339"),
        (document(performed_at="2026-11-02T10:15:00"), "performed_at: the offset from UTC is missing"),
        (document(patient={"birth_date": "02.11.1971"}), "patient.birth_date: not a date"),
        (document(patient={"sex": "X"}), "patient.sex"),
        (document(recordings={}), "recordings"),
        (
            recording(nerve="ulna"),
            "recordings[0]: nerve: unknown nerve; did you mean 'ulnar'?; known: median",
        ),
        (recording(stimulation_site="knee"), "recordings[0]: stimulation_site"),
        (recording(side="both"), "recordings[0].side"),
        (
            recording(measured={"amplitude_mv": -1}),
            "recordings[0]: measured: amplitude_mv: is impossible: must be 0 to 1000",
        ),
        (recording(measured={"amplitude_mv": "9.0"}), "recordings[0].measured.amplitude_mv"),
        (recording(measured={"amplitude": 9.0}), "amplitude"),
        (recording(measured={"response": "absent", "amplitude_mv": 1.0}), "absent response has no measured"),
        (recording(measured={"amplitude_mv": 9.0, "amplitude_uv": 9000.0}), "given beside amplitude_mv"),
        (recording(distance_mm=0), "distance_mm"),
        (recording(recorded_at="10:15"), "recorded_at"),
        (recording(averages=0), "averages"),
        (recording(filter_hz=[1]), "filter_hz"),
        (recording(waveform={"sampling_rate_hz": 48000}), "waveform"),
        (
            recording(
                waveform={"sampling_rate_hz": 0, "start_ms": 0, "microvolts_per_count": 1, "samples": [1, 2]}
            ),
            "waveform: sampling_rate_hz",
        ),
        (
            recording(
                waveform={
                    "sampling_rate_hz": 1,
                    "start_ms": 0,
                    "microvolts_per_count": 1,
                    "samples": [1, 2**40],
                }
            ),
            "waveform: samples[1]: Expected `int` <= 2147483647",
        ),
        ([], "object"),
    ],
)
def test_a_broken_document_is_refused_with_the_place_in_it(broken: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        decoded(broken)

    assert message in str(caught.value)


def test_an_error_never_repeats_patient_data() -> None:
    with pytest.raises(DataError) as caught:
        decoded(document(patient={"id": "P-1", "family": "Canary", "birth_date": "Canary-1971"}))

    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": NaN}', b"null"])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        study_json.decode(data, CHECK)


@given(st.binary(max_size=200))
def test_garbage_gives_only_our_own_error(data: bytes) -> None:
    with pytest.raises(DataError):
        study_json.decode(data, CHECK)


def test_an_enormous_document_is_refused_before_it_is_read() -> None:
    with pytest.raises(DataError, match="larger than"):
        study_json.decode(b" " * (Limits().document_bytes + 1), CHECK)


@pytest.mark.parametrize(
    ("modality", "measured", "expected"),
    [
        ("motor", {"amplitude_uv": 900.0, "peak_to_peak_uv": 1500.0}, (0.9, 1.5)),
        ("sensory", {"amplitude_mv": 0.022, "peak_to_peak_mv": 0.03}, (22.0, 30.0)),
    ],
)
def test_a_unit_is_read_not_guessed(
    modality: str, measured: dict[str, float], expected: tuple[float, float]
) -> None:
    sites = {"motor": ("adm", "wrist"), "sensory": ("digit_5", "wrist")}[modality]
    content = recording(
        modality=modality, recording_site=sites[0], stimulation_site=sites[1], measured=measured
    )

    marks = decoded(content).recordings[0].measured

    if Modality(modality) is Modality.MOTOR:
        assert isinstance(marks, MotorMarks)
        assert (marks.amplitude_mv, marks.peak_to_peak_mv) == pytest.approx(expected)
    else:
        assert isinstance(marks, SensoryMarks)
        assert (marks.amplitude_uv, marks.peak_to_peak_uv) == pytest.approx(expected)


def test_a_quantity_of_the_other_modality_is_refused() -> None:
    content = recording(
        modality="sensory",
        recording_site="digit_5",
        measured={"amplitude_uv": 20.0, "negative_area_mv_ms": 1.0},
    )

    with pytest.raises(DataError, match="not measured in a sensory recording"):
        decoded(content)


def test_an_absent_response_is_read_as_such() -> None:
    assert decoded(recording(measured={"response": "absent"})).recordings[0].measured is NO_RESPONSE
    assert decoded(recording(measured={"response": "present", "amplitude_mv": 1.0})).recordings[0].measured
