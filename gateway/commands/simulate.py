"""`simulate`: plays a Study document as a cart would."""

import asyncio
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import click

from gateway.commands.documents import read_study
from gateway.daemon.reference import load_reference
from gateway.errors import Unavailable, UsageError
from gateway.ports import Simulator

_GROUP: Final = "emg_gateway.simulators"


def installed_simulator() -> Simulator:
    """The simulator that is installed."""
    for entry in entry_points(group=_GROUP):
        simulator: Simulator = entry.load()
        return simulator
    raise Unavailable("no simulator is installed; install emg-gateway with its drivers")


@click.command("simulate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--link", type=click.Path(path_type=Path), help="Where to link the pseudo-terminal's host end.")
@click.option(
    "--protocol",
    type=click.Choice(["lis"]),
    default="lis",
    show_default=True,
    expose_value=False,  # the only one there is
)
@click.option("--speed", type=float, default=0.0, help="1: as slow as a real examination; 0: at once.")
@click.option("--faults", metavar="NAME", help="A fault the cart has.")
def command(file: Path, link: Path | None, speed: float, faults: str | None) -> None:
    """Play FILE (a Study document) over a pseudo-terminal and wait until everything is acknowledged."""
    simulator = installed_simulator()
    if faults is not None and faults not in simulator.faults:
        raise UsageError(f"no fault {faults!r}; there are: {', '.join(simulator.faults)}")
    study = read_study(file, load_reference().anatomy.check)
    marked = replace(study, header=replace(study.header, simulated=True))
    asyncio.run(simulator.play(marked, link=link, speed=speed, fault=faults, opened=_say))


async def _say(path: str) -> None:
    click.echo(f"emg-gateway: the line is {path}", err=True)
