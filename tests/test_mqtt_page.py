"""The page for who builds a screen: its examples are run, its tables are those of the code."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, MqttSection, parse
from gateway.daemon.service import serve
from gateway.protocols.alerts import TRANSITIONS
from gateway.protocols.mqtt_profile import CHANNELS
from gateway.protocols.screens import COMMAND_TOPICS, Acknowledge, Replay, command, replay_end
from gateway.sinks.broker import demo_broker
from gateway.sinks.mqtt import _COMMANDS_AT_ONCE, _COMMANDS_PER_S
from gateway.sinks.replay import _EVENTS_PER_S, _WAITING
from gateway.store.database import open_database
from gateway.store.journal import Journal
from tests.checkout import ROOT
from tests.factories import header, median, motor_marks

PAGE = (ROOT / "docs" / "mqtt.md").read_text("utf-8")
DEADLINE_S = 60.0
BLOCKED = median(
    "elbow",
    motor_marks(onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6),
    distance_mm=220.0,
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def documents() -> list[dict[str, Any]]:
    return [json.loads(block) for block in blocks("json")]


def test_the_commands_that_are_shown_are_commands() -> None:
    envelope, alert, acknowledge, asked, end = documents()

    assert isinstance(command("cmd/ack", json.dumps(acknowledge).encode()), Acknowledge)
    wanted = command("cmd/replay", json.dumps(asked).encode())
    assert isinstance(wanted, Replay)
    assert json.loads(replay_end(wanted, 131, 1)) == end
    assert alert["alert_id"] == acknowledge["alert_id"] == envelope["topic"].removeprefix("alert/")


def test_every_topic_and_every_state_of_an_alert_is_told() -> None:
    assert all(f"`{topic}`" in PAGE for topic in COMMAND_TOPICS)
    told = re.findall(r"^\|[^|]+\| `(?!state)(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(set(told)) == sorted({(str(state), str(phase)) for state, phase in TRANSITIONS.values()})


def test_every_topic_has_its_row_and_the_row_says_whether_it_is_kept() -> None:
    rows = dict(re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", PAGE.partition("## Events")[0], re.MULTILINE))
    told = {topic: kept for topics, kept in rows.items() for topic in re.findall("`([^`]+)`", topics)}
    assert set(told) == {channel.below for channel in CHANNELS.values()}
    for channel in CHANNELS.values():
        assert told[channel.below].startswith(("yes", "until")) == channel.retained


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{_COMMANDS_AT_ONCE} commands at once and {_COMMANDS_PER_S:g} a second" in PAGE
    assert f"at most {_EVENTS_PER_S:.0f} a second" in PAGE
    assert f"One replay runs at a time and {_WAITING} wait" in PAGE
    keys = set(re.findall(r"`(?:\[mqtt\] )?(clear_\w+|replay_\w+)`", PAGE))
    assert keys <= set(MqttSection.__struct_fields__)


def test_the_sample_that_is_sent_is_there() -> None:
    (shown,) = [line for line in PAGE.splitlines() if line.startswith("mosquitto_pub")]
    topic, path = re.findall(r"-t emg/v1/lab1/cart-a/(\S+) -f samples/(\S+)", shown)[0]
    envelope = json.loads((ROOT / "docs" / "samples" / "mqtt" / path).read_bytes())
    assert envelope["topic"] == topic


@asynccontextmanager
async def running(script: Path, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        yield program.stdout
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def until(stream: asyncio.StreamReader, wanted: str) -> str:
    async with asyncio.timeout(DEADLINE_S):
        while wanted not in (line := (await stream.readline()).decode()):
            assert line, f"it ended before it said {wanted!r}"
    return line


def scripts(folder: Path, port: int) -> list[Path]:
    found = []
    for number, block in enumerate(blocks("python")):
        path = folder / f"{number}.py"
        path.write_text(block.replace("1883", str(port)), "utf-8")
        found.append(path)
    return found


async def test_the_screen_that_is_shown_works(tmp_path: Path) -> None:
    async def nobody(_facts: object) -> None:
        """The gateway will find them when it starts."""

    async with open_database(tmp_path / DATABASE) as database:
        journal = await Journal.open(database, SystemClock(), "boot-0")
        facts = [median("wrist", distance_mm=70.0), BLOCKED]
        await journal.intake("room-1", "cart-a", nobody).deliver(header(), facts)
    stop = asyncio.Event()
    async with demo_broker() as broker:
        screen, button = scripts(tmp_path, broker.port)
        settings = f'[gateway]\nstate_dir = "{tmp_path}"\n[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n'
        gateway = asyncio.create_task(serve(parse(settings, "gateway.toml"), stop))
        try:
            async with running(screen) as shown:
                alert = await until(shown, "active not acknowledged")
                alert_id = alert.split()[0].removeprefix("alert/")
                async with running(button, alert_id, "Nurse 2") as told:
                    assert await told.read() == b""
                await until(shown, f"{alert_id} active seen by Nurse 2")
            async with running(screen) as shown:
                await until(shown, "complete up to ")
        finally:
            stop.set()
            await gateway
