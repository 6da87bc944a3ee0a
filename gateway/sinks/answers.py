"""Waiting for the answer to one message on a connection: whose it is, what it means, and for how long."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import DataError, Unavailable
from gateway.protocols import acknowledgement, er7
from gateway.protocols.acknowledgement import POLICY, Acknowledgement, Verdict, commit_asked_by, verdict
from gateway.sinks.mllp_link import MllpLink


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be known of a message to know its answer: MSH-10 and MSH-16."""

    control_id: str
    msh_16: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that settles a message, what it means, and every block that led there."""

    answer: Acknowledgement
    meaning: Verdict
    blocks: tuple[bytes, ...]


def question(message: bytes) -> Question:
    """The question that `message` asks; DataError when no answer could be told for its own."""
    header = er7.parse(message.partition(b"\r")[0]).header
    if not header.text(10):
        raise DataError("without it no answer could be known for this message's", "MSH-10")
    if header.text(16) not in POLICY:
        raise DataError("asks for an answer that is not waited for; known: AL NE", "MSH-16")
    return Question(header.text(10), header.text(16))


async def answered(link: MllpLink, to: Question, timeout_s: float, now: Callable[[], datetime]) -> Answered:
    """The answer to a message that was just sent; Unavailable when none, or anything else, comes back.

    A commit where the application's answer was asked for starts the wait for that one, and only the first
    commit does.
    """
    awaited, blocks = "acknowledgement", list[bytes]()
    try:
        async with asyncio.timeout(timeout_s) as wait:
            while True:
                blocks.append(await link.next_block())
                answer = _parsed(blocks[-1])
                meaning = verdict(answer, control_id=to.control_id, msh_16=to.msh_16)
                if meaning is Verdict.FOREIGN:
                    raise Unavailable("the acknowledgement is another message's")
                if meaning is not Verdict.COMMITTED:
                    await _commit(link, blocks[-1], now)
                    return Answered(answer, meaning, tuple(blocks))
                if awaited == "acknowledgement":
                    awaited = "application acknowledgement"
                    wait.reschedule(asyncio.get_running_loop().time() + timeout_s)
    except TimeoutError as error:
        raise Unavailable(f"no {awaited} within {timeout_s:g} s") from error


def _parsed(block: bytes) -> Acknowledgement:
    try:
        return acknowledgement.parse(block)
    except DataError as error:
        raise Unavailable(f"the answer is no acknowledgement: {error}") from error


async def _commit(link: MllpLink, block: bytes, now: Callable[[], datetime]) -> None:
    """Acknowledge an acknowledgement that asks for it."""
    commit = commit_asked_by(block, created=now())
    if commit is not None:
        with contextlib.suppress(Unavailable):  # its sender is gone; what it said counts
            await link.send(commit)
