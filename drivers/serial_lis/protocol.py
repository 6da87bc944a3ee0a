"""What the driver puts on disk before it answers the cart: one entry a frame, and how the transfer ended.

An entry is a kind byte and the frame's text as it came. Endings are entries too, so that entries read back
after a crash give the same facts as they gave on the line.
"""

import enum
from dataclasses import dataclass
from typing import Self

from gateway.errors import DataError


class Kind(enum.Enum):
    """What an entry tells; the value is its first byte on disk."""

    STARTED = b"S"  # with the gateway's own time (RFC 3339) when the first frame came
    INTERMEDIATE = b"I"  # a frame with ETB: the record goes on
    LAST = b"X"  # a frame with ETX: the record is complete
    ENDED = b"E"
    INTERRUPTED = b"R"  # the sender began anew without an end
    ABORTED = b"A"
    TIMED_OUT = b"T"
    LINE_LOST = b"L"


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry of a session; `text` is empty for an ending."""

    kind: Kind
    text: bytes = b""

    def encode(self) -> bytes:
        """The bytes for the journal."""
        return self.kind.value + self.text

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The entry that `raw` is; DataError when this version of the driver does not write such."""
        try:
            return cls(Kind(raw[:1]), raw[1:])
        except ValueError as error:
            raise DataError("an entry of unknown kind", "journal") from error
