"""What is written is a valid object (PS3.3 A.34.13), carries everything, and reads back to the same study."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.sr.codedict import codes
from pydicom.valuerep import validate_value

import gateway
from gateway.domain.anatomy import Anatomy, Muscle
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    SensoryMarks,
    Side,
    Stimulus,
    Waveform,
)
from gateway.domain.study import ClinicalFacts, Device, Order, Patient, Study
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom import profile, reading
from gateway.formats.dicom.attributes import ATTRIBUTES
from gateway.formats.dicom.writing import Encoding, write
from tests.factories import cmap, header, median, motor, reference, sensory, study, waveform
from tests.strategies import motor_recordings, sensory_recordings

Dataset = pydicom.Dataset
UID = "1.2.840.99999.7"
USUAL = Encoding()
FULL_PATIENT = Patient(
    id="P-1",
    family="Kanárek",
    given="Test",
    birth_date="1971-03-05",
    sex="F",
    height_cm=168.5,
    weight_kg=62.25,
)
FACTS = ClinicalFacts(
    symptom_onset_days=400.0,
    umn_signs=False,
    anti_gm1_igm="positive",
    csf_protein_g_l=0.4,
    plexus_mri_abnormal=True,
    ivig_response=True,
)
EVERYTHING: dict[str, Any] = {
    "site_position_mm": 180.0,
    "distance_mm": 70.0,
    "distance_to_recording_mm": 250.0,
    "recorded_at": "2026-11-02T23:15:03.250000-05:00",
    "skin_temperature_c": 33.1,
    "stimulus": Stimulus(intensity_ma=38.0, duration_ms=0.2, supramaximal=True),
    "filter_hz": (2.0, 10_000.0),
    "gain_uv_per_div": 5000.0,
    "notch_hz": 50.0,
    "averages": 4,
    "montage_id": "MNC\\ulnar",
    "operator": "Zoë",
    "signal_status": "questionable",
    "waveform": cmap(),
}
MOTOR_MARKS = MotorMarks(**{name: 1.5 + at for at, name in enumerate(MotorMarks.__dataclass_fields__)})
SENSORY_MARKS = SensoryMarks(**{name: 1.5 + at for at, name in enumerate(SensoryMarks.__dataclass_fields__)})

ENCODINGS = st.builds(
    Encoding,
    unit=st.sampled_from(["nV", "uV", "mV", "V"]),
    polarity=st.sampled_from(["true", "negative_up"]),
    transfer_syntax=st.sampled_from(list(profile.TRANSFER_SYNTAXES)),
    samples=st.sampled_from(["SL", "auto"]),
)


def full_study() -> Study:
    """Every field of a study known."""
    return study(
        motor("below_elbow", MOTOR_MARKS, **EVERYTHING),
        sensory(SENSORY_MARKS, **EVERYTHING | {"site_position_mm": None, "side": Side.LEFT}),
        study_id=UID,
        patient=FULL_PATIENT,
        device=Device(manufacturer="Maker", model="Cart", serial="7"),
        order=Order(placer="PL-1", accession="A-1"),
        clinical=FACTS,
        simulated=True,
    )


def bare_study(**changes: Any) -> Study:
    """Nothing known that can be unknown."""
    recordings = (
        motor("wrist", stimulus=Stimulus(), waveform=cmap()),
        median("wrist", NO_RESPONSE, waveform=cmap(), averages=1),
    )
    return study(*recordings, **{"patient": Patient()} | changes)


def files(given_study: Study, encoding: Encoding = USUAL) -> tuple[bytes, ...]:
    return write(given_study, reference().anatomy, encoding)


def loaded(*recordings: Recording, encoding: Encoding = USUAL, **changes: Any) -> Dataset:
    """The first file of a study of these recordings, as pydicom reads it."""
    return pydicom.dcmread(BytesIO(files(study(*recordings, **changes), encoding)[0]))


def curved(**changes: Any) -> Recording:
    return motor("wrist", **{"waveform": cmap()} | changes)


def items(dataset: Dataset, within: str = "") -> Iterator[tuple[str, Dataset]]:
    """The data set and every item in it, each with the sequence it is of."""
    yield within, dataset
    for element in dataset:
        if element.VR == "SQ":
            for entry in element.value:
                yield from items(entry, element.keyword)


# PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.5.2, C.10.8, C.10.9, C.10.10, C.7.6.14, C.12.1, 8.8: type 1, and 1C
# where its condition holds for every object of ours (sampled potentials, synchronized to a stimulus).
TYPE_1 = {
    "": """SOPClassUID SOPInstanceUID SpecificCharacterSet StudyInstanceUID Modality SeriesInstanceUID
        Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions InstanceNumber ContentDate
        ContentTime AcquisitionDateTime WaveformSequence WaveformAnnotationSequence""",
    "WaveformSequence": """TriggerTimeOffset WaveformOriginality NumberOfWaveformChannels
        NumberOfWaveformSamples SamplingFrequency ChannelDefinitionSequence WaveformBitsAllocated
        WaveformSampleInterpretation WaveformData""",
    "ChannelDefinitionSequence": """ChannelSourceSequence ChannelSensitivity ChannelSensitivityUnitsSequence
        ChannelSensitivityCorrectionFactor ChannelBaseline ChannelSampleSkew WaveformBitsStored""",
    "WaveformAnnotationSequence": "ConceptNameCodeSequence ReferencedWaveformChannels",
    "AcquisitionContextSequence": "ConceptNameCodeSequence",
    "CodingSchemeIdentificationSequence": "CodingSchemeDesignator",
} | dict.fromkeys(
    (
        "ChannelSourceSequence",
        "ChannelSensitivityUnitsSequence",
        "ConceptNameCodeSequence",
        "ConceptCodeSequence",
        "MeasurementUnitsCodeSequence",
    ),
    "CodeValue CodingSchemeDesignator CodeMeaning",
)
# Type 2, and 2C (Laterality: nerves and muscles are paired).
TYPE_2 = """PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName
    StudyID AccessionNumber SeriesNumber Laterality AcquisitionContextSequence"""
OBSERVATIONS = ("WaveformAnnotationSequence", "AcquisitionContextSequence")
VALUES = ("ConceptCodeSequence", "NumericValue", "UnformattedTextValue", "TextValue")
both_studies = pytest.mark.parametrize("given_study", [full_study(), bare_study()], ids=["full", "bare"])


@both_studies
def test_what_each_module_requires_is_there(given_study: Study) -> None:
    for file in files(given_study):
        dataset = pydicom.dcmread(BytesIO(file))
        assert set(TYPE_2.split()) <= set(dataset.dir())
        for within, entry in items(dataset):
            empty = [keyword for keyword in TYPE_1[within].split() if entry.get(keyword) in (None, "", b"")]
            assert not empty, within


@both_studies
def test_an_observation_has_one_value_and_a_number_its_unit(given_study: Study) -> None:
    for file in files(given_study):
        for within, entry in items(pydicom.dcmread(BytesIO(file))):
            if within in OBSERVATIONS:
                assert sum(keyword in entry for keyword in VALUES) == 1
                assert ("NumericValue" in entry) == ("MeasurementUnitsCodeSequence" in entry)


@both_studies
def test_every_value_is_one_its_representation_allows(given_study: Study) -> None:
    for file in files(given_study):
        dataset = pydicom.dcmread(BytesIO(file))
        for element in (*dataset.file_meta, *dataset.iterall()):
            assert element.VR in dictionary_VR(element.tag)
            assert element.VM <= 1 or dictionary_VM(element.tag) != "1", element.keyword
            if element.VR == "SQ":
                assert len(element.value) > 0 or element.keyword == "AcquisitionContextSequence"
            for value in element.value if element.VM > 1 else [element.value]:
                if element.VR not in ("SQ", "OB", "OW"):
                    text = value if isinstance(value, int) and element.VR in ("US", "UL") else str(value)
                    validate_value(element.VR, text, RAISE)


def test_exactly_the_attributes_that_the_table_has_as_written_are_written() -> None:
    written = {
        element.keyword
        for file in files(full_study())
        for element in pydicom.dcmread(BytesIO(file)).iterall()
    }
    assert written == {entry.keyword for entry in ATTRIBUTES if entry.written}


def test_every_annotation_of_the_profile_is_written_where_it_is_known() -> None:
    written = {
        entry.ConceptNameCodeSequence[0].CodeValue: entry
        for file in files(full_study()) + files(bare_study())
        for within, entry in items(pydicom.dcmread(BytesIO(file)))
        if within in OBSERVATIONS
    }
    kinds = (*profile.ANNOTATIONS, *profile.CONTEXT)
    assert set(written) == {kind.code for kind in kinds}
    for kind in kinds:
        entry = written[kind.code]
        keyword = {"code": "ConceptCodeSequence", "number": "NumericValue"}.get(kind.kind)
        assert (keyword or "UnformattedTextValue") in entry or (keyword or "TextValue") in entry
        if kind.unit:
            assert entry.MeasurementUnitsCodeSequence[0].CodeValue == kind.unit


def test_the_file_says_what_it_is() -> None:
    dataset = loaded(curved())
    meta = dataset.file_meta
    assert meta.MediaStorageSOPClassUID == dataset.SOPClassUID == pydicom.uid.ElectromyogramWaveformStorage
    assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert (meta.ImplementationVersionName or "").startswith("EMGGW_")
    assert dataset.SoftwareVersions == f"emg-gateway {gateway.__version__}"
    assert dataset.Modality == "EMG"


@pytest.mark.parametrize("unit", ["nV", "uV", "mV", "V"])
@pytest.mark.parametrize("samples", ["SS", "SL", "auto"])
def test_another_reader_sees_the_true_potential(unit: Any, samples: Any) -> None:
    recording = curved(waveform=waveform([0, 1000, -3, 2], uv=0.5))
    dataset = loaded(recording, encoding=Encoding(unit=unit, samples=samples))
    channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[0]
    assert channel.ChannelSensitivityUnitsSequence[0].CodeValue == unit
    microvolts = dataset.waveform_array(0)[:, 0] * 10.0 ** profile.MICROVOLTS_POWER[unit]
    np.testing.assert_allclose(microvolts, [0, -500, 1.5, -1], rtol=1e-12)


@pytest.mark.parametrize(
    ("syntax", "order"),
    [
        (profile.IMPLICIT_LITTLE_ENDIAN, "<"),
        (profile.EXPLICIT_LITTLE_ENDIAN, "<"),
        (profile.EXPLICIT_BIG_ENDIAN, ">"),
    ],
)
@pytest.mark.parametrize(("samples", "size"), [("SS", 2), ("SL", 4)])
def test_samples_have_the_byte_order_of_the_transfer_syntax(
    syntax: str, order: str, samples: Any, size: int
) -> None:
    recording = curved(waveform=waveform([0, 1000, -3]))
    dataset = loaded(recording, encoding=Encoding(transfer_syntax=syntax, samples=samples))
    group = dataset.WaveformSequence[0]
    assert dataset.file_meta.TransferSyntaxUID == syntax
    assert (group.WaveformBitsAllocated, group.WaveformSampleInterpretation) == (8 * size, samples)
    assert np.frombuffer(group.WaveformData, f"{order}i{size}").tolist() == [0, -1000, 3]


@pytest.mark.parametrize(
    ("count", "expected"), [(32768, "SS"), (-32767, "SS"), (-32768, "SL"), (32769, "SL"), (2**31 - 1, "SL")]
)
def test_samples_are_as_wide_as_they_need(count: int, expected: str) -> None:
    group = loaded(curved(waveform=waveform([0, count]))).WaveformSequence[0]
    assert group.WaveformSampleInterpretation == expected


@pytest.mark.parametrize(
    ("count", "encoding", "bits"),
    [(-(2**31), Encoding(), 32), (40_000, Encoding(samples="SS", polarity="negative_up"), 16)],
)
def test_samples_that_do_not_fit_are_refused(count: int, encoding: Encoding, bits: int) -> None:
    with pytest.raises(DataError) as caught:
        loaded(curved(waveform=waveform([0, count])), encoding=encoding)
    assert str(caught.value) == f"motor ulnar right adm wrist: samples: the samples do not fit {bits} bits"


def test_the_least_count_fits_the_other_polarity() -> None:
    encoding = Encoding(polarity="negative_up")
    group = loaded(curved(waveform=waveform([0, -(2**31)])), encoding=encoding).WaveformSequence[0]
    assert np.frombuffer(group.WaveformData, "<i4").tolist() == [0, -(2**31)]


def test_times_are_those_of_the_study_and_of_the_recording() -> None:
    dataset = loaded(curved(recorded_at="2026-11-02T23:59:03.250000-05:00"))
    assert (dataset.StudyDate, dataset.StudyTime) == ("20261102", "101500")
    assert dataset.TimezoneOffsetFromUTC == "+0100"
    assert dataset.AcquisitionDateTime == "20261102235903.250000-0500"
    assert (dataset.ContentDate, dataset.ContentTime) == ("20261103", "055903.250000")


def test_a_recording_without_its_time_has_the_date_of_the_study_only() -> None:
    dataset = loaded(curved())
    assert dataset.AcquisitionDateTime == "20261102"
    assert (dataset.ContentDate, dataset.ContentTime) == ("20261102", "101500")


@pytest.mark.parametrize(
    ("simulated", "status", "expected"),
    [
        (False, None, "OK"),
        (True, None, "TEST DATA"),
        (False, "unzeroed", "UNZEROED"),
        (True, "questionable", ["TEST DATA", "QUESTIONABLE"]),
    ],
)
def test_the_channel_says_what_to_think_of_it(simulated: bool, status: Any, expected: Any) -> None:
    dataset = loaded(curved(signal_status=status), simulated=simulated)
    assert dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelStatus == expected


@pytest.mark.parametrize(("averages", "expected"), [(None, "ORIGINAL"), (1, "ORIGINAL"), (2, "DERIVED")])
def test_an_average_is_derived(averages: int | None, expected: str) -> None:
    assert loaded(curved(averages=averages)).WaveformSequence[0].WaveformOriginality == expected


def test_a_motor_recording_names_its_muscle_and_nerve_with_their_side() -> None:
    dataset = loaded(curved(side=Side.LEFT))
    source = dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence[0]
    nerve = dataset.WaveformAnnotationSequence[0].ConceptCodeSequence[0]
    assert (source.CodeValue, source.CodingSchemeDesignator) == ("7:757", "MDC")
    assert source.CodeMeaning == "abductor digiti minimi (hand), left"
    assert (nerve.CodeValue, nerve.CodeMeaning) == ("7:133", "ulnar nerve, left")
    assert (dataset.Laterality, dataset.SeriesNumber) == ("L", 2)


def test_a_sensory_recording_names_its_nerve_with_its_side() -> None:
    dataset = loaded(sensory(nerve="superficial_radial", recording_site="snuffbox", waveform=cmap()))
    source = dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence[0]
    assert (source.CodeValue, source.CodeMeaning) == ("7:154", "superficial radial nerve, right")


def test_every_code_of_the_anatomy_is_one_of_the_standard() -> None:
    anatomy = reference().anatomy
    for structures, group in (
        (anatomy.muscles.values(), codes.cid3031),
        (anatomy.nerves.values(), codes.cid3032),
        (anatomy.branches, codes.cid3032),
    ):
        known = {concept.value for concept in group.concepts.values()}
        for structure in structures:
            number = int((structure.mdc or "").removeprefix("7:"))
            assert {f"7:{number}", f"7:{number + 1}", f"7:{number + 2}"} <= known


def test_labels_are_cut_and_the_annotation_is_not() -> None:
    recording = curved(nerve="radial", stimulation_site="below_spiral_groove", recording_site="eip")
    dataset = loaded(recording)
    assert dataset.WaveformSequence[0].MultiplexGroupLabel == "below_spiral_gro"
    assert dataset.WaveformAnnotationSequence[1].UnformattedTextValue == "below_spiral_groove"


def test_a_nerve_by_another_name_is_written_under_ours() -> None:
    recording = curved(nerve="peroneal", stimulation_site="ankle", recording_site="edb")
    assert loaded(recording).WaveformAnnotationSequence[0].ConceptCodeSequence[0].CodeValue == "7:218"


def test_the_same_recording_always_gets_the_same_identity() -> None:
    first, second = (pydicom.dcmread(BytesIO(file)) for file in files(bare_study()))
    assert [bytes(file) for file in files(bare_study())] == [bytes(file) for file in files(bare_study())]
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    other = loaded(curved(stimulus=Stimulus()), performed_at="2026-11-02T10:16:00+01:00", patient=Patient())
    assert other.StudyInstanceUID != first.StudyInstanceUID
    assert other.SOPInstanceUID != first.SOPInstanceUID


@pytest.mark.parametrize(
    ("study_id", "kept"),
    [
        (UID, True),
        ("S-1", False),
        ("20261102", False),
        ("9.2.3", False),
        ("1.02", False),
        ("1.2" * 21 + ".10", False),
    ],
)
def test_a_study_id_is_kept_where_it_is_a_uid(study_id: str, *, kept: bool) -> None:
    uid = loaded(curved(), study_id=study_id).StudyInstanceUID
    assert (uid == study_id) is kept
    assert uid.is_valid


def test_sides_are_series_of_their_own() -> None:
    both = files(study(curved(), curved(side=Side.LEFT)))
    right, left = (pydicom.dcmread(BytesIO(file)) for file in both)
    assert right.SeriesInstanceUID != left.SeriesInstanceUID
    assert (right.Laterality, left.Laterality) == ("R", "L")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (100.0, "100"),
        (1e-9, "0.000000001"),
        (1e-15, "1E-15"),
        (-0.5, "-0.5"),
        (1234567890123456.0, "1234567890123456"),
        (1 / 3, "0.33333333333333"),
        (-1 / 3, "-0.3333333333333"),
        (2e-5 / 3, "6.66666666667E-6"),
        (1e300, "1E+300"),
    ],
)
def test_a_number_is_as_exact_as_16_characters_allow(value: float, text: str) -> None:
    dataset = loaded(curved(notch_hz=value))
    channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[0]
    assert str(channel.NotchFilterFrequency) == text


@given(st.floats(-1e300, 1e300) | st.integers(-(10**18), 10**18))
def test_every_number_is_written_to_nine_digits(value: float) -> None:
    channel = loaded(curved(notch_hz=value)).WaveformSequence[0].ChannelDefinitionSequence[0]
    text = str(channel.NotchFilterFrequency)
    validate_value("DS", text, RAISE)
    assert float(text) == pytest.approx(value, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="motor ulnar right adm wrist: notch_hz: not a finite number"):
        loaded(curved(notch_hz=value))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"order": Order(accession="A" * 17)}, "order.accession"),
        ({"order": Order(placer="A" * 65)}, "order.placer"),
        ({"patient": Patient(id="A" * 65)}, "patient.id"),
        ({"patient": Patient(id="A\\B")}, "patient.id"),
        ({"patient": Patient(id="A\nB")}, "patient.id"),
        ({"patient": Patient(family="A^B")}, "patient name"),
        ({"patient": Patient(given="A=B")}, "patient name"),
        ({"patient": Patient(family="A" * 40, given="A" * 40)}, "patient name"),
        ({"patient": Patient(birth_date="A")}, "patient.birth_date"),
        ({"patient": Patient(weight_kg=float("nan"))}, "patient.weight_kg"),
        ({"device": Device(manufacturer="A" * 65)}, "device.manufacturer"),
        ({"device": Device(model="A\\")}, "device.model"),
        ({"device": Device(serial="A\x1bB")}, "device.serial"),
        ({"performed_at": "A"}, "performed_at"),
        ({"performed_at": "2026-11-02T10:15:00"}, "performed_at"),
        ({"performed_at": "2026-11-02T10:15:00+14:01"}, "performed_at"),
        ({"performed_at": "2026-11-02T10:15:00-12:01"}, "performed_at"),
        ({"performed_at": "2026-11-02T10:15:00+01:00:30"}, "performed_at"),
        ({"clinical": ClinicalFacts(csf_protein_g_l=float("inf"))}, "clinical: CSF-PROTEIN"),
    ],
)
def test_what_dicom_cannot_hold_of_a_study_is_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(DataError) as caught:
        loaded(curved(), **changes)
    assert caught.value.place == place
    assert "A" not in str(caught.value).replace("DICOM", "")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"operator": "A" * 1025}, "OPERATOR"),
        ({"montage_id": "A\tB"}, "MONTAGE"),
        ({"recorded_at": "A"}, "recorded_at"),
        ({"recorded_at": "0001-01-01T00:00:00+14:00"}, "recorded_at"),
        ({"gain_uv_per_div": float("inf")}, "GAIN"),
    ],
)
def test_what_dicom_cannot_hold_of_a_recording_is_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(DataError) as caught:
        loaded(curved(**changes), performed_at="2026-11-02T10:15:00-12:00")
    assert caught.value.place == f"motor ulnar right adm wrist: {place}"
    assert "A" not in caught.value.reason.replace("DICOM", "")


def test_a_recording_without_a_curve_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        loaded(motor("wrist"))
    assert str(caught.value) == "motor ulnar right adm wrist: a DICOM waveform object needs a curve"


def test_a_study_without_a_recording_is_refused() -> None:
    with pytest.raises(DataError, match="recordings: a DICOM waveform object needs a recording"):
        loaded()


def test_a_recording_that_cannot_exist_is_refused() -> None:
    with pytest.raises(DataError, match=r"^recordings\[1\]: stimulation_site: unknown stimulation site"):
        loaded(curved(), curved(stimulation_site="ankle"))


def without_codes() -> Anatomy:
    anatomy = reference().anatomy
    ulnar = replace(anatomy.nerves["ulnar"], mdc=None)
    muscles = dict(anatomy.muscles) | {"adm": Muscle(text="abductor digiti minimi")}
    return replace(anatomy, nerves=dict(anatomy.nerves) | {"ulnar": ulnar}, muscles=muscles)


@pytest.mark.parametrize(
    ("recording", "place"),
    [
        (curved(), "motor ulnar right adm wrist: recording_site"),
        (curved(recording_site="fdi"), "motor ulnar right fdi wrist: nerve"),
        (sensory(waveform=cmap()), "sensory ulnar right digit_5 wrist: nerve"),
    ],
)
def test_a_muscle_or_nerve_without_a_code_is_refused(recording: Recording, place: str) -> None:
    with pytest.raises(DataError) as caught:
        write(study(recording), without_codes())
    assert str(caught.value) == f"{place}: the anatomy has no MDC code for it"


def read_back(given_study: Study, encoding: Encoding) -> Study:
    """The study that its files fold into."""
    around = Reading(anatomy=reference().anatomy, polarity=encoding.polarity)
    documents = [reading.read(file, around) for file in files(given_study, encoding)]
    assert all(document.notices == () for document in documents)
    headers = [document.study.header for document in documents]
    assert all(found == headers[0] for found in headers)
    return Study(
        header=headers[0],
        recordings=tuple(entry for document in documents for entry in document.study.recordings),
    )


def carried(recording: Recording) -> Recording:
    """The recording as DICOM can carry it: with a curve, without -2^31, a time by its offset in digits."""
    curve = recording.waveform or cmap()
    samples = np.maximum(curve.samples, -(2**31) + 1)
    kept = Waveform(
        sampling_rate_hz=curve.sampling_rate_hz,
        start_ms=curve.start_ms,
        microvolts_per_count=curve.microvolts_per_count,
        samples=samples,
    )
    nothing = MotorMarks() if recording.modality is Modality.MOTOR else SensoryMarks()
    at = recording.recorded_at
    return replace(
        recording,
        waveform=kept,
        measured=None if recording.measured == nothing else recording.measured,
        recorded_at=datetime.fromisoformat(at).isoformat() if at else None,
    )


@settings(max_examples=60)
@given(
    st.lists((motor_recordings | sensory_recordings).map(carried), min_size=1, max_size=3),
    ENCODINGS,
    st.booleans(),
)
def test_what_is_written_reads_back_to_the_same_study(
    recordings: list[Recording], encoding: Encoding, simulated: bool
) -> None:
    wanted = Study(header=header(study_id=UID, simulated=simulated), recordings=tuple(recordings))
    assert read_back(wanted, encoding) == wanted


@pytest.mark.parametrize("given_study", [full_study(), bare_study(study_id=UID)], ids=["full", "bare"])
@pytest.mark.parametrize("syntax", profile.TRANSFER_SYNTAXES)
def test_everything_known_reads_back(given_study: Study, syntax: str) -> None:
    assert read_back(given_study, Encoding(transfer_syntax=syntax)) == given_study


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\\^=")
words = st.none() | st.text(LETTERS, min_size=1, max_size=16).map(str.strip).filter(bool)


@given(
    patient=st.builds(Patient, id=words, family=words, given=words),
    order=st.builds(Order, placer=words, accession=words),
    device=st.builds(Device, serial=words.filter(lambda word: word != "unknown")),
    operator=words,
)
def test_any_text_that_is_not_refused_reads_back(
    patient: Patient, order: Order, device: Device, operator: str | None
) -> None:
    recording = carried(curved(operator=operator))
    wanted = Study(
        header=header(study_id=UID, patient=patient, order=order, device=device), recordings=(recording,)
    )
    assert read_back(wanted, Encoding()) == wanted
