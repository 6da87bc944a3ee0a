"""Events that screens were sent, for those that missed some, and for a broker that forgot.

Beside the outbox stands what the broker holds for screens that come later: the newest event of each retained
topic. Older events are kept for a replay up to a number and an age; beyond that their row stays in the
ledger and only the payload goes.
"""

import logging
import sqlite3
from datetime import datetime
from typing import Final

from gateway.ports import OutboxItem
from gateway.store.checksum import checksum

logger = logging.getLogger(__name__)

# So many rows at a time: a millisecond in the one thread that writes.
_BATCH: Final = 200
_COLUMNS: Final = (
    "outbox.id, outbox.sink, study, payload, refusals, control_id, seq, outbox.topic, retain, checksum"
)


def item(row: sqlite3.Row) -> OutboxItem:
    """The row of the outbox as a sink gets it."""
    return OutboxItem(
        id=row["id"],
        payload=row["payload"],
        refusals=row["refusals"],
        control_id=row["control_id"] or "",
        seq=row["seq"],
        topic=row["topic"] or "",
        retain=bool(row["retain"]),
    )


def is_as_stored(row: sqlite3.Row) -> bool:
    """Whether a row says what was stored; rows of older gateways have no checksum to tell it by.

    One that the disk changed is named in the log.
    """
    name = row["topic"] if row["control_id"] is None else row["control_id"]
    sound = row["checksum"] in (None, checksum(row["sink"], row["study"], name, row["payload"]))
    if not sound:
        fields = {"sink": row["sink"], "row": row["id"], "reason": "damaged on the disk; it is not sent"}
        logger.error("outbox_row_damaged", extra={"fields": fields})
    return sound


def retain(connection: sqlite3.Connection, sink: str, topic: str, event: int, *, cleared: bool) -> None:
    """In a transaction: note that this event is the newest of a retained topic, or empties it."""
    if cleared:
        connection.execute("DELETE FROM retained WHERE sink = ? AND topic = ?", (sink, topic))
    else:
        connection.execute("INSERT OR REPLACE INTO retained VALUES (?, ?, ?)", (sink, topic, event))


def retained(connection: sqlite3.Connection, sink: str) -> list[OutboxItem]:
    """What the broker should hold by now, in the order it was sent."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM retained JOIN outbox ON outbox.id = retained.event"  # noqa: S608
        " WHERE retained.sink = ? AND state = 'delivered' ORDER BY outbox.id",
        (sink,),
    )
    return [item(row) for row in rows if is_as_stored(row)]


def after(connection: sqlite3.Connection, sink: str, since: int, until: int, limit: int) -> list[OutboxItem]:
    """The events numbered above `since` up to `until` that are kept, oldest first.

    One that the broker refused when it was new would be refused again: not before it was taken after all.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE sink = ?1 AND seq > ?2 AND seq <= ?3"  # noqa: S608
        " AND (state = 'delivered' OR (state = 'pending' AND attempts = 0))"
        " AND seq > (SELECT thinned FROM sequence WHERE prefix = ?1) ORDER BY seq LIMIT ?4",
        (sink, since, until, limit),
    )
    return [item(row) for row in rows if is_as_stored(row)]


def oldest(connection: sqlite3.Connection, sink: str) -> int:
    """The number of the oldest event that is kept, or that will be the first."""
    row = connection.execute("SELECT thinned FROM sequence WHERE prefix = ?", (sink,)).fetchone()
    return 1 + (row["thinned"] if row else 0)


def thin(connection: sqlite3.Connection, keep: int, before: datetime) -> bool:
    """Drop payloads beyond the newest `keep` of each prefix or stored before that time; whether more may be.

    What is pending, or retained at the broker, is not touched.
    """
    prefixes = connection.execute("SELECT prefix, last, thinned FROM sequence").fetchall()
    return any(_thin(connection, row, keep, before) for row in prefixes)


def _thin(connection: sqlite3.Connection, row: sqlite3.Row, keep: int, before: datetime) -> bool:
    sink, thinned = row["prefix"], row["thinned"]
    first_pending = "SELECT min(seq) FROM outbox WHERE sink = ? AND state = 'pending'"
    (pending,) = connection.execute(first_pending, (sink,)).fetchone()
    reach = min(thinned + _BATCH, row["last"] if pending is None else pending - 1)
    newest_old = "SELECT max(seq) FROM outbox WHERE sink = ? AND seq > ? AND seq <= ? AND created_at < ?"
    (old,) = connection.execute(newest_old, (sink, thinned, reach, before.isoformat())).fetchone()
    bound = min(reach, max(row["last"] - keep, old or 0))
    if bound <= thinned:
        return False
    connection.execute(
        "UPDATE outbox SET payload = x'' WHERE sink = ?1 AND seq > ?2 AND seq <= ?3"
        " AND id NOT IN (SELECT event FROM retained WHERE sink = ?1)",
        (sink, thinned, bound),
    )
    connection.execute("UPDATE sequence SET thinned = ? WHERE prefix = ?", (bound, sink))
    return bool(bound == thinned + _BATCH)
