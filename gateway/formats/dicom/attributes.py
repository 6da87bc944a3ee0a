"""Every attribute that is read or written, with its module and type there and what is made of it.

Modules and types: DICOM PS3.3 A.34.13 and C.7 to C.12. Reading and writing look attributes up here, so that
one that is not in the table cannot be used; the conformance statement is the table.
"""

from dataclasses import dataclass
from typing import Final, Literal

Type = Literal["1", "1C", "2", "2C", "3"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute by its DICOM keyword; `read` and `written` say what is made of it, empty: not used."""

    keyword: str
    module: str
    type: Type
    read: str
    written: str


ATTRIBUTES: Final = (
    Attribute(
        "SOPClassUID",
        "SOP Common",
        "1",
        "must be Electromyogram Waveform Storage",
        "Electromyogram Waveform Storage",
    ),
    Attribute(
        "SOPInstanceUID",
        "SOP Common",
        "1",
        "",
        "derived from the study and the recording: the same recording has the same one",
    ),
    Attribute("SpecificCharacterSet", "SOP Common", "1C", "as the standard says", "ISO_IR 192 (UTF-8)"),
    Attribute(
        "TimezoneOffsetFromUTC",
        "SOP Common",
        "3",
        "zone of every date and time without its own; else the driver's timezone",
        "offset of the study time",
    ),
    Attribute("CodingSchemeIdentificationSequence", "SOP Common", "3", "", "99EMGGW"),
    Attribute("CodingSchemeName", "SOP Common", "3", "", "emg-gateway"),
    Attribute(
        "StudyInstanceUID",
        "General Study",
        "1",
        "the study's identity",
        "the study's id where it is a UID, else a 2.25 UID derived from it and the study's time",
    ),
    Attribute(
        "StudyDate",
        "General Study",
        "2",
        "with StudyTime: when the study was performed; else AcquisitionDateTime, else ContentDate with "
        "ContentTime",
        "date of the study",
    ),
    Attribute("StudyTime", "General Study", "2", "see StudyDate", "time of the study"),
    Attribute("ReferringPhysicianName", "General Study", "2", "", "empty"),
    Attribute("StudyID", "General Study", "2", "", "empty"),
    Attribute(
        "AccessionNumber",
        "General Study",
        "2",
        "accession number of the order",
        "accession number of the order",
    ),
    Attribute(
        "PlacerOrderNumberImagingServiceRequest",
        "Imaging Service Request",
        "3",
        "placer's order number",
        "placer's order number (standard extension), where known",
    ),
    Attribute("PatientName", "Patient", "2", "family and given name", "family and given name"),
    Attribute("PatientID", "Patient", "2", "patient id", "patient id"),
    Attribute("PatientBirthDate", "Patient", "2", "birth date", "birth date"),
    Attribute("PatientSex", "Patient", "2", "M, F or O", "M, F or O; empty where unknown"),
    Attribute("PatientSize", "Patient Study", "3", "height, m", "height, m, where known"),
    Attribute("PatientWeight", "Patient Study", "3", "weight, kg", "weight, kg, where known"),
    Attribute("Modality", "General Series", "1", "", "EMG"),
    Attribute("SeriesInstanceUID", "General Series", "1", "", "derived from the study and the side"),
    Attribute("SeriesNumber", "General Series", "2", "", "1 right, 2 left"),
    Attribute(
        "Laterality",
        "General Series",
        "2C",
        "side, where neither the channel source nor the nerve says it",
        "R or L",
    ),
    Attribute(
        "Manufacturer",
        "Enhanced General Equipment",
        "1",
        "manufacturer; `unknown` is none",
        "manufacturer, or `unknown`",
    ),
    Attribute(
        "ManufacturerModelName",
        "Enhanced General Equipment",
        "1",
        "model; `unknown` is none",
        "model, or `unknown`",
    ),
    Attribute(
        "DeviceSerialNumber",
        "Enhanced General Equipment",
        "1",
        "serial number; `unknown` is none",
        "serial number, or `unknown`",
    ),
    Attribute("SoftwareVersions", "Enhanced General Equipment", "1", "", "emg-gateway and its version"),
    Attribute("InstanceNumber", "Waveform Identification", "1", "", "number of the recording in the study"),
    Attribute(
        "ContentDate",
        "Waveform Identification",
        "1",
        "see StudyDate",
        "date of the recording, else of the study",
    ),
    Attribute(
        "ContentTime",
        "Waveform Identification",
        "1",
        "see StudyDate",
        "time of the recording, else of the study",
    ),
    Attribute(
        "AcquisitionDateTime",
        "Waveform Identification",
        "1",
        "when the recording was made, with MultiplexGroupTimeOffset; unknown where it has no time of day",
        "time of the recording; a date alone where it is unknown",
    ),
    Attribute("WaveformSequence", "Waveform", "1", "one item is one stimulation", "one item"),
    Attribute("MultiplexGroupTimeOffset", "Waveform", "1C", "ms after AcquisitionDateTime", ""),
    Attribute(
        "TriggerTimeOffset",
        "Waveform",
        "1C",
        "ms from the stimulus to the first sample",
        "ms from the stimulus to the first sample",
    ),
    Attribute(
        "TriggerSamplePosition",
        "Waveform",
        "3",
        "sample at the stimulus, from 1; where TriggerTimeOffset is missing",
        "",
    ),
    Attribute("WaveformOriginality", "Waveform", "1", "", "ORIGINAL; DERIVED for averaged sweeps"),
    Attribute(
        "NumberOfWaveformChannels",
        "Waveform",
        "1",
        "1 or more; must be the number of channel definitions",
        "1",
    ),
    Attribute(
        "NumberOfWaveformSamples", "Waveform", "1", "2 or more; must fit WaveformData", "number of samples"
    ),
    Attribute("SamplingFrequency", "Waveform", "1", "Hz", "Hz"),
    Attribute(
        "MultiplexGroupLabel",
        "Waveform",
        "3",
        "stimulation site, where no STIM-SITE annotation names it",
        "stimulation site, cut to 16 characters",
    ),
    Attribute("ChannelDefinitionSequence", "Waveform", "1", "one item is one recording", "one item"),
    Attribute("ChannelLabel", "Waveform", "3", "", "recording site, cut to 16 characters"),
    Attribute(
        "ChannelStatus",
        "Waveform",
        "3",
        "TEST DATA: simulated. DISCONNECTED: left out. QUESTIONABLE, UNZEROED: kept as signal status. "
        "INVALID, UNCALIBRATED and any other but OK: left out with a notice",
        "TEST DATA where simulated, else OK; QUESTIONABLE or UNZEROED where the recording says so",
    ),
    Attribute(
        "ChannelSourceSequence",
        "Waveform",
        "1",
        "muscle (CID 3031): motor; nerve (CID 3032): sensory; the code gives the side",
        "code of the muscle or of the sensory nerve, with its side",
    ),
    Attribute("ChannelSensitivity", "Waveform", "1C", "value of one count", "value of one count"),
    Attribute("ChannelSensitivityUnitsSequence", "Waveform", "1C", "nV, uV, mV or V (UCUM)", "uV"),
    Attribute("ChannelSensitivityCorrectionFactor", "Waveform", "1C", "factor; 1 where missing", "1"),
    Attribute("ChannelBaseline", "Waveform", "1C", "offset in sensitivity units; 0 where missing", "0"),
    Attribute("ChannelTimeSkew", "Waveform", "1C", "s, added to the start", ""),
    Attribute("ChannelSampleSkew", "Waveform", "1C", "samples, added to the start", "0"),
    Attribute("WaveformBitsStored", "Waveform", "1", "bits that the samples fit", "16 or 32"),
    Attribute(
        "FilterLowFrequency",
        "Waveform",
        "3",
        "Hz, with FilterHighFrequency; 0 and 0 is unknown",
        "Hz, where known",
    ),
    Attribute("FilterHighFrequency", "Waveform", "3", "Hz, with FilterLowFrequency", "Hz, where known"),
    Attribute("NotchFilterFrequency", "Waveform", "3", "Hz", "Hz, where known"),
    Attribute("WaveformBitsAllocated", "Waveform", "1", "16 with SS, 32 with SL", "16 or 32"),
    Attribute(
        "WaveformSampleInterpretation", "Waveform", "1", "SS or SL", "SS; SL where the samples need it"
    ),
    Attribute(
        "WaveformPaddingValue",
        "Waveform",
        "1C",
        "samples of this value are no data: cut off at both ends, refused in between",
        "",
    ),
    Attribute(
        "WaveformData",
        "Waveform",
        "1",
        "interleaved samples; their length must be exactly what is declared",
        "the samples",
    ),
    Attribute(
        "AcquisitionContextSequence",
        "Acquisition Context",
        "2",
        "NERVE, and clinical facts, see below",
        "clinical facts, see below",
    ),
    Attribute(
        "ConceptNameCodeSequence",
        "Acquisition Context, Waveform Annotation",
        "1",
        "code of scheme 99EMGGW; others are left alone",
        "code of scheme 99EMGGW",
    ),
    Attribute("ValueType", "Acquisition Context", "3", "", "NUMERIC or TEXT"),
    Attribute("TextValue", "Acquisition Context", "1C", "text", "text"),
    Attribute(
        "ConceptCodeSequence",
        "Acquisition Context, Waveform Annotation",
        "1C",
        "a nerve (CID 3032)",
        "a nerve (CID 3032)",
    ),
    Attribute("NumericValue", "Acquisition Context, Waveform Annotation", "1C", "number", "number"),
    Attribute(
        "MeasurementUnitsCodeSequence", "Acquisition Context, Waveform Annotation", "1C", "UCUM", "UCUM"
    ),
    Attribute(
        "WaveformAnnotationSequence",
        "Waveform Annotation",
        "1",
        "annotations, see below",
        "annotations, see below",
    ),
    Attribute(
        "ReferencedWaveformChannels",
        "Waveform Annotation",
        "1",
        "pairs of group and channel, from 1; channel 0 is the whole group",
        "1, 1",
    ),
    Attribute("UnformattedTextValue", "Waveform Annotation", "1C", "text", "text"),
    Attribute(
        "CodeValue", "Code Sequence Macro", "1C", "with the scheme: all that a code is known by", "code"
    ),
    Attribute(
        "CodingSchemeDesignator", "Code Sequence Macro", "1C", "MDC, UCUM or 99EMGGW", "MDC, UCUM or 99EMGGW"
    ),
    Attribute("CodeMeaning", "Code Sequence Macro", "1", "", "meaning"),
)
BY_KEYWORD: Final = {attribute.keyword: attribute for attribute in ATTRIBUTES}
