"""The objects of a Study document as they stand in JSON, and how bytes become one of them.

A document is refused where it differs from its shape: an unknown key, a wrong type, a number out of range, a
key given twice. The error names the place and what can stand there, never what does. Samples stay unread
until they have been counted.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from gateway.domain.recording import SignalStatus
from gateway.errors import DataError

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every object of the document refuses keys it does not know."""


class PatientShape(_Strict):
    """`patient`."""

    id: str | None = None
    family: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: Literal["F", "M", "O", "U"] | None = None
    height_cm: float | None = None
    weight_kg: float | None = None


class DeviceShape(_Strict):
    """`device`."""

    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None


class OrderShape(_Strict):
    """`order`."""

    placer: str | None = None
    accession: str | None = None


class ClinicalShape(_Strict):
    """`clinical`."""

    symptom_onset_days: float | None = None
    umn_signs: bool | None = None
    anti_gm1_igm: Literal["positive", "negative"] | None = None
    csf_protein_g_l: float | None = None
    plexus_mri_abnormal: bool | None = None
    ivig_response: bool | None = None


class StimulusShape(_Strict):
    """`stimulus` of a recording."""

    intensity_ma: float | None = None
    duration_ms: float | None = None
    supramaximal: bool | None = None


class MeasuredShape(_Strict):
    """`measured` of a recording; an amplitude may come in the unit of the other modality."""

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


class WaveformShape(_Strict):
    """`waveform` of a recording; `samples` is read by `samples_of`."""

    sampling_rate_hz: float
    start_ms: float
    microvolts_per_count: float
    samples: msgspec.Raw


class RecordingShape(_Strict):
    """An entry of `recordings`."""

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
    stimulus: StimulusShape | None = None
    filter_hz: tuple[float, float] | None = None
    gain_uv_per_div: float | None = None
    notch_hz: float | None = None
    averages: Annotated[int, msgspec.Meta(ge=1)] | None = None
    montage_id: str | None = None
    operator: str | None = None
    signal_status: SignalStatus | None = None
    measured: MeasuredShape | None = None
    waveform: WaveformShape | None = None


class QualityShape(_Strict):
    """An entry of `quality` of a thinned recording."""

    name: str
    value: float | None = None
    subject: str | None = None


class ThinnedShape(_Strict):
    """`thinned` of a recording in the journal."""

    marks: MeasuredShape | None
    errors: dict[str, float]
    quality: tuple[QualityShape, ...]
    watched_ms: float | None
    negative_phase: WaveformShape | None


class JournaledShape(RecordingShape, kw_only=True):
    """A recording in the journal, where a curve can have been given up; no document has that."""

    thinned: ThinnedShape | None = None


class HeaderShape(_Strict):
    """Everything of a document but its recordings, which the journal keeps apart."""

    study_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    performed_at: str
    simulated: bool = False
    patient: PatientShape = msgspec.field(default_factory=PatientShape)
    device: DeviceShape = msgspec.field(default_factory=DeviceShape)
    order: OrderShape = msgspec.field(default_factory=OrderShape)
    clinical: ClinicalShape = msgspec.field(default_factory=ClinicalShape)


class DocumentShape(HeaderShape, kw_only=True):
    """A whole document."""

    schema: Literal["emg-gateway/study/1"]
    recordings: list[RecordingShape]


_BELOW: Final[dict[str, type[_Strict]]] = {
    "patient": PatientShape,
    "device": DeviceShape,
    "order": OrderShape,
    "clinical": ClinicalShape,
    "recordings": RecordingShape,
    "stimulus": StimulusShape,
    "measured": MeasuredShape,
    "waveform": WaveformShape,
    "thinned": ThinnedShape,
    "marks": MeasuredShape,
    "quality": QualityShape,
    "negative_phase": WaveformShape,
}
# The next string (behind which a colon makes a key) or brace, and all before it.
_TOKEN: Final = re.compile(rb'[^"{}]*+(?:("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*(:?)|[{}])', re.DOTALL)


def shaped(data: bytes | msgspec.Raw, shape: type[T], outer: str = "") -> T:
    """`data` as `shape`; DataError names the place in it, behind the place `outer` of `data` itself."""
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        reason, _, inner = str(error).partition(" - at `")
        place = inner.rstrip("`").removeprefix("$").lstrip(".")
        raise DataError(_explained(reason, place, shape), f"{outer}{place}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"not valid JSON: {error}", outer) from error
    except UnicodeDecodeError as error:
        raise DataError("not valid JSON: the text is not UTF-8", outer) from error


def samples_of(waveform: WaveformShape, most: int | None) -> list[int]:
    """The counts of a waveform; DataError when there are more than `most`, before they are read."""
    if most is not None and bytes(waveform.samples).count(b",") >= most:
        raise DataError(f"a waveform of more than {most} samples", "samples")
    return shaped(waveform.samples, list[Count], "samples")


def refuse_doubles(data: bytes) -> None:
    """DataError when an object of `data`, which is JSON, has a key twice: nobody knows which is meant."""
    open_objects: list[set[bytes]] = []
    for token in _TOKEN.finditer(data):
        text, colon = token.groups()
        if text is None and token[0].endswith(b"{"):
            open_objects.append(set())
        elif text is None:
            open_objects.pop()
        elif colon:
            key = msgspec.json.decode(text, type=str).encode() if b"\\" in text else text[1:-1]
            if key in open_objects[-1]:
                raise DataError("a key that its object has already", f"byte {token.start(1)}")
            open_objects[-1].add(key)


def _explained(reason: str, place: str, shape: type[Any]) -> str:
    """What the library found wrong, without the words that it found: they could be anything."""
    names = re.findall(r"[a-z]\w*", place)
    if reason.startswith("Object contains unknown field"):
        known = msgspec.structs.fields(_BELOW[names[-1]] if names else shape)
        return f"an unknown key; known: {', '.join(field.name for field in known)}"
    if reason.startswith("Invalid enum value"):
        known = msgspec.structs.fields(_BELOW[names[-2]] if names[1:] else shape)
        return f"must be one of {', '.join(_choices(next(f.type for f in known if f.name == names[-1])))}"
    return reason


def _choices(annotation: Any) -> Iterator[str]:
    """The words an annotation allows."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _choices(part)
