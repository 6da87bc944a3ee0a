"""What a person decides about messages on their way out: try again, give up, pause, resume.

Beside a gateway that may be running, which notices within a second. Every decision is kept with who took it
and when. Nothing here reads a message. The reason may be the receiver's own words: they may name a patient.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal

import msgspec

from gateway.errors import UsageError
from gateway.ports import Clock
from gateway.store.studies import codes_named

SetAside = Literal["parked", "dead"]
Kind = Literal["retried", "discarded", "replayed", "paused", "resumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessage:
    """A message that is not delivered; `reason` is the receiver's code and own words, or ours.

    A receiver's words have at most `acknowledgement.MAX_TEXT` characters, of any kind. An MQTT event has a
    topic and, unless it empties that, a number; an HL7 message has a control id.
    """

    id: int
    sink: str
    control_id: str | None
    seq: int | None
    topic: str | None
    study: str
    state: str
    attempts: int
    reason: str
    created_at: str

    @property
    def name(self) -> str:
        """What a person calls it: its control id, the number of an event, the topic that one empties."""
        return self.control_id or str(self.seq or self.topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationState:
    """How many messages of a destination are where; `paused_since` and `paused_by` None: it is not paused."""

    sink: str
    pending: int
    parked: int
    dead: int
    paused_since: str | None
    paused_by: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of one message a decision was about; `left` says why it was left as it is."""

    message: WaitingMessage
    left: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Delivered messages of one destination: those of all that is given; times are those of writing, UTC.

    `study` is a code or a device's study id, `until` is not included.
    """

    sink: str
    control_ids: tuple[str, ...] = ()
    study: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Decisions:
    """The decisions of one user; get it from a `Visit`."""

    def __init__(self, connection: sqlite3.Connection, by: str, clock: Clock) -> None:
        self._connection = connection
        self._by = by
        self._clock = clock

    def messages(
        self, states: Sequence[str] = ("parked", "dead"), sink: str | None = None
    ) -> list[WaitingMessage]:
        """The HL7 messages and MQTT events in `states`, of one destination or of all, the oldest first."""
        rows = self._connection.execute(
            "SELECT id, sink, control_id, seq, topic, study, state, attempts, coalesce(error, '') AS reason,"
            " created_at FROM outbox WHERE state <> 'delivered' AND state IN (SELECT value FROM json_each(?))"
            " AND sink = coalesce(?, sink) ORDER BY id",
            (msgspec.json.encode(states).decode(), sink),
        )
        return [WaitingMessage(**dict(row)) for row in rows]

    def prefixes(self) -> list[str]:
        """The topic prefixes that events were ever stored for."""
        return [row["prefix"] for row in self._connection.execute("SELECT prefix FROM sequence ORDER BY 1")]

    def abandoned(self, known: Sequence[str]) -> list[str]:
        """The destinations that are none of `known` and have messages that wait or were set aside."""
        rows = self._connection.execute(
            "SELECT DISTINCT sink FROM outbox WHERE state <> 'delivered' AND control_id IS NOT NULL"
            " AND state IN ('pending', 'parked', 'dead') AND sink NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY sink",
            (msgspec.json.encode(known).decode(),),
        )
        return [row["sink"] for row in rows]

    def destinations(self, known: Sequence[str]) -> list[DestinationState]:
        """How the `known` destinations stand, in that order."""
        return [self._destination(sink) for sink in known]

    def _destination(self, sink: str) -> DestinationState:
        counts = {"pending": 0, "parked": 0, "dead": 0}
        query = (
            "SELECT state, count(*) FROM outbox WHERE sink = ? AND state <> 'delivered'"
            " AND state IN ('pending', 'parked', 'dead') GROUP BY state"
        )
        counts |= {row[0]: row[1] for row in self._connection.execute(query, (sink,))}
        row = self._connection.execute(
            "SELECT since, stated_by FROM pause WHERE sink = ?", (sink,)
        ).fetchone()
        since, by = (row["since"], row["stated_by"]) if row else (None, None)
        return DestinationState(sink=sink, paused_since=since, paused_by=by, **counts)

    def retry(self, names: Sequence[str] | None, sink: str | None = None) -> list[Decided]:
        """Send messages that were set aside again, in their place in the order; None: all of them.

        The same bytes: an event keeps its number. One that a later message of its study, or a later event of
        its topic, has overtaken is left: it would put back what was corrected.
        """
        with self._transaction():
            return [self._retry(message) for message in self._chosen(names, ("parked", "dead"), sink)]

    def _retry(self, message: WaitingMessage) -> Decided:
        row = self._connection.execute(_STANDS, (message.id,)).fetchone()
        event = message.topic is not None
        if row["empty"]:
            reason = "what it said is not kept any more" if event else "it could not be written"
            return Decided(message, f"{reason}, there is nothing to send")
        if row["overtaken"]:
            later = "event of its topic has followed" if event else "message of its study is delivered"
            return Decided(message, f"a later {later}; discard this one")
        self._connection.execute(
            "UPDATE outbox SET state = 'pending', refusals = 0, done_at = NULL WHERE id = ?", (message.id,)
        )
        self._note("retried", message.sink, message.id)
        return Decided(message)

    def discard(self, names: Sequence[str] | None, reason: str, sink: str | None = None) -> list[Decided]:
        """Give messages up, for a `reason`; None: all that were set aside.

        One that is still pending can be named while its destination is paused.
        """
        states = ("parked", "dead") if names is None else ("parked", "dead", "pending")
        with self._transaction():
            return [self._discard(message, reason) for message in self._chosen(names, states, sink)]

    def _discard(self, message: WaitingMessage, reason: str) -> Decided:
        if message.state == "pending" and message.topic is not None:
            return Decided(message, "it is on its way")
        if message.state == "pending" and not self._paused(message.sink):
            return Decided(message, f"it is on its way; 'emg-gateway outbox pause {message.sink}' first")
        self._connection.execute(
            "UPDATE outbox SET state = 'discarded', done_at = ? WHERE id = ?",
            (self._clock.now().isoformat(), message.id),
        )
        self._note("discarded", message.sink, message.id, reason)
        return Decided(message)

    def replayable(self, wanted: Wanted) -> list[Decided]:
        """What replaying `wanted` would send again, in order, and what it would leave; changes nothing.

        One that a later message of its study has overtaken is left unless that one goes with it: it would
        put back what was corrected. UsageError where a control id that is named was not delivered there, or
        no such study is known.
        """
        codes = None if wanted.study is None else codes_named(self._connection, wanted.study)
        rows = self._connection.execute(_DELIVERED, _values(wanted, codes)).fetchall()
        if not set(wanted.control_ids) <= {row["control_id"] for row in rows}:
            raise UsageError(
                "a message of such a control id is not delivered there; see 'emg-gateway ledger'"
            )
        chosen = {row["id"] for row in rows}
        return [Decided(_message(row), _left(row, chosen)) for row in rows]

    def replay(self, wanted: Wanted, reason: str, at_most: int) -> list[Decided]:
        """Send delivered messages again, the same bytes under the same control id, for a `reason`.

        UsageError, and nothing is sent, where it would be more than `at_most`.
        """
        with self._transaction():
            found = self.replayable(wanted)
            going = [entry.message for entry in found if not entry.left]
            if len(going) > at_most:
                raise UsageError(
                    f"that is {len(going)} messages; nothing is sent without --at-most {len(going)}"
                )
            for message in going:
                self._connection.execute(
                    "UPDATE outbox SET state = 'pending', refusals = 0, done_at = NULL WHERE id = ?",
                    (message.id,),
                )
                self._note("replayed", message.sink, message.id, reason)
        return found

    def pause(self, sink: str) -> bool:
        """Send nothing more to `sink` until it is resumed; whether that is new."""
        with self._transaction():
            new = self._connection.execute(
                "INSERT OR IGNORE INTO pause VALUES (?, ?, ?)",
                (sink, self._clock.now().isoformat(), self._by),
            ).rowcount
            if new:
                self._note("paused", sink)
        return bool(new)

    def resume(self, sink: str) -> bool:
        """Send to `sink` again what has gathered, in order; whether it was paused."""
        with self._transaction():
            gone = self._connection.execute("DELETE FROM pause WHERE sink = ?", (sink,)).rowcount
            if gone:
                self._note("resumed", sink)
        return bool(gone)

    def _paused(self, sink: str) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM pause WHERE sink = ?", (sink,)).fetchone())

    def _chosen(
        self, names: Sequence[str] | None, states: Sequence[str], sink: str | None
    ) -> list[WaitingMessage]:
        there = self.messages(states, sink)
        if names is None:
            return there
        if not set(names) <= {message.name for message in there}:
            raise UsageError(
                "a message of such a control id is not waiting; 'emg-gateway outbox list' shows which are"
            )
        return [message for message in there if message.name in names]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of a decision is on disk when the block is left, or none of it."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    def _note(self, kind: Kind, sink: str, message: int | None = None, reason: str | None = None) -> None:
        self._connection.execute(
            "INSERT INTO decision (kind, sink, message, reason, stated_by, decided_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (kind, sink, message, reason, self._by, self._clock.now().isoformat()),
        )


# Events: one that only follows counts too, for nobody knows here whether it is out already.
_STANDS: Final = """
    SELECT payload = x'' AND (control_id IS NOT NULL OR seq IS NOT NULL) AS empty, EXISTS (
        SELECT 1 FROM outbox later
        WHERE later.study = outbox.study AND later.sink = outbox.sink AND later.id > outbox.id AND CASE
            WHEN outbox.topic IS NULL THEN later.filing = outbox.filing AND later.state = 'delivered'
            ELSE later.topic = outbox.topic AND later.state IN ('pending', 'delivered')
        END
    ) AS overtaken
    FROM outbox WHERE id = ?
"""
_DELIVERED: Final = """
    SELECT outbox.id, sink, control_id, seq, topic, outbox.study, state, attempts, '' AS reason, created_at,
        payload = x'' AS empty, (
            SELECT max(later.id) FROM outbox later WHERE later.sink = outbox.sink
            AND later.study = outbox.study AND later.filing = outbox.filing AND later.state = 'delivered'
        ) AS latest
    FROM outbox
    WHERE sink = :sink AND state = 'delivered' AND control_id IS NOT NULL
        AND (:ids = '[]' OR control_id IN (SELECT value FROM json_each(:ids)))
        AND (:studies IS NULL OR study IN (SELECT value FROM json_each(:studies)))
        AND (:since IS NULL OR created_at >= :since) AND (:until IS NULL OR created_at < :until)
    ORDER BY outbox.id
"""


def _values(wanted: Wanted, codes: Sequence[str] | None) -> dict[str, str | None]:
    return {
        "sink": wanted.sink,
        "ids": msgspec.json.encode(wanted.control_ids).decode(),
        "studies": None if codes is None else msgspec.json.encode(codes).decode(),
        "since": None if wanted.since is None else wanted.since.isoformat(),
        "until": None if wanted.until is None else wanted.until.isoformat(),
    }


def _message(row: sqlite3.Row) -> WaitingMessage:
    return WaitingMessage(**{entry.name: row[entry.name] for entry in fields(WaitingMessage)})


def _left(row: sqlite3.Row, chosen: AbstractSet[int]) -> str:
    """Why a delivered message is not sent again; empty where it is."""
    if row["empty"]:
        return "what it said is not kept any more"
    if row["latest"] not in chosen:
        return "a later message of its study is delivered; replay that one, or both"
    return ""
