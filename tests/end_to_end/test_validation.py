"""A kind of message that breaks HL7's structures is a dead letter with an alarm; input is taken as ever."""

import asyncio

from drivers.simulator import SIMULATOR
from gateway.sinks.receiver import Receiver
from tests.end_to_end.conftest import PERFORMED_AT, House

STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)


async def test_a_kind_that_fails_never_reaches_the_engine(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        house.validate = f'startup"\nsending_facility = "{"x" * 300}'
        await house.daemon()
        assert await house.play(STUDY) == 0
        await house.until(lambda: [row["state"] for row in house.rows()] == ["dead"], "the dead letter")
        assert "break HL7's structures: hl7apy refuses it: MaxLengthReached" in house.rows()[0]["error"]
        assert "hl7_kind_invalid" in house.log
        assert "kind=final" in house.log
        assert receiver.messages.empty()


async def test_as_shipped_the_report_is_looked_at_and_arrives(house: House) -> None:
    async with Receiver() as receiver:
        house.engine, house.validate = f"127.0.0.1:{receiver.port}", "startup"
        await house.daemon()
        assert await house.play(STUDY) == 0
        await asyncio.wait_for(receiver.messages.get(), 30)
        assert (house.folder / "state" / "hl7-passed").exists()
