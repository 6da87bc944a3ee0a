"""CLSI LIS01-A2 link layer, the instrument's end: one message, sent until the host has all of it.

`Sender` is a table (`SENDER`), its states named after the phases of the standard: establishment (6.2),
transfer (6.3), termination (6.4). It has no clock: `timer` says how long to wait, counted from when the
bytes to send are out; the expiry comes in as `timed_out()`. The virtual cart speaks with it.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.protocols.lis_frames import (
    ACK,
    CR,
    ENQ,
    EOT,
    MAX_FRAME,
    NAK,
    OVERHEAD,
    USUAL_TEXT,
    Frame,
    cut,
    encode_frame,
)
from gateway.protocols.lis_link import Send, Timer

# LIS01-A2 6.2 and 6.5.2
REPLY_TIMEOUT_S: Final = 15.0
BUSY_WAIT_S: Final = 10.0
CONTENTION_WAIT_S: Final = 1.0
INTERRUPT_WAIT_S: Final = 15.0
TRIES: Final = 6  # LIS01-A2 6.5.1 for a frame; instruments give up an enquiry as often


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every frame was acknowledged."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The message was given up; `start()` sends all of it again, not before `retry_after_s`."""

    reason: str
    retry_after_s: float = 0.0


SenderEvent = Send | Delivered | Aborted


class SenderState(enum.Enum):
    """What the sender waits for."""

    IDLE = "idle"
    ESTABLISHING = "establishment: waiting"
    BUSY = "establishment: host busy"
    CONTENTION = "establishment: contention"
    TRANSFERRING = "transfer: waiting"


class Answer(enum.Enum):
    """What can happen to a sender. LAST: no frame is left; FINAL: no try is left."""

    START = "start"
    ACK = "ACK"
    LAST_ACK = "ACK of the last frame"
    NAK = "NAK"
    FINAL_NAK = "NAK of the last try"
    EOT = "EOT"
    LAST_EOT = "EOT after the last frame"
    ENQ = "ENQ"
    OTHER = "any other character"
    TIMEOUT = "timeout"


class Act(enum.Enum):
    """What a sender sends."""

    NOTHING = "nothing"
    ENQUIRE = "ENQ"
    FIRST_FRAME = "frame 1 set up"
    NEXT_FRAME = "next frame set up"
    OLD_FRAME = "old frame set up"
    FINISH = "EOT: delivered"
    GIVE_UP = "nothing: aborted, the host is busy"
    ABORT = "EOT: aborted, no reply"
    ABORT_REFUSED = "EOT: aborted, frame refused"
    INTERRUPT = "EOT: aborted, the host asks to stop"


_S = SenderState
_LISTENING: Final = (Answer.ACK, Answer.NAK, Answer.EOT, Answer.ENQ, Answer.OTHER)
SENDER: Final[dict[tuple[SenderState, Answer], tuple[SenderState, Act]]] = {
    (_S.IDLE, Answer.START): (_S.ESTABLISHING, Act.ENQUIRE),
    **{(_S.IDLE, answer): (_S.IDLE, Act.NOTHING) for answer in (*_LISTENING, Answer.TIMEOUT)},
    (_S.ESTABLISHING, Answer.ACK): (_S.TRANSFERRING, Act.FIRST_FRAME),
    (_S.ESTABLISHING, Answer.NAK): (_S.BUSY, Act.NOTHING),
    (_S.ESTABLISHING, Answer.FINAL_NAK): (_S.IDLE, Act.GIVE_UP),
    (_S.ESTABLISHING, Answer.ENQ): (_S.CONTENTION, Act.NOTHING),
    (_S.ESTABLISHING, Answer.EOT): (_S.ESTABLISHING, Act.NOTHING),
    (_S.ESTABLISHING, Answer.OTHER): (_S.ESTABLISHING, Act.NOTHING),
    (_S.ESTABLISHING, Answer.TIMEOUT): (_S.IDLE, Act.ABORT),
    **{(_S.BUSY, answer): (_S.BUSY, Act.NOTHING) for answer in _LISTENING},
    (_S.BUSY, Answer.TIMEOUT): (_S.ESTABLISHING, Act.ENQUIRE),
    **{(_S.CONTENTION, answer): (_S.CONTENTION, Act.NOTHING) for answer in _LISTENING},
    (_S.CONTENTION, Answer.TIMEOUT): (_S.ESTABLISHING, Act.ENQUIRE),
    (_S.TRANSFERRING, Answer.ACK): (_S.TRANSFERRING, Act.NEXT_FRAME),
    (_S.TRANSFERRING, Answer.LAST_ACK): (_S.IDLE, Act.FINISH),
    (_S.TRANSFERRING, Answer.NAK): (_S.TRANSFERRING, Act.OLD_FRAME),
    (_S.TRANSFERRING, Answer.FINAL_NAK): (_S.IDLE, Act.ABORT_REFUSED),
    (_S.TRANSFERRING, Answer.EOT): (_S.IDLE, Act.INTERRUPT),
    (_S.TRANSFERRING, Answer.LAST_EOT): (_S.IDLE, Act.FINISH),
    (_S.TRANSFERRING, Answer.TIMEOUT): (_S.IDLE, Act.ABORT),
}
# START is for a sender at rest. LAST is for one with frames under way, FINAL for one that counts its tries.
# In the transfer every character but ACK and EOT counts as NAK (6.3.4).
_LAST: Final = (Answer.LAST_ACK, Answer.LAST_EOT)
SENDER_REFUSES: Final = frozenset(
    {(state, Answer.START) for state in SenderState if state is not _S.IDLE}
    | {(state, answer) for state in SenderState if state is not _S.TRANSFERRING for answer in _LAST}
    | {(state, Answer.FINAL_NAK) for state in (_S.IDLE, _S.BUSY, _S.CONTENTION)}
    | {(_S.TRANSFERRING, answer) for answer in (Answer.ENQ, Answer.OTHER)}
)

_OUTCOMES: Final[dict[Act, tuple[SenderEvent, ...]]] = {
    Act.NOTHING: (),
    Act.FINISH: (Send(EOT), Delivered()),
    Act.GIVE_UP: (Aborted(f"the host was busy {TRIES} times", BUSY_WAIT_S),),
    Act.ABORT: (Send(EOT), Aborted(f"no reply within {REPLY_TIMEOUT_S:g} s")),
    Act.ABORT_REFUSED: (Send(EOT), Aborted(f"the host refused a frame {TRIES} times")),
    Act.INTERRUPT: (Send(EOT), Aborted("the host asked to stop", INTERRUPT_WAIT_S)),
}
_WAITS_S: Final = {
    SenderState.ESTABLISHING: REPLY_TIMEOUT_S,
    SenderState.BUSY: BUSY_WAIT_S,
    SenderState.CONTENTION: CONTENTION_WAIT_S,
    SenderState.TRANSFERRING: REPLY_TIMEOUT_S,
}
_CONTROLS: Final = {ACK[0]: Answer.ACK, NAK[0]: Answer.NAK, EOT[0]: Answer.EOT, ENQ[0]: Answer.ENQ}


class Sender:
    """One message on its way; `start()` begins it, and begins it anew after an abort."""

    def __init__(self, records: Iterable[str], *, text_size: int = USUAL_TEXT) -> None:
        if not 1 <= text_size <= MAX_FRAME - OVERHEAD:
            raise ValueError(f"text_size must be 1 to {MAX_FRAME - OVERHEAD}")
        texts = [piece for record in records for piece in cut(record.encode() + CR, text_size)]
        if not texts:
            raise ValueError("a message needs at least one record")
        self.state = SenderState.IDLE
        self.timer: Timer | None = None
        self._frames = [
            encode_frame(Frame(number % 8, text, last)) for number, (text, last) in enumerate(texts, start=1)
        ]
        self._index = 0
        self._tries = 0

    @property
    def acknowledged(self) -> int:
        """How many frames the host has acknowledged since the last `start()`."""
        return self._index

    def start(self) -> list[SenderEvent]:
        """Bid for the line. RuntimeError when the message is already under way."""
        if self.state is SenderState.IDLE:
            self._index = self._tries = 0
        return self._take(Answer.START)

    def receive(self, data: bytes) -> list[SenderEvent]:
        """What the host's answer leads to.

        An answer is one character. What came behind it in the same read was sent before the next frame
        was, so it cannot be an answer to that and is dropped.
        """
        for character in data:
            events = self._take(self._understand(character))
            if events:
                return events
        return []

    def timed_out(self) -> list[SenderEvent]:
        """`timer` has expired."""
        return self._take(Answer.TIMEOUT)

    def _understand(self, character: int) -> Answer:
        answer = _CONTROLS.get(character, Answer.OTHER)
        out_of_tries = self._tries == TRIES
        if self.state is SenderState.ESTABLISHING and answer in (Answer.NAK, Answer.ENQ) and out_of_tries:
            return Answer.FINAL_NAK
        if self.state is not SenderState.TRANSFERRING:
            return answer
        last = self._index == len(self._frames) - 1
        if answer is Answer.ACK:
            return Answer.LAST_ACK if last else Answer.ACK
        if answer is Answer.EOT:
            return Answer.LAST_EOT if last else Answer.EOT
        return Answer.FINAL_NAK if out_of_tries else Answer.NAK

    def _take(self, answer: Answer) -> list[SenderEvent]:
        move = SENDER.get((self.state, answer))
        if move is None:
            raise RuntimeError(f"{answer.value!r} cannot happen in {self.state.value!r}")
        before = self.state
        self.state, act = move
        events = self._do(act)
        if events or self.state is not before:
            wait_s = _WAITS_S.get(self.state)
            self.timer = None if wait_s is None else Timer(wait_s)
        return events

    def _do(self, act: Act) -> list[SenderEvent]:
        if act in (Act.NEXT_FRAME, Act.FINISH, Act.INTERRUPT):
            self._index += 1
        if act in _OUTCOMES:
            return list(_OUTCOMES[act])
        self._tries = 1 if act in (Act.FIRST_FRAME, Act.NEXT_FRAME) else self._tries + 1
        return [Send(ENQ if act is Act.ENQUIRE else self._frames[self._index])]
