"""What went wrong, told by what the caller should do next.

`Temporary`: try again later. `Permanent`: trying again changes nothing. The classes below them say whose
turn it is, and carry the sysexits code a command ends with. A message is one line that names the place
and what to do; it never holds a patient's name, identifier or date of birth.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar, Final


class GatewayError(Exception):
    """Base of every error this product raises on purpose; never raised itself."""

    exit_code: ClassVar[int] = 70


class Temporary(GatewayError):
    """The other side is not there just now; the same attempt may succeed later."""

    exit_code = 75


class Permanent(GatewayError):
    """The same attempt will fail again; something has to change first."""


class UsageError(Permanent):
    """The command line asks for something that does not exist."""

    exit_code = 64


class DataError(Permanent):
    """A document, frame or record breaks its format; `place` says where in it."""

    exit_code = 65

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.place = place

    def within(self, outer: str) -> "DataError":
        """The same error, seen from the document that contains `place`."""
        return DataError(self.reason, f"{outer}: {self.place}" if self.place else outer)


class NoInput(Permanent):
    """An input file does not exist or cannot be read."""

    exit_code = 66


class Unavailable(Temporary):
    """A service or device this needs is not reachable."""

    exit_code = 69


class CannotCreate(Permanent):
    """An output cannot be created."""

    exit_code = 73


class StorageError(Temporary):
    """The disk refused: full, read-only, damaged."""

    exit_code = 74


class PermissionRefused(Permanent):
    """The operating system does not let this user do it."""

    exit_code = 77


class ConfigError(Permanent):
    """The configuration cannot be used as written."""

    exit_code = 78


_LONGEST_WORD: Final = 100


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is close; never repeats `word`."""
    # Nobody misspells a known word at such length, and comparing costs time and memory with every character.
    close = difflib.get_close_matches(word, list(known), n=1) if len(word) <= _LONGEST_WORD else []
    return f"; did you mean {close[0]!r}?" if close else ""
