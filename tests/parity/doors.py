"""The ways in, each as a function: a study as it is known, and the same study as the gateway takes it."""

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.translate import Conversation
from gateway.domain.study import ExamEnded, Study, StudyOpened, fold
from gateway.formats import Polarity, Reading, dicom, lis, study_json
from gateway.formats.dicom import profile
from gateway.formats.dicom.writing import Encoding, write
from gateway.protocols.lis_frames import Frame, cut, encode_frame
from gateway.protocols.lis_link import FrameAccepted, Receiver
from gateway.protocols.lis_records import Assembler, Delivery, encode_study
from tests.factories import reference

ANATOMY = reference().anatomy
Door = Callable[[Study], Study]

ENCODINGS = [
    Encoding(unit=unit, polarity=polarity, transfer_syntax=syntax, samples=samples)
    for unit, polarity, syntax, samples in itertools.product(
        profile.MICROVOLTS_POWER, ("true", "negative_up"), profile.TRANSFER_SYNTAXES, ("auto", "SL")
    )
]


def by_document(study: Study) -> Study:
    """A Study document."""
    return study_json.FORMAT.read(study_json.encode(study), Reading(anatomy=ANATOMY)).study


def by_document_in_other_units(study: Study) -> Study:
    """A Study document whose amplitudes are in uV where mV are usual, and the other way round."""
    content = json.loads(study_json.encode(study))
    for entry in content["recordings"]:
        marks = entry.get("measured", {})
        for quantity, unit in itertools.product(("amplitude", "peak_to_peak"), ("mv", "uv")):
            if f"{quantity}_{unit}" in marks:
                other, factor = ("uv", 3) if unit == "mv" else ("mv", -3)
                value = Decimal(repr(marks.pop(f"{quantity}_{unit}"))).scaleb(factor)
                marks[f"{quantity}_{other}"] = float(value)
    return study_json.FORMAT.read(json.dumps(content).encode(), Reading(anatomy=ANATOMY)).study


def by_record_file(study: Study) -> Study:
    """A file of LIS records."""
    (content,) = lis.FORMAT.write(study, ANATOMY)
    return replace(lis.FORMAT.read(content, Reading(anatomy=ANATOMY)).study, ended=False)


def by_line_in_other_units(study: Study) -> Study:
    """LIS frames whose results are in V and s."""
    return by_line(study, _in_other_units)


def _in_other_units(record: str) -> str:
    found = re.fullmatch(r"(R\|.*\|)([0-9.]+)\|(mV|uV|ms)(\|.*|)", record)
    if found is None:
        return record
    unit, power = {"mV": ("V", -3), "uV": ("V", -6), "ms": ("s", -3)}[found[3]]
    return f"{found[1]}{Decimal(found[2]).scaleb(power):f}|{unit}{found[4]}"


def by_line(study: Study, changed: Callable[[str], str] = str) -> Study:
    """LIS frames over a line, as the driver takes them."""
    conversation, receiver = Conversation(Assembler(check=ANATOMY.check)), Receiver()
    receiver.receive(b"\x05")
    results = []
    for number, (text, last) in enumerate(_frames([*map(changed, encode_study(study))]), start=1):
        (accepted,) = receiver.receive(encode_frame(Frame(number % 8, text, last)))
        assert isinstance(accepted, FrameAccepted)
        receiver.acknowledge()
        results += conversation.take(Entry(Kind.LAST if accepted.last else Kind.INTERMEDIATE, accepted.text))
    deliveries = [result for result in results if isinstance(result, Delivery)]
    assert len(deliveries) == len(results)
    *recordings, ended = [delivery.fact for delivery in deliveries]
    assert ended == ExamEnded(by="device")
    return fold(StudyOpened(deliveries[0].header), recordings)


def _frames(records: Sequence[str]) -> Sequence[tuple[bytes, bool]]:
    return [piece for record in records for piece in cut(record.encode() + b"\r")]


def by_dicom(encoding: Encoding, polarity: Polarity | None = None) -> Door:
    """DICOM files of a cart with these habits, one a recording, folded; read with its polarity or another."""

    def door(study: Study) -> Study:
        reading = Reading(anatomy=ANATOMY, polarity=polarity or encoding.polarity)
        parts = []
        for content in write(study, ANATOMY, encoding):
            found = dicom.FORMAT.read(content, reading)
            assert found.notices == ()
            parts.append(found.study)
        facts = [fact for part in parts for fact in (StudyOpened(part.header), *part.recordings)]
        whole = fold(StudyOpened(parts[0].header), facts)
        # The study's identity in DICOM is a UID; which one stands for this id is no part of the result.
        return replace(whole, header=replace(whole.header, study_id=study.header.study_id))

    return door
