"""Emptying the write-ahead log into the database, and giving freed pages back to the disk.

SQLite brings the log in by itself; begin it anew it can only when nobody reads from it. Readers that take
turns without a pause keep it from that for ever, unless somebody waits for them.
"""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Final

from gateway.store.opening import LARGEST_LOG_BYTES

# A checkpoint waits so long for readers, and the cart for the checkpoint. Where the log has become large it
# is patient: rarely, and less than the 15 s that a cart waits for its answer (LIS01-A2).
_READERS_MS: Final = 50
_PATIENT_MS: Final = 2000
_PATIENT_EVERY_S: Final = 60.0
_OTHERS_MS: Final = 5000  # another process may write: its transactions take milliseconds
_PAGES_AT_ONCE: Final = 128  # 12 ms


class Checkpoints:
    """The checkpoints of one database; they run in the thread that writes it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._log = path.with_name(f"{path.name}-wal")
        self._patient_again = 0.0

    def tidy(self) -> int:
        """Give some pages back, and empty the log if readers let us; the bytes it still has.

        What the disk refuses is left for later: a work that needs it tells of it.
        """
        before = self._log_bytes()
        patient = before > LARGEST_LOG_BYTES and time.monotonic() >= self._patient_again
        with contextlib.suppress(sqlite3.Error):
            self._tidy(_PATIENT_MS if patient else _READERS_MS)
        left = self._log_bytes()
        if patient and left > LARGEST_LOG_BYTES:  # somebody reads and does not end
            self._patient_again = time.monotonic() + _PATIENT_EVERY_S
        return left

    def _tidy(self, patience_ms: int) -> None:
        connection = self._connection
        connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
        try:
            if connection.execute("PRAGMA freelist_count").fetchone()[0]:
                # a script, for `execute` takes one step of it: one page
                connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
            if self._log_bytes():
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {_OTHERS_MS}")

    def _log_bytes(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0
