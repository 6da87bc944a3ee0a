"""`config`: check a configuration, or show what is in force."""

from pathlib import Path

import click
import tomli_w

from gateway.daemon.config import DEFAULT_PATH, Settings, effective, load
from gateway.daemon.engines import destination
from gateway.daemon.service import checked
from gateway.errors import ConfigError
from gateway.pipeline.samples import samples

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
    """Say whether the configuration can be used; exit 78 when not.

    Also writes a message of each kind for each [[hl7]] and checks it against the structures of HL7 2.5.1.
    """
    settings = usable(config)
    _check_messages(settings, config)
    click.echo(f"{config}: ok")


def _check_messages(settings: Settings, path: Path) -> None:
    """ConfigError when a kind of message, written as an engine is to have it, breaks HL7's structure."""
    if not settings.hl7:
        return
    # hl7apy takes half a second a message: here, and never in the daemon.
    from gateway.commands.hl7_validation import validate  # noqa: PLC0415

    reference = checked(settings)
    for section in settings.hl7:
        for kind, message in samples(destination(section).header, reference).items():
            problem = next(iter(validate(message)), None)
            if problem is not None:
                raise ConfigError(f"{path}: [[hl7]] {section.name}: its {kind} message: {problem}")


@command.command("show")
@_CONFIG
def show(config: Path) -> None:
    """Print the configuration with every default filled in."""
    click.echo(tomli_w.dumps(effective(load(config))), nl=False)
