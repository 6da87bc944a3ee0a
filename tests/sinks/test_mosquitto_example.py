"""The example for mosquitto, with a real mosquitto: who may do what, and TLS as the gateway speaks it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.errors import Unavailable
from gateway.sinks.mqtt_connection import BrokerConnection, MqttSettings
from gateway.sinks.tls import TlsFiles, client_context
from tests.certificates import authority
from tests.sinks.broker_side import PREFIX, STATUS, MemoryOutbox, running, said, until
from tests.sinks.mosquitto import LOOPBACK, PASSWORDS, mosquitto

SCREEN, GATEWAY = "emg-screen", "emg-gateway"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with mosquitto(tmp_path, authority()) as found:
        yield found


@pytest.fixture
def tls() -> ssl.SSLContext:
    return client_context(TlsFiles(ca_file=authority().ca))


@asynccontextmanager
async def client(port: int, user: str) -> AsyncIterator[aiomqtt.Client]:
    context = authority().believed()
    async with aiomqtt.Client(
        LOOPBACK, port, username=user, password=PASSWORDS[user], tls_context=context
    ) as found:
        yield found


async def arrived(port: int, sender: str, reader: str, topic: str) -> bool:
    """Whether what `sender` publishes on a topic reaches `reader`, who is subscribed to everything.

    A message that both may exchange follows it: mosquitto keeps the order of a sender's messages, and says
    nothing where it drops one.
    """
    sentinel = f"{PREFIX}/{'status' if sender == GATEWAY else 'cmd/ack'}"
    async with client(port, reader) as listener, client(port, sender) as speaker:
        await listener.subscribe("#", qos=1)
        await speaker.publish(topic, b"it", qos=1)
        await speaker.publish(sentinel, b"sentinel", qos=1)
        while (message := await anext(listener.messages)).payload != b"sentinel":
            if (message.topic.value, message.payload) == (topic, b"it"):
                return True
    return False


OURS = [
    f"{PREFIX}/{below}"
    for below in ("status", "study/X/segment", "study/X/assessment", "alert/a", "replay/r")
]
COMMANDS = [f"{PREFIX}/cmd/ack", f"{PREFIX}/cmd/replay"]
ELSEWHERE = ["emg/v1/lab1/cart-b/status", "emg/v1/lab2/cart-a/status", "x", f"{PREFIX}/other", "emg/v1/lab1"]


@pytest.mark.parametrize("topic", OURS)
async def test_the_gateway_publishes_and_screens_see_it(port: int, topic: str) -> None:
    assert await arrived(port, GATEWAY, SCREEN, topic)


@pytest.mark.parametrize("topic", COMMANDS)
async def test_screens_send_commands_and_the_gateway_hears_them(port: int, topic: str) -> None:
    assert await arrived(port, SCREEN, GATEWAY, topic)
    assert not await arrived(port, GATEWAY, SCREEN, topic)


@pytest.mark.parametrize("topic", [*OURS, *ELSEWHERE, f"{PREFIX}/cmd/other"])
async def test_a_screen_publishes_nothing_else(port: int, topic: str) -> None:
    assert not await arrived(port, SCREEN, SCREEN, topic)
    assert not await arrived(port, SCREEN, GATEWAY, topic)


@pytest.mark.parametrize("topic", ELSEWHERE)
async def test_the_gateway_publishes_nothing_elsewhere(port: int, topic: str) -> None:
    assert not await arrived(port, GATEWAY, SCREEN, topic)


@pytest.mark.parametrize("reader", [GATEWAY, SCREEN])
async def test_nobody_reads_the_broker_s_own_topics(port: int, reader: str) -> None:
    async with client(port, reader) as listener, client(port, SCREEN) as speaker:
        await listener.subscribe([("$SYS/#", 1), (f"{PREFIX}/#", 1)])
        await speaker.publish(f"{PREFIX}/cmd/ack", b"sentinel", qos=1)
        assert (await anext(listener.messages)).payload == b"sentinel"


async def test_the_gateway_notices_another_one_with_its_names(port: int) -> None:
    assert await arrived(port, GATEWAY, GATEWAY, STATUS)
    assert not await arrived(port, SCREEN, GATEWAY, STATUS)


@pytest.mark.parametrize(
    "who",
    [{}, {"username": SCREEN}, {"username": SCREEN, "password": "x"}, {"username": "x", "password": "x"}],
)
async def test_nobody_else_comes_in(port: int, tls: ssl.SSLContext, who: dict[str, str]) -> None:
    with pytest.raises(aiomqtt.MqttError, match="ot authorized"):
        async with aiomqtt.Client(LOOPBACK, port, tls_context=tls, **who):
            pass


def settings(port: int, tls: ssl.SSLContext | None, **more: Any) -> MqttSettings:
    who = {"username": GATEWAY, "password": PASSWORDS[GATEWAY]}
    return MqttSettings(**{"host": LOOPBACK, "port": port, "tls": tls} | who | more)


async def test_the_sink_works_with_it_over_tls(port: int, tls: ssl.SSLContext) -> None:
    outbox = MemoryOutbox()
    seen: asyncio.Queue[Any] = asyncio.Queue()
    who = {"username": GATEWAY, "password": PASSWORDS[GATEWAY], "tls": tls}
    async with client(port, SCREEN) as screen:
        await screen.subscribe(f"{PREFIX}/#", qos=1)
        messages = aiter(screen.messages)
        async with running(LOOPBACK, port, outbox, seen.put_nowait, status_interval_s=0.05, **who):
            await until(messages, lambda whole: whole.get("state") == "online")
            await outbox.put(*(b'{"seq":%d}' % number for number in range(1, 101)))
            await outbox.emptied()
            await screen.publish(f"{PREFIX}/cmd/replay", b'{"request_id":"r","since":95}', qos=1)
            await until(messages, lambda whole: "done" in whole)
            await screen.publish(
                f"{PREFIX}/cmd/ack", b'{"alert_id":"ABCDEFGH-a-b-c-d-e","by":"x","screen":"s"}', qos=1
            )
            assert (await seen.get()).by == "x"
        await until(messages, lambda whole: whole.get("state") == "offline")


@contextlib.contextmanager
def refused_because(reason: str) -> Iterator[None]:
    with pytest.raises(Unavailable, match=reason):
        yield


async def attempt(settings: MqttSettings) -> None:
    connection = BrokerConnection(settings, will_topic=STATUS, will=b"{}")
    try:
        await connection.connect()
    finally:
        await connection.drop()


async def test_a_broker_of_an_unknown_authority_is_refused(port: int) -> None:
    stranger = client_context(TlsFiles(ca_file=authority("stranger").ca))
    with refused_because("certificate verify failed"):
        await attempt(settings(port, stranger))


async def test_a_broker_of_another_name_is_refused(port: int, tls: ssl.SSLContext) -> None:
    with refused_because("Hostname mismatch"):
        await attempt(settings(port, tls, host="localhost"))


@pytest.mark.parametrize(
    ("newest", "shaken"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)]
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
async def test_a_broker_that_speaks_only_old_tls_is_refused(
    tls: ssl.SSLContext, newest: ssl.TLSVersion, *, shaken: bool
) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(*authority().certificate("broker"))
    server_side.set_ciphers("DEFAULT:@SECLEVEL=0")
    server_side.maximum_version = newest

    hands: list[str] = []

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hands.append(writer.get_extra_info("ssl_object").version())
        writer.close()

    server = await asyncio.start_server(hang_up, LOOPBACK, 0, ssl=server_side)
    async with server:
        with pytest.raises(Unavailable):
            await attempt(settings(server.sockets[0].getsockname()[1], tls))
    assert hands == (["TLSv1.2"] if shaken else [])


async def test_tls_is_not_left_out_where_the_broker_speaks_it(port: int) -> None:
    with pytest.raises(Unavailable):
        await attempt(settings(port, None, ack_timeout_s=2.0))


async def test_where_the_broker_asks_for_it_a_certificate_takes_the_place_of_the_password(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    certificate, key = authority().certificate(GATEWAY)
    ours = client_context(TlsFiles(ca_file=authority().ca, cert_file=certificate, key_file=key))
    async with mosquitto(tmp_path, authority(), certificates_only=True) as port:
        nobody = {"username": None, "password": None}
        outbox = MemoryOutbox()
        async with running(LOOPBACK, port, outbox, tls=ours):
            await outbox.put(b"{}")
            await outbox.emptied()
        with pytest.raises(Unavailable):
            await attempt(settings(port, tls, ack_timeout_s=2.0, **nobody))


async def test_what_the_broker_holds_outlives_its_restart(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, authority()) as port, client(port, GATEWAY) as gateway:
        await gateway.publish(f"{PREFIX}/alert/a", b'{"kept":1}', qos=1, retain=True)
    async with mosquitto(tmp_path, authority()) as port, client(port, SCREEN) as screen:
        await screen.subscribe(f"{PREFIX}/alert/+", qos=1)
        assert said(await anext(screen.messages)) == {"kept": 1}
