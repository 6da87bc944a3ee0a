"""A recording that an operator corrects: hospital and screens are put right, now or at the next start."""

import asyncio
import json
import sqlite3
from contextlib import closing
from itertools import pairwise
from typing import Any

import aiomqtt

from drivers.simulator import SIMULATOR
from gateway.protocols import er7
from gateway.sinks.broker import BrokerAddress
from gateway.sinks.receiver import Receiver
from tests.end_to_end.conftest import PERFORMED_AT, House, listening

STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)
ID = STUDY.header.study_id


async def studies(house: House, *words: str) -> list[str]:
    """What the command says."""
    log = house.folder / "command.log"
    before = len(log.read_text("utf-8").splitlines()) if log.exists() else 0
    process = await house.start("studies", *words, "--config", str(house.config))
    assert await process.wait() == 0, log.read_text("utf-8")
    return log.read_text("utf-8").splitlines()[before:]


async def report(receiver: Receiver) -> er7.Message:
    received = await asyncio.wait_for(receiver.messages.get(), 30)
    return er7.parse(received.block)


def statuses(message: er7.Message) -> dict[tuple[str, str], str]:
    """OBX-11 by the name of each observation, OBX-3 and OBX-4."""
    return {(obx.text(3), obx.text(4)): obx.text(11) for obx in message.all("OBX")}


def support(message: er7.Message) -> str:
    (found,) = [obx.text(5) for obx in message.all("OBX") if obx.text(3).startswith("MMN-SUPPORT")]
    return found.partition("^")[0]


def told(seen: list[aiomqtt.Message], kind: str) -> list[dict[str, Any]]:
    """The data of the events of a kind, in order."""
    messages = [message for message in seen if f"/{kind}" in str(message.topic) and message.payload]
    return [json.loads(bytes(message.payload))["data"] for message in messages]  # type: ignore[arg-type]


def journaled(house: House) -> list[tuple[str, bytes]]:
    query = "SELECT kind, body FROM fact WHERE kind = 'recording' ORDER BY id"
    with closing(sqlite3.connect(house.folder / "state" / "gateway.db")) as connection:
        return connection.execute(query).fetchall()


async def test_a_correction_reaches_the_hospital_and_the_screens_and_can_be_taken_back(
    house: House, broker: BrokerAddress
) -> None:
    async with Receiver() as receiver, listening(broker.host, broker.port) as seen:
        house.engine, house.broker = f"127.0.0.1:{receiver.port}", f"{broker.host}:{broker.port}"
        await house.daemon()
        assert await house.play(STUDY) == 0
        first = await report(receiver)
        assert support(first) == "definite"
        sent = journaled(house)

        (wrist,) = [
            line.split()[0]
            for line in await studies(house, "recordings", ID)
            if "motor median right apb wrist" in line
        ]
        await studies(house, "exclude", ID, wrist, "--reason", "artefact")
        second = await report(receiver)
        await studies(house, "exclude", ID, wrist, "--withdraw")
        third = await report(receiver)
        await studies(house, "amend", ID, wrist, "side=left", "--reason", "wrong_side")
        fourth = await report(receiver)

        assert support(second) != "definite"
        assert support(third) == "definite"
        assert support(fourth) != "definite"
        reports = (first, second, third, fourth)
        assert len({message.header.text(10) for message in reports}) == 4
        for earlier, later in pairwise(reports):
            assert statuses(earlier).keys() <= statuses(later).keys()
        gone = {name for name, status in statuses(second).items() if status == "D"}
        assert gone
        assert {name for name, status in statuses(third).items() if status != "D"} == set(statuses(first))
        assert gone <= {name for name, status in statuses(fourth).items() if status == "D"}
        assert journaled(house) == sent

        await house.until(lambda: len(told(seen, "alert/")) >= 4, "the alerts")
        assert [(e["state"], e["phase"]) for e in told(seen, "alert/")] == [
            ("active", "start"),
            ("latched", "end"),
            ("active", "start"),
            ("latched", "end"),
        ]
        (*_, last) = told(seen, "assessment")
        assert [e["amended"]["reason"] for e in last["recordings"] if "amended" in e] == ["wrong_side"]
        assert len(told(seen, "recording")) == len(STUDY.recordings)


async def test_what_is_corrected_while_the_gateway_is_down_is_there_after_its_start(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        assert await house.play(STUDY) == 0
        first = await report(receiver)
        daemon.kill()
        await daemon.wait()

        (entry,) = [
            json.loads(line)
            for line in await studies(house, "recordings", ID, "--json")
            if '"stimulation_site":"wrist"' in line
            and '"side":"right"' in line
            and '"recording_site":"apb"' in line
        ]
        await studies(house, "exclude", ID, entry["identity"], "--reason", "duplicate")
        await house.daemon()
        second = await report(receiver)

        assert (support(first), support(second)) == ("definite", "none")
        assert first.header.text(10) != second.header.text(10)


def patient(message: er7.Message) -> str:
    found = message.first("PID")
    return found.text(3) if found else ""


async def test_a_study_of_another_patient_is_taken_back_and_goes_out_for_the_right_one(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        assert await house.play(STUDY) == 0
        first = await report(receiver)
        await studies(house, "patient", ID, "--unknown")
        gone = await report(receiver)
        await house.until(lambda: [row["state"] for row in house.rows()] == ["delivered"] * 2, "the answer")
        daemon.kill()
        await daemon.wait()
        await studies(house, "patient", ID, "id=P-2", "family=Right")
        await house.daemon()
        anew = await report(receiver)

        assert (patient(gone), patient(anew)) == (patient(first), "P-2")
        assert statuses(gone) == dict.fromkeys(statuses(first), "W")
        assert statuses(anew) == statuses(first)
        assert support(anew) == "definite"
        await house.until(lambda: all(row["state"] == "delivered" for row in house.rows()), "the answers")
        assert len({row["control_id"] for row in house.rows()}) == 3
