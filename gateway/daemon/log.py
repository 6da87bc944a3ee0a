"""Logging: one line an event, its name first, its fields after; no patient data by construction.

Code logs `logger.info("event_name", extra={"fields": {...}})`. Under systemd lines carry journald's priority
prefix and no time of their own.
"""

import logging
import os
import sys
from typing import Final

_PRIORITY: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class EventFormatter(logging.Formatter):
    """`event key=value …`, with a time on a terminal or journald's priority under systemd."""

    def __init__(self, *, journald: bool) -> None:
        super().__init__()
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        """One line; an exception becomes its type and text, indented below."""
        fields = getattr(record, "fields", {})
        parts = [record.getMessage(), *(f"{name}={_shown(value)}" for name, value in fields.items())]
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            parts.append("trace=" + _shown(" | ".join(line.strip() for line in trace)))
        line = " ".join(parts)
        if self._journald:
            return f"<{_PRIORITY.get(record.levelno, 6)}>{line}"
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {line}"


def _shown(value: object) -> str:
    text = str(value)
    clean = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return f'"{clean}"' if " " in clean or not clean else clean


def configure(level: int = logging.INFO) -> None:
    """Send all events to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter(journald="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=level, handlers=[handler], force=True)
