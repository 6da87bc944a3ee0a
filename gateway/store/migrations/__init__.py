"""The shape of the database: numbered SQL files, forward only, each in one transaction.

`PRAGMA user_version` holds the number of the last step. A database of a newer gateway is refused: this one
could not read what it says.
"""

import sqlite3
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway.errors import DataError


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database up to this gateway's shape; DataError when it is already beyond it."""
    steps = _steps()
    version = _version(connection, len(steps))
    for number, step in enumerate(steps[version:], start=version + 1):
        script = step.read_text("utf-8")
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")


def check_shape(connection: sqlite3.Connection) -> None:
    """DataError when the database has not this gateway's shape; changes nothing."""
    newest = len(_steps())
    version = _version(connection, newest)
    if version < newest:
        raise DataError(f"written by an older gateway (schema {version}); start this version on it first")


def _version(connection: sqlite3.Connection, newest: int) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise DataError(f"written by a newer gateway (schema {version}); install that version again")
    return int(version)


def _steps() -> list[Traversable]:
    found = (step for step in files(__name__).iterdir() if step.name.endswith(".sql"))
    return sorted(found, key=lambda step: step.name)
