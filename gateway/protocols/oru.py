"""HL7 2.5.1 ORU^R01^ORU_R01: an assessment as one message, byte for byte the same each time.

MSH, PID, then an OBR for the summary (n = 0) and one for each nerve study, each followed by its OBX. Every
result is preliminary (P), not obtainable (X), withdrawn (D) or posted to the wrong patient (W); no code here
can send a final one. Reasons, caveats and thresholds stand in NTE behind the OBX they explain.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Final, Literal

from gateway.domain.anatomy import Anatomy
from gateway.domain.assessment import Assessment
from gateway.domain.study import Patient, StudyHeader
from gateway.errors import DataError
from gateway.protocols import er7
from gateway.protocols.acknowledgement import ORIGINAL, Asked
from gateway.protocols.er7 import CharacterSet, Field
from gateway.protocols.numbering import SUMMARY, Numbering, ObservationKey
from gateway.protocols.observations import (
    CODES,
    NERVE_STUDIES,
    SUMMARY_STUDY,
    UNIT_TEXTS,
    Coded,
)
from gateway.protocols.results import GroupKey, Observation, StudyKey, StudyResults, Value, results
from gateway.protocols.sweeps import Sweep

VERSION: Final = "2.5.1"
MAX_CONTROL_ID: Final = 20  # HL7 2.5.1, 2.15.9.10
_ELECTRONEURO: Final = "EN"  # HL7 table 0074
_FILLER_COMMENT: Final = "L"  # HL7 table 0105
_REMARK: Final = ("RE", "Remark", "HL70364")
_NAME_UNKNOWN: Final = ("", "", "", "", "", "", "U")  # PID-5 is required; name type "unspecified", table 0200

ResultStatus = Literal["P", "X", "D", "W"]  # HL7 table 0085
_CurveGone = tuple[StudyKey | None, GroupKey, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    """Who sends to whom (MSH-3 to MSH-6), what answers are asked for, and MSH-11 where it is fixed."""

    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: Literal["P", "T"] | None = None
    asked: Asked = ORIGINAL  # MSH-15 and MSH-16
    character_set: CharacterSet = er7.UTF_8  # MSH-18
    waveforms: bool = False  # whether sweeps are sent too


def refusal(header: StudyHeader, sender: MessageHeader) -> str | None:
    """Why a study must not be sent to this destination at all; None when it may."""
    if header.simulated and sender.processing_id == "P":
        return "simulated data is not sent to a destination with processing_id P"
    return None


def filler(study_code: str, filing: int) -> str:
    """The stem of OBR-3: the study's code; another for each further patient the study was filed for.

    What was posted to the wrong patient stays so under its numbers, whatever is said of the right one.
    """
    return study_code if filing == 1 else f"{study_code}-{filing}"


def encode(  # noqa: PLR0913  # what a message is made of
    assessment: Assessment,
    *,
    study_code: str,
    control_id: str,
    sender: MessageHeader,
    created: datetime,
    numbering: Numbering,
    anatomy: Anatomy,
    earlier: Assessment | None = None,
) -> bytes:
    """The message that reports `assessment`, without its MLLP frame.

    `control_id` (1 to 20 characters) becomes MSH-10, `study_code` the stem of OBR-3. `numbering` are the
    study's numbers so far; store `numbering.extended(assessment, anatomy)` with the message. `earlier` is
    what was reported before: the curve of a recording that still counts stands, though it is not kept here.
    """
    if not 0 < len(control_id) <= MAX_CONTROL_ID:
        raise DataError(f"a control id has 1 to {MAX_CONTROL_ID} characters", "MSH-10")
    header = assessment.header
    numbers = numbering.extended(assessment, anatomy)
    report = {numbers.n(study.key): study for study in results(assessment, anatomy)}
    standing = _curves_gone(assessment, anatomy) & _curves_gone(earlier, anatomy)
    segments = [_msh(sender, control_id, created, simulated=header.simulated), *_pid(header.patient)]
    for set_id, (n, key) in enumerate(_subjects(numbers), start=1):
        segments.append(_obr(set_id, f"{study_code}.{n}", key, header, created))
        segments += _observations(n, report.get(n), numbers, standing, waveforms=sender.waveforms)
    return _written(segments, sender.character_set)


def encode_wrong_patient(
    header: StudyHeader,
    *,
    study_code: str,
    control_id: str,
    sender: MessageHeader,
    created: datetime,
    numbering: Numbering,
) -> bytes:
    """The message that takes back, as posted to the wrong patient, all that was ever said under `numbering`.

    `header` is the one it was said under: the patient to take it from. Else as `encode`.
    """
    segments = [_msh(sender, control_id, created, simulated=header.simulated), *_pid(header.patient)]
    for set_id, (n, key) in enumerate(_subjects(numbering), start=1):
        segments.append(_obr(set_id, f"{study_code}.{n}", key, header, created))
        gone = _wanted(numbering.withdrawn(n, frozenset()), waveforms=sender.waveforms)
        segments += _taken_back(gone, numbering, "W")
    return _written(segments, sender.character_set)


def _subjects(numbers: Numbering) -> list[tuple[int, StudyKey | None]]:
    """What stands in an OBR of its own, by its number: the summary, then every nerve study."""
    subjects: dict[int, StudyKey | None] = {SUMMARY: None}
    subjects |= {n: key for key, n in numbers.studies.items()}
    return sorted(subjects.items(), key=itemgetter(0))


def _written(segments: list[str], character_set: CharacterSet) -> bytes:
    """The message as bytes; what its character set does not have is noted once, behind the first OBR."""
    missing = er7.missing(segments, character_set)
    if missing:
        first = next(place for place, line in enumerate(segments) if line.startswith("OBR|"))
        noted = f"Characters that the character set {character_set} does not have, sent as ?: {missing}"
        segments[first + 1 : first + 1] = _notes([noted])
    return er7.message(segments, character_set)


def _msh(sender: MessageHeader, control_id: str, created: datetime, *, simulated: bool) -> str:
    return er7.segment(
        "MSH",
        {
            3: er7.text(sender.sending_application),
            4: er7.text(sender.sending_facility),
            5: er7.text(sender.receiving_application),
            6: er7.text(sender.receiving_facility),
            7: er7.timestamp(created),
            9: er7.components("ORU", "R01", "ORU_R01"),
            10: er7.text(control_id),
            11: er7.text("T" if simulated else sender.processing_id or "P"),
            12: er7.text(VERSION),
            15: er7.text(sender.asked.commit),
            16: er7.text(sender.asked.application),
            18: er7.text(sender.character_set),
        },
    )


def _pid(patient: Patient) -> Iterator[str]:
    """The PID segment; none at all where nothing is known of the patient."""
    name = er7.components(patient.family, patient.given)
    fields = {
        3: er7.text(patient.id),
        5: name or er7.components(*_NAME_UNKNOWN),
        7: er7.date_of(patient.birth_date),
        8: er7.text(patient.sex),
    }
    if fields[3] or name or fields[7] or fields[8]:
        yield er7.segment("PID", {1: er7.text("1")} | fields)


def _obr(set_id: int, filler: str, key: StudyKey | None, header: StudyHeader, created: datetime) -> str:
    service = SUMMARY_STUDY if key is None else NERVE_STUDIES[key.modality]
    return er7.segment(
        "OBR",
        {
            1: er7.number(set_id),
            2: er7.text(header.order.placer),
            3: er7.text(filler),
            4: _coded(service),
            7: er7.timestamp_of(header.performed_at),
            20: er7.text(header.study_id),
            22: er7.timestamp(created),
            24: er7.text(_ELECTRONEURO),
            25: er7.text("P"),
        },
    )


def _curves_gone(assessment: Assessment | None, anatomy: Anatomy) -> frozenset[_CurveGone]:
    """The curves that were given up for space, each by its study, its site and its recording."""
    return frozenset(
        (study.key, group.key, group.curve_gone)
        for study in (results(assessment, anatomy) if assessment else ())
        for group in study.groups
        if group.curve_gone is not None
    )


def _wanted(keys: Iterable[ObservationKey], *, waveforms: bool) -> Iterator[ObservationKey]:
    """Those of `keys` that a destination is sent."""
    return (key for key in keys if waveforms or not CODES[key.code].waveform)


def _observations(
    n: int,
    study: StudyResults | None,
    numbers: Numbering,
    standing: AbstractSet[_CurveGone],
    *,
    waveforms: bool,
) -> Iterator[str]:
    """The OBX and NTE of one OBR: what is reported, then what was reported once and is withdrawn."""
    present: dict[ObservationKey, Observation] = {}
    kept: set[ObservationKey] = set()
    for group in study.groups if study else ():
        s = numbers.s(n, group.key)
        if study and group.curve_gone and (study.key, group.key, group.curve_gone) in standing:
            kept |= {ObservationKey(n, s, entry.code) for entry in CODES.values() if entry.waveform}
        present |= {ObservationKey(n, s, entry.code, entry.item): entry for entry in group.observations}
    set_id = 0
    for set_id, key in enumerate(_wanted(present, waveforms=waveforms), start=1):
        yield _obx(set_id, key, numbers, _content(present[key]))
        yield from _notes(present[key].remarks)
    gone = _wanted(numbers.withdrawn(n, present.keys() | kept), waveforms=waveforms)
    yield from _taken_back(gone, numbers, "D", set_id + 1)


def _taken_back(
    gone: Iterable[ObservationKey], numbers: Numbering, status: ResultStatus, start: int = 1
) -> Iterator[str]:
    """The OBX of what was reported once, without its value."""
    for set_id, key in enumerate(gone, start):
        # A grade is told from another by its set alone, which stands in OBX-17.
        method = _coded(Coded(key.item)) if key.code == "CB-GRADE" else Field("")
        yield _obx(set_id, key, numbers, {11: er7.text(status), 17: method})


def _obx(set_id: int, key: ObservationKey, numbers: Numbering, content: Mapping[int, Field]) -> str:
    code = CODES[key.code]
    named = {
        1: er7.number(set_id),
        2: er7.text(code.type),
        3: _coded(Coded(code.code, code.text, alternate=code.loinc)),
        4: er7.text(numbers.sub_id(key)),
    }
    return er7.segment("OBX", named | dict(content))


def _content(entry: Observation) -> dict[int, Field]:
    status: ResultStatus = "X" if entry.value is None else "P"
    unit = CODES[entry.code].unit
    return {
        5: _value(entry.value),
        6: _coded(Coded(unit, UNIT_TEXTS[unit], "UCUM")) if unit else Field(""),
        7: er7.text(entry.limit),
        8: er7.text(entry.flag),
        11: er7.text(status),
        14: er7.timestamp_of(entry.recorded_at),
        17: _coded(entry.method) if entry.method else Field(""),
    }


def _value(value: Value | None) -> Field:
    match value:
        case None:
            return Field("")
        case Coded():
            return _coded(value)
        case str():
            return er7.text(value)
        case Sweep():
            return Field("^".join(value.values))  # digits: nothing to escape, and a thousand of them
        case _:
            return er7.number(value)


@lru_cache(maxsize=1024)  # the terms of an installation are few: its codes, units, sites and sets
def _coded(term: Coded) -> Field:
    """A term as type CWE or CE, with its alternate."""
    other = term.alternate
    return er7.components(
        term.code, term.text, term.system, *((other.code, other.text, other.system) if other else ())
    )


def _notes(remarks: Iterable[str]) -> Iterator[str]:
    for set_id, remark in enumerate(remarks, start=1):
        fields = {1: er7.number(set_id), 2: er7.text(_FILLER_COMMENT), 3: er7.text(remark)}
        yield er7.segment("NTE", fields | {4: er7.components(*_REMARK)})
