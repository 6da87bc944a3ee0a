"""The store is looked after while the gateway runs, and the service manager hears how it stands."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.daemon.config import StoreSection
from gateway.daemon.upkeep import policy, upkeep
from gateway.errors import StorageError
from gateway.store.retention import Retention, RetentionPolicy
from tests.factories import marker_settings
from tests.laboratory import Laboratory, laboratory


def keeper(here: Laboratory, quota_bytes: int) -> Retention:
    limits = RetentionPolicy(quota_bytes=quota_bytes, min_free_bytes=0)
    return Retention(here.database, limits, marker_settings(), here.clock)


def test_the_configuration_is_in_megabytes_and_days() -> None:
    assert policy(StoreSection(quota_mb=3, min_free_mb=2, keep_waveforms_days=1.5)) == RetentionPolicy(
        quota_bytes=3_000_000, min_free_bytes=2_000_000, keep_curves=timedelta(hours=36)
    )
    assert policy(StoreSection()).keep_curves is None


async def test_the_service_manager_hears_of_a_fault_and_of_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.daemon.upkeep._STATUS_S", 0.01)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        async with laboratory(tmp_path / "state") as here:
            jobs = upkeep(here.database, keeper(here, 10**15))
            telling = asyncio.create_task(jobs["store status"]())
            await here.rows("PRAGMA query_only = ON")
            with pytest.raises(StorageError):
                await here.examine("S-1")
            first = await asyncio.wait_for(loop.sock_recv(manager, 1000), 10)
            await here.rows("PRAGMA query_only = OFF")
            await here.examine("S-1")
            second = await asyncio.wait_for(loop.sock_recv(manager, 1000), 10)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    assert first.startswith(f"STATUS={tmp_path}/state/gateway.db: attempt to write a readonly".encode())
    assert second == b"STATUS=running; the store is in order again"


async def test_what_is_over_the_limit_is_thinned_out_by_itself(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        jobs = upkeep(here.database, keeper(here, 1))
        running = [asyncio.create_task(job()) for job in jobs.values()]
        while await here.whole() or await here.raw():  # noqa: ASYNC110  # it has no other way to tell
            await asyncio.sleep(0)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
