"""HL7 acknowledgements: reading one, deciding what it means for the message that waits for it, writing one.

The rule is strict about whose answer it is: only MSA-2 equal to our MSH-10 counts, whatever the code says.
A late answer taken for the next message's would report a result as filed that nobody has.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from gateway.errors import DataError
from gateway.protocols import er7

MAX_TEXT: Final = 500  # of the receiver's own words, kept as the reason
_MAX_CONTROL_ID: Final = 20  # HL7 2.5.1, 2.15.9.10
_COMMIT_ON_SUCCESS: Final = ("AL", "SU")  # HL7 table 0155: always, successful completion only
_COMMIT_BLOCKS: Final = (b"\x06", b"\x15")  # MLLP release 2: commit acknowledgement, negative acknowledgement


class AckCode(enum.StrEnum):
    """MSA-1, HL7 table 0008: application (original mode) and commit (enhanced mode) acknowledgements."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the receiver answered; `text` are its own words and may name a patient: never log them."""

    code: AckCode
    control_id: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}" if self.text else str(self.code)


class Verdict(enum.Enum):
    """What an answer means for the message that waits for it."""

    DELIVERED = "delivered"
    COMMITTED = "committed"  # safely stored over there; the application's answer follows
    TRY_AGAIN = "try again"
    REJECTED = "rejected"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a message asks its receiver for (HL7 2.5.1, 2.9): MSH-15 commit, MSH-16 application answer."""

    commit: Literal["", "AL"] = ""
    application: Literal["", "AL", "NE"] = ""


ORIGINAL: Final = Asked()  # one answer: AA, AE or AR
COMMIT: Final = Asked(commit="AL", application="NE")  # one answer: CA, CE or CR
COMMIT_AND_APPLICATION: Final = Asked(commit="AL", application="AL")  # CA, then AA, AE or AR

_ONE_ANSWER: Final[Mapping[AckCode, Verdict]] = {
    AckCode.AA: Verdict.DELIVERED,
    AckCode.CA: Verdict.DELIVERED,
    AckCode.AE: Verdict.TRY_AGAIN,
    AckCode.CE: Verdict.TRY_AGAIN,
    AckCode.AR: Verdict.REJECTED,
    AckCode.CR: Verdict.REJECTED,
}
_TWO_ANSWERS: Final = {**_ONE_ANSWER, AckCode.CA: Verdict.COMMITTED}

# By MSH-16 of the message. AA completes it in every mode: the application has it.
POLICY: Final[Mapping[str, Mapping[AckCode, Verdict]]] = {
    "": _ONE_ANSWER,
    "NE": _ONE_ANSWER,
    "AL": _TWO_ANSWERS,
}


def verdict(answer: Acknowledgement, *, control_id: str, msh_16: str = "") -> Verdict:
    """What `answer` means for the message sent as `control_id` with `msh_16` (a key of POLICY) in MSH-16.

    A commit acknowledgement completes the message only where no application acknowledgement was asked for.
    """
    if not control_id or answer.control_id != control_id:
        return Verdict.FOREIGN
    return POLICY[msh_16][answer.code]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often a receiver that answers "try again" is tried: doubling delays, in seconds, then parked."""

    first_s: float = 1.0
    cap_s: float = 30.0
    tries: int = 10
    span_s: float = 3600.0

    def delay_s(self, tried: int, since_first_s: float) -> float | None:
        """How long to wait after `tried` refused tries, the first `since_first_s` ago; None: park it."""
        if tried >= self.tries or since_first_s >= self.span_s:
            return None
        return min(self.cap_s, self.first_s * 2.0 ** (tried - 1))


def parse(block: bytes) -> Acknowledgement:
    """The acknowledgement in `block`; DataError when it is none.

    Letters outside the declared character set do not hide an answer: only the code and the control id
    decide, and a damaged control id equals none of ours.
    """
    if block in _COMMIT_BLOCKS:
        raise DataError("a commit block of MLLP release 2; set the receiver to release 1", "MLLP")
    message = er7.parse(block, errors="replace")
    msa = message.first("MSA")
    if msa is None:
        raise DataError("no acknowledgement: the MSA segment is missing", "MSA")
    try:
        code = AckCode(msa.text(1))
    except ValueError as error:
        raise DataError("not one of AA AE AR CA CE CR", "MSA-1") from error
    words = msa.text(3) or _error_text(message)
    return Acknowledgement(code=code, control_id=msa.text(2), text=" ".join(words.split())[:MAX_TEXT])


def commit_asked_by(block: bytes, *, created: datetime) -> bytes | None:
    """The commit acknowledgement that the application acknowledgement in `block` asks for; None: none.

    In the enhanced mode an application acknowledgement is a message of its own, and may have an MSH-15.
    """
    message = er7.parse(block, errors="replace")
    if message.header.text(15) not in _COMMIT_ON_SUCCESS:
        return None
    return acknowledge(message, AckCode.CA, created=created)


def _error_text(message: er7.Message) -> str:
    """What the ERR segments say: the user's message, else the code's text, else the code (2.15.5)."""
    found = (
        err.text(8) or err.text(7) or err.text(3, component=2) or err.text(3) for err in message.all("ERR")
    )
    return "; ".join(filter(None, found))


def acknowledge(message: er7.Message | None, code: AckCode, *, created: datetime, text: str = "") -> bytes:
    """The acknowledgement of `message` as its receiver sends it; None: of something that is no message."""
    nothing = er7.Segment("MSH", (), er7.Delimiters())
    received = message.header if message else nothing
    control_id, trigger = received.text(10), received.text(9, component=2)
    header = {
        3: _same(received, 5),
        4: _same(received, 6),
        5: _same(received, 3),
        6: _same(received, 4),
        7: er7.timestamp(created),
        9: er7.components("ACK", trigger, "ACK") if trigger else er7.text("ACK"),
        10: er7.text(f"A{control_id}"[:_MAX_CONTROL_ID]),
        11: er7.text(received.text(11) or "P"),
        12: er7.text(received.text(12) or "2.5.1"),
        18: er7.text(er7.UTF_8),
    }
    answer = {1: er7.text(code), 2: er7.text(control_id), 3: er7.text(text)}
    return er7.message([er7.segment("MSH", header), er7.segment("MSA", answer)])


def _same(received: er7.Segment, number: int) -> er7.Field:
    """An HD field of the message, with our encoding characters."""
    return er7.components(*(received.text(number, component) for component in (1, 2, 3)))
