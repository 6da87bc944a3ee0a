"""A daemon with a drop folder: what a cart exports reaches the hospital and the screens, and nobody else."""

import asyncio
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from drivers.simulator import SIMULATOR
from gateway.domain.recording import Recording
from gateway.domain.study import Order, Study
from gateway.formats import dicom
from gateway.formats.study_json import decode_recording
from gateway.sinks.broker import BrokerAddress
from gateway.sinks.receiver import Receiver
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House, listening
from tests.end_to_end.test_canary import BORN, FAMILY, GIVEN, PATIENT_ID, leaks, text
from tests.end_to_end.test_canary import STUDY as CANARY
from tests.factories import reference

FOLDER = 'type = "dicom_folder"\npoll_s = 0.02\nsettle_s = 0.1\npatience_s = 0.5'
STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)


def exported(study: Study) -> Sequence[bytes]:
    """The files a cart writes of `study`, one a stimulation."""
    simulated = replace(study, header=replace(study.header, simulated=True))
    return dicom.FORMAT.write(simulated, reference().anatomy)


def drop(folder: Path, name: str, content: bytes) -> None:
    """Write a file as a cart does that renames it when it is complete."""
    hidden = folder / f"{name}.tmp"
    hidden.write_bytes(content)
    hidden.rename(folder / name)


def done(house: House) -> set[str]:
    return {path.name for path in (house.inbox / "done").glob("*")}


def recordings(house: House) -> list[Recording]:
    path = house.folder / "state" / "gateway.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT body FROM fact WHERE kind = 'recording' ORDER BY id").fetchall()
    return [decode_recording(body) for (body,) in found]


def all_said(house: House) -> bool:
    return {row["state"] for row in house.rows("emg/v1/lab1/cart-a")} == {"delivered"}


async def killed(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        await process.wait()


async def test_exported_files_reach_the_hospital_and_the_screens(house: House, broker: BrokerAddress) -> None:
    house.folder_driver, house.broker = FOLDER, f"{broker.host}:{broker.port}"
    house.gateway = "exam_timeout_s = 3.0"
    files = exported(STUDY)
    async with Receiver() as receiver, listening(broker.host, broker.port) as seen:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        for number, content in enumerate(files):
            drop(house.inbox, f"IM{number:06}", content)
        await house.until(lambda: len(done(house)) == len(files), "every file to be taken")
        received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        await house.until(lambda: {row["state"] for row in house.rows()} == {"delivered"}, "the answer")
        await house.until(lambda: all_said(house), "the events")

    assert received.message is not None
    assert received.message.header.text(11) == "T"
    findings = [obx.text(5) for obx in received.message.all("OBX") if obx.text(3) == "CB-FINDING"]
    assert [finding for finding in findings if "block" in finding] == ["definite_block"]
    assert len(recordings(house)) == len(STUDY.recordings)
    assert len([message for message in seen if str(message.topic).endswith("/recording")]) == len(files)
    assert "task_failed" not in house.log


async def test_killed_again_and_again_every_file_is_taken_once(house: House) -> None:
    house.folder_driver = FOLDER
    files = exported(STUDY)
    async with Receiver() as receiver:
        house.engine = f"127.0.0.1:{receiver.port}"
        house.gateway = "exam_timeout_s = 5.0"
        daemon = await house.daemon()
        for number, content in enumerate(files):
            drop(house.inbox, f"IM{number:06}", content)
        for taken in (1, len(files) // 2):
            await house.until(lambda n=taken: len(done(house)) >= n, f"{taken} files")  # type: ignore[misc]
            await killed(daemon)
            daemon = await house.daemon()
        await house.until(lambda: len(done(house)) == len(files), "the other files")
        await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)

    assert [path.name for path in house.inbox.iterdir() if path.is_file()] == []
    assert sorted(done(house)) == [f"IM{number:06}" for number in range(len(files))]
    assert len(recordings(house)) == len(STUDY.recordings)
    assert {path.read_bytes() for path in (house.inbox / "done").iterdir()} == set(files)


async def test_a_folder_that_goes_away_and_comes_back_is_taken_up_again(house: House) -> None:
    house.folder_driver = FOLDER
    files = exported(STUDY)[:2]
    await house.daemon()
    drop(house.inbox, "IM1", files[0])
    await house.until(lambda: len(done(house)) == 1, "the first file")
    away = house.inbox.rename(house.folder / "away")
    await house.until(lambda: "is the share mounted" in house.log, "the loss to be noticed")
    drop(away, "IM2", files[1])
    away.rename(house.inbox)
    await house.until(lambda: done(house) == {"IM1", "IM2"}, "the second file")
    assert len(recordings(house)) == 2


async def test_nobody_but_the_hospital_learns_who_the_patient_is(house: House, broker: BrokerAddress) -> None:
    house.folder_driver = f"{FOLDER}\nsingle_file = true"
    house.broker = f"{broker.host}:{broker.port}"
    name = f"{FAMILY}_{GIVEN}_{PATIENT_ID}_{BORN}"
    # DICOM has 16 characters for an accession number; the one there is longer.
    order = Order(placer=f"{FAMILY} {GIVEN}", accession=GIVEN)
    whole, *_ = exported(replace(CANARY, header=replace(CANARY.header, order=order)))
    async with Receiver() as receiver, listening(broker.host, broker.port, "#") as seen:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        drop(house.inbox, f"{name}.dcm", whole)
        drop(house.inbox, f"{name}-cut.dcm", whole[: len(whole) // 2])
        drop(house.inbox, f"{name}-text.dcm", f"{name} is no DICOM file".encode())
        drop(house.inbox, f"{name}-empty.dcm", b"")
        received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        await house.until(lambda: len(list((house.inbox / "failed").glob("*.reason"))) == 3, "the reasons")
        await house.until(lambda: all_said(house), "the events")
        await house.until(lambda: {row["state"] for row in house.rows()} == {"delivered"}, "the answer")

    assert leaks({"hl7": received.block.decode()}) == ["hl7"]
    assert house.log.count(" file_taken ") == 1
    assert house.log.count(" file_failed ") == 3
    assert leaks({"log": house.log}) == []
    assert any("/recording" in str(message.topic) for message in seen)
    assert leaks({str(message.topic): text(message.payload) for message in seen}) == []
    reasons = [path.read_text("utf-8") for path in (house.inbox / "failed").glob("*.reason")]
    assert leaks({"reasons": "".join(reasons)}) == []
