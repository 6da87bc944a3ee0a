"""CLSI LIS01-A2 (formerly ASTM E1381), clause by clause."""

import pytest

from gateway.protocols.lis_frames import (
    ACK,
    CR,
    ENQ,
    EOT,
    ETB,
    ETX,
    LF,
    MAX_FRAME,
    NAK,
    OVERHEAD,
    STX,
    Frame,
    checksum,
    cut,
    encode_frame,
)
from gateway.protocols.lis_link import (
    FrameAccepted,
    FrameRefused,
    MessageAborted,
    MessageEnded,
    Receiver,
    ReceiverEvent,
    ReceiverState,
    Send,
    TimedOut,
)
from gateway.protocols.lis_sender import Aborted, Delivered, Sender, SenderState


def frame(number: int, text: bytes = b"R|1\r") -> bytes:
    return encode_frame(Frame(number % 8, text, last=True))


def answers(receiver: Receiver, *reads: bytes) -> bytes:
    """What the receiver answers when it stores every frame."""
    said = b""
    for data in reads:
        events: list[ReceiverEvent] = receiver.receive(data)
        while events:
            said += b"".join(event.data for event in events if isinstance(event, Send))
            said += receiver.acknowledge() if receiver.pending else b""
            events = receiver.receive(b"")
    return said


def established() -> Receiver:
    receiver = Receiver()
    receiver.receive(ENQ)
    return receiver


def transferring(*records: str) -> Sender:
    sender = Sender(records or ("H|", "L|1"))
    sender.start()
    sender.receive(ACK)
    return sender


# 6.2 establishment phase


def test_6_2_the_receiver_answers_an_enquiry_with_ack():
    assert answers(Receiver(), ENQ) == ACK


def test_6_2_in_the_neutral_state_everything_else_is_ignored():
    assert answers(Receiver(), ACK, NAK, EOT, frame(1), b"noise") == b""


def test_6_2_after_nak_the_sender_waits_ten_seconds():
    sender = Sender(["H|"])
    sender.start()
    sender.receive(NAK)
    assert sender.timer
    assert sender.timer.seconds == 10
    assert sender.timed_out() == [Send(ENQ)]


def test_6_2_7_in_contention_the_instrument_has_priority_after_a_second():
    sender = Sender(["H|"])
    sender.start()
    assert sender.receive(ENQ) == []
    assert sender.timer
    assert sender.timer.seconds == 1
    assert sender.timed_out() == [Send(ENQ)]


# 6.3 transfer phase


@pytest.mark.parametrize(("last", "end"), [(False, ETB), (True, ETX)])
def test_6_3_1_2_frame_structure(*, last: bool, end: bytes):
    covered = b"1text" + end
    assert encode_frame(Frame(1, b"text", last)) == STX + covered + checksum(covered) + CR + LF


def test_6_3_1_a_frame_has_64000_characters_at_most():
    longest = b"x" * (MAX_FRAME - OVERHEAD)
    assert len(frame(1, longest)) == 64_000
    assert answers(established(), frame(1, longest)) == ACK


def test_6_3_1_a_frame_of_the_older_standard_has_247():
    assert [len(text) + OVERHEAD for text, _ in cut(b"x" * 480)] == [247, 247]


def test_6_3_1_a_longer_record_goes_in_intermediate_frames_and_an_end_frame():
    assert [last for _, last in cut(b"x" * 481)] == [False, False, True]


def test_6_3_1_every_record_begins_a_frame():
    sender = transferring("H|" + "x" * 300, "P|1")
    starts = [sender.receive(ACK) for _ in range(2)]
    assert [event.data[1:3] for events in starts for event in events if isinstance(event, Send)] == [
        b"2x",
        b"3P",
    ]


def test_6_3_2_1_frame_numbers_begin_at_1_and_wrap_to_0():
    assert answers(Receiver(), ENQ, *map(frame, [1, 2, 3, 4, 5, 6, 7, 0, 1])) == ACK * 10


def test_6_3_2_1_they_begin_at_1_again_after_each_enquiry():
    receiver = Receiver()
    answers(receiver, ENQ, frame(1), frame(2), EOT)
    assert answers(receiver, ENQ, frame(1)) == ACK * 2


def test_6_3_3_the_checksum_is_the_sum_modulo_256_in_hexadecimal():
    assert checksum(b"2L|1|N\r\x03") == b"05"
    assert checksum(b"\xff\x01") == b"00"


def test_6_3_4_a_frame_is_acknowledged_when_its_owner_says_so():
    receiver = established()
    assert receiver.receive(frame(1)) == [FrameAccepted(b"R|1\r", last=True)]
    assert receiver.acknowledge() == ACK


def test_6_3_4_a_repeated_frame_is_acknowledged_and_not_taken_twice():
    receiver = established()
    assert answers(receiver, frame(1)) == ACK
    assert receiver.receive(frame(1)) == [Send(ACK)]


@pytest.mark.parametrize("reply", [NAK, ENQ, b"?", b"\x00"])
def test_6_3_4_any_reply_but_ack_and_eot_repeats_the_frame(reply: bytes):
    assert transferring().receive(reply) == [Send(frame(1, b"H|\r"))]


def test_6_3_5_eot_for_a_reply_acknowledges_and_asks_to_stop():
    sender = transferring()
    (eot, aborted) = sender.receive(EOT)
    assert eot == Send(EOT)
    assert isinstance(aborted, Aborted)
    assert aborted.retry_after_s == 15


# 6.4 termination phase


def test_6_4_the_sender_ends_with_eot():
    sender = transferring("L|1")
    assert sender.receive(ACK) == [Send(EOT), Delivered()]
    assert sender.state is SenderState.IDLE


def test_6_4_eot_returns_the_receiver_to_the_neutral_state():
    receiver = established()
    assert receiver.receive(EOT) == [MessageEnded()]
    assert receiver.state is ReceiverState.IDLE
    assert receiver.timer is None


# 6.5 error recovery

DEFECTIVE = {
    "checksum": frame(1)[:-4] + b"00\r\n",
    "checksum digits": frame(1)[:-4] + b"0x\r\n",
    "no checksum": frame(1)[:-4] + b"\r\n",
    "no STX": frame(1)[1:],
    "no frame number": STX + b"R" + frame(1)[2:],
    "frame number 8": STX + b"8" + frame(1)[2:],
    "frame out of order": frame(2),
    "no ETX": frame(1).replace(ETX, b"?"),
    "no CR": frame(1)[:-2] + LF,
    "no LF": frame(1)[:-1] + b"?",
    "second STX": STX + frame(1),
}


@pytest.mark.parametrize("raw", DEFECTIVE.values(), ids=DEFECTIVE.keys())
def test_6_5_1_a_defective_frame_is_answered_with_nak_and_taken_when_repeated(raw: bytes):
    receiver = established()
    events = receiver.receive(raw)
    assert events[-1] == Send(NAK)
    assert isinstance(events[0], FrameRefused)
    assert answers(receiver, frame(1)) == ACK


def test_6_5_1_a_damaged_frame_in_the_middle_of_a_record_is_noticed():
    """A receiver that checks only the joined record lets this pass."""
    first, middle, last = (
        encode_frame(Frame(number, text, end))
        for number, (text, end) in enumerate(cut(b"R|1|^^^X|9.0|mV\r", 6), start=1)
    )
    assert answers(established(), first, middle.replace(b"X", b"Y"), middle, last) == ACK + NAK + ACK + ACK


def test_6_5_1_the_sender_gives_up_at_the_sixth_refusal():
    sender = transferring()
    replies = [sender.receive(NAK) for _ in range(6)]
    assert [reply[0] for reply in replies] == [Send(frame(1, b"H|\r"))] * 5 + [Send(EOT)]


def test_6_5_1_a_transfer_that_was_given_up_is_no_message():
    receiver = established()
    answers(receiver, frame(5))
    assert receiver.receive(EOT) == [MessageAborted()]


def test_6_5_2_the_receiver_waits_thirty_seconds_for_a_frame():
    receiver = established()
    assert receiver.timer
    assert receiver.timer.seconds == 30
    assert receiver.timed_out() == [TimedOut()]
    assert answers(receiver, ENQ) == ACK


@pytest.mark.parametrize("before", [[], [ACK]], ids=["establishment", "transfer"])
def test_6_5_2_the_sender_waits_fifteen_seconds_for_a_reply(before: list[bytes]):
    sender = Sender(["H|"])
    sender.start()
    for reply in before:
        sender.receive(reply)
    assert sender.timer
    assert sender.timer.seconds == 15
    assert sender.timed_out()[0] == Send(EOT)


# 6.6 restricted message characters


@pytest.mark.parametrize("code", [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, *range(0x10, 0x18)])
def test_6_6_restricted_characters_are_not_taken_in_a_text(code: int):
    covered = b"1R" + bytes([code]) + b"|1\r" + ETX
    assert answers(established(), STX + covered + checksum(covered) + CR + LF) == NAK


@pytest.mark.parametrize("code", [0x00, 0x07, 0x09, 0x0D, 0x18, 0x7F, 0xFF])
def test_6_6_other_characters_are_taken(code: int):
    assert answers(established(), frame(1, bytes([code]))) == ACK


# What was seen in the field: several frames in one read, half a frame in each, EOT right after ENQ


def test_frames_that_arrive_together_are_answered_one_by_one():
    assert answers(Receiver(), ENQ + frame(1) + frame(2) + EOT) == ACK * 3


def test_a_frame_that_arrives_in_halves_is_one_frame():
    raw = frame(1)
    for at in range(1, len(raw)):
        assert answers(established(), raw[:at], raw[at:]) == ACK


def test_an_enquiry_followed_by_eot_is_a_sign_of_life():
    receiver = Receiver()
    assert receiver.receive(ENQ + EOT) == [Send(ACK), MessageEnded()]
