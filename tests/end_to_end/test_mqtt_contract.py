"""Numbers, carts and what the broker keeps, over a real mosquitto; the clock goes when the test says so."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from drivers.simulator import SIMULATOR
from gateway.daemon import service
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, Settings, parse
from gateway.domain.study import ExamEnded, Fact
from gateway.sinks.broker import BrokerAddress
from gateway.store.database import open_database
from gateway.store.journal import Journal, JournaledFact
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House, listening
from tests.end_to_end.test_screens import BLOCKED, UNBLOCKED, WRIST, Screen, gateway, screen
from tests.factories import header
from tests.fakes import FakeClock

SITE = "emg/v1/lab1"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The gateway's clock: an examination may last as long as the test needs, and an hour pass at once."""
    found = FakeClock()
    monkeypatch.setattr(service, "SystemClock", lambda: found)
    monkeypatch.setattr(service, "_HOUSEKEEPING_S", 0.02)
    return found


async def journaled(folder: Path, *facts: Fact, cart: str = "cart-a") -> None:
    async def nobody(_facts: Sequence[JournaledFact]) -> None:
        """It is stopped."""

    async with open_database(folder / DATABASE) as database:
        journal = await Journal.open(database, SystemClock(), f"boot-{cart}")
        await journal.intake(f"room-{cart}", cart, nobody).deliver(header(), facts)


def settings(folder: Path, broker: BrokerAddress, more: str = "") -> Settings:
    text = f'[gateway]\nstate_dir = "{folder}"\nexam_timeout_s = 1000000\n'
    return parse(f'{text}{more}\n[mqtt]\nurl = "mqtt://{broker.host}:{broker.port}"\n', "gateway.toml")


async def kept(broker: BrokerAddress) -> dict[str, Any]:
    """What a screen that comes now is told at once, below the site."""
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(f"{SITE}/#", qos=1)
        await client.publish(f"{SITE}/sentinel", b"", qos=1)
        found = {}
        async for message in client.messages:
            if message.topic.value == f"{SITE}/sentinel":
                break
            assert isinstance(message.payload, bytes)
            if message.retain:
                found[message.topic.value.removeprefix(f"{SITE}/")] = json.loads(message.payload)
        return found


@asynccontextmanager
async def online(wanted: Settings, lab: Screen) -> AsyncIterator[None]:
    async with gateway(wanted):
        await lab.until(lambda below, whole: below == "status" and whole["state"] == "online")
        yield


def below(found: dict[str, Any], kind: str) -> list[str]:
    return [topic for topic in found if f"/{kind}" in topic]


async def test_an_alert_that_is_over_and_seen_is_kept_for_a_minute(
    tmp_path: Path, broker: BrokerAddress, clock: FakeClock
) -> None:
    await journaled(tmp_path, WRIST, BLOCKED)
    async with screen(broker) as lab:
        async with online(settings(tmp_path, broker), lab):
            alert = await lab.alert("active")
            await lab.ask("ack", alert_id=alert["alert_id"], by="Nurse 2", screen="lab2-1")
            await lab.until(lambda _, whole: bool(whole and whole.get("data", {}).get("acknowledged")))
        await journaled(tmp_path, UNBLOCKED)
        async with online(settings(tmp_path, broker), lab):
            await lab.alert("inactive")
            (topic,) = below(await kept(broker), "alert")
            clock.advance(60.0)
            await lab.until(lambda found, whole: topic.endswith(found) and whole is None)
            assert below(await kept(broker), "alert") == []
            assert len(below(await kept(broker), "assessment")) == 1


async def test_after_the_examination_everything_kept_is_cleared_also_by_the_next_run(
    tmp_path: Path, broker: BrokerAddress, clock: FakeClock
) -> None:
    await journaled(tmp_path, WRIST, BLOCKED, ExamEnded(by="device"))
    async with screen(broker) as lab:
        async with online(settings(tmp_path, broker), lab):
            await lab.alert("active")
        found = await kept(broker)
        assert (len(below(found, "alert")), len(below(found, "assessment"))) == (1, 1)
        clock.advance(3599.0)
        async with online(settings(tmp_path, broker), lab):
            (alert,) = below(await kept(broker), "alert")
            clock.advance(1.0)
            await lab.until(lambda topic, whole: alert.endswith(topic) and whole is None)
        assert list(await kept(broker)) == ["cart-a/status"]
    cleared = [topic.split("/")[0] for topic, payload in lab.seen if not payload]
    assert cleared == ["study", "alert"]


async def test_each_cart_has_its_own_status_boot_and_numbers(tmp_path: Path, broker: BrokerAddress) -> None:
    await journaled(tmp_path, WRIST, BLOCKED)
    await journaled(tmp_path, WRIST, BLOCKED, cart="cart-b")
    (tmp_path / "inbox").mkdir()
    driver = f'[[drivers]]\nname = "b"\ntype = "dicom_folder"\npath = "{tmp_path}/inbox"\ncart = "cart-b"\n'
    async with listening(broker.host, broker.port) as seen, gateway(settings(tmp_path, broker, driver)):
        async with asyncio.timeout(DEADLINE_S):
            while len([m for m in seen if "/alert/" in str(m.topic)]) < 2:  # noqa: ASYNC110  # filled by a task
                await asyncio.sleep(0.01)
        found = await kept(broker)
    statuses = [found[f"{cart}/status"] for cart in ("cart-a", "cart-b")]
    assert statuses[0]["boot_id"] != statuses[1]["boot_id"]
    for cart, status in zip(("cart-a", "cart-b"), statuses, strict=True):
        events = [json.loads(bytes(m.payload)) for m in seen if f"/{cart}/" in str(m.topic) and m.payload]  # type: ignore[arg-type]
        events = [event for event in events if "data" in event]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert {event["boot_id"] for event in events} == {status["boot_id"]}


def all_delivered(house: House) -> bool:
    rows = house.rows(f"{SITE}/cart-a")
    return bool(rows) and all(row["state"] == "delivered" for row in rows)


async def test_numbers_have_no_gap_and_no_second_meaning_however_often_the_gateway_is_killed(
    house: House, broker: BrokerAddress
) -> None:
    study = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)
    house.broker = f"{broker.host}:{broker.port}"
    async with listening(broker.host, broker.port) as seen:

        def events() -> dict[int, set[bytes]]:
            found: dict[int, set[bytes]] = {}
            for message in seen:
                assert isinstance(message.payload, bytes)
                if message.payload and not str(message.topic).endswith("/status"):
                    found.setdefault(json.loads(message.payload)["seq"], set()).add(message.payload)
            return found

        daemon = await house.daemon()
        playing = asyncio.create_task(house.play(study, "--speed", "200"))
        for some in (3, 9, 15):
            await house.until(lambda: len(events()) >= some, f"{some} events")  # noqa: B023  # awaited here
            daemon.send_signal(signal.SIGKILL)
            await daemon.wait()
            daemon = await house.daemon()
        assert await playing == 0
        await house.until(lambda: all_delivered(house), "the last event")
    found = events()
    assert sorted(found) == list(range(1, len(found) + 1))
    assert {len(payloads) for payloads in found.values()} == {1}
    assert len({json.loads(payload)["boot_id"] for (payload,) in found.values()}) > 1
