"""Opening the database: is it there, is it whole, has it the right shape. Nothing is begun anew silently.

The lock beside the database is also the mark that a journal was made here: where the mark stands and the
database is gone or empty, somebody has to say what is meant. What SQLite itself passes over in silence is
looked for: commits a damaged log has lost (`wal`), pages and indexes that contradict one another.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import DataError, Unavailable
from gateway.protocols.telemetry import study_code
from gateway.store.faults import damaged, unusable
from gateway.store.migrations import migrate, version
from gateway.store.wal import Log, read_log

logger = logging.getLogger(__name__)

# 300 MB are checked in 0.2 s from memory and 3 s from a slow disk; a cart is not kept waiting for longer.
LONGEST_CHECK_S: Final = 5.0
# SQLite before 3.42 looks at the time only behind all pages: what a slow disk reads in 5 s.
LARGEST_CHECK_BYTES: Final = 500_000_000
# What stays allocated of the log between two rounds; while it is written it holds a document of any size.
LARGEST_LOG_BYTES: Final = 16_000_000
_STEPS: Final = 10_000  # of SQLite's virtual machine between two looks at the clock
_KEY_BYTES: Final = 32
_MARK: Final = b"A journal was made here. Without this file an empty one may be begun in its place.\n"


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock beside the database: two gateways on one journal would each send everything."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("ab")
    except OSError as error:
        raise unusable(path, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"{path}: another gateway is using it; stop that one first") from error
        yield


def connect(path: Path) -> tuple[sqlite3.Connection, bool]:
    """The database at `path`, made where there never was one, and whether it could be checked in time.

    Run it under `alone`. StorageError when the disk refuses, DataError when it is damaged, missing or newer.
    """
    try:
        _refuse_a_gap(path)
        log = read_log(_wal(path))
        path.touch(mode=0o600)  # it holds patients; SQLite gives its other files the same mode
        with contextlib.ExitStack() as unless_ready:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            unless_ready.callback(connection.close)
            _configure(connection)
            _refuse_a_blank(path, connection)
            _tell_lost(path, connection, log)
            small = path.stat().st_size <= LARGEST_CHECK_BYTES
            complete = small and check(connection, path, LONGEST_CHECK_S)
            migrate(connection, path)
            _mark(path)
            unless_ready.pop_all()
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error
    except DataError as error:
        raise error if error.place.startswith(str(path)) else error.within(str(path)) from error
    return connection, complete


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _configure(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA cell_size_check = ON")
    if version(connection) == 0:  # it can only be chosen before there is a table
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG_BYTES}")


def _refuse_a_gap(path: Path) -> None:
    if _marked(path) and not (path.exists() and path.stat().st_size):
        raise _gap(path, "empty" if path.exists() else "missing")


def _refuse_a_blank(path: Path, connection: sqlite3.Connection) -> None:
    if version(connection):
        return
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise damaged(path, "the number of its schema is gone")
    if _marked(path):
        raise _gap(path, "empty")


def _marked(path: Path) -> bool:
    return path.with_suffix(".lock").stat().st_size > 0


def _gap(path: Path, state: str) -> DataError:
    begin = f"begin anew on purpose with 'rm {path.with_suffix('.lock')}'"
    return DataError(f"{state}, and a journal was kept here; put it back, or {begin}", str(path))


def _mark(path: Path) -> None:
    """Note that a journal was made; a disk without room for that is asked again at the next start."""
    with contextlib.suppress(OSError), path.with_suffix(".lock").open("r+b") as lock:
        if not lock.read(1):
            lock.write(_MARK)
            lock.flush()
            os.fsync(lock.fileno())


def _tell_lost(path: Path, connection: sqlite3.Connection, log: Log | None) -> None:
    """After an end without a close: what of the log could not be used, and begin a new one."""
    if log is None:
        return
    _, used, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    lost = log.lost(max(used, 0))
    if lost:
        fields = {
            "file": _wal(path),
            "commits": lost,
            "advice": "the disk lost what was stored last; have the carts send today's examinations again,"
            " what is there already is not doubled",
        }
        logger.error("journal_log_damaged", extra={"fields": fields})
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def check(connection: sqlite3.Connection, path: Path, seconds: float | None = None) -> bool:
    """Compare the pages, indexes and study codes with one another; whether the `seconds` were enough.

    DataError where they contradict one another. What a single row says is compared when it is read.
    """
    until = None if seconds is None else time.monotonic() + seconds
    connection.set_progress_handler(lambda: until is not None and time.monotonic() > until, _STEPS)
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(path, " ".join(found.removeprefix("*** in database main ***").split()))
        if version(connection):
            _check_codes(connection, path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    finally:
        connection.set_progress_handler(None, 0)
    return True


def _check_codes(connection: sqlite3.Connection, path: Path) -> None:
    """A study's code is made of the installation's key and its names: a bit of any of them shows."""
    row = connection.execute("SELECT key FROM installation").fetchone()
    if row is None or len(row["key"]) < _KEY_BYTES:
        raise damaged(path, "the key behind the study codes is gone")
    for study in connection.execute("SELECT code, driver, study_id, patient_id FROM study"):
        names = study["driver"], study["study_id"], study["patient_id"]
        if study_code(bytes(row["key"]), *names) != study["code"]:
            raise damaged(path, "a study's code does not belong to its names")
