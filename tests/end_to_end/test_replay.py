"""A report that was delivered goes out again beside the running gateway: the same bytes, and who and why."""

import asyncio

from drivers.simulator import SIMULATOR
from gateway.sinks.receiver import Receiver
from tests.end_to_end.conftest import PERFORMED_AT, House

STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)


async def test_an_engine_that_lost_a_report_gets_the_same_bytes_again(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        assert await house.play(STUDY) == 0
        first = await asyncio.wait_for(receiver.messages.get(), 30)
        await house.until(lambda: [row["state"] for row in house.rows()] == ["delivered"], "the answer")

        words = ["--study", STUDY.header.study_id, "--to", "engine", "--reason", "restored from a backup"]
        process = await house.start("replay", *words, "--send", "--config", str(house.config))
        assert await process.wait() == 0

        again = await asyncio.wait_for(receiver.messages.get(), 30)
        assert again.block == first.block
        assert again.duplicate
        await house.until(lambda: house.rows()[0]["state"] == "delivered", "the second answer")
        (row,) = house.rows()
        assert row["attempts"] == 2
        assert row["decision"].startswith("replayed by ")
        assert row["decision"].endswith(": restored from a backup")
