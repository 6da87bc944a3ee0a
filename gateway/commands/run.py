"""`run`: the daemon."""

import asyncio
import gc
import logging
import signal
import time
from pathlib import Path

import click

from gateway.commands.config import usable
from gateway.daemon import log
from gateway.daemon.config import DEFAULT_PATH, Settings
from gateway.daemon.notify import notify
from gateway.daemon.service import serve
from gateway.errors import ConfigError

logger = logging.getLogger(__name__)


@click.command("run")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True)
def command(config: Path) -> None:
    """Run the gateway until SIGTERM; SIGHUP reads the configuration anew."""
    settings = usable(config)
    log.configure()
    asyncio.run(_run(config, settings))


async def _run(config: Path, settings: Settings) -> None:
    stop = asyncio.Event()
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        notify("STOPPING=1")
        stop.set()

    def reload() -> None:
        nonlocal settings
        changed = _changed(config)
        if changed is not None:
            settings = changed
            # READY=1 follows from the service once it takes input again (sd_notify(3)).
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminate)
    loop.add_signal_handler(signal.SIGHUP, reload)
    while not terminated:
        stop.clear()
        await serve(settings, stop, ready=keep_what_is_loaded)


def keep_what_is_loaded() -> None:
    """Let no collection look at modules and reference data again: that holds up the loop for 30 ms."""
    gc.unfreeze()  # of what was loaded before a reload
    gc.collect()
    gc.freeze()


def _changed(config: Path) -> Settings | None:
    """The configuration as it is on disk now; None where it cannot be used: what runs goes on undisturbed."""
    try:
        changed = usable(config)
    except ConfigError as error:
        logger.error("reload_refused", extra={"fields": {"reason": error}})  # noqa: TRY400  # no trace for a user
        return None
    logger.info("reloaded", extra={"fields": {"config": config}})
    return changed
