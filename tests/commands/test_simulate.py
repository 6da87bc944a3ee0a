import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.simulator import Cart, VirtualPatient
from gateway.commands import simulate
from gateway.commands.main import run
from gateway.domain.study import ExamEnded
from gateway.formats import study_json
from gateway.protocols.lis_records import Delivery
from tests.drivers.lis_host import Host
from tests.factories import motor, study

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_bytes(study_json.encode(study(motor("wrist"))))
    return path


async def exists(link: Path) -> None:
    async with asyncio.timeout(30):
        while not link.is_symlink():  # noqa: ASYNC110, ASYNC240  # a file system tells nobody
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def plugged_in(link: Path) -> AsyncIterator[Host]:
    """A host that opens the line as soon as it is there."""
    await exists(link)
    host = Host()
    await host.plug_in(str(link))
    yield host
    host.unplug()


async def test_a_document_is_played_until_all_of_it_is_acknowledged(
    capsys: Capture, document: Path, tmp_path: Path
) -> None:
    link = tmp_path / "cart"
    playing = asyncio.create_task(asyncio.to_thread(run, ["simulate", str(document), "--link", str(link)]))
    async with plugged_in(link) as host:
        assert await playing == 0
    assert host.recordings == [motor("wrist")]
    assert isinstance(host.facts[-1], ExamEnded)
    assert all(result.header.simulated for result in host.results if isinstance(result, Delivery))
    assert not link.is_symlink()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("emg-gateway: the line is /dev/pts/")
    assert err.count("\n") == 1


async def test_a_cart_with_a_fault_gets_it_across(document: Path, tmp_path: Path) -> None:
    link = tmp_path / "cart"
    options = ["--faults", "noise", "--protocol", "lis", "--speed", "0"]
    arguments = ["simulate", str(document), "--link", str(link), *options]
    playing = asyncio.create_task(asyncio.to_thread(run, arguments))
    async with plugged_in(link) as host:
        assert await playing == 0
    assert len(host.recordings) == 1


def test_nobody_opens_the_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, document: Path, tmp_path: Path
) -> None:
    impatient = VirtualPatient(cart=Cart(patience_s=0.05))
    monkeypatch.setattr(simulate, "installed_simulator", lambda: impatient)
    assert run(["simulate", str(document), "--link", str(tmp_path / "cart")]) == 75
    _, error = capsys.readouterr().err.splitlines()
    assert error.endswith("no answer for 0.05 s; is the gateway running?")
    assert not (tmp_path / "cart").is_symlink()


@pytest.mark.usefixtures("interruptible")
async def test_interrupted_it_takes_the_link_away(document: Path, tmp_path: Path) -> None:
    link = tmp_path / "cart"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "simulate", str(document), "--link", str(link)),
        stderr=asyncio.subprocess.PIPE,
    )
    await exists(link)
    program.send_signal(signal.SIGINT)
    _, err = await program.communicate()
    assert program.returncode == 130
    assert b"Traceback" not in err
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["/no/such/file"], 66, "/no/such/file: No such file or directory"),
        (["/dev/null"], 65, "/dev/null: not valid JSON"),
        (["{document}", "--faults", "gremlins"], 64, "no fault 'gremlins'; there are: bad-checksum, "),
        (["{document}", "--protocol", "dicom"], 64, "Invalid value for '--protocol'"),
        (["{document}", "--speed", "-1"], 64, "speed -1.0: must be 0"),
        (["{document}", "--speed", "nan"], 64, "speed nan: must be 0"),
        (["{document}", "--link", "{document}"], 73, "{document}: File exists"),
        (["{document}", "--link", "/no/such/folder/cart"], 73, "/no/such/folder/cart: No such file"),
    ],
)
def test_what_cannot_be_played_is_one_line(
    capsys: Capture, document: Path, arguments: list[str], code: int, told: str
) -> None:
    filled = [argument.format(document=document) for argument in arguments]
    assert run(["simulate", *filled]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"emg-gateway: {told.format(document=document)}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["simulate", "{document}"], ["demo", "--once"]])
def test_without_a_simulator_it_says_what_to_install(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, document: Path, command: list[str]
) -> None:
    monkeypatch.setattr(simulate, "_GROUP", "emg_gateway.nothing_of_the_kind")
    assert run([argument.format(document=document) for argument in command]) == 69
    assert "no simulator is installed" in capsys.readouterr().err
