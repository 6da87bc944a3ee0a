"""`conformance`: what the product does with a format, for those who connect a system to it."""

import click

from gateway.daemon.reference import load_reference
from gateway.formats.dicom.conformance import statement


@click.command("conformance")
@click.argument("standard", type=click.Choice(["dicom"]))
def command(standard: str) -> None:  # noqa: ARG001  # there is one so far
    """Print the conformance statement, in Markdown."""
    click.echo(statement(load_reference().anatomy), nl=False)
