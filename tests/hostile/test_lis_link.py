import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.seeds import seeds
from fuzz.targets import lis_frame, lis_link, lis_session
from gateway.protocols.lis_frames import ENQ, EOT, MAX_FRAME, Frame, encode_frame
from gateway.protocols.lis_link import FrameAccepted, Receiver, ReceiverEvent
from tests.hostile.damage import damaged, flips
from tests.hostile.effort import Watched, calls, grows_no_faster, watch

FRAMES = [encode_frame(Frame(number, text, last=True)) for number, text in enumerate((b"H|\r", b"R|1\r"), 1)]
MESSAGE = ENQ + b"".join(FRAMES) + EOT
TINY = [encode_frame(Frame(number % 8, b"", last=True)) for number in range(1, 9)]
READ_SIZE = 65_536  # what the transport hands on at most
FRAMES_MODULE = "gateway.protocols.lis_frames"
PATTERNS = ("_BETWEEN", "_FRAME_END")


def hear(receiver: Receiver, reads: Sequence[bytes]) -> list[ReceiverEvent]:
    """Feed `reads` as the driver does, with every frame stored and answered."""
    heard = []
    for data in reads:
        events = receiver.receive(data)
        while events:
            heard += events
            if receiver.pending:
                receiver.acknowledge()
            events = receiver.receive(b"")
    return heard


def texts(*reads: bytes) -> list[bytes]:
    return [event.text for event in hear(Receiver(), reads) if isinstance(event, FrameAccepted)]


def one_by_one(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


@given(st.binary(max_size=400) | damaged(list(seeds("lis_link"))))
def test_whatever_comes_is_heard_alike_in_one_piece_and_in_many(data: bytes) -> None:
    lis_link(data)


@given(st.binary(max_size=300) | damaged(list(seeds("lis_frame"))))
def test_only_an_undamaged_frame_is_taken(data: bytes) -> None:
    lis_frame(data)


@given(st.binary(max_size=400) | damaged(list(seeds("lis_session"))))
def test_a_session_of_any_kind_reads_back_as_it_was(data: bytes) -> None:
    lis_session(data)


def test_two_cuts_anywhere_change_nothing() -> None:
    for first, second in itertools.combinations(range(1, len(MESSAGE)), 2):
        assert texts(MESSAGE[:first], MESSAGE[first:second], MESSAGE[second:]) == texts(MESSAGE)


def test_one_flipped_bit_never_changes_a_text() -> None:
    good = texts(MESSAGE)
    for bad in flips(MESSAGE):
        assert set(texts(bad)) <= set(good)


def test_a_stream_cut_off_anywhere_gives_the_frames_before_the_cut() -> None:
    good = texts(MESSAGE)
    for end in range(len(MESSAGE)):
        heard = texts(MESSAGE[:end])
        assert heard == good[: len(heard)]


@pytest.mark.parametrize(
    "start", [b"", ENQ, ENQ + b"\x02", ENQ + b"\x021x", ENQ + FRAMES[0], ENQ + b"\x02\n"]
)
@pytest.mark.parametrize("noise", [b"\0", b"\x02", b"\x03", b"\x05", b"\n", b"\r", b"x", b"\x021", b"\x03A"])
def test_endless_noise_is_not_hoarded(start: bytes, noise: bytes) -> None:
    receiver = Receiver()
    hear(receiver, [start])
    for _ in range(2):
        hear(receiver, [noise * (READ_SIZE // len(noise))])
        assert receiver.held <= MAX_FRAME


def test_what_comes_behind_a_frame_in_the_same_read_is_bounded_too() -> None:
    receiver = Receiver()
    receiver.receive(ENQ + FRAMES[0] + b"x" * 10 * MAX_FRAME)
    assert receiver.pending
    assert receiver.held == 2 * MAX_FRAME


@pytest.mark.parametrize(
    "unit",
    [b"x", b"\x02", b"\n", b"\x05", b"\x04\x05", b"\x05\x04", b"\x02\n", b"\x03AA\r\n", b"".join(TINY)],
    ids=repr,
)
@pytest.mark.parametrize("split", [one_by_one, lambda data: [data]], ids=["by byte", "at once"])
def test_effort_grows_with_the_bytes(unit: bytes, split, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(monkeypatch, FRAMES_MODULE, PATTERNS)

    def looked_at(size: int) -> int:
        Watched.looked_at = 0
        hear(Receiver(), [ENQ, *split(unit * (size // len(unit)))])
        return Watched.looked_at

    def called(size: int) -> int:
        return calls(lambda: hear(Receiver(), [ENQ, *split(unit * (size // len(unit)))]))

    assert grows_no_faster(looked_at, 800)
    assert grows_no_faster(called, 400)


@pytest.mark.parametrize("split", [one_by_one, lambda data: [data]], ids=["by byte", "at once"])
def test_the_longest_frame_is_looked_at_a_few_times_only(split, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(monkeypatch, FRAMES_MODULE, PATTERNS)
    frame = encode_frame(Frame(1, b"x" * (MAX_FRAME - 7), last=True))
    receiver = Receiver()
    receiver.receive(ENQ)

    (accepted,) = hear(receiver, split(frame))

    assert isinstance(accepted, FrameAccepted)
    assert Watched.looked_at <= 12 * MAX_FRAME  # byte by byte, four are seen again with each
