from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import Limits
from gateway.domain.recording import Recording
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.lis import FORMAT
from gateway.protocols.lis_records import encode_study
from tests.factories import motor, reference, sensory, study
from tests.strategies import motor_recordings, sensory_recordings

ANATOMY = reference().anatomy
READING = Reading(anatomy=ANATOMY)
WHOLE = study(motor("wrist"), motor("below_elbow"), sensory())


def written(*recordings: Recording, **changes: object) -> bytes:
    (content,) = FORMAT.write(study(*recordings, **changes), ANATOMY)
    return content


def fits(recording: Recording) -> bool:
    """Whether LIS records can carry it: 16 bits a sample, something measured."""
    try:
        encode_study(study(recording))
    except DataError:
        return False
    return True


@given(st.lists((motor_recordings | sensory_recordings).filter(fits), min_size=1, max_size=3))
def test_what_is_written_is_known_by_its_start_and_reads_back(recordings: list[Recording]) -> None:
    content = written(*recordings)

    assert FORMAT.sniff(content[:512])
    assert len(FORMAT.read(content, READING).study.recordings) == len(recordings)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n\r\n"])
def test_records_end_with_cr_lf_or_both(end: bytes) -> None:
    content = written(*WHOLE.recordings).replace(b"\r", end)

    found = FORMAT.read(content, READING)

    assert found.study == replace(WHOLE, ended=True)
    assert found.notices == ()


@pytest.mark.parametrize("start", [b"", b"H", b"H|", b"HALLO", b"{}", b"\x05\x021H|\\^&", b"P|1|"])
def test_something_else_is_not_taken_for_records(start: bytes) -> None:
    assert not FORMAT.sniff(start)


def test_what_could_not_be_used_is_told_with_its_place() -> None:
    content = written(motor("wrist"), motor("below_elbow")).replace(b"CMAP-AMP|9.0|mV", b"CMAP-AMP|9.0|V2", 1)

    found = FORMAT.read(content, READING)

    assert [entry.stimulation_site for entry in found.study.recordings] == ["below_elbow"]
    (notice,) = found.notices
    assert notice.startswith("record 6 (R|2): R-4 CMAP-AMP: the unit must be one of")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no recording in it"),
        (b"H|\\\\^&|||\r", "H-2: declares"),
        (b"L|1|N\r", "no recording in it"),
        (written(motor("wrist")) + written(motor("wrist"), study_id="S-2"), "more than one study"),
    ],
)
def test_a_file_without_a_study_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        FORMAT.read(content, READING)


@pytest.mark.parametrize("cut", [2, 7, 15])
def test_a_last_record_that_is_cut_off_is_not_believed(cut: int) -> None:
    whole = written(motor("wrist"), motor("below_elbow")).removesuffix(b"L|1|N\r")

    found = FORMAT.read(whole[:-cut], READING)

    assert [entry.stimulation_site for entry in found.study.recordings] == ["wrist"]
    assert "the file ends in the middle of a record" in found.notices[0]


def test_the_end_of_the_message_needs_no_end_of_its_own() -> None:
    assert FORMAT.read(written(*WHOLE.recordings)[:-1], READING).notices == ()


def test_sizes_are_limited() -> None:
    content = written(*WHOLE.recordings)

    with pytest.raises(DataError, match="larger than 100 bytes"):
        FORMAT.read(content, replace(READING, limits=Limits(document_bytes=100)))
    with pytest.raises(DataError, match="a record of more than 58 bytes"):
        FORMAT.read(content, replace(READING, limits=Limits(record_bytes=58)))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_garbage_gives_a_study_or_our_error(garbage: bytes, at: int) -> None:
    content = written(*WHOLE.recordings)
    for damaged in (garbage, content[:at] + garbage + content[at:], content[:at]):
        try:
            FORMAT.read(damaged, READING)
        except DataError as error:
            assert str(error)  # noqa: PT017
