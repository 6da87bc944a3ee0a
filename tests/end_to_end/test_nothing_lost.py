"""What was acknowledged survives whatever happens to the daemon, the line, the broker and the receiver."""

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
from pathlib import Path

from drivers.simulator import SIMULATOR
from gateway.domain.study import Study
from gateway.protocols import er7
from gateway.sinks.broker import BrokerAddress, demo_broker
from gateway.sinks.receiver import ANSWERS, Receiver
from tests.end_to_end.conftest import PERFORMED_AT, House, listening


def examination(scenario: str = "block-forearm", seed: int = 7) -> Study:
    return SIMULATOR.study(scenario, seed=seed, performed_at=PERFORMED_AT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def finding_of(block: bytes) -> list[str]:
    """The CB-FINDING values of a message that are blocks."""
    message = er7.parse(block)
    obx = [segment for segment in message.segments if segment.name == "OBX"]
    found = [segment.text(5) for segment in obx if segment.text(3).startswith("CB-FINDING")]
    return [value for value in found if "block" in value]


async def test_an_examination_reaches_the_hospital_and_the_screens(
    house: House, broker: BrokerAddress
) -> None:
    house.broker = f"{broker.host}:{broker.port}"
    async with Receiver() as receiver, listening(broker.host, broker.port) as seen:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()

        assert await house.play(examination()) == 0
        received = await asyncio.wait_for(receiver.messages.get(), 30)
        await house.until(lambda: house.rows()[0]["state"] == "delivered", "the acknowledgement")
        daemon.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0

        assert received.message is not None
        assert received.message.header.text(11) == "T"
        assert len(finding_of(received.block)) == 1
        enveloped = [json.loads(m.payload) for m in seen if "/status" not in str(m.topic) and m.payload]  # type: ignore[arg-type]
        assert [entry["seq"] for entry in enveloped] == list(range(1, len(enveloped) + 1))
        assert all(entry["simulated"] for entry in enveloped)
        statuses = [json.loads(m.payload) for m in seen if str(m.topic).endswith("/status")]  # type: ignore[arg-type]
        assert statuses[-1]["state"] == "offline"


async def test_killed_after_an_acknowledged_examination_the_message_arrives_once(house: House) -> None:
    port = free_port()
    house.engine = f"127.0.0.1:{port}"
    daemon = await house.daemon()
    assert await house.play(examination()) == 0

    daemon.send_signal(signal.SIGKILL)
    await daemon.wait()

    async with Receiver(port=port) as receiver:
        await house.daemon()
        received = await asyncio.wait_for(receiver.messages.get(), 30)
        await house.until(lambda: house.rows()[0]["state"] == "delivered", "the acknowledgement")

        assert len(finding_of(received.block)) == 1
        assert receiver.messages.empty()
        assert len(house.rows()) == 1


async def test_killed_in_mid_examination_the_cart_goes_on_and_nothing_is_there_twice(house: House) -> None:
    study = examination()
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        playing = asyncio.create_task(house.play(study, "--speed", "200"))
        await house.until(lambda: "line_opened" in house.log, "the line to be open")
        await house.until(lambda: _entries(house) > 20, "some frames")

        daemon.send_signal(signal.SIGKILL)
        await daemon.wait()
        await house.daemon()

        assert await playing == 0
        received = await asyncio.wait_for(receiver.messages.get(), 30)

    assert len(finding_of(received.block)) == 1
    assert _recordings(house) == len(study.recordings)


def _entries(house: House) -> int:
    return _count(house, "SELECT count(*) FROM entry")


def _recordings(house: House) -> int:
    return _count(house, "SELECT count(*) FROM fact WHERE kind = 'recording'")


def _count(house: House, query: str) -> int:
    path = house.folder / "state" / "gateway.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found: int = connection.execute(query).fetchone()[0]
    return found


async def test_a_receiver_that_says_nothing_gets_the_same_message_until_it_answers(house: House) -> None:
    async with Receiver(ANSWERS["nothing"]) as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        assert await house.play(examination()) == 0
        first = await asyncio.wait_for(receiver.messages.get(), 30)

        receiver.answer = ANSWERS["AA"]
        await house.until(lambda: house.rows()[0]["state"] == "delivered", "the acknowledgement")
        again = await asyncio.wait_for(receiver.messages.get(), 30)

        assert again.block == first.block
        assert again.duplicate


async def test_a_message_that_is_rejected_is_kept_with_the_reason_and_the_next_goes_on(house: House) -> None:
    async with Receiver(ANSWERS["AR"]) as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        assert await house.play(examination()) == 0
        await house.until(lambda: [r["state"] for r in house.rows()] == ["dead"], "the rejection")

        receiver.answer = ANSWERS["AA"]
        assert await house.play(examination("normal")) == 0
        await house.until(lambda: [r["state"] for r in house.rows()] == ["dead", "delivered"], "the next")

    assert "AR" in house.rows()[0]["error"]


async def test_without_a_broker_the_daemon_goes_on_and_events_arrive_in_order_later(house: House) -> None:
    port = free_port()
    house.broker = f"127.0.0.1:{port}"
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        assert await house.play(examination()) == 0
        await asyncio.wait_for(receiver.messages.get(), 30)
        events = "emg/v1/lab1/cart-a"
        assert {row["state"] for row in house.rows(events)} == {"pending"}

        async with demo_broker(ports=[port]) as broker:
            await house.until(
                lambda: {row["state"] for row in house.rows(events)} == {"delivered"}, "all events"
            )
            async with listening(broker.host, broker.port, "emg/+/+/+/study/+/assessment") as seen:
                await house.until(lambda: bool(seen), "the retained assessment")

    assert json.loads(seen[0].payload)["data"]["mmn"]["support"] == "definite"  # type: ignore[arg-type]


async def test_every_fault_of_a_line_gives_the_same_recordings(tmp_path: Path) -> None:
    """All faults at once, each on a line and a gateway of its own: their timers are 10 s and more."""
    study = examination("normal")

    async def played(fault: str) -> int:
        house = House(tmp_path / fault)
        house.folder.mkdir()
        try:
            await house.daemon()
            assert await house.play(study, "--faults", fault) == 0
            await house.until(
                lambda: _recordings(house) >= len(study.recordings), f"{fault}: every recording"
            )
            return _recordings(house)
        finally:
            await house.stop()

    found = await asyncio.gather(*(played(fault) for fault in SIMULATOR.faults))

    assert dict(zip(SIMULATOR.faults, found, strict=True)) == dict.fromkeys(
        SIMULATOR.faults, len(study.recordings)
    )


async def test_the_cable_is_pulled_and_put_back(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        first = asyncio.create_task(house.play(examination(), "--speed", "100"))
        await house.until(
            lambda: house.folder.joinpath("state/gateway.db").exists() and _entries(house) > 10, "frames"
        )
        house.processes[-1].send_signal(signal.SIGKILL)
        await first
        await house.until(lambda: "the line is gone" in house.log, "the loss to be noticed")

        assert await house.play(examination()) == 0
        received = await asyncio.wait_for(receiver.messages.get(), 30)

    assert len(finding_of(received.block)) == 1
    assert _recordings(house) == len(examination().recordings)
