"""The journal: raw input before it is acknowledged, facts in the order they came.

A recording's identity is the hash of its content: sent again after a lost link it is the same recording.
Facts carry the receive time, the device's time and their offset, the boot they came in and who stated them;
their order is the order of arrival, whatever a clock says. Another process may add facts beside the gateway
(`gateway.store.visit`): numbers are given in the order of the commits, so what lies behind a number is new.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from gateway.domain.recording import Recording
from gateway.domain.study import AlertAcknowledged, Fact, StudyHeader, StudyOpened
from gateway.errors import DataError
from gateway.formats.fact_json import decode, encode
from gateway.ports import Clock, Session
from gateway.protocols.screens import Acknowledge
from gateway.protocols.telemetry import study_code, timestamp
from gateway.store.alerts import waits_to_be_seen
from gateway.store.checksum import checksum
from gateway.store.database import Database
from gateway.store.repeats import already_said

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournaledFact:
    """A fact on disk: its number in the journal, the study's code and the cart it came from."""

    id: int
    code: str
    cart: str
    fact: Fact


# What a fact is read by, whatever is asked for.
FACT_COLUMNS: Final = "fact.id, study, cart, kind, identity, fact.body, fact.checksum"
# A session is closed when all of its facts are journaled: until then what its driver delivers may be of it.
_STEMS_FROM: Final = (
    "INSERT OR IGNORE INTO session_study SELECT id, ? FROM session WHERE driver = ? AND closed = 0"
)
Deliver = Callable[[Sequence[JournaledFact]], Awaitable[None]]


class Journal:
    """Intake entries and facts of all drivers."""

    def __init__(self, database: Database, clock: Clock, boot_id: str, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._boot_id = boot_id
        self._key: Final = key
        self._heard = 0  # the newest fact of other processes, or left by them, that was asked for

    @classmethod
    async def open(cls, database: Database, clock: Clock, boot_id: str) -> "Journal":
        """The journal of this installation; the key behind its study codes is made with the database."""
        key = await database.write(lambda c: bytes(c.execute("SELECT key FROM installation").fetchone()[0]))
        return cls(database, clock, boot_id, key)

    def intake(self, driver: str, cart: str, deliver: Deliver) -> "DriverIntake":
        """The front door of one driver; `deliver` is awaited with the facts that are new."""
        return DriverIntake(
            self._database, self._clock, driver, lambda h, f: self._deliver(driver, cart, h, f, deliver)
        )

    async def add(self, code: str, fact: Fact) -> Sequence[JournaledFact]:
        """Journal a fact about a study that is already known, such as its end."""
        stamp = self._stamp()
        return await self._database.write(lambda c: add_known(c, code, [fact], stamp))

    async def acknowledge(self, cart: str, wanted: Acknowledge) -> Sequence[JournaledFact]:
        """Journal that an alert of `cart` was seen, unless it was before; DataError: no such alert."""
        stamp = self._stamp()
        fact = AlertAcknowledged(
            alert_id=wanted.alert_id,
            by=wanted.by,
            screen=wanted.screen,
            time=timestamp(stamp.received_at),
        )

        def work(connection: sqlite3.Connection) -> list[JournaledFact]:
            waits = waits_to_be_seen(connection, wanted.code, cart, wanted.alert_id)
            return _add(connection, wanted.code, cart, [fact] if waits else [], stamp)

        return await self._database.write(work)

    async def unprocessed(self) -> Sequence[JournaledFact]:
        """The facts whose results a crash or a stop kept from being stored, in order."""
        return self._hear(await self._database.write(_unprocessed))

    async def from_others(self) -> Sequence[JournaledFact]:
        """The facts that other processes journaled since the last look, or `unprocessed`, in order."""
        return self._hear(await self._database.write(lambda c: _from_others(c, self._heard, self._boot_id)))

    def _hear(self, found: Sequence["JournaledFact | Unreadable"]) -> Sequence[JournaledFact]:
        self._heard = max((entry.id for entry in found), default=self._heard)
        return tell_unreadable(found)

    async def _deliver(
        self, driver: str, cart: str, header: StudyHeader, facts: Sequence[Fact], deliver: Deliver
    ) -> None:
        code = study_code(self._key, driver, header.study_id, header.patient.id or "")
        stamp = self._stamp()

        def work(connection: sqlite3.Connection) -> list[JournaledFact]:
            connection.execute(
                "INSERT INTO study (code, driver, cart, study_id, patient_id) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (code) DO UPDATE SET cart = excluded.cart",
                (code, driver, cart, header.study_id, header.patient.id or ""),
            )
            connection.execute(_STEMS_FROM, (code, driver))
            return _add(connection, code, cart, [StudyOpened(header), *facts], stamp)

        await deliver(await self._database.write(work))

    def _stamp(self) -> "Stamp":
        return Stamp(self._clock.now(), self._clock.monotonic(), self._boot_id)


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a fact came, in which life of which process, and the user who stated it."""

    received_at: datetime
    monotonic_s: float
    boot_id: str
    stated_by: str | None = None


def add_known(
    connection: sqlite3.Connection, code: str, facts: Iterable[Fact], stamp: Stamp
) -> list[JournaledFact]:
    """In a transaction: insert what is new about a study; nothing where there is no such study."""
    row = connection.execute("SELECT cart FROM study WHERE code = ?", (code,)).fetchone()
    return [] if row is None else _add(connection, code, row["cart"], facts, stamp)


def _add(
    connection: sqlite3.Connection, code: str, cart: str, facts: Iterable[Fact], stamp: Stamp
) -> list[JournaledFact]:
    """Insert the facts that are new; what the study already says is dropped."""
    added = []
    for fact in facts:
        kind, body = encode(fact)
        if already_said(connection, code, fact, body):
            continue
        identity = hashlib.sha256(body).hexdigest() if isinstance(fact, Recording) else None
        device_time = fact.recorded_at if isinstance(fact, Recording) else None
        cursor = connection.execute(
            "INSERT INTO fact (study, kind, identity, body, received_at, boot_id, monotonic_s, device_time,"
            " device_offset_s, stated_by, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (study, identity) DO NOTHING",
            (
                code,
                kind,
                identity,
                body,
                stamp.received_at.isoformat(),
                stamp.boot_id,
                stamp.monotonic_s,
                device_time,
                _offset_s(device_time, stamp.received_at),
                stamp.stated_by,
                fact_checksum(code, kind, identity, body),
            ),
        )
        if cursor.rowcount:
            kept = _identified(fact, identity)
            added.append(JournaledFact(id=cursor.lastrowid or 0, code=code, cart=cart, fact=kept))
    return added


def _identified(fact: Fact, identity: str | None) -> Fact:
    """The fact; a recording with the identity under which a correction names it."""
    return replace(fact, identity=identity) if isinstance(fact, Recording) else fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A fact on disk that this gateway cannot read, damaged or of another version; it stays there."""

    id: int
    code: str
    reason: str


def read_facts(rows: Iterable[sqlite3.Row]) -> list[JournaledFact | Unreadable]:
    """The facts that rows of `FACT_COLUMNS` hold; one unreadable hides no other."""
    return [_read_fact(row) for row in rows]


def fact_checksum(code: str, kind: str, identity: str | None, body: bytes) -> int:
    """The checksum of what a fact says, about which study."""
    return checksum(code, kind, identity, body)


def _is_as_written(row: sqlite3.Row) -> bool:
    if row["checksum"] is None:  # of an older gateway, which only named recordings by their content
        return row["identity"] in (None, hashlib.sha256(row["body"]).hexdigest())
    return bool(row["checksum"] == fact_checksum(row["study"], row["kind"], row["identity"], row["body"]))


def _read_fact(row: sqlite3.Row) -> JournaledFact | Unreadable:
    if not _is_as_written(row):
        return Unreadable(id=row["id"], code=row["study"], reason="damaged on the disk")
    try:
        fact = _identified(decode(row["kind"], row["body"]), row["identity"])
    except DataError as error:
        return Unreadable(id=row["id"], code=row["study"], reason=str(error))
    return JournaledFact(id=row["id"], code=row["study"], cart=row["cart"], fact=fact)


def tell_unreadable(found: Iterable[JournaledFact | Unreadable]) -> list[JournaledFact]:
    """The facts that could be read; the others are named in the log."""
    readable = []
    for entry in found:
        if isinstance(entry, JournaledFact):
            readable.append(entry)
        else:
            fields = {"study": entry.code, "fact": entry.id, "reason": entry.reason}
            logger.error("fact_unreadable", extra={"fields": fields})
    return readable


def _offset_s(device_time: str | None, received_at: datetime) -> float | None:
    if device_time is None:
        return None
    device = datetime.fromisoformat(device_time)
    return (received_at - device.astimezone(UTC)).total_seconds()


def _unprocessed(connection: sqlite3.Connection) -> list[JournaledFact | Unreadable]:
    rows = connection.execute(
        f"SELECT {FACT_COLUMNS} FROM fact JOIN study ON study.code = fact.study"  # noqa: S608
        " WHERE processed = 0 ORDER BY fact.id"
    )
    return read_facts(rows)


def _from_others(
    connection: sqlite3.Connection, heard: int, boot_id: str
) -> list[JournaledFact | Unreadable]:
    rows = connection.execute(
        f"SELECT {FACT_COLUMNS} FROM fact JOIN study ON study.code = fact.study"  # noqa: S608
        " WHERE processed = 0 AND fact.id > ? AND boot_id <> ? ORDER BY fact.id",
        (heard, boot_id),
    )
    return read_facts(rows)


class DriverIntake:
    """`ports.Intake` over the journal."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        driver: str,
        deliver: Callable[[StudyHeader, Sequence[Fact]], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._driver = driver
        self._deliver = deliver

    async def unfinished(self) -> Sequence[Session]:
        """The sessions a crash or a stop left open, oldest first."""
        return await self._database.write(lambda c: _unfinished(c, self._driver))

    async def open(self) -> int:
        """A new session."""
        self._database.insist_on_sound()
        opened_at = self._clock.now().isoformat()

        def work(connection: sqlite3.Connection) -> int:
            values = (self._driver, opened_at)
            cursor = connection.execute("INSERT INTO session (driver, opened_at) VALUES (?, ?)", values)
            return cursor.lastrowid or 0

        return await self._database.write(work)

    async def accept(self, session: int, entry: bytes) -> None:
        """Put `entry` on disk; when this returns the device may be acknowledged."""
        values = (session, self._clock.now().isoformat(), entry)
        self._database.insist_on_sound()
        insert = "INSERT INTO entry (session, received_at, body) VALUES (?, ?, ?)"
        await self._database.write(lambda c: c.execute(insert, values).rowcount)

    async def deliver(self, header: StudyHeader, facts: Sequence[Fact]) -> None:
        """Journal `facts` of the study `header` names; facts it already has are dropped."""
        await self._deliver(header, facts)

    async def close(self, session: int) -> None:
        """Every fact of this session is journaled."""
        await self._database.write(
            lambda c: c.execute("UPDATE session SET closed = 1 WHERE id = ?", (session,)).rowcount
        )


def _unfinished(connection: sqlite3.Connection, driver: str) -> list[Session]:
    rows = connection.execute(
        "SELECT id FROM session WHERE driver = ? AND closed = 0 ORDER BY id", (driver,)
    ).fetchall()
    query = "SELECT body FROM entry WHERE session = ? ORDER BY id"
    return [
        Session(row["id"], tuple(entry["body"] for entry in connection.execute(query, (row["id"],))))
        for row in rows
    ]
