"""A fact as the journal keeps it: its kind, and a body that is read as strictly as a document.

Headers and recordings have the forms of the Study document (a recording also without its curve), statements
of operators and what screens acknowledge are JSON objects of their own, the end of an examination is the
word that says who ended it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from gateway.domain.corrections import (
    AmendReason,
    Changes,
    ExcludeReason,
    RecordingAmended,
    RecordingExcluded,
)
from gateway.domain.recording import Recording, Side
from gateway.domain.statements import check
from gateway.domain.study import (
    ActionDeclined,
    AlertAcknowledged,
    ClinicalFacts,
    ClinicalStated,
    DeclineReason,
    DetailName,
    DetailStated,
    ExamEnded,
    Fact,
    Patient,
    PatientStated,
    RecordUnusable,
    Statement,
    StudyOpened,
)
from gateway.errors import DataError
from gateway.formats.study_json import decode_header, header_object
from gateway.formats.study_shapes import ClinicalShape, PatientShape, shaped
from gateway.formats.thinned_json import decode_journaled, journaled_object

Kind = Literal[
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


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Every statement refuses keys it does not know."""


class _ClinicalStatedShape(_Strict):
    clinical: ClinicalShape
    forgotten: tuple[str, ...]


class _DetailStatedShape(_Strict):
    name: DetailName
    value: bool | float | None
    nerve: str
    side: Literal["left", "right"]
    recording_site: str | None
    stimulation_site: str | None


class _ActionDeclinedShape(_Strict):
    action: str
    reason: DeclineReason | None


class _RecordingAmendedShape(_Strict):
    """What is not there does not change; a length that is null is not known."""

    identity: str
    reason: AmendReason | None
    nerve: str | UnsetType = UNSET
    side: Literal["left", "right"] | UnsetType = UNSET
    recording_site: str | UnsetType = UNSET
    stimulation_site: str | UnsetType = UNSET
    site_position_mm: float | UnsetType | None = UNSET
    distance_mm: float | UnsetType | None = UNSET
    distance_to_recording_mm: float | UnsetType | None = UNSET


class _RecordingExcludedShape(_Strict):
    identity: str
    reason: ExcludeReason | None


class _PatientStatedShape(_Strict):
    """Null: the cart's patient; an object without an id: nobody knows whose."""

    patient: PatientShape | None


class _RecordUnusableShape(_Strict):
    place: str
    reason: str


class _AlertAcknowledgedShape(_Strict):
    alert_id: str
    by: str
    screen: str
    time: str


_AS_IT_IS: Final[Mapping[type[Fact], Kind]] = {
    DetailStated: "detail",
    ActionDeclined: "declined",
    RecordingExcluded: "excluded",
    RecordUnusable: "unusable",
    AlertAcknowledged: "acknowledged",
}


def encode(fact: Fact) -> tuple[Kind, bytes]:
    """The kind and the body a fact is stored under; `decode` gives the same fact back."""
    match fact:
        case StudyOpened(header):
            return "opened", msgspec.json.encode(header_object(header))
        case Recording():
            return "recording", msgspec.json.encode(journaled_object(fact))
        case ExamEnded(by):
            return "ended", by.encode()
        case ClinicalStated():
            known = {name: value for name, value in asdict(fact.clinical).items() if value is not None}
            return "clinical", msgspec.json.encode({"clinical": known, "forgotten": fact.forgotten})
        case RecordingAmended():
            named = {"identity": fact.identity, "reason": fact.reason}
            return "amended", msgspec.json.encode(named | dict(fact.changes))
        case PatientStated(patient=patient):
            stated = None if patient is None else PatientShape(**asdict(patient))
            return "patient", msgspec.json.encode(_PatientStatedShape(patient=stated))
    return _AS_IT_IS[type(fact)], msgspec.json.encode(asdict(fact))


def decode(kind: str, body: bytes) -> Fact:
    """The fact of a kind that a body holds; DataError names what is wrong with it, and where."""
    match kind:
        case "opened":
            return StudyOpened(decode_header(body))
        case "recording":
            return decode_journaled(body)
        case "unusable":
            return RecordUnusable(**msgspec.structs.asdict(shaped(body, _RecordUnusableShape)))
        case "ended":
            return _ended(body)
        case "clinical" | "detail" | "declined" | "amended" | "excluded" | "patient":
            statement = _STATEMENTS[kind](body)
            check(statement)
            return statement
        case "acknowledged":
            return AlertAcknowledged(**msgspec.structs.asdict(shaped(body, _AlertAcknowledgedShape)))
        case _:
            raise DataError("a kind of fact that this gateway does not know", "kind")


def _ended(body: bytes) -> ExamEnded:
    try:
        return ExamEnded(by=msgspec.convert(body.decode(), type=ExamEnded.__annotations__["by"]))
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise DataError("not a way to end an examination", "ended") from error


def _clinical(body: bytes) -> ClinicalStated:
    stated = shaped(body, _ClinicalStatedShape)
    clinical = ClinicalFacts(**msgspec.structs.asdict(stated.clinical))
    return ClinicalStated(clinical=clinical, forgotten=stated.forgotten)


def _detail(body: bytes) -> DetailStated:
    values: dict[str, Any] = msgspec.structs.asdict(shaped(body, _DetailStatedShape))
    return DetailStated(**values | {"side": Side(values["side"])})


def _declined(body: bytes) -> ActionDeclined:
    return ActionDeclined(**msgspec.structs.asdict(shaped(body, _ActionDeclinedShape)))


def _amended(body: bytes) -> RecordingAmended:
    stated: dict[str, Any] = msgspec.structs.asdict(shaped(body, _RecordingAmendedShape))
    identity, reason = stated.pop("identity"), stated.pop("reason")
    changes = {name: value for name, value in stated.items() if value is not UNSET}
    if "side" in changes:
        changes["side"] = Side(changes["side"])
    return RecordingAmended(identity=identity, changes=cast("Changes", changes), reason=reason)


def _excluded(body: bytes) -> RecordingExcluded:
    return RecordingExcluded(**msgspec.structs.asdict(shaped(body, _RecordingExcludedShape)))


def _patient(body: bytes) -> PatientStated:
    stated = shaped(body, _PatientStatedShape).patient
    return PatientStated(patient=None if stated is None else Patient(**msgspec.structs.asdict(stated)))


_STATEMENTS: Final[Mapping[str, Callable[[bytes], Statement]]] = {
    "clinical": _clinical,
    "detail": _detail,
    "declined": _declined,
    "amended": _amended,
    "excluded": _excluded,
    "patient": _patient,
}
