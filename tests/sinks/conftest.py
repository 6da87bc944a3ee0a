"""Brokers that are really there, and a network that can be cut."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from gateway.sinks.broker import BrokerAddress, BrokerKind, demo_broker, find_mosquitto
from tests.sinks.broker_side import LOOPBACK, Line, carry


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> BrokerKind:
    wanted: BrokerKind = request.param
    if wanted == "mosquitto" and find_mosquitto() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return wanted


@pytest.fixture
async def broker(kind: BrokerKind) -> AsyncIterator[BrokerAddress]:
    async with demo_broker(kind) as address:
        yield address


@pytest.fixture
async def line(broker: BrokerAddress) -> AsyncIterator[Line]:
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]  # a connection runs in a task
        gate = asyncio.Event()
        gate.set()
        found.gates.append(gate)
        answers, requests = await asyncio.open_connection(broker.host, broker.port)
        found.writers += [writer, requests]
        await asyncio.gather(carry(reader, requests), carry(answers, writer, gate))

    found = Line(port=0)
    server = await asyncio.start_server(connected, LOOPBACK, 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    found.unmute()
    await asyncio.gather(*tasks)
    await server.wait_closed()
