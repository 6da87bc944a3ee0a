"""What an operator states reaches the hospital, through a gateway that runs or one that is started later."""

import asyncio
import json
import signal
import sqlite3
from contextlib import closing

import pytest

from drivers.simulator import SIMULATOR
from gateway.protocols import er7
from gateway.sinks.receiver import Received, Receiver
from tests.end_to_end.conftest import PERFORMED_AT, House

STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)


async def studies(house: House, *words: str) -> int:
    process = await house.start("studies", *words, "--config", str(house.config))
    return await process.wait()


async def support(receiver: Receiver) -> str:
    """What the next message says the findings amount to."""
    received: Received = await asyncio.wait_for(receiver.messages.get(), 30)
    segments = er7.parse(received.block).segments
    (found,) = [s.text(5) for s in segments if s.name == "OBX" and s.text(3).startswith("MMN-SUPPORT")]
    return found.partition("^")[0]


def processed(house: House) -> list[tuple[str, int]]:
    query = "SELECT kind, processed FROM fact WHERE stated_by IS NOT NULL ORDER BY id"
    with closing(sqlite3.connect(house.folder / "state" / "gateway.db")) as connection:
        return connection.execute(query).fetchall()


async def test_a_running_gateway_corrects_what_it_said_within_a_second(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        assert await house.play(STUDY) == 0
        assert await support(receiver) == "definite"

        assert await studies(house, "set", STUDY.header.study_id, "umn_signs=yes") == 0
        assert await support(receiver) == "against"
        assert await studies(house, "set", STUDY.header.study_id, "umn_signs=no") == 0
        assert await support(receiver) == "definite"

        with closing(sqlite3.connect(house.folder / "state" / "gateway.db")) as connection:
            query = (
                "SELECT (julianday(outbox.created_at) - julianday(fact.received_at)) * 86400 FROM fact"
                " JOIN outbox ON control_id = fact.study || '-' || fact.id WHERE stated_by IS NOT NULL"
            )
            delays = [seconds for (seconds,) in connection.execute(query)]
        assert len(delays) == 2
        assert max(delays) < 5  # a second, and what a busy machine adds
        assert len(house.rows()) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_is_stated_to_a_gateway_that_does_not_run_is_there_after_its_start(
    house: House, number: signal.Signals
) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        assert await house.play(STUDY) == 0
        assert await support(receiver) == "definite"
        daemon.send_signal(number)
        await daemon.wait()

        assert await studies(house, "set", STUDY.header.study_id, "umn_signs=yes") == 0
        assert processed(house) == [("clinical", 0)]
        await house.daemon()

        assert await support(receiver) == "against"
        await house.until(lambda: processed(house) == [("clinical", 1)], "the statement to be worked off")
        assert len(house.rows()) == 2


async def test_a_gateway_killed_while_operators_speak_says_all_of_it_once(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        assert await house.play(STUDY) == 0
        await house.until(lambda: len(house.rows()) == 1, "the end of the examination")

        speaking = [
            asyncio.create_task(studies(house, "set", STUDY.header.study_id, f"symptom_onset_days={day}"))
            for day in range(100, 104)
        ]
        await asyncio.wait(speaking, return_when=asyncio.FIRST_COMPLETED)
        daemon.send_signal(signal.SIGKILL)
        await daemon.wait()
        await house.daemon()
        assert await asyncio.gather(*speaking) == [0] * 4

        await house.until(lambda: processed(house) == [("clinical", 1)] * 4, "all of it to be worked off")
        await house.until(lambda: all(row["state"] == "delivered" for row in house.rows()), "the answers")
        assert len(house.rows()) == 5
        assert await studies(house, "list", "--json") == 0
        (listed,) = (house.folder / "command.log").read_text("utf-8").splitlines()[-1:]
        assert json.loads(listed)["study_id"] == STUDY.header.study_id
