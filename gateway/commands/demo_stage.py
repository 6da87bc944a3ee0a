"""The stage of the demo: one examination, played by a virtual cart through a running gateway.

Whatever breaks off ends the examination with its reason: the cart, the gateway, the broker, a receiver that
hears nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiomqtt
import click

from gateway.commands.demo_lines import TOPICS, listen, result_lines
from gateway.daemon.config import DATABASE, Settings, parse
from gateway.daemon.reference import shipped_data
from gateway.daemon.service import serve
from gateway.domain.study import Study
from gateway.errors import Temporary, Unavailable
from gateway.ports import Simulator
from gateway.sinks.broker import BrokerAddress
from gateway.sinks.mqtt_connection import BrokerConnection, MqttSettings
from gateway.sinks.receiver import Receiver
from gateway.store.ledger import ledger

_ANSWER_TIMEOUT_S: Final = 60.0
_SIGN_OFF_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What examinations play on; `folder` keeps the gateway's state from one to the next."""

    simulator: Simulator
    folder: Path
    broker: BrokerAddress
    receiver: Receiver

    @property
    def link(self) -> Path:
        """Where the cart's line is."""
        return self.folder / "cart"

    def settings(self) -> Settings:
        """The demo's configuration, filled in."""
        text = (shipped_data() / "demo.toml").read_text("utf-8")
        filled = {
            "@STATE@": str(self.folder / "state"),
            "@CART@": str(self.link),
            "@BROKER@": f"{self.broker.host}:{self.broker.port}",
            "@ENGINE@": f"{self.receiver.host}:{self.receiver.port}",
        }
        for blank, value in filled.items():
            text = text.replace(blank, value)
        return parse(text, "demo.toml")


async def examination(stage: Stage, study: Study, *, speed: float) -> None:
    """Play `study` through a running gateway and print what comes out of it.

    `speed` is the pace relative to a real examination; at 0, as fast as it goes, an answer has to come within
    a minute.
    """
    settings = stage.settings()
    async with subscribed(stage.broker) as screen, _playing(stage, study, speed) as cart:
        listener = asyncio.create_task(listen(screen), name="demo-screen")
        async with signed_off(listener), _serving(settings) as gateway:
            limit_s = None if speed else _ANSWER_TIMEOUT_S
            await message_received(stage.receiver, cart, gateway, listener, within_s=limit_s)
    topic, assessment = listener.result()
    for line in result_lines(assessment):
        click.echo(line)
    click.echo(f"MQTT  {topic}")
    for row in ledger(Path(settings.gateway.state_dir) / DATABASE, study.header.study_id):
        if "control_id" in row:
            answer = row.get("answer", "not yet")
            click.echo(f"HL7   ORU^R01 {row['control_id']} {row['state']}, answered {answer}")


async def message_received(
    receiver: Receiver, cart: "asyncio.Task[None]", *others: "asyncio.Task[Any]", within_s: float | None
) -> None:
    """Wait until `cart` has played and its message has arrived; raises what ended any of them before that."""

    async def played() -> None:
        await cart
        await receiver.messages.get()

    arrival = asyncio.create_task(played(), name="demo-message")
    try:
        first = asyncio.FIRST_COMPLETED
        ended, _ = await asyncio.wait({arrival, *others}, timeout=within_s, return_when=first)
    finally:
        arrival.cancel()
        await asyncio.gather(arrival, return_exceptions=True)
    for task in ended:
        task.result()
    if arrival not in ended:
        raise Temporary("no message reached the demo's receiver; the lines above say why")


@contextlib.asynccontextmanager
async def _playing(stage: Stage, study: Study, speed: float) -> AsyncIterator["asyncio.Task[None]"]:
    """The cart, playing as soon as the gateway opens the line, which exists when the block begins."""
    exists = asyncio.Event()

    async def opened(_path: str) -> None:
        exists.set()

    playing = stage.simulator.play(study, link=stage.link, speed=speed, opened=opened)
    cart = asyncio.create_task(playing, name="demo-cart")
    cart.add_done_callback(
        lambda _: exists.set()
    )  # a cart that fails is noticed by who waits for its message
    try:
        await exists.wait()
        yield cart
    finally:
        cart.cancel()
        await asyncio.gather(cart, return_exceptions=True)


@contextlib.asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    """The gateway, stopped in order at the end of the block."""
    stop = asyncio.Event()
    gateway = asyncio.create_task(serve(settings, stop), name="demo-gateway")
    try:
        yield gateway
    finally:
        stop.set()
        await gateway


@contextlib.asynccontextmanager
async def signed_off(listener: "asyncio.Task[Any]") -> AsyncIterator[None]:
    """Wait for `listener` to hear the gateway's last word when the block was left in order, else end it."""
    try:
        yield
        async with asyncio.timeout(_SIGN_OFF_S):
            await listener
    except TimeoutError as error:
        raise Temporary("the gateway did not sign off at the broker") from error
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


@contextlib.asynccontextmanager
async def subscribed(broker: BrokerAddress) -> AsyncIterator[aiomqtt.Client]:
    """A lab screen's connection, with all the gateway's topics; Unavailable when the broker goes away."""
    settings = MqttSettings(host=broker.host, port=broker.port)
    screen = BrokerConnection(settings, will_topic=f"{TOPICS}/screen", will=b"")
    try:
        await screen.connect()
        await screen.subscribe(f"{TOPICS}/#", qos=1)
        yield screen
        await screen.leave()
    except aiomqtt.MqttError as error:
        raise Unavailable(f"the demo's broker is gone: {error}") from error
    finally:
        await screen.drop()
