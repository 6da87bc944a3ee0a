"""What keeps the store in order while the gateway runs: its log, its size, its soundness, and who is told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

from gateway.daemon.config import StoreSection
from gateway.daemon.notify import notify
from gateway.store.database import Database
from gateway.store.retention import Retention, RetentionPolicy

logger = logging.getLogger(__name__)

_LOG_S: Final = 2.0
_STATUS_S: Final = 1.0
_RETENTION_S: Final = 60.0
# The log of a busy day is a tenth of this; what is larger is kept from being emptied.
_LARGE_LOG_BYTES: Final = 64_000_000


def policy(section: StoreSection) -> RetentionPolicy:
    """What the configuration says, in the store's terms."""
    days = section.keep_waveforms_days
    return RetentionPolicy(
        quota_bytes=section.quota_mb * 1_000_000,
        min_free_bytes=section.min_free_mb * 1_000_000,
        keep_curves=None if days is None else timedelta(days=days),
    )


def upkeep(database: Database, retention: Retention) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The jobs that look after the store, by name."""
    return {
        "store check": lambda: _checking(database),
        "store log": lambda: _emptying(database),
        "store retention": lambda: _retaining(retention),
        "store status": lambda: _telling(database, retention),
    }


async def _checking(database: Database) -> None:
    """Finish the check that was cut short at the start."""
    await database.check_rest()
    await asyncio.Event().wait()


async def _emptying(database: Database) -> None:
    """Bring the log into the database now and then; tell once where somebody keeps it from that."""
    large = False
    while True:
        size = await database.checkpoint()
        if size > _LARGE_LOG_BYTES and not large:
            fields = {
                "file": f"{database.path}-wal",
                "bytes": size,
                "advice": "another program reads the store and does not end: see 'fuser -v' with this file",
            }
            logger.warning("store_log_large", extra={"fields": fields})
        large = size > _LARGE_LOG_BYTES
        await asyncio.sleep(_LOG_S)


async def _retaining(retention: Retention) -> None:
    while True:
        await retention.apply()
        await asyncio.sleep(_RETENTION_S)


async def _telling(database: Database, retention: Retention) -> None:
    """Keep the status that the service manager shows."""
    told: str | None = None
    while True:
        now = database.fault or retention.alarm
        if now != told:
            notify(f"STATUS={now or 'running; the store is in order again'}")
            told = now
        await asyncio.sleep(_STATUS_S)
