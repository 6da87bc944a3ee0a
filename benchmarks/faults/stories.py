"""What can happen to a message on a network, each a story told of the message and its line.

A story ends when the line is good again; where a fault ends earlier, as a connection that died without a
word while new ones work, it says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.faults.line import Fault, FaultyLine, Passage

# Longer than either sink waits for an answer.
LATE_S = 10.5
SLOW_S = 2.0
_PIECES = 40

Passages = Sequence[Passage]
Story = Callable[[FaultyLine, Passages], Awaitable[None]]


async def cut_before(_: FaultyLine, passages: Passages) -> None:
    """Cut before any of the message arrives."""
    passages[0].cut()


async def cut_within(_: FaultyLine, passages: Passages) -> None:
    """Cut when half of the message has arrived."""
    (passage,) = passages
    passage.forward(passage.message[: len(passage.message) // 2])
    await passage.flushed()
    passage.cut()


async def cut_after(_: FaultyLine, passages: Passages) -> None:
    """Cut when the message has been taken, before its answer arrives."""
    (passage,) = passages
    passage.forward()
    await passage.answer()
    passage.cut()


async def cut_within_answer(_: FaultyLine, passages: Passages) -> None:
    """Cut when half of the answer has arrived."""
    (passage,) = passages
    passage.forward()
    answer = await passage.answer()
    passage.give(answer[: len(answer) // 2])
    await passage.flushed()
    passage.cut()


async def half_open_before(_: FaultyLine, passages: Passages) -> None:
    """The connection dies without a word before the message arrives."""
    passages[0].mute()


async def half_open_after(_: FaultyLine, passages: Passages) -> None:
    """The connection dies without a word when the message has been taken."""
    (passage,) = passages
    passage.forward()
    await passage.answer()
    passage.mute()


async def late_answer(line: FaultyLine, passages: Passages) -> None:
    """The answer comes when nobody waits for it any more."""
    (passage,) = passages
    passage.forward()
    line.later(LATE_S, passage.give, await passage.answer())


async def late_on_next(line: FaultyLine, passages: Passages) -> None:
    """The answer comes on the next connection, in front of the answer to what is sent there."""
    (passage,) = passages
    passage.forward()
    line.on_next_connection = await passage.answer()
    passage.cut()


async def previous_instead(line: FaultyLine, passages: Passages) -> None:
    """The message is lost on the way, and the answer to the one before it comes once more."""
    (passage,) = passages
    if line.last_answer is not None:
        passage.give(line.last_answer)


async def previous_first(line: FaultyLine, passages: Passages) -> None:
    """The answer to the message before comes once more, then the right one."""
    (passage,) = passages
    passage.forward()
    answer = await passage.answer()
    passage.give((line.last_answer or b"") + answer)


async def noise_instead(_: FaultyLine, passages: Passages) -> None:
    """The message is taken, and noise comes back."""
    (passage,) = passages
    passage.forward()
    await passage.answer()
    passage.give(b"\x0bMSH|^~\\&|?\x00\xff\xfe\r\x1c\r")


async def slow(_: FaultyLine, passages: Passages) -> None:
    """Message and answer arrive in small pieces."""
    (passage,) = passages
    with passage.alone():
        await _in_pieces(passage.message, passage.forward)
    answer = await passage.answer()
    with passage.alone():
        await _in_pieces(answer, passage.give)


async def _in_pieces(data: bytes, hand_over: Callable[[bytes], None]) -> None:
    size = max(1, len(data) // _PIECES)
    for at in range(0, len(data), size):
        hand_over(data[at : at + size])
        await asyncio.sleep(SLOW_S / 2 / _PIECES)


def refused(seconds: float) -> Story:
    """Cut, and nobody listens for so long."""

    async def story(line: FaultyLine, passages: Passages) -> None:
        line.close()
        passages[0].cut()
        await asyncio.sleep(seconds)
        await line.open()

    return story


def silence(seconds: float) -> Story:
    """Nothing gets through for so long, on new connections neither; those stay dead afterwards."""

    async def story(line: FaultyLine, passages: Passages) -> None:
        passages[0].mute()
        line.silent = True
        line.mute_all()
        await asyncio.sleep(seconds)
        line.silent = False

    return story


async def answers_reversed(_: FaultyLine, passages: Passages) -> None:
    """The answers to several messages come in reverse."""
    for passage in passages:
        passage.forward()
    answers = [await passage.answer() for passage in passages]
    for answer in reversed(answers):
        passages[0].give(answer)


_BOTH = (
    Fault("cut before the message arrives", cut_before),
    Fault("cut within the message", cut_within),
    Fault("cut before the answer arrives", cut_after),
    Fault("half-open before the message arrives", half_open_before),
    Fault("half-open before the answer arrives", half_open_after),
    Fault("answer after the timeout", late_answer),
    Fault("lost, and the previous answer once more", previous_instead),
    Fault("the previous answer before the right one", previous_first),
    Fault("slow, in small pieces", slow),
    Fault("nobody listens for 4 s", refused(4.0)),
    Fault("silence for 8 s", silence(8.0)),
)
LONG = (
    Fault("nobody listens for 20 s", refused(20.0)),
    Fault("silence for 30 s", silence(30.0)),
)
HL7 = (
    *_BOTH,
    *LONG,
    Fault("cut within the answer", cut_within_answer),
    Fault("answer on the next connection", late_on_next),
    Fault("noise for an answer", noise_instead),
)
MQTT = (
    *_BOTH,
    *LONG,
    Fault("three answers in reverse", answers_reversed, messages=3),
)
