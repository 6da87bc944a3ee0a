"""`mqtt sample`: a message of each kind, to try a screen with before a cart is connected."""

import json
from pathlib import Path

import click

from gateway.daemon.reference import load_reference
from gateway.errors import CannotCreate, UsageError, did_you_mean
from gateway.pipeline.event_samples import Sample, event_samples


@click.command("sample")
@click.argument("name", required=False)
@click.option("--list", "names_only", is_flag=True, help="The names, and what each tells.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write NAME.json files instead."
)
def sample(name: str | None, output: Path | None, *, names_only: bool) -> None:
    """Print the sample message NAME with its topic, or one of each kind; the patient does not exist.

    Files hold the payload alone, as it goes over the broker.
    """
    found = event_samples(load_reference())
    if name is not None and name not in found:
        raise UsageError(f"no such sample{did_you_mean(name, found)}; see --list")
    wanted = found if name is None else {name: found[name]}
    if names_only:
        for known, entry in found.items():
            click.echo(f"{known:<14} {entry.topic:<50} {entry.about}")
    elif output is None:
        click.echo("\n\n".join(map(_shown, wanted.values())))
    else:
        _write(wanted, output)


def _shown(entry: Sample) -> str:
    payload = json.dumps(json.loads(entry.payload), ensure_ascii=False) if entry.payload else ""
    return f"{entry.topic}\n{payload}".rstrip()


def _write(samples: dict[str, Sample], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, entry in samples.items():
            (folder / f"{name}.json").write_bytes(entry.payload)
    except OSError as error:
        raise CannotCreate(f"{error.filename}: {error.strerror}") from error
