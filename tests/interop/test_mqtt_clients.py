"""Clients that share nothing with ours see every event: mosquitto's own, and mqtt.js, which pages use."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiomqtt
import pytest

from drivers.simulator import SIMULATOR
from gateway.sinks.broker import BrokerAddress, demo_broker, find_mosquitto
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House
from tests.interop.asyncapi import FOLDER, package
from tests.mqtt_schemas import message_of

PREFIX = "emg/v1/lab1/cart-a"


def missing(what: str) -> None:
    said = f"{what} is not installed: apt-get install {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


def mosquitto_sub(broker: BrokerAddress) -> list[str]:
    program = shutil.which("mosquitto_sub")
    if program is None:
        missing("mosquitto-clients")
    address = ["-h", broker.host, "-p", str(broker.port)]
    return [str(program), *address, "-q", "1", "-V", "311", "-t", f"{PREFIX}/#", "-F", "%j"]


def mqtt_js(broker: BrokerAddress) -> list[str]:
    package("mqtt")
    node = shutil.which("node")
    if node is None:
        missing("nodejs")
    url = f"mqtt://{broker.host}:{broker.port}"
    return [str(node), str(FOLDER / "screen.mjs"), url, f"{PREFIX}/#"]


@dataclass
class Watcher:
    """A program that prints each message as a line of JSON."""

    stream: asyncio.StreamReader
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def until(self, topic: str, wanted: str = "") -> str:
        """Read on to a message below a topic that has these words; its payload."""
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.stream.readline():
                whole = json.loads(line)
                payload = whole["payload"]
                found = payload if isinstance(payload, str) else json.dumps(payload)
                self.seen.append((whole["topic"].removeprefix(f"{PREFIX}/"), found))
                if self.seen[-1][0].startswith(topic) and wanted in found:
                    return found
        pytest.fail(f"it ended before it said {topic} {wanted}")


@asynccontextmanager
async def watching(command: Sequence[str]) -> AsyncIterator[Watcher]:
    program = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, limit=4 * 1024 * 1024
    )
    assert program.stdout is not None
    try:
        yield Watcher(program.stdout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.kill()
        await program.wait()


@pytest.mark.parametrize("client", [mosquitto_sub, mqtt_js])
async def test_it_sees_every_event_once_each_as_it_is_published(house: House, client: object) -> None:
    if find_mosquitto() is None:
        missing("mosquitto")
    assert callable(client)
    async with demo_broker("mosquitto") as broker, watching(client(broker)) as screen:
        house.broker = f"{broker.host}:{broker.port}"
        daemon = await house.daemon()
        # a status is there each second: whoever has one has subscribed
        await screen.until("status", "online")
        study = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)
        assert await house.play(study) == 0
        found = json.loads(await screen.until("alert/", '"active"'))
        async with aiomqtt.Client(broker.host, broker.port) as button:
            command = {"alert_id": found["data"]["alert_id"], "by": "Nurse 2", "screen": "lab2-1"}
            await button.publish(f"{PREFIX}/cmd/ack", json.dumps(command), qos=1)
            await screen.until("alert/", "Nurse 2")
            await button.publish(f"{PREFIX}/cmd/replay", b'{"request_id":"r","since":0}', qos=1)
        last = json.loads(await screen.until("replay/r", '"request_id"'))["last_event_seq"]
        daemon.send_signal(signal.SIGTERM)
        await screen.until("status", "offline")
    events = [json.loads(text) for topic, text in screen.seen if topic.startswith(("study/", "alert/"))]
    replayed = [json.loads(text) for topic, text in screen.seen if topic == "replay/r"][:-1]
    assert [event["seq"] for event in events] == list(range(1, last + 1))
    assert replayed == events
    for topic, text in screen.seen:
        assert topic == "ready" or message_of(topic, text.encode())
