"""The table of fields is what is sent, and is what HL7 2.5.1 says."""

import pytest
from hl7apy import load_reference

from gateway.pipeline.samples import samples
from gateway.protocols import er7
from gateway.protocols.acknowledgement import COMMIT_AND_APPLICATION
from gateway.protocols.oru import VERSION, MessageHeader
from gateway.protocols.oru_profile import PROFILE, STATUSES, MessageSegment, SegmentField
from tests.factories import reference

FULL = MessageHeader(
    sending_application="A",
    sending_facility="B",
    receiving_application="C",
    receiving_facility="D",
    asked=COMMIT_AND_APPLICATION,
)
SENT = [
    segment
    for sender in (MessageHeader(), FULL)
    for message in samples(sender, reference()).values()
    for segment in er7.parse(message).segments
]
SEGMENTS = {entry.name: entry for entry in PROFILE}
FIELDS = [(entry, field) for entry in PROFILE for field in entry.fields]


def named(value: MessageSegment | SegmentField) -> str:
    return value.name


@pytest.mark.parametrize("name", SEGMENTS)
def test_what_is_sent_stands_in_the_table_and_all_of_the_table_is_sent(name: str) -> None:
    sent = {
        number
        for segment in SENT
        if segment.name == name
        for number in range(1, len(segment.fields) + 1)
        if segment.raw(number)
    }
    assert sent == {field.number for field in SEGMENTS[name].fields}


def test_no_other_segment_is_sent() -> None:
    assert {segment.name for segment in SENT} == set(SEGMENTS)


@pytest.mark.parametrize(("segment", "field"), FIELDS, ids=named)
def test_what_is_required_is_never_empty(segment: MessageSegment, field: SegmentField) -> None:
    if field.usage == "R":
        assert all(sent.raw(field.number) for sent in SENT if sent.name == segment.name)


@pytest.mark.parametrize(("segment", "field"), FIELDS, ids=named)
def test_names_types_and_tables_are_those_of_the_standard(
    segment: MessageSegment, field: SegmentField
) -> None:
    entry = load_reference(f"{segment.name}_{field.number}", "Field", VERSION)
    _, parts, kind, name, table, _ = entry
    letters = "".join(char if char.isalnum() else "_" for char in field.name.upper())
    assert squeezed(letters) == squeezed(name)
    assert field.type == kind
    if field.table:
        assert f"HL7{field.table}" in (table, parts[0][1][4] if parts else None)  # or of its first component


def squeezed(name: str) -> str:
    return "_".join(filter(None, name.split("_")))


@pytest.mark.parametrize("segment", PROFILE, ids=named)
def test_what_the_standard_requires_is_always_there(segment: MessageSegment) -> None:
    _, children = load_reference(segment.name, "Segment", VERSION)[:2]
    required = {int(child[0].rpartition("_")[2]) for child in children if child[2][0] > 0}
    ours = {field.number: field.usage for field in segment.fields}
    missing = {number for number in required if ours.get(number) != "R"}
    assert missing == ({3} if segment.name == "PID" else set())


def test_every_status_that_is_sent_is_explained_and_no_other() -> None:
    sent = {segment.text(11) for segment in SENT if segment.name == "OBX"}
    assert sent == set(STATUSES)


def test_a_value_is_empty_exactly_where_the_status_says_so() -> None:
    for entry in SENT:
        if entry.name == "OBX":
            assert (not entry.raw(5)) == (entry.text(11) in ("X", "D", "W"))
