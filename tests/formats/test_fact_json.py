from dataclasses import fields, replace
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.corrections import AmendReason, ExcludeReason, RecordingAmended, RecordingExcluded
from gateway.domain.recording import Recording, Side
from gateway.domain.study import (
    ActionDeclined,
    AlertAcknowledged,
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    ExamEnded,
    Fact,
    Patient,
    PatientStated,
    RecordUnusable,
    StudyOpened,
)
from gateway.errors import DataError
from gateway.formats.fact_json import decode, encode
from tests.factories import header
from tests.strategies import motor_recordings, sensory_recordings

flags = st.none() | st.booleans()
words = st.none() | st.text(max_size=8)
clinical = st.builds(
    ClinicalFacts,
    symptom_onset_days=st.none() | st.floats(0, 36_525),
    umn_signs=flags,
    anti_gm1_igm=st.sampled_from([None, "positive", "negative"]),
    csf_protein_g_l=st.none() | st.floats(0, 10),
    plexus_mri_abnormal=flags,
    ivig_response=flags,
)
names = st.sampled_from([entry.name for entry in fields(ClinicalFacts)])
details = st.one_of(
    st.builds(
        DetailStated,
        name=st.just(name),
        value=st.none() | values,
        nerve=st.text(max_size=8),
        side=st.sampled_from(Side),
        recording_site=words,
        stimulation_site=words,
    )
    for name, values in [
        ("skin_temperature_c", st.floats(0, 50)),
        ("distance_mm", st.floats(0.001, 3000)),
        ("supramaximal", st.booleans()),
    ]
)
identities = st.text("0123456789abcdef", min_size=64, max_size=64)
changes = st.fixed_dictionaries(
    {},
    optional={
        "nerve": st.text(max_size=8),
        "side": st.sampled_from(Side),
        "recording_site": st.text(max_size=8),
        "stimulation_site": st.text(max_size=8),
        "site_position_mm": st.none() | st.floats(0, 3000),
        "distance_mm": st.none() | st.floats(0.001, 3000),
        "distance_to_recording_mm": st.none() | st.floats(0.001, 3000),
    },
)
amendments = st.builds(
    RecordingAmended,
    identity=identities,
    changes=changes.filter(bool),
    reason=st.sampled_from(get_args(AmendReason)),
) | st.builds(RecordingAmended, identity=identities, changes=st.just({}), reason=st.none())
facts = st.one_of(
    st.builds(StudyOpened, st.builds(header, clinical=clinical, simulated=st.booleans())),
    motor_recordings,
    sensory_recordings,
    st.builds(RecordUnusable, place=st.text(max_size=20), reason=st.text()),
    st.builds(ExamEnded, by=st.sampled_from(["device", "operator", "timeout"])),
    st.builds(ClinicalStated, clinical=clinical, forgotten=st.lists(names, max_size=3).map(tuple)),
    details,
    st.builds(
        ActionDeclined,
        action=st.text(max_size=40),
        reason=st.sampled_from(
            [None, "amputation", "wound_or_cast", "patient_stops", "not_tolerated", "not_indicated"]
        ),
    ),
    amendments,
    st.builds(
        PatientStated,
        patient=st.none()
        | st.just(Patient())
        | st.builds(
            Patient,
            id=st.text(min_size=1, max_size=8),
            family=words,
            given=words,
            birth_date=st.none() | st.dates().map(str),
            sex=st.sampled_from([None, "F", "M", "O", "U"]),
            height_cm=st.none() | st.floats(30, 250),
        ),
    ),
    st.builds(
        RecordingExcluded, identity=identities, reason=st.sampled_from([None, *get_args(ExcludeReason)])
    ),
    st.builds(
        AlertAcknowledged, alert_id=st.text(max_size=40), by=st.text(), screen=st.text(), time=st.text()
    ),
)
KINDS = [
    "opened",
    "recording",
    "unusable",
    "ended",
    "clinical",
    "detail",
    "declined",
    "amended",
    "excluded",
    "patient",
    "acknowledged",
]


@given(facts)
def test_every_fact_comes_back_as_it_was(fact: Fact) -> None:
    kind, body = encode(fact)

    assert kind in KINDS
    assert decode(kind, body) == fact


@given(motor_recordings | sensory_recordings)
def test_the_identity_of_a_recording_is_no_part_of_its_body(recording: Recording) -> None:
    assert encode(replace(recording, identity="a1" * 32)) == encode(recording)


def test_a_side_comes_back_as_a_side() -> None:
    word = RecordingAmended(identity="a1" * 32, changes={"side": Side.LEFT}, reason="wrong_side")

    found = decode(*encode(word))

    assert isinstance(found, RecordingAmended)
    assert isinstance(found.changes["side"], Side)


@given(st.sampled_from(KINDS), st.binary(max_size=40) | facts.map(lambda fact: encode(fact)[1]))
def test_whatever_a_body_holds_is_a_fact_or_a_data_error(kind: str, body: bytes) -> None:
    try:
        fact = decode(kind, body)
    except DataError:
        return
    assert encode(fact)[0] == kind


DETAIL = {
    "name": "distance_mm",
    "value": 210.0,
    "nerve": "ulnar",
    "side": "right",
    "recording_site": None,
    "stimulation_site": None,
}

AMENDED = {"identity": "a1", "reason": "wrong_side", "side": "left"}


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("clinical", {"clinical": {}}, "forgotten"),
        ("clinical", {"clinical": {"csf_protein_g_l": 450.0}, "forgotten": []}, "csf_protein_g_l: .*g/L"),
        ("clinical", {"clinical": {"anti_gm1_igm": "weak"}, "forgotten": []}, "positive, negative"),
        ("clinical", {"clinical": {"Canary": 1}, "forgotten": []}, "unknown key; known: symptom_onset_days"),
        ("clinical", {"clinical": {}, "forgotten": ["Canary"]}, "forgotten: .*umn_signs"),
        ("detail", DETAIL | {"name": "Canary"}, "name: must be one of skin_temperature_c, distance_mm"),
        ("detail", DETAIL | {"value": True}, "distance_mm: must be a number"),
        ("detail", DETAIL | {"value": "Canary"}, "value: "),
        ("detail", DETAIL | {"Canary": 1}, "unknown key"),
        ("detail", DETAIL | {"side": "both"}, "side: must be one of left, right"),
        ("declined", {"action": "record_site", "reason": "Canary"}, "reason: must be one of amputation"),
        ("declined", {"action": "record_site"}, "reason"),
        ("amended", AMENDED | {"side": "both"}, "side: must be one of left, right"),
        ("amended", AMENDED | {"reason": "Canary"}, "reason: must be one of wrong_side, "),
        ("amended", AMENDED | {"reason": None}, "reason: an amendment has changes and a reason"),
        ("amended", AMENDED | {"distance_mm": 7000.0}, "distance_mm: is impossible"),
        ("amended", AMENDED | {"nerve": None}, "nerve: "),
        ("amended", AMENDED | {"Canary": 1}, "unknown key; known: identity, reason, nerve, side, "),
        ("excluded", {"identity": "a1", "reason": "Canary"}, "reason: must be one of artefact, "),
        ("excluded", {"identity": "a1"}, "reason"),
        ("acknowledged", {"alert_id": "x", "by": "x", "screen": "x"}, "time"),
        ("acknowledged", {"alert_id": "x", "by": 1, "screen": "x", "time": "x"}, "by"),
        ("nonsense", {}, "kind: a kind of fact that this gateway does not know"),
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(kind: str, body: object, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        decode(kind, msgspec.json.encode(body))
    assert "Canary" not in str(caught.value)
