"""A task that ends is started again. Time is the loop's own, and passes only when all wait for it."""

import asyncio
import logging
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from gateway.daemon.clock import SystemClock
from gateway.daemon.supervision import keep_running
from gateway.errors import ConfigError, Unavailable


class _InstantSelector(selectors.SelectSelector):
    """Never waits; instead the time it was asked to wait has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop, and the clock of those who run on it."""

    def __init__(self) -> None:
        self._instant = _InstantSelector()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    monotonic = time


Attempt = Callable[[], Awaitable[None]]


def attempts(within_s: float, attempt: Attempt) -> list[float]:
    """When `attempt` was made while it was kept running for `within_s`."""
    started: list[float] = []

    async def run() -> None:
        started.append(clock.time())
        await attempt()

    async def kept() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(within_s):
                await keep_running("driver room-1", run, clock)

    clock = VirtualTime()
    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        runner.run(kept())
    return started


def failing(error: Exception | None, after_s: float = 0.0) -> Attempt:
    """An attempt that fails with `error`, or returns, after a while."""

    async def attempt() -> None:
        await asyncio.sleep(after_s)
        if error is not None:
            raise error

    return attempt


@pytest.mark.parametrize(
    "error", [Unavailable("the line is gone"), ConfigError("no such site"), ZeroDivisionError(), None]
)
def test_whatever_ends_a_task_it_is_started_again_within_a_second(error: Exception | None) -> None:
    started = attempts(1.0, failing(error))
    assert len(started) >= 2


def test_the_pauses_double_with_jitter_and_leave_time_to_open_a_line_within_five_seconds() -> None:
    started = attempts(60.0, failing(Unavailable("the line is gone")))
    pauses = [later - earlier for earlier, later in pairwise(started)]
    planned = [0.25, 0.5, 1.0, 2.0, 4.0] + [4.5] * (len(pauses) - 5)
    assert len(pauses) > 10
    assert all(plan / 2 <= pause <= plan for pause, plan in zip(pauses, planned, strict=True))
    assert len(set(pauses)) == len(pauses)


def test_after_a_steady_run_the_first_pause_is_short_again() -> None:
    steady = iter([0.0] * 6 + [31.0] + [0.0] * 100)

    async def attempt() -> None:
        await asyncio.sleep(next(steady))
        raise Unavailable("the line is gone")

    started = attempts(60.0, attempt)
    assert started[6] - started[5] >= 2.5
    assert started[7] - started[6] <= 31.25


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.__dict__["fields"]["reason"]) for record in caplog.records]


@pytest.mark.parametrize(
    ("error", "level", "reason"),
    [
        (Unavailable("the line is gone"), "WARNING", "the line is gone"),
        (None, "WARNING", "it returned"),
        (KeyError("Canary"), "ERROR", "KeyError"),
    ],
)
def test_the_reason_is_told_once_and_the_further_attempts_are_detail(
    caplog: pytest.LogCaptureFixture, error: Exception | None, level: str, reason: str
) -> None:
    caplog.set_level(logging.DEBUG, "gateway.daemon.supervision")
    attempts(20.0, failing(error))
    assert told(caplog)[0] == (level, reason)
    assert set(told(caplog)[1:]) == {("DEBUG", reason)}
    assert caplog.records[0].__dict__["fields"]["task"] == "driver room-1"
    assert bool(caplog.records[0].exc_info) == (level == "ERROR")


def test_another_reason_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    reasons = iter(["the line is gone", "no such device", "no such device", "the line is gone"])

    async def attempt() -> None:
        raise Unavailable(next(reasons, "the line is gone"))

    attempts(10.0, attempt)
    warned = [reason for level, reason in told(caplog) if level == "WARNING"]
    assert warned == ["the line is gone", "no such device", "the line is gone"]


def test_the_same_reason_after_a_steady_run_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    attempts(70.0, failing(Unavailable("the line is gone"), after_s=31.0))
    assert told(caplog) == [("WARNING", "the line is gone")] * 2


async def test_being_cancelled_ends_it() -> None:
    started = asyncio.Event()

    async def attempt() -> None:
        started.set()
        await asyncio.Event().wait()

    keeping = asyncio.create_task(keep_running("driver room-1", attempt, SystemClock()))
    await started.wait()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


def test_the_machines_clock_is_utc_and_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == datetime.now(UTC).utcoffset()
    assert clock.monotonic() <= clock.monotonic()
