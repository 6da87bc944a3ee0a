"""Keeps eternal tasks running: whatever ends one, it is said aloud and it is started again.

This is the one place where any exception is caught: a fault in one driver or sink must not stop the others,
and must not pass unseen.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.errors import Permanent, Temporary
from gateway.ports import Clock

logger = logging.getLogger(__name__)

_FIRST_DELAY_S: Final = 0.25
# With what opening takes, a line that is back is heard within 5 s.
_LARGEST_DELAY_S: Final = 4.5
# A task that ran this long before it failed starts over with the shortest delay.
_STEADY_S: Final = 30.0


async def keep_running(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run `run` for ever: after a failure again, first within a second, doubling to 4.5 s, with jitter."""
    delay = _FIRST_DELAY_S
    told = None
    while True:
        started = clock.monotonic()
        reason, fault = await _guarded(run)
        if clock.monotonic() - started > _STEADY_S:
            delay, told = _FIRST_DELAY_S, None
        # Said once when it happens; while it goes on for the same reason, the further attempts are detail.
        level = logging.DEBUG if reason == told else logging.ERROR if fault else logging.WARNING
        logger.log(
            level, "task_interrupted", exc_info=fault, extra={"fields": {"task": name, "reason": reason}}
        )
        told = reason
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
        delay = min(2 * delay, _LARGEST_DELAY_S)


async def _guarded(run: Callable[[], Awaitable[None]]) -> tuple[str, Exception | None]:
    """Run `run` to its end; why it ended, and the exception where it is one that nobody foresaw."""
    try:
        await run()
    except (Temporary, Permanent) as error:
        return str(error), None
    except Exception as error:  # noqa: BLE001  # the one place, see above
        return type(error).__name__, error
    return "it returned", None
