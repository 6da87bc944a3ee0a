"""CLSI LIS01-A2 frames: `STX FN text ETB|ETX C1 C2 CR LF`, bytes to frames and back.

A record longer than one frame is cut into intermediate frames (ETB) and an end frame (ETX). `Deframer`
takes the line as it comes, in pieces of any size and with noise in it, and holds never more than one frame
and what was fed after it. It knows no state of the link: `lis_link` decides what a frame means.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.errors import DataError

SOH: Final = b"\x01"
STX: Final = b"\x02"
ETX: Final = b"\x03"
EOT: Final = b"\x04"
ENQ: Final = b"\x05"
ACK: Final = b"\x06"
NAK: Final = b"\x15"
ETB: Final = b"\x17"
CR: Final = b"\r"
LF: Final = b"\n"

OVERHEAD: Final = 7  # STX, frame number, ETB or ETX, two checksum digits, CR, LF
MAX_FRAME: Final = 64_000  # LIS01-A2 6.3.1: 63,993 characters of text; its forerunner E1381-95 allowed 247
USUAL_TEXT: Final = 240  # the text of an E1381-95 frame, which every host can take

# LIS01-A2 6.6: SOH STX ETX EOT ENQ ACK, LF, DLE DC1-DC4 NAK SYN ETB. CR ends a record and is allowed.
_RESTRICTED: Final = re.compile(rb"[\x01-\x06\x0a\x10-\x17]")
_FRAME: Final = re.compile(rb"\x02([0-7])(.*)([\x03\x17])([0-9A-Fa-f]{2})\r\n", re.DOTALL)

# What means something between frames. A trailer there is the tail of a frame whose STX was lost.
_BETWEEN: Final = re.compile(rb"[\x02\x04\x05]|[\x03\x17][0-9A-Fa-f]{2}\r\n")
# LF cannot stand in a text, so it ends a frame however damaged; so does a trailer whose LF was lost; and so
# does EOT ENQ: the sender gave the frame up and begins anew. (One of the two alone may be a flipped bit.)
_FRAME_END: Final = re.compile(rb"\n|[\x03\x17][0-9A-Fa-f]{2}\r(?=[^\n])|\x04\x05")
_KEPT: Final = 4  # the most a frame's end can show before its last byte arrives


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `last` is true for an end frame (ETX), which completes a record."""

    number: int
    text: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Defective:
    """A frame that cannot be taken, and why."""

    reason: str


class Control(enum.Enum):
    """A transmission control character that stands alone; RESTART: EOT ENQ that cut a frame short."""

    ENQ = "ENQ"
    EOT = "EOT"
    RESTART = "EOT ENQ"


_CONTROLS: Final = {ENQ: Control.ENQ, EOT: Control.EOT}

Piece = Frame | Defective | Control


def checksum(covered: bytes) -> bytes:
    """Two upper-case hexadecimal digits: the sum, modulo 256, of the frame number to ETB or ETX."""
    return b"%02X" % (sum(covered) & 0xFF)


def encode_frame(frame: Frame) -> bytes:
    """The frame as it goes over the line; DataError when its text cannot be framed."""
    place = f"frame {frame.number}"
    if len(frame.text) > MAX_FRAME - OVERHEAD:
        raise DataError(f"more than {MAX_FRAME - OVERHEAD} characters of text", place)
    if _RESTRICTED.search(frame.text):
        raise DataError("the text holds a restricted control character", place)
    covered = b"%d" % (frame.number % 8) + frame.text + (ETX if frame.last else ETB)
    return STX + covered + checksum(covered) + CR + LF


def decode_frame(raw: bytes, max_frame: int = MAX_FRAME) -> Frame:
    """The frame that `raw` is, from STX to LF; DataError when it is damaged or too long."""
    if len(raw) > max_frame:
        raise DataError(f"longer than {max_frame} characters", "frame")
    match = _FRAME.fullmatch(raw)
    if match is None:
        raise DataError("not STX, frame number, text, ETB or ETX, checksum, CR, LF", "frame")
    number, text, end, check = match.groups()
    place = f"frame {number.decode()}"
    if check.upper() != checksum(number + text + end):
        raise DataError("the checksum does not match", place)
    if _RESTRICTED.search(text):
        raise DataError("the text holds a restricted control character", place)
    return Frame(number=int(number), text=text, last=end == ETX)


def cut(record: bytes, text_size: int = USUAL_TEXT) -> Iterator[tuple[bytes, bool]]:
    """The texts of the frames that carry `record` (with its CR), and whether each is the last."""
    for start in range(0, len(record), text_size):
        yield record[start : start + text_size], start + text_size >= len(record)


class Deframer:
    """Bytes in, frames and control characters out, at any split of the bytes."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()
        self._in_frame = False
        self._given_up = False
        self._overlong = False
        self._scanned = 0

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    @property
    def filling(self) -> int:
        """Bytes of an unfinished frame that may still turn out well; 0 when there is none.

        A frame with ENQ or EOT in it cannot: the sender has given up on it, and its calls are no progress.
        """
        lost = self._overlong or self._given_up
        return len(self._buffer) if self._in_frame and not lost else 0

    def feed(self, data: bytes) -> None:
        """Take what was read from the line."""
        self._buffer += data

    def truncate(self, size: int) -> None:
        """Forget what is held beyond `size` bytes."""
        del self._buffer[size:]

    def clear(self) -> None:
        """Forget everything, a half frame included."""
        self._buffer.clear()
        self._leave_frame()

    def next_enquiry(self) -> bool:
        """Whether an ENQ came; drops it and everything before it. For a link at rest."""
        found = self._buffer.find(ENQ)
        del self._buffer[: len(self._buffer) if found < 0 else found + 1]
        return found >= 0

    def next_piece(self) -> Piece | None:
        """The next frame or control character; None when more bytes are needed. For a link in use."""
        if self._in_frame:
            return self._next_frame()
        found = _BETWEEN.search(self._buffer)
        if found is None:
            del self._buffer[:-_KEPT]
            return None
        kind = bytes(found.group())
        if kind == STX:
            del self._buffer[: found.start()]
            self._in_frame = True
            self._scanned = 1
            return self._next_frame()
        del self._buffer[: found.end()]
        return _CONTROLS.get(kind) or Defective("frame: it does not begin with STX")

    def _next_frame(self) -> Piece | None:
        end = _FRAME_END.search(self._buffer, self._scanned)
        if end is None:
            self._note_progress()
            return None
        restart = end.group() == EOT + ENQ
        raw = bytes(self._buffer[: end.end()])
        del self._buffer[: end.end()]
        overlong = self._overlong
        self._leave_frame()
        if restart:
            return Control.RESTART
        if overlong:
            return Defective(f"frame: longer than {self._max_frame} characters")
        try:
            return decode_frame(raw, self._max_frame)
        except DataError as error:
            return Defective(str(error))

    def _note_progress(self) -> None:
        """Keep what the new bytes of an unfinished frame tell, so that none is looked at again."""
        new = self._buffer[self._scanned :]
        self._given_up = self._given_up or ENQ in new or EOT in new
        if len(self._buffer) > self._max_frame:
            self._overlong = True
            del self._buffer[:-_KEPT]
        self._scanned = max(0, len(self._buffer) - _KEPT)

    def _leave_frame(self) -> None:
        self._in_frame = self._given_up = self._overlong = False
        self._scanned = 0
