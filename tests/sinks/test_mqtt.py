import asyncio
import contextlib
import logging
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, StorageError, Unavailable
from gateway.sinks.broker import BrokerAddress, BrokerKind, demo_broker
from gateway.sinks.mqtt_connection import BrokerConnection, MqttSettings, broker_address
from tests.sinks.broker_side import (
    LOOPBACK,
    PREFIX,
    STATUS,
    Line,
    MemoryOutbox,
    running,
    said,
    subscriber,
    until,
)

# --- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://127.0.0.1:1884", ("127.0.0.1", 1884, False)),
        ("mqtt://broker.lab", ("broker.lab", 1883, False)),
        ("mqtt://[::1]:1883/", ("::1", 1883, False)),
        ("mqtts://broker.lab", ("broker.lab", 8883, True)),
        ("mqtts://broker.lab:1883", ("broker.lab", 1883, True)),
    ],
)
def test_a_broker_is_named_by_url(url: str, address: tuple[str, int, bool]) -> None:
    assert broker_address(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mqtts://", "write mqtt://host:port"),
        ("mqtt://me:secret@broker", "holds a password"),
        ("mqtt://:secret@broker", "holds a password"),
        ("tcp://broker:1883", "write mqtt://host:port, or embedded"),
        ("mqtt://", "write mqtt://host:port"),
        ("broker:1883", "write mqtt://host:port"),
        ("mqtt://broker/path", "write mqtt://host:port"),
        ("mqtt://broker?x=1", "write mqtt://host:port"),
        ("mqtt://broker:0", "write mqtt://host:port"),
        ("mqtt://broker:99999", "write mqtt://host:port"),
        ("mqtt://broker:x", "write mqtt://host:port"),
        ("mqtt:me:secret@broker", "write mqtt://host:port"),
        ("mqtt://me:secret@\u2100", "write mqtt://host:port"),
        ("mqtt://[::1", "write mqtt://host:port"),
        (f"mqtt://{'a' * 64}.lab", "write mqtt://host:port"),
    ],
)
def test_any_other_url_is_refused_without_showing_a_password(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        broker_address(url)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_whatever_is_written_as_url_gives_an_address_or_our_error(text: str) -> None:
    for url in (text, f"mqtt://{text}", f"mqtts://{text}"):
        with contextlib.suppress(ConfigError):
            host, port, _ = broker_address(url)
            assert host
            assert 0 < port < 65_536


def test_a_password_is_not_shown_with_the_settings() -> None:
    assert "secret" not in repr(MqttSettings(host="x", username="me", password="secret"))  # noqa: S106


# --- status ----------------------------------------------------------------------------------------------


async def test_online_is_said_at_once_and_then_with_every_beat(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    async with (
        subscriber(broker) as messages,
        running(broker.host, broker.port, outbox, status_interval_s=0.02),
    ):
        beats = [said(await anext(messages)) for _ in range(3)]
    assert beats[0] == {
        "state": "online",
        "boot_id": "boot-1",
        "seq": 1,
        "time": "2026-11-02T12:00:00.005Z",
        "last_event_seq": 0,
    }
    assert [beat["seq"] for beat in beats] == [1, 2, 3]


async def test_the_status_is_kept_for_a_screen_that_comes_later(broker: BrokerAddress) -> None:
    async with running(broker.host, broker.port, MemoryOutbox(), status_interval_s=60):
        async with subscriber(broker) as messages:
            await anext(messages)
        async with subscriber(broker) as messages:
            message = await anext(messages)
    assert message.retain
    assert said(message)["state"] == "online"


async def test_a_status_counts_the_events_that_went_before_it(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    async with (
        subscriber(broker, "status") as messages,
        running(broker.host, broker.port, outbox, status_interval_s=0.02),
    ):
        await outbox.put(b"{}", b"{}", b"")
        await until(messages, lambda whole: whole.get("last_event_seq") == 2)


async def test_when_the_connection_is_cut_the_broker_says_the_will(broker: BrokerAddress, line: Line) -> None:
    async with (
        subscriber(broker, "status") as messages,
        running(LOOPBACK, line.port, MemoryOutbox(), status_interval_s=60),
    ):
        await until(messages, lambda whole: whole["state"] == "online")
        line.cut()
        lost = await until(messages, lambda whole: whole["state"] == "offline")
        assert said(lost) == {"state": "offline", "boot_id": "boot-1"}
        back = await until(messages, lambda whole: whole["state"] == "online")
        assert said(back)["seq"] == 2
    assert len(line.gates) == 2


async def test_a_stop_says_offline_and_no_will_follows(broker: BrokerAddress) -> None:
    async with subscriber(broker, "status") as messages:
        async with running(broker.host, broker.port, MemoryOutbox(), status_interval_s=60):
            await until(messages, lambda whole: whole["state"] == "online")
        offline = said(await anext(messages))
        assert (offline["state"], offline["seq"]) == ("offline", 2)
        async with subscriber(broker, "status") as later:
            message = await anext(later)
            assert (message.retain, said(message)) == (True, offline)


async def test_a_stop_waits_only_so_long_for_a_silent_broker(
    broker: BrokerAddress, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sinks.mqtt._SIGN_OFF_S", 0.05)
    async with (
        subscriber(broker, "status") as messages,
        running(LOOPBACK, line.port, MemoryOutbox(), status_interval_s=60) as task,
    ):
        await anext(messages)
        line.mute()
        task.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait({task})


# --- delivery --------------------------------------------------------------------------------------------


async def test_events_arrive_in_order_and_are_acknowledged(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    payloads = [f'{{"seq":{number}}}'.encode() for number in range(1, 101)]
    async with (
        subscriber(broker, "study/#") as messages,
        running(broker.host, broker.port, outbox),
    ):
        await outbox.put(*payloads)
        arrived = [await anext(messages) for _ in payloads]
        await outbox.emptied()
    assert [message.payload for message in arrived] == payloads
    assert {str(message.topic) for message in arrived} == {f"{PREFIX}/study/x/segment"}
    assert {message.qos for message in arrived} == {1}
    assert set(outbox.answers.values()) == {"PUBACK"}


async def test_a_kept_event_is_kept_until_it_is_cleared(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    async with running(broker.host, broker.port, outbox):
        await outbox.put(b'{"v":1}', topic="study/x/assessment", retain=True)
        await outbox.emptied()
        async with subscriber(broker, "study/#") as messages:
            assert (await anext(messages)).retain
        await outbox.put(b"", topic="study/x/assessment", retain=True)
        await outbox.put(b'{"v":2}', topic="study/y/assessment", retain=True)
        await outbox.emptied()
        async with subscriber(broker, "study/#") as messages:
            assert said(await anext(messages)) == {"v": 2}


async def test_an_event_is_delivered_only_with_its_acknowledgement(broker: BrokerAddress, line: Line) -> None:
    outbox = MemoryOutbox()
    async with (
        subscriber(broker) as messages,
        running(LOOPBACK, line.port, outbox, status_interval_s=60),
    ):
        await anext(messages)
        await outbox.put(b'{"n":0}')
        await outbox.emptied()
        line.mute()
        await outbox.put(b'{"n":1}')
        await until(messages, lambda whole: whole.get("n") == 1)
        assert outbox.answers == {1: "PUBACK"}
        line.unmute()
        await outbox.emptied()


async def test_a_broker_that_stops_acknowledging_is_left_and_gets_the_event_again(
    broker: BrokerAddress, line: Line
) -> None:
    outbox = MemoryOutbox()
    async with (
        subscriber(broker, "study/#") as messages,
        running(LOOPBACK, line.port, outbox, status_interval_s=60, ack_timeout_s=0.3),
    ):
        await outbox.put(b'{"n":1}')
        await outbox.emptied()
        line.mute()
        await outbox.put(b'{"n":2}')
        await outbox.emptied()
        assert [said(await anext(messages))["n"] for _ in range(3)] == [1, 2, 2]
    assert len(line.gates) == 2


async def test_by_default_a_connection_that_died_without_a_word_delays_an_event_by_no_more_than_5_s(
    line: Line,
) -> None:
    outbox, usual = MemoryOutbox(), MqttSettings(host=LOOPBACK)
    async with running(LOOPBACK, line.port, outbox, ack_timeout_s=usual.ack_timeout_s):
        await outbox.put(b'{"n":1}')
        await outbox.emptied()
        line.mute()
        async with asyncio.timeout(5):
            await outbox.put(b'{"n":2}')
            await outbox.emptied()


async def test_the_heartbeat_alone_notices_a_broker_that_has_fallen_silent(
    broker: BrokerAddress, line: Line
) -> None:
    async with (
        subscriber(broker, "status") as messages,
        running(LOOPBACK, line.port, MemoryOutbox(), status_interval_s=0.02, ack_timeout_s=0.3),
    ):
        await anext(messages)
        line.mute()
        await until(messages, lambda whole: whole["state"] == "offline")
        await until(messages, lambda whole: whole["state"] == "online")


async def test_nothing_is_lost_while_the_broker_is_away(kind: BrokerKind) -> None:
    outbox = MemoryOutbox()
    async with contextlib.AsyncExitStack() as stack:
        async with demo_broker(kind) as first:
            await stack.enter_async_context(running(first.host, first.port, outbox))
            await outbox.put(b"{}", b"{}")
            await outbox.emptied()
        for number in range(20):
            await outbox.put(b"{}", topic=f"study/{number}/assessment", retain=True)
        async with demo_broker(kind, ports=[first.port]) as second:
            await outbox.emptied()
            async with subscriber(second, "study/+/assessment") as messages:
                arrived = {str((await anext(messages)).topic) for _ in range(20)}
            assert arrived == {f"{PREFIX}/study/{number}/assessment" for number in range(20)}
            await stack.aclose()


# --- brokers that do not do their part -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "no CONNACK within 0.05 s"),
        (b"\x20\x02\x00\x05", "Not authorized"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no CONNACK"),
    ],
)
async def test_a_peer_that_does_not_accept_is_tried_again_and_the_loss_told_once(
    answer: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    again = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer)
        if len(writers) == 2:
            again.set()
        with contextlib.suppress(OSError):
            await reader.read()
        while await reader.read(1024):
            pass
        writer.close()

    async with await asyncio.start_server(peer, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(LOOPBACK, port, MemoryOutbox(), ack_timeout_s=0.05):
            await again.wait()
    (told,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert told.getMessage() == "mqtt_unavailable"
    assert reason in told.fields["reason"]  # type: ignore[attr-defined]  # what `extra` adds


class Arrivals(logging.Handler):
    """Sets `reached` with the record that makes it `wanted`."""

    def __init__(self, wanted: int) -> None:
        super().__init__(logging.DEBUG)
        self.wanted = wanted
        self.records: list[logging.LogRecord] = []
        self.reached = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if len(self.records) == self.wanted:
            self.reached.set()


async def test_a_broker_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    arrivals = Arrivals(wanted=2)
    caplog.set_level("DEBUG", "gateway.sinks.mqtt")
    logging.getLogger("gateway.sinks.mqtt").addHandler(arrivals)
    with socket.socket() as claimed:
        claimed.bind((LOOPBACK, 0))
        async with running(LOOPBACK, claimed.getsockname()[1], MemoryOutbox()):
            await arrivals.reached.wait()
    logging.getLogger("gateway.sinks.mqtt").removeHandler(arrivals)
    assert [record.levelname for record in arrivals.records] == ["WARNING", "DEBUG"]
    assert "Connection refused" in str(arrivals.records[0].__dict__["fields"]["reason"])


async def test_a_connection_that_was_never_opened_is_dropped_without_more() -> None:
    await BrokerConnection(MqttSettings(host=LOOPBACK), will_topic=STATUS, will=b"").drop()


async def test_a_stop_that_comes_while_a_connection_is_dropped_waits_for_that(broker: BrokerAddress) -> None:
    settings = MqttSettings(host=broker.host, port=broker.port)
    connection = BrokerConnection(settings, will_topic=STATUS, will=b"{}")
    await connection.connect()
    dropping = asyncio.create_task(connection.drop())
    asyncio.get_running_loop().call_soon(dropping.cancel)
    with pytest.raises(asyncio.CancelledError):
        await dropping
    with pytest.raises(Unavailable):
        await connection.listen(lambda _: None)


async def test_a_disk_that_fails_ends_the_sink_with_that_error(broker: BrokerAddress) -> None:
    outbox = MemoryOutbox()
    outbox.full = True
    async with (
        subscriber(broker, "status") as messages,
        running(broker.host, broker.port, outbox, status_interval_s=60) as task,
    ):
        await outbox.put(b"{}")
        with pytest.raises(StorageError, match="disk is full"):
            await task
        last = await until(messages, lambda whole: whole["state"] == "offline")
        assert "seq" not in said(last)
