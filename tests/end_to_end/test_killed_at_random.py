"""Examinations, each with a gateway that is killed wherever it happens to be, again and again."""

import asyncio
import contextlib
import random
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.simulator import SIMULATOR
from gateway.domain.recording import Recording
from gateway.formats.study_json import decode_recording
from gateway.sinks.receiver import Receiver
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House

ROUNDS = 6
MOST_KILLS = 2
SEED = 20261102
WHOLE = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)
# Both nerves of the hand, motor and sensory: a block, and what it takes to call it one.
STUDY = replace(
    WHOLE, recordings=tuple(entry for entry in WHOLE.recordings if entry.recording_site in ("apb", "digit_2"))
)
FRAMES = 130  # about as many entries as the examination leaves in the journal, when nothing is sent twice


@pytest.mark.timeout(300)
async def test_whenever_the_gateway_is_killed_nothing_is_lost_and_nothing_is_there_twice(
    tmp_path: Path,
) -> None:
    chances = [random.Random(SEED + number) for number in range(ROUNDS)]  # noqa: S311
    houses = [House(tmp_path / str(number)) for number in range(ROUNDS)]
    await asyncio.gather(*map(examination, houses, chances))


async def examination(house: House, chance: random.Random) -> None:
    house.folder.mkdir()
    try:
        async with Receiver() as receiver:
            house.engine = f"127.0.0.1:{receiver.port}"
            daemon = await house.daemon()
            playing = asyncio.create_task(house.play(STUDY))
            for frames in sorted(chance.sample(range(FRAMES), chance.randint(1, MOST_KILLS))):
                await house.until(lambda n=frames: playing.done() or entries(house) >= n, f"{frames} frames")  # type: ignore[misc]
                daemon = await killed_and_started(house, daemon)
            assert await playing == 0, house.log
            if chance.random() < 0.5:  # what it was about to say is said after the start
                await killed_and_started(house, daemon)
            await house.until(lambda: [row["state"] for row in house.rows()] == ["delivered"], "the message")
            received = [receiver.messages.get_nowait() for _ in range(receiver.messages.qsize())]
    finally:
        await house.stop()

    assert recordings(house) == list(STUDY.recordings)
    assert len({entry.block for entry in received}) == 1
    (row,) = house.rows()
    assert row["control_id"].encode() in received[0].block


async def killed_and_started(house: House, daemon: asyncio.subprocess.Process) -> asyncio.subprocess.Process:
    daemon.send_signal(signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        await daemon.wait()
    return await house.daemon()


def entries(house: House) -> int:
    return int(rows(house, "SELECT count(*) FROM entry")[0][0])


def recordings(house: House) -> list[Recording]:
    """The recordings of the journal, in order."""
    found = rows(house, "SELECT body FROM fact WHERE kind = 'recording' ORDER BY id")
    return [decode_recording(body) for (body,) in found]


def rows(house: House, query: str) -> list[tuple[bytes]]:
    path = house.folder / "state" / "gateway.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()
