import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols.mllp import MAX_NOISE, NEED_DATA, MllpReader, frame

BLOCK = st.binary(max_size=80).map(lambda raw: raw.replace(b"\x0b", b"").replace(b"\x1c", b""))
NOISE = st.binary(max_size=10).map(lambda raw: raw.replace(b"\x0b", b""))


def blocks(reader: MllpReader, *reads: bytes) -> list[bytes]:
    found = []
    for data in reads:
        reader.receive(data)
        while (block := reader.next_block()) is not NEED_DATA:
            found.append(block)
    return found


def test_a_block_stands_between_vt_and_fs_cr():
    assert frame(b"MSH|") == b"\x0bMSH|\x1c\r"


@pytest.mark.parametrize("char", [b"\x0b", b"\x1c"])
def test_framing_characters_cannot_stand_in_a_block(char):
    with pytest.raises(DataError, match="MLLP"):
        frame(b"a" + char)


@given(st.lists(BLOCK, max_size=5), st.data())
def test_blocks_come_out_as_they_went_in_at_any_split(sent, data):
    stream = b"".join(frame(block) for block in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert blocks(MllpReader(), *reads) == sent


def test_every_split_point_of_two_messages():
    stream = frame(b"one") + frame(b"two")
    for cut in range(len(stream) + 1):
        assert blocks(MllpReader(), stream[:cut], stream[cut:]) == [b"one", b"two"]


@given(st.lists(st.tuples(NOISE, BLOCK), max_size=5))
def test_what_stands_between_blocks_is_dropped(pairs):
    stream = b"".join(noise + frame(block) for noise, block in pairs)
    assert blocks(MllpReader(), stream) == [block for _, block in pairs]


def test_nothing_yet_is_not_an_empty_block():
    reader = MllpReader()
    assert reader.next_block() is NEED_DATA
    assert blocks(reader, b"\x0b") == []
    assert blocks(reader, b"\x1c\r") == [b""]


def test_a_sender_that_leaves_out_the_cr_is_understood():
    assert blocks(MllpReader(), b"\x0bone\x1c", b"\x0btwo\x1c\n") == [b"one", b"two"]


def test_a_sender_that_begins_again_loses_only_what_it_did_not_finish():
    assert blocks(MllpReader(), b"\x0bhal", b"f\x0bwhole", b"\x1c\r") == [b"whole"]


@pytest.mark.parametrize("stream", [b"\x0b" + b"a" * 11, frame(b"a" * 11), b"\x0bab\x0b" + b"a" * 11])
def test_a_block_that_is_too_long_is_an_error_and_stays_one(stream):
    reader = MllpReader(max_block=10)
    reader.receive(stream)
    for _ in range(2):
        with pytest.raises(DataError, match="more than 10 bytes"):
            reader.next_block()


def test_a_block_of_just_the_longest_size_passes():
    reader = MllpReader(max_block=10)
    assert blocks(reader, *(bytes([byte]) for byte in frame(b"a" * 10))) == [b"a" * 10]


def test_noise_without_end_is_an_error_and_stays_one():
    reader = MllpReader()
    reader.receive(b"x" * MAX_NOISE)
    assert reader.next_block() is NEED_DATA
    reader.receive(b"x")
    for _ in range(2):
        with pytest.raises(DataError, match="this is not MLLP"):
            reader.next_block()


def test_a_peer_may_keep_the_line_alive_with_nuls_for_ever():
    reader = MllpReader()
    for _ in range(3):
        assert blocks(reader, b"\x00" * MAX_NOISE) == []
    assert blocks(reader, frame(b"one")) == [b"one"]


def test_noise_is_counted_from_the_last_block():
    reader = MllpReader()
    for _ in range(3):
        assert blocks(reader, b"x" * MAX_NOISE, frame(b"one")) == [b"one"]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_gives_blocks_or_a_data_error(reads):
    with contextlib.suppress(DataError):
        assert all(len(block) <= 20 for block in blocks(MllpReader(max_block=20), *reads))
