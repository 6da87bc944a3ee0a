"""What can be read of a damaged database, in a new one: every row of every table that is still to be had.

Nothing is done to the damaged file but to give it another name. Pages are read by SQLite alone; where one is
bad the rows on both sides of it are taken, and between them each number is asked for.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.errors import DataError, NoInput, StorageError
from gateway.store.copies import copies
from gateway.store.migrations import refuse_newer
from gateway.store.opening import alone, check, connect

_FILES: Final = ("", "-wal", "-shm")
# Between two good rows: a page holds a hundred at most, so a larger gap is a number that was damaged itself.
_LARGEST_GAP: Final = 1_000_000
_BY_KEY: Final = ("session_study",)  # has no row numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """How many rows of a table are in the new database, and how many could not be read, at most."""

    table: str
    kept: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """What became of a damaged database: the tables, and where it is now."""

    tables: tuple[Rescued, ...]
    damaged: Path

    @property
    def complete(self) -> bool:
        """Whether nothing was lost."""
        return not any(entry.lost for entry in self.tables)


def salvage(path: Path) -> Salvage | None:
    """Put what can be read of the database at `path` in its place; None where nothing is wrong with it.

    NoInput when it is not there, Unavailable while a gateway runs, DataError when nothing can be read or a
    newer gateway wrote it, StorageError when the disk refuses. In these cases it is as it was.
    """
    if not path.exists():
        raise NoInput(f"{path}: not there; has the gateway run with this configuration?")
    try:
        with alone(path), tempfile.TemporaryDirectory(dir=path.parent, prefix="salvage-") as folder:
            for end in _FILES[:2]:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(path.with_name(path.name + end), folder)
            with _source(Path(folder) / path.name, path) as source:
                refuse_newer(source, path)  # what it says beyond our shape would be lost in silence
                if _is_sound(source, path):
                    return None
                new = Path(folder) / "new" / path.name
                tables = _rescue(source, new, path)
            return Salvage(tables=tables, damaged=_swap(path, new))
    except OSError as error:
        raise StorageError(f"{path}: {error}; free space for a second one, nothing was changed") from error


@contextlib.contextmanager
def _source(copy: Path, path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as source:
        source.row_factory = sqlite3.Row
        try:
            (tables,) = source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            raise _hopeless(path, str(error)) from error
        if not tables:
            raise _hopeless(path, "it is empty")
        yield source


def _hopeless(path: Path, what: str) -> DataError:
    kept = ", ".join(copy.name for copy in copies(path)) or "none beside it"
    return DataError(f"nothing can be read: {what}; put back a copy of it ({kept})", str(path))


def _is_sound(source: sqlite3.Connection, path: Path) -> bool:
    try:
        return check(source, path)
    except (DataError, sqlite3.DatabaseError):
        return False


def _rescue(source: sqlite3.Connection, new: Path, path: Path) -> tuple[Rescued, ...]:
    with alone(new):
        target, _ = connect(new)
    with contextlib.closing(target):
        target.execute("PRAGMA foreign_keys = OFF")
        target.execute("BEGIN IMMEDIATE")
        target.execute("DELETE FROM installation")
        names = [
            row["name"]
            for row in target.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
        ]
        tables = tuple(_rescue_table(source, target, name) for name in names)
        if not target.execute("SELECT 1 FROM installation").fetchone():
            raise _hopeless(path, "the key behind the study codes is gone")
        target.execute(
            "INSERT INTO sequence (prefix, last) SELECT sink, max(seq) FROM outbox WHERE seq IS NOT NULL"
            " GROUP BY sink ON CONFLICT (prefix) DO UPDATE SET last = max(last, excluded.last)"
        )
        target.execute(  # an event without a payload was dropped as too old to be replayed
            "UPDATE sequence SET thinned = max(thinned, (SELECT coalesce(max(seq), 0) FROM outbox"
            " WHERE sink = prefix AND seq IS NOT NULL AND payload = x''))"
        )
        target.execute("COMMIT")
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return tables


def _rescue_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> Rescued:
    columns = [name for name in _columns(target, table) if name in _columns(source, table)]
    if not columns:
        return Rescued(table=table, kept=0, lost=0)
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    kept = lost = 0
    for row in _rows(source, table, columns):
        stored = 0 if row is None else target.execute(insert, tuple(row)).rowcount
        kept, lost = kept + stored, lost + (1 - stored)
    return Rescued(table=table, kept=kept, lost=lost)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]


def _rows(source: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[Sequence[Any] | None]:
    """The rows of a table; None for each that may have been there and cannot be read."""
    wanted = ", ".join(columns)
    if table in _BY_KEY:
        with contextlib.suppress(sqlite3.DatabaseError):
            yield from source.execute(f"SELECT {wanted} FROM {table}")  # noqa: S608
        return
    query = f"SELECT rowid, {wanted} FROM {table} NOT INDEXED"  # noqa: S608
    last = 0
    try:
        for row in source.execute(f"{query} WHERE rowid > 0 ORDER BY rowid"):
            last = row[0]
            yield row[1:]
    except sqlite3.DatabaseError:
        yield from _behind(source, query, last)


def _behind(source: sqlite3.Connection, query: str, last: int) -> Iterator[Sequence[Any] | None]:
    """The rows behind a bad page: from the end back to it, and then one number after the other."""
    first = None
    try:
        for row in source.execute(f"{query} WHERE rowid > ? ORDER BY rowid DESC", (last,)):
            first = row[0]
            yield row[1:]
    except sqlite3.DatabaseError:
        pass
    until = last + _LARGEST_GAP if first is None else min(first, last + _LARGEST_GAP)
    unread = 0
    for number in range(last + 1, until):
        try:
            row = source.execute(f"{query} WHERE rowid = ?", (number,)).fetchone()
        except sqlite3.DatabaseError:
            unread += 1
            continue
        if row is not None:
            yield row[1:]
    yield from (None for _ in range(unread if first is not None else min(unread, 1)))


def _swap(path: Path, new: Path) -> Path:
    damaged = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    for end in _FILES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(damaged.with_name(damaged.name + end))
    new.rename(path)
    return damaged
