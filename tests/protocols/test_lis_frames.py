import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols.lis_frames import (
    MAX_FRAME,
    OVERHEAD,
    Control,
    Defective,
    Deframer,
    Frame,
    Piece,
    cut,
    decode_frame,
    encode_frame,
)

TEXT = st.binary(max_size=300).map(lambda raw: bytes(byte for byte in raw if byte >= 0x20 or byte == 0x0D))
# Everything that means something to a deframer, and a little that does not
CONFUSING = st.lists(
    st.sampled_from([b"\x02", b"\x03", b"\x04", b"\x05", b"\x17", b"\r", b"\n", b"1", b"A", b"3F", b"\xff"])
    | st.just(encode_frame(Frame(1, b"R|1", last=True))),
    max_size=40,
).map(b"".join)


def pieces(deframer: Deframer, *reads: bytes) -> list[Piece]:
    found = []
    for data in reads:
        deframer.feed(data)
        while (piece := deframer.next_piece()) is not None:
            found.append(piece)
    return found


def test_the_checksum_of_a_frame_in_the_field():
    raw = (
        b"\x025R|2|^^^1.0000+950+1.0|15|||^5^||V||34001637|20080516153540|20080516153602|34001637\r\x033D\r\n"
    )
    assert encode_frame(decode_frame(raw)) == raw


@given(st.integers(0, 7), TEXT, st.booleans())
def test_a_frame_reads_back(number: int, text: bytes, last: bool):
    frame = Frame(number, text, last)
    assert decode_frame(encode_frame(frame)) == frame


@given(TEXT.filter(bool), st.integers(1, 80))
def test_a_cut_record_joins_again(record: bytes, size: int):
    texts = list(cut(record, size))
    assert b"".join(text for text, _ in texts) == record
    assert [last for _, last in texts] == [False] * (len(texts) - 1) + [True]


@pytest.mark.parametrize("text", [b"\n", b"a\x02", b"\x17b", b"\x11", b"x" * (MAX_FRAME - OVERHEAD + 1)])
def test_what_cannot_be_framed_is_refused(text: bytes):
    with pytest.raises(DataError, match="frame 3"):
        encode_frame(Frame(3, text, last=True))


@given(st.data())
def test_one_changed_bit_is_noticed(data: st.DataObject):
    frame = Frame(2, data.draw(TEXT), last=False)
    raw = bytearray(encode_frame(frame))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert decode_frame(bytes(raw)) == frame  # a checksum digit in lower case
    except DataError as error:
        assert error.place.startswith("frame")  # noqa: PT017  # either outcome is right


@given(st.binary(max_size=600))
def test_garbage_raises_only_our_error(raw: bytes):
    with contextlib.suppress(DataError):
        decode_frame(raw)


@given(CONFUSING, st.lists(st.integers(0, 200)))
def test_pieces_do_not_depend_on_how_the_bytes_arrive(stream: bytes, cuts: list[int]):
    edges = [0, *sorted(min(at, len(stream)) for at in cuts), len(stream)]
    reads = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert pieces(Deframer(60), *reads) == pieces(Deframer(60), stream)


@given(st.lists(st.binary(max_size=500), max_size=30))
def test_no_more_than_a_frame_is_held(reads: list[bytes]):
    deframer = Deframer(100)
    for data in reads:
        pieces(deframer, b"\x02" + data)
        assert len(deframer) <= 100


def test_a_frame_that_never_ends_is_refused_once_when_it_does():
    deframer = Deframer(100)
    assert pieces(deframer, b"\x021" + b"x" * 90, b"x" * 90, b"x" * 90) == []
    assert pieces(deframer, b"\x03AA\r\n") == [Defective("frame: longer than 100 characters")]
    assert pieces(deframer, encode_frame(Frame(1, b"", last=True))) == [Frame(1, b"", last=True)]


def test_a_frame_that_is_too_long_is_refused_at_once_when_it_comes_whole():
    raw = encode_frame(Frame(1, b"x" * 94, last=True))
    assert pieces(Deframer(101), raw) == [Frame(1, b"x" * 94, last=True)]
    assert pieces(Deframer(100), raw) == [Defective("frame: longer than 100 characters")]


def test_a_frame_without_its_stx_is_refused_and_stray_line_ends_are_not():
    headless = encode_frame(Frame(1, b"R|1", last=True))[1:]
    assert pieces(Deframer(), b"\r\n\x00", headless, b"\r\n") == [
        Defective("frame: it does not begin with STX")
    ]


def test_a_lost_line_feed_does_not_swallow_what_follows():
    raw = encode_frame(Frame(1, b"R|1", last=True))
    assert pieces(Deframer(), raw[:-1]) == []
    defective, eot = pieces(Deframer(), raw[:-1] + b"\x04")
    assert isinstance(defective, Defective)
    assert eot is Control.EOT


def test_a_new_bid_for_the_line_ends_a_half_frame():
    assert pieces(Deframer(), b"\x021H|", b"\x04", b"\x05") == [Control.RESTART]


@pytest.mark.parametrize(
    ("data", "filling"),
    [(b"\x021H", 3), (b"1H", 0), (b"\x021H\x05", 0), (b"\x021H\x04", 0), (b"\x02" * 99, 0)],
)
def test_only_a_frame_that_may_still_turn_out_well_is_progress(data: bytes, filling: int):
    deframer = Deframer(50)
    assert pieces(deframer, data) == []
    assert deframer.filling == filling


def test_at_rest_only_an_enquiry_is_heard():
    deframer = Deframer()
    deframer.feed(encode_frame(Frame(1, b"R|1", last=True)) + b"\x04")
    assert not deframer.next_enquiry()
    assert len(deframer) == 0
    deframer.feed(b"noise\x05\x021")
    assert deframer.next_enquiry()
    assert len(deframer) == 2
    deframer.clear()
    assert len(deframer) == 0
