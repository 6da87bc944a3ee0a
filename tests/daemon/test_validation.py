"""What hl7apy finds wrong keeps a kind of message from the engine; what hangs or breaks holds up nothing."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.daemon.config import Hl7Section
from gateway.daemon.engines import destination
from gateway.daemon.validation import PASSED, Check, Validation
from gateway.errors import Temporary
from gateway.pipeline.samples import KINDS, kinds_of, samples
from tests.factories import reference

TOO_LONG = "x" * 300  # for MSH-4
HANGS = (sys.executable, "-c", "import time; time.sleep(600)")
DEADLINE_S = 30.0


def engine(name: str = "engine", **keys: Any) -> Hl7Section:
    return msgspec.convert({"name": name, "url": "mllp://127.0.0.1"} | keys, Hl7Section)


def written(section: Hl7Section) -> dict[str, bytes]:
    return samples(destination(section).header, reference())


@asynccontextmanager
async def validating(folder: Path, *engines: Hl7Section, **changes: Any) -> AsyncIterator[list[Check]]:
    validation = Validation(engines, reference(), folder, **changes)
    running = asyncio.create_task(validation.run())
    try:
        yield [check for check in map(validation.check, engines) if check]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def reason(check: Check, message: bytes) -> str | None:
    return await asyncio.wait_for(check(message), DEADLINE_S)  # type: ignore[arg-type]  # a coroutine


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.getMessage(), record.__dict__.get("fields", {})) for record in caplog.records]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_of_its_kind(kind: str) -> None:
    assert kind in kinds_of(written(engine())[kind])


def test_a_report_is_of_no_kind_that_it_has_nothing_of() -> None:
    assert kinds_of(written(engine())["interim"]) == ("interim", "final", "corrected")
    assert kinds_of(written(engine())["wrong-patient"]) == ("wrong-patient",)


async def test_what_hl7apy_finds_nothing_wrong_with_goes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    section = engine()
    async with validating(tmp_path, section) as (check,):
        assert await reason(check, written(section)["final"]) is None
    assert events(caplog) == []


async def test_what_passed_once_is_not_looked_at_again(tmp_path: Path) -> None:
    async with validating(tmp_path, engine(), engine("same")) as (check, _):
        await reason(check, b"MSH|^~\\&|")
        running = (tmp_path / PASSED).read_text("ascii").split()
    assert len(running) == len(KINDS)
    async with validating(tmp_path, engine(), command=HANGS) as (check,):
        assert await reason(check, b"MSH|^~\\&|") is None


async def test_a_kind_that_fails_is_named_and_kept_from_its_engine_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = engine("bad", sending_facility=TOO_LONG), engine("good")
    async with validating(tmp_path, bad, good) as (of_bad, of_good):
        told = await reason(of_bad, written(bad)["wrong-patient"])
        assert told == (
            "messages of its kind (wrong-patient) break HL7's structures: hl7apy refuses it: MaxLengthReached"
        )
        assert await reason(of_good, written(good)["wrong-patient"]) is None
    invalid = [
        (fields["sink"], fields["kind"]) for event, fields in events(caplog) if event == "hl7_kind_invalid"
    ]
    assert invalid == [("bad", kind) for kind in KINDS]
    assert all(record.levelno == logging.ERROR for record in caplog.records)
    passed = (tmp_path / PASSED).read_text("ascii").split()
    assert len(passed) == len(KINDS)  # those of the good one: the bad ones are looked at again


@pytest.mark.parametrize(
    "command",
    [
        HANGS,
        (sys.executable, "-c", "raise SystemExit(1)"),
        (sys.executable, "-c", "print('not JSON')"),
        (sys.executable, "-c", 'print(\'{"message": 99, "problem": "of no message"}\')'),
        ("/nowhere/python",),
    ],
)
async def test_a_check_that_hangs_or_breaks_is_told_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: tuple[str, ...]
) -> None:
    deadline_s = 0.3 if command is HANGS else DEADLINE_S
    async with validating(tmp_path, engine(), command=command, deadline_s=deadline_s) as (check,):
        assert await reason(check, written(engine())["final"]) is None
    assert [event for event, _ in events(caplog)] == ["hl7_kinds_not_checked"]
    assert not (tmp_path / PASSED).exists()


async def test_what_was_told_to_stop_lets_nothing_out_unlooked_at(tmp_path: Path) -> None:
    stopped = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    validation = Validation([engine()], reference(), tmp_path, command=stopped)
    with pytest.raises(Temporary, match="told to stop"):
        await asyncio.wait_for(validation.run(), DEADLINE_S)
    check = validation.check(engine())
    assert check is not None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(check(written(engine())["final"]), 0.05)  # type: ignore[arg-type]  # a coroutine


async def test_stopping_kills_what_still_looks(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    looking = (sys.executable, "-c", f"import time; open({str(marker)!r}, 'w').close(); time.sleep(600)")
    async with validating(tmp_path, engine(), command=looking):
        async with asyncio.timeout(DEADLINE_S):
            while not marker.exists():  # noqa: ASYNC110  # another process does not set our events
                await asyncio.sleep(0.01)
    # a child that was left would be told of as a resource that nobody closed


async def test_always_looks_at_every_message(tmp_path: Path) -> None:
    section = engine(validate="always")
    async with validating(tmp_path, section) as (check,):
        good = written(section)["final"]
        assert await reason(check, good) is None
        assert (
            await reason(check, good.replace(b"|1.1|9|mV", b"|1.1|nine|mV", 1))
            == "OBX CMAP-AMP 1.1: OBX-5 is not a number"
        )


async def test_a_patient_without_an_id_is_no_reason_to_keep_a_report_back(tmp_path: Path) -> None:
    section = engine(validate="always")
    nobody = written(section)["final"].replace(b"PID|1||SAMPLE-1|", b"PID|1|||")
    async with validating(tmp_path, section) as (check,):
        assert b"PID|1|||" in nobody
        assert await reason(check, nobody) is None


async def test_always_keeps_back_what_could_not_be_looked_at(tmp_path: Path) -> None:
    section = engine(validate="always")
    async with validating(tmp_path, section) as (check,):
        assert await reason(check, written(section)["final"]) is None
    async with validating(tmp_path, section, command=HANGS, deadline_s=0.3) as (check,):
        told = await reason(check, written(section)["final"])
    assert told == "it could not be checked: not done within 0.3 s"


async def test_never_looks_at_nothing(tmp_path: Path) -> None:
    async with validating(tmp_path, engine(validate="never"), command=HANGS) as checks:
        assert checks == []
        await asyncio.sleep(0)
    assert not (tmp_path / PASSED).exists()


async def test_what_cannot_be_noted_or_read_is_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / PASSED).mkdir()
    async with validating(tmp_path, engine()) as (check,):
        assert await reason(check, written(engine())["final"]) is None
