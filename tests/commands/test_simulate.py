import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import gateway
from drivers.simulator import SIMULATOR, Cart, Playback, VirtualPatient
from gateway.commands import simulate
from gateway.commands.documents import read_document
from gateway.commands.main import run
from gateway.domain.study import ExamEnded
from gateway.formats import Reading, study_json
from gateway.protocols.capture import Chunk, Header, decode_entries, encode_entry, encode_header
from gateway.protocols.lis_frames import ENQ, EOT, Frame, cut, encode_frame
from gateway.protocols.lis_records import Delivery, encode_study
from tests.drivers.lis_host import Host
from tests.factories import motor, reference, study

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_bytes(study_json.encode(study(motor("wrist"))))
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """What a cart said that sent the study and never waited."""
    header = Header(
        url="serial:///dev/ttyUSB0",
        settings={},
        started_at="2026-11-02T09:15:00+00:00",
        gateway_version=gateway.__version__,
    )
    records = "".join(f"{record}\r" for record in encode_study(study(motor("wrist")))).encode()
    pieces = [encode_frame(Frame(number % 8, *cut)) for number, cut in enumerate(cut_up(records), start=1)]
    chunks = [Chunk(0.5 * number, piece) for number, piece in enumerate([ENQ, *pieces, EOT])]
    path = tmp_path / "first.jsonl"
    path.write_bytes(encode_header(header) + b"".join(map(encode_entry, chunks)))
    return path


def cut_up(records: bytes) -> Iterator[tuple[bytes, bool]]:
    for record in records.splitlines(keepends=True):
        yield from cut(record)


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


@pytest.mark.parametrize(
    ("played", "told"),
    [("study.json", "no answer for 0.05 s"), ("first.jsonl", "the host has not opened the line for 0.05 s")],
)
def test_nobody_opens_the_line(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    document: Path,
    capture: Path,
    played: str,
    told: str,
) -> None:
    impatient = VirtualPatient(cart=Cart(patience_s=0.05), playback=Playback(patience_s=0.05))
    monkeypatch.setattr(simulate, "installed_simulator", lambda: impatient)
    link = document.with_name("cart")
    assert run(["simulate", str(capture.with_name(played)), "--link", str(link)]) == 75
    _, error = capsys.readouterr().err.splitlines()
    assert error.endswith(f"{told}; is the gateway running?")
    assert not link.is_symlink()


def octets(capture: Path) -> bytes:
    entries = decode_entries(capture.read_bytes().splitlines(keepends=True))
    return b"".join(entry.data for entry in entries if isinstance(entry, Chunk))


async def test_a_capture_is_played_until_all_of_it_is_read(
    capsys: Capture, capture: Path, tmp_path: Path
) -> None:
    link = tmp_path / "cart"
    with capture.open("ab") as file:
        file.write(b'[9.0,"41')  # the machine went off
    playing = asyncio.create_task(asyncio.to_thread(run, ["simulate", str(capture), "--link", str(link)]))
    async with plugged_in(link) as host:
        assert await playing == 0
        assert host.recordings == [motor("wrist")]
    assert host.raw == octets(capture)
    assert not link.is_symlink()
    assert capsys.readouterr().err.startswith("emg-gateway: the line is /dev/pts/")


@pytest.mark.parametrize("protocol", ["dicom", "study"])
def test_a_study_is_written_as_files(capsys: Capture, document: Path, tmp_path: Path, protocol: str) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    document.write_bytes(
        study_json.encode(SIMULATOR.study("cts", seed=7, performed_at="2026-11-02T09:15:00Z"))
    )
    assert run(["simulate", str(document), "--protocol", protocol, "--to", str(inbox)]) == 0
    assert capsys.readouterr() == ("", "")
    files = [read_document(path, Reading(anatomy=reference().anatomy)) for path in inbox.iterdir()]
    assert {file.format.name for file in files} == {protocol}
    assert all(file.document.study.header.simulated for file in files)
    played = read_document(document, Reading(anatomy=reference().anatomy)).document.study
    assert sum(len(file.document.study.recordings) for file in files) == len(played.recordings)


def test_what_no_format_carries_is_named(capsys: Capture, document: Path, tmp_path: Path) -> None:
    document.write_bytes(study_json.encode(study()))
    assert run(["simulate", str(document), "--protocol", "dicom", "--to", str(tmp_path)]) == 65
    assert "needs a recording" in capsys.readouterr().err


def test_what_can_be_read_in_part_only_is_not_played(capsys: Capture, tmp_path: Path) -> None:
    records = "".join(f"{record}\r" for record in encode_study(study(motor("wrist"), motor("below_elbow"))))
    path = tmp_path / "cart.lis"
    path.write_text(records.replace("|mV|", "|kg|", 1), "utf-8")

    assert run(["simulate", str(path), "--protocol", "study", "--to", str(tmp_path)]) == 65

    assert capsys.readouterr().err.startswith(f"emg-gateway: {path}: record ")


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
        (["/dev/null"], 65, "/dev/null: not a file of a known format"),
        (["{document}", "--faults", "gremlins"], 64, "no fault 'gremlins'; there are: bad-checksum, "),
        (["{document}", "--protocol", "dico", "--to", "."], 64, "no protocol 'dico'; did you mean 'dicom'?"),
        (["{document}", "--protocol", "xyz", "--to", "."], 64, "no protocol 'xyz'; there are: dicom, lis, "),
        (["{document}", "--protocol", "dicom"], 64, "--protocol dicom: name the folder for its files with"),
        (["{document}", "--protocol", "dicom", "--link", "x"], 64, "--link: dicom is written as files"),
        (["{document}", "--to", "."], 64, "--to: lis goes over a line; for files name their format with"),
        (["{document}", "--protocol", "lis", "--to", "."], 64, "--to: lis goes over a line"),
        (
            ["{document}", "--protocol", "study", "--to", ".", "--faults", "noise"],
            64,
            "no fault 'noise'; there are: in_place, half, duplicate, truncated",
        ),
        (["{document}", "--protocol", "study", "--to", ".", "--speed", "-1"], 64, "speed -1.0: must be 0"),
        (
            ["{document}", "--protocol", "study", "--to", "/no/such"],
            73,
            "/no/such: no such folder; create it",
        ),
        (["/no/such/file", "--protocol", "study", "--to", "."], 66, "/no/such/file: No such file or"),
        (["{capture}", "--faults", "noise"], 64, "--faults: a capture is played as it was"),
        (["{capture}", "--speed", "-1"], 64, "speed -1.0: must be 0"),
        (["{capture}", "--protocol", "study", "--to", "."], 64, "{capture}: a capture is played over a line"),
        (["{capture}", "--link", "{document}"], 73, "{document}: File exists"),
        (["{damaged}", "--link", "{document}"], 65, "{damaged}: line 3: not [seconds"),
        (["{document}", "--speed", "-1"], 64, "speed -1.0: must be 0"),
        (["{document}", "--speed", "nan"], 64, "speed nan: must be 0"),
        (["{document}", "--link", "{document}"], 73, "{document}: File exists"),
        (["{document}", "--link", "/no/such/folder/cart"], 73, "/no/such/folder/cart: No such file"),
    ],
)
def test_what_cannot_be_played_is_one_line(
    capsys: Capture, document: Path, capture: Path, arguments: list[str], code: int, told: str
) -> None:
    damaged = capture.with_name("damaged.jsonl")
    damaged.write_bytes(capture.read_bytes().replace(b"[0.5", b"(0.5"))
    places = {"document": document, "capture": capture, "damaged": damaged}
    assert run(["simulate", *(argument.format(**places) for argument in arguments)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"emg-gateway: {told.format(**places)}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["simulate", "{document}"], ["demo", "--once"]])
def test_without_a_simulator_it_says_what_to_install(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, document: Path, command: list[str]
) -> None:
    monkeypatch.setattr(simulate, "_GROUP", "emg_gateway.nothing_of_the_kind")
    assert run([argument.format(document=document) for argument in command]) == 69
    assert "no simulator is installed" in capsys.readouterr().err
