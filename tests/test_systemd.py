"""The unit that ships: systemd reads it, finds it closed enough, and knows the service's user."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
UNIT = SYSTEMD / "emg-gateway.service"
# Tenths, as systemd-analyze counts: 0 is closed, 100 open. `OK` begins below 50; a plain service has 96.
LARGEST_EXPOSURE = 20


class Unit(configparser.RawConfigParser):
    """A unit file; a key that comes again has all its values, one a line."""

    def __init__(self) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",))

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def tool(name: str) -> str:
    """The path of a systemd program; where it is missing the test is skipped, but never in CI."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed: the unit was not checked by systemd (apt-get install systemd)"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    return path


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def unit() -> Unit:
    parser = Unit()
    parser.read_string(UNIT.read_text("utf-8"))
    return parser


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as on a machine where its program is installed."""
    text = UNIT.read_text("utf-8")
    path = tmp_path / UNIT.name
    path.write_text(text.replace("ExecStart=/usr/bin/emg-gateway run", "ExecStart=/bin/true"), "utf-8")
    assert path.read_text("utf-8") != text
    return path


def test_the_unit_starts_stops_and_reloads_the_gateway(unit: Unit) -> None:
    service = unit["Service"]

    assert service["ExecStart"] == "/usr/bin/emg-gateway run"
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert "HUP $MAINPID" in service["ExecReload"]
    assert service["Restart"] == "on-failure"
    assert {"64", "65", "78"} <= set(service["RestartPreventExitStatus"].split())
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_the_unit_s_user_is_the_one_that_is_made(unit: Unit) -> None:
    lines = (SYSTEMD / "emg-gateway.sysusers").read_text("utf-8").splitlines()
    made = [line.split()[:2] for line in lines if line.startswith(("u ", "m "))]

    assert unit["Service"]["User"] == unit["Service"]["Group"] == "emg-gateway"
    assert made == [["u", "emg-gateway"], ["m", "emg-gateway"]]
    assert unit["Service"]["SupplementaryGroups"] == "dialout"
    assert any(line.split() == ["m", "emg-gateway", "dialout"] for line in lines)


def test_systemd_finds_no_fault_in_the_unit(installed: Path) -> None:
    found = run(tool("systemd-analyze"), "verify", "--man=no", str(installed))

    assert found.returncode == 0, found.stderr
    assert UNIT.name not in found.stderr


def test_systemd_names_a_key_it_does_not_know(installed: Path) -> None:
    """The check above would find one."""
    installed.write_text(installed.read_text("utf-8").replace("PrivateTmp=yes", "PrivateTemp=yes"), "utf-8")

    assert "PrivateTemp" in run(tool("systemd-analyze"), "verify", "--man=no", str(installed)).stderr


def test_the_unit_is_closed_to_what_the_gateway_does_not_need(installed: Path) -> None:
    threshold = f"--threshold={LARGEST_EXPOSURE}"
    found = run(tool("systemd-analyze"), "security", "--offline=yes", threshold, "--no-pager", str(installed))

    assert found.returncode == 0, found.stdout[-2000:]


def test_systemd_can_make_the_user() -> None:
    found = run(tool("systemd-sysusers"), "--dry-run", str(SYSTEMD / "emg-gateway.sysusers"))

    assert (found.returncode, found.stderr.count("Unknown")) == (0, 0), found.stderr
