import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest

from gateway.errors import Unavailable
from gateway.sinks import broker
from gateway.sinks.broker import BrokerKind, demo_broker, find_mosquitto


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> BrokerKind:
    wanted: BrokerKind = request.param
    if wanted == "mosquitto" and find_mosquitto() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return wanted


@pytest.fixture
async def occupied() -> AsyncIterator[int]:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.fixture
def claimed() -> Iterator[int]:
    """A port that nobody answers on and nobody else can have."""
    with socket.socket() as claim:
        claim.bind(("127.0.0.1", 0))
        yield claim.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program of our own where mosquitto is looked for."""

    def install(body: str) -> None:
        path = tmp_path / "mosquitto"
        path.write_text(f"#!{sys.executable}\n{body}", "utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


async def test_a_broker_takes_and_keeps_messages(kind: BrokerKind) -> None:
    async with demo_broker(kind) as address:
        assert address.kind == kind
        async with aiomqtt.Client(address.host, address.port) as client:
            await client.publish("a/b", b"kept", qos=1, retain=True)
        async with aiomqtt.Client(address.host, address.port) as client:
            await client.subscribe("a/#", qos=1)
            message = await anext(aiter(client.messages))
            assert (message.payload, message.retain) == (b"kept", True)


async def test_the_broker_is_gone_afterwards_also_with_clients_connected(kind: BrokerKind) -> None:
    async with demo_broker(kind) as address:
        client = aiomqtt.Client(address.host, address.port)
        await client.__aenter__()
    with pytest.raises(aiomqtt.MqttError, match="Disconnected"):
        await anext(aiter(client.messages))
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(address.host, address.port)


async def test_two_brokers_run_side_by_side(kind: BrokerKind) -> None:
    async with demo_broker(kind) as one, demo_broker(kind) as other:
        assert one.port != other.port


async def test_a_port_in_use_is_passed_over(kind: BrokerKind, occupied: int, free_port: int) -> None:
    async with demo_broker(kind, ports=[occupied, free_port]) as address:
        assert address.port == free_port


async def test_a_port_that_the_program_does_not_get_is_passed_over(
    kind: BrokerKind, claimed: int, free_port: int
) -> None:
    async with demo_broker(kind, ports=[claimed, free_port]) as address:
        assert address.port == free_port


async def test_without_a_free_port_the_error_names_the_last_one(kind: BrokerKind, occupied: int) -> None:
    with pytest.raises(Unavailable, match=f"port {occupied} is in use"):
        async with demo_broker(kind, ports=[occupied]):
            pytest.fail("started")


async def test_no_port_at_all_is_an_error() -> None:
    with pytest.raises(Unavailable, match="no port"):
        async with demo_broker("amqtt", ports=iter(())):
            pytest.fail("started")


async def test_an_error_inside_the_block_stops_the_broker_and_comes_through(kind: BrokerKind) -> None:
    with pytest.raises(ZeroDivisionError):
        async with demo_broker(kind) as address:
            raise ZeroDivisionError
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(address.host, address.port)


async def test_the_embedded_broker_is_quiet_and_its_loggers_are_put_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger("amqtt").setLevel(logging.INFO)
    async with demo_broker("amqtt") as address, aiomqtt.Client(address.host, address.port):
        pass
    assert not [record for record in caplog.records if record.name.startswith(("amqtt", "transitions"))]
    assert logging.getLogger("amqtt").level == logging.INFO
    logging.getLogger("amqtt").setLevel(logging.NOTSET)


async def test_mosquitto_is_preferred_where_it_is_found(program: Callable[[str], None]) -> None:
    program("import sys; sys.exit('Error: no licence')")
    with pytest.raises(Unavailable, match=r"mosquitto does not start on port \d+: Error: no licence"):
        async with demo_broker():
            pytest.fail("started")


@pytest.mark.usefixtures("no_mosquitto")
async def test_without_mosquitto_the_embedded_broker_is_taken() -> None:
    async with demo_broker() as address:
        assert address.kind == "amqtt"


@pytest.fixture
def no_mosquitto(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "_BESIDE_PATH", ())


@pytest.mark.usefixtures("no_mosquitto")
@pytest.mark.parametrize("prefer", [None, "mosquitto", "amqtt"])
async def test_without_any_broker_the_error_says_what_to_install(
    prefer: BrokerKind | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(Unavailable, match=r"apt-get install mosquitto.*emg-gateway\[demo\]"):
        async with demo_broker(prefer):
            pytest.fail("started")


SILENT = "print()"
DEAF = """
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
port = int(open(sys.argv[2]).read().split()[1])
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        server.accept()
"""
LATE = "import signal; signal.pause()"


async def test_a_program_that_ends_without_a_word_is_reported(program: Callable[[str], None]) -> None:
    program(SILENT)
    with pytest.raises(Unavailable, match="it says nothing"):
        async with demo_broker("mosquitto"):
            pytest.fail("started")


async def test_a_program_that_takes_no_connection_is_given_up(
    program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(LATE)
    monkeypatch.setattr(broker, "_START_S", 0.05)
    with pytest.raises(Unavailable, match="does not start"):
        async with demo_broker("mosquitto"):
            pytest.fail("started")


async def test_a_program_that_does_not_stop_is_killed(
    program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(DEAF)
    monkeypatch.setattr(broker, "_STOP_S", 0.05)
    async with demo_broker("mosquitto") as address:
        pass
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(address.host, address.port)
