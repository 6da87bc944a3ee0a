"""What the store gives up when space runs short: raw input first, then curves, never a result.

Only of examinations that are over and delivered: nothing of them is open, waits, was set aside or could not
be read (an event that the broker refused holds nothing back: nobody can send it again). The oldest goes
first, a little at a time, between what devices and sinks want of the one thread that writes. A recording
keeps its identity (sent again it is the same), its values and our marks (`domain.thinning`); raw input that
became facts is not read again. Where that is not enough nothing more is taken: it is told, and a person
decides.
"""

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.domain.markers import MarkerSettings
from gateway.domain.recording import Recording
from gateway.domain.thinning import thinned
from gateway.formats.fact_json import encode
from gateway.ports import Clock
from gateway.store.database import Database
from gateway.store.journal import FACT_COLUMNS, JournaledFact, Unreadable, fact_checksum, read_facts

logger = logging.getLogger(__name__)

# Measured: a batch holds the writing thread for 3 ms at most, and marks curves for 20 ms beside the loop.
_CURVES: Final = 16
_ENTRIES: Final = 500
_PAUSE_S: Final = 0.02
_ALWAYS: Final = "9999"  # behind every time

# `fact.thinned`: what is left of a recording. 0: everything there was.
_THINNED: Final = 1
_NOTHING_TO_THIN: Final = 2

_UNSETTLED: Final = (
    "(EXISTS (SELECT 1 FROM fact AS f WHERE f.study = {study} AND f.processed = 0)"
    " OR EXISTS (SELECT 1 FROM outbox AS o WHERE o.study = {study}"
    " AND o.state IN ('pending', 'parked', 'dead') AND (o.state <> 'dead' OR o.control_id IS NOT NULL))"
    " OR 'ended' IS NOT (SELECT f.kind FROM fact AS f WHERE f.study = {study}"
    " AND f.kind IN ('recording', 'ended') ORDER BY f.id DESC LIMIT 1))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How much room the store may take and must leave, in bytes, and how long curves are kept at most.

    `keep_curves` None: as long as there is room.
    """

    quota_bytes: int
    min_free_bytes: int
    keep_curves: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the store holds, and what its disk has left for it, in bytes."""

    held_bytes: int
    free_bytes: int

    def too_much(self, policy: RetentionPolicy) -> str | None:
        """What of the policy is not kept; None: all of it is."""
        if self.held_bytes > policy.quota_bytes:
            return f"the store holds {_mb(self.held_bytes)} of {_mb(policy.quota_bytes)} (quota_mb)"
        if self.free_bytes < policy.min_free_bytes:
            wanted = f"{_mb(policy.min_free_bytes)} are wanted (min_free_mb)"
            return f"its disk has {_mb(self.free_bytes)} left, {wanted}"
        return None


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


class Retention:
    """Keeps a store within its policy; `alarm` says why it cannot, None where it can."""

    def __init__(
        self, database: Database, policy: RetentionPolicy, markers: MarkerSettings, clock: Clock
    ) -> None:
        self._database = database
        self._policy = policy
        self._markers = markers
        self._clock = clock
        self.alarm: str | None = None

    async def usage(self) -> Usage:
        """What is held and left just now; pages that are free in the file count as left."""
        held, free = await self._database.write(_pages)
        disk = await asyncio.to_thread(shutil.disk_usage, self._database.path.parent)
        return Usage(held_bytes=held, free_bytes=disk.free + free)

    async def apply(self) -> None:
        """Give up what has to be given up; StorageError when the disk refuses."""
        keep = self._policy.keep_curves
        aged = "" if keep is None else (self._clock.now() - keep).isoformat()
        given_up = 0
        while True:
            short = (await self.usage()).too_much(self._policy)
            found = await self._give_up(_ALWAYS if short else aged)
            given_up += found
            if not found:
                break
            await self._database.checkpoint()
            await asyncio.sleep(_PAUSE_S)
        if given_up:
            logger.info("store_thinned_out", extra={"fields": {"sessions_and_curves": given_up}})
        self._tell(short)

    async def _give_up(self, before: str) -> int:
        """Give up some of what came `before` that time; how many sessions and curves, 0: there is nothing."""
        if not before:
            return 0
        found = await self._database.write(lambda c: _drop_raw(c, before))
        if not found:
            whole = await self._database.write(lambda c: _whole(c, before))
            rows = await asyncio.to_thread(_thinner, whole, self._markers)
            found = await self._database.write(lambda c: _replace(c, rows)) if rows else 0
        return found

    def _tell(self, short: str | None) -> None:
        if short is None:
            if self.alarm is not None:
                logger.warning("store_within_limits", extra={"fields": {"file": self._database.path}})
            self.alarm = None
            return
        if self.alarm is None:
            advice = (
                "nothing more can be thinned out without touching results or what is not delivered;"
                " deliver what waits ('emg-gateway outbox list'), give the disk room or raise the limit"
            )
            logger.error("store_over_limit", extra={"fields": {"reason": short, "advice": advice}})
        self.alarm = short


def _pages(connection: sqlite3.Connection) -> tuple[int, int]:
    """The bytes in use and the bytes free within the file."""
    count, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (count - free) * size, free * size


def _drop_raw(connection: sqlite3.Connection, before: str) -> int:
    """Drop raw input of the oldest session that may go; how many sessions were touched."""
    row = connection.execute(
        "SELECT id FROM session INDEXED BY session_raw WHERE closed = 1 AND thinned = 0 AND opened_at < ?"  # noqa: S608
        " AND NOT EXISTS (SELECT 1 FROM session_study AS s WHERE s.session = session.id"
        f" AND {_UNSETTLED.format(study='s.study')}) ORDER BY opened_at LIMIT 1",
        (before,),
    ).fetchone()
    if row is None:
        return 0
    dropped = connection.execute(
        "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE session = ? ORDER BY id LIMIT ?)",
        (row["id"], _ENTRIES),
    ).rowcount
    if dropped < _ENTRIES:
        connection.execute("UPDATE session SET thinned = 1 WHERE id = ?", (row["id"],))
    return 1


def _whole(connection: sqlite3.Connection, before: str) -> list[JournaledFact | Unreadable]:
    """The oldest recordings that still have all they had and may be thinned."""
    rows = connection.execute(
        f"SELECT {FACT_COLUMNS} FROM fact INDEXED BY fact_curve JOIN study ON code = study"  # noqa: S608
        " WHERE kind = 'recording' AND thinned = 0 AND received_at < ?"
        f" AND NOT {_UNSETTLED.format(study='fact.study')} ORDER BY received_at LIMIT ?",
        (before, _CURVES),
    )
    return read_facts(rows)


@dataclass(frozen=True, slots=True)
class _Row:
    """A recording as it is to be stored; `body` None: there is nothing to give up, or it cannot be read."""

    id: int
    body: bytes | None = None
    checksum: int | None = None


def _thinner(whole: Sequence[JournaledFact | Unreadable], markers: MarkerSettings) -> list[_Row]:
    return [_thinned_row(entry, markers) for entry in whole]


def _thinned_row(entry: JournaledFact | Unreadable, markers: MarkerSettings) -> _Row:
    if isinstance(entry, Unreadable) or not isinstance(entry.fact, Recording):
        return _Row(entry.id)
    kept = thinned(entry.fact, markers)
    if kept is entry.fact:
        return _Row(entry.id)
    kind, body = encode(kept)
    return _Row(entry.id, body, fact_checksum(entry.code, kind, kept.identity, body))


def _replace(connection: sqlite3.Connection, rows: Sequence[_Row]) -> int:
    """Put thinner recordings in the place of the whole ones, where nothing happened in between.

    They are written anew: a row that shrinks where it stands leaves its page half empty, and no room is won.
    """
    settled = (
        f"SELECT * FROM fact WHERE id = ? AND thinned = 0 AND NOT {_UNSETTLED.format(study='fact.study')}"  # noqa: S608
    )
    anew = []
    for row in rows:
        stored = connection.execute(settled, (row.id,)).fetchone()
        if row.body is None:
            connection.execute("UPDATE fact SET thinned = ? WHERE id = ?", (_NOTHING_TO_THIN, row.id))
        elif stored is not None:
            changed = {"body": row.body, "checksum": row.checksum, "thinned": _THINNED}
            anew.append(dict(stored) | changed)
            connection.execute("DELETE FROM fact WHERE id = ?", (row.id,))
    for values in anew:
        names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        connection.execute(f"INSERT INTO fact ({names}) VALUES ({places})", values)  # noqa: S608
    return len(rows)
