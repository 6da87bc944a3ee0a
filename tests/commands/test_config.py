from pathlib import Path

import pytest

from gateway.commands.main import run
from gateway.daemon.config import DEFAULT_PATH, parse
from gateway.daemon.reference import shipped_data

Capture = pytest.CaptureFixture[str]
HL7 = '[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1:2575"\n'
DRIVER = '[[drivers]]\nname = "room-1"\ntype = "serial_lis"\nurl = "serial:///dev/ttyUSB0"\n'
MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\nsite = "lab7"\nstate_dir = "{tmp_path}/state"\n{HL7}{DRIVER}{MQTT}', "utf-8")
    return path


def test_a_configuration_that_can_be_used_is_said_to_be_ok(capsys: Capture, config: Path) -> None:
    assert run(["config", "check", "--config", str(config)]) == 0
    assert capsys.readouterr() == (f"{config}: ok\n", "")


def test_the_shipped_configuration_can_be_used(capsys: Capture) -> None:
    assert run(["config", "check", "--config", str(shipped_data() / "gateway.toml")]) == 0
    assert capsys.readouterr().err == ""


def test_checking_opens_and_creates_nothing(config: Path) -> None:
    assert run(["config", "check", "--config", str(config)]) == 0
    assert [path.name for path in config.parent.iterdir()] == ["gateway.toml"]


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_configuration_that_cannot_be_read_is_named(capsys: Capture, config: Path, command: str) -> None:
    config.write_text("[gateway]\nsit = 1\n", "utf-8")
    assert run(["config", command, "--config", str(config)]) == 78
    told = f"emg-gateway: {config}: unknown key 'sit' in [gateway]; did you mean 'site'?\n"
    assert capsys.readouterr() == ("", told)


def test_a_slip_in_a_laboratorys_own_file_is_shown(capsys: Capture, config: Path, tmp_path: Path) -> None:
    own = tmp_path / "data" / "thresholds.toml"
    own.parent.mkdir()
    text = (shipped_data() / "thresholds.toml").read_text("utf-8")
    own.write_text(text.replace("value = 32\n", "value = 320\n"), "utf-8")
    config.write_text(f'[analysis]\ndata_dir = "{own.parent}"\n{config.read_text("utf-8")}', "utf-8")
    assert run(["config", "check", "--config", str(config)]) == 78
    told = f"emg-gateway: {config}: {own}: upper_limb_c.value: must be 20 or more and at most 40\n"
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[[hl7]]", '[analysis]\nnorms = "aanem"\n[[hl7]]', "no norm table 'aanem'; did you mean"),
        (
            "[[hl7]]",
            '[analysis]\ndata_dir = "/none"\n[[hl7]]',
            "[analysis] data_dir /none: no such directory",
        ),
        ("mllp://", "http://", "[[hl7]] engine: 'http://"),
        ("mqtt://", "http://", "[mqtt] url"),
        ("serial://", "usb://", "[[drivers]] room-1: "),
        ("[mqtt]\n", '[mqtt]\npassword_file = "/none"\n', "/none: No such file or directory"),
    ],
)
def test_what_could_not_run_is_refused(capsys: Capture, config: Path, old: str, new: str, told: str) -> None:
    config.write_text(config.read_text("utf-8").replace(old, new), "utf-8")
    assert run(["config", "check", "--config", str(config)]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"emg-gateway: {config}: ")
    assert told in err


def test_a_gateway_without_an_engine_has_no_messages_to_check(capsys: Capture, config: Path) -> None:
    config.write_text("", "utf-8")
    assert run(["config", "check", "--config", str(config)]) == 0
    assert capsys.readouterr().out == f"{config}: ok\n"


def test_a_header_that_no_engine_could_read_is_found_before_anything_is_sent(
    capsys: Capture, config: Path
) -> None:
    longest = f'sending_application = "{"x" * 300}"\n'
    config.write_text(config.read_text("utf-8").replace("[[hl7]]\n", f"[[hl7]]\n{longest}"), "utf-8")
    assert run(["config", "check", "--config", str(config)]) == 78
    told = capsys.readouterr().err
    assert "[[hl7]] engine: its interim message: hl7apy refuses it: MaxLengthReached" in told


def test_what_is_shown_is_the_whole_configuration(capsys: Capture, config: Path) -> None:
    assert run(["config", "show", "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert parse(out, "shown.toml") == parse(config.read_text("utf-8"), "gateway.toml")
    assert 'cart = "cart-a"' in out
    assert "ack_timeout_s = 10.0" in out


@pytest.mark.skipif(DEFAULT_PATH.exists(), reason=f"this machine has a {DEFAULT_PATH}")
@pytest.mark.parametrize("command", ["config check", "config show", "ledger", "run"])
def test_without_a_configuration_the_error_names_the_usual_place(capsys: Capture, command: str) -> None:
    assert run(command.split()) == 78
    told = (
        f"emg-gateway: {DEFAULT_PATH}: No such file or directory; write one, or name it with --config FILE\n"
    )
    assert capsys.readouterr() == ("", told)
