"""The bytes of a file: every way of writing them down, and every way of damaging them."""

import logging
import re
import struct
from contextlib import suppress
from pathlib import Path

import pydicom.data
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom.elements import DataSet
from gateway.formats.dicom.reading import read
from gateway.formats.dicom.structure import parse
from tests.dicom_files import BIG_ENDIAN, EXPLICIT, IMPLICIT, channel, emg, file, group, put, said, ulnar
from tests.factories import reference

READING = Reading(anatomy=reference().anatomy)
SMALL = file(emg(group(stored=[[1, 2, 3]])), undefined_length=True)
OPENED = file(emg(group(stored=[[1, 2, 3]])))


def explicit(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian with a length of four bytes."""
    head = struct.pack("<HH2s2x", tag >> 16, tag & 0xFFFF, vr)
    return head + struct.pack("<L", len(value) if length is None else length) + value


def item(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content) if length is None else length) + content


ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
UNDEFINED = 0xFFFFFFFF
WAVEFORM_SEQUENCE = 0x54000100
UNKNOWN_SEQUENCE = 0x00091010


def bare(content: bytes, syntax: str = EXPLICIT) -> bytes:
    """A file of File Meta Information and `content`."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid + content


@pytest.mark.parametrize(("syntax", "order"), [(IMPLICIT, "<"), (EXPLICIT, "<"), (BIG_ENDIAN, ">")])
@pytest.mark.parametrize("undefined_length", [True, False])
def test_every_encoding_is_the_same_study(syntax, order, undefined_length):
    made = emg(group(channel(), channel(), interpretation="SL", order=order))
    found = read(file(made, syntax=syntax, undefined_length=undefined_length), READING)
    wanted = read(file(emg(group(channel(), channel()))), READING)
    assert found == wanted


def compare(ours: DataSet, theirs: Dataset) -> None:
    """The same elements with the same bytes, in the items of sequences too."""
    assert ours.elements.keys() == set(theirs.keys())
    for tag, value in ours.elements.items():
        element = theirs.get_item(tag)
        if isinstance(value, tuple):
            for item_of_ours, item_of_theirs in zip(value, theirs[tag].value, strict=True):
                compare(item_of_ours, item_of_theirs)
        elif isinstance(element, RawDataElement):
            assert bytes(value) == (element.value or b"")


@pytest.mark.filterwarnings("ignore")  # pydicom's, of its own files
def test_real_files_are_what_pydicom_takes_them_for():
    compared = set()
    for path in Path(pydicom.data.__file__).parent.rglob("test_files/*.dcm"):
        with suppress(DataError):  # compressed or cut off
            compare(parse(path.read_bytes()), pydicom.dcmread(path))
            compared.add(path.name)
    assert compared > {"waveform_ecg.dcm", "CT_small.dcm", "ExplVR_BigEnd.dcm", "rtplan.dcm"}


def test_refuses_what_is_no_dicom_file():
    for data in (b"", b"DICM", bytes(132), bytes(200)):
        with pytest.raises(DataError, match=r"^not a DICOM file: DICM is missing"):
            parse(data)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.2.1.99",  # deflated
        "1.2.840.10008.1.2.4.50",  # JPEG
        "1.2.840.113619.5.2",  # private
        "",
        "\x00",
        "1.2.840.10008.1.2.1\\1.2.840.10008.1.2.1",
    ],
)
def test_refuses_other_transfer_syntaxes_and_names_those_it_takes(uid):
    taken = "Implicit VR Little Endian, Explicit VR Little Endian, Explicit VR Big Endian"
    wanted = f"^TransferSyntaxUID: must be one of {taken}"
    with pytest.raises(DataError, match=wanted):
        parse(bare(b"", uid))


def test_refuses_a_file_without_a_transfer_syntax():
    with pytest.raises(DataError, match=r"^TransferSyntaxUID: must be one of"):
        parse(bytes(128) + b"DICM" + explicit(WAVEFORM_SEQUENCE, b"SQ", b""))
    with pytest.raises(DataError, match=r"^TransferSyntaxUID: must be one of"):
        parse(bytes(128) + b"DICM" + explicit(0x00020010, b"SQ", SEQUENCE_END, UNDEFINED))


@pytest.mark.parametrize("data", [SMALL, OPENED], ids=["undefined lengths", "lengths"])
def test_refuses_every_file_that_is_cut_off(data):
    for end in range(len(data)):
        with pytest.raises(DataError):
            read(data[:end], READING)


def test_refuses_what_follows_the_last_element():
    with pytest.raises(DataError, match="cut off or damaged at byte"):
        read(SMALL + b"\0", READING)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (explicit(WAVEFORM_SEQUENCE, b"SQ", b"", 0xFFFFFFF0), "an element ends behind the end"),
        (explicit(WAVEFORM_SEQUENCE, b"SQ", item(b"", 0xFFFFFFF0)), "an element ends behind the end"),
        (explicit(UNKNOWN_SEQUENCE, b"OB", b"", 0x7FFFFFFF), "an element ends behind the end"),
        (explicit(WAVEFORM_SEQUENCE, b"SQ", item(b""), UNDEFINED), "an element ends behind the end"),
        (explicit(WAVEFORM_SEQUENCE, b"SQ", item(b"", UNDEFINED)), "an element ends behind the end"),
        (explicit(UNKNOWN_SEQUENCE, b"OB", SEQUENCE_END, UNDEFINED), "a value has no length"),
        (explicit(UNKNOWN_SEQUENCE, b"??", b""), "an element has no known value representation"),
        (explicit(UNKNOWN_SEQUENCE, b"OB", b"") * 2, "an element is there twice"),
        (explicit(WAVEFORM_SEQUENCE, b"SQ", bytes(8)), "an item of a sequence was expected"),
        (explicit(WAVEFORM_SEQUENCE, b"SQ", SEQUENCE_END), "an item of a sequence was expected"),
        (explicit(WAVEFORM_SEQUENCE, b"SQ", item(ITEM_END)), "an item ends before its length"),
        (ITEM_END, "an item ends before its length"),
    ],
)
def test_refuses_a_broken_structure(content, reason):
    with pytest.raises(DataError, match=f"cut off or damaged at byte [0-9]+: {reason}"):
        parse(bare(content))


def test_names_where_the_structure_is_broken():
    broken = explicit(WAVEFORM_SEQUENCE, b"SQ", item(explicit(0x003A0200, b"SQ", item(b"", 9))))
    with pytest.raises(DataError) as refused:
        parse(bare(broken))
    assert refused.value.place == "WaveformSequence[0].ChannelDefinitionSequence[0]"


@pytest.mark.parametrize("length", [None, UNDEFINED])
def test_refuses_sequences_without_end(length):
    content = b""
    for _ in range(40):
        end = b"" if length is None else ITEM_END
        content = explicit(
            WAVEFORM_SEQUENCE, b"SQ", item(content + end, length) + (SEQUENCE_END if end else b""), length
        )
    with pytest.raises(DataError, match="nested more than 16 deep"):
        parse(bare(content))


def test_as_deep_as_it_may_be_nested():
    content = b""
    for _ in range(16):
        content = explicit(WAVEFORM_SEQUENCE, b"SQ", item(content))
    parse(bare(content + explicit(0x54001010, b"OW", b"")))


def test_refuses_more_elements_than_an_examination_has():
    with pytest.raises(DataError, match="more than 100000 elements"):
        parse(bare(explicit(WAVEFORM_SEQUENCE, b"SQ", item(b"") * 110_000)))


def test_a_private_element_may_hold_anything():
    content = explicit(0x00091011, b"SQ", b"what is not a sequence") + explicit(
        0x00091012, b"UN", b"\xff" * 7
    )
    assert read(bare(content + SMALL[SMALL.index(b"\x08\x00\x16\x00") :]), READING) == read(SMALL, READING)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_passes_over_unknown_sequences_of_undefined_length(syntax):
    made = emg(group(order=">" if syntax == BIG_ENDIAN else "<"))
    made.private_block(0x0009, "SOMEBODY", create=True).add_new(1, "SQ", [put(Dataset(), PatientName="A^B")])
    assert (
        read(file(made, syntax=syntax, undefined_length=True), READING).study == read(file(), READING).study
    )


def test_an_unknown_element_of_undefined_length_is_a_sequence_in_implicit_little_endian():
    inside = struct.pack("<HHL", 0x0010, 0x0010, 4) + b"A^B "
    known = explicit(UNKNOWN_SEQUENCE, b"UN", item(inside, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    found = parse(bare(known)).elements[UNKNOWN_SEQUENCE]
    assert isinstance(found, tuple)
    assert found[0].text("PatientName") == "A^B"
    assert found[0].place == "an unknown sequence[0]"


def test_a_sequence_is_no_value_and_a_value_no_sequence():
    holder = parse(
        bare(explicit(0x00080016, b"UN", SEQUENCE_END, UNDEFINED) + explicit(WAVEFORM_SEQUENCE, b"UN", b"x"))
    )
    with pytest.raises(DataError, match=r"^SOPClassUID: is a sequence, a value was expected"):
        holder.text("SOPClassUID")
    with pytest.raises(DataError, match=r"^WaveformSequence: is a value, a sequence was expected"):
        holder.items("WaveformSequence")


def test_an_empty_value_is_an_empty_sequence():
    holder = parse(bare(explicit(WAVEFORM_SEQUENCE, b"UN", b"")))
    assert holder.items("WaveformSequence") == ()


def test_only_attributes_of_the_table_can_be_read():
    with pytest.raises(KeyError):
        parse(SMALL).text("PatientAddress")


def message(data: bytes) -> str:
    """Why a file is refused, "" when it is not; anything but a DataError fails the test."""
    try:
        read(data, READING)
    except DataError as error:
        return str(error)
    return ""


CANARY = file(
    emg(
        group(channel(ChannelStatus="CANARY"), channel(ChannelLabel="CANARY"), stored=[[1, 2], [3, 4]]),
        annotations=[*ulnar(), said("OPERATOR", text="CANARY"), said("CMAP-AMP", number="9", unit="mV")],
        context=[said("UMN-SIGNS", text="N", context=True)],
        PatientName="CANARY^CANARY",
        PatientID="CANARY",
        PatientBirthDate="19710305",
        SpecificCharacterSet="ISO_IR 100",
        AcquisitionDateTime="20261102101503",
        MultiplexGroupLabel="CANARY",
    ),
    undefined_length=True,
)
assert b"CANARY" in CANARY


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(132, len(CANARY) - 1), st.integers(0, 7)), min_size=1, max_size=4))
def test_flipped_bits_give_a_study_or_a_data_error(flips):
    data = bytearray(CANARY)
    for position, bit in flips:
        data[position] ^= 1 << bit
    assert not re.search("\n|CANARY", message(bytes(data)))


@given(st.integers(132, len(CANARY)), st.binary(max_size=12), st.integers(0, 12))
def test_inserted_and_lost_bytes_give_a_study_or_a_data_error(position, inserted, lost):
    damaged = CANARY[:position] + inserted + CANARY[position + lost :]
    assert not re.search("\n|CANARY", message(damaged))


@given(st.binary(max_size=300), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN]))
@example(b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 40, IMPLICIT)
def test_random_bytes_give_a_data_error(content, syntax):
    for data in (content, bare(content, syntax)):
        with pytest.raises(DataError):
            read(data, READING)


@pytest.mark.parametrize("vr", [b"OB", b"UN"])
def test_big_endian_samples_have_an_order(vr):
    data = file(emg(group(order=">")), syntax=BIG_ENDIAN)
    assert read(data, READING).study.recordings
    head = b"\x54\x00\x10\x10"
    assert head + b"OW" in data
    with pytest.raises(DataError, match="samples of Big Endian files must have the value representation OW"):
        read(data.replace(head + b"OW", head + vr), READING)


def test_nothing_is_logged(caplog):
    made = emg(SpecificCharacterSet="ISO_IR 100", PatientBirthDate="CANARY", PatientSex="CANARY")
    data = file(put(made, PatientName="CANARYé")).replace(b"ISO_IR 100", b"CANARYCANA")
    with caplog.at_level(logging.DEBUG):
        found = read(data, READING)
    assert caplog.records == []
    assert len(found.notices) == 3
    assert not any("CANARY" in notice for notice in found.notices)
