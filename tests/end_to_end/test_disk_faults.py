"""The whole daemon on disks that fill, go bad or lose what they had."""

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from drivers.simulator import SIMULATOR
from gateway.domain.study import Study
from gateway.protocols.er7 import Message
from gateway.sinks.receiver import ANSWERS, Receiver, Reply
from gateway.store.copies import copies
from tests.disks import full, overwrite, small_disk
from tests.end_to_end.conftest import PERFORMED_AT, House


def examination(seed: int = 7) -> Study:
    return SIMULATOR.study("normal", seed=seed, performed_at=PERFORMED_AT)


def count(house: House, query: str) -> int:
    path = house.folder / "state" / "gateway.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query).fetchone()[0])


async def stopped(daemon: asyncio.subprocess.Process) -> None:
    daemon.send_signal(signal.SIGTERM)
    assert await daemon.wait() == 0


async def test_a_full_disk_refuses_the_cart_lets_out_what_there_is_and_goes_on_by_itself(
    house: House,
) -> None:
    answered: list[str] = []

    def accept(message: Message) -> Reply:
        answered.append(message.header.text(10))
        return ANSWERS["AA"](message)

    with small_disk(house.folder / "state", 12) as disk:
        async with Receiver(ANSWERS["nothing"]) as receiver:
            house.engine = f"127.0.0.1:{receiver.port}"
            daemon = await house.daemon()
            assert await house.play(examination()) == 0
            await house.until(lambda: len(house.rows()) == 1, "the message to wait")

            with full(disk):
                playing = asyncio.create_task(house.play(examination(seed=8)))
                await house.until(lambda: "frame_not_stored" in house.log, "the cart to be refused")
                receiver.answer = accept
                await house.until(lambda: len(answered) == 1, "what there is to go out")
                assert await playing != 0
                assert len(answered) == 1

            assert await house.play(examination(seed=8)) == 0
            await house.until(lambda: [r["state"] for r in house.rows()] == ["delivered"] * 2, "the answers")
        await stopped(daemon)
        recordings = count(house, "SELECT count(*) FROM fact WHERE kind = 'recording'")

    assert len(set(answered)) == len(answered) == 2
    assert recordings == 2 * len(examination().recordings)
    assert house.log.count("storage_refused") == 1
    assert "free space on its disk, it goes on by itself" in house.log
    assert "storage_recovered" in house.log


async def test_a_damaged_store_is_named_salvaged_and_goes_on(house: House) -> None:
    async with Receiver(ANSWERS["nothing"]) as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        assert await house.play(examination()) == 0
        await house.until(lambda: len(house.rows()) == 1, "the message to wait")
        await stopped(daemon)
    path = house.folder / "state" / "gateway.db"
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'entry_session'"
        overwrite(path, (connection.execute(query).fetchone()[0] - 1) * 4096, b"\xaa" * 512)

    refused = await house.start("run", "--config", str(house.config), log="refused.log")
    assert await asyncio.wait_for(refused.wait(), 30) == 65
    (line,) = (house.folder / "refused.log").read_text("utf-8").splitlines()
    assert f"{path}: damaged: " in line
    assert line.endswith("stop the gateway and run 'emg-gateway store salvage'")

    salvaging = await house.start("store", "salvage", "--config", str(house.config), log="salvage.log")
    assert await asyncio.wait_for(salvaging.wait(), 30) == 0
    assert "nothing was lost; start the gateway" in (house.folder / "salvage.log").read_text("utf-8")
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        await asyncio.wait_for(receiver.messages.get(), 30)
        await house.until(lambda: [r["state"] for r in house.rows()] == ["delivered"], "the answer")


async def test_old_curves_go_while_the_gateway_runs_and_the_same_examination_is_not_new(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        house.gateway = "[store]\nquota_mb = 1\nkeep_waveforms_days = 0"
        daemon = await house.daemon()
        assert await house.play(examination()) == 0
        await asyncio.wait_for(receiver.messages.get(), 30)
        await house.until(lambda: [r["state"] for r in house.rows()] == ["delivered"], "the answer")
        await stopped(daemon)

        daemon = await house.daemon()
        await house.until(lambda: "store_thinned_out" in house.log, "the curves to go")
        whole = "SELECT count(*) FROM fact WHERE kind = 'recording' AND thinned = 0"
        await house.until(lambda: count(house, whole) == 0, "all of them to go")
        facts = count(house, "SELECT count(*) FROM fact")
        assert await house.play(examination()) == 0
        await stopped(daemon)

    assert count(house, "SELECT count(*) FROM fact WHERE kind = 'recording'") == len(examination().recordings)
    assert count(house, "SELECT count(*) FROM fact") == facts
    assert len(house.rows()) == 1
    assert copies(Path(house.folder / "state" / "gateway.db")) == []
