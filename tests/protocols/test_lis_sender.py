import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocols.lis_frames import ACK, ENQ, EOT, NAK
from gateway.protocols.lis_link import (
    FrameAccepted,
    MessageAborted,
    MessageEnded,
    MessageInterrupted,
    Receiver,
    Send,
    TimedOut,
    Timer,
)
from gateway.protocols.lis_sender import (
    SENDER,
    SENDER_REFUSES,
    Aborted,
    Answer,
    Delivered,
    Sender,
    SenderEvent,
    SenderState,
)

RECORDS = [r"H|\^&", "P|1||42", "R|1|" + "x" * 50, "L|1|N"]


def sent(events: list[SenderEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Send))


def seconds(timer: Timer | None) -> float | None:
    return timer.seconds if timer else None


def test_every_state_knows_every_answer_or_refuses_it():
    assert SENDER.keys() | SENDER_REFUSES == set(itertools.product(SenderState, Answer))
    assert not SENDER.keys() & SENDER_REFUSES


def test_a_message_goes_out_frame_by_frame():
    sender = Sender(RECORDS, text_size=40)
    assert sent(sender.start()) == ENQ
    lines = []
    while sender.state is not SenderState.IDLE:
        lines.append(sent(sender.receive(ACK)))
    assert [line[1:2] for line in lines[:-1]] == [b"1", b"2", b"3", b"4", b"5"]
    assert [line[-5:-4] for line in lines[:-1]] == [b"\x03", b"\x03", b"\x17", b"\x03", b"\x03"]
    assert lines[-1] == EOT
    assert sender.acknowledged == 5


@pytest.mark.parametrize(("answer", "wait_s"), [(NAK, 10.0), (ENQ, 1.0)], ids=["busy", "contention"])
def test_a_refused_bid_is_repeated_after_its_wait(answer: bytes, wait_s: float):
    sender = Sender(RECORDS)
    sender.start()
    assert sender.receive(answer) == []
    assert seconds(sender.timer) == wait_s
    assert sender.receive(ACK) == []
    assert sender.timed_out() == [Send(ENQ)]
    assert seconds(sender.timer) == 15.0
    assert sent(sender.receive(ACK)).startswith(b"\x021")


def test_the_sixth_refused_bid_is_the_last():
    sender = Sender(RECORDS)
    sender.start()
    for _ in range(5):
        sender.receive(NAK)
        sender.timed_out()
    assert sender.receive(NAK) == [Aborted("the host was busy 6 times", 10.0)]
    assert sender.timer is None


@pytest.mark.parametrize("answer", [NAK, b"?", ENQ], ids=["NAK", "garbage", "ENQ"])
def test_a_refused_frame_is_repeated_and_given_up_at_the_sixth_time(answer: bytes):
    sender = Sender(RECORDS)
    sender.start()
    first = sender.receive(ACK)
    for _ in range(5):
        assert sender.receive(answer) == first
    assert sender.receive(answer) == [Send(EOT), Aborted("the host refused a frame 6 times")]


def test_a_new_frame_has_all_its_tries():
    sender = Sender(RECORDS)
    sender.start()
    sender.receive(ACK + NAK)
    for _ in range(5):
        sender.receive(NAK)
    second = sender.receive(ACK)
    assert sender.receive(NAK) == second


@pytest.mark.parametrize("answers", [[], [ACK], [ACK, ACK]])
def test_silence_ends_the_transfer(answers: list[bytes]):
    sender = Sender(RECORDS)
    sender.start()
    for answer in answers:
        sender.receive(answer)
    assert sender.timed_out() == [Send(EOT), Aborted("no reply within 15 s")]
    assert sent(sender.start()) == ENQ
    assert sender.acknowledged == 0


def test_eot_for_an_answer_acknowledges_and_asks_to_stop():
    sender = Sender(RECORDS)
    sender.start()
    sender.receive(ACK)
    assert sender.receive(EOT) == [Send(EOT), Aborted("the host asked to stop", 15.0)]
    assert sender.acknowledged == 1


def test_eot_for_the_last_answer_leaves_nothing_to_stop():
    sender = Sender(["H|"])
    sender.start()
    sender.receive(ACK)
    assert sender.receive(EOT) == [Send(EOT), Delivered()]


def test_characters_without_meaning_do_not_hide_the_answer_to_a_bid():
    sender = Sender(RECORDS)
    sender.start()
    assert sent(sender.receive(b"\x00" + EOT + ACK)).startswith(b"\x021")


def test_what_follows_an_answer_in_the_same_read_is_no_answer():
    sender = Sender(RECORDS)
    sender.start()
    sender.receive(ACK + ACK + ACK)
    assert sender.acknowledged == 0


def test_at_rest_nothing_is_said():
    sender = Sender(RECORDS)
    assert sender.receive(ACK + NAK + ENQ + EOT + b"x") == []
    assert sender.timed_out() == []


def test_a_message_under_way_is_not_begun_again():
    sender = Sender(RECORDS)
    sender.start()
    sender.receive(ACK)
    sender.receive(ACK)
    with pytest.raises(RuntimeError, match="start"):
        sender.start()
    assert sender.acknowledged == 1


@pytest.mark.parametrize(("records", "size"), [([], 240), (RECORDS, 0), (RECORDS, 63_994)])
def test_a_message_that_cannot_be_framed_is_a_mistake_of_the_caller(records: list[str], size: int):
    with pytest.raises(ValueError, match=r"record|text_size"):
        Sender(records, text_size=size)


# both ends joined, with faults between them

Fault = tuple[str, int]


def damaged(data: bytes, fault: Fault | None) -> bytes:
    if not data or fault is None:
        return data
    kind, where = fault
    at = where % len(data)
    match kind:
        case "flip":
            return data[:at] + bytes([data[at] ^ 1 << where % 8]) + data[at + 1 :]
        case "drop":
            return data[:at] + data[at + 1 :]
        case "double":
            return data[: at + 1] + data[at:]
        case "lose":
            return b""
        case _:
            return data + data


class Line:
    """A cable with faults: the n-th transmission, of either end, suffers the n-th fault."""

    def __init__(self, faults: list[Fault | None]) -> None:
        self.receiver = Receiver()
        self.transfers: list[list[bytes]] = []
        self._texts: list[bytes] = []
        self._faults = iter(faults)

    def deliver(self, sender: Sender) -> SenderEvent:
        """Send the whole message; how it ended."""
        events = sender.start()
        while True:
            if events and not isinstance(events[-1], Send):
                self._carry(sent(events))
                self._end()
                return events[-1]
            answer = self._carry(sent(events))
            events = sender.receive(answer) or sender.timed_out()

    def _carry(self, data: bytes) -> bytes:
        self._listen(self.receiver.receive(damaged(data, next(self._faults, None))))
        return damaged(self._answers(), next(self._faults, None))

    def _answers(self) -> bytes:
        answers, self._replies = self._replies, b""
        return answers

    _replies = b""

    def _listen(self, events: list) -> None:
        while events:
            for event in events:
                if isinstance(event, Send):
                    self._replies += event.data
                elif isinstance(event, FrameAccepted):
                    self._texts.append(event.text)
                    self._replies += self.receiver.acknowledge()
                elif isinstance(event, (MessageEnded, MessageInterrupted, MessageAborted, TimedOut)):
                    self._close()
            events = self.receiver.receive(b"")

    def _end(self) -> None:
        self._listen(self.receiver.timed_out())
        self._close()

    def _close(self) -> None:
        if self._texts:
            self.transfers.append(self._texts)
        self._texts = []


MESSAGE = [record.encode() + b"\r" for record in RECORDS]
FAULTS = st.tuples(st.sampled_from(["flip", "drop", "double", "lose", "repeat"]), st.integers(0, 10_000))


@settings(max_examples=500)
@given(st.lists(st.none() | FAULTS, max_size=30))
def test_a_message_arrives_exactly_once_or_the_sender_knows_and_sends_it_again(faults: list[Fault | None]):
    line, sender = Line(faults), Sender(RECORDS)
    outcome = line.deliver(sender)
    if outcome == Delivered():
        assert line.transfers[-1] == MESSAGE
    else:
        assert all(transfer == MESSAGE[: len(transfer)] for transfer in line.transfers)
        line = Line([])
        assert line.deliver(sender) == Delivered()
        assert line.transfers == [MESSAGE]
