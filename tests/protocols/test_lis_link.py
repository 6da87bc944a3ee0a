import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.lis_frames import ACK, ENQ, EOT, NAK, Frame, encode_frame
from gateway.protocols.lis_link import (
    RECEIVE_TIMEOUT_S,
    RECEIVER,
    RECEIVER_REFUSES,
    FrameAccepted,
    FrameRefused,
    Heard,
    MessageAborted,
    MessageEnded,
    MessageInterrupted,
    Receiver,
    ReceiverEvent,
    ReceiverState,
    Send,
    TimedOut,
)


def frame(number: int, text: bytes = b"R|1\r", *, last: bool = True) -> bytes:
    return encode_frame(Frame(number % 8, text, last))


def hear(receiver: Receiver, *reads: bytes, stored: bool = True) -> list[ReceiverEvent]:
    """Feed `reads`, answer every frame at once, and list what happened with the answers."""
    heard = []
    for data in reads:
        events = receiver.receive(data)
        while events:
            heard += events
            if receiver.pending:
                heard.append(Send(receiver.acknowledge() if stored else receiver.refuse()))
            events = receiver.receive(b"")
    return heard


def texts(events: list[ReceiverEvent]) -> list[bytes]:
    return [event.text for event in events if isinstance(event, FrameAccepted)]


def sent(events: list[ReceiverEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Send))


def test_every_state_knows_every_event_or_refuses_it():
    assert RECEIVER.keys() | RECEIVER_REFUSES == set(itertools.product(ReceiverState, Heard))
    assert not RECEIVER.keys() & RECEIVER_REFUSES


def test_a_message_is_taken_frame_by_frame():
    events = hear(Receiver(), ENQ, frame(1, b"H|", last=False), frame(2), EOT)
    assert events == [
        Send(ACK),
        FrameAccepted(b"H|", last=False),
        Send(ACK),
        FrameAccepted(b"R|1\r", last=True),
        Send(ACK),
        MessageEnded(),
    ]


MESSAGE = (
    b"\x00noise"
    + ENQ
    + frame(1, b"H|\r")
    + b"\r\n\x00"
    + frame(2, b"P|1\r").replace(b"P", b"Q")
    + frame(2, b"P|1\r")
    + frame(2, b"P|1\r")
    + frame(5)
    + frame(3, b"O|1", last=False)
    + b"\x024half a frame\x04\x05"
    + frame(1, b"H|\r")
    + EOT
    + b"\x02idle\x03"
    + ENQ
    + EOT
)


def test_noise_damage_repeats_gaps_and_restarts_in_one_read():
    events = hear(Receiver(), MESSAGE)
    assert texts(events) == [b"H|\r", b"P|1\r", b"O|1", b"H|\r"]
    assert sent(events) == ACK + ACK + NAK + ACK + ACK + NAK + ACK + ACK + ACK + ACK
    endings = [event for event in events if isinstance(event, (MessageAborted, MessageEnded))]
    assert endings == [MessageAborted(), MessageEnded(), MessageEnded()]


@pytest.mark.parametrize("at", range(len(MESSAGE)))
def test_a_split_anywhere_changes_nothing(at: int):
    assert hear(Receiver(), MESSAGE[:at], MESSAGE[at:]) == hear(Receiver(), MESSAGE)


def test_byte_by_byte_changes_nothing():
    assert hear(Receiver(), *(bytes([byte]) for byte in MESSAGE)) == hear(Receiver(), MESSAGE)


@given(
    st.lists(st.binary(max_size=300) | st.sampled_from([ENQ, EOT, b"\x02", frame(1), frame(2)]), max_size=60)
)
def test_garbage_never_raises_and_is_never_hoarded(reads: list[bytes]):
    receiver = Receiver(max_frame=100)
    for data in reads:
        hear(receiver, data)
        assert receiver.held <= 100


@given(st.lists(st.binary(max_size=500), max_size=40))
def test_what_comes_while_a_frame_awaits_its_answer_is_bounded(reads: list[bytes]):
    receiver = Receiver(max_frame=100)
    receiver.receive(ENQ + frame(1))
    for data in reads:
        assert receiver.receive(data) == []
        assert receiver.held <= 200


def test_a_frame_is_answered_only_on_its_owners_word():
    receiver = Receiver()
    events = receiver.receive(ENQ + frame(1) + frame(2) + EOT)
    assert events == [Send(ACK), FrameAccepted(b"R|1\r", last=True)]
    assert receiver.timer is None
    assert receiver.receive(b"") == []
    assert receiver.acknowledge() == ACK
    assert receiver.receive(b"") == [FrameAccepted(b"R|1\r", last=True)]
    assert receiver.acknowledge() == ACK
    assert receiver.receive(b"") == [MessageEnded()]


def test_a_frame_that_was_not_stored_is_taken_when_it_is_repeated():
    receiver = Receiver()
    assert sent(hear(receiver, ENQ, frame(1), stored=False)) == ACK + NAK
    assert texts(hear(receiver, frame(1), frame(1))) == [b"R|1\r"]


def test_frame_numbers_run_modulo_eight():
    receiver = Receiver()
    events = hear(receiver, ENQ, *(frame(number) for number in range(1, 20)))
    assert sent(events) == ACK * 20


def test_the_number_before_the_first_is_no_repeat():
    assert sent(hear(Receiver(), ENQ, frame(0))) == ACK + NAK


def test_the_reason_of_a_refusal_names_the_frame():
    refused = [event for event in hear(Receiver(), ENQ, frame(3)) if isinstance(event, FrameRefused)]
    assert refused == [FrameRefused("frame 3: expected frame 1")]


def test_a_repeat_while_another_frame_is_owed_keeps_it_owed():
    events = hear(Receiver(), ENQ, frame(1), frame(2)[:-3] + b"\n", frame(1), EOT)
    assert sent(events) == ACK + ACK + NAK + ACK
    assert events[-1] == MessageAborted()


@pytest.mark.parametrize("again", [EOT, ENQ, b"\x022half" + EOT + ENQ])
def test_giving_up_after_a_refusal_is_an_abort(again: bytes):
    receiver = Receiver()
    hear(receiver, ENQ, frame(1), frame(7))
    assert MessageAborted() in hear(receiver, again)


def test_a_lost_eot_is_no_abort_because_everything_was_acknowledged():
    receiver = Receiver()
    hear(receiver, ENQ, frame(1))
    assert hear(receiver, ENQ) == [MessageInterrupted(), Send(ACK)]
    assert texts(hear(receiver, frame(1))) == [b"R|1\r"]


@pytest.mark.parametrize("before", [b"", frame(1), frame(6), frame(1)[:5], frame(1)[:5] + ENQ])
def test_silence_ends_the_message_and_forgets_a_half_frame(before: bytes):
    receiver = Receiver()
    hear(receiver, ENQ, before)
    assert receiver.timer is not None
    assert receiver.timer.seconds == RECEIVE_TIMEOUT_S
    assert receiver.timed_out() == [TimedOut()]
    assert (receiver.state, receiver.timer, receiver.held) == (ReceiverState.IDLE, None, 0)
    assert receiver.timed_out() == []


@pytest.mark.parametrize(
    ("data", "restarts"),
    [(b"\x021H|", True), (frame(6), True), (b"noise", False), (b"\x021H|\x05", False), (b"", False)],
)
def test_the_timer_starts_again_on_answers_and_on_progress_in_a_frame(data: bytes, *, restarts: bool):
    receiver = Receiver()
    hear(receiver, ENQ)
    timer = receiver.timer
    hear(receiver, data)
    assert (receiver.timer is not timer) == restarts


def test_an_answer_without_a_frame_is_a_mistake_of_the_caller():
    receiver = Receiver()
    with pytest.raises(RuntimeError, match="idle"):
        receiver.acknowledge()
    receiver.receive(ENQ)
    with pytest.raises(RuntimeError, match="waiting"):
        receiver.refuse()
