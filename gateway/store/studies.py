"""Studies as the journal amounts to them, and what is remembered beside their facts.

Numbers given to HL7 observations and the state of alerts are kept with the study: they must survive a
restart, and are written in the same transaction as the results they belong to.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.domain.assessment import JsonObject
from gateway.domain.study import Study, StudyOpened, fold
from gateway.store.database import Database
from gateway.store.journal import decode_fact


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study up to its last processed fact, with its HL7 numbering and alert state."""

    code: str
    cart: str
    study: Study | None
    numbering: JsonObject
    alerts: JsonObject


class Studies:
    """Reads studies back from the journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, code: str) -> StoredStudy:
        """The study `code` names, as far as its facts have been processed."""
        return await self._database.write(lambda c: _load(c, code))

    async def open_codes(self) -> Sequence[str]:
        """The codes of the studies that have recordings and are not over."""
        return await self._database.write(_open_codes)

    async def to_clear(self, now: datetime) -> Sequence[str]:
        """The codes of the studies whose retained messages are to be cleared by now."""
        query = "SELECT code FROM study WHERE clear_at <= ? ORDER BY clear_at"
        return await self._database.write(
            lambda c: [row["code"] for row in c.execute(query, (now.isoformat(),))]
        )


def _load(connection: sqlite3.Connection, code: str) -> StoredStudy:
    row = connection.execute("SELECT * FROM study WHERE code = ?", (code,)).fetchone()
    query = "SELECT kind, body FROM fact WHERE study = ? AND processed = 1 ORDER BY id"
    facts = [decode_fact(entry["kind"], entry["body"]) for entry in connection.execute(query, (code,))]
    opened = facts[0] if facts else None
    return StoredStudy(
        code=code,
        cart=row["cart"],
        study=fold(opened, facts[1:]) if isinstance(opened, StudyOpened) else None,
        numbering=msgspec.json.decode(row["numbering"]),
        alerts=msgspec.json.decode(row["alerts"]),
    )


def _open_codes(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT study FROM fact WHERE id IN (SELECT max(id) FROM fact WHERE kind <> 'opened' GROUP BY study)"
        " AND kind = 'recording'"
    )
    return [row["study"] for row in rows]
