"""`run`: the daemon."""

import asyncio
import logging
import signal
from pathlib import Path

import click

from gateway.daemon import log
from gateway.daemon.config import DEFAULT_PATH, Settings, load
from gateway.daemon.service import reference_of, serve
from gateway.errors import ConfigError

logger = logging.getLogger(__name__)


@click.command("run")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True)
def command(config: Path) -> None:
    """Run the gateway until SIGTERM; SIGHUP reads the configuration anew."""
    settings = load(config)
    log.configure()
    asyncio.run(_run(config, settings))


async def _run(config: Path, settings: Settings) -> None:
    stop = asyncio.Event()
    terminated = False

    def end(*, for_good: bool) -> None:
        nonlocal terminated
        terminated = terminated or for_good
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: end(for_good=True))
    loop.add_signal_handler(signal.SIGHUP, lambda: end(for_good=False))
    while not terminated:
        stop.clear()
        await serve(settings, stop)
        if not terminated:
            settings = _reloaded(config, settings)


def _reloaded(config: Path, settings: Settings) -> Settings:
    """The configuration as it is on disk now; the one in force where that cannot be used."""
    try:
        changed = load(config)
        reference_of(changed)
    except ConfigError as error:
        logger.error("reload_refused", extra={"fields": {"reason": error}})  # noqa: TRY400  # no trace for a user
        return settings
    logger.info("reloaded", extra={"fields": {"config": config}})
    return changed
