"""CLSI LIS01-A2 link layer, the host's end: what counts as received. Bytes in, events and bytes out.

`Receiver` is a table (`RECEIVER`), its states named as the standard names them; the instrument's end is
`lis_sender`. It has no clock: `timer` says how long to wait, the expiry comes in as `timed_out()`. An
accepted frame is not acknowledged by the receiver itself: its owner stores it first, then says
`acknowledge()` or `refuse()`. The host never bids for the line, so the instrument's priority (6.2.7) needs
nothing of it.
"""

import enum
from dataclasses import dataclass
from typing import Final

from gateway.protocols.lis_frames import ACK, MAX_FRAME, NAK, Control, Deframer, Frame, Piece

RECEIVE_TIMEOUT_S: Final = 30.0  # LIS01-A2 6.5.2: for the next frame or EOT


@dataclass(frozen=True, slots=True, eq=False)
class Timer:
    """A wait that ends in `timed_out()`; each restart is another object, so compare with `is`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FrameAccepted:
    """A good new frame: store it, then `acknowledge()` or `refuse()`. `last` completes a record."""

    text: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame was answered with NAK; the sender repeats it."""

    reason: str


@dataclass(frozen=True, slots=True)
class MessageEnded:
    """EOT after everything was acknowledged."""


@dataclass(frozen=True, slots=True)
class MessageInterrupted:
    """ENQ after everything was acknowledged: the EOT was lost, or the sender starts over."""


@dataclass(frozen=True, slots=True)
class MessageAborted:
    """The sender gave up: EOT or ENQ after a refused frame or a half one."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The sender fell silent in the middle of a transfer."""


ReceiverEvent = (
    Send | FrameAccepted | FrameRefused | MessageEnded | MessageInterrupted | MessageAborted | TimedOut
)


class ReceiverState(enum.Enum):
    """What the receiver waits for."""

    IDLE = "idle"
    WAITING = "waiting"
    FRAME_RECEIVED = "frame received"  # for its owner's word
    WAITING_FOR_REPEAT = "waiting for repeat"  # for the frame it answered with NAK


class Heard(enum.Enum):
    """What can happen to a receiver."""

    ENQ = "ENQ"
    EOT = "EOT"
    RESTART = "EOT ENQ in a half frame"
    NEW_FRAME = "good frame, next in order"
    REPEATED_FRAME = "good frame, the last accepted one"
    BAD_FRAME = "any other frame"
    STORED = "owner: acknowledge"
    NOT_STORED = "owner: refuse"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Step:
    """What a receiver does: tell its owner, answer the line, go to a state."""

    to: ReceiverState
    reply: bytes = b""
    tell: MessageEnded | MessageInterrupted | MessageAborted | TimedOut | None = None


_R = ReceiverState
RECEIVER: Final[dict[tuple[ReceiverState, Heard], Step]] = {
    (_R.IDLE, Heard.ENQ): Step(_R.WAITING, ACK),
    (_R.IDLE, Heard.TIMEOUT): Step(_R.IDLE),
    (_R.WAITING, Heard.ENQ): Step(_R.WAITING, ACK, MessageInterrupted()),
    (_R.WAITING, Heard.RESTART): Step(_R.WAITING, ACK, MessageAborted()),
    (_R.WAITING, Heard.EOT): Step(_R.IDLE, b"", MessageEnded()),
    (_R.WAITING, Heard.NEW_FRAME): Step(_R.FRAME_RECEIVED),
    (_R.WAITING, Heard.REPEATED_FRAME): Step(_R.WAITING, ACK),
    (_R.WAITING, Heard.BAD_FRAME): Step(_R.WAITING_FOR_REPEAT, NAK),
    (_R.WAITING, Heard.TIMEOUT): Step(_R.IDLE, b"", TimedOut()),
    (_R.WAITING_FOR_REPEAT, Heard.ENQ): Step(_R.WAITING, ACK, MessageAborted()),
    (_R.WAITING_FOR_REPEAT, Heard.RESTART): Step(_R.WAITING, ACK, MessageAborted()),
    (_R.WAITING_FOR_REPEAT, Heard.EOT): Step(_R.IDLE, b"", MessageAborted()),
    (_R.WAITING_FOR_REPEAT, Heard.NEW_FRAME): Step(_R.FRAME_RECEIVED),
    (_R.WAITING_FOR_REPEAT, Heard.REPEATED_FRAME): Step(_R.WAITING_FOR_REPEAT, ACK),
    (_R.WAITING_FOR_REPEAT, Heard.BAD_FRAME): Step(_R.WAITING_FOR_REPEAT, NAK),
    (_R.WAITING_FOR_REPEAT, Heard.TIMEOUT): Step(_R.IDLE, b"", TimedOut()),
    (_R.FRAME_RECEIVED, Heard.STORED): Step(_R.WAITING, ACK),
    (_R.FRAME_RECEIVED, Heard.NOT_STORED): Step(_R.WAITING_FOR_REPEAT, NAK),
}
# At rest nothing but ENQ is listened for; while a frame awaits its answer the line is not read and no timer
# runs; and there is nothing to answer at any other time.
RECEIVER_REFUSES: Final = frozenset(
    {(_R.IDLE, heard) for heard in Heard if heard not in (Heard.ENQ, Heard.TIMEOUT)}
    | {(_R.FRAME_RECEIVED, heard) for heard in Heard if heard not in (Heard.STORED, Heard.NOT_STORED)}
    | {
        (state, heard)
        for state in (_R.WAITING, _R.WAITING_FOR_REPEAT)
        for heard in (Heard.STORED, Heard.NOT_STORED)
    }
)
_CONTROLS: Final = {Control.ENQ: Heard.ENQ, Control.EOT: Heard.EOT, Control.RESTART: Heard.RESTART}


class Receiver:
    """The host's end of the line. Holds two frames' worth of bytes at most, whatever arrives."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self.state = ReceiverState.IDLE
        self.timer: Timer | None = None
        self._deframer = Deframer(max_frame)
        self._capacity = 2 * max_frame
        self._expected = 1
        self._accepted: int | None = None

    @property
    def held(self) -> int:
        """Bytes held."""
        return len(self._deframer)

    @property
    def pending(self) -> bool:
        """Whether an accepted frame awaits `acknowledge()` or `refuse()`."""
        return self.state is ReceiverState.FRAME_RECEIVED

    def receive(self, data: bytes) -> list[ReceiverEvent]:
        """What `data` amounts to. A FrameAccepted is always the last event.

        What a sender that does not wait for its answer sends behind a frame is kept; call again (with
        `b""`) after the answer. What exceeds the capacity is lost, and its frames are asked for again.
        """
        before = self._deframer.filling
        self._deframer.feed(data)
        events: list[ReceiverEvent] = []
        while not self.pending:
            heard = self._hear()
            if heard is None:
                break
            events += heard
        if self.pending:
            self._deframer.truncate(self._capacity)
        # A 64,000-character frame takes 67 s at 9600 baud, so the 30 s run from its last byte, not its first.
        if not events and self._deframer.filling > before:
            self._restart_timer()
        return events

    def acknowledge(self) -> bytes:
        """The accepted frame is stored: the answer to send. RuntimeError when there is none."""
        reply = self._step(Heard.STORED).reply
        self._accepted, self._expected = self._expected, (self._expected + 1) % 8
        return reply

    def refuse(self) -> bytes:
        """The accepted frame could not be stored: the answer to send. RuntimeError when there is none."""
        return self._step(Heard.NOT_STORED).reply

    def timed_out(self) -> list[ReceiverEvent]:
        """`timer` has expired."""
        step = self._step(Heard.TIMEOUT)
        self._deframer.clear()
        return [step.tell] if step.tell else []

    def _hear(self) -> list[ReceiverEvent] | None:
        if self.state is ReceiverState.IDLE:
            piece: Piece | None = Control.ENQ if self._deframer.next_enquiry() else None
        else:
            piece = self._deframer.next_piece()
        if piece is None:
            return None
        heard, events = self._judge(piece)
        step = self._step(heard)
        if heard in (Heard.ENQ, Heard.RESTART):
            self._expected, self._accepted = 1, None
        if step.tell:
            events.append(step.tell)
        if step.reply:
            events.append(Send(step.reply))
        return events

    def _judge(self, piece: Piece) -> tuple[Heard, list[ReceiverEvent]]:
        if isinstance(piece, Control):
            return _CONTROLS[piece], []
        if not isinstance(piece, Frame):
            return Heard.BAD_FRAME, [FrameRefused(piece.reason)]
        if piece.number == self._expected:
            return Heard.NEW_FRAME, [FrameAccepted(piece.text, piece.last)]
        if piece.number == self._accepted:
            return Heard.REPEATED_FRAME, []
        return Heard.BAD_FRAME, [FrameRefused(f"frame {piece.number}: expected frame {self._expected}")]

    def _step(self, heard: Heard) -> Step:
        step = RECEIVER.get((self.state, heard))
        if step is None:
            raise RuntimeError(f"{heard.value!r} cannot happen while {self.state.value}")
        self.state = step.to
        self._restart_timer()
        return step

    def _restart_timer(self) -> None:
        waiting = self.state in (ReceiverState.WAITING, ReceiverState.WAITING_FOR_REPEAT)
        self.timer = Timer(RECEIVE_TIMEOUT_S) if waiting else None
