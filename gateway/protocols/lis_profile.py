r"""The records of nerve conduction studies in LIS02-A2 messages, one by one: what each field means.

No EMG machine documents a serial protocol for waveforms, so this is a declared profile:

    H|\^&|||manufacturer^model^serial|||||||P|LIS2-A2|20261102101500+0100
    P|1||patient id||family^given||19710305|F||||||||168^cm|62^kg
    O|1|study id||^^^NCS||||||||||||||placer's order number|accession number
    M|1|CLIN|400^d|N|POS|0.4^g/L|U|U
    M|2|STIM|MOTOR^ulnar^right^adm^wrist|38.0^mA|0.2^ms|Y|33.1^Cel|70^mm|2^10000
    R|1|^^^MOTOR^ulnar^right^adm^wrist^CMAP-AMP|9.0|mV||N||P|||operator||20261102101503+0100
    M|3|WAVE|MOTOR^ulnar^right^adm^wrist|48000|-2.0|0.5|int16le-base64|1^1|data
    L|1|N

H-12 is P for a patient; any other value (T training, D debugging, Q quality control) is simulated data. A
time without a zone is in the zone the driver is told. P-17, P-18, O-19, O-20, CLIN (days since onset, upper
motor neuron signs, anti-GM1 IgM POS or NEG, CSF protein, plexus MRI, IVIg response) and what STIM carries
behind the filter may be missing: M-11 distance to the recording electrode, M-12 position of an inching site,
M-13 time, M-14 operator, M-15 number of averages, M-16 gain (uV per division), M-17 notch filter, M-18
montage, M-19 what the machine says of the signal (QUESTIONABLE or UNZEROED).
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeVar

from gateway.domain.recording import NO_RESPONSE, Modality, NoResponse, Side, SignalStatus, Stimulus
from gateway.domain.study import ClinicalFacts, Device, Order, Patient
from gateway.errors import DataError
from gateway.protocols.lis_syntax import Record, iso_date, name, number, quantity
from gateway.protocols.quantities import MACHINE_MARKS, NO_RESPONSE_CODE

_T = TypeVar("_T")

STIMULUS: Final = "STIM"
WAVEFORM: Final = "WAVE"
CLINICAL: Final = "CLIN"
WAVE_ENCODING: Final = "int16le-base64"

MAX_PARTS: Final = 10_000  # no less than 100 samples a part
MAX_STUDY_ID: Final = 64  # as in the Study document

_COUNT: Final = re.compile(r"[0-9]{1,5}")

_FLAGS: Final[dict[str, bool | None]] = {"Y": True, "N": False, "U": None, "": None}
_GM1: Final[dict[str, Literal["positive", "negative"] | None]] = {
    "POS": "positive",
    "NEG": "negative",
    "": None,
}
_STATUSES: Final[dict[str, SignalStatus | None]] = {
    "QUESTIONABLE": "questionable",
    "UNZEROED": "unzeroed",
    "": None,
}
_SEXES: Final[dict[str, Literal["F", "M", "O", "U"] | None]] = {
    "F": "F",
    "M": "M",
    "O": "O",
    "U": "U",
    "": None,
}


class Key(NamedTuple):
    """What names a recording, and says which records belong together."""

    modality: Modality
    nerve: str
    side: Side
    recording_site: str
    stimulation_site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StimRecord:
    """An M record STIM: how the nerve was stimulated and recorded. `recorded_at` is as sent."""

    stimulus: Stimulus = Stimulus()  # noqa: RUF009  # frozen
    skin_temperature_c: float | None = None
    distance_mm: float | None = None
    filter_hz: tuple[float, float] | None = None
    distance_to_recording_mm: float | None = None
    site_position_mm: float | None = None
    recorded_at: str = ""
    operator: str = ""
    averages: int | None = None
    gain_uv_per_div: float | None = None
    notch_hz: float | None = None
    montage_id: str = ""
    signal_status: SignalStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """An R record: one quantity, in our unit, or no response. `recorded_at` is as sent."""

    field: str
    value: float | NoResponse
    recorded_at: str
    operator: str


class Scale(NamedTuple):
    """What the counts of a waveform mean."""

    sampling_rate_hz: float
    start_ms: float
    microvolts_per_count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRecord:
    """An M record WAVE: part `part` of `parts` of the samples, little-endian 16-bit."""

    scale: Scale
    part: int
    parts: int
    samples: bytes


def subject_of(record: Record) -> str:
    """What an M or R record is about: STIM, WAVE, CLIN or the code of a quantity."""
    return record.text(3) if record.kind == "M" else record.components(3, 9)[8]


def is_foreign(record: Record) -> bool:
    """Whether an R record carries a quantity this profile does not have, such as one the cart derived."""
    code = subject_of(record)
    known = code == NO_RESPONSE_CODE or any(code in quantities for quantities in MACHINE_MARKS.values())
    return record.kind == "R" and bool(code) and not known


def key_of(record: Record) -> Key:
    """The recording an M or R record belongs to; DataError when it does not say."""
    if record.kind == "M":
        return _key(record.components(4, 5), "M-4")
    return _key(record.components(3, 9)[3:8], "R-3")


def _key(parts: list[str], place: str) -> Key:
    modality, nerve, side, recording_site, stimulation_site = parts
    if modality.lower() not in tuple(Modality) or side.lower() not in tuple(Side):
        raise DataError("not MOTOR or SENSORY, nerve, left or right, recording site, stimulation site", place)
    if not all(name(part, place) for part in (nerve, recording_site, stimulation_site)):
        raise DataError("the nerve or a site is missing", place)
    return Key(Modality(modality.lower()), nerve, Side(side.lower()), recording_site, stimulation_site)


def read_stim(record: Record) -> StimRecord:
    """An M record STIM; DataError names the field that is wrong."""
    averages = _optional_number(record, 15)
    if averages is not None and (averages < 1 or averages % 1):
        raise DataError("not a count of sweeps", "M-15")
    return StimRecord(
        stimulus=Stimulus(
            intensity_ma=_optional(record, 5, "mA"),
            duration_ms=_optional(record, 6, "ms"),
            supramaximal=_one_of(_FLAGS, record, 7, "Y, N or U"),
        ),
        skin_temperature_c=_optional(record, 8, "Cel"),
        distance_mm=_optional(record, 9, "mm"),
        filter_hz=_filter(record, 10),
        distance_to_recording_mm=_optional(record, 11, "mm"),
        site_position_mm=_optional(record, 12, "mm"),
        recorded_at=record.text(13),
        operator=name(record.text(14), "M-14") or "",
        averages=None if averages is None else int(averages),
        gain_uv_per_div=_optional(record, 16, "uV"),
        notch_hz=_optional(record, 17, "Hz"),
        montage_id=name(record.text(18), "M-18") or "",
        signal_status=_one_of(_STATUSES, record, 19, "QUESTIONABLE or UNZEROED"),
    )


def read_result(record: Record, key: Key, code: str) -> ResultRecord:
    """An R record of `key`; DataError for an unknown code, a value that is no number, an unknown unit."""
    recorded_at, operator = record.text(13), name(record.components(11, 1)[0], "R-11") or ""
    if code == NO_RESPONSE_CODE:
        if record.text(4) != "1":
            raise DataError(f"the value of {NO_RESPONSE_CODE} is 1", "R-4")
        return ResultRecord(field="", value=NO_RESPONSE, recorded_at=recorded_at, operator=operator)
    known = MACHINE_MARKS[key.modality].get(code)
    if known is None:
        codes = ", ".join((*MACHINE_MARKS[key.modality], NO_RESPONSE_CODE))
        raise DataError(f"unknown quantity of a {key.modality} recording; known: {codes}", "R-3")
    value = quantity(record.text(4), record.text(5), known.unit, f"R-4 {code}")
    return ResultRecord(field=known.field, value=value, recorded_at=recorded_at, operator=operator)


def read_wave(record: Record) -> WaveRecord:
    """An M record WAVE; DataError names the field that is wrong."""
    if record.text(8) != WAVE_ENCODING:
        raise DataError(f"the encoding is not {WAVE_ENCODING}", "M-8")
    part, parts = _part(record)
    if not 1 <= part <= parts <= MAX_PARTS:
        raise DataError(f"not part^parts, 1 to {MAX_PARTS}", "M-9")
    try:
        samples = base64.b64decode(record.text(10), validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: a character beyond ASCII
        raise DataError("not base64", "M-10") from error
    if len(samples) % 2:
        raise DataError("half a 16-bit sample", "M-10")
    scale = Scale(
        number(record.text(5), "M-5"),
        number(record.text(6), "M-6", signed=True),
        number(record.text(7), "M-7"),
    )
    return WaveRecord(scale=scale, part=part, parts=parts, samples=samples)


def ends_waveform(record: Record) -> bool:
    """Whether a WAVE record says it is the last of its parts, readable otherwise or not."""
    part, parts = _part(record)
    return part == parts > 0


def read_device(record: Record) -> Device:
    """H-5, the cart as it names itself; DataError when that cannot be a name."""
    manufacturer, model, serial = (name(part, "H-5") for part in record.components(5, 3))
    return Device(manufacturer=manufacturer, model=model, serial=serial)


def read_patient(record: Record) -> tuple[Patient, list[DataError]]:
    """A P record, and its fields that are wrong: those are left out, the patient is still known by P-4."""
    wrong: list[DataError] = []

    def attempt(read: Callable[[], _T | None]) -> _T | None:
        try:
            return read()
        except DataError as error:
            wrong.append(error)
            return None

    family, given = attempt(lambda: [name(part, "P-6") for part in record.components(6, 2)]) or (None, None)
    patient = Patient(
        id=attempt(lambda: name(record.text(4), "P-4")),
        family=family,
        given=given,
        birth_date=attempt(lambda: iso_date(record.text(8), "P-8") if record.text(8) else None),
        sex=attempt(lambda: _one_of(_SEXES, record, 9, "F, M, O or U")),
        height_cm=attempt(lambda: _optional(record, 17, "cm")),
        weight_kg=attempt(lambda: _optional(record, 18, "kg")),
    )
    return patient, wrong


def read_order(record: Record) -> tuple[str, Order]:
    """O-3, the study id, and the order it answers; DataError when there is no usable id."""
    study_id = record.text(3)
    if not 1 <= len(study_id) <= MAX_STUDY_ID:
        raise DataError(f"the study id must have 1 to {MAX_STUDY_ID} characters", "O-3")
    placer, accession = name(record.text(19), "O-19"), name(record.text(20), "O-20")
    return study_id, Order(placer=placer, accession=accession)


def read_clinical(record: Record) -> ClinicalFacts:
    """An M record CLIN; DataError names the field that is wrong."""
    return ClinicalFacts(
        symptom_onset_days=_optional(record, 4, "d"),
        umn_signs=_one_of(_FLAGS, record, 5, "Y, N or U"),
        anti_gm1_igm=_one_of(_GM1, record, 6, "POS or NEG"),
        csf_protein_g_l=_optional(record, 7, "g/L"),
        plexus_mri_abnormal=_one_of(_FLAGS, record, 8, "Y, N or U"),
        ivig_response=_one_of(_FLAGS, record, 9, "Y, N or U"),
    )


def _optional(record: Record, field: int, unit: str) -> float | None:
    value, sent_unit = record.components(field, 2)
    return quantity(value, sent_unit, unit, f"{record.kind}-{field}") if value else None


def _optional_number(record: Record, field: int) -> float | None:
    return number(record.text(field), f"{record.kind}-{field}") if record.text(field) else None


def _filter(record: Record, field: int) -> tuple[float, float] | None:
    low, high = record.components(field, 2)
    place = f"{record.kind}-{field}"
    return (number(low, place), number(high, place)) if low or high else None


def _part(record: Record) -> tuple[int, int]:
    """Part and parts of a WAVE record; 0 where there is no such number."""
    part, parts = (int(text) if _COUNT.fullmatch(text) else 0 for text in record.components(9, 2))
    return part, parts


def _one_of(meanings: Mapping[str, _T], record: Record, field: int, known: str) -> _T:
    text = record.text(field)
    if text not in meanings:
        raise DataError(f"must be {known}", f"{record.kind}-{field}")
    return meanings[text]
