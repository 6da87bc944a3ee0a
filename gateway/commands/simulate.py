"""`simulate`: plays a Study document as a cart would."""

import asyncio
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import click

from gateway.daemon.reference import load_reference
from gateway.errors import DataError, NoInput, Unavailable, UsageError
from gateway.formats import study_json
from gateway.ports import Simulator

_GROUP = "emg_gateway.simulators"


def installed_simulator() -> Simulator:
    """The simulator that is installed."""
    for entry in entry_points(group=_GROUP):
        simulator: Simulator = entry.load()
        return simulator
    raise Unavailable("no simulator is installed; install emg-gateway with its drivers")


@click.command("simulate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--link", type=click.Path(path_type=Path), help="Where to link the pseudo-terminal's host end.")
@click.option("--protocol", type=click.Choice(["lis"]), default="lis", show_default=True)
@click.option("--speed", type=float, default=0.0, help="1: as slow as a real examination; 0: at once.")
@click.option("--faults", metavar="NAME", help="A fault the cart has.")
def command(file: Path, link: Path | None, protocol: str, speed: float, faults: str | None) -> None:
    """Play FILE (a Study document) over a pseudo-terminal and wait until everything is acknowledged."""
    _ = protocol  # the only one there is
    simulator = installed_simulator()
    if faults is not None and faults not in simulator.faults:
        raise UsageError(f"no fault {faults!r}; there are: {', '.join(simulator.faults)}")
    try:
        study = study_json.decode(file.read_bytes(), load_reference().anatomy.check)
    except OSError as error:
        raise NoInput(f"{file}: {error.strerror}") from error
    except DataError as error:
        raise error.within(str(file)) from error
    marked = replace(study, header=replace(study.header, simulated=True))
    asyncio.run(simulator.play(marked, link=link, speed=speed, fault=faults, opened=_say))


async def _say(path: str) -> None:
    click.echo(f"emg-gateway: the line is {path}", err=True)
