"""Logging: one line an event, its name first, its fields after; no patient data by construction.

Code logs `logger.info("event_name", extra={"fields": {...}})`. Under systemd lines carry journald's priority
prefix and no time of their own. Of an exception only its kind and where it arose are shown: the text of one
that nobody foresaw may quote what it choked on.
"""

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError

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
        """One line, whatever the message and its fields hold."""
        fields = getattr(record, "fields", {})
        # Libraries write more lines; the first says what happened, the others may quote an exception.
        message = record.getMessage().partition("\n")[0]
        parts = [_printable(message), *(f"{name}={_shown(value)}" for name, value in fields.items())]
        if record.exc_info and record.exc_info[1]:
            parts.append(f"trace={_shown(_trace(record.exc_info[1]))}")
        line = " ".join(parts)
        if self._journald:
            return f"<{_PRIORITY.get(record.levelno, 6)}>{line}"
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {line}"


def _trace(error: BaseException) -> str:
    """What `error` is and the calls that led to it, then the same of what it came from."""
    kind = f"{type(error).__name__}: {error}" if isinstance(error, GatewayError) else type(error).__name__
    calls = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    source = error.__cause__ or error.__context__
    return " | ".join([kind, *calls, *([f"from {_trace(source)}"] if source else [])])


def _shown(value: object) -> str:
    text = _printable(str(value))
    if text and not set(' "=') & set(text):
        return text
    return '"' + text.replace('"', "'") + '"'


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def configure(level: int = logging.INFO) -> None:
    """Send all events to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter(journald="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=level, handlers=[handler], force=True)
