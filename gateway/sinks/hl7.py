"""The HL7 sink: one destination, one connection, one message in flight.

A message leaves the outbox when the receiver has acknowledged it by our control id, or refused it for good;
after anything else (silence, another message's answer, noise) the connection is closed and the same bytes
go out on a new one. The order of messages is kept: a correction never overtakes what it corrects.
"""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field

from gateway.errors import DataError, Unavailable
from gateway.ports import Clock, Outbox, OutboxItem
from gateway.protocols import acknowledgement
from gateway.protocols.acknowledgement import Acknowledgement, RetryRule, Verdict, verdict
from gateway.sinks.backoff import Backoff
from gateway.sinks.mllp_address import MllpAddress
from gateway.sinks.mllp_link import MllpLink, connected

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HL7Settings:
    """One destination; times in seconds. `tls` None: in the clear."""

    name: str
    address: MllpAddress
    tls: ssl.SSLContext | None = None
    ack_timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
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

    def __init__(self, settings: HL7Settings, outbox: Outbox, clock: Clock) -> None:
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._failures = 0
        self._trouble = ""
        self._refused: _Refused | None = None
        self._connected = False

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
        settings = self._settings
        reached = False
        while True:
            try:
                async with connected(settings.address, settings.connect_timeout_s, settings.tls) as link:
                    level = logging.DEBUG if reached and self._failures > 1 else logging.INFO
                    self._event(level, "hl7_connected", failures=self._failures)
                    self._connected = True
                    await self._serve(link)
            except Unavailable as error:
                reached = self._connected
                self._tell_loss(str(error))
            finally:
                self._connected = False
            self._failures += 1
            await asyncio.sleep(settings.reconnect.delay_s(self._failures))

    def _tell_loss(self, reason: str) -> None:
        """Loudly when it happens or its reason changes; the same again is detail."""
        level = logging.DEBUG if reason == self._trouble else logging.WARNING
        self._event(level, "hl7_disconnected", reason=reason)
        self._trouble = reason

    async def _serve(self, link: MllpLink) -> None:
        while True:
            item = await self._next(link)
            try:
                await self._send(link, item)
            except DataError as error:
                await self._outbox.dead(item.id, str(error))
                self._event(logging.ERROR, "hl7_unsendable", control_id=item.control_id, reason=error)
                continue
            sent_s = self._clock.monotonic()
            try:
                answer = await self._answer(link, item)
            except Unavailable as error:
                await self._outbox.attempted(item.id, str(error))
                raise
            self._failures, self._trouble = 0, ""
            await self._settle(item, answer, self._clock.monotonic() - sent_s)

    async def _next(self, link: MllpLink) -> OutboxItem:
        """The oldest pending message, once there is one and it has rested long enough."""
        while True:
            oldest = await self._outbox.pending(self.name)
            if not oldest:
                await _unless_lost(link, self._outbox.wait(self.name))
                continue
            refused = self._refused
            if refused is None or refused.item_id != oldest[0].id:
                return oldest[0]
            rest_s = refused.rests_until_s - self._clock.monotonic()
            if rest_s <= 0:
                return oldest[0]
            await _unless_lost(link, asyncio.sleep(rest_s))

    async def _send(self, link: MllpLink, item: OutboxItem) -> None:
        if not item.control_id:
            raise DataError("without it no answer could be known for this message's", "MSH-10")
        await link.send(item.payload)

    async def _answer(self, link: MllpLink, item: OutboxItem) -> Acknowledgement:
        """The acknowledgement of `item`; Unavailable when none, or anything else, comes back."""
        timeout_s = self._settings.ack_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                block = await link.next_block()
        except TimeoutError as error:
            raise Unavailable(f"no acknowledgement within {timeout_s:g} s") from error
        try:
            answer = acknowledgement.parse(block)
        except DataError as error:
            raise Unavailable(f"the answer is no acknowledgement: {error}") from error
        if verdict(answer, control_id=item.control_id) is Verdict.FOREIGN:
            raise Unavailable("the acknowledgement is another message's")
        return answer

    async def _settle(self, item: OutboxItem, answer: Acknowledgement, took_s: float) -> None:
        """Do what the answer to `item` asks for. The receiver's words go to the outbox, never to the log."""
        fields = {"control_id": item.control_id, "code": answer.code}
        match verdict(answer, control_id=item.control_id):
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
            await self._outbox.parked(item.id, str(answer))
            self._event(logging.ERROR, "hl7_parked", **fields)
            return
        refused.rests_until_s = now_s + rest_s
        await self._outbox.attempted(item.id, str(answer), refused=True)
        self._event(logging.WARNING, "hl7_try_again", **fields, retry_s=rest_s)

    def _event(self, level: int, event: str, **fields: object) -> None:
        logger.log(level, event, extra={"fields": {"sink": self.name} | fields})


async def _unless_lost(link: MllpLink, wait: Coroutine[None, None, None]) -> None:
    """Await `wait`; Unavailable as soon as the connection is gone."""
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
