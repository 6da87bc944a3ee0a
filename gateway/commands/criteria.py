"""`criteria`: what recordings are judged by, to be signed off line by line."""

from pathlib import Path

import click

from gateway.commands.criteria_sheet import sheet
from gateway.daemon.config import load
from gateway.daemon.reference import load_reference


@click.command("criteria")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Take sets, norms and data from this configuration."
)
def command(config: Path | None) -> None:
    """Print every rule and number that recordings are judged by, in Markdown.

    For a neurophysiologist to sign off: with the laboratory's configuration, its own criteria and norms.
    """
    analysis = load(config).analysis if config else None
    reference = load_reference(
        criteria=analysis.criteria if analysis else None,
        grading=analysis.grading if analysis else None,
        norms=analysis.norms if analysis else None,
        data_dir=Path(analysis.data_dir) if analysis and analysis.data_dir else None,
    )
    click.echo(sheet(reference), nl=False)
