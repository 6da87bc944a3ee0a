"""`demo`: a virtual cart, a broker and an HL7 receiver on this machine, and what they tell each other.

Everything is real but the patient: the cart speaks over a pseudo-terminal, the events come back through the
broker, the message is acknowledged by the receiver. State lives in a temporary directory.
"""

import asyncio
import contextlib
import logging
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import click

from gateway.commands.demo_stage import Stage, examination
from gateway.commands.simulate import installed_simulator
from gateway.daemon import log
from gateway.errors import CannotCreate, UsageError
from gateway.ports import Scenario, Simulator
from gateway.sinks.broker import demo_broker
from gateway.sinks.receiver import Receiver

_SEED: Final = 7
_DEFAULT_SCENARIO: Final = "block-forearm"
# One stimulation every two seconds instead of every twenty: fast enough to watch, slow enough to read.
_WATCHING_SPEED: Final = 10.0
_BETWEEN_PATIENTS_S: Final = 10.0


@click.command("demo")
@click.option("--once", is_flag=True, help="One examination at once, print the result, end.")
@click.option(
    "--scenario", metavar="NAME", default=_DEFAULT_SCENARIO, help="A virtual patient; `list` names them."
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    expose_value=False,
    help="For the lab screen, which this version does not have.",
)
def command(scenario: str, *, once: bool) -> None:
    """Show a whole examination on this machine: simulated cart, MQTT broker, HL7 receiver."""
    simulator = installed_simulator()
    if scenario == "list":
        for entry in simulator.scenarios:
            click.echo(f"{entry.name:<16} {entry.truth}")
        return
    known = {entry.name: entry for entry in simulator.scenarios}
    if scenario not in known:
        raise UsageError(f"no scenario {scenario!r}; there are: {', '.join(known)}")
    log.configure(logging.ERROR)
    # What a library leaves unanswered when it is interrupted is no news to somebody who watches.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    with _folder() as folder:
        asyncio.run(show(simulator, known[scenario], folder, once=once))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="emg-gateway-demo-")
    except OSError as error:
        raise CannotCreate(f"no directory for the demo's state: {error.strerror}; set TMPDIR") from error
    with folder as name:
        yield Path(name)


async def show(simulator: Simulator, scenario: Scenario, folder: Path, *, once: bool) -> None:
    """Examine one patient of `scenario` at once, or one after the other at a pace to read along."""
    _end_in_order()
    async with demo_broker() as broker, Receiver() as receiver:
        stage = Stage(simulator=simulator, folder=folder, broker=broker, receiver=receiver)
        click.echo("SIMULATED DATA, not a patient. Electrodiagnostic support, not for clinical use.")
        click.echo(f"  broker    {broker.kind} on {broker.host}:{broker.port}")
        click.echo(f"  receiver  HL7 over MLLP on {receiver.host}:{receiver.port}")
        if not once:
            click.echo("  stop with Ctrl-C")
        seed = _SEED
        while True:
            study = simulator.study(scenario.name, seed=seed, performed_at=datetime.now(UTC).isoformat())
            click.echo(f"  patient   {scenario.name}, seed {seed}: {scenario.truth}")
            await examination(stage, study, speed=0.0 if once else _WATCHING_SPEED)
            if once:
                return
            await asyncio.sleep(_BETWEEN_PATIENTS_S)
            seed += 1


def _end_in_order() -> None:
    """Treat a closed terminal and a request to end as Ctrl-C: broker and temporary files go away."""
    demo = cast("asyncio.Task[None]", asyncio.current_task())
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, demo.cancel)
