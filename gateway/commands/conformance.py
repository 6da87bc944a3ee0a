"""`conformance`: what the product does with a standard, for those who connect a system to it."""

import click

from gateway.commands import hl7_statement, mqtt_statement
from gateway.daemon.reference import load_reference
from gateway.formats.dicom import conformance as dicom


@click.command("conformance")
@click.argument("standard", type=click.Choice(["dicom", "hl7", "mqtt"]))
def command(standard: str) -> None:
    """Print what is sent and taken: a statement in Markdown, for mqtt an AsyncAPI 3.0 document in JSON."""
    match standard:
        case "hl7":
            printed = hl7_statement.statement()
        case "mqtt":
            printed = mqtt_statement.statement()
        case _:
            printed = dicom.statement(load_reference().anatomy)
    click.echo(printed, nl=False)
