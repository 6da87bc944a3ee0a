"""Three readers that know nothing of us find in every kind of message the fields that were meant.

python-hl7, hl7apy (STRICT) and simple-hl7 under node; every character set, every delimiter in every field.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Group, Segment
from hl7apy.parser import parse_message

from gateway.commands.hl7_validation import validate
from gateway.domain.recording import NO_RESPONSE
from gateway.domain.study import Order, Patient, StudyHeader
from gateway.pipeline.samples import KINDS, samples
from gateway.pipeline.stages import assessment, examine
from gateway.protocols import er7
from gateway.protocols.acknowledgement import COMMIT_AND_APPLICATION, AckCode, acknowledge
from gateway.protocols.er7 import CharacterSet
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode, encode_wrong_patient
from tests.eyes.node import Segments, read
from tests.factories import motor, reference, sensory, study, waveform
from tests.spec.test_hl7_v2_5_1 import NOW

CODECS: dict[CharacterSet, str] = {
    "UNICODE UTF-8": "utf-8",
    "8859/1": "iso-8859-1",
    "8859/15": "iso-8859-15",
}
NASTY = r"a|b^&~\c"  # 18 characters when escaped: an HD of MSH has 20
SENDER = MessageHeader(
    sending_application=NASTY,
    sending_facility=NASTY,
    receiving_application=NASTY,
    receiving_facility=NASTY,
    asked=COMMIT_AND_APPLICATION,
    waveforms=True,
)
HEADER = StudyHeader(
    study_id=NASTY,
    performed_at="2026-11-02T10:15:00+01:00",
    patient=Patient(id=NASTY, family=f"{NASTY} Zoë", given=NASTY),
    order=Order(placer=NASTY),
)


def nasty(character_set: CharacterSet) -> dict[str, bytes]:
    """A report of texts with every delimiter, what is withdrawn of it, and what a wrong patient had."""
    sender = replace(SENDER, character_set=character_set)
    recordings = (
        motor("wrist", waveform=waveform([0, 5, -5, 0])),
        motor("below_elbow", NO_RESPONSE),
        sensory(),
    )
    found, numbers = {}, Numbering()
    for number, (kind, kept) in enumerate({"report": 3, "withdrawal": 1}.items()):
        examined = examine(replace(study(*recordings[:kept]), header=HEADER), reference())
        current = assessment(examined, reference())
        found[kind] = encode(
            current,
            study_code="7K3FABCD",
            control_id=f"C-{number}",
            sender=sender,
            created=NOW,
            numbering=numbers,
            anatomy=reference().anatomy,
        )
        numbers = numbers.extended(current, reference().anatomy)
    found["wrong patient"] = encode_wrong_patient(
        HEADER, study_code="7K3FABCD", control_id="C-9", sender=sender, created=NOW, numbering=numbers
    )
    return found


@cache
def every_message() -> dict[str, bytes]:
    """Each kind, as sent in each character set, tame and nasty."""
    found = {}
    for character_set in CODECS:
        tame = samples(MessageHeader(character_set=character_set), reference())
        assert list(tame) == list(KINDS)
        found |= {f"{kind} {character_set}": raw for kind, raw in tame.items()}
        found |= {f"nasty {kind} {character_set}": raw for kind, raw in nasty(character_set).items()}
    (report, *_) = nasty("UNICODE UTF-8").values()
    found["commit"] = acknowledge(er7.parse(report), AckCode.CA, created=NOW)  # of an application's answer
    return found


@cache
def in_node() -> dict[str, Segments]:
    return dict(zip(every_message(), read(list(every_message().values())), strict=True))


def decoded(raw: bytes) -> str:
    return raw.decode(CODECS[er7.parse(raw).header.text(18)])  # type: ignore[index]  # a str that is one


def meant(raw: bytes) -> Segments:
    """The message by the letter of the standard, still escaped; MSH from its third field on."""
    lines = [line.split("|") for line in decoded(raw).split("\r") if line]
    return [
        (name, [[repetition.split("^") for repetition in field.split("~")] for field in fields])
        for name, *fields in ([line[0], *line[2:]] if line[0] == "MSH" else line for line in lines)
    ]


def in_python_hl7(raw: bytes) -> Segments:
    found = []
    for segment in hl7.parse(decoded(raw)):
        fields = segment[3:] if str(segment[0]) == "MSH" else segment[1:]
        found.append((str(segment[0]), [list(map(_components, field)) or [[""]] for field in fields]))
    return found


def _components(repetition: object) -> list[str]:
    return [str(part) for part in repetition] if isinstance(repetition, hl7.Repetition) else [str(repetition)]


def in_hl7apy(raw: bytes) -> list[tuple[str, dict[int, str]]]:
    """What is not empty, by field; hl7apy gives repetitions one by one."""
    message = parse_message(decoded(raw), validation_level=VALIDATION_LEVEL.STRICT)
    assert message.validate()
    found = []
    for segment in _segments(message.children):
        fields: dict[int, list[str]] = {}
        for field in segment.children:
            fields.setdefault(int(field.name.rpartition("_")[2]), []).append(field.to_er7())
        found.append(
            (segment.name, {number: "~".join(parts) for number, parts in fields.items() if any(parts)})
        )
    return found


def _segments(children: object) -> Iterator[Segment]:
    for child in children:  # type: ignore[attr-defined]  # hl7apy has no types
        if isinstance(child, Group):
            yield from _segments(child.children)
        else:
            yield child


def by_field(segments: Segments) -> list[tuple[str, dict[int, str]]]:
    found = []
    for name, fields in segments:
        texts = ["~".join("^".join(components) for components in field) for field in fields]
        first = 3 if name == "MSH" else 1
        found.append((name, {number: text for number, text in enumerate(texts, first) if text}))
    return found


@pytest.mark.parametrize("name", every_message())
def test_python_hl7_finds_every_component_where_it_was_meant(name: str) -> None:
    raw = every_message()[name]
    assert in_python_hl7(raw) == meant(raw)


@pytest.mark.parametrize("name", every_message())
def test_simple_hl7_under_node_finds_every_component_where_it_was_meant(name: str) -> None:
    assert in_node()[name] == meant(every_message()[name])


@pytest.mark.parametrize("name", every_message())
def test_hl7apy_strict_finds_every_field_where_it_was_meant(name: str) -> None:
    raw = every_message()[name]
    assert validate(raw) == []
    found = [
        (segment, {n: t for n, t in fields.items() if (segment, n) not in MSH_HEAD})
        for segment, fields in in_hl7apy(raw)
    ]
    assert found == by_field(meant(raw))


MSH_HEAD = {("MSH", 1), ("MSH", 2)}


@pytest.mark.parametrize("character_set", CODECS)
def test_python_hl7_reads_back_what_was_written_with_every_delimiter(character_set: CharacterSet) -> None:
    message = hl7.parse(decoded(nasty(character_set)["report"]))
    pid, obr = message.segment("PID"), message.segment("OBR")
    header = message.segment("MSH")
    texts = [str(header[n]) for n in (3, 4, 5, 6)] + [
        str(pid[3]),
        str(pid[5][0][1]),
        str(obr[2]),
        str(obr[20]),
    ]
    assert [message.unescape(text) for text in texts] == [NASTY] * len(texts)
    assert message.unescape(str(pid[5][0][0])) == f"{NASTY} Zoë"


def test_every_status_and_every_value_type_is_among_them() -> None:
    found = [obx for raw in every_message().values() for obx in er7.parse(raw).all("OBX")]
    assert {obx.text(11) for obx in found} == {"P", "X", "D", "W"}
    assert {obx.text(2) for obx in found} == {"NM", "ST", "CWE", "NA"}
