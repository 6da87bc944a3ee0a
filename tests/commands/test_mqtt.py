import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.main import run
from gateway.commands.mqtt_lines import Watching
from gateway.sinks.broker import demo_broker
from tests.certificates import authority
from tests.sinks.mosquitto import LOOPBACK, PASSWORDS, mosquitto

PREFIX = "emg/v1/lab1/cart-a"
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
DEADLINE_S = 30.0

# --- lines -----------------------------------------------------------------------------------------------


def event(seq: object, data: object = None) -> dict[str, Any]:
    return {"seq": seq, "boot_id": "b", "time": "2026-11-02T09:15:00.000Z", "data": data or {}}


def shown(*messages: tuple[str, Any], kept: bool = False) -> list[str]:
    """The lines for these messages, without the time of day."""
    watching = Watching()
    lines = []
    for below, whole in messages:
        payload = whole if isinstance(whole, bytes) else json.dumps(whole).encode()
        lines += watching.lines(f"{PREFIX}/{below}", payload, NOON, kept=kept)
    return [line[10:] if line[2:3] == ":" else line for line in lines]


ALERT = {"phase": "start", "text": "Definite conduction block"}


def test_an_event_is_a_line_with_its_time_its_topic_and_a_few_words() -> None:
    (line,) = Watching().lines(f"{PREFIX}/alert/a", json.dumps(event(1, ALERT)).encode(), NOON, kept=False)
    time = datetime(2026, 11, 2, 9, 15, tzinfo=UTC).astimezone()
    assert line == f"{time:%H:%M:%S}  {PREFIX}/alert/a  ! alert start: Definite conduction block"


def test_every_kind_of_event_has_its_words() -> None:
    recording = {
        "side": "right",
        "nerve": "ulnar",
        "recording_site": "adm",
        "stimulation_site": "wrist",
        "marks": {"amplitude_mv": 9.0},
    }
    assessment = {"status": "preliminary", "mmn": {"support": "none"}}
    lines = shown(
        ("study/X/recording", event(1, recording)),
        ("study/X/guidance", event(2, {"actions": []})),
        ("study/X/assessment", event(3, assessment)),
    )
    assert [line.split("  ", 1)[1].split() for line in lines] == [
        ["right", "ulnar", "ADM,", "wrist", "9.00", "mV"],
        ["still", "to", "record:", "nothing", "that", "would", "change", "the", "grade"],
        ["preliminary,", "MMN", "support:", "none"],
    ]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([1, 2, 3], []),
        ([7, 8], []),
        ([1, 3], [f"--- {PREFIX}: event 2 is missing"]),
        ([1, 5, 6], [f"--- {PREFIX}: events 2 to 4 are missing"]),
        ([1, 2, 1, 2, 3], []),
        ([1, "x", 2], []),
    ],
)
def test_missing_numbers_are_told(numbers: list[Any], told: list[str]) -> None:
    lines = shown(*(("alert/a", event(number, ALERT)) for number in numbers))
    assert [line for line in lines if line.startswith("---")] == told
    assert len(lines) == len(numbers) + len(told)


def test_what_the_broker_kept_is_marked_and_no_gap() -> None:
    lines = shown(("alert/a", event(7, ALERT)), ("alert/b", event(3, ALERT)), kept=True)
    assert [line.endswith("(kept)") for line in lines] == [True, True]


def test_the_status_is_told_when_it_changes() -> None:
    online, other = {"state": "online", "boot_id": "b"}, {"state": "online", "boot_id": "c"}
    offline = {"state": "offline", "boot_id": "c"}
    lines = shown(*(("status", whole) for whole in (online, online, other, offline, offline)))
    assert [line.split()[-1] for line in lines] == ["online", "online", "offline"]


@pytest.mark.parametrize(
    ("below", "payload", "told"),
    [
        ("alert/a", b"", "cleared"),
        ("alert/a", b"\xff", "1 bytes that are no JSON object"),
        ("alert/a", b"[" * 100_000, "100000 bytes that are no JSON object"),
        ("alert/a", {"seq": 1, "data": 7}, "21 bytes in another form than this version's"),
        ("status", b"x", "1 bytes that are no JSON object"),
        ("other", {"x": 1}, "8 bytes in another form than this version's"),
        ("cmd/ack", {"by": "\x1b[31m"}, '{"by":"\\u001b[31m"}'),
        ("replay/r", event(7), "event 7 again"),
        ("replay/r", {"done": True}, '{"done":true}'),
        ("alert/a", event(1, ALERT | {"text": "\x1b[31m\n"}), "! alert start: \\x1b[31m\\x0a"),
    ],
)
def test_whatever_comes_is_one_line_that_a_terminal_can_take(below: str, payload: Any, told: str) -> None:
    (line,) = shown((below, payload))
    assert line.endswith(f"  {told}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
DATA = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["side", "nerve", "marks", "reasons", "finding"], JSON)
)
WHOLE = st.fixed_dictionaries({}, optional={"seq": JSON, "time": JSON, "data": DATA | JSON, "state": JSON})
TOPICS = ["status", "alert/a", "study/X/segment", "study/X/recording", "cmd/x", "replay/r"]


@given(st.sampled_from(TOPICS), st.binary() | WHOLE.map(lambda whole: json.dumps(whole).encode()))
def test_no_payload_breaks_it(below: str, payload: bytes) -> None:
    for line in Watching().lines(f"{PREFIX}/{below}", payload, NOON, kept=False):
        assert line.isprintable()
        assert len(line) <= 240


# --- the command -----------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(config: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`mqtt watch` as an engineer starts it."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "mqtt", "watch", "--config", str(config), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def until(stream: asyncio.StreamReader | None, wanted: str) -> str:
    assert stream is not None
    while wanted not in (line := (await stream.readline()).decode()):
        assert line, f"it ended before it said {wanted!r}"
    return line


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def configure(config: Path, *lines: str) -> None:
    config.write_text("\n".join(["[mqtt]", *lines]))


def password_file(path: Path, password: str) -> Path:
    path.write_text(password)
    path.chmod(0o600)
    return path


async def told(port: int, *messages: tuple[str, object], host: str = LOOPBACK) -> None:
    async with aiomqtt.Client(host, port) as gateway:
        for below, whole in messages:
            await gateway.publish(f"{PREFIX}/{below}", json.dumps(whole), qos=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_watch_prints_what_comes_and_what_is_missing_until_it_is_ended(
    config: Path, number: signal.Signals
) -> None:
    async with demo_broker() as broker:
        configure(config, f'url = "mqtt://{broker.host}:{broker.port}"')
        async with watching(config) as program:
            await until(program.stderr, "watching")
            await told(broker.port, ("alert/a", event(1, ALERT)), ("alert/a", event(4, ALERT)))
            await until(program.stdout, "! alert start: Definite conduction block")
            await until(program.stdout, "events 2 to 3 are missing")
            program.send_signal(number)
            assert await program.wait() == 0


async def test_watch_takes_the_topics_it_is_told(config: Path) -> None:
    async with demo_broker() as broker:
        configure(config, f'url = "mqtt://{broker.host}:{broker.port}"')
        async with watching(config, "--topic", f"{PREFIX}/alert/+", "--topic", "else/#") as program:
            await until(program.stderr, "watching")
            await told(broker.port, ("study/X/segment", event(1)), ("alert/a", event(2, ALERT)))
            assert program.stdout is not None
            assert b"alert start" in await program.stdout.readline()


async def test_a_broker_that_is_away_is_told_and_tried_again(config: Path) -> None:
    async with demo_broker() as broker:
        configure(config, f'url = "mqtt://{broker.host}:{broker.port}"')
    async with watching(config) as program:
        line = await until(program.stderr, "trying again")
        assert line.startswith(f"{broker.host}:{broker.port}: ")
        async with demo_broker(ports=[broker.port]):
            await until(program.stderr, "watching")
        await until(program.stderr, "trying again")
        program.send_signal(signal.SIGINT)
        assert await program.wait() == 0


@pytest.fixture
async def laboratory(tmp_path: Path) -> AsyncIterator[int]:
    folder = tmp_path / "broker"
    folder.mkdir()
    async with mosquitto(folder, authority()) as port:
        yield port


async def test_watch_sees_what_a_screen_sees_over_tls(config: Path, tmp_path: Path, laboratory: int) -> None:
    password = PASSWORDS["emg-gateway"]
    configure(
        config,
        f'url = "mqtts://{LOOPBACK}:{laboratory}"',
        'username = "emg-gateway"',
        f'password_file = "{password_file(tmp_path / "gateway", password)}"',
        f'[mqtt.tls]\nca_file = "{authority().ca}"',
    )
    screen = password_file(tmp_path / "screen", PASSWORDS["emg-screen"])
    who = {"username": "emg-gateway", "password": password, "tls_context": authority().believed()}
    async with watching(config, "--username", "emg-screen", "--password-file", str(screen)) as program:
        await until(program.stderr, "watching")
        async with aiomqtt.Client(LOOPBACK, laboratory, **who) as gateway:
            await gateway.publish(f"{PREFIX}/alert/a", json.dumps(event(1, ALERT)), qos=1)
        await until(program.stdout, "alert start")


@pytest.mark.parametrize(
    ("text", "more", "code", "why"),
    [
        ("", [], 78, "there is no [mqtt]"),
        ('[mqtt]\nurl = "embedded"\n', [], 78, "the embedded broker"),
        ('[mqtt]\nurl = "http://x"\n', [], 78, "[mqtt] url"),
        ('[mqtt]\nurl = "mqtts://x"\n[mqtt.tls]\nca_file = "/none"\n', [], 78, "/none: No such file"),
        ('[mqtt]\nurl = "mqtt://x"\n', ["--password-file", "/none"], 64, "--username"),
        (
            '[mqtt]\nurl = "mqtt://x"\n',
            ["--username", "x", "--password-file", "/none"],
            78,
            "/none: No such file",
        ),
    ],
)
def test_what_cannot_be_watched_is_said(
    config: Path, capsys: pytest.CaptureFixture[str], text: str, more: list[str], code: int, why: str
) -> None:
    config.write_text(text)
    assert run(["mqtt", "watch", "--config", str(config), *more]) == code
    assert why in capsys.readouterr().err
