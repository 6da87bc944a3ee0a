"""`config`: check a configuration, or show what is in force."""

from pathlib import Path

import click
import tomli_w

from gateway.daemon.config import DEFAULT_PATH, Settings, effective, load
from gateway.daemon.service import checked
from gateway.errors import ConfigError

_CONFIG = click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True)


def usable(path: Path) -> Settings:
    """The configuration at `path`; ConfigError names it, also where something it points to cannot be used."""
    settings = load(path)
    try:
        checked(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return settings


@click.group("config")
def command() -> None:
    """Check or show the configuration; opens and connects nothing."""


@command.command("check")
@_CONFIG
def check(config: Path) -> None:
    """Say whether the configuration can be used; exit 78 when not."""
    usable(config)
    click.echo(f"{config}: ok")


@command.command("show")
@_CONFIG
def show(config: Path) -> None:
    """Print the configuration with every default filled in."""
    click.echo(tomli_w.dumps(effective(load(config))), nl=False)
