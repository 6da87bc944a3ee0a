import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.errors import Unavailable
from gateway.protocols.acknowledgement import AckCode, Acknowledgement, parse
from gateway.protocols.mllp import NEED_DATA, MllpReader, frame
from gateway.sinks.receiver import ANSWERS, Receiver, late

MESSAGE = b"MSH|^~\\&|EMG|LAB|||20261102||ORU^R01^ORU_R01|C-1|P|2.5.1\rPID|1||P-1\r"


class Sender:
    """A connection to the receiver."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._blocks = MllpReader()

    async def answer(self) -> Acknowledgement | None:
        """The next acknowledgement; None when the receiver hangs up."""
        while (block := self._blocks.next_block()) is NEED_DATA:
            data = await self.reader.read(4096)
            if not data:
                return None
            self._blocks.receive(data)
        return parse(block)


@contextlib.asynccontextmanager
async def sending(receiver: Receiver, *writes: bytes) -> AsyncIterator[Sender]:
    reader, writer = await asyncio.open_connection(receiver.host, receiver.port)
    try:
        for data in writes:
            writer.write(data)
        yield Sender(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("code", ["AA", "AE", "AR"])
async def test_each_message_is_answered_as_told(code):
    async with Receiver(ANSWERS[code]) as receiver, sending(receiver, frame(MESSAGE)) as sender:
        assert await sender.answer() == Acknowledgement(code=AckCode(code), control_id="C-1")


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        (b"AL|NE", ["CE"]),
        (b"AL|AL", ["CA", "AE"]),
        (b"NE|AL", ["AE"]),
        (b"|", ["AE"]),
    ],
)
async def test_a_message_is_answered_in_the_mode_it_asks_for(asked, codes):
    message = MESSAGE.replace(b"2.5.1\r", b"2.5.1|||" + asked + b"\r")
    async with Receiver(ANSWERS["AE"]) as receiver, sending(receiver, frame(message)) as sender:
        answers = [await sender.answer() for _ in codes]
    assert [answer.code for answer in answers if answer] == codes


async def test_a_receiver_may_commit_and_say_no_more():
    message = MESSAGE.replace(b"2.5.1\r", b"2.5.1|||AL|AL\r")
    async with Receiver(ANSWERS["CA"]) as receiver, sending(receiver, frame(message)) as sender:
        assert await sender.answer() == Acknowledgement(code=AckCode.CA, control_id="C-1")


async def test_several_messages_in_one_read_are_all_answered():
    async with Receiver() as receiver, sending(receiver, b"\x00" + 3 * frame(MESSAGE)) as sender:
        answers = [await sender.answer() for _ in range(3)]
    assert {answer.control_id for answer in answers if answer} == {"C-1"}
    assert [receiver.messages.get_nowait().duplicate for _ in range(3)] == [False, True, True]


async def test_a_foreign_answer_names_another_message():
    async with Receiver(ANSWERS["foreign"]) as receiver, sending(receiver, frame(MESSAGE)) as sender:
        assert await sender.answer() == Acknowledgement(code=AckCode.AA, control_id="NOT-YOURS")


async def test_a_receiver_may_hang_up_without_a_word():
    async with Receiver(ANSWERS["close"]) as receiver, sending(receiver, frame(MESSAGE)) as sender:
        assert await sender.answer() is None


async def test_what_is_no_message_is_refused_and_the_next_is_taken():
    async with Receiver() as receiver, sending(receiver, frame(b"no HL7"), frame(MESSAGE)) as sender:
        refused, accepted = await sender.answer(), await sender.answer()
    assert refused == Acknowledgement(code=AckCode.AR, control_id="", text="MSH: does not begin with MSH")
    assert accepted == Acknowledgement(code=AckCode.AA, control_id="C-1")
    assert receiver.messages.get_nowait().problem == "MSH: does not begin with MSH"


@pytest.mark.parametrize("stream", [b"\x0b" + b"x" * 101, b"x" * 65_537])
async def test_a_stream_that_is_no_mllp_is_told_so_before_it_is_closed(stream):
    async with Receiver(max_block=100) as receiver, sending(receiver, stream) as sender:
        answer = await sender.answer()
        assert answer is not None
        assert answer.code is AckCode.AR
        assert await sender.answer() is None


async def test_a_sender_that_vanishes_is_no_error():
    async with Receiver(ANSWERS["nothing"]) as receiver:
        async with sending(receiver, frame(MESSAGE)) as sender:
            await receiver.messages.get()
            sender.writer.transport.abort()
        async with sending(receiver, frame(MESSAGE)):
            assert (await receiver.messages.get()).duplicate


async def test_late_answers_are_waited_for():
    async with Receiver(late(0.05)) as receiver, sending(receiver, frame(MESSAGE)) as sender:
        await receiver.messages.get()
        await receiver.answered()
        assert await sender.answer() is not None


async def test_leaving_does_not_wait_for_late_answers():
    async with Receiver(late(60)) as receiver, sending(receiver, frame(MESSAGE)):
        await receiver.messages.get()
        assert receiver.connections == 1
    assert receiver.connections == 0


async def test_only_the_last_control_ids_are_remembered():
    other = MESSAGE.replace(b"C-1", b"C-2")
    blocks = [frame(block) for block in (MESSAGE, other, other, MESSAGE)]
    async with Receiver(remembered=1) as receiver, sending(receiver, *blocks):
        assert [(await receiver.messages.get()).duplicate for _ in range(4)] == [False, False, True, False]


async def test_a_port_in_use_is_named():
    async with Receiver() as receiver:
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{receiver.port}"):
            async with Receiver(port=receiver.port):
                pass
