"""Annotations and acquisition context: what is ours, for whom it is, and what it says."""

import pytest
from pydicom.dataset import Dataset

from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom.annotations import read_annotations, read_context
from gateway.formats.dicom.profile import CURRENT, DISTANCE, OPERATOR, SUPRAMAXIMAL, UMN_SIGNS
from gateway.formats.dicom.reading import read
from gateway.formats.dicom.structure import parse
from tests.dicom_files import code, emg, file, put, said, ulnar
from tests.factories import reference

READING = Reading(anatomy=reference().anatomy)
ITEM = "WaveformAnnotationSequence[0]"


def of(*annotations, groups=(2, 1)):
    """What is said of each channel of groups with so many channels."""
    found = read_annotations(parse(file(emg(annotations=annotations))), groups)
    return {(g, c): found.of(g, c) for g, count in enumerate(groups, 1) for c in range(1, count + 1)}


def refused(annotation, place, reason):
    with pytest.raises(DataError) as error:
        of(annotation)
    assert error.value.place == f"{ITEM}.{place}"
    assert reason in error.value.reason


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ([1, 1], {(1, 1)}),
        ([1, 0], {(1, 1), (1, 2)}),
        ([2, 1], {(2, 1)}),
        ([2, 0], {(2, 1)}),
        ([1, 2, 2, 0], {(1, 2), (2, 1)}),
        ([1, 1, 1, 1], {(1, 1)}),
    ],
)
def test_an_annotation_is_for_the_channels_it_names(channels, told):
    found = of(said("DISTANCE", number="70", unit="mm", channels=channels))
    assert {target for target, notes in found.items() if notes.number(DISTANCE) == 70.0} == told


def test_one_for_the_channel_wins_over_one_for_the_group():
    for both in (([1, 0], "70", [1, 2], "80"), ([1, 2], "80", [1, 0], "70")):
        first, second = said("DISTANCE", number=both[1], unit="mm", channels=both[0]), both[2:]
        found = of(first, said("DISTANCE", number=second[1], unit="mm", channels=second[0]))
        assert [found[1, 1].number(DISTANCE), found[1, 2].number(DISTANCE)] == [70.0, 80.0]


@pytest.mark.parametrize(
    "channels", [[0, 0], [3, 0], [3, 1], [1, 3], [2, 2], [65535, 65535], [1], [1, 0, 1], None]
)
def test_refuses_channels_that_are_not_there(channels):
    refused(said("DISTANCE", number="70", unit="mm", channels=channels), "ReferencedWaveformChannels", "")


def test_refuses_more_channels_than_there_are():
    refused(
        said("OPERATOR", text="x", channels=[1, 0] * 6),
        "ReferencedWaveformChannels",
        "more groups and channels",
    )


def test_said_twice_alike_is_fine():
    found = of(said("DISTANCE", number="70", unit="mm"), said("DISTANCE", number="7.0", unit="cm"))
    assert found[1, 1].number(DISTANCE) == 70.0


@pytest.mark.parametrize(
    "pair",
    [
        (said("DISTANCE", number="70", unit="mm"), said("DISTANCE", number="71", unit="mm")),
        (said("OPERATOR", text="a"), said("OPERATOR", text="b")),
    ],
)
def test_said_twice_differently_is_refused(pair):
    with pytest.raises(
        DataError, match=r"^WaveformAnnotationSequence\[1\]: contradicts another [A-Z]+ of the same"
    ):
        of(*pair)


@pytest.mark.parametrize(
    "foreign",
    [
        said("DISTANCE", number="x", scheme="99OTHER", channels=[9, 9]),
        said("DISTANCE", number="x", scheme="99emggw"),
        said("F-WAVE", number="x", channels=None),
        said("distance", text="x"),
        put(Dataset(), UnformattedTextValue="RITMO SINUSALE", ReferencedWaveformChannels=[1, 0]),
        put(Dataset(), ConceptNameCodeSequence=[], UnformattedTextValue="x"),
        put(Dataset(), ConceptNameCodeSequence=[code("a"), code("b")]),
        put(Dataset(), ConceptNameCodeSequence=[Dataset()]),
        Dataset(),
    ],
)
def test_what_is_not_ours_is_left_alone(foreign):
    assert of(foreign)[1, 1] == {}


@pytest.mark.parametrize(
    ("number", "unit", "value"),
    [("38", "mA", 38.0), ("0.038", "A", 38.0), ("38000", "uA", 38.0), ("3.8E1", "mA", 38.0)],
)
def test_a_number_is_converted_to_our_unit(number, unit, value):
    assert of(said("STIM-CURRENT", number=number, unit=unit))[1, 1].number(CURRENT) == value


@pytest.mark.parametrize(
    ("annotation", "place", "reason"),
    [
        (said("STIM-CURRENT", number="38"), "MeasurementUnitsCodeSequence", "must be a unit of UCUM"),
        (
            said("STIM-CURRENT", number="38", MeasurementUnitsCodeSequence=[code("mA", "DCM")]),
            "MeasurementUnitsCodeSequence",
            "must be a unit of UCUM",
        ),
        (said("STIM-CURRENT", number="38", unit="mV"), "NumericValue", "the unit must be one of A, mA, uA"),
        (said("STIM-CURRENT", number="38", unit="1"), "NumericValue", "the unit must be one of A, mA, uA"),
        (said("STIM-CURRENT", number="-38", unit="mA"), "NumericValue", "out of range"),
        (said("STIM-CURRENT", number="3\\8", unit="mA"), "NumericValue", "not a decimal number"),
        (said("STIM-CURRENT", text="38", unit="mA"), "NumericValue", "is missing"),
        (
            said("AVERAGES", number="8", unit="mm"),
            "MeasurementUnitsCodeSequence",
            "must be 1 (UCUM) or missing",
        ),
        (said("NORESP", number="0"), "NumericValue", "must be 1"),
        (said("NORESP", number="2", unit="1"), "NumericValue", "must be 1"),
        (said("SUPRAMAX", text="yes"), "UnformattedTextValue", "must be one of Y, N, U"),
        (said("SUPRAMAX", number="1", unit="1"), "UnformattedTextValue", "is missing"),
        (said("NERVE", text="ulnar"), "ConceptCodeSequence", "is missing"),
    ],
)
def test_refuses_a_value_that_is_not_certain(annotation, place, reason):
    refused(annotation, place, reason)


@pytest.mark.parametrize("slip", [("SKIN-TEMP", "331", "Cel"), ("STIM-CURRENT", "38", "A")])
def test_a_slip_of_the_decimal_or_the_unit_is_refused(slip):
    name, number, unit = slip
    with pytest.raises(DataError):
        read(file(emg(annotations=[*ulnar(), said(name, number=number, unit=unit)])), READING)


def test_an_empty_value_says_nothing():
    made = emg(
        annotations=[
            *ulnar(),
            said("MONTAGE", text=""),
            said("OPERATOR", text=" "),
            said("STIM-CURRENT", number=" ", unit="mA"),
        ]
    )
    (found,) = read(file(made), READING).study.recordings
    assert (found.montage_id, found.operator, found.stimulus.intensity_ma) == (None, None, None)


def test_a_flag_may_be_in_small_letters():
    (found,) = read(file(emg(annotations=[*ulnar(), said("SUPRAMAX", text="y")])), READING).study.recordings
    assert found.stimulus.supramaximal is True


def test_values_are_of_their_kind():
    notes = of(said("OPERATOR", text="7"), said("DISTANCE", number="70", unit="mm"))[1, 1]
    assert (notes.text(OPERATOR), notes.number(OPERATOR)) == ("7", None)
    assert (notes.number(DISTANCE), notes.text(DISTANCE)) == (70.0, None)
    assert (notes.text(SUPRAMAXIMAL), notes.number(CURRENT)) == (None, None)


def test_a_text_may_hold_a_backslash():
    assert of(said("OPERATOR", text="a\\b"))[1, 1].text(OPERATOR) == "a\\b"


def test_the_context_is_of_the_whole_object():
    made = emg(context=[said("UMN-SIGNS", text="N", context=True), said("OTHER", text="x", context=True)])
    assert read_context(parse(file(made))).text(UMN_SIGNS) == "N"


def test_the_context_must_not_contradict_itself():
    made = emg(context=[said("UMN-SIGNS", text=text, context=True) for text in ("N", "Y")])
    with pytest.raises(DataError, match=r"^AcquisitionContextSequence\[1\]: contradicts another UMN-SIGNS"):
        read_context(parse(file(made)))
