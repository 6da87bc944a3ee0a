"""Complete small implementations of the ports, for tests."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The wall clock."""
        return self._now

    def monotonic(self) -> float:
        """The clock that never goes back."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock, as an administrator or a time server does."""
        self._now += timedelta(seconds=seconds)
