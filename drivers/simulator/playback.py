"""Playing a capture: what a real cart once sent goes over a new line again, in the same pieces.

A capture cannot answer, so nothing is waited for but that the host opens the line and reads it; what the host
says is read and forgotten. A host that hangs up gets the piece that broke off again when it is back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from drivers.simulator.line import SET_UP_S, HungUp, Line
from drivers.simulator.pace import Pace
from gateway.errors import Temporary
from gateway.protocols.capture import Chunk, Entry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """Plays captures; gives up when the host does not open or read the line for `patience_s`.

    The line closes when for `quiet_s` nothing has waited to be read.
    """

    patience_s: float = 60.0
    quiet_s: float = 2.0

    async def play(
        self,
        capture: Iterable[Entry],
        *,
        link: Path | None = None,
        speed: float = 0.0,
        opened: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Play `capture` over a new pseudo-terminal; see `gateway.ports.Simulator.replay`.

        Raises UsageError for an impossible speed, CannotCreate for the link, Temporary for an absent host,
        and whatever reading `capture` raises.
        """
        pace = Pace(speed)
        line = Line(link)
        try:
            if opened is not None:
                await opened(line.path)
            await _Listener(line, self).hear(capture, pace)
        finally:
            line.close()


class _Listener:
    """The host, as far as a capture minds it: whether it is there and reads."""

    def __init__(self, line: Line, playback: Playback) -> None:
        self._line = line
        self._patience_s = playback.patience_s
        self._quiet_s = playback.quiet_s
        self._plugged = False

    async def hear(self, capture: Iterable[Entry], pace: Pace) -> None:
        """Send every chunk at its time, counted from the first, and wait until all of it is read."""
        await self._plug_in()
        answers = asyncio.create_task(self._forget(), name="answers")
        try:
            await self._send(capture, pace)
            taken = await self._line.taken(self._patience_s, self._quiet_s)
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
        if not taken:
            raise self._given_up("does not read")

    async def _send(self, capture: Iterable[Entry], pace: Pace) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        first_s: float | None = None
        for chunk in capture:
            if not isinstance(chunk, Chunk):
                continue
            first_s = chunk.at_s if first_s is None else first_s
            due = begun + pace.takes_s(chunk.at_s - first_s)
            await asyncio.sleep(due - loop.time())
            await self._deliver(chunk.data)

    async def _deliver(self, data: bytes) -> None:
        while True:
            await self._plug_in()
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._line.write(data)
            except TimeoutError as error:
                raise self._given_up("does not read") from error
            except HungUp:
                self._plugged = False
                logger.info("host_hung_up")
            else:
                return

    async def _plug_in(self) -> None:
        if self._plugged:
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._line.opened()
        except TimeoutError as error:
            raise self._given_up("has not opened the line") from error
        await asyncio.sleep(SET_UP_S)
        self._plugged = True

    async def _forget(self) -> None:
        """Read what the host says, so that it is never kept waiting."""
        while True:
            try:
                await self._line.read()
            except HungUp:
                await self._line.opened()

    def _given_up(self, what: str) -> Temporary:
        waited = f"the host {what} for {self._patience_s:g} s"
        return Temporary(f"{self._line.path}: {waited}; is the gateway running?")
