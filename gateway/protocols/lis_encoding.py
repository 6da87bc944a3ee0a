"""A study as the records a cart sends: the writing side of the profile that `lis_profile` describes.

Numbers are written so that they read back to exactly the same value, times with their zone. What the
profile cannot carry is refused, not dropped: samples beyond 16 bits, a recording without anything measured.
"""

import base64
import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.domain.recording import Modality, NoResponse, Recording, Waveform
from gateway.domain.study import ClinicalFacts, Patient, Study, StudyHeader
from gateway.errors import DataError
from gateway.protocols.lis_profile import CLINICAL, STIMULUS, WAVE_ENCODING, WAVEFORM
from gateway.protocols.lis_syntax import Delimiters, decimal, lis_date, lis_time, name
from gateway.protocols.quantities import MACHINE_MARKS, NO_RESPONSE_CODE

# One part holds any usual sweep (2,500 samples) and, with its 10,924 characters of base64, fits in a frame.
PART_SAMPLES: Final = 4096

_DELIMITERS: Final = Delimiters()
_FLAG: Final = {True: "Y", False: "N", None: "U"}
_GM1: Final = {"positive": "POS", "negative": "NEG", None: ""}


def encode_study(study: Study, *, ends_exam: bool = True) -> list[str]:
    """The records of one message, without their CR; DataError when the profile cannot carry the study.

    Without `ends_exam` the terminator is left out, as in every message of an examination but the last.
    """
    header = study.header
    manufacturer_records, results = itertools.count(1), itertools.count(1)
    records = [_header(header), _patient(header.patient), _order(header)]
    if header.clinical != ClinicalFacts():
        records.append(_clinical(header.clinical, next(manufacturer_records)))
    for recording in study.recordings:
        records += _recording(recording, manufacturer_records, results)
    return [*records, *(["L|1|N"] if ends_exam else [])]


def _header(header: StudyHeader) -> str:
    device = header.device
    sender = _components(device.manufacturer, device.model, device.serial)
    processing_id = "T" if header.simulated else "P"
    performed_at = lis_time(header.performed_at, "performed_at")
    fields = (r"\^&", "", "", sender, *[""] * 6, processing_id, "LIS2-A2", performed_at)
    return _record("H", *fields)


def _patient(patient: Patient) -> str:
    birth_date = lis_date(patient.birth_date, "patient.birth_date") if patient.birth_date else ""
    name = _components(patient.family, patient.given)
    body = (_measure(patient.height_cm, "cm"), _measure(patient.weight_kg, "kg"))
    return _record(
        "P", "1", "", _text(patient.id), "", name, "", birth_date, patient.sex or "", *[""] * 7, *body
    )


def _order(header: StudyHeader) -> str:
    order = (_text(header.order.placer), _text(header.order.accession))
    return _record("O", "1", _text(header.study_id), "", "^^^NCS", *[""] * 13, *order)


def _clinical(facts: ClinicalFacts, number: int) -> str:
    return _record(
        "M",
        str(number),
        CLINICAL,
        _measure(facts.symptom_onset_days, "d"),
        _FLAG[facts.umn_signs],
        _GM1[facts.anti_gm1_igm],
        _measure(facts.csf_protein_g_l, "g/L"),
        _FLAG[facts.plexus_mri_abnormal],
        _FLAG[facts.ivig_response],
    )


def _recording(
    recording: Recording, manufacturer_records: Iterator[int], results: Iterator[int]
) -> Iterator[str]:
    # STIM always comes first: to the reader a second one is the next recording of the same site.
    yield _stim(recording, next(manufacturer_records))
    values = list(_values(recording))
    if not values and recording.waveform is None:
        raise DataError("nothing measured", recording.name)
    recorded_at = lis_time(recording.recorded_at, recording.name) if recording.recorded_at else ""
    for code, value, unit in values:
        test = f"^^^{_key(recording)}^{code}"
        yield _record("R", str(next(results)), test, value, unit, "", "N", "", "P", "", "", "", recorded_at)
    if recording.waveform is not None:
        yield from _waves(recording, recording.waveform, manufacturer_records)


def _stim(recording: Recording, number: int) -> str:
    stimulus = recording.stimulus
    band = recording.filter_hz
    return _record(
        "M",
        str(number),
        STIMULUS,
        _key(recording),
        _measure(stimulus.intensity_ma, "mA"),
        _measure(stimulus.duration_ms, "ms"),
        _FLAG[stimulus.supramaximal],
        _measure(recording.skin_temperature_c, "Cel"),
        _measure(recording.distance_mm, "mm"),
        f"{decimal(band[0])}^{decimal(band[1])}" if band else "",
        _measure(recording.distance_to_recording_mm, "mm"),
        _measure(recording.site_position_mm, "mm"),
        lis_time(recording.recorded_at, recording.name) if recording.recorded_at else "",
        _text(recording.operator),
        "" if recording.averages is None else str(recording.averages),
        _measure(recording.gain_uv_per_div, "uV"),
        _measure(recording.notch_hz, "Hz"),
        _text(recording.montage_id),
        (recording.signal_status or "").upper(),
    )


def _values(recording: Recording) -> Iterator[tuple[str, str, str]]:
    """Code, value and unit of everything the machine marked."""
    marks = recording.measured
    if isinstance(marks, NoResponse):
        yield NO_RESPONSE_CODE, "1", ""
    elif marks is not None:
        for quantity in MACHINE_MARKS[recording.modality].values():
            value: float | None = getattr(marks, quantity.field)
            if value is not None:
                yield quantity.code, decimal(value), quantity.unit


def _waves(recording: Recording, waveform: Waveform, manufacturer_records: Iterator[int]) -> Iterator[str]:
    limits = np.iinfo(np.int16)
    if waveform.samples.min() < limits.min or waveform.samples.max() > limits.max:
        raise DataError("the samples do not fit 16 bits", recording.name)
    samples = waveform.samples.astype("<i2")
    parts = -(-samples.size // PART_SAMPLES)
    for part in range(parts):
        piece = samples[part * PART_SAMPLES : (part + 1) * PART_SAMPLES]
        yield _record(
            "M",
            str(next(manufacturer_records)),
            WAVEFORM,
            _key(recording),
            decimal(waveform.sampling_rate_hz),
            decimal(waveform.start_ms),
            decimal(waveform.microvolts_per_count),
            WAVE_ENCODING,
            f"{part + 1}^{parts}",
            base64.b64encode(piece.tobytes()).decode(),
        )


def _key(recording: Recording) -> str:
    modality = "MOTOR" if recording.modality is Modality.MOTOR else "SENSORY"
    sites = (recording.recording_site, recording.stimulation_site)
    return _components(modality, recording.nerve, recording.side, *sites)


def _measure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{decimal(value)}^{unit}"


def _components(*parts: str | None) -> str:
    return "^".join(_text(part) for part in parts).rstrip("^")


def _text(text: str | None) -> str:
    return _DELIMITERS.escaped(name(text or "", "a name or an identifier") or "")


def _record(*fields: str) -> str:
    return "|".join(fields).rstrip("|")
