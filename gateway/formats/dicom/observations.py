"""What is known of a recording as coded items: where it was made, what was observed, the clinical facts.

Items are made of attributes of the table only, so that the conformance statement stays complete. What each
code means stands in `profile`.
"""

from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset

from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Modality, NoResponse, Recording, Side
from gateway.domain.study import ClinicalFacts
from gateway.errors import DataError
from gateway.formats.dicom import profile
from gateway.formats.dicom.attributes import BY_KEYWORD
from gateway.formats.dicom.profile import Annotation
from gateway.formats.dicom.values import LONGEST, decimal_string, plain
from gateway.protocols.quantities import MACHINE_MARKS

# Partition 7 of ISO/IEEE 11073-10101: the code of a structure is that of no side, left and right follow.
_FLAG: Final = {None: None} | {value: code for code, value in profile.FLAGS.items()}
_GM1: Final = {None: None} | {value: code for code, value in profile.ANTI_GM1_RESULTS.items()}

# None and "": nothing known, nothing written.
_Observed = Iterator[tuple[Annotation, Dataset | str | float | None]]


def item(**values: object) -> Dataset:
    """A data set of these attributes by keyword, those of value None left out; every one is in the table."""
    made = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(made, BY_KEYWORD[keyword].keyword, value)
    return made


def unit_item(unit: str) -> Dataset:
    """The code item of a UCUM unit."""
    return _code(unit, profile.UCUM, "no units" if unit == "1" else unit)


def source_item(recording: Recording, anatomy: Anatomy) -> Dataset:
    """The code item of what was recorded from: a muscle (motor) or a nerve (sensory), with its side."""
    if recording.modality is Modality.SENSORY:
        return _nerve(recording, anatomy)
    muscle = anatomy.muscles[recording.recording_site]
    return _structure(muscle.mdc, muscle.text, recording.side, f"{recording.name}: recording_site")


def annotation_items(recording: Recording, anatomy: Anatomy) -> list[Dataset]:
    """Everything known of the recording, for the Waveform Annotation Sequence of a one-channel object."""
    made = []
    for kind, value in _observed(recording, anatomy):
        place = f"{recording.name}: {kind.code}"
        text = plain(value, "ST", place) if isinstance(value, str) else None
        if value is not None and text != "":
            entry = _named(kind, value, place)
            entry.update(item(ReferencedWaveformChannels=[1, 1], UnformattedTextValue=text))
            made.append(entry)
    return made


def context_items(facts: ClinicalFacts) -> list[Dataset]:
    """The clinical facts that are known, for the Acquisition Context Sequence."""
    made = []
    for kind, value in _clinical(facts):
        if value is not None:
            entry = _named(kind, value, f"clinical: {kind.code}")
            text = value if isinstance(value, str) else None
            entry.update(item(ValueType="NUMERIC" if text is None else "TEXT", TextValue=text))
            made.append(entry)
    return made


def _named(kind: Annotation, value: Dataset | str | float, place: str) -> Dataset:
    """The name of what was observed, with its value where that is a code or a number."""
    name = [_code(kind.code, profile.OURS, kind.meaning)]
    if isinstance(value, str):
        return item(ConceptNameCodeSequence=name)
    if isinstance(value, Dataset):
        return item(ConceptNameCodeSequence=name, ConceptCodeSequence=[value])
    return item(
        ConceptNameCodeSequence=name,
        NumericValue=decimal_string(value, place),
        MeasurementUnitsCodeSequence=[unit_item(kind.unit)],
    )


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence (PS3.3 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning[: LONGEST["LO"]])


def _structure(mdc: str | None, text: str, side: Side, place: str) -> Dataset:
    if mdc is None:
        raise DataError("the anatomy has no MDC code for it", place)
    return _code(profile.sided_code(mdc, side), profile.MDC, f"{text}, {side}")


def _nerve(recording: Recording, anatomy: Anatomy) -> Dataset:
    text = f"{recording.nerve.replace('_', ' ')} nerve"
    mdc = anatomy.nerves[recording.nerve].mdc
    return _structure(mdc, text, recording.side, f"{recording.name}: nerve")


def _observed(recording: Recording, anatomy: Anatomy) -> _Observed:
    stimulus = recording.stimulus
    yield profile.NERVE, _nerve(recording, anatomy)
    yield profile.STIMULATION_SITE, recording.stimulation_site
    if recording.modality is Modality.SENSORY:
        yield profile.RECORDING_SITE, recording.recording_site
    yield profile.CURRENT, stimulus.intensity_ma
    yield profile.WIDTH, stimulus.duration_ms
    yield profile.DISTANCE, recording.distance_mm
    yield profile.TEMPERATURE, recording.skin_temperature_c
    yield profile.SUPRAMAXIMAL, _FLAG[stimulus.supramaximal]
    yield profile.DISTANCE_TO_RECORDING, recording.distance_to_recording_mm
    yield profile.SITE_POSITION, recording.site_position_mm
    yield profile.AVERAGES, recording.averages
    yield profile.GAIN, recording.gain_uv_per_div
    yield profile.MONTAGE, recording.montage_id
    yield profile.OPERATOR, recording.operator
    yield from _marks(recording)


def _marks(recording: Recording) -> _Observed:
    marks = recording.measured
    if isinstance(marks, NoResponse):
        yield profile.NO_RESPONSE, 1
    elif marks is not None:
        for quantity in MACHINE_MARKS[recording.modality].values():
            yield profile.MARKS[recording.modality][quantity.code], getattr(marks, quantity.field)


def _clinical(facts: ClinicalFacts) -> Iterator[tuple[Annotation, str | float | None]]:
    yield profile.SYMPTOM_ONSET, facts.symptom_onset_days
    yield profile.UMN_SIGNS, _FLAG[facts.umn_signs]
    yield profile.ANTI_GM1, _GM1[facts.anti_gm1_igm]
    yield profile.CSF_PROTEIN, facts.csf_protein_g_l
    yield profile.PLEXUS_MRI, _FLAG[facts.plexus_mri_abnormal]
    yield profile.IVIG_RESPONSE, _FLAG[facts.ivig_response]
