"""`mqtt`: what goes over the broker, as it goes."""

import asyncio
import functools
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiomqtt
import click

from gateway.commands.mqtt_lines import Watching
from gateway.commands.mqtt_sample import sample
from gateway.daemon.broker import EMBEDDED, broker_settings
from gateway.daemon.config import DEFAULT_PATH, Settings, load
from gateway.daemon.credentials import secret
from gateway.errors import ConfigError, PermissionRefused, Unavailable, UsageError
from gateway.sinks.backoff import Backoff
from gateway.sinks.mqtt_connection import BrokerConnection, MqttSettings

_RECONNECT: Final = Backoff(first_s=1.0, cap_s=5.0)


@click.group("mqtt")
def command() -> None:
    """Look at what lab screens get."""


command.add_command(sample)


@command.command("watch")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="FILTER",
    help="Instead of all of this site; repeatable.",
)
@click.option("--username", metavar="NAME", help="Instead of the gateway's own, who may not read everything.")
@click.option(
    "--password-file", type=click.Path(path_type=Path), metavar="FILE", help="The password that goes with it."
)
def watch(config: Path, topics: tuple[str, ...], username: str | None, password_file: Path | None) -> None:
    """Print events as they come, and say which are missing; Ctrl-C ends it."""
    settings = load(config)
    try:
        broker = _broker(settings)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from error
    if username is not None:
        password = None if password_file is None else secret(password_file, "password")
        broker = replace(broker, username=username, password=password)
    elif password_file is not None:
        raise UsageError("--password-file without --username; name both")
    asyncio.run(_until_asked_to_end(broker, topics or (f"emg/v1/{settings.gateway.site}/#",)))


def _broker(settings: Settings) -> MqttSettings:
    if settings.mqtt is None:
        raise ConfigError("there is no [mqtt]; name the broker there")
    if settings.mqtt.url == EMBEDDED:
        raise ConfigError("[mqtt] url: the embedded broker has no address to watch; start one of your own")
    return broker_settings(settings.mqtt)


async def _until_asked_to_end(settings: MqttSettings, topics: tuple[str, ...]) -> None:
    watching = asyncio.create_task(_watch(settings, topics))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, watching.cancel)
    await asyncio.wait({watching})
    if not watching.cancelled():
        watching.result()


async def _watch(settings: MqttSettings, topics: tuple[str, ...]) -> None:
    """Connect, print, connect again, for ever."""
    watching, failures = Watching(), 0
    while True:
        try:
            async with AsyncExitStack() as stack:
                connection = BrokerConnection(settings)
                stack.push_async_callback(connection.drop)
                await connection.connect()
                if not await connection.subscribe_acknowledged(*topics):
                    raise PermissionRefused("the broker does not let this user read there; see --username")
                click.echo(f"watching {settings.broker}, Ctrl-C ends it", err=True)
                failures = 0
                await connection.listen(functools.partial(_print, watching))
        except Unavailable as error:
            failures += 1
            delay_s = _RECONNECT.delay_s(failures)
            click.echo(f"{settings.broker}: {error}; trying again in {delay_s:.0f} s", err=True)
            await asyncio.sleep(delay_s)


def _print(watching: Watching, message: aiomqtt.Message) -> None:
    now = datetime.now(UTC)
    for line in watching.lines(message.topic.value, message.payload, now, kept=message.retain):
        click.echo(line)
