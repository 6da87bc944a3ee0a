import asyncio
import json
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.commands.main import run
from gateway.protocols.mllp import frame
from gateway.sinks.tls import TlsFiles, client_context
from tests.certificates import authority

MESSAGE = (
    b"MSH|^~\\&|EMG|LAB|||20261102101500||ORU^R01^ORU_R01|C/1|P|2.5.1\r"
    b"PID|1||P-1||Canary^\xc3\x9cte\x1b[31m\r"
    b"OBR|1||X.1|NCS-MOTOR^Motor^99EMGGW|||20261102101500|||||||||||||||||||P\r"
    b"OBX|1|NM|CMAP-AMP^Amplitude^99EMGGW|1.1|9|mV^millivolt^UCUM|||||P\r"
)
FINAL_OF_ANOTHER = MESSAGE.replace(b"99EMGGW", b"99OTHER").replace(b"|P\r", b"|F\r")


@asynccontextmanager
async def listening(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """`hl7 listen` on a free port, as the engineer starts it."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "hl7", "listen", "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stderr is not None
    try:
        line = (await program.stderr.readline()).decode()
        yield program, int(line.rpartition(":")[2])
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def sent(port: int, *blocks: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """What comes back until the receiver hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(b"".join(frame(block) for block in blocks))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_listen_shows_acknowledges_and_ends_after_the_count(tmp_path):
    async with listening("--count", "3", "--output", str(tmp_path / "in")) as (program, port):
        answers = await sent(port, MESSAGE, MESSAGE, b"no HL7")
        shown, _ = await program.communicate()
    assert program.returncode == 0
    assert re.findall(rb"MSA\|(..)\|", answers) == [b"AA", b"AA", b"AR"]
    lines = shown.decode().splitlines()
    assert lines[0] == "message C/1"
    assert lines[2] == "PID|1||P-1||Canary^Üte\\x1b[31m"
    assert "message C/1 (again)" in lines
    assert "refused: MSH: does not begin with MSH" in lines
    kept = sorted(path.name for path in (tmp_path / "in").iterdir())
    assert kept == ["0001-C_1.hl7", "0002-C_1.hl7", "0003-refused.hl7"]
    assert (tmp_path / "in" / "0001-C_1.hl7").read_bytes() == MESSAGE


async def test_listen_as_json_and_with_another_answer():
    async with listening("--count", "2", "--json", "--answer", "AE") as (program, port):
        answers = await sent(port, MESSAGE, b"no HL7")
        shown, _ = await program.communicate()
    first, second = (json.loads(line) for line in shown.splitlines())
    assert b"MSA|AE|C/1" in answers
    assert first["control_id"] == "C/1"
    assert (first["type"], first["duplicate"], len(first["segments"])) == ("ORU", False, 4)
    assert second["problem"] == "MSH: does not begin with MSH"


async def test_listen_serves_tls_and_asks_for_certificates(tmp_path):
    house = authority(tmp_path / "house")
    (cert, key), (own, own_key) = house.issue("engine"), house.issue("gateway")
    arguments = ["--cert", str(cert), "--key", str(key), "--ca", str(house.ca), "--count", "1"]
    ours = client_context(TlsFiles(ca_file=house.ca, cert_file=own, key_file=own_key))
    async with listening(*arguments) as (program, port):
        assert b"MSA|AA|C/1" in await sent(port, MESSAGE, tls=ours)
        await program.communicate()
    assert program.returncode == 0


def test_listen_needs_a_certificate_to_serve_tls(tmp_path, capsys):
    assert run(["hl7", "listen", "--port", "0", "--ca", str(tmp_path)]) == 78
    assert capsys.readouterr().err == "emg-gateway: a TLS server needs cert_file and key_file\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_listen_ends_in_order_when_asked_to(number):
    async with listening() as (program, _):
        program.send_signal(number)
        assert await program.wait() == 0


def test_listen_needs_a_folder_it_can_write(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(["hl7", "listen", "--port", "0", "--output", str(tmp_path / "file" / "in")]) == 73
    assert "file/in: Not a directory" in capsys.readouterr().err


async def test_listen_ends_when_it_cannot_keep_what_it_received(tmp_path):
    async with listening("--output", str(tmp_path)) as (program, port):
        (tmp_path / "0001-C_1.hl7").mkdir()
        await sent(port, MESSAGE)
        _, told = await program.communicate()
    assert program.returncode == 73
    assert told.decode().count("\n") == 1


def checked(path: Path, message: bytes) -> int:
    path.write_bytes(message)
    return run(["hl7", "validate", str(path)])


@pytest.mark.parametrize(
    "data", [MESSAGE, MESSAGE.replace(b"\r", b"\n"), 2 * frame(MESSAGE), FINAL_OF_ANOTHER]
)
def test_validate_is_silent_about_good_messages(tmp_path, capsys, data):
    assert checked(tmp_path / "m.hl7", data) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"|P\r", b"|F\r", "OBX CMAP-AMP 1.1: OBX-11 must be one of P X D W"),
        (b"|9|", b"|<9|", "OBX CMAP-AMP 1.1: OBX-5 is not a number"),
        (b"|9|", b"|NaN|", "OBX CMAP-AMP 1.1: OBX-5 is not a number"),
        (b"|P-1|", b"||", "Missing required child PID.PID_3"),
        (b"\rPID|", b"\rPID|1\rPID|", "hl7apy refuses it: MaxChildLimitReached"),
        (b"Canary", b"x" * 250, "hl7apy refuses it: MaxLengthReached"),
        (b"2.5.1", b"7.1", "hl7apy refuses it: UnsupportedVersion"),
        (b"MSH|^~", b"MSH|^^", "MSH-2"),
        (b"\xc3\x9c", b"\xdc", "MSH-18"),
    ],
)
def test_validate_names_what_is_wrong(tmp_path, capsys, old, new, problem):
    assert checked(tmp_path / "m.hl7", MESSAGE.replace(old, new)) == 65
    told = capsys.readouterr().err
    assert f"m.hl7: message 1: {problem}" in told
    assert "xxx" not in told


def test_validate_sees_what_is_said_twice(tmp_path, capsys):
    obx = MESSAGE.split(b"\r")[3] + b"\r"
    assert checked(tmp_path / "m.hl7", MESSAGE + obx) == 65
    assert "OBX-3 and OBX-4 twice" in capsys.readouterr().err


@pytest.mark.parametrize(("data", "code"), [(b"", 65), (b"\x0bMSH", 65), (b"\x0b", 65)])
def test_validate_says_when_there_is_no_message(tmp_path, capsys, data, code):
    assert checked(tmp_path / "m.hl7", data) == code
    assert "m.hl7" in capsys.readouterr().err


def test_validate_needs_the_file(tmp_path, capsys):
    assert run(["hl7", "validate", str(tmp_path / "none.hl7")]) == 66
    assert "none.hl7: No such file" in capsys.readouterr().err
