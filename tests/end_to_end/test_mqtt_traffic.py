"""Everything a gateway says over a real broker in its life, held against what is published of it."""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import aiomqtt

from drivers.simulator import SIMULATOR
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE
from gateway.domain.study import ExamEnded
from gateway.protocols.mqtt_profile import EVENTS, MESSAGES
from gateway.sinks.broker import BrokerAddress
from gateway.store.database import open_database
from gateway.store.journal import Journal
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House
from tests.end_to_end.test_corrections import studies
from tests.mqtt_schemas import channel_of, message_of

PREFIX = "emg/v1/lab1/cart-a"
Wanted = Callable[[str, Any], bool]


class Recorder:
    """Everything that goes over the broker below the prefix, and commands as a screen gives them."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.seen: list[tuple[str, bytes]] = []

    async def until(self, wanted: Wanted) -> Any:
        async with asyncio.timeout(DEADLINE_S):
            async for message in self._client.messages:
                below = message.topic.value.removeprefix(f"{PREFIX}/")
                assert isinstance(message.payload, bytes)
                assert message.qos == 1
                assert not message.retain, "it was there before anything was kept"
                self.seen.append((below, message.payload))
                whole = json.loads(message.payload) if message.payload else None
                if wanted(below, whole):
                    return whole
        raise AssertionError("unreachable")

    async def ask(self, name: str, **keys: Any) -> None:
        await self._client.publish(f"{PREFIX}/cmd/{name}", json.dumps(keys), qos=1)

    async def status(self, state: str, *, will: bool = False) -> None:
        await self.until(
            lambda below, whole: (
                below == "status" and whole["state"] == state and ("seq" not in whole) == will
            )
        )


def alert(state: str, *, seen: bool) -> Wanted:
    def wanted(below: str, whole: Any) -> bool:
        if not below.startswith("alert/") or whole is None:
            return False
        return whole["data"]["state"] == state and bool(whole["data"]["acknowledged"]) == seen

    return wanted


async def blocked_and_corrected(house: House, lab: Recorder) -> None:
    """A block is found and acknowledged, and turns out to be a bad sweep."""
    study = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)
    playing = asyncio.create_task(house.play(study))
    found = await lab.until(alert("active", seen=False))
    await lab.ask("ack", alert_id=found["data"]["alert_id"], by="Nurse 2", screen="lab2-1")
    await lab.until(alert("active", seen=True))
    assert await playing == 0
    recordings = await studies(house, "recordings", study.header.study_id)
    (wrist,) = [line.split()[0] for line in recordings if "motor median right apb wrist" in line]
    await studies(house, "exclude", study.header.study_id, wrist, "--reason", "artefact")
    await lab.until(alert("inactive", seen=True))


async def every_patient_came_before(house: House) -> None:
    """They are in the journal when the gateway starts: what it says of them is the same, and sooner."""

    async def nobody(_facts: object) -> None:
        """The gateway is not there yet."""

    state = house.folder / "state"
    state.mkdir()
    async with open_database(state / DATABASE) as database:
        journal = await Journal.open(database, SystemClock(), "boot-0")
        for scenario in SIMULATOR.scenarios:
            study = SIMULATOR.study(scenario.name, seed=11, performed_at=PERFORMED_AT)
            facts = [*study.recordings, ExamEnded(by="device")]
            await journal.intake("room-1", "cart-a", nobody).deliver(study.header, facts)


async def live(house: House, lab: Recorder) -> int:
    """A whole life: every patient there is, corrections, a replay, a stop, a crash; its last event."""
    await every_patient_came_before(house)
    daemon = await house.daemon()
    await lab.status("online")
    for _ in SIMULATOR.scenarios:
        await lab.until(lambda below, whole: below.startswith("study/") and whole is None)
    await blocked_and_corrected(house, lab)
    await lab.ask("replay", request_id="lab2-1-7", since=0)
    end = await lab.until(lambda below, whole: below.startswith("replay/") and "done" in whole)
    daemon.send_signal(signal.SIGTERM)
    assert await daemon.wait() == 0
    await lab.status("offline")
    daemon = await house.daemon()
    await lab.status("online")
    daemon.send_signal(signal.SIGKILL)
    await lab.status("offline", will=True)
    return int(end["last_event_seq"])


async def test_all_that_is_said_is_as_published_and_all_that_is_published_is_said(
    house: House, broker: BrokerAddress
) -> None:
    house.broker, house.mqtt = f"{broker.host}:{broker.port}", "clear_after_s = 1"
    house.driver = "terminator_ends_exam = false"  # only what came before has ended, and is cleared
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(f"{PREFIX}/#", qos=1)
        lab = Recorder(client)
        last = await live(house, lab)

    assert {message_of(below, payload) for below, payload in lab.seen} == set(MESSAGES)
    events = {
        json.loads(payload)["seq"]: payload
        for below, payload in lab.seen
        if payload and message_of(below, payload) in EVENTS and not below.startswith("replay/")
    }
    assert sorted(events) == list(range(1, max(events) + 1))
    replayed = [payload for below, payload in lab.seen if below == "replay/lab2-1-7"][:-1]
    assert replayed == [events[seq] for seq in range(1, last + 1)]
    assert {json.loads(payload).get("simulated") for payload in events.values()} == {True}
    cleared = {channel_of(below).name for below, payload in lab.seen if not payload}
    assert cleared == {"assessment", "alert"}
