"""The outbox: one row a result and sink, from stored to answered, never deleted on the way.

Results are stored in one transaction with the fact they follow from, so a crash leaves either both or
neither. A row leaves `pending` only on the right acknowledgement, or with a reason. MQTT events get their
sequence number when they are stored; a number is never given twice and none is skipped. An answer that a full
disk keeps from being stored is remembered: what was delivered is not sent again while the gateway runs.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from gateway.domain.assessment import JsonObject
from gateway.errors import StorageError
from gateway.ports import Clock, OutboxItem
from gateway.protocols.telemetry import TelemetryEvent, boot_of, envelope
from gateway.store import past_events
from gateway.store.checksum import checksum
from gateway.store.database import Database

logger = logging.getLogger(__name__)

State = Literal["pending", "delivered", "parked", "dead", "refused", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An HL7 message for one destination.

    `refused` gives the reason it must not be sent, `dead` the reason it could not be written. `filing` counts
    the patients its study was filed for; one that `takes_back` is stored only where the destination was sent
    something for that patient.
    """

    sink: str
    control_id: str
    payload: bytes
    refused: str | None = None
    dead: str | None = None
    filing: int = 1
    takes_back: bool = False

    @property
    def state(self) -> State:
        """The state it is stored in."""
        return "dead" if self.dead else "refused" if self.refused else "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that follows from one fact (`fact_id`), or from the passing of time (None)."""

    code: str
    fact_id: int | None
    numbering: JsonObject
    alerts: JsonObject
    clear_at: datetime | None
    alerts_clear_at: datetime | None = None
    events_sink: str | None = None
    events: tuple[TelemetryEvent, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a row, and when (RFC 3339)."""

    state: State
    answer: str | None
    error: str | None
    at: str


class Outbox:
    """Stores results and hands them to the sinks."""

    def __init__(self, database: Database, clock: Clock, boot_id: str) -> None:
        self._database = database
        self._clock = clock
        self._boot_id = boot_id
        self._stored: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._settled = asyncio.Event()
        self._version = -1  # of the file, as SQLite counts what others commit
        self._paused: frozenset[str] = frozenset()
        self._answered: dict[int, _Answer] = {}  # not on disk yet

    async def store(self, results: Results) -> None:
        """Put `results` on disk, mark their fact as processed, and wake the sinks."""
        now = self._clock.now()
        await self._database.write(lambda c: _store(c, results, now, self._boot_id))
        if results.events_sink is not None:
            self._stored[results.events_sink].set()
        for message in results.messages:
            self._stored[message.sink].set()
            if message.dead:
                fields = {"sink": message.sink, "control_id": message.control_id, "reason": message.dead}
                logger.error("hl7_unwritable", extra={"fields": fields})

    async def pending(self, sink: str, limit: int = 1) -> Sequence[OutboxItem]:
        """The oldest rows `sink` still has to deliver; none while it is paused."""
        await self._keep_answers()
        rows = await self._database.write(lambda c: _pending(c, sink, limit, list(self._answered)))
        damaged = [row["id"] for row in rows if not past_events.is_as_stored(row)]
        for item_id in damaged:  # what they were made of has checksums of its own
            await self._settle(item_id, "dead", error="damaged on the disk; nothing was sent")
        if damaged:
            return await self.pending(sink, limit)
        return [past_events.item(row) for row in rows]

    async def wait(self, sink: str) -> None:
        """Return once `sink` has something to deliver."""
        stored = self._stored[sink]
        while True:
            stored.clear()
            if await self.pending(sink):
                return
            await stored.wait()

    async def hear(self) -> None:
        """Wake the sinks where another process has decided something; paused ones are told of in the log."""
        await self._keep_answers()
        version, paused = await self._database.write(_version)
        if version == self._version:
            return
        self._version = version
        for stored in self._stored.values():
            stored.set()
        for sink in sorted(paused ^ self._paused):
            event = "destination_paused" if sink in paused else "destination_resumed"
            logger.warning(event, extra={"fields": {"sink": sink}})
        self._paused = paused

    async def tell_abandoned(self, sinks: Iterable[str]) -> None:
        """Say in the log what waits for destinations that are none of `sinks`: nobody sends it."""
        known = msgspec.json.encode(list(sinks)).decode()
        for sink, waiting in await self._database.write(lambda c: c.execute(_ABANDONED, (known,)).fetchall()):
            fields = {"sink": sink, "pending": waiting, "advice": "configure it again, or give these up"}
            logger.warning("destination_abandoned", extra={"fields": fields})

    async def drained(self, sinks: Iterable[str]) -> None:
        """Return once nothing is pending for any of `sinks`."""
        for sink in sinks:
            while True:
                self._settled.clear()
                if not await self.pending(sink):
                    break
                await self._settled.wait()

    async def last_seq(self, sink: str) -> int:
        """The number of the newest event before the first that is still pending; 0 when there is none.

        One that was refused and is to be tried again counts as gone: it keeps its number.
        """
        return await self._database.write(lambda c: _last_seq(c, sink))

    async def retained(self, sink: str) -> Sequence[OutboxItem]:
        """What the broker should hold for screens that come later, in the order it was sent."""
        return await self._database.write(lambda c: past_events.retained(c, sink))

    async def after(self, sink: str, since: int, until: int, limit: int) -> Sequence[OutboxItem]:
        """The oldest `limit` events numbered above `since` up to `until` that are still kept."""
        return await self._database.write(lambda c: past_events.after(c, sink, since, until, limit))

    async def oldest(self, sink: str) -> int:
        """The number of the oldest event that is kept."""
        return await self._database.write(lambda c: past_events.oldest(c, sink))

    async def thin(self, keep: int, before: datetime) -> None:
        """Keep no more than the newest `keep` events of each prefix for a replay, none from `before` that."""
        while await self._database.write(lambda c: past_events.thin(c, keep, before)):
            pass

    async def delivered(self, item_id: int, answer: str) -> None:
        """The other side has it, and said so with `answer`."""
        await self._settle(item_id, "delivered", answer=answer)

    async def attempted(self, item_id: int, error: str, *, refused: bool = False) -> None:
        """An attempt failed, or the other side `refused` for now; the row stays pending."""
        update = "UPDATE outbox SET attempts = attempts + 1, refusals = refusals + ?, error = ? WHERE id = ?"
        await self._database.write(lambda c: c.execute(update, (refused, error, item_id)).rowcount)

    async def parked(self, item_id: int, error: str) -> None:
        """The other side kept asking for a later try: set aside for a person to look at."""
        await self._settle(item_id, "parked", error=error)

    async def dead(self, item_id: int, reason: str) -> None:
        """The other side refused it for good."""
        await self._settle(item_id, "dead", error=reason)

    async def _settle(
        self, item_id: int, state: State, *, answer: str | None = None, error: str | None = None
    ) -> None:
        self._answered[item_id] = _Answer(state, answer, error, self._clock.now().isoformat())
        await self._keep_answers()
        self._settled.set()

    async def _keep_answers(self) -> None:
        """Store what came back; while the disk refuses, which the database tells of, it is kept here."""
        waiting = dict(self._answered)
        if not waiting:
            return
        with contextlib.suppress(StorageError):
            await self._database.write(lambda c: _answer(c, waiting))
            for item_id in waiting:
                self._answered.pop(item_id, None)


# Decided to be sent again while a later message of its study was on its way: it would put back what that one
# corrected. Where it was delivered before, it stays so.
_OVERTAKEN: Final = """
    UPDATE outbox SET state = iif(answer IS NULL, 'parked', 'delivered'), done_at = later.done_at,
        error = 'a later message of its study was delivered meanwhile'
    FROM (
        SELECT id, sink, study, filing, done_at FROM outbox WHERE id = ? AND control_id IS NOT NULL
    ) AS later
    WHERE outbox.sink = later.sink AND outbox.study = later.study AND outbox.filing = later.filing
        AND outbox.state = 'pending' AND outbox.state <> 'delivered' AND outbox.id < later.id
"""


def _answer(connection: sqlite3.Connection, answers: Mapping[int, _Answer]) -> None:
    connection.executemany(
        "UPDATE outbox SET state = ?, answer = coalesce(?, answer), error = coalesce(?, error),"
        " attempts = attempts + 1, done_at = ? WHERE id = ?",
        [(entry.state, entry.answer, entry.error, entry.at, item) for item, entry in answers.items()],
    )
    connection.executemany(
        _OVERTAKEN, [(item,) for item, entry in answers.items() if entry.state == "delivered"]
    )


def _store(connection: sqlite3.Connection, results: Results, now: datetime, boot_id: str) -> None:
    if results.events_sink is not None:
        _store_events(connection, results, results.events_sink, now, boot_id)
    for message in results.messages:
        if not message.takes_back or _was_sent(connection, results.code, message):
            _store_message(connection, results.code, message, now)
    connection.execute(
        "UPDATE study SET numbering = ?, alerts = ?, clear_at = ?, alerts_clear_at = ? WHERE code = ?",
        (
            msgspec.json.encode(results.numbering).decode(),
            msgspec.json.encode(results.alerts).decode(),
            results.clear_at.isoformat() if results.clear_at else None,
            results.alerts_clear_at.isoformat() if results.alerts_clear_at else None,
            results.code,
        ),
    )
    connection.execute("UPDATE fact SET processed = 1 WHERE id = ?", (results.fact_id,))


def _was_sent(connection: sqlite3.Connection, code: str, message: Message) -> bool:
    """Whether the destination of `message` was sent, or is to be sent, something of the same filing."""
    query = (
        "SELECT 1 FROM outbox WHERE study = ? AND sink = ? AND filing = ?"
        " AND (state IN ('pending', 'delivered') OR attempts > 0)"
    )
    return bool(connection.execute(query, (code, message.sink, message.filing)).fetchone())


def _store_message(connection: sqlite3.Connection, code: str, message: Message, now: datetime) -> None:
    connection.execute(
        "INSERT INTO outbox (sink, study, control_id, payload, state, error, filing, created_at, checksum)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.sink,
            code,
            message.control_id,
            message.payload,
            message.state,
            message.dead or message.refused,
            message.filing,
            now.isoformat(),
            checksum(message.sink, code, message.control_id, message.payload),
        ),
    )


def _store_events(
    connection: sqlite3.Connection, results: Results, sink: str, now: datetime, boot_id: str
) -> None:
    row = connection.execute("SELECT last FROM sequence WHERE prefix = ?", (sink,)).fetchone()
    seq = row["last"] if row else 0
    for event in results.events:
        number = None
        if event.data is not None:  # a clearing empties a topic: there is no envelope to carry a number
            number = seq = seq + 1
        payload = b"" if number is None else envelope(event, number, boot_of(boot_id, sink), now)
        cursor = connection.execute(
            "INSERT INTO outbox (sink, study, seq, topic, retain, payload, created_at, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sink,
                results.code,
                number,
                event.topic,
                event.retain,
                payload,
                now.isoformat(),
                checksum(sink, results.code, event.topic, payload),
            ),
        )
        if event.retain:
            past_events.retain(connection, sink, event.topic, cursor.lastrowid or 0, cleared=number is None)
    connection.execute(
        "INSERT INTO sequence (prefix, last) VALUES (?, ?)"
        " ON CONFLICT (prefix) DO UPDATE SET last = excluded.last",
        (sink, seq),
    )


_ABANDONED: Final = """
    SELECT sink, count(*) FROM outbox WHERE state = 'pending'
        AND sink NOT IN (SELECT value FROM json_each(?)) GROUP BY sink
"""


def _version(connection: sqlite3.Connection) -> tuple[int, frozenset[str]]:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    paused = connection.execute("SELECT sink FROM pause").fetchall()
    return version, frozenset(row["sink"] for row in paused)


def _last_seq(connection: sqlite3.Connection, sink: str) -> int:
    query = (
        "SELECT coalesce((SELECT min(seq) - 1 FROM outbox"
        " WHERE sink = ?1 AND state = 'pending' AND attempts = 0),"
        " (SELECT last FROM sequence WHERE prefix = ?1), 0)"
    )
    return int(connection.execute(query, (sink,)).fetchone()[0])


def _pending(
    connection: sqlite3.Connection, sink: str, limit: int, answered: Sequence[int]
) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT id, sink, study, payload, refusals, control_id, seq, topic, retain, checksum FROM outbox"
        " WHERE sink = ? AND state = 'pending' AND sink NOT IN (SELECT sink FROM pause)"
        " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
        (sink, msgspec.json.encode(answered).decode(), limit),
    ).fetchall()
