"""A copy of the database before its shape changes: beside it, complete, on disk, and the newest few are kept.

`gateway.db.before-0006` is as it was before step 6. To go back to the version that wrote it, put it in the
place of the database while no gateway runs (`docs/storage.md`).
"""

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Final

from gateway.errors import StorageError

_KEPT: Final = 3
_PAGES_AT_ONCE: Final = 4096


def copy_before(connection: sqlite3.Connection, path: Path, step: int) -> Path:
    """Copy the database at `path` before step number `step`; StorageError when there is no room for it."""
    copy = path.with_name(f"{path.name}.before-{step:04d}")
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        _write(connection, partial)
        partial.replace(copy)
        _flush(copy.parent)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = f"{path}: no copy could be made before the schema changes ({error})"
        raise StorageError(f"{reason}; free {_megabytes(path)} MB there; nothing was changed") from error
    _drop_oldest(path)
    return copy


def copies(path: Path) -> list[Path]:
    """The copies of the database at `path`, the oldest shape first."""
    name = re.compile(re.escape(path.name) + r"\.before-\d{4,}")
    return sorted(entry for entry in path.parent.iterdir() if name.fullmatch(entry.name))


def _write(connection: sqlite3.Connection, partial: Path) -> None:
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(partial)) as target:
        target.execute("PRAGMA synchronous = FULL")
        connection.backup(target, pages=_PAGES_AT_ONCE)
        # one file that says everything: it need not be opened for writing to be read
        target.execute("PRAGMA journal_mode = DELETE")
    _flush(partial)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_oldest(path: Path) -> None:
    for copy in copies(path)[:-_KEPT]:
        with contextlib.suppress(OSError):
            copy.unlink()


def _megabytes(path: Path) -> int:
    return 1 + path.stat().st_size // 1_000_000
