"""Faults of other people's MQTT clients and brokers, each with the name of its thread."""

import asyncio
import importlib.metadata
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.errors import DataError, Unavailable
from gateway.pipeline.acknowledgements import Acknowledgements
from gateway.protocols.screens import Acknowledge
from gateway.protocols.telemetry import TelemetryEvent
from gateway.sinks import mqtt
from gateway.sinks.backoff import Backoff
from gateway.sinks.broker import demo_broker, find_mosquitto
from gateway.sinks.mqtt_connection import BrokerConnection, MqttSettings, NoAnswer
from tests.checkout import ROOT
from tests.regressions import mqtt_threads, test_clock_and_store_threads, test_serial_threads
from tests.sinks.broker_side import LOOPBACK, STATUS, MemoryOutbox, running, said, subscriber, until
from tests.sinks.picky_broker import PickyBroker, Publish, Verdict, picky_broker

WINDOW = 8


def heartbeats_only(packet: Publish) -> Verdict:
    return "acknowledge" if packet.topic == STATUS else "ignore"


def events(broker: PickyBroker) -> list[bytes]:
    return [packet.payload for packet in broker.seen if packet.topic != STATUS]


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_RECONNECT", Backoff(first_s=0.01, cap_s=0.02))


@pytest.mark.parametrize(
    ("threads", "module"),
    [
        (mqtt_threads.MQTT, None),
        (mqtt_threads.SERIAL, test_serial_threads),
        (mqtt_threads.CLOCK_AND_STORE, test_clock_and_store_threads),
    ],
)
def test_every_thread_has_its_test_or_its_reason_and_every_test_its_thread(
    threads: tuple[mqtt_threads.Thread, ...], module: ModuleType | None
) -> None:
    there = globals() if module is None else vars(module)
    found = {name for name in there if name.startswith("test_")} - {
        "test_every_thread_has_its_test_or_its_reason_and_every_test_its_thread",
        *(name for name, entry in there.items() if isinstance(entry, ModuleType)),
    }
    assert found == {name for thread in threads for name in thread.tests}
    for thread in threads:
        assert bool(thread.tests) != bool(thread.reason), thread.where
        words = thread.where.replace("-", "_").replace("/", "_").lower()
        for name in thread.tests:
            project, number = (
                name.removeprefix("test_").split("_")[0],
                [w for w in name.split("_") if w.isdigit()],
            )
            assert project in words, name
            assert f"#{number[0]}" in thread.where, name


# --- delivery --------------------------------------------------------------------------------------------


async def test_telegraf_14750_an_event_counts_as_sent_only_with_its_puback() -> None:
    outbox = MemoryOutbox()
    async with (
        picky_broker(heartbeats_only) as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=0.01),
    ):
        await outbox.put(b"1")
        while len(broker.seen) < 20:  # noqa: ASYNC110  # heartbeats that it acknowledges
            await asyncio.sleep(0.01)
        assert events(broker) == [b"1"]
        assert outbox.answers == {}


async def test_node_red_2864_what_a_silent_network_swallowed_is_sent_again() -> None:
    def judge(packet: Publish) -> Verdict:
        return "ignore" if packet.connection == 1 and packet.topic != STATUS else "acknowledge"

    outbox = MemoryOutbox()
    async with (
        picky_broker(judge) as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=60, ack_timeout_s=0.1),
    ):
        await outbox.put(b"1", b"2")
        await outbox.emptied()
    assert events(broker)[:2] == [b"1", b"2"]
    assert set(events(broker)[2:]) == {b"1", b"2"}


async def test_aiomqtt_334_the_connection_is_made_again_each_time_it_is_lost() -> None:
    def judge(packet: Publish) -> Verdict:
        return "hang up" if packet.connection <= 5 else "acknowledge"

    outbox = MemoryOutbox()
    await outbox.put(b"1")
    # Where it takes its time over noticing, this does not end.
    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, outbox, ack_timeout_s=60):
        await outbox.emptied()
    assert broker.connections == 6


async def test_aiomqtt_269_after_a_connect_timeout_the_next_attempt_works() -> None:
    healthy = PickyBroker(lambda _: "acknowledge")
    silent: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if silent:
            await healthy.serve(reader, writer)
            return
        silent.append(writer)
        while await reader.read(1024):
            pass
        writer.close()

    outbox = MemoryOutbox()
    await outbox.put(b"1")
    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(LOOPBACK, port, outbox, ack_timeout_s=0.2):
            await outbox.emptied()
    assert len(silent) == 1


@pytest.mark.parametrize("waiting", [100])
async def test_aiomqtt_29_no_more_than_a_window_is_in_flight(waiting: int) -> None:
    outbox = MemoryOutbox()
    await outbox.put(*(b"%d" % number for number in range(waiting)))
    async with (
        picky_broker(heartbeats_only) as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=0.01),
    ):
        while len(broker.seen) < 30:  # noqa: ASYNC110  # heartbeats that it acknowledges
            await asyncio.sleep(0.01)
        assert len(events(broker)) == WINDOW


async def test_aiomqtt_365_a_slow_broker_is_waited_for() -> None:
    outbox = MemoryOutbox()
    await outbox.put(*(b"%d" % number for number in range(10 * WINDOW)))
    async with (
        picky_broker(lambda _: "late") as broker,
        running(LOOPBACK, broker.port, outbox, ack_timeout_s=0.4),
    ):
        await outbox.emptied()  # takes longer than the limit: that is for one answer
    assert broker.connections == 1
    assert len(events(broker)) == 10 * WINDOW


async def test_paho_613_waiting_for_an_acknowledgement_ends() -> None:
    async with picky_broker(lambda _: "ignore") as broker:
        connection = BrokerConnection(MqttSettings(host=LOOPBACK, port=broker.port, ack_timeout_s=0.1))
        await connection.connect()
        with pytest.raises(NoAnswer):
            await connection.publish_acknowledged("a", b"1", retain=False)
        await connection.drop()


async def test_paho_284_nothing_depends_on_qos_2() -> None:
    outbox = MemoryOutbox()
    async with demo_broker() as broker, subscriber(broker) as messages:
        async with running(broker.host, broker.port, outbox):
            await outbox.put(b'{"n":1}', topic="alert/a", retain=True)
            await outbox.emptied()
        seen = [await anext(messages) for _ in range(2)]
    assert {message.qos for message in seen} == {1}


async def test_paho_50_a_heartbeat_does_not_wait_behind_events() -> None:
    outbox = MemoryOutbox()
    await outbox.put(*(b"%d" % number for number in range(200)))
    async with (
        picky_broker(lambda packet: "acknowledge" if packet.topic == STATUS else "late") as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=0.01),
    ):
        await outbox.emptied()
    between = [index for index, packet in enumerate(broker.seen) if packet.topic == STATUS]
    assert max(later - sooner for sooner, later in pairwise(between)) <= 3 * WINDOW


async def test_amqtt_401_what_a_broker_forgot_in_flight_is_sent_again() -> None:
    def judge(packet: Publish) -> Verdict:
        return "hang up" if packet.connection == 1 and packet.payload == b"1" else "acknowledge"

    outbox = MemoryOutbox()
    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, outbox):
        await outbox.put(b"1")
        await outbox.emptied()
    assert events(broker) == [b"1", b"1"]


async def test_amqtt_391_it_is_for_the_demo_only_and_newer_than_its_hole() -> None:
    version = tuple(map(int, importlib.metadata.version("amqtt").split(".")[:3]))
    assert version >= (0, 11, 4)
    async with demo_broker() as broker:
        assert broker.kind == ("mosquitto" if find_mosquitto() else "amqtt")


async def test_hbmqtt_203_connections_leave_no_task_and_no_descriptor() -> None:
    many = asyncio.Event()
    counts: list[tuple[int, int]] = []

    def judge(packet: Publish) -> Verdict:
        counts.append((len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))))
        if packet.connection == 40:
            many.set()
        return "hang up"

    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, MemoryOutbox()):
        await many.wait()
    early, late = counts[3:10], counts[-7:]
    assert max(tasks for tasks, _ in late) <= max(tasks for tasks, _ in early) + 1
    assert max(files for _, files in late) <= max(files for _, files in early) + 1


async def test_mosquitto_2349_no_session_is_resumed() -> None:
    def judge(packet: Publish) -> Verdict:
        return "hang up" if packet.connection <= 3 else "acknowledge"

    outbox = MemoryOutbox()
    await outbox.put(b"1")
    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, outbox):
        await outbox.emptied()
    clean_session = 0x02  # MQTT 3.1.1, section 3.1.2.3: a bit of the eighth byte
    assert [bool(body[7] & clean_session) for body in broker.connects] == [True] * 4


async def test_mosquitto_1726_what_comes_twice_is_the_same_event_with_the_same_number() -> None:
    def judge(packet: Publish) -> Verdict:
        return "hang up" if packet.connection == 1 and packet.topic != STATUS else "acknowledge"

    outbox = MemoryOutbox()
    async with picky_broker(judge) as broker, running(LOOPBACK, broker.port, outbox):
        await outbox.put(*(b'{"seq":%d}' % number for number in range(1, 9)))
        await outbox.emptied()
    assert set(events(broker)) == {b'{"seq":%d}' % number for number in range(1, 9)}
    assert len(events(broker)) > 8


def test_mosquitto_1081_the_example_keeps_what_it_holds() -> None:
    lines = (ROOT / "config/mosquitto/mosquitto.conf").read_text("utf-8").splitlines()
    assert "persistence true" in lines


# --- connections -----------------------------------------------------------------------------------------


async def test_bento_489_what_screens_send_waits_for_no_disk() -> None:
    class Hanging:
        async def acknowledge(self, _cart: str, _wanted: Acknowledge) -> Any:
            await asyncio.Event().wait()

    async def nobody(_facts: object) -> None:
        """Nothing is journaled."""

    door = Acknowledgements("cart-a", Hanging(), nobody)  # type: ignore[arg-type]  # what it asks of a journal
    working = asyncio.create_task(door.run())
    wanted = Acknowledge(alert_id="ABCDEFGH-a-b-c-d-e", by="Nurse 2", screen="lab2-1")
    for _ in range(64):
        door.offer(wanted)
    await asyncio.sleep(0)  # one is on its way to the disk
    door.offer(wanted)
    with pytest.raises(Unavailable, match="more acknowledgements"):
        door.offer(wanted)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_connect_479_a_connection_that_has_fallen_silent_is_given_up() -> None:
    def judge(packet: Publish) -> Verdict:
        first = b'"seq":1,' in packet.payload
        return "acknowledge" if first or packet.connection > 1 else "ignore"

    outbox = MemoryOutbox()
    async with (
        picky_broker(judge) as broker,
        running(LOOPBACK, broker.port, outbox, status_interval_s=0.01, ack_timeout_s=0.1),
    ):
        while broker.connections < 2:  # noqa: ASYNC110  # the heartbeat alone notices
            await asyncio.sleep(0.01)
        await outbox.put(b"1")
        await outbox.emptied()


@pytest.mark.parametrize("topic", ["study/#", "study/+/x", "", "/a", "a//b", "a/", "a b", "a\x00"])
def test_node_red_3367_a_topic_that_a_broker_would_refuse_is_never_stored(topic: str) -> None:
    with pytest.raises(DataError, match="topic"):
        TelemetryEvent(topic=topic, data={}, retain=False, simulated=False)


async def test_node_red_3367_an_event_that_is_refused_all_the_same_does_not_stop_the_others() -> None:
    outbox = MemoryOutbox()
    async with (
        picky_broker(lambda packet: "hang up" if packet.payload == b"2" else "acknowledge") as broker,
        running(LOOPBACK, broker.port, outbox),
    ):
        await outbox.put(b"1", b"2", b"3", b"4")
        await outbox.emptied()
    assert list(outbox.refused) == [2]


async def test_zigbee2mqtt_26372_status_and_alerts_are_there_after_the_broker_lost_its_memory() -> None:
    outbox = MemoryOutbox()
    async with demo_broker() as first:
        sink = running(first.host, first.port, outbox, status_interval_s=60)
        await sink.__aenter__()
        await outbox.put(b'{"n":1}', topic="alert/a", retain=True)
        await outbox.emptied()
    async with demo_broker(ports=[first.port]) as second:
        async with subscriber(second, "status") as messages:
            await until(messages, lambda whole: whole["state"] == "online")
        async with subscriber(second, "alert/#") as messages:
            assert said(await anext(messages)) == {"n": 1}
        await sink.__aexit__(None, None, None)
