"""An examination that outlives its gateway: whenever one is killed the next goes on, and nothing is lost."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, TypeVar

from tests.checkout import ROOT
from tests.end_to_end.mortal_gateway import ENDED, LOG, READY, Request, steps_file

DEADLINE_S = 30.0
_LOOK_S = 0.01
# So many examinations go on at once: most of the time each waits for a clock or the disk.
AT_ONCE = 6

T = TypeVar("T")
R = TypeVar("R")
# At a step of the gateway, by its name or its number; or so many seconds after it was started.
Death = str | float


class Life:
    """One gateway process; `descriptor` stands for it even when its number is given to another."""

    def __init__(self, told: Path, descriptor: int) -> None:
        self._told = told
        self._descriptor = descriptor
        self._died = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._died.set)

    @property
    def over(self) -> bool:
        return self._died.is_set()

    @property
    def steps(self) -> list[str]:
        """What it told, in order; where it killed itself the last step is the place."""
        return self._told.read_text("utf-8").splitlines() if self._told.exists() else []

    async def lasts(self, seconds: float) -> None:
        """Return when it is over, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._died.wait()

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it is over, and its parent knows
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        await self._died.wait()
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)


class Gateways:
    """Where gateways come from, see `mortal_gateway`; none is left behind."""

    def __enter__(self) -> Self:
        self._source = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.mortal_gateway"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a process with threads must not fork
        )
        assert self._pipe(self._source.stdout).readline() == READY
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._source:
            self._pipe(self._source.stdin).close()
            code = self._source.wait(DEADLINE_S)
        assert code == 0

    @contextlib.asynccontextmanager
    async def life(self, folder: Path, die_at: str = "") -> AsyncIterator[Life]:
        """A gateway in `folder`; it is killed at the latest when the block is left."""
        requests = self._pipe(self._source.stdin)
        requests.write(Request(folder=str(folder), die_at=die_at).encode())
        requests.flush()
        pid = int(self._pipe(self._source.stdout).readline())
        # Until another one is asked for the number is not given away: its parent does not ask for its end.
        life = Life(steps_file(folder, pid), os.pidfd_open(pid))
        try:
            yield life
        finally:
            await life.end()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


class Examination(Protocol):
    """What goes on beside the gateway, in a folder with the configuration."""

    folder: Path

    async def __aenter__(self) -> Self:
        """Begin."""

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing running."""

    def complete(self) -> bool:
        """Whether the gateway has taken everything."""

    def check_dead(self, lives: Sequence[list[str]], /) -> None:
        """Whether what lies there is sound while no gateway runs; `lives`: the steps of those there were."""

    def check_complete(self) -> None:
        """Whether everything is there, once."""


async def survive(
    examination: Examination,
    gateways: Gateways,
    deaths: Sequence[Death],
    deadline_s: float = DEADLINE_S,
) -> list[list[str]]:
    """Go through an examination with one gateway for each of `deaths` and a last one; the steps of each.

    What is still to be done then takes no longer than `deadline_s`.
    """
    lives: list[list[str]] = []
    try:
        async with examination:
            for death in deaths:
                lives.append(await _lived(examination, gateways, death))
                examination.check_dead(lives)
            async with gateways.life(examination.folder) as life:
                await _until(lambda: life.over or examination.complete(), deadline_s)
                lives.append(life.steps)
                assert not life.over
                examination.check_complete()
    except BaseException as error:
        log = examination.folder / LOG
        ends = [steps[-1:] for steps in lives]
        text = log.read_text("utf-8") if log.exists() else ""
        error.add_note(f"{examination.folder}: to die at {deaths}; last steps {ends}; log:\n{text}")
        raise
    shutil.rmtree(examination.folder)
    return lives


async def _lived(examination: Examination, gateways: Gateways, death: Death) -> list[str]:
    """The steps of a gateway that dies there, or when the examination is complete."""
    async with gateways.life(examination.folder, death if isinstance(death, str) else "") as life:
        if isinstance(death, str):
            await _until(lambda: life.over or examination.complete())
        else:
            await life.lasts(death)
    steps = life.steps
    assert ENDED not in steps
    return steps


async def _until(holds: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110  # another process does not set our events
            await asyncio.sleep(_LOOK_S)


async def some_at_once(work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """The results of `work` for every item, a few of them at a time."""
    waiting = iter(items)
    results: list[R] = []

    async def worker() -> None:
        for item in waiting:
            results.append(await work(item))  # noqa: PERF401  # others append meanwhile

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return results
