"""MLLP, release 1: `VT message FS CR`, bytes to blocks and back.

`MllpReader` takes the stream in pieces of any size. What stands between blocks (NULs, line ends, noise) is
dropped and bounded; a VT inside a block is a sender that began again, the unfinished block is dropped. A
block is complete at its FS: the CR that must follow may come late, or, from some senders, never.
"""

import enum
from typing import Final

from gateway.errors import DataError

START_BLOCK: Final = b"\x0b"  # VT
END_BLOCK: Final = b"\x1c"  # FS
CARRIAGE_RETURN: Final = b"\r"

MAX_BLOCK: Final = 16 * 1024 * 1024  # 3,000 times the usual ORU; a report with a PDF in it fits
MAX_NOISE: Final = (
    65_536  # bytes between two blocks that are no filler: beyond it the peer speaks something else
)
_FILLER: Final = b"\x00\r\n\t \x1c"


class NeedData(enum.Enum):
    """No block is complete yet. Not an empty block."""

    NEED_DATA = enum.auto()


NEED_DATA: Final = NeedData.NEED_DATA


def frame(block: bytes) -> bytes:
    """The block as it goes over the line; DataError when it holds a framing character."""
    if START_BLOCK in block or END_BLOCK in block:
        raise DataError("holds VT or FS, which frame a message and cannot stand in one", "MLLP")
    return START_BLOCK + block + END_BLOCK + CARRIAGE_RETURN


class MllpReader:
    """Bytes in, blocks out. Knows no socket, no clock and no HL7."""

    def __init__(self, max_block: int = MAX_BLOCK) -> None:
        self._max_block = max_block
        self._buffer = bytearray()
        self._in_block = False
        self._scanned = 0
        self._noise = 0

    def receive(self, data: bytes) -> None:
        """Take what was read from the line."""
        self._buffer += data

    def next_block(self) -> bytes | NeedData:
        """The next block without its frame; NEED_DATA until one is complete.

        DataError when a block or the noise between two is too long: close the connection, every further
        call fails the same way.
        """
        if not self._in_block and not self._begin():
            return NEED_DATA
        end = self._buffer.find(END_BLOCK, self._scanned)
        held = len(self._buffer) if end < 0 else end
        again = self._buffer.rfind(START_BLOCK, self._scanned, held)
        if again >= 0:
            del self._buffer[: again + 1]
            held -= again + 1
        if held > self._max_block:
            raise DataError(f"a message of more than {self._max_block} bytes", "MLLP")
        if end < 0:
            self._scanned = held
            return NEED_DATA
        block = bytes(self._buffer[:held])
        del self._buffer[: held + 1]
        self._in_block = False
        self._noise = 0
        return block

    def _begin(self) -> bool:
        """Drop what stands before the next VT, and the VT; whether there is one."""
        start = self._buffer.find(START_BLOCK)
        before = self._buffer if start < 0 else self._buffer[:start]
        self._noise += len(before.translate(None, _FILLER))
        if self._noise > MAX_NOISE:
            raise DataError(f"{MAX_NOISE} bytes and no message in them: this is not MLLP", "MLLP")
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self._in_block = True
        self._scanned = 0
        return True
