"""The Study document (`*.study.json`): one examination as JSON, read strictly and written back alike.

An unknown key, a wrong type, an impossible value or a missing offset is refused with its place in the
document. `recording_object` and `header_object` give the same forms to the journal. The published schema
is `schemas/study.schema.json`.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from gateway.domain.anatomy import Anatomy
from gateway.domain.limits import Limits
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    NoResponse,
    Recording,
    Response,
    SensoryMarks,
    Side,
    Stimulus,
    Thinned,
    Waveform,
)
from gateway.domain.rounding import scaled
from gateway.domain.study import ClinicalFacts, Device, Order, Patient, Study, StudyHeader
from gateway.errors import DataError
from gateway.formats import Document, Reading
from gateway.formats.study_shapes import (
    DocumentShape,
    HeaderShape,
    MeasuredShape,
    RecordingShape,
    StimulusShape,
    WaveformShape,
    refuse_doubles,
    samples_of,
    shaped,
)

SCHEMA: Final = "emg-gateway/study/1"

Check = Callable[[Recording], Recording]
T = TypeVar("T")

# As in LIS records; a time at the edge of the calendar overflows in another zone.
_YEARS: Final = range(1900, 2100)
_LONGEST_TIME: Final = 40  # RFC 3339 with nanoseconds has 35 characters


def decode(data: bytes, check: Check, limits: Limits = Limits()) -> Study:  # noqa: B008  # frozen
    """The study a document holds; `check` refuses a recording that cannot exist."""
    if len(data) > limits.document_bytes:
        raise DataError(f"the document is larger than {limits.document_bytes} bytes")
    parsed = shaped(data, DocumentShape)
    recordings = []
    for index, entry in enumerate(parsed.recordings):
        try:
            recordings.append(check(recording_of(entry, most_samples=limits.sweep_samples)))
        except DataError as error:
            raise error.within(f"recordings[{index}]") from error
    refuse_doubles(data)
    return Study(header=_header(parsed), recordings=tuple(recordings))


def encode(study: Study) -> bytes:
    """The study as a document; `decode` gives the same study back."""
    document = {"schema": SCHEMA, **header_object(study.header)}
    recordings = [recording_object(entry) for entry in study.recordings]
    return msgspec.json.encode({**document, "recordings": recordings})


class _StudyJson:
    """The Study document as `gateway.formats.Format`: one file is one study."""

    name: Final = "study"
    suffix: Final = ".study.json"
    folds: Final = False

    def sniff(self, start: bytes) -> bool:
        """Whether it starts as a JSON object does."""
        return start.lstrip(b" \t\r\n").startswith(b"{")

    def read(self, data: bytes, reading: Reading) -> Document:
        """The study of the document."""
        return Document(study=decode(data, reading.anatomy.check, reading.limits))

    def write(self, study: Study, _anatomy: Anatomy) -> tuple[bytes, ...]:
        """The one document that carries `study`."""
        return (encode(study),)


FORMAT: Final = _StudyJson()


def decode_recording(data: bytes) -> Recording:
    """A recording from the form `recording_object` gave it."""
    return recording_of(shaped(data, RecordingShape))


def decode_header(data: bytes) -> StudyHeader:
    """A header from the form `header_object` gave it."""
    return _header(shaped(data, HeaderShape))


def _header(parsed: HeaderShape) -> StudyHeader:
    _check_time(parsed.performed_at, "performed_at")
    _check_date(parsed.patient.birth_date)
    return StudyHeader(
        study_id=parsed.study_id,
        performed_at=parsed.performed_at,
        patient=Patient(**msgspec.structs.asdict(parsed.patient)),
        device=Device(**msgspec.structs.asdict(parsed.device)),
        order=Order(**msgspec.structs.asdict(parsed.order)),
        clinical=ClinicalFacts(**msgspec.structs.asdict(parsed.clinical)),
        simulated=parsed.simulated,
    )


def _check_time(text: str, place: str) -> None:
    if len(text) > _LONGEST_TIME:
        raise DataError("not an RFC 3339 date and time", place)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError("not an RFC 3339 date and time", place) from error
    if moment.tzinfo is None:
        raise DataError("the offset from UTC is missing, write it behind the time: +01:00", place)
    if moment.year not in _YEARS:
        raise DataError(f"the year is not within {_YEARS[0]} to {_YEARS[-1]}", place)


def _check_date(text: str | None) -> None:
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError as error:
        raise DataError("not a date, write it as YYYY-MM-DD", "patient.birth_date") from error


def recording_of(
    parsed: RecordingShape, *, thinned: Thinned | None = None, most_samples: int | None = None
) -> Recording:
    """The recording an entry of the document describes; DataError names what is wrong with it."""
    if parsed.recorded_at is not None:
        _check_time(parsed.recorded_at, "recorded_at")
    modality = Modality(parsed.modality)
    values = msgspec.structs.asdict(parsed)
    stimulus = parsed.stimulus or StimulusShape()
    return Recording(
        **values
        | {
            "modality": modality,
            "side": Side(parsed.side),
            "stimulus": _placed("stimulus", lambda: Stimulus(**msgspec.structs.asdict(stimulus))),
            "measured": _placed("measured", lambda: response_of(modality, parsed.measured)),
            "waveform": _placed("waveform", lambda: waveform_of(parsed.waveform, most_samples)),
            "thinned": thinned,
        }
    )


def _placed(place: str, build: Callable[[], T]) -> T:
    try:
        return build()
    except DataError as error:
        raise error.within(place) from error


def response_of(modality: Modality, parsed: MeasuredShape | None) -> Response | None:
    """The response that `measured` describes, in the units of its modality."""
    if parsed is None:
        return None
    values = {name: value for name, value in msgspec.structs.asdict(parsed).items() if value is not None}
    response = values.pop("response", None)
    if response == "absent":
        if values:
            raise DataError("an absent response has no measured values", "response")
        return NO_RESPONSE
    kind = MotorMarks if modality is Modality.MOTOR else SensoryMarks
    unit = "mv" if modality is Modality.MOTOR else "uv"
    for name in [name for name in values if name not in kind.__dataclass_fields__]:
        if not name.startswith(("amplitude_", "peak_to_peak_")):
            raise DataError(f"is not measured in a {modality} recording", name)
        ours = f"{name[:-2]}{unit}"
        if ours in values:
            raise DataError(f"given beside {ours}: send one of them", name)
        sent = values.pop(name)
        values[ours] = scaled(sent, -3 if unit == "mv" else 3)
    return kind(**values)


def waveform_of(parsed: WaveformShape | None, most_samples: int | None = None) -> Waveform | None:
    """The waveform that `waveform` describes; DataError where it has more than `most_samples`."""
    if parsed is None:
        return None
    return Waveform(
        sampling_rate_hz=parsed.sampling_rate_hz,
        start_ms=parsed.start_ms,
        microvolts_per_count=parsed.microvolts_per_count,
        samples=np.array(samples_of(parsed, most_samples), dtype=np.int32),
    )


def header_object(header: StudyHeader) -> dict[str, Any]:
    """The header's keys of a Study document, unknown values left out."""
    parts = asdict(header)
    known = {name: _known(part) if isinstance(part, dict) else part for name, part in parts.items()}
    return {name: part for name, part in known.items() if part not in ({}, None, False)}


def recording_object(recording: Recording) -> dict[str, Any]:
    """One entry of `recordings`, unknown values left out; a document knows no thinned curve."""
    # The identity is that of these very keys, so none of them.
    found = {entry.name: getattr(recording, entry.name) for entry in fields(recording) if entry.compare}
    found["stimulus"] = _known(asdict(recording.stimulus)) or None
    found["measured"] = None if recording.measured is None else response_object(recording.measured)
    found["waveform"] = None if recording.waveform is None else waveform_object(recording.waveform)
    del found["thinned"]
    return _known(found)


def response_object(response: Response) -> dict[str, Any]:
    """`measured` of an entry."""
    return {"response": response.value} if isinstance(response, NoResponse) else _known(asdict(response))


def waveform_object(waveform: Waveform) -> dict[str, Any]:
    """`waveform` of an entry."""
    return {
        "sampling_rate_hz": waveform.sampling_rate_hz,
        "start_ms": waveform.start_ms,
        "microvolts_per_count": waveform.microvolts_per_count,
        "samples": waveform.samples.tolist(),
    }


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
