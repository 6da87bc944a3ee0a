"""The ledger: what was sent where, and what came back."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.store.faults import refused
from gateway.store.migrations import check_shape
from gateway.store.studies import codes_named

_LEDGER: Final = """
    SELECT outbox.id, sink, outbox.study, control_id, seq, topic, state, attempts, answer, error,
        created_at, done_at, (
            SELECT kind || ' by ' || stated_by || coalesce(': ' || reason, '') FROM decision
            WHERE message = outbox.id ORDER BY id DESC LIMIT 1
        ) AS decision
    FROM outbox JOIN study ON study.code = outbox.study
    WHERE ?1 IS NULL OR outbox.study IN (SELECT value FROM json_each(?1)) ORDER BY outbox.id
"""


def ledger(path: Path, study: str | None = None) -> list[dict[str, Any]]:
    """What was sent where and what came back, oldest first; `study` is a code or a device's study id.

    Reads the database at `path` beside a running gateway; StorageError when it cannot be read, DataError when
    another version wrote it, UsageError when it has no such study.
    """
    try:
        source = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(source, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            check_shape(connection, path)
            codes = None if study is None else msgspec.json.encode(codes_named(connection, study)).decode()
            rows = connection.execute(_LEDGER, (codes,)).fetchall()
    except sqlite3.Error as error:
        raise refused(path, error) from error
    return [{name: value for name, value in dict(row).items() if value is not None} for row in rows]
