"""The life of the gateway, top to bottom: open the store, finish what was left, run, stop in order.

Every task is started and named here. Stopping goes against the flow: drivers first, so that nothing new
comes in; then the pipeline works off what is queued; then the sinks get a moment to deliver it and say
goodbye; the store closes last. Whatever was not delivered by then goes out after the next start.
"""

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import gateway
from gateway.daemon.broker import EMBEDDED, broker_settings
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, DriverSection, MqttSection, Settings
from gateway.daemon.engines import destination, engine
from gateway.daemon.notify import notify
from gateway.daemon.reference import load_reference
from gateway.daemon.supervision import keep_running
from gateway.daemon.upkeep import policy, upkeep
from gateway.daemon.validation import Validation
from gateway.domain.limits import Limits
from gateway.errors import ConfigError
from gateway.pipeline.acknowledgements import Acknowledgements
from gateway.pipeline.publication import Publication
from gateway.pipeline.runner import Runner
from gateway.pipeline.stages import Reference
from gateway.ports import Clock, Driver, DriverContext
from gateway.protocols.telemetry import boot_of, prefix
from gateway.sinks.broker import demo_broker
from gateway.sinks.hl7 import HL7Sink
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_connection import MqttSettings
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal
from gateway.store.outbox import Outbox
from gateway.store.retention import Retention
from gateway.store.studies import Studies

logger = logging.getLogger(__name__)

_HOUSEKEEPING_S: Final = 1.0
# Events kept for a replay are counted in thousands: nobody sees a minute's more.
_FORGETTING_S: Final = 60.0
# What an operator states is taken up within a second.
_HEARING_S: Final = 0.5
# The service manager kills after 30 s; working off what is queued takes milliseconds unless the disk hangs.
_DRAIN_DEADLINE_S: Final = 10.0
# A receiver that is there answers in milliseconds; one that is not is not waited for.
_FLUSH_DEADLINE_S: Final = 2.0

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The parts of a running gateway that others are wired to."""

    settings: Settings
    reference: Reference
    clock: Clock
    boot_id: str
    journal: Journal
    outbox: Outbox
    runner: Runner
    screens: Mapping[str, Acknowledgements]
    validation: Validation


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
    """Run the gateway until `stop` is set; `ready` is called once it takes input.

    ConfigError before anything is opened; StorageError when the state directory cannot be used.
    """
    reference = checked(settings)
    async with _broker(settings.mqtt) as mqtt, _database(settings) as database:
        parts = await _assemble(settings, reference, database)
        sinks = _sinks(parts, mqtt)
        await parts.outbox.tell_abandoned(sinks)
        jobs = {**sinks, "validation": parts.validation.run}
        async with _running(_upkeep(parts, database), parts.clock), _running(jobs, parts.clock):
            await parts.runner.recover()
            async with _running({"pipeline": parts.runner.run}, parts.clock):
                await _first(parts.runner.recovered, stop)
                if not stop.is_set():
                    await _take_input(parts, stop, ready)
                await _within(_DRAIN_DEADLINE_S, parts.runner.drain())
            await _within(_FLUSH_DEADLINE_S, parts.outbox.drained(sinks))
    logger.info("stopped")


async def _take_input(parts: _Parts, stop: asyncio.Event, ready: Callable[[], None] | None) -> None:
    async with _running(_inputs(parts), parts.clock):
        _say_ready(parts.settings, ready)
        await stop.wait()
        logger.info("stopping")


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of `events` is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _within(seconds: float, step: Awaitable[None]) -> None:
    """Give a step of stopping its time, and go on when that is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await step


def checked(settings: Settings) -> Reference:
    """The reference data a configuration asks for; ConfigError where something it names cannot be used.

    Opens and connects nothing.
    """
    for entry in settings.hl7:
        engine(entry)
    if settings.mqtt is not None and settings.mqtt.url != EMBEDDED:
        broker_settings(settings.mqtt)
    analysis = settings.analysis
    reference = load_reference(
        criteria=analysis.criteria,
        grading=analysis.grading,
        norms=analysis.norms,
        data_dir=Path(analysis.data_dir) if analysis.data_dir else None,
    )
    for section in settings.drivers:
        _driver(section, settings.limits, reference, SystemClock())
    return reference


def _driver(section: DriverSection, limits: Limits, reference: Reference, clock: Clock) -> Driver:
    context = DriverContext(
        name=section.name,
        anatomy=reference.anatomy,
        clock=clock,
        timezone=None if section.timezone is None else ZoneInfo(section.timezone),
        limits=limits,
    )
    try:
        return section.plugin.create(section.settings, context)
    except ConfigError as error:
        raise ConfigError(f"[[drivers]] {section.name}: {error}") from error


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(Path(settings.gateway.state_dir) / DATABASE) as database:
        yield database


@contextlib.asynccontextmanager
async def _broker(section: MqttSection | None) -> AsyncIterator[MqttSettings | None]:
    """Where to publish; starts the demo broker where the configuration says `embedded`."""
    if section is None:
        yield None
    elif section.url == EMBEDDED:
        async with demo_broker() as address:
            yield MqttSettings(host=address.host, port=address.port)
    else:
        yield broker_settings(section)


async def _assemble(settings: Settings, reference: Reference, database: Database) -> _Parts:
    clock, boot_id = SystemClock(), str(uuid.uuid4())
    journal = await Journal.open(database, clock, boot_id)
    outbox = Outbox(database, clock, boot_id)
    publication = Publication(
        site=settings.gateway.site if settings.mqtt else None,
        clear_after=timedelta(seconds=settings.mqtt.clear_after_s if settings.mqtt else 0),
        destinations=tuple(destination(entry) for entry in settings.hl7),
    )
    runner = Runner(reference, publication, journal, Studies(database), outbox, clock)
    carts = {settings.gateway.cart, *(entry.cart for entry in settings.drivers)} if settings.mqtt else ()
    return _Parts(
        settings=settings,
        reference=reference,
        clock=clock,
        boot_id=boot_id,
        journal=journal,
        outbox=outbox,
        runner=runner,
        validation=Validation(settings.hl7, reference, Path(settings.gateway.state_dir)),
        screens={cart: Acknowledgements(cart, journal, runner.deliver) for cart in sorted(carts)},
    )


def _sinks(parts: _Parts, mqtt: MqttSettings | None) -> dict[str, Job]:
    """One sink for each engine, and for each cart where there is a broker, by its name in the outbox."""
    jobs: dict[str, Job] = {}
    for entry in parts.settings.hl7:
        check = parts.validation.check(entry)
        jobs[entry.name] = HL7Sink(engine(entry), parts.outbox, parts.clock, check).run
    if mqtt is not None:
        for cart, screens in parts.screens.items():
            topics = prefix(parts.settings.gateway.site, cart)
            sink = MqttSink(
                mqtt,
                prefix=topics,
                boot_id=boot_of(parts.boot_id, topics),
                outbox=parts.outbox,
                clock=parts.clock,
                acknowledge=screens.offer,
            )
            jobs[topics] = sink.run
    return jobs


def _upkeep(parts: _Parts, database: Database) -> Mapping[str, Job]:
    section, markers = parts.settings.store, parts.reference.markers
    return upkeep(database, Retention(database, policy(section), markers, parts.clock))


def _inputs(parts: _Parts) -> dict[str, Job]:
    """Every driver, the ears for operators and screens, and what ends, clears and forgets in time."""
    jobs: dict[str, Job] = {
        "housekeeping": lambda: _housekeeping(parts),
        "statements": lambda: _hearing(parts),
    }
    if parts.settings.mqtt is not None:
        jobs["replay"] = functools.partial(_forgetting, parts.outbox, parts.settings.mqtt, parts.clock)
    for cart, screens in parts.screens.items():
        jobs[f"screens {cart}"] = screens.run
    for section in parts.settings.drivers:
        driver = _driver(section, parts.settings.limits, parts.reference, parts.clock)
        intake = parts.journal.intake(section.name, section.cart, parts.runner.deliver)
        jobs[f"driver {section.name}"] = functools.partial(driver.run, intake)
    return jobs


async def _housekeeping(parts: _Parts) -> None:
    while True:
        await parts.runner.end_silent(parts.settings.gateway.exam_timeout_s)
        await parts.runner.clear_due()
        await asyncio.sleep(_HOUSEKEEPING_S)


async def _forgetting(outbox: Outbox, section: MqttSection, clock: Clock) -> None:
    """Drop what is too old, or too much, to be replayed to a screen."""
    while True:
        await outbox.thin(section.replay_events, clock.now() - timedelta(days=section.replay_days))
        await asyncio.sleep(_FORGETTING_S)


async def _hearing(parts: _Parts) -> None:
    """Look for what operators put into the journal, in the index of what is not done, and decided."""
    while True:
        await parts.runner.hear()
        await parts.outbox.hear()
        await asyncio.sleep(_HEARING_S)


@contextlib.asynccontextmanager
async def _running(jobs: Mapping[str, Job], clock: Clock) -> AsyncIterator[None]:
    """Keep `jobs` running while the block runs; they have ended when it is left."""
    tasks = [asyncio.create_task(keep_running(name, job, clock), name=name) for name, job in jobs.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _say_ready(settings: Settings, ready: Callable[[], None] | None) -> None:
    fields = {
        "version": gateway.__version__,
        "drivers": len(settings.drivers),
        "hl7": len(settings.hl7),
        "mqtt": settings.mqtt is not None,
    }
    logger.info("ready", extra={"fields": fields})
    notify(
        "READY=1", f"STATUS=running: {len(settings.drivers)} drivers, {len(settings.hl7)} HL7 destinations"
    )
    if ready is not None:
        ready()
