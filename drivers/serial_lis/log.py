"""What the log hears of a noisy line: enough to see what is wrong, not a line for every bad byte.

Garbage at line speed can be refused thousands of times a second. A minute gets so many lines of each kind of
warning; the others are counted, and the count stands in the next line of that kind.
"""

import logging
from dataclasses import dataclass
from typing import Final

from gateway.ports import Clock

# What an examination of 60 recordings can have wrong, if each lacks a handful of quantities, is told in full.
MOST_LINES: Final = 300
MINUTE_S: Final = 60.0


@dataclass(slots=True)
class _Minute:
    """The current minute of one kind of warning."""

    began_s: float
    lines: int = 0
    held_back: int = 0


class LineLog:
    """The warnings of one line."""

    def __init__(self, driver: str, clock: Clock, logger: logging.Logger) -> None:
        self._driver = driver
        self._clock = clock
        self._logger = logger
        self._minutes: dict[str, _Minute] = {}

    def tell(self, event: str, **fields: str | int) -> None:
        """Warn of `event`, or count it when this minute has had enough of them."""
        minute = self._minutes.get(event)
        now = self._clock.monotonic()
        if minute is None or now - minute.began_s >= MINUTE_S:
            if minute is not None and minute.held_back:
                fields |= {"held_back": minute.held_back}
            minute = self._minutes[event] = _Minute(began_s=now)
        if minute.lines >= MOST_LINES:
            minute.held_back += 1
            return
        minute.lines += 1
        if minute.lines == MOST_LINES:
            fields |= {"note": "more in this minute are counted, not logged"}
        self._logger.warning(event, extra={"fields": {"driver": self._driver, **fields}})
