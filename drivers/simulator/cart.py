"""The virtual cart: a study goes over a serial line as a technologist records it, one message a stimulation.

The cart waits until the host opens the line, then speaks LIS01-A2 as the instrument does. A message is sent
until the host has acknowledged all of it: from ENQ again after a silence, a refusal or a pulled plug. The
cart gives up when nothing at all is heard for a minute.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drivers.simulator.examination import BETWEEN_STIMULATIONS_S
from drivers.simulator.faults import FAULTS, Wire
from drivers.simulator.line import SET_UP_S, HungUp, Line
from drivers.simulator.names import look_up
from drivers.simulator.pace import Pace
from gateway.domain.study import Study
from gateway.errors import Temporary
from gateway.protocols.lis_link import Send
from gateway.protocols.lis_records import encode_study
from gateway.protocols.lis_sender import Aborted, Delivered, Sender, SenderEvent

logger = logging.getLogger(__name__)

# Long enough for a late answer to the old message to arrive, and to be forgotten before the new one begins.
_AFTER_ABORT_S: Final = 1.0
_ABORTS: Final = 6  # as often as LIS01-A2 6.5.1 sends one frame
_LAST_WORD_S: Final = 2.0

Message = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    """A cart gives up after `patience_s` without an answer; `time_scale` shortens its other waits."""

    patience_s: float = 60.0
    time_scale: float = 1.0

    async def play(
        self,
        study: Study,
        *,
        link: Path | None = None,
        speed: float = 0.0,
        fault: str | None = None,
        opened: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Play `study` over a new pseudo-terminal; see `gateway.ports.Simulator.play`.

        Raises UsageError for an unknown fault or speed, CannotCreate for the link, DataError for a study
        that LIS records cannot carry, Temporary when the host does not answer or refuses a message.
        """
        if fault is not None:
            look_up("fault", fault, FAULTS)
        pause_s = Pace(speed).takes_s(BETWEEN_STIMULATIONS_S)
        script = messages(study)
        line = Line(link)
        try:
            if opened is not None:
                await opened(line.path)
            await _Conversation(line, Wire(fault), self).hold(script, pause_s)
        finally:
            line.close()


def messages(study: Study) -> list[Message]:
    """The messages that carry `study`, marked simulated: one a recording, the last ends the examination."""
    simulated = replace(study, header=replace(study.header, simulated=True))
    parts = [replace(simulated, recordings=(recording,)) for recording in study.recordings] or [simulated]
    return [encode_study(part, ends_exam=part is parts[-1]) for part in parts]


class _Conversation:
    """Message after message to one host, each as often as it takes."""

    def __init__(self, line: Line, wire: Wire, cart: Cart) -> None:
        self._line = line
        self._wire = wire
        self._cart = cart
        self._plugged = False

    async def hold(self, script: Sequence[Message], pause_s: float) -> None:
        """Deliver `script`, a pause before every message but the first. Raises Temporary."""
        for number, message in enumerate(script):
            if number:
                await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(self._cart.patience_s) as patience:
                    await self._deliver(message, patience)
            except TimeoutError as error:
                waited = f"no answer for {self._cart.patience_s:g} s"
                raise Temporary(f"{self._line.path}: {waited}; is the gateway running?") from error
        await self._line.taken(within_s=_LAST_WORD_S)

    async def _deliver(self, message: Message, patience: asyncio.Timeout) -> None:
        aborts = 0
        while aborts < _ABORTS:
            try:
                await self._plug_in()
                outcome = await self._attempt(Sender(message), patience)
            except HungUp:
                self._plugged = False
                logger.info("host_hung_up")
                continue
            if isinstance(outcome, Delivered):
                return
            aborts += 1
            logger.info("message_sent_again", extra={"fields": {"reason": outcome.reason}})
            await asyncio.sleep(max(outcome.retry_after_s, _AFTER_ABORT_S) * self._cart.time_scale)
        raise Temporary(f"{self._line.path}: the host did not take a message in {_ABORTS} attempts")

    async def _plug_in(self) -> None:
        if not self._plugged:
            await self._line.opened()
            await asyncio.sleep(SET_UP_S * self._cart.time_scale)
            self._plugged = True

    async def _attempt(self, sender: Sender, patience: asyncio.Timeout) -> Delivered | Aborted:
        """Send one message once."""
        self._line.discard()
        events = sender.start()
        while True:
            for event in events:
                if not isinstance(event, Send):
                    return event
                await self._line.write(self._wire.carry(event.data))
            events = await self._next(sender, patience)

    async def _next(self, sender: Sender, patience: asyncio.Timeout) -> list[SenderEvent]:
        """What the host's answer, or the lack of one, leads to."""
        loop = asyncio.get_running_loop()
        events: list[SenderEvent] = []
        timer = sender.timer
        until = loop.time() + timer.seconds * self._cart.time_scale if timer else None
        while sender.timer is timer:  # what the sender does not listen to leaves its timer running
            try:
                async with asyncio.timeout_at(until):
                    answer = await self._line.read()
            except TimeoutError:
                events = sender.timed_out()
            else:
                patience.reschedule(loop.time() + self._cart.patience_s)
                events = sender.receive(self._wire.hear(answer))
        return events
