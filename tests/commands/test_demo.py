import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from drivers.simulator import SIMULATOR, VirtualPatient
from gateway.commands import demo, demo_stage
from gateway.commands.demo_lines import TOPICS, guidance_line, listen, recording_line, result_lines
from gateway.commands.demo_stage import Stage, examination, message_received, signed_off, subscribed
from gateway.commands.main import run
from gateway.domain.assessment import document
from gateway.domain.recording import Recording
from gateway.domain.study import Study
from gateway.errors import CannotCreate, StorageError, Temporary, Unavailable
from gateway.pipeline.stages import assessment, examine
from gateway.sinks import broker
from gateway.sinks.broker import BrokerAddress, BrokerKind, demo_broker, find_mosquitto
from gateway.sinks.receiver import Receiver
from tests.factories import motor, motor_marks, reference, sensory, study

Capture = pytest.CaptureFixture[str]
SCENARIOS = {one.name: one for one in SIMULATOR.scenarios}


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, library = logging.getLogger(), logging.getLogger("asyncio")
    handlers, level, library_level = root.handlers[:], root.level, library.level
    root.handlers.clear()  # so that those of pytest are not closed
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    library.setLevel(library_level)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Temporary files go to a folder of the test's own, which is empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No mosquitto on this machine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "_BESIDE_PATH", ())


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> BrokerKind:
    wanted: BrokerKind = request.param
    if wanted == "amqtt":
        request.getfixturevalue("embedded")
    elif find_mosquitto() is None:
        reason = "mosquitto is not installed: apt-get install mosquitto"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return wanted


def test_once_shows_an_examination_from_the_cart_to_both_receivers(capsys: Capture, kind: BrokerKind) -> None:
    assert run(["demo", "--once"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].startswith("SIMULATED DATA, not a patient.")
    assert lines[1].startswith(f"  broker    {kind} on 127.0.0.1:")
    summary = lines[lines.index("") + 1 :]
    assert summary[0].startswith("PRELIMINARY: ")
    assert summary[1].startswith("▲ right median APB, wrist to elbow: definite block; amplitude -")
    assert re.fullmatch(rf"MQTT  {TOPICS}/study/[A-Z2-7]{{8}}/assessment", summary[-2])
    assert re.fullmatch(r"HL7   ORU\^R01 \S+ delivered, answered AA", summary[-1])


def test_the_scenarios_are_listed_with_what_is_true(capsys: Capture) -> None:
    assert run(["demo", "--scenario", "list"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        [one.name, one.truth] for one in SIMULATOR.scenarios
    ]


def test_an_unknown_scenario_is_answered_with_those_there_are(capsys: Capture) -> None:
    assert run(["demo", "--once", "--scenario", "flu"]) == 64
    told = f"emg-gateway: no scenario 'flu'; there are: {', '.join(SCENARIOS)}\n"
    assert capsys.readouterr() == ("", told)


def test_without_a_place_for_its_files_it_says_so(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    assert run(["demo", "--once"]) == 73
    told = "emg-gateway: no directory for the demo's state: No such file or directory; set TMPDIR\n"
    assert capsys.readouterr() == ("", told)


@pytest.mark.usefixtures("embedded")
def test_without_a_broker_it_says_what_to_install(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    assert run(["demo", "--once"]) == 69
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("emg-gateway: no MQTT broker is installed: ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("embedded")
def test_a_message_that_does_not_come_is_said_in_one_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_stage, "_ANSWER_TIMEOUT_S", 0.01)
    assert run(["demo", "--once"]) == 75
    told = "emg-gateway: no message reached the demo's receiver; the lines above say why\n"
    assert capsys.readouterr().err == told


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGINT, "stop with Ctrl-C"),
        (signal.SIGINT, " mV\n"),
        (signal.SIGTERM, " mV\n"),
        (signal.SIGHUP, " mV\n"),
    ],
)
def test_interrupted_it_ends_quietly_and_leaves_nothing_running(number: signal.Signals, after: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert any(after in line for line in program.stdout)
        started = children(program.pid)
        program.send_signal(number)
        _, err = program.communicate(timeout=30)
    assert program.returncode == 130
    assert err.strip() == ""
    assert not [child for child in started if Path(f"/proc/{child}").exists()]


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert any(" mV\n" in line for line in program.stdout)
        program.stdout.close()
        _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (0, "")


class Brief(VirtualPatient):
    """The simulator, in a hurry: two stimulations are an examination."""

    def study(self, scenario: str, *, seed: int, performed_at: str) -> Study:
        whole = SIMULATOR.study(scenario, seed=seed, performed_at=performed_at)
        return replace(whole, recordings=whole.recordings[:2])


async def shown(capsys: Capture, text: str) -> None:
    seen = ""
    async with asyncio.timeout(30):
        while text not in seen:
            await asyncio.sleep(0.01)
            seen += capsys.readouterr().out


@pytest.mark.usefixtures("embedded")
async def test_left_alone_it_shows_one_patient_after_the_other(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "_WATCHING_SPEED", 1e9)
    monkeypatch.setattr(demo, "_BETWEEN_PATIENTS_S", 0.0)
    showing = asyncio.create_task(demo.show(Brief(), SCENARIOS["normal"], tmp_path, once=False))
    await shown(capsys, "seed 9: ")
    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    async with demo_broker("amqtt") as address, Receiver() as receiver:
        yield Stage(simulator=Brief(), folder=folder, broker=address, receiver=receiver)


async def test_a_healthy_patient_has_no_block(capsys: Capture, tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        await examination(here, healthy(), speed=0.0)
    out = capsys.readouterr().out
    assert "  no conduction block found\n" in out
    assert "▲" not in out


async def test_a_gateway_that_cannot_run_ends_it_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    async with stage(tmp_path) as here:
        with pytest.raises(StorageError):
            await examination(here, healthy(), speed=1.0)


async def test_a_cart_that_cannot_play_ends_it_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "cart").touch()
    async with stage(tmp_path) as here:
        with pytest.raises(CannotCreate, match="File exists"):
            await examination(here, healthy(), speed=1.0)


def healthy() -> Study:
    return Brief().study("normal", seed=7, performed_at="2026-11-02T10:15:00+01:00")


async def never() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    """It has nothing to say."""


async def test_a_gateway_that_just_ends_is_no_success() -> None:
    cart, gateway = asyncio.create_task(never()), asyncio.create_task(at_once())
    with pytest.raises(Temporary, match="no message reached"):
        await message_received(Receiver(), cart, gateway, within_s=None)
    assert cart.cancelled()


async def test_a_gateway_that_does_not_sign_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_stage, "_SIGN_OFF_S", 0.01)
    listener = asyncio.create_task(never())
    with pytest.raises(Temporary, match="did not sign off"):
        async with signed_off(listener):
            pass
    assert listener.cancelled()


async def listened(address: BrokerAddress, running: AsyncExitStack) -> None:
    async with subscribed(address) as screen:
        await running.aclose()
        await listen(screen)


async def test_a_broker_that_goes_away_is_said() -> None:
    async with AsyncExitStack() as running:
        address = await running.enter_async_context(demo_broker("amqtt"))
        with pytest.raises(Unavailable, match="the demo's broker is gone"):
            await listened(address, running)


async def heard(*messages: tuple[str, dict[str, Any] | None]) -> tuple[str, dict[str, Any]]:
    """What the listener makes of what a gateway says."""
    async with demo_broker("amqtt") as address, subscribed(address) as screen:
        async with aiomqtt.Client(address.host, address.port) as gateway:
            for topic, payload in messages:
                await gateway.publish(f"{TOPICS}/{topic}", json.dumps(payload) if payload else b"", qos=1)
        return await listen(screen)


ONLINE = ("status", {"state": "online"})
OFFLINE = ("status", {"state": "offline"})


async def test_the_last_assessment_before_the_gateway_signs_off_counts() -> None:
    topic, assessment = await heard(
        OFFLINE,  # the last word of the gateway before
        ONLINE,
        ("study/AAAAAAAA/assessment", {"data": {"n": 1}}),
        ("study/AAAAAAAA/assessment", {"data": {"n": 2}}),
        ("study/AAAAAAAA/assessment", None),
        ("study/AAAAAAAA/unheard-of", {"data": {}}),
        ONLINE,
        OFFLINE,
    )
    assert (topic, assessment) == (f"{TOPICS}/study/AAAAAAAA/assessment", {"n": 2})


async def test_an_examination_without_an_assessment_is_said() -> None:
    with pytest.raises(Temporary, match="no assessment came back"):
        await heard(ONLINE, OFFLINE)


@pytest.mark.parametrize(
    ("marks", "amplitude"),
    [
        ({"amplitude_mv": 9.0}, "9.00 mV"),
        ({"amplitude_uv": 22.0}, "22.00 uV"),
        ({}, "no response"),
        (None, "no response"),
    ],
)
def test_a_recording_is_shown_with_its_amplitude(marks: dict[str, float] | None, amplitude: str) -> None:
    names = {"side": "right", "nerve": "ulnar", "recording_site": "adm", "stimulation_site": "wrist"}
    assert recording_line({**names, "marks": marks}).split(maxsplit=4)[-1] == amplitude


def result(*recordings: Recording) -> list[str]:
    found = assessment(examine(study(*recordings), reference()), reference())
    return list(result_lines(document(found, study_id="S-1", gateway_version="1")))


def test_a_result_that_lacks_nothing_asks_for_nothing() -> None:
    assert result(motor("wrist"), motor("below_elbow"))[2:] == [
        "  no conduction block found",
        "  MMN support: none - no conduction block found",
    ]


def test_a_block_in_doubt_is_shown_with_what_would_settle_it() -> None:
    weak = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5)
    assert result(motor("wrist"), motor("below_elbow", weak), sensory())[2:] == [
        (
            "  right ulnar ADM, wrist to below elbow: indeterminate;"
            " amplitude -66.7 %, area -66.1 %, duration +0.0 %  (Martin-Gruber anastomosis not excluded)"
        ),
        "  no conduction block found",
        "  MMN support: none - a block that is still in doubt, no other found (right ulnar)",
        "  still to record: exclude a Martin-Gruber anastomosis (right ulnar)",
    ]


@pytest.mark.parametrize(
    ("sites", "shown"),
    [
        ({}, "warm the limb (right ulnar)"),
        ({"stimulation_site": "wrist", "recording_site": "adm"}, "warm the limb (right ulnar, wrist, ADM)"),
    ],
)
def test_what_is_still_to_record_is_named_with_its_place(sites: dict[str, str], shown: str) -> None:
    action = {"code": "warm_limb", "nerve": "ulnar", "side": "right"}
    unknown = {"stimulation_site": None, "recording_site": None}
    assert guidance_line({"actions": [action | unknown | sites]}) == f"  still to record: {shown}"


def test_that_nothing_is_missing_is_said() -> None:
    assert guidance_line({"actions": []}) == "  still to record: nothing that would change the grade"
