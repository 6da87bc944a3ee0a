"""What the disk did, in one line that names the file and what to do about it."""

import contextlib
import errno
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from gateway.errors import DataError, StorageError

_PRIMARY: Final = 0xFF  # of SQLite's extended result codes
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "free space on its disk, it goes on by itself",
    sqlite3.SQLITE_READONLY: "make the file and its disk writable for this user, it goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk fails: see 'dmesg', and replace it",
    sqlite3.SQLITE_BUSY: "another program keeps it locked: end that one",
}
_OF_ERRNO: Final = {errno.ENOSPC: sqlite3.SQLITE_FULL, errno.EROFS: sqlite3.SQLITE_READONLY}
_TOO_LITTLE_BYTES: Final = 100_000  # the log and its index take this much
SALVAGE: Final = "stop the gateway and run 'emg-gateway store salvage'"


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file holds what no gateway wrote."""
    return code(error) in _DAMAGED


def refused(path: Path, error: sqlite3.Error) -> StorageError:
    """What to say of a work that could not be done."""
    advice = SALVAGE if is_damage(error) else _ADVICE.get(_cause(path, error), "see that its disk works")
    return StorageError(f"{path}: {error}; what was already stored is kept; {advice}")


def unusable(path: Path, error: sqlite3.Error | OSError) -> StorageError | DataError:
    """What to say of a database that cannot be opened: DataError where trying again changes nothing."""
    if isinstance(error, sqlite3.Error) and is_damage(error):
        return damaged(path, str(error))
    advice = _ADVICE.get(_cause(path, error))
    return StorageError(f"{path}: {error}; {advice or 'free space, or let this user write there'}")


def _cause(path: Path, error: sqlite3.Error | OSError) -> int:
    """The result code that says why; what needs room for its own files fails otherwise on a full disk."""
    number = code(error) if isinstance(error, sqlite3.Error) else _OF_ERRNO.get(error.errno or 0, 0)
    if number not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return number
    with contextlib.suppress(OSError):
        if shutil.disk_usage(path.parent).free < _TOO_LITTLE_BYTES:
            return sqlite3.SQLITE_FULL
    return number


def damaged(path: Path, what: str) -> DataError:
    """What to say of a database that is damaged."""
    return DataError(f"damaged: {what}; nothing was changed; {SALVAGE}", str(path))
