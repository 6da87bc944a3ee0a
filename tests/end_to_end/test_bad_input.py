"""Whatever a line or a file holds: it is named, and the next good examination is delivered."""

import asyncio
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.simulator import SIMULATOR
from gateway.formats import study_json
from gateway.protocols.lis_frames import ACK, ENQ, NAK
from gateway.sinks.receiver import Receiver
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House
from tests.end_to_end.raw_cart import (
    END,
    HEADER,
    ORDER,
    PATIENT,
    RawCart,
    examination,
    frame,
    raw_cart,
    recording,
)

WHOLE = SIMULATOR.study("cts", seed=7, performed_at=PERFORMED_AT)
GOOD = replace(WHOLE, recordings=WHOLE.recordings[:2])
ULNAR = "MOTOR^ulnar^right^adm^wrist"


async def garbage(cart: RawCart) -> None:
    await cart.line.write(ENQ + random.Random(7).randbytes(20_000) + b"\x02\n\n")  # noqa: S311


async def wrong_checksum(cart: RawCart) -> None:
    assert await cart.ask(ENQ) == ACK
    good = frame(HEADER)
    assert await cart.ask(good[:-4] + b"00\r\n") == NAK
    assert await cart.ask(good) == ACK


async def cut_in_mid_frame(cart: RawCart) -> None:
    assert await cart.ask(ENQ) == ACK
    assert await cart.ask(frame(HEADER)) == ACK
    await cart.line.write(frame(PATIENT, 2)[:10])
    cart.unplug()


@pytest.mark.parametrize(
    ("play", "event", "named"),
    [
        (garbage, "frame_refused", "driver=room-1"),
        (wrong_checksum, "frame_refused", 'driver=room-1 reason="frame 1: the checksum does not match"'),
        (cut_in_mid_frame, "task_interrupted", "the line is gone"),
    ],
)
async def test_what_goes_wrong_on_the_line_is_named_and_the_gateway_goes_on(
    house: House, play: Any, event: str, named: str
) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        async with raw_cart(house) as cart:
            await play(cart)
            await house.until(lambda: any(named in line for line in told(house, event)), event)

        await good_examination(house, receiver)

    assert daemon.returncode is None
    assert told(house, "task_failed") == []


async def test_what_is_wrong_in_a_record_is_named_and_the_gateway_goes_on(house: House) -> None:
    wrong = {
        ("record 4 (M|1)", "unknown nerve"): examination(recording("MOTOR^optic^right^adm^wrist")),
        ("record 4 (M|1)", "unknown stimulation site"): examination(recording("MOTOR^ulnar^right^adm^ear")),
        ("record 4 (M|1)", "M-4: not MOTOR or SENSORY"): examination(
            recording("MOTOR^ulnar^middle^adm^wrist")
        ),
        ("record 4 (M|1)", "amplitude_mv: is impossible"): examination(recording(ULNAR, "9.0|V")),
        ("record 5 (R|1)", "CMAP-AMP: the unit must be one of"): examination(recording(ULNAR, "9.0|")),
        ("record 5 (R|1)", "CMAP-AMP: not a decimal number"): examination(recording(ULNAR, "strong|mV")),
        ("record 3 (O|1)", "O-3: the study id"): [HEADER, PATIENT, "O|1|", *recording(ULNAR), END],
        ("record 1 (P)", "no H record before it"): [PATIENT, ORDER, *recording(ULNAR), END],
    }
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        daemon = await house.daemon()
        async with raw_cart(house) as cart:
            for (place, reason), records in wrong.items():
                await cart.send(records)
                line = re.escape(f'driver=room-1 place="{place}" reason="') + ".*" + re.escape(reason)
                await house.until(lambda line=line: bool(re.search(line, house.log)), line)  # type: ignore[misc]

        await good_examination(house, receiver)

    assert daemon.returncode is None
    assert told(house, "task_failed") == []


async def good_examination(house: House, receiver: Receiver) -> None:
    """The next examination, and nothing before it, reaches the hospital."""
    assert await house.play(GOOD) == 0
    received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
    assert received.message is not None
    assert received.message.all("OBR")[0].text(20) == GOOD.header.study_id


def told(house: House, event: str) -> list[str]:
    """The lines of the log that tell of `event`."""
    return [line for line in house.log.splitlines() if f" {event} " in line]


async def test_what_is_wrong_takes_its_own_recording_with_it_and_no_other(house: House) -> None:
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        async with raw_cart(house) as cart:
            await cart.send(
                examination(
                    recording("MOTOR^ulnar^right^adm^wrist"),
                    recording("MOTOR^ulnar^right^adm^below_elbow", "strong|mV"),
                    recording("MOTOR^median^right^apb^wrist"),
                )
            )
            received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)

    assert received.message is not None
    amplitudes = [obx.text(4) for obx in received.message.all("OBX") if obx.text(3) == "CMAP-AMP"]
    assert len(amplitudes) == 2
    assert house.log.count(" record_rejected ") == 1


def broken(**changes: Any) -> bytes:
    """The first recording of a good study with some of its keys changed."""
    document = json.loads(study_json.encode(GOOD))
    document["recordings"][0].update(changes)
    return json.dumps(document).encode()


FILES = {
    "cut.study.json": (study_json.encode(GOOD)[:-100], "not valid JSON"),
    "bytes.study.json": (b"\x00" + random.Random(7).randbytes(1000), "not valid JSON"),  # noqa: S311
    "empty.study.json": (b"", "not valid JSON"),
    "nerve.study.json": (broken(nerve="optic"), "recordings[0]: nerve: unknown nerve; known: median"),
    "value.study.json": (broken(distance_mm=-3), "recordings[0]: distance_mm: is impossible"),
    "site.study.json": (broken(stimulation_site="knee"), "recordings[0]: stimulation_site: unknown"),
    "key.study.json": (broken(amplitud_mv=3), "recordings[0]: an unknown key; known: "),
    "type.study.json": (broken(nerve=7), "recordings[0].nerve: Expected `str`, got `int`"),
}


async def test_each_broken_file_is_one_line_that_names_the_place(tmp_path: Path) -> None:
    for name, (content, _) in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.study.json").write_bytes(study_json.encode(GOOD))
    names = [*FILES, "good.study.json"]

    exit_code, output, errors = await run("analyze", *(str(tmp_path / name) for name in names))

    assert exit_code == 65
    assert [json.loads(line)["study_id"] for line in output.splitlines()] == [GOOD.header.study_id]
    for (name, (_, place)), line in zip(FILES.items(), errors.splitlines(), strict=True):
        assert line.startswith(f"emg-gateway: {tmp_path / name}: ")
        assert place in line


@pytest.mark.parametrize(
    ("command", "name", "code", "place"),
    [
        ("simulate", "nerve.study.json", 65, "recordings[0]: nerve: unknown nerve; known: median"),
        ("simulate", "missing.study.json", 66, "No such file"),
        ("analyze", "value.study.json", 65, "recordings[0]: distance_mm"),
        ("analyze", "missing.study.json", 66, "No such file"),
    ],
)
async def test_a_broken_file_is_an_exit_code_and_one_line(
    tmp_path: Path, command: str, name: str, code: int, place: str
) -> None:
    path = tmp_path / name
    if name in FILES:
        path.write_bytes(FILES[name][0])

    exit_code, output, errors = await run(command, str(path))

    assert (exit_code, output) == (code, "")
    (line,) = errors.splitlines()
    assert line.startswith(f"emg-gateway: {path}: ")
    assert place in line


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Run `emg-gateway ARGUMENTS`: its exit code, standard output and standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, stdout=pipe, stderr=pipe
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()
