"""What the driver puts on disk before anything is made of a file: its name and its bytes, in one entry.

One entry, so that a crash leaves both or neither: a mark, the length of the name, the name, the content.
"""

import os
from dataclasses import dataclass
from typing import Final, Self

from gateway.errors import DataError

_MARK: Final = b"F"
_LENGTH_BYTES: Final = 2  # a file system allows 255


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was in the folder; `name` as the operating system gives it."""

    name: str
    data: bytes

    def encode(self) -> bytes:
        """The bytes for the journal."""
        name = os.fsencode(self.name)
        return _MARK + len(name).to_bytes(_LENGTH_BYTES, "big") + name + self.data

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The entry that `raw` is; DataError when this version of the driver does not write such."""
        start = len(_MARK) + _LENGTH_BYTES
        end = start + int.from_bytes(raw[len(_MARK) : start], "big")
        if raw[: len(_MARK)] != _MARK or not start < end <= len(raw):
            raise DataError("an entry of unknown kind", "journal")
        return cls(os.fsdecode(raw[start:end]), raw[end:])
