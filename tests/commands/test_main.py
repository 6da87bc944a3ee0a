import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gateway
from gateway.commands.main import run
from gateway.formats import study_json
from tests.factories import motor, study

COMMANDS = [
    "analyze",
    "capture",
    "config",
    "conformance",
    "criteria",
    "demo",
    "hl7",
    "ledger",
    "mqtt",
    "outbox",
    "replay",
    "run",
    "simulate",
    "store",
    "studies",
]
NESTED = [
    "config check",
    "config show",
    "hl7 listen",
    "hl7 validate",
    "mqtt watch",
    "studies decline",
    "studies end",
    "studies list",
    "studies set",
    "studies show",
]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def told(capsys: Capture) -> Callable[[], str]:
    """The one line that was written to standard error, and nothing else anywhere."""

    def line() -> str:
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("emg-gateway: ")
        return err.removeprefix("emg-gateway: ").rstrip("\n")

    return line


def test_help_lists_every_command(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.split("Commands:")[1].splitlines() if line] == COMMANDS
    assert err == ""


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_explains_itself(capsys: Capture, option: str) -> None:
    for command in COMMANDS + NESTED:
        assert run([*command.split(), option]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: emg-gateway {command} ")


def test_the_version_is_the_packages(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"emg-gateway, version {gateway.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "reason", "hint"),
    [
        ([], "Missing command.", "emg-gateway --help"),
        (["config"], "Missing command.", "emg-gateway config --help"),
        (["hl7"], "Missing command.", "emg-gateway hl7 --help"),
        (["studies"], "Missing command.", "emg-gateway studies --help"),
        (["studies", "set", "S-1"], "Missing argument 'KEY=VALUE...'.", "emg-gateway studies set --help"),
        (["nope"], "No such command 'nope'.", "emg-gateway --help"),
        (["config", "chek"], "No such command 'chek'.", "emg-gateway config --help"),
        (["analyze"], "Missing argument 'FILE...'.", "emg-gateway analyze --help"),
        (["analyze", "--nope", "x"], "No such option '--nope'.", "emg-gateway analyze --help"),
        (["analyze", "--format", "xml", "x"], "Invalid value for '--format'", "emg-gateway analyze --help"),
        (["simulate", "x", "--speed", "fast"], "Invalid value for '--speed'", "emg-gateway simulate --help"),
        (["demo", "--port", "0"], "Invalid value for '--port'", "emg-gateway demo --help"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_one_line_with_where_to_look(
    told: Callable[[], str], arguments: list[str], reason: str, hint: str
) -> None:
    assert run(arguments) == 64
    line = told()
    assert line.startswith(reason)
    assert line.endswith(f"(try '{hint}')")


def test_an_error_stays_one_line_that_no_terminal_obeys(told: Callable[[], str]) -> None:
    assert run(["analyze", "no\nsuch\x1b[31m"]) == 66
    assert told() == r"no such\x1b[31m: No such file or directory"


@pytest.mark.parametrize("program", [[sys.executable, "-m", "gateway"], ["emg-gateway"]])
def test_the_exit_code_is_the_programs(program: list[str]) -> None:
    beside_python = {"PATH": str(Path(sys.executable).parent)}
    ended = subprocess.run(
        [*program, "analyze", "/no/such/file"], capture_output=True, text=True, check=False, env=beside_python
    )
    assert ended.returncode == 66
    assert (ended.stdout, ended.stderr.count("\n")) == ("", 1)


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    document = tmp_path / "study.json"
    document.write_bytes(study_json.encode(study(motor("wrist"))))
    many = [str(document)] * 500  # far more than a pipe holds
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "analyze", *many], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline().startswith(b'{"schema":')
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0
