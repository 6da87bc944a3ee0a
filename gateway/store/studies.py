"""Studies as the journal amounts to them, and what is remembered beside their facts.

Numbers given to HL7 observations and the state of alerts are kept with the study: they must survive a
restart, and are written in the same transaction as the results they belong to.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.assessment import JsonObject
from gateway.domain.study import Study, StudyOpened, fold
from gateway.errors import UsageError
from gateway.store.database import Database
from gateway.store.journal import FACT_COLUMNS, JournaledFact, Unreadable, read_facts, tell_unreadable
from gateway.store.objects import stored_object


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study up to its last processed fact (its id, 0: none), with its HL7 numbering and alert state.

    `clear_at`: when its retained messages are to be cleared.
    """

    code: str
    cart: str
    study: Study | None
    last_fact: int
    numbering: JsonObject
    alerts: JsonObject
    clear_at: datetime | None = None


class Studies:
    """Reads studies back from the journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, code: str, *, also: int = 0) -> StoredStudy:
        """The study `code` names, as far as its facts have been processed, and with the fact `also`."""
        row, found = await self._database.write(lambda c: _load(c, code, also))
        facts = tell_unreadable(found)
        opened = next((entry.fact for entry in facts if isinstance(entry.fact, StudyOpened)), None)
        return StoredStudy(
            code=code,
            cart=row["cart"],
            study=fold(opened, (entry.fact for entry in facts)) if opened else None,
            last_fact=max((entry.id for entry in found), default=0),
            numbering=stored_object(row["numbering"], "numbering"),
            alerts=stored_object(row["alerts"], "alerts"),
            clear_at=None if row["clear_at"] is None else datetime.fromisoformat(row["clear_at"]),
        )

    async def open_codes(self) -> Sequence[str]:
        """The codes of the studies that have recordings and are not over."""
        return await self._database.write(_open_codes)

    async def to_clear(self, now: datetime) -> Sequence[str]:
        """The codes of the studies whose retained messages, all or some alerts, are to be cleared by now."""
        query = (
            "SELECT code FROM study WHERE clear_at <= ?1"
            " UNION SELECT code FROM study WHERE alerts_clear_at <= ?1"
        )
        return await self._database.write(
            lambda c: [row["code"] for row in c.execute(query, (now.isoformat(),))]
        )


def codes_named(connection: sqlite3.Connection, wanted: str) -> list[str]:
    """The codes of the studies of this code, or of this study id of a device; UsageError: there is none."""
    query = "SELECT code FROM study WHERE code = ? OR study_id = ? ORDER BY code"
    codes = [row["code"] for row in connection.execute(query, (wanted.upper(), wanted))]
    if not codes:
        raise UsageError("no study of this code or id; 'emg-gateway studies list' shows them")
    return codes


def _load(
    connection: sqlite3.Connection, code: str, also: int
) -> tuple[sqlite3.Row, list[JournaledFact | Unreadable]]:
    row = connection.execute("SELECT * FROM study WHERE code = ?", (code,)).fetchone()
    query = (
        f"SELECT {FACT_COLUMNS} FROM fact JOIN study ON study.code = fact.study"  # noqa: S608
        " WHERE study = ? AND (processed = 1 OR fact.id = ?) ORDER BY fact.id"
    )
    return row, read_facts(connection.execute(query, (code, also)))


def _open_codes(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT study FROM fact WHERE id IN (SELECT max(id) FROM fact"
        " WHERE kind IN ('recording', 'ended') GROUP BY study)"
        " AND kind = 'recording'"
    )
    return [row["study"] for row in rows]
