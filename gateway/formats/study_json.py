"""The Study document (`*.study.json`): one examination as JSON, read strictly and written back alike.

An unknown key, a wrong type, an impossible value or a missing offset is refused with its place in the
document. `recording_object` and `header_object` give the same forms to the journal. The published schema
is `schemas/study.schema.json`.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np

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
    Waveform,
)
from gateway.domain.study import ClinicalFacts, Device, Order, Patient, Study, StudyHeader
from gateway.errors import DataError

SCHEMA: Final = "emg-gateway/study/1"
# A full day of 60 sweeps of 4,000 samples is under 2 MiB; beyond this it is not an examination.
LARGEST_DOCUMENT: Final = 64 * 1024 * 1024

Check = Callable[[Recording], Recording]
Count = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
T = TypeVar("T")


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every object of the document refuses keys it does not know."""


class _Patient(_Strict):
    id: str | None = None
    family: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: Literal["F", "M", "O", "U"] | None = None
    height_cm: float | None = None
    weight_kg: float | None = None


class _Device(_Strict):
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None


class _Order(_Strict):
    placer: str | None = None
    accession: str | None = None


class _Clinical(_Strict):
    symptom_onset_days: float | None = None
    umn_signs: bool | None = None
    anti_gm1_igm: Literal["positive", "negative"] | None = None
    csf_protein_g_l: float | None = None
    plexus_mri_abnormal: bool | None = None
    ivig_response: bool | None = None


class _Stimulus(_Strict):
    intensity_ma: float | None = None
    duration_ms: float | None = None
    supramaximal: bool | None = None


class _Measured(_Strict):
    response: Literal["present", "absent"] | None = None
    onset_latency_ms: float | None = None
    peak_latency_ms: float | None = None
    amplitude_mv: float | None = None
    amplitude_uv: float | None = None
    peak_to_peak_mv: float | None = None
    peak_to_peak_uv: float | None = None
    negative_area_mv_ms: float | None = None
    negative_duration_ms: float | None = None
    total_duration_ms: float | None = None


class _Waveform(_Strict):
    sampling_rate_hz: float
    start_ms: float
    microvolts_per_count: float
    samples: list[Count]


class _Recording(_Strict):
    modality: Literal["motor", "sensory"]
    nerve: str
    side: Literal["left", "right"]
    recording_site: str
    stimulation_site: str
    site_position_mm: float | None = None
    distance_mm: float | None = None
    distance_to_recording_mm: float | None = None
    recorded_at: str | None = None
    skin_temperature_c: float | None = None
    stimulus: _Stimulus | None = None
    filter_hz: tuple[float, float] | None = None
    gain_uv_per_div: float | None = None
    notch_hz: float | None = None
    averages: Annotated[int, msgspec.Meta(ge=1)] | None = None
    montage_id: str | None = None
    operator: str | None = None
    measured: _Measured | None = None
    waveform: _Waveform | None = None


class _Header(_Strict):
    study_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    performed_at: str
    simulated: bool = False
    patient: _Patient = msgspec.field(default_factory=_Patient)
    device: _Device = msgspec.field(default_factory=_Device)
    order: _Order = msgspec.field(default_factory=_Order)
    clinical: _Clinical = msgspec.field(default_factory=_Clinical)


class _Document(_Header, kw_only=True):
    schema: Literal["emg-gateway/study/1"]
    recordings: list[_Recording]


def decode(data: bytes, check: Check) -> Study:
    """The study a document holds; `check` refuses a recording that cannot exist."""
    if len(data) > LARGEST_DOCUMENT:
        raise DataError(f"the document is larger than {LARGEST_DOCUMENT} bytes")
    parsed = _decoded(data, _Document)
    recordings = []
    for index, entry in enumerate(parsed.recordings):
        try:
            recordings.append(check(_recording(entry)))
        except DataError as error:
            raise error.within(f"recordings[{index}]") from error
    return Study(header=_header(parsed), recordings=tuple(recordings))


def encode(study: Study) -> bytes:
    """The study as a document; `decode` gives the same study back."""
    document = {"schema": SCHEMA, **header_object(study.header)}
    recordings = [recording_object(entry) for entry in study.recordings]
    return msgspec.json.encode({**document, "recordings": recordings})


def decode_recording(data: bytes) -> Recording:
    """A recording from the form `recording_object` gave it."""
    return _recording(_decoded(data, _Recording))


def decode_header(data: bytes) -> StudyHeader:
    """A header from the form `header_object` gave it."""
    return _header(_decoded(data, _Header))


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        raise DataError(reason, place.rstrip("`").removeprefix("$").lstrip(".")) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not valid JSON: {error}") from error


def _header(parsed: _Header) -> StudyHeader:
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
    try:
        aware = datetime.fromisoformat(text).tzinfo is not None
    except ValueError as error:
        raise DataError("not an RFC 3339 date and time", place) from error
    if not aware:
        raise DataError("the offset from UTC is missing, write it behind the time: +01:00", place)


def _check_date(text: str | None) -> None:
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError as error:
        raise DataError("not a date, write it as YYYY-MM-DD", "patient.birth_date") from error


def _recording(parsed: _Recording) -> Recording:
    if parsed.recorded_at is not None:
        _check_time(parsed.recorded_at, "recorded_at")
    modality = Modality(parsed.modality)
    values = msgspec.structs.asdict(parsed)
    stimulus = parsed.stimulus or _Stimulus()
    return Recording(
        **values
        | {
            "modality": modality,
            "side": Side(parsed.side),
            "stimulus": _placed("stimulus", lambda: Stimulus(**msgspec.structs.asdict(stimulus))),
            "measured": _placed("measured", lambda: _response(modality, parsed.measured)),
            "waveform": _placed("waveform", lambda: _waveform(parsed.waveform)),
        }
    )


def _placed(place: str, build: Callable[[], T]) -> T:
    try:
        return build()
    except DataError as error:
        raise error.within(place) from error


def _response(modality: Modality, parsed: _Measured | None) -> Response | None:
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
        values[ours] = sent / 1000 if unit == "mv" else sent * 1000
    return kind(**values)


def _waveform(parsed: _Waveform | None) -> Waveform | None:
    if parsed is None:
        return None
    return Waveform(
        sampling_rate_hz=parsed.sampling_rate_hz,
        start_ms=parsed.start_ms,
        microvolts_per_count=parsed.microvolts_per_count,
        samples=np.array(parsed.samples, dtype=np.int32),
    )


def header_object(header: StudyHeader) -> dict[str, Any]:
    """The header's keys of a Study document, unknown values left out."""
    parts = asdict(header)
    known = {name: _known(part) if isinstance(part, dict) else part for name, part in parts.items()}
    return {name: part for name, part in known.items() if part not in ({}, None, False)}


def recording_object(recording: Recording) -> dict[str, Any]:
    """One entry of `recordings`, unknown values left out."""
    found = {name: getattr(recording, name) for name in Recording.__dataclass_fields__}
    found["stimulus"] = _known(asdict(recording.stimulus)) or None
    measured, waveform = recording.measured, recording.waveform
    if isinstance(measured, NoResponse):
        found["measured"] = {"response": measured.value}
    elif measured is not None:
        found["measured"] = _known(asdict(measured))
    if waveform is not None:
        found["waveform"] = {
            "sampling_rate_hz": waveform.sampling_rate_hz,
            "start_ms": waveform.start_ms,
            "microvolts_per_count": waveform.microvolts_per_count,
            "samples": waveform.samples.tolist(),
        }
    return _known(found)


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
