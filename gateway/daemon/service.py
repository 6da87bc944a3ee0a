"""The life of the gateway, top to bottom: open the store, finish what was left, run, stop in order.

Every task is started and named here. Stopping goes against the flow: drivers first, so that nothing new
comes in; then the pipeline works off what is queued; then the sinks get a moment to deliver; the store
closes last. Whatever does not make it in time is on disk and goes out after the next start.
"""

import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import gateway
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DriverSection, Hl7Section, MqttSection, Settings
from gateway.daemon.notify import notify
from gateway.daemon.reference import load_reference
from gateway.daemon.supervision import keep_running
from gateway.pipeline.publication import Destination, Publication, events_sink
from gateway.pipeline.runner import Runner
from gateway.pipeline.stages import Reference
from gateway.ports import Clock, DriverContext
from gateway.sinks.broker import demo_broker
from gateway.sinks.hl7 import HL7Settings, HL7Sink
from gateway.sinks.mqtt import MqttSettings, MqttSink
from gateway.store.database import open_database
from gateway.store.journal import Journal
from gateway.store.outbox import Outbox
from gateway.store.studies import Studies

logger = logging.getLogger(__name__)

DATABASE: Final = "gateway.db"
_HOUSEKEEPING_S: Final = 1.0
# systemd kills after 30 s (TimeoutStopSec); each step has its own share of less than that.
_DRAIN_DEADLINE_S: Final = 5.0
_FLUSH_DEADLINE_S: Final = 3.0
