"""`ledger`: what was sent where, and what came back."""

import json
from pathlib import Path
from typing import Any

import click

from gateway.commands.terminal import printable
from gateway.daemon.config import DATABASE, DEFAULT_PATH, load
from gateway.errors import NoInput
from gateway.store.ledger import ledger


@click.command("ledger")
@click.option("--study", metavar="ID", help="Only this study: its code, or the device's study id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True)
def command(study: str | None, config: Path, *, as_json: bool) -> None:
    """Show every result and sink: pending, delivered, parked, dead, refused or discarded, with the answer.

    The answer has the receiver's own words: they may name a patient, so look before you pass them on.
    """
    path = Path(load(config).gateway.state_dir) / DATABASE
    if not path.exists():
        raise NoInput(f"{path}: not there; has the gateway run with this configuration?")
    for row in ledger(path, study):
        # ASCII: a receiver's own words could else hold what a terminal obeys
        click.echo(json.dumps(row, separators=(",", ":")) if as_json else _line(row))


def _line(row: dict[str, Any]) -> str:
    what = row.get("control_id") or row.get("topic", "")
    told = "; ".join(filter(None, (row.get("answer") or row.get("error"), row.get("decision"))))
    line = f"{row['created_at']}  {row['study']}  {row['sink']:<16} {row['state']:<9} {what}  {told}"
    return printable(line.rstrip())
