"""Every test leaves the house as it found it: no stray task, no open descriptor."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The machines tests run on are shared: a slow example is no failure.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(autouse=True)
async def no_stray_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    stray = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    for task in stray:
        task.cancel()
    await asyncio.gather(*stray, return_exceptions=True)
    assert not stray, f"left running: {stray}"


@pytest.fixture(autouse=True)
def no_open_descriptors() -> Iterator[None]:
    before = _descriptors()
    yield
    left = _left(before)
    if left:  # held by something that is no longer reachable, perhaps
        gc.collect()
        left = _left(before)
    assert not left, f"left open: {left}"


def _left(before: dict[str, str]) -> dict[str, str]:
    return {number: target for number, target in _descriptors().items() if number not in before}


def _descriptors() -> dict[str, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:  # the descriptor that lists the others
            continue
    # The event loop's own and pytest's capture files come and go between tests.
    return {
        n: t for n, t in found.items() if not t.startswith(("anon_inode:", "/dev/null")) and "pytest" not in t
    }
