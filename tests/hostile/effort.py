"""What work costs, counted and not timed: function calls, bytes looked at, memory kept."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, SupportsIndex, overload

import pytest


def calls(work: Callable[[], object]) -> int:
    """How many functions, Python's and ours, are called while `work` runs."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def kept(build: Callable[[], object]) -> int:
    """Bytes of memory that what `build` returns keeps."""
    gc.collect()
    tracemalloc.start()
    try:
        held = build()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del held
    return size


def peak(work: Callable[[], object]) -> int:
    """The most memory `work` needed at a time, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most


def grows_no_faster(cost: Callable[[int], int], size: int) -> bool:
    """Whether twice and four times as much costs at most twice and four times as much, and a fifth more."""
    once = cost(size)
    return all(cost(times * size) <= 1.2 * times * once for times in (2, 4))


class Watched(bytearray):
    """A buffer that counts the bytes that are looked at, copied or searched."""

    looked_at = 0

    def __contains__(self, item: object) -> bool:
        Watched.looked_at += len(self)
        return super().__contains__(item)  # type: ignore[operator]

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytearray: ...
    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        Watched.looked_at += len(found) if isinstance(found, bytearray) else 1
        return found

    def find(self, *arguments: Any) -> int:
        found = super().find(*arguments)
        Watched.looked_at += len(self) if found < 0 else found
        return found

    def partition(self, *arguments: Any) -> Any:
        Watched.looked_at += len(self)
        return tuple(map(Watched, super().partition(*arguments)))


class WatchedPattern:
    """A pattern that counts the bytes it looks at into the same count."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern

    def search(self, buffer: bytearray, start: int = 0) -> Any:
        found = self._pattern.search(buffer, start)
        Watched.looked_at += (found.end() if found else len(buffer)) - start
        return found


def watch(monkeypatch: pytest.MonkeyPatch, module: str, patterns: Iterable[str]) -> None:
    """Let the buffers and the named patterns of `module` count."""
    monkeypatch.setattr(f"{module}.bytearray", Watched, raising=False)
    for name in patterns:
        path = f"{module}.{name}"
        monkeypatch.setattr(path, WatchedPattern(pytest.importorskip(module).__dict__[name]))
    Watched.looked_at = 0
