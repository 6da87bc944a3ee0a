import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword

from fuzz.seeds import seeds
from fuzz.targets import dicom
from gateway.domain.limits import Limits
from gateway.domain.study import Study
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom import FORMAT
from tests.dicom_files import BIG_ENDIAN, EXPLICIT, IMPLICIT, ULNAR, channel, emg, file, group, said, ulnar
from tests.factories import reference
from tests.hostile.damage import damaged, flips
from tests.hostile.effort import calls, grows_no_faster, peak

ANATOMY = reference().anatomy
FORMS: dict[str, Callable[[], bytes]] = {
    "explicit": lambda: file(emg(), syntax=EXPLICIT),
    "implicit": lambda: file(emg(), syntax=IMPLICIT),
    "big endian": lambda: file(emg(group(order=">")), syntax=BIG_ENDIAN),
    "undefined lengths": lambda: file(emg(), undefined_length=True),
}
SEEDS = [*seeds("dicom"), *(make() for make in FORMS.values())]


def read(data: bytes, limits: Limits = Limits()) -> Study:  # noqa: B008  # frozen
    return FORMAT.read(data, Reading(anatomy=ANATOMY, limits=limits)).study


def refused(data: bytes, limits: Limits = Limits()) -> str:  # noqa: B008  # frozen
    with pytest.raises(DataError) as caught:
        read(data, limits)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 1000
    return told


def element(keyword: str, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian, with the length it claims."""
    tag = tag_for_keyword(keyword) or 0
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return (
        head
        + (struct.pack("<HI", 0, size) if vr in (b"SQ", b"OW", b"UN") else struct.pack("<H", size))
        + value
    )


@given(st.binary(max_size=400) | damaged(SEEDS))
def test_whatever_comes_is_a_study_that_can_be_kept_or_our_error(data: bytes) -> None:
    dicom(data)


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS.keys())
def test_a_file_cut_off_anywhere_is_refused(make: Callable[[], bytes]) -> None:
    data = make()
    for end in range(len(data)):
        refused(data[:end])


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS.keys())
def test_one_flipped_bit_gives_a_study_or_our_error(make: Callable[[], bytes]) -> None:
    for bad in flips(make())[128 * 8 :]:  # the preamble means nothing
        dicom(bad)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 1_000_000])
@pytest.mark.parametrize("vr", [b"SQ", b"OW", b"UN"])
def test_a_length_that_nothing_stands_behind_is_not_believed(vr: bytes, length: int) -> None:
    data = file() + element("WaveformData", vr, b"\0" * 8, length)
    assert peak(lambda: refused(data)) < 1_000_000


@pytest.mark.parametrize("length", [None, 0xFFFFFFFF])
def test_nesting_has_an_end(length: int | None) -> None:
    inner = b""
    for _ in range(2000):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner) if length is None else length) + inner
        inner = element("WaveformSequence", b"SQ", item, length)
    meta = file()[: file().index(element("SOPClassUID", b"UI", b"")[:6])]
    assert "nested more than" in refused(meta + inner)


def test_millions_of_empty_items_are_not_made() -> None:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000
    data = file() + element("WaveformSequence", b"SQ", items)
    assert refused(data)
    assert peak(lambda: refused(data)) < 100_000_000


@pytest.mark.parametrize("samples", [0, 1, 2, 5, 7, 1_000_001, 2**32 - 1])
def test_a_number_of_samples_that_are_not_there_is_refused(samples: int) -> None:
    data = file(emg(group(NumberOfWaveformSamples=samples)))
    assert "WaveformSequence[0]." in refused(data)
    assert peak(lambda: refused(data)) < 1_000_000


def test_a_waveform_longer_than_a_sweep_can_be_is_refused_with_its_place() -> None:
    assert read(file(), Limits(sweep_samples=6)).recordings
    told = refused(file(), Limits(sweep_samples=5))
    assert told == "WaveformSequence[0].NumberOfWaveformSamples: must be 2 to 5"


def test_the_reader_keeps_to_the_size_it_is_given() -> None:
    assert "larger than 800 bytes" in refused(file(), Limits(document_bytes=800))


@pytest.mark.parametrize("number", ["1e300", "1e999", "-1e300", "1e-400", "NaN", "9" * 5000])
@pytest.mark.parametrize(
    "place",
    [
        "SamplingFrequency",
        "TriggerTimeOffset",
        "MultiplexGroupTimeOffset",
        "ChannelSensitivity",
        "ChannelBaseline",
    ],
)
def test_a_number_nobody_means_is_taken_as_it_is_or_refused(place: str, number: str) -> None:
    wrong = {place: number}
    made = group(channel(**wrong)) if place.startswith("Channel") else group(**wrong)
    dicom(file(emg(made, AcquisitionDateTime="20261102101500")))


@pytest.mark.parametrize("number", ["1e300", "1e999", "-1", "NaN", "0"])
def test_sweeps_nobody_could_average_are_refused(number: str) -> None:
    refused(file(emg(annotations=[*ulnar(), said("AVERAGES", number=number, unit="1")])))


@pytest.mark.parametrize("offset", ["3e12", "2.5e14", "1e300", "-9e13"])
def test_a_time_that_has_no_equal_in_another_zone_is_refused(offset: str) -> None:
    made = emg(
        group(MultiplexGroupTimeOffset=offset),
        AcquisitionDateTime="20991231235959",
        TimezoneOffsetFromUTC="-1200",
    )
    told = refused(file(made))
    assert told == "AcquisitionDateTime: there is no such date or time"


def test_effort_grows_with_the_file() -> None:
    def cost(count: int) -> int:
        numbers = range(1, count + 1)
        nerves = [said("NERVE", coded=ULNAR["right"], channels=[number, 0]) for number in numbers]
        sites = [said("STIM-SITE", text="wrist", channels=[number, 0]) for number in numbers]
        data = file(emg(*(group() for _ in numbers), annotations=[*nerves, *sites]))
        assert len(read(data).recordings) == count
        return calls(lambda: read(data))

    assert grows_no_faster(cost, 20)
