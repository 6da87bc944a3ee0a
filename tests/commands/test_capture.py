import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

import gateway
from drivers.simulator.line import Line
from gateway.commands.main import run
from gateway.protocols.capture import Chunk, Entry, Happening, Header, decode_entries, decode_header
from gateway.protocols.lis_frames import ENQ

Captured = pytest.CaptureFixture[str]


def header(file: Path) -> Header:
    return decode_header(file.read_bytes().splitlines(keepends=True)[0])


def entries(file: Path) -> list[Entry]:
    return list(decode_entries(file.read_bytes().splitlines(keepends=True)))


def octets(file: Path) -> bytes:
    return b"".join(entry.data for entry in entries(file) if isinstance(entry, Chunk))


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


class Program:
    """`emg-gateway capture` at work on a pseudo-terminal."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told = ""

    async def until(self, text: str) -> None:
        """Wait until it has told `text`."""
        assert self._process.stderr is not None
        while text not in self.told:
            line = await asyncio.wait_for(self._process.stderr.readline(), 30)
            assert line, f"it ended; it told:\n{self.told}"
            self.told += line.decode()

    async def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it with a signal; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        out, err = await asyncio.wait_for(self._process.communicate(), 30)
        assert not out
        self.told += err.decode()
        assert self._process.returncode is not None
        return self._process.returncode


@contextlib.asynccontextmanager
async def capturing(link: Path, file: Path, *options: str) -> AsyncIterator[Program]:
    """The program, listening."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "capture", f"serial://{link}", str(file), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    program = Program(process)
    try:
        await program.until("listening")
        yield program
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "first.jsonl"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "cart")
    yield line
    line.close()


async def written(line: Line, file: Path, data: bytes) -> None:
    """Send `data`, and wait until the file has it, while the program goes on."""
    before = octets(file)
    await line.write(data)
    async with asyncio.timeout(30):
        while octets(file) != before + data:  # noqa: ASYNC110  # a file system tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_the_line_brings_is_in_the_file_at_once_raw_and_with_its_time(
    tmp_path: Path, file: Path, line: Line, number: signal.Signals
) -> None:
    everything = bytes(range(256))
    async with capturing(tmp_path / "cart", file, "--baudrate", "19200", "--bytesize", "7") as program:
        await written(line, file, ENQ)
        await written(line, file, everything)
        assert await program.end(number) == 0

    assert octets(file) == ENQ + everything
    times = [entry.at_s for entry in entries(file)]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 30
    assert mode(file) == 0o600
    listening, summary, hint = program.told.splitlines()
    assert "may hold patient data" in listening
    assert f"s, 257 bytes in {len(times)} chunks" in summary
    assert hint.startswith("emg-gateway: ")


async def test_the_header_says_where_when_and_how(tmp_path: Path, file: Path, line: Line) -> None:
    assert line.path
    options = ["--baudrate", "19200", "--parity", "E", "--stopbits", "2", "--flow", "rtscts"]
    async with capturing(tmp_path / "cart", file, *options) as program:
        assert await program.end() == 0
    found = header(file)
    assert found.url == f"serial://{tmp_path / 'cart'}"
    assert found.settings == {
        "baudrate": 19200,
        "bytesize": 8,
        "parity": "E",
        "stopbits": 2,
        "flow": "rtscts",
    }
    assert datetime.fromisoformat(found.started_at).tzinfo is not None
    assert found.gateway_version == gateway.__version__
    assert program.told.splitlines()[-1].startswith("emg-gateway: nothing arrived: check the cable")


async def test_nothing_is_ever_written_to_the_line(tmp_path: Path, file: Path, line: Line) -> None:
    async with capturing(tmp_path / "cart", file) as program:
        await written(line, file, ENQ)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.read(), 0.2)
        assert await program.end() == 0
    assert "looks like LIS01-A2" in program.told


async def test_a_plug_that_is_pulled_is_noted_and_waited_for(tmp_path: Path, file: Path) -> None:
    link = tmp_path / "cart"
    line = Line(link)
    async with capturing(link, file) as program:
        await written(line, file, b"before")
        line.close()
        await program.until("the line is lost")
        await asyncio.sleep(1.1)  # it tries again after a second, in vain
        line = Line(link)
        await program.until("the line is back")
        await written(line, file, b"after")
        line.close()
        assert await program.end() == 0
    events = [entry.event for entry in entries(file) if isinstance(entry, Happening)]
    assert events[:2] == ["line_lost", "line_back"]
    assert octets(file) == b"beforeafter"
    assert program.told.count("the line is back") == 1


@contextlib.contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a terminal server that does `talk` with whoever connects first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def until_closed(connection: socket.socket) -> None:
    assert connection.recv(1) == b""  # it never says anything


def test_it_stops_after_so_many_bytes(capsys: Captured, file: Path) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"0123456789")
        until_closed(connection)

    with peer(talk) as url:
        assert run(["capture", url, str(file), "--max-bytes", "7"]) == 0
    assert octets(file) == b"0123456"
    out, err = capsys.readouterr()
    assert out == ""
    assert "7 bytes in" in err


def test_it_stops_after_so_many_seconds(capsys: Captured, file: Path) -> None:
    begun = time.monotonic()
    with peer(until_closed) as url:
        assert run(["capture", url, str(file), "--seconds", "0.2"]) == 0
    assert 0.2 <= time.monotonic() - begun < 20
    assert entries(file) == []
    assert "nothing arrived" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["serial:///no/such/line", "{file}"], 69, "cannot open /no/such/line: No such file or directory"),
        (["socket://127.0.0.1:1", "{file}"], 69, "cannot connect to 127.0.0.1:1"),
        (["/dev/ttyUSB0", "{file}"], 64, "url '/dev/ttyUSB0': use serial:///dev/ttyUSB0 or"),
        (["serial:///dev/null", "{file}", "--parity", "X"], 64, "Invalid value for '--parity'"),
        (["serial:///dev/null", "{file}", "--bytesize", "9"], 64, "Invalid value for '--bytesize'"),
        (["serial:///dev/null", "{file}", "--seconds", "0"], 64, "Invalid value for '--seconds'"),
        (["serial:///dev/null", "{file}", "--max-bytes", "0"], 64, "Invalid value for '--max-bytes'"),
        (["serial:///dev/null", "{file}", "--baudrate", "0"], 64, "Invalid value for '--baudrate'"),
        (["{line}", "{file}", "--baudrate", "99999999999"], 64, "cannot set up"),
        (["{line}", "{taken}"], 73, "{taken}: File exists; name a file that is not there yet"),
        (["{line}", "/no/such/folder/x"], 73, "/no/such/folder/x: No such file or directory; name a file"),
    ],
)
def test_what_cannot_be_captured_is_one_line_and_no_file(
    capsys: Captured, tmp_path: Path, file: Path, line: Line, arguments: list[str], code: int, told: str
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("precious")
    places = {"file": file, "taken": taken, "line": f"serial://{line.path}"}
    assert run(["capture", *(argument.format(**places) for argument in arguments)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"emg-gateway: {told.format(**places)}")
    assert err.count("\n") == 1
    assert not file.exists()
    assert taken.read_text() == "precious"


def disk_full(file: Path) -> None:
    """Put a full disk behind the open file."""
    while not file.exists():
        time.sleep(0.001)
    own = Path("/proc/self/fd")
    (number,) = [int(entry.name) for entry in own.iterdir() if os.path.realpath(entry) == str(file)]
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, number)
    os.close(full)


@pytest.mark.parametrize("data", [b"a chunk", b""], ids=["while it writes", "at the end"])
def test_a_disk_that_refuses_is_named(capsys: Captured, file: Path, data: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        disk_full(file)
        connection.sendall(data)
        until_closed(connection)

    with peer(talk) as url:
        assert run(["capture", url, str(file), "--seconds", "0.5" if not data else "60"]) == 74
    _, failure = capsys.readouterr().err.splitlines()
    assert failure.startswith(f"emg-gateway: {file}: ")
    assert failure.endswith("; what came before is in it")
