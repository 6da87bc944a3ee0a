"""`hl7 sample`: a message of each kind, to try an engine with before a cart is connected."""

from pathlib import Path

import click

from gateway.commands.hl7_files import segments
from gateway.daemon.config import load
from gateway.daemon.engines import destination
from gateway.daemon.reference import load_reference
from gateway.errors import CannotCreate, ConfigError, UsageError, did_you_mean
from gateway.pipeline.samples import KINDS, samples
from gateway.protocols import er7
from gateway.protocols.oru import MessageHeader


@click.command("sample")
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
@click.option("--list", "names_only", is_flag=True, help="The kinds, and what each tells.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write KIND.hl7 files instead."
)
@click.option("--config", type=click.Path(path_type=Path), help="Written as for its first [[hl7]].")
@click.option("--for", "name", metavar="NAME", help="Written as for this [[hl7]] of --config.")
def sample(
    kind: str | None, output: Path | None, config: Path | None, name: str | None, *, names_only: bool
) -> None:
    """Print a sample message of KIND, or one of each; the patient does not exist, MSH-11 is T.

    On the screen a segment is a line; files have CR behind each segment, as it goes over the line.
    """
    if names_only:
        for known, text in KINDS.items():
            click.echo(f"{known:<10} {text}")
        return
    found = samples(_header(config, name), load_reference())
    wanted = found if kind is None else {kind: found[kind]}
    if output is None:
        click.echo("\n\n".join("\n".join(segments(er7.parse(message))) for message in wanted.values()))
    else:
        _write(wanted, output)


def _header(config: Path | None, name: str | None) -> MessageHeader:
    if config is None:
        if name is not None:
            raise UsageError("--for needs --config")
        return MessageHeader(sending_application="EMG-GATEWAY")
    engines = {entry.name: entry for entry in load(config).hl7}
    if not engines:
        raise ConfigError(f"{config}: has no [[hl7]]")
    if name is not None and name not in engines:
        raise UsageError(f"no such destination{did_you_mean(name, engines)}; known: {', '.join(engines)}")
    return destination(engines[name] if name is not None else next(iter(engines.values()))).header


def _write(messages: dict[str, bytes], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, message in messages.items():
            (folder / f"{kind}.hl7").write_bytes(message)
    except OSError as error:
        raise CannotCreate(f"{error.filename}: {error.strerror}") from error
