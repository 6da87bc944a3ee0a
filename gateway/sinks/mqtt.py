"""The lab screens' side: events from the outbox to an MQTT broker, commands back, and a heartbeat.

One sink a topic prefix. Every connection is a new client (one that is used again can wedge) and a clean
session: it subscribes, says what the broker should hold and goes on with what is not acknowledged. A broker
that is gone, refuses, has forgotten or has fallen silent costs a reconnection, never an event; one event that
it will not have is set aside, so that the others go on. Stopping says `offline`; a crash leaves that to the
will.
"""

import asyncio
import contextlib
import functools
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, Literal

import aiomqtt

from gateway.errors import DataError, Unavailable
from gateway.ports import Clock, Outbox, OutboxItem
from gateway.protocols.screens import COMMAND_TOPICS, Acknowledge, Replay, command
from gateway.protocols.telemetry import STATUS_TOPIC, status, will
from gateway.sinks.allowance import Allowance
from gateway.sinks.backoff import Backoff
from gateway.sinks.mqtt_connection import BrokerConnection, MqttSettings, NoAnswer
from gateway.sinks.own_status import OwnStatus
from gateway.sinks.refused_event import RefusedEvent
from gateway.sinks.replay import Replays

logger = logging.getLogger(__name__)

# Unacknowledged events at a time: the client library warns above 10; at 50 ms a round trip, 160 a second.
_WINDOW: Final = 8
# Screens go stale while we wait: never longer than this, and a broker bears a knock a second from each cart.
_RECONNECT: Final = Backoff(first_s=0.5, cap_s=1.5)
# Commands that arrive while we are busy; what people press fits in.
_MOST_UNREAD: Final = 256
# Every screen of a laboratory at once, and a press every half second for long: more is no person.
_COMMANDS_AT_ONCE: Final = 60
_COMMANDS_PER_S: Final = 2.0
_TELL_EVERY_S: Final = 60.0
# A command is at most 2 KiB. What the broker lets through beyond this is not taken into memory.
_LARGEST_PACKET: Final = 4 * 1024 * 1024
# How long a stop may take over saying goodbye.
_SIGN_OFF_S: Final = 2.0


class MqttSink:
    """Takes the events of one topic prefix to the broker; build one for each prefix.

    `acknowledge` is called with what screens acknowledge; it may refuse with Unavailable.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        prefix: str,
        boot_id: str,
        outbox: Outbox,
        clock: Clock,
        acknowledge: Callable[[Acknowledge], None],
    ) -> None:
        self._settings = settings
        self._prefix = prefix
        self._boot_id = boot_id
        self._outbox = outbox
        self._clock = clock
        self._acknowledge = acknowledge
        self._status_seq = 0
        self._last_event_seq = 0
        self._failures = 0
        self._refused = RefusedEvent(_WINDOW)
        self._to_clear: list[str] = []
        self._own_status = OwnStatus(boot_id)
        self._allowance = Allowance(burst=_COMMANDS_AT_ONCE, per_s=_COMMANDS_PER_S, now=clock.monotonic())
        self._ignored = 0
        self._ignored_told = -math.inf

    async def run(self) -> None:
        """Connect, deliver, connect again, for ever; on cancellation say `offline` first."""
        while True:
            try:
                await self._connection()
            except Unavailable as error:
                refused = self._refused.connection_lost(silent=isinstance(error, NoAnswer))
                if refused is not None:
                    await self._set_aside(refused, error)
                self._failures += 1
                delay_s = _RECONNECT.delay_s(self._failures)
                self._tell_loss(error, delay_s)
                await asyncio.sleep(delay_s)

    def _tell_loss(self, error: Unavailable, delay_s: float) -> None:
        """Once a loss loudly; the tries after it only for those who look closely."""
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        fields = {"broker": self._settings.broker, "prefix": self._prefix, "reason": str(error)}
        logger.log(level, "mqtt_unavailable", extra={"fields": fields | {"retry_s": round(delay_s, 1)}})

    async def _set_aside(self, event: OutboxItem, error: Unavailable) -> None:
        """Give up an event that the broker refuses, loudly; what it held under that topic is wrong now."""
        size = f"{len(event.payload)} bytes"
        await self._outbox.dead(event.id, f"the broker does not take it ({size}): {error}")
        if event.retain:
            self._to_clear.append(event.topic)
        fields = {"broker": self._settings.broker, "prefix": self._prefix, "seq": event.seq}
        fields |= {"topic": event.topic, "size": size, "reason": str(error)}
        logger.error("mqtt_event_refused", extra={"fields": fields})

    async def _connection(self) -> None:
        """One connection from its beginning to its end; Unavailable when it is lost."""
        status_topic = f"{self._prefix}/{STATUS_TOPIC}"
        broker = BrokerConnection(
            self._settings,
            will_topic=status_topic,
            will=will(self._boot_id),
            most_unread=_MOST_UNREAD,
            largest_packet=_LARGEST_PACKET,
        )
        try:
            await broker.connect()
            await self._talk(broker)
        finally:
            await broker.drop()

    async def _talk(self, broker: BrokerConnection) -> None:
        replays = Replays(
            self._outbox,
            self._prefix,
            publish=functools.partial(self._publish, broker, retain=False),
            last_event_seq=lambda: self._last_event_seq,
        )
        try:
            self._last_event_seq = await self._outbox.last_seq(self._prefix)
            hear = functools.partial(self._hear, replays)
            await self._subscribe(broker)
            await self._report(broker, "online")
            fields = {"broker": self._settings.broker, "prefix": self._prefix}
            logger.info("mqtt_connected", extra={"fields": fields})
            if not self._refused.suspected:
                self._failures = 0
            await _side_by_side(
                self._beat(broker),
                self._forward(broker),
                replays.run(),
                broker.listen(hear),
            )
        except asyncio.CancelledError:
            await self._sign_off(broker)
            raise

    async def _subscribe(self, broker: BrokerConnection) -> None:
        topics = [f"{self._prefix}/{topic}" for topic in COMMAND_TOPICS]
        if not await broker.subscribe_acknowledged(*topics):
            fields = {"broker": self._settings.broker, "prefix": self._prefix}
            logger.warning("mqtt_commands_not_allowed", extra={"fields": fields})
        # Without leave to read it we only do not notice another gateway.
        await broker.subscribe_acknowledged(f"{self._prefix}/{STATUS_TOPIC}")

    def _hear(self, replays: Replays, message: aiomqtt.Message) -> None:
        """Take what comes: our own status, or a command where not too many came before it."""
        if message.topic.value == f"{self._prefix}/{STATUS_TOPIC}":
            boot_id = self._own_status.another(message.payload, kept=message.retain)
            if boot_id is not None:
                fields = {"broker": self._settings.broker, "prefix": self._prefix, "boot_id": boot_id}
                advice = "give every gateway its own site or cart"
                logger.error("mqtt_another_gateway", extra={"fields": fields | {"advice": advice}})
        elif self._allowance.take(self._clock.monotonic()):
            self._obey(replays, message)
        else:
            self._ignore()

    def _ignore(self) -> None:
        """Count a command that is one too many, and say so once a minute."""
        self._ignored += 1
        now = self._clock.monotonic()
        if now - self._ignored_told >= _TELL_EVERY_S:
            fields = {"prefix": self._prefix, "count": self._ignored}
            logger.warning("commands_ignored", extra={"fields": fields})
            self._ignored, self._ignored_told = 0, now

    def _obey(self, replays: Replays, message: aiomqtt.Message) -> None:
        """Pass a command on to who carries it out; what is none is told without any of it."""
        try:
            wanted = self._command(message)
            if isinstance(wanted, Acknowledge):
                self._acknowledge(wanted)
            else:
                replays.offer(wanted)
        except (DataError, Unavailable) as error:
            fields = {"prefix": self._prefix, "reason": str(error)}
            logger.warning("command_refused", extra={"fields": fields})

    def _command(self, message: aiomqtt.Message) -> Acknowledge | Replay:
        topic = message.topic.value.removeprefix(f"{self._prefix}/")
        if message.retain:
            raise DataError("the broker kept it from earlier; send commands without retain", topic)
        return command(topic, message.payload)

    async def _report(self, broker: BrokerConnection, state: Literal["online", "offline"]) -> None:
        self._status_seq += 1
        payload = status(
            state,
            boot_id=self._boot_id,
            seq=self._status_seq,
            time=self._clock.now(),
            last_event_seq=self._last_event_seq,
        )
        await self._publish(broker, STATUS_TOPIC, payload, retain=True)
        self._refused.heartbeat_acknowledged()

    async def _beat(self, broker: BrokerConnection) -> None:
        """The heartbeat; a broker that does not acknowledge one gets no next."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._settings.status_interval_s, loop.time())
            await asyncio.sleep(due - loop.time())
            await self._report(broker, "online")

    async def _forward(self, broker: BrokerConnection) -> None:
        """What the broker may have forgotten, then events in the order of the outbox, a window at a time."""
        held, postponed = await self._restate(broker)
        while True:
            await self._outbox.wait(self._prefix)
            if self._refused.suspected:
                await self._report(broker, "online")  # a broker that is there: what is lost next is the event
            events = self._refused.turn(await self._outbox.pending(self._prefix, _WINDOW))
            await _side_by_side(*(self._deliver(broker, event, held) for event in events))
            while postponed:
                await self._send(broker, postponed.pop(), retain=True)

    async def _restate(self, broker: BrokerConnection) -> tuple[Mapping[str, int], list[OutboxItem]]:
        """Say again what the broker should hold; by topic which event that is, and those left for later."""
        while self._to_clear:
            await self._publish(broker, self._to_clear[0], b"", retain=True)
            del self._to_clear[0]
        retained = await self._outbox.retained(self._prefix)
        postponed = []
        for event in sorted(retained, key=self._refused.is_to_wait):
            if self._refused.is_to_wait(event):
                postponed.append(event)
            else:
                await self._send(broker, event, retain=True)
        return {event.topic: event.id for event in retained}, postponed

    async def _deliver(self, broker: BrokerConnection, event: OutboxItem, held: Mapping[str, int]) -> None:
        # Nothing is awaited between the two: a heartbeat never claims an event that has not gone before it.
        # One that was refused and is tried again goes behind newer ones: the claim never falls.
        self._last_event_seq = max(self._last_event_seq, event.seq or 0)
        # One that was not noted as delivered while a newer one was must not be what the broker keeps.
        await self._send(broker, event, retain=event.retain and event.id > held.get(event.topic, 0))
        await self._outbox.delivered(event.id, "PUBACK")

    async def _send(self, broker: BrokerConnection, event: OutboxItem, *, retain: bool) -> None:
        self._refused.sent(event)
        await self._publish(broker, event.topic, event.payload, retain=retain)
        self._refused.acknowledged(event)

    async def _publish(self, broker: BrokerConnection, topic: str, payload: bytes, *, retain: bool) -> None:
        await broker.publish_acknowledged(f"{self._prefix}/{topic}", payload, retain=retain)

    async def _sign_off(self, broker: BrokerConnection) -> None:
        """Say `offline` and leave in order, if the broker still listens."""
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_SIGN_OFF_S):
                await self._report(broker, "offline")
                await broker.leave()


async def _side_by_side(*jobs: Coroutine[None, None, None]) -> None:
    """Run `jobs`, started in this order, until all are done; the first failure ends the others."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
