"""Screens and the gateway over a real broker, the gateway started anew in between, the broker too."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, Settings, parse
from gateway.daemon.service import serve
from gateway.domain.study import Fact
from gateway.protocols import alerts
from gateway.sinks.broker import BrokerAddress, demo_broker
from gateway.store.database import open_database
from gateway.store.journal import Journal, JournaledFact
from tests.factories import header, median, motor_marks

PREFIX = "emg/v1/lab1/cart-a"
DEADLINE_S = 60.0
WRIST = median("wrist", distance_mm=70.0)
BLOCKED = median(
    "elbow",
    motor_marks(onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6),
    distance_mm=220.0,
)
UNBLOCKED = median("elbow", motor_marks(onset_latency_ms=7.0), distance_mm=220.0)
# recording, guidance and assessment of the first; of the second a segment and an alert as well
EVENTS = 8

Message = tuple[str, bytes]


async def journaled(folder: Path, *facts: Fact) -> None:
    """What a cart sent just before the gateway was stopped."""

    async def nobody(_facts: Sequence[JournaledFact]) -> None:
        """It is stopped."""

    async with open_database(folder / DATABASE) as database:
        journal = await Journal.open(database, SystemClock(), "boot-0")
        await journal.intake("room-1", "cart-a", nobody).deliver(header(), facts)


def settings(folder: Path, broker: BrokerAddress, more: str = "") -> Settings:
    text = f'[gateway]\nstate_dir = "{folder}"\n[mqtt]\nurl = "mqtt://{broker.host}:{broker.port}"\n{more}'
    return parse(text, "gateway.toml")


@asynccontextmanager
async def gateway(wanted: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(serve(wanted, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


class Screen:
    """A lab screen: what it saw, and what it can ask."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.seen: list[Message] = []

    async def until(self, wanted: Callable[[str, Any], bool]) -> Any:
        """What the first message holds for which `wanted` (topic below the prefix, document) is true."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await anext(self._client.messages)
                below = message.topic.value.removeprefix(f"{PREFIX}/")
                if not message.retain:
                    self.seen.append((below, message.payload))
                whole = json.loads(message.payload) if message.payload else None
                if wanted(below, whole):
                    return whole

    async def alert(self, state: str) -> Any:
        whole = await self.until(
            lambda below, whole: below.startswith("alert/") and whole and whole["data"]["state"] == state
        )
        return whole["data"]

    async def ask(self, name: str, **keys: Any) -> None:
        await self._client.publish(f"{PREFIX}/cmd/{name}", json.dumps(keys), qos=1)

    async def replay(self, request_id: str, *, since: int) -> Any:
        """Ask for a replay; its end."""
        await self.ask("replay", request_id=request_id, since=since)
        return await self.until(lambda below, whole: below == f"replay/{request_id}" and "done" in whole)

    def events(self) -> dict[int, bytes]:
        """The events by number; one that came twice came the same."""
        found: dict[int, bytes] = {}
        for below, payload in self.seen:
            if below.startswith(("study/", "alert/")) and payload:
                seq = json.loads(payload)["seq"]
                assert found.setdefault(seq, payload) == payload
        return found


@asynccontextmanager
async def screen(broker: BrokerAddress) -> AsyncIterator[Screen]:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(f"{PREFIX}/#", qos=1)
        yield Screen(client)


async def test_an_acknowledged_alert_is_over_with_its_block_and_leaves_also_across_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_SHOWN_AS_OVER", timedelta(milliseconds=1))
    await journaled(tmp_path, WRIST, BLOCKED)
    async with demo_broker() as broker, screen(broker) as lab:
        async with gateway(settings(tmp_path, broker)):
            alert = await lab.alert("active")
            assert (alert["phase"], alert["acknowledged"]) == ("start", None)
            await lab.ask("ack", alert_id=alert["alert_id"], by="Nurse 2", screen="lab2-1")
            alert = await lab.until(
                lambda _, whole: bool(whole and whole.get("data", {}).get("acknowledged"))
            )
            assert (alert["data"]["state"], alert["data"]["phase"]) == ("active", "update")
        await journaled(tmp_path, UNBLOCKED)
        async with gateway(settings(tmp_path, broker)):
            alert = await lab.alert("inactive")
            assert alert["phase"] == "end"
            assert alert["acknowledged"].keys() == {"by", "screen", "time"}
            assert (alert["acknowledged"]["by"], alert["acknowledged"]["screen"]) == ("Nurse 2", "lab2-1")
            await lab.until(lambda below, whole: below == f"alert/{alert['alert_id']}" and whole is None)
        assert sorted(lab.events()) == list(range(1, len(lab.events()) + 1))


async def test_one_that_nobody_saw_stays_latched_until_somebody_does(tmp_path: Path) -> None:
    await journaled(tmp_path, WRIST, BLOCKED, UNBLOCKED)
    async with demo_broker() as broker, screen(broker) as lab, gateway(settings(tmp_path, broker)):
        alert = await lab.alert("latched")
        assert (alert["phase"], alert["acknowledged"]) == ("end", None)
        await lab.ask("ack", alert_id=alert["alert_id"], by="Nurse 2", screen="lab2-1")
        alert = await lab.alert("inactive")
        assert (alert["phase"], alert["acknowledged"]["by"]) == ("end", "Nurse 2")


async def test_a_screen_that_was_away_gets_the_very_same_events(tmp_path: Path) -> None:
    await journaled(tmp_path, WRIST, BLOCKED)
    async with demo_broker() as broker:
        async with screen(broker) as there, gateway(settings(tmp_path, broker)):
            await there.alert("active")
        original = there.events()
        async with gateway(settings(tmp_path, broker)), screen(broker) as late:
            await late.until(lambda below, whole: below == "status" and whole["state"] == "online")
            end = await late.replay("late-1", since=1)
    replayed = [payload for below, payload in late.seen if below == "replay/late-1"][:-1]
    assert replayed == [original[seq] for seq in range(2, len(original) + 1)]
    assert end == {"request_id": "late-1", "done": True, "last_event_seq": len(original)}


async def test_what_is_older_than_what_is_kept_is_said(tmp_path: Path) -> None:
    await journaled(tmp_path, WRIST, BLOCKED)
    async with demo_broker() as broker, screen(broker) as lab:
        async with gateway(settings(tmp_path, broker)):
            await lab.alert("active")
        count = len(lab.events())
        async with gateway(settings(tmp_path, broker, "replay_events = 2")):
            await lab.until(lambda below, whole: below == "status" and whole["state"] == "online")
            while "oldest" not in (end := await lab.replay("r", since=0)):
                pass  # what is too much is dropped when the gateway starts, beside everything else
    assert end["oldest"] == count - 1


async def test_a_broker_that_is_gone_for_a_while_costs_a_replay_and_no_event(tmp_path: Path) -> None:
    """telegraf #14750, mosquitto #2349: nothing counts as sent before its PUBACK, no session is trusted."""
    async with demo_broker() as first:
        pass
    await journaled(tmp_path, WRIST, BLOCKED)
    async with gateway(settings(tmp_path, first)):
        for _ in range(2):
            async with demo_broker(ports=[first.port]) as broker, screen(broker) as lab:
                await lab.until(lambda below, whole: below == "status" and whole["state"] == "online")
                while (await lab.replay("r", since=0))["last_event_seq"] < EVENTS:
                    pass  # the others are on their way
            replayed = {json.loads(payload).get("seq") for below, payload in lab.seen if below == "replay/r"}
            assert replayed >= set(range(1, EVENTS + 1))
