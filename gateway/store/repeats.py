"""What the journal drops: facts that say what their study says already.

A cart sends its header with every message, an operator may state a thing twice: neither is news. What was
said otherwise in between is.
"""

import sqlite3

from gateway.domain.recording import Recording
from gateway.domain.statements import said_already
from gateway.domain.study import AlertAcknowledged, ExamEnded, Fact, RecordUnusable, StudyOpened, fold
from gateway.errors import DataError
from gateway.formats.fact_json import decode


def already_said(connection: sqlite3.Connection, code: str, fact: Fact, body: bytes) -> bool:
    """Whether the study has this header already, is over already (or has nothing to end), or was told so.

    What could not be used is the same where it stood at the same place. A recording is known by its identity,
    which the table itself keeps; an acknowledgement by its alert.
    """
    if isinstance(fact, Recording | AlertAcknowledged):
        return False
    if isinstance(fact, StudyOpened):
        query = "SELECT body FROM fact WHERE study = ? AND kind = 'opened' ORDER BY id DESC LIMIT 1"
        row = connection.execute(query, (code,)).fetchone()
        return row is not None and row["body"] == body
    if isinstance(fact, RecordUnusable):
        query = "SELECT 1 FROM fact WHERE study = ? AND kind = 'unusable' AND body = ?"
        return connection.execute(query, (code, body)).fetchone() is not None
    if isinstance(fact, ExamEnded):
        query = "SELECT kind FROM fact WHERE study = ? AND kind IN ('recording', 'ended') ORDER BY id DESC"
        row = connection.execute(query, (code,)).fetchone()
        return row is None or row["kind"] == "ended"
    told = _told(connection, code)
    opened = next((entry for entry in told if isinstance(entry, StudyOpened)), None)
    return opened is not None and said_already(fold(opened, told), fact)


def _told(connection: sqlite3.Connection, code: str) -> list[Fact]:
    """The headers and statements of a study, in order, those that can be read."""
    query = (
        "SELECT kind, body FROM fact WHERE study = ?"
        " AND kind NOT IN ('recording', 'unusable', 'ended', 'acknowledged') ORDER BY id"
    )
    return [fact for row in connection.execute(query, (code,)) for fact in _readable(row)]


def _readable(row: sqlite3.Row) -> list[Fact]:
    try:
        return [decode(row["kind"], row["body"])]
    except DataError:
        return []  # the log names it whenever the study is read
