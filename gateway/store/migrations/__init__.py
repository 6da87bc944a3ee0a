"""The shape of the database: numbered SQL files, forward only, each in one transaction.

`PRAGMA user_version` holds the number of the last step. A database of a newer gateway is refused: this one
could not read what it says.
"""

import sqlite3
from importlib.resources import files

from gateway.errors import DataError


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database up to this gateway's shape; DataError when it is already beyond it."""
    steps = sorted(
        (step for step in files(__name__).iterdir() if step.name.endswith(".sql")), key=lambda s: s.name
    )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        raise DataError(f"written by a newer gateway (schema {version}); install that version again")
    for number, step in enumerate(steps[version:], start=version + 1):
        script = step.read_text("utf-8")
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")
