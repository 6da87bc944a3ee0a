"""`conformance`: what the product does with a format, for those who connect a system to it."""

import click

from gateway.commands import hl7_statement
from gateway.daemon.reference import load_reference
from gateway.formats.dicom import conformance as dicom


@click.command("conformance")
@click.argument("standard", type=click.Choice(["dicom", "hl7"]))
def command(standard: str) -> None:
    """Print the conformance statement, in Markdown."""
    printed = hl7_statement.statement() if standard == "hl7" else dicom.statement(load_reference().anatomy)
    click.echo(printed, nl=False)
