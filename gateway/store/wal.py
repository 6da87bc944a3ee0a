"""Whether a write-ahead log has lost what was committed: SQLite reads it up to the first bad frame, silently.

A crash in the middle of a commit leaves a bad end, and that is nothing: it was not acknowledged yet. But a
commit that others follow was on disk, for each waits for the one before (`synchronous = FULL`). Where such a
frame cannot be used any more the disk has lost it. Format: https://sqlite.org/fileformat2.html#walformat.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_PAGE_BYTES: Final = 4096  # SQLite's default, which this store has
# The magic number says in which byte order checksums are counted.
_ORDERS: Final[dict[int, Literal["little", "big"]]] = {0x377F0682: "little", 0x377F0683: "big"}
_MASK: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Log:
    """The numbers of the frames, from 1, that end a commit of the log's present round, usable or not.

    `readable`: whether its header can be used, without which none of them can.
    """

    commits: tuple[int, ...]
    readable: bool

    def lost(self, used_frames: int) -> int:
        """How many commits lie behind the frames that SQLite could use, and were complete.

        The very last may be the one that a crash interrupted: it does not count.
        """
        behind = sum(number > used_frames for number in self.commits)
        return behind - 1 if behind and self.readable else behind


def read_log(wal: Path) -> Log | None:
    """What the file `wal` holds; None where there is no log, or nothing in it."""
    try:
        with wal.open("rb") as log:
            header = log.read(_HEADER)
            readable, commits = _is_sound(header), []
            page_bytes, salt = _PAGE_BYTES, b""
            if readable:
                page_bytes, salt = int.from_bytes(header[8:12], "big"), header[16:24]
            number = 0
            while len(frame := log.read(_FRAME_HEADER)) == _FRAME_HEADER:
                number += 1
                salt = salt or frame[8:16]
                log.seek(page_bytes, 1)
                if frame[8:16] == salt and int.from_bytes(frame[4:8], "big"):
                    commits.append(number)
    except FileNotFoundError:
        return None
    return Log(tuple(commits), readable) if number else None


def _is_sound(header: bytes) -> bool:
    order = _ORDERS.get(int.from_bytes(header[:4], "big"))
    if order is None or len(header) < _HEADER:
        return False
    words = [int.from_bytes(header[place : place + 4], order) for place in range(0, 24, 4)]
    first = second = 0
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return header[24:32] == first.to_bytes(4, "big") + second.to_bytes(4, "big")
