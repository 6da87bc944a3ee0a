"""The whole store looked at: every page, every index, every row against its checksum; changes nothing."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.store.journal import FACT_COLUMNS, Unreadable, read_facts
from gateway.store.migrations import check_shape
from gateway.store.opening import check
from gateway.store.past_events import is_as_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the store holds; `unreadable` names what the disk has changed, row by row."""

    held_bytes: int
    studies: int
    recordings: int
    thinned: int
    sessions: int
    sessions_thinned: int
    unreadable: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """Look at the store at `path`; DataError where it is damaged, sqlite3.Error where it is none."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        check_shape(connection, path)
        check(connection, path)

        def one(query: str) -> int:
            return int(connection.execute(query).fetchone()[0])

        used = one("PRAGMA page_count") - one("PRAGMA freelist_count")
        return Inspection(
            held_bytes=used * one("PRAGMA page_size"),
            studies=one("SELECT count(*) FROM study"),
            recordings=one("SELECT count(*) FROM fact WHERE kind = 'recording'"),
            thinned=one("SELECT count(*) FROM fact WHERE kind = 'recording' AND thinned = 1"),
            sessions=one("SELECT count(*) FROM session"),
            sessions_thinned=one("SELECT count(*) FROM session WHERE thinned = 1"),
            unreadable=tuple(_unreadable(connection)),
        )


def _unreadable(connection: sqlite3.Connection) -> Iterator[str]:
    facts = connection.execute(f"SELECT {FACT_COLUMNS} FROM fact JOIN study ON code = study ORDER BY fact.id")  # noqa: S608
    while rows := facts.fetchmany(100):
        for entry in read_facts(rows):
            if isinstance(entry, Unreadable):
                yield f"fact {entry.id} of study {entry.code} ({entry.reason})"
    # an event whose payload was dropped, as too old to be replayed, is empty
    for row in connection.execute("SELECT * FROM outbox WHERE payload <> x'' ORDER BY id"):
        if not is_as_stored(row):
            yield f"message {row['id']} of study {row['study']} to {row['sink']}"
