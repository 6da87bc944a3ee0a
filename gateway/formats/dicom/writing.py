"""A study as DICOM EMG waveform objects, as a cart exports it: one file a stimulation, in order.

Each function writes the attributes of one module or two (PS3.3 A.34.13). What the profile cannot carry is
refused with its place, not dropped. The same recording of the same study always gets the same UID.
"""

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

import gateway
from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Recording, Side, Waveform
from gateway.domain.study import Device, Patient, Study, StudyHeader
from gateway.errors import DataError
from gateway.formats import Polarity
from gateway.formats.dicom import profile
from gateway.formats.dicom.observations import (
    annotation_items,
    context_items,
    item,
    source_item,
    unit_item,
)
from gateway.formats.dicom.values import (
    LONGEST,
    birth_date,
    clock,
    day,
    decimal_string,
    derived_uid,
    in_zone_of,
    is_uid,
    moment,
    person_name,
    plain,
    zone,
)
from gateway.formats.study_json import recording_object

# 2.25 and, as one number, the UUID (version 5) of the product's name.
IMPLEMENTATION_CLASS_UID: Final = UID("2.25.301737994660106826344067245508444807369")
IMPLEMENTATION_VERSION: Final = "EMGGW_"
UNKNOWN: Final = "unknown"

_LATERALITY: Final = {Side.RIGHT: ("R", 1), Side.LEFT: ("L", 2)}
_STATUS: Final = {value: word for word, value in profile.DOUBTFUL_STATUS.items()}

# Attributes of one module by keyword; None: left out.
_Module = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """The habits of a cart; what is read from a file does not depend on them.

    `transfer_syntax` is the UID of one of `profile.TRANSFER_SYNTAXES`; `samples` `auto` is SS where 16 bits
    hold the samples, else SL.
    """

    unit: Literal["nV", "uV", "mV", "V"] = "uV"
    polarity: Polarity = "true"
    transfer_syntax: str = profile.EXPLICIT_LITTLE_ENDIAN
    samples: Literal["SS", "SL", "auto"] = "auto"


@dataclass(frozen=True, slots=True)
class _Examination:
    """What all files of a study have in common."""

    header: StudyHeader
    uid: str
    performed_at: datetime
    anatomy: Anatomy
    encoding: Encoding


def write(study: Study, anatomy: Anatomy, encoding: Encoding = Encoding()) -> tuple[bytes, ...]:
    """One file for each recording, in order; DataError names what a waveform object cannot carry."""
    if not study.recordings:
        raise DataError("a DICOM waveform object needs a recording", "recordings")
    header = study.header
    performed_at = moment(header.performed_at, "performed_at")
    uid = header.study_id
    if not is_uid(uid):
        uid = derived_uid("study", header.study_id, performed_at.isoformat())
    examination = _Examination(header, uid, performed_at, anatomy, encoding)
    return tuple(
        _file(_object(examination, number, recording), UID(encoding.transfer_syntax))
        for number, recording in enumerate(study.recordings, start=1)
    )


def _file(written: Dataset, transfer_syntax: UID) -> bytes:
    """The object behind its File Meta Information (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = written.SOPClassUID
    meta.MediaStorageSOPInstanceUID = written.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = f"{IMPLEMENTATION_VERSION}{gateway.__version__}"[: LONGEST["SH"]]
    written.file_meta = meta
    file = BytesIO()
    dcmwrite(file, written, enforce_file_format=True)
    return file.getvalue()


def _object(examination: _Examination, number: int, recording: Recording) -> Dataset:
    try:
        recording = examination.anatomy.check(recording)
    except DataError as error:
        raise error.within(f"recordings[{number - 1}]") from error
    return item(
        **_sop_common(examination, recording),
        **_patient(examination.header.patient),
        **_study(examination),
        **_series(examination, recording.side),
        **_equipment(examination.header.device),
        **_identification(examination, number, recording),
        WaveformSequence=[_waveform(examination, recording)],
        AcquisitionContextSequence=context_items(examination.header.clinical),
        WaveformAnnotationSequence=annotation_items(recording, examination.anatomy),
    )


def _sop_common(examination: _Examination, recording: Recording) -> _Module:
    content = msgspec.json.encode(recording_object(recording)).decode("utf-8")
    return {
        "SOPClassUID": profile.EMG_WAVEFORM_STORAGE,
        "SOPInstanceUID": derived_uid("recording", examination.uid, content),
        "SpecificCharacterSet": "ISO_IR 192",
        "TimezoneOffsetFromUTC": zone(examination.performed_at),
        "CodingSchemeIdentificationSequence": [
            item(CodingSchemeDesignator=profile.OURS, CodingSchemeName="emg-gateway")
        ],
    }


def _patient(patient: Patient) -> _Module:
    """Patient and Patient Study."""
    return {
        "PatientName": person_name(patient.family, patient.given, "patient name"),
        "PatientID": plain(patient.id, "LO", "patient.id"),
        "PatientBirthDate": birth_date(patient.birth_date, "patient.birth_date"),
        "PatientSex": "" if patient.sex in (None, "U") else patient.sex,
        "PatientSize": _number(patient.height_cm, "patient.height_cm", shift=-2),
        "PatientWeight": _number(patient.weight_kg, "patient.weight_kg"),
    }


def _study(examination: _Examination) -> _Module:
    """General Study, and the order number of Imaging Service Request."""
    order = examination.header.order
    return {
        "StudyInstanceUID": examination.uid,
        "StudyDate": day(examination.performed_at),
        "StudyTime": clock(examination.performed_at),
        "ReferringPhysicianName": "",
        "StudyID": "",
        "AccessionNumber": plain(order.accession, "SH", "order.accession"),
        "PlacerOrderNumberImagingServiceRequest": plain(order.placer, "LO", "order.placer") or None,
    }


def _series(examination: _Examination, side: Side) -> _Module:
    """General Series; it has one laterality, so each side is a series of its own."""
    laterality, number = _LATERALITY[side]
    return {
        "Modality": "EMG",
        "SeriesInstanceUID": derived_uid("series", examination.uid, side),
        "SeriesNumber": number,
        "Laterality": laterality,
    }


def _equipment(device: Device) -> _Module:
    """Enhanced General Equipment, which wants each of its attributes non-empty."""
    return {
        "Manufacturer": plain(device.manufacturer, "LO", "device.manufacturer") or UNKNOWN,
        "ManufacturerModelName": plain(device.model, "LO", "device.model") or UNKNOWN,
        "DeviceSerialNumber": plain(device.serial, "LO", "device.serial") or UNKNOWN,
        "SoftwareVersions": f"emg-gateway {gateway.__version__}",
    }


def _identification(examination: _Examination, number: int, recording: Recording) -> _Module:
    """Waveform Identification; a date alone says that the time of day is not known (PS3.5 6.2: DT)."""
    performed_at = examination.performed_at
    content_at, acquired_at = performed_at, day(performed_at)
    if recording.recorded_at is not None:
        place = f"{recording.name}: recorded_at"
        recorded_at = moment(recording.recorded_at, place)
        content_at = in_zone_of(performed_at, recorded_at, place)
        acquired_at = f"{day(recorded_at)}{clock(recorded_at)}{zone(recorded_at)}"
    return {
        "InstanceNumber": number,
        "ContentDate": day(content_at),
        "ContentTime": clock(content_at),
        "AcquisitionDateTime": acquired_at,
    }


def _waveform(examination: _Examination, recording: Recording) -> Dataset:
    """The item of the Waveform module: one stimulation."""
    curve, place = recording.waveform, recording.name
    if curve is None:
        raise DataError("a DICOM waveform object needs a curve", place)
    interpretation, samples = _samples(curve, examination.encoding, place)
    bits = 8 * profile.SAMPLE_BYTES[interpretation]
    channel = _channel(examination, recording, curve)
    group = item(
        TriggerTimeOffset=decimal_string(curve.start_ms, f"{place}: start_ms"),
        WaveformOriginality="DERIVED" if (recording.averages or 1) > 1 else "ORIGINAL",
        NumberOfWaveformChannels=1,
        NumberOfWaveformSamples=curve.samples.size,
        SamplingFrequency=decimal_string(curve.sampling_rate_hz, f"{place}: sampling_rate_hz"),
        MultiplexGroupLabel=recording.stimulation_site[: LONGEST["SH"]],
        ChannelDefinitionSequence=[item(**channel, WaveformBitsStored=bits)],
        WaveformBitsAllocated=bits,
        WaveformSampleInterpretation=interpretation,
        WaveformData=samples,
    )
    group["WaveformData"].VR = "OW"  # never OB: no sample is one byte
    return group


def _channel(examination: _Examination, recording: Recording, curve: Waveform) -> _Module:
    """The channel of the Waveform module: one recording."""
    place, unit = recording.name, examination.encoding.unit
    low, high = recording.filter_hz or (None, None)
    one_count = decimal_string(
        curve.microvolts_per_count, f"{place}: microvolts_per_count", shift=-profile.MICROVOLTS_POWER[unit]
    )
    return {
        "ChannelLabel": recording.recording_site[: LONGEST["SH"]],
        "ChannelStatus": _status(recording, simulated=examination.header.simulated),
        "ChannelSourceSequence": [source_item(recording, examination.anatomy)],
        "ChannelSensitivity": one_count,
        "ChannelSensitivityUnitsSequence": [unit_item(unit)],
        "ChannelSensitivityCorrectionFactor": "1",
        "ChannelBaseline": "0",
        "ChannelSampleSkew": "0",
        "FilterLowFrequency": _number(low, f"{place}: filter_hz"),
        "FilterHighFrequency": _number(high, f"{place}: filter_hz"),
        "NotchFilterFrequency": _number(recording.notch_hz, f"{place}: notch_hz"),
    }


def _status(recording: Recording, *, simulated: bool) -> list[str]:
    doubtful = [_STATUS[recording.signal_status]] if recording.signal_status else []
    return [*([profile.TEST_DATA] if simulated else []), *doubtful] or ["OK"]


def _samples(curve: Waveform, encoding: Encoding, place: str) -> tuple[Literal["SS", "SL"], bytes]:
    """What the stored samples are, and they; a clinically negative one is below zero in the true polarity."""
    counts = curve.samples.astype(np.int64)
    stored = counts if encoding.polarity == "negative_up" else -counts
    interpretation = encoding.samples
    if interpretation == "auto":
        interpretation = "SS" if _fit(stored, 2) else "SL"
    size = profile.SAMPLE_BYTES[interpretation]
    if not _fit(stored, size):
        raise DataError(f"the samples do not fit {8 * size} bits", f"{place}: samples")
    order = ">" if encoding.transfer_syntax == profile.EXPLICIT_BIG_ENDIAN else "<"
    return interpretation, stored.astype(f"{order}i{size}").tobytes()


def _fit(stored: NDArray[np.int64], size: int) -> bool:
    end = 2 ** (8 * size - 1)
    return bool(stored.min() >= -end and stored.max() < end)


def _number(value: float | None, place: str, *, shift: int = 0) -> str | None:
    return None if value is None else decimal_string(value, place, shift=shift)
