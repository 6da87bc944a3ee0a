"""`demo`: a virtual cart, a broker and an HL7 receiver on this machine, and what they tell each other.

Everything is real but the patient: the cart speaks over a pseudo-terminal, the events come back through the
broker, the message is acknowledged by the receiver. State lives in a temporary directory.
"""

import asyncio
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiomqtt
import click

from gateway.commands.simulate import installed_simulator
from gateway.commands.text import NOTICE, segment_line
from gateway.daemon import log
from gateway.daemon.config import DATABASE, Settings, parse
from gateway.daemon.reference import shipped_data
from gateway.daemon.service import serve
from gateway.domain.study import Study
from gateway.errors import Temporary, UsageError
from gateway.ports import Scenario, Simulator
from gateway.sinks.broker import BrokerAddress, demo_broker
from gateway.sinks.receiver import Receiver
from gateway.store.outbox import ledger

_SEED: Final = 7
_DEFAULT_SCENARIO: Final = "block-forearm"
# One stimulation every two seconds instead of every twenty: fast enough to watch, slow enough to read.
_WATCHING_SPEED: Final = 10.0
_BETWEEN_PATIENTS_S: Final = 10.0
_ANSWER_TIMEOUT_S: Final = 60.0
_TOPICS: Final = "emg/v1/demo/cart-a"


@click.command("demo")
@click.option("--once", is_flag=True, help="One examination at once, print the result, end.")
@click.option(
    "--scenario", metavar="NAME", default=_DEFAULT_SCENARIO, help="A virtual patient; `list` names them."
)
@click.option("--port", type=int, help="For the lab screen, which this version does not have.")
def command(scenario: str, port: int | None, *, once: bool) -> None:
    """Show a whole examination on this machine: simulated cart, MQTT broker, HL7 receiver."""
    _ = port
    simulator = installed_simulator()
    if scenario == "list":
        for entry in simulator.scenarios:
            click.echo(f"{entry.name:<16} {entry.truth}")
        return
    known = {entry.name: entry for entry in simulator.scenarios}
    if scenario not in known:
        raise UsageError(f"no scenario {scenario!r}; there are: {', '.join(known)}")
    log.configure(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="emg-gateway-demo-") as folder:
        asyncio.run(_demo(simulator, known[scenario], Path(folder), once=once))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What the examination plays on."""

    simulator: Simulator
    link: Path
    broker: BrokerAddress
    receiver: Receiver


async def _demo(simulator: Simulator, scenario: Scenario, folder: Path, *, once: bool) -> None:
    async with demo_broker() as broker, Receiver() as receiver:
        stage = _Stage(simulator=simulator, link=folder / "cart", broker=broker, receiver=receiver)
        _say("SIMULATED DATA, not a patient. Electrodiagnostic support, not for clinical use.")
        _say(f"  broker    {broker.kind} on {broker.host}:{broker.port}")
        _say(f"  receiver  HL7 over MLLP on 127.0.0.1:{receiver.port}")
        if not once:
            _say("  stop with Ctrl-C")
        for seed in count(_SEED):
            study = simulator.study(scenario.name, seed=seed, performed_at=datetime.now(UTC).isoformat())
            _say(f"  patient   {scenario.name}, seed {seed}: {scenario.truth}")
            await _examination(stage, study, _settings(stage, folder), speed=0.0 if once else _WATCHING_SPEED)
            if once:
                return
            await asyncio.sleep(_BETWEEN_PATIENTS_S)


def _settings(stage: _Stage, folder: Path) -> Settings:
    text = (shipped_data() / "demo.toml").read_text("utf-8")
    text = text.replace("@STATE@", str(folder / "state")).replace("@CART@", str(stage.link))
    text = text.replace("@BROKER@", f"{stage.broker.host}:{stage.broker.port}")
    return parse(text.replace("@ENGINE@", f"127.0.0.1:{stage.receiver.port}"), "demo.toml")


async def _examination(stage: _Stage, study: Study, settings: Settings, *, speed: float) -> None:
    """Play `study` through a running gateway and print what comes out of it."""
    async with _subscribed(stage.broker) as events, _cart(stage, study, speed) as cart:
        told = asyncio.create_task(_print_events(events), name="demo-events")
        async with _ended(told), _gateway(settings):
            try:
                async with asyncio.timeout(None if speed else _ANSWER_TIMEOUT_S):
                    await cart
                    await stage.receiver.messages.get()
            except TimeoutError as error:
                raise Temporary("no message reached the demo's receiver; the lines above say why") from error
        topic, assessment = told.result()
    _result(assessment)
    _say(f"MQTT  {topic}")
    for row in ledger(Path(settings.gateway.state_dir) / DATABASE, study.header.study_id):
        if "control_id" in row:
            _say(f"HL7   ORU^R01 {row['control_id']} {row['state']}, answered {row.get('answer')}")


@contextlib.asynccontextmanager
async def _cart(stage: _Stage, study: Study, speed: float) -> AsyncIterator["asyncio.Task[None]"]:
    """The cart, playing as soon as the gateway opens the line; the line exists when the block begins."""
    exists = asyncio.Event()

    async def opened(_path: str) -> None:
        exists.set()

    playing = stage.simulator.play(study, link=stage.link, speed=speed, opened=opened)
    cart = asyncio.create_task(playing, name="demo-cart")
    try:
        await exists.wait()
        yield cart
    finally:
        cart.cancel()
        await asyncio.gather(cart, return_exceptions=True)


@contextlib.asynccontextmanager
async def _gateway(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    gateway = asyncio.create_task(serve(settings, stop), name="demo-gateway")
    try:
        yield
    finally:
        stop.set()
        await gateway


@contextlib.asynccontextmanager
async def _ended(listener: "asyncio.Task[Any]") -> AsyncIterator[None]:
    """Wait for `listener` when the block was left in order, else end it."""
    try:
        yield
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await listener
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


@contextlib.asynccontextmanager
async def _subscribed(broker: BrokerAddress) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(broker.host, broker.port, protocol=aiomqtt.ProtocolVersion.V311) as client:
        await client.subscribe(f"{_TOPICS}/#", qos=1)
        yield client


async def _print_events(client: aiomqtt.Client) -> tuple[str, dict[str, Any]]:
    """Print what the lab screens get until the gateway signs off; the last assessment and its topic."""
    last: tuple[str, dict[str, Any]] = ("", {})
    started = False
    async for message in client.messages:
        topic, payload = str(message.topic), json.loads(bytes(message.payload or b"") or b"{}")
        kind = topic.removeprefix(f"{_TOPICS}/").split("/")[-1 if "/study/" in topic else 0]
        if kind == "status":
            if started and payload["state"] == "offline":
                break
            started = started or (payload["state"] == "online" and not message.retain)
        elif kind == "assessment" and payload and not message.retain:
            last = topic, payload["data"]
        elif kind in _LINES and payload:
            _say(f"{datetime.now(UTC):%H:%M:%S}  {_LINES[kind](payload['data'])}")
    return last


def _recording_line(data: dict[str, Any]) -> str:
    marks = data["marks"] or {}
    amplitude = marks.get("amplitude_mv", marks.get("amplitude_uv"))
    unit = "mV" if "amplitude_mv" in marks else "uV"
    name = f"{data['side']} {data['nerve']} {data['recording_site']} {data['stimulation_site']}"
    shown = "no response" if amplitude is None else f"{amplitude:7.2f} {unit}"
    return f"  {name:<44} {shown}"


def _guidance_line(data: dict[str, Any]) -> str:
    wanted = ", ".join(f"{action['code']} {action['nerve']} {action['side']}" for action in data["actions"])
    return f"  still to record: {wanted or 'nothing'}"


_LINES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "recording": _recording_line,
    "segment": segment_line,
    "guidance": _guidance_line,
    "alert": lambda data: f"! alert {data['phase']}: {data['text']}",
}


def _result(assessment: dict[str, Any]) -> None:
    found = [entry for entry in assessment["segments"] if entry["finding"].endswith("block")]
    _say("")
    _say(f"{NOTICE}. Graded by {assessment['grading']}.")
    for entry in found:
        _say(segment_line(entry))
    if not found:
        _say("  no conduction block found")
    mmn = assessment["mmn"]
    _say(f"  MMN support: {mmn['support'].replace('_', ' ')} ({', '.join(mmn['reasons'])})")
    unchecked = [
        entry.removeprefix("not_checked:") for entry in mmn["caveats"] if entry.startswith("not_checked:")
    ]
    if unchecked:
        _say(f"  not checked by this version: {', '.join(unchecked).replace('_', ' ')}")


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()
