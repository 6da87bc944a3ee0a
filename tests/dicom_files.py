"""Builds DICOM EMG files by hand, with pydicom and nothing of ours, right or wrong as a test asks for.

The defaults are one sweep of the right ulnar nerve, stimulated at the wrist, recorded over ADM.
"""

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import config, dcmwrite
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset

EMG = "1.2.840.10008.5.1.4.1.1.9.7.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

ADM = {None: "7:756", "left": "7:757", "right": "7:758"}
ULNAR = {None: "7:132", "left": "7:133", "right": "7:134"}
MEDIAN_RIGHT = "7:122"
WAVE = (0, -3, 5, -7, 11, 2)


def put(holder: Dataset, **values: Any) -> Dataset:
    """The data set with these attributes as they are given, wrong ones too; None takes one away."""
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        if value is None:
            holder.pop(tag, None)
        elif keyword == "PatientName" or keyword.endswith("Sequence"):
            setattr(holder, keyword, value)
        else:
            vr = {"WaveformData": "OW", "WaveformPaddingValue": "OW"}.get(keyword, dictionary_VR(tag))
            holder[tag] = DataElement(tag, vr, value, already_converted=True)
    return holder


def code(value: str, scheme: str = "MDC", meaning: str = "whatever") -> Dataset:
    """An item of a code sequence."""
    return put(Dataset(), CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def said(
    name: str,
    *,
    number: str | None = None,
    unit: str | None = None,
    text: str | None = None,
    coded: str | None = None,
    channels: Sequence[int] | None = (1, 0),
    scheme: str = "99EMGGW",
    context: bool = False,
    **values: Any,
) -> Dataset:
    """An annotation, or an item of the acquisition context."""
    item = put(Dataset(), ConceptNameCodeSequence=[code(name, scheme)], NumericValue=number)
    put(item, **{"TextValue" if context else "UnformattedTextValue": text})
    if unit is not None:
        put(item, MeasurementUnitsCodeSequence=[code(unit, "UCUM")])
    if coded is not None:
        put(item, ConceptCodeSequence=[code(coded)])
    if channels is not None and not context:
        put(item, ReferencedWaveformChannels=list(channels))
    return put(item, **values)


def channel(source: str | None = ADM["right"], *, unit: str | None = "uV", **values: Any) -> Dataset:
    """A channel definition; 1 uV a count."""
    item = put(Dataset(), ChannelSensitivity="1", ChannelSampleSkew="0")
    if source is not None:
        put(item, ChannelSourceSequence=[code(source)])
    if unit is not None:
        put(item, ChannelSensitivityUnitsSequence=[code(unit, "UCUM")])
    return put(item, **values)


def group(
    *channels: Dataset,
    stored: Sequence[Sequence[int]] | None = None,
    interpretation: str = "SS",
    order: str = "<",
    padding: int | None = None,
    **values: Any,
) -> Dataset:
    """A multiplex group of these channels; `stored` has one row of samples for each."""
    channels = channels or (channel(),)
    size = {"SS": 2, "SL": 4}[interpretation]
    rows = np.array([WAVE] * len(channels) if stored is None else stored, dtype=f"{order}i{size}")
    for one in channels:
        if "WaveformBitsStored" not in one:
            put(one, WaveformBitsStored=8 * size)
    item = put(
        Dataset(),
        TriggerTimeOffset="-2",
        NumberOfWaveformChannels=len(channels),
        NumberOfWaveformSamples=rows.shape[1],
        SamplingFrequency="20000",
        ChannelDefinitionSequence=list(channels),
        WaveformBitsAllocated=8 * size,
        WaveformSampleInterpretation=interpretation,
        WaveformData=rows.T.tobytes(),
    )
    if padding is not None:
        put(item, WaveformPaddingValue=np.array(padding, dtype=rows.dtype).tobytes())
    return put(item, **values)


def ulnar(site: str = "wrist", nerve: str | None = ULNAR["right"]) -> list[Dataset]:
    """The annotations that settle nerve and site of the first group."""
    named = [] if nerve is None else [said("NERVE", coded=nerve)]
    return [*named, said("STIM-SITE", text=site)]


def emg(
    *groups: Dataset,
    annotations: Iterable[Dataset] | None = None,
    context: Iterable[Dataset] = (),
    **values: Any,
) -> Dataset:
    """An EMG waveform object of these groups."""
    made = put(
        Dataset(),
        SOPClassUID=EMG,
        SOPInstanceUID="1.2.3.4",
        StudyInstanceUID="1.2.3",
        StudyDate="20261102",
        StudyTime="101500",
        TimezoneOffsetFromUTC="+0100",
        WaveformAnnotationSequence=list(ulnar() if annotations is None else annotations),
        AcquisitionContextSequence=list(context),
        WaveformSequence=list(groups or (group(),)),
    )
    return put(made, **values)


def file(written: Dataset | None = None, *, syntax: str = EXPLICIT, undefined_length: bool = False) -> bytes:
    """The object as a DICOM file."""
    written = emg() if written is None else written
    if undefined_length:
        _open_ended(written)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = written.get("SOPClassUID", EMG)
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    meta.TransferSyntaxUID = syntax
    written.file_meta, written.preamble = meta, bytes(128)
    out = BytesIO()
    with config.disable_value_validation():
        dcmwrite(
            out,
            written,
            implicit_vr=syntax == IMPLICIT,
            little_endian=syntax != BIG_ENDIAN,
            enforce_file_format=False,
        )
    return out.getvalue()


def _open_ended(holder: Dataset) -> None:
    """Every sequence and item ends at a delimiter instead of having a length."""
    for element in holder:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _open_ended(item)
