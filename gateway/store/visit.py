"""What another process may do with the store, beside a gateway that may be running: read, add facts, decide.

SQLite lets one process write at a time and the others wait up to 5 s; a visitor's transaction takes
milliseconds, all of its facts are there or none, and they are on disk when it returns. The gateway finds
them by itself (`Journal.from_others`), or at its next start.
"""

import contextlib
import sqlite3
import stat
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.study import Fact, PatientStated, Study, StudyOpened, fold
from gateway.errors import DataError, NoInput, PermissionRefused, StorageError, UsageError
from gateway.formats.fact_json import decode
from gateway.ports import Clock
from gateway.store.decisions import Decisions
from gateway.store.faults import code, is_damage, refused
from gateway.store.journal import FACT_COLUMNS, JournaledFact, Stamp, Unreadable, add_known, read_facts
from gateway.store.migrations import check_shape
from gateway.store.studies import codes_named

_NOT_ALLOWED: Final = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEntry:
    """A study by its names, with nothing about the patient; times are RFC 3339, `ended_at` None: open.

    `unusable` counts the records that could not be used. `patient` is whose it is by the last word of an
    operator: the "cart's", "another's" or "nobody's"; None: nobody said anything.
    """

    code: str
    study_id: str
    cart: str
    recordings: int
    started_at: str
    ended_at: str | None
    unusable: int
    patient: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A fact, when it came (RFC 3339), and the user who stated it; None: a cart sent it, or time passed."""

    fact: Fact
    at: str
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitedStudy:
    """A study as all of its facts amount to it, and what is wrong with those that could not be read."""

    code: str
    study: Study
    told: tuple[Told, ...]
    unreadable: tuple[Unreadable, ...]


@contextlib.contextmanager
def visit(path: Path) -> Iterator["Visit"]:
    """The store at `path` while the block runs.

    NoInput when it is not there, PermissionRefused when this user may not use it, StorageError when it is
    damaged or somebody keeps it busy, DataError when another version wrote it.
    """
    _check_file(path)
    try:
        with contextlib.closing(_connect(path)) as connection:
            yield Visit(connection)
    except sqlite3.Error as error:
        if code(error) in _NOT_ALLOWED:
            raise _not_allowed(path, str(error)) from error
        raise _failed(path, error) from error


def _failed(path: Path, error: sqlite3.Error) -> StorageError:
    if is_damage(error):
        return refused(path, error)
    return StorageError(f"{path}: {error}; nothing was stored, try again")


def _check_file(path: Path) -> None:
    try:
        there = stat.S_ISREG(path.stat().st_mode)
    except PermissionError as error:
        raise _not_allowed(path, str(error.strerror)) from error
    except OSError:
        there = False
    if not there:
        raise NoInput(f"{path}: not there; has the gateway run with this configuration?")


def _not_allowed(path: Path, reason: str) -> PermissionRefused:
    return PermissionRefused(f"{path}: {reason}; do this as the user the gateway runs as (sudo -u USER)")


def _connect(path: Path) -> sqlite3.Connection:
    with contextlib.ExitStack() as unless_ready:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        unless_ready.callback(connection.close)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.row_factory = sqlite3.Row
        check_shape(connection, path)
        unless_ready.pop_all()
    return connection


def _whose(body: bytes | None) -> str | None:
    """Whose a study is by what was stated last; one that cannot be read may be anybody's."""
    try:
        stated = None if body is None else decode("patient", body)
    except DataError:
        return "nobody's"
    return stated.whose if isinstance(stated, PatientStated) else None


class Visit:
    """An open store; build it with `visit`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def studies(self) -> list[StudyEntry]:
        """Every study, the newest first."""
        rows = self._connection.execute(
            "SELECT code, study_id, cart,"
            " (SELECT count(*) FROM fact WHERE study = code AND kind = 'recording') AS recordings,"
            " (SELECT received_at FROM fact WHERE study = code ORDER BY id LIMIT 1) AS started_at,"
            " (SELECT iif(kind = 'ended', received_at, NULL) FROM fact WHERE study = code"
            "  AND kind IN ('recording', 'ended') ORDER BY id DESC LIMIT 1) AS ended_at,"
            " (SELECT count(*) FROM fact WHERE study = code AND kind = 'unusable') AS unusable,"
            " (SELECT body FROM fact WHERE study = code AND kind = 'patient'"
            "  ORDER BY id DESC LIMIT 1) AS patient"
            " FROM study ORDER BY (SELECT min(id) FROM fact WHERE study = code) DESC"
        )
        return [StudyEntry(**dict(row) | {"patient": _whose(row["patient"])}) for row in rows]

    def study(self, wanted: str) -> VisitedStudy:
        """The study of this code, or of this study id of a device.

        UsageError when there is none, or more than one; DataError when its header cannot be read.
        """
        code = self._code(wanted)
        rows = self._connection.execute(
            f"SELECT {FACT_COLUMNS}, received_at, stated_by"  # noqa: S608
            " FROM fact JOIN study ON code = study WHERE study = ? ORDER BY fact.id",
            (code,),
        ).fetchall()
        found = read_facts(rows)
        told = tuple(
            Told(fact=entry.fact, at=row["received_at"], by=row["stated_by"])
            for row, entry in zip(rows, found, strict=True)
            if isinstance(entry, JournaledFact)
        )
        facts = [entry.fact for entry in told]
        opened = next((fact for fact in facts if isinstance(fact, StudyOpened)), None)
        if opened is None:
            raise DataError("has no header that can be read; the gateway's log says why", code)
        unreadable = tuple(entry for entry in found if isinstance(entry, Unreadable))
        return VisitedStudy(code=code, study=fold(opened, facts), told=told, unreadable=unreadable)

    def state(self, code: str, facts: Sequence[Fact], *, by: str, clock: Clock) -> int:
        """Journal `facts` of the study `code`, all or none, as stated by the user `by`; how many were new."""
        stamp = Stamp(clock.now(), clock.monotonic(), str(uuid.uuid4()), by)
        with self._connection:  # commits, or takes everything back
            self._connection.execute("BEGIN IMMEDIATE")
            return len(add_known(self._connection, code, facts, stamp))

    def decisions(self, *, by: str, clock: Clock) -> Decisions:
        """What the user `by` may decide about messages on their way out."""
        return Decisions(self._connection, by, clock)

    def _code(self, wanted: str) -> str:
        codes = codes_named(self._connection, wanted)
        if len(codes) > 1:
            raise UsageError(f"more than one study of this id; name one by its code: {', '.join(codes)}")
        return codes[0]
