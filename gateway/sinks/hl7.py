"""The HL7 sink: one destination, one connection, one message in flight.

A message leaves the outbox when the receiver has acknowledged it by our control id, or refused it for good;
after anything else (silence, another message's answer, noise) the connection is closed and the same bytes
go out on a new one. The order of messages is kept: a correction never overtakes what it corrects.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Literal

from gateway.errors import DataError, Unavailable
from gateway.ports import Clock, Outbox, OutboxItem
from gateway.protocols.acknowledgement import Acknowledgement, RetryRule, Verdict
from gateway.sinks.answers import Answered, Question, answered, question
from gateway.sinks.backoff import Backoff
from gateway.sinks.mllp_address import MllpAddress
from gateway.sinks.mllp_link import MllpLink, connected

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HL7Settings:
    """One destination; times in seconds. `tls` None: in the clear; no rate: as fast as it answers."""

    name: str
    address: MllpAddress
    tls: ssl.SSLContext | None = None
    connection: Literal["permanent", "per_message"] = "permanent"
    ack_timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    messages_per_second: float | None = None
    reconnect: Backoff = field(default_factory=Backoff)
    retry: RetryRule = field(default_factory=RetryRule)


@dataclass(slots=True)
class _Refused:
    """The message whose receiver asked for a later try: since when, until when it rests."""

    item_id: int
    since_s: float
    rests_until_s: float = 0.0


class HL7Sink:
    """Delivers the pending messages of one destination, in order, for ever."""

    def __init__(
        self,
        settings: HL7Settings,
        outbox: Outbox,
        clock: Clock,
        check: Callable[[bytes], Awaitable[str | None]] | None = None,
    ) -> None:
        """`check` says why a message must not be sent, or None where it may."""
        self._settings = settings
        self._check = check
        self._outbox = outbox
        self._clock = clock
        self._failures = 0
        self._trouble = ""
        self._refused: _Refused | None = None
        self._connected = False
        self._answered = False
        self._next_s = 0.0  # not sent before, on the monotonic clock

    @property
    def name(self) -> str:
        """The destination's name in the configuration and the outbox."""
        return self._settings.name

    @property
    def connected(self) -> bool:
        """Whether a connection stands just now."""
        return self._connected

    async def run(self) -> None:
        """Connect, deliver, connect again; ends by cancellation or with the outbox's StorageError."""
        reached = False
        while True:
            try:
                await self._converse(quiet=reached and self._failures > 1)
                continue
            except Unavailable as error:
                reached = self._connected
                self._tell_loss(str(error))
            finally:
                self._connected = False
            self._failures += 1
            await asyncio.sleep(self._settings.reconnect.delay_s(self._failures))

    def _tell_loss(self, reason: str) -> None:
        """Loudly when it happens or its reason changes; the same again is detail."""
        level = logging.DEBUG if reason == self._trouble else logging.WARNING
        self._event(level, "hl7_disconnected", reason=reason)
        self._trouble = reason

    async def _converse(self, *, quiet: bool) -> None:
        """One connection: for as long as it holds, or for one message once there is one to send."""
        settings = self._settings
        once = settings.connection == "per_message"
        if once:
            await self._due(None)
        async with connected(settings.address, settings.connect_timeout_s, settings.tls) as link:
            usual = once and self._answered and not self._failures
            self._event(
                logging.DEBUG if quiet or usual else logging.INFO, "hl7_connected", failures=self._failures
            )
            self._connected = True
            await self._deliver(link, await self._due(link))
            while not once:
                await self._deliver(link, await self._due(link))

    async def _due(self, link: MllpLink | None) -> OutboxItem:
        """The oldest pending message, once there is one and its time has come."""
        while True:
            oldest = await self._outbox.pending(self.name)
            if not oldest:
                await _unless_lost(link, self._outbox.wait(self.name))
                continue
            rest_s = self._due_s(oldest[0]) - self._clock.monotonic()
            if rest_s <= 0:
                return oldest[0]
            await _unless_lost(link, asyncio.sleep(rest_s))

    def _due_s(self, item: OutboxItem) -> float:
        """When `item` may go out: not before its rest is over, and never faster than the rate."""
        refused = self._refused
        if refused is None or refused.item_id != item.id:
            return self._next_s
        return max(self._next_s, refused.rests_until_s)

    async def _deliver(self, link: MllpLink, item: OutboxItem) -> None:
        """Send `item` and do what its answer asks for; Unavailable where none of its own comes."""
        try:
            asked = _question(item)
            await self._require_valid(item)
            await link.send(item.payload)
        except DataError as error:
            await self._outbox.dead(item.id, str(error))
            self._event(logging.ERROR, "hl7_unsendable", control_id=item.control_id, reason=error)
            return
        sent_s = self._clock.monotonic()
        if self._settings.messages_per_second is not None:
            self._next_s = sent_s + 1 / self._settings.messages_per_second
        try:
            found = await answered(link, asked, self._settings.ack_timeout_s, self._clock.now)
        except Unavailable as error:
            await self._outbox.attempted(item.id, str(error))
            raise
        self._failures, self._trouble, self._answered = 0, "", True
        await self._settle(item, found, self._clock.monotonic() - sent_s)

    async def _require_valid(self, item: OutboxItem) -> None:
        """DataError where what is checked by says that `item` must not be sent."""
        reason = None if self._check is None else await self._check(item.payload)
        if reason is not None:
            raise DataError(reason)

    async def _settle(self, item: OutboxItem, found: Answered, took_s: float) -> None:
        """Do what the answer to `item` asks for. The receiver's words go to the outbox, never to the log."""
        answer = found.answer
        fields = {"control_id": item.control_id, "code": answer.code}
        match found.meaning:
            case Verdict.DELIVERED:
                await self._outbox.delivered(item.id, str(answer))
                self._event(logging.INFO, "hl7_delivered", **fields, ms=round(1000 * took_s, 1))
            case Verdict.REJECTED:
                await self._outbox.dead(item.id, str(answer))
                self._event(logging.ERROR, "hl7_rejected", **fields)
            case _:
                await self._try_later(item, answer)

    async def _try_later(self, item: OutboxItem, answer: Acknowledgement) -> None:
        """Let `item` rest and send it again, or park it when that has been done often or long enough."""
        now_s = self._clock.monotonic()
        if self._refused is None or self._refused.item_id != item.id:
            self._refused = _Refused(item.id, since_s=now_s)
        refused, tries = self._refused, item.refusals + 1
        rest_s = self._settings.retry.delay_s(tries, now_s - refused.since_s)
        fields = {"control_id": item.control_id, "code": answer.code, "tries": tries}
        if rest_s is None:
            self._refused = None
            await self._outbox.parked(item.id, str(answer))
            self._event(logging.ERROR, "hl7_parked", **fields)
            return
        refused.rests_until_s = now_s + rest_s
        await self._outbox.attempted(item.id, str(answer), refused=True)
        self._event(logging.WARNING, "hl7_try_again", **fields, retry_s=rest_s)

    def _event(self, level: int, event: str, **fields: object) -> None:
        logger.log(level, event, extra={"fields": {"sink": self.name} | fields})


def _question(item: OutboxItem) -> Question:
    """What an item asks; DataError when it is not the message it stands for in the outbox."""
    asked = question(item.payload)
    if asked.control_id != item.control_id:
        raise DataError("is not the control id it stands under in the outbox", "MSH-10")
    return asked


async def _unless_lost(link: MllpLink | None, wait: Coroutine[None, None, None]) -> None:
    """Await `wait`; Unavailable as soon as the connection, if there is one, is gone."""
    if link is None:
        await wait
        return
    waiting = asyncio.create_task(wait)
    lost = asyncio.create_task(link.wait_lost())
    try:
        await asyncio.wait({waiting, lost}, return_when=asyncio.FIRST_COMPLETED)
        link.check()
        await waiting
    finally:
        waiting.cancel()
        lost.cancel()
        await asyncio.gather(waiting, lost, return_exceptions=True)
