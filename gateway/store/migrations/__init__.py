"""The shape of the database: numbered SQL files, forward only, each in one transaction.

`PRAGMA user_version` holds the number of the last step. Before a database that holds anything changes its
shape a copy of it is put beside it (`gateway.store.copies`). A database of a newer gateway is refused: this
one could not read what it says.
"""

import logging
import sqlite3
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gateway.errors import DataError
from gateway.store.copies import copy_before

logger = logging.getLogger(__name__)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database at `path` up to this gateway's shape; DataError when it is already beyond it.

    StorageError when there is no room for the copy: nothing is changed then.
    """
    steps = _steps()
    before = _known_version(connection, len(steps))
    if before == len(steps):
        return
    if before:
        copy = copy_before(connection, path, before + 1)
        fields = {"from": before, "to": len(steps), "copy": copy}
        logger.warning("schema_changes", extra={"fields": fields})
    for number, step in enumerate(steps[before:], start=before + 1):
        script = step.read_text("utf-8")
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")
    if before:
        _give_space_back(connection)


def _give_space_back(connection: sqlite3.Connection) -> None:
    """Databases of older gateways keep for ever what they once took; written anew they need not.

    300 MB take 1.2 s. Where there is no room it is left: freed pages are used again all the same.
    """
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        fields = {"reason": error, "advice": "the file keeps its size; freed pages are used again"}
        logger.warning("database_not_compacted", extra={"fields": fields})


def check_shape(connection: sqlite3.Connection, path: Path) -> None:
    """DataError when the database at `path` has not this gateway's shape; changes nothing."""
    newest = len(_steps())
    refuse_newer(connection, path)
    found = version(connection)
    if found < newest:
        older = f"written by an older gateway (schema {found}); start this version on it first"
        raise DataError(older, str(path))


def refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    """DataError when the database at `path` is of a newer gateway; changes nothing."""
    try:
        _known_version(connection, len(_steps()))
    except DataError as error:
        raise error.within(str(path)) from error


def version(connection: sqlite3.Connection) -> int:
    """The number of the last step that was taken; 0: none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _known_version(connection: sqlite3.Connection, newest: int) -> int:
    found = version(connection)
    if found > newest:
        raise DataError(
            f"written by a newer gateway (schema {found}, this one knows {newest});"
            " install that version again, or put back the copy it made (ls *.before-*)"
        )
    return found


def _steps() -> list[Traversable]:
    found = (step for step in files(__name__).iterdir() if step.name.endswith(".sql"))
    return sorted(found, key=lambda step: step.name)
