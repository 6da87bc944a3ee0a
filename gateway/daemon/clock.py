"""The machine's clocks."""

import time
from datetime import UTC, datetime


class SystemClock:
    """`ports.Clock` over the operating system."""

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""
        return time.monotonic()
