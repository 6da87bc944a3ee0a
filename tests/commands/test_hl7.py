import asyncio
import io
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
from gateway.pipeline.samples import KINDS, samples
from gateway.protocols.mllp import frame
from gateway.protocols.oru import MessageHeader
from gateway.sinks.receiver import ANSWERS, Answer, Receiver
from gateway.sinks.tls import TlsFiles, client_context, server_context
from tests.certificates import authority
from tests.factories import reference

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


async def test_listen_answers_as_late_as_it_is_told():
    async with listening("--answer", "late", "--delay", "0.05", "--count", "1") as (program, port):
        assert b"MSA|AA|C/1" in await sent(port, MESSAGE)
        await program.communicate()
    assert program.returncode == 0


async def test_listen_serves_tls_and_asks_for_certificates():
    house = authority("house")
    (cert, key), (own, own_key) = house.certificate("engine"), house.certificate("gateway")
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


async def send(folder: Path, message: bytes, answer: str | Answer, *more: str) -> tuple[int, str, str]:
    """Exit code and output of `hl7 send` to a receiver that answers so."""
    path = folder / "m.hl7"
    path.write_bytes(message)
    async with Receiver(ANSWERS[answer] if isinstance(answer, str) else answer) as receiver:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "hl7", "send", str(path)),
            *("--to", f"mllp://127.0.0.1:{receiver.port}", "--timeout", "5", *more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await program.communicate()
    return program.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("answer", "code"), [("AA", 0), ("AE", 75), ("AR", 65), ("CA", 0), ("fragmented", 0)]
)
async def test_send_prints_the_answer_and_exits_as_it_says(tmp_path, answer, code):
    exit_code, out, err = await send(tmp_path, MESSAGE.replace(b"\r", b"\n"), answer)
    assert (exit_code, err) == (code, "")
    msh, msa, _ = out.splitlines()
    assert msh.startswith("MSH|^~")
    assert re.fullmatch(r"MSA\|..\|C/1", msa)


async def test_send_waits_for_the_application_where_the_message_asks_for_it(tmp_path):
    message = MESSAGE.replace(b"2.5.1\r", b"2.5.1|||AL|AL\r")
    exit_code, out, _ = await send(tmp_path, message, "AR")
    assert exit_code == 65
    assert re.findall(r"MSA\|(..)", out) == ["CA", "AR"]


async def test_send_stops_behind_the_first_message_that_is_not_accepted(tmp_path):
    exit_code, out, _ = await send(tmp_path, 3 * frame(MESSAGE), "AR")
    assert (exit_code, out.count("MSA|")) == (65, 1)


@pytest.mark.parametrize("answer", ["foreign", "garbage", "close"])
async def test_send_without_an_answer_of_its_own_is_to_be_tried_again(tmp_path, answer):
    exit_code, out, err = await send(tmp_path, MESSAGE, answer)
    assert (exit_code, out, err.count("\n")) == (75, "", 1)


async def test_send_does_not_wait_for_ever(tmp_path):
    exit_code, _, err = await send(tmp_path, MESSAGE, "nothing", "--timeout", "0.1")
    assert exit_code == 75
    assert "no acknowledgement within 0.1 s" in err


@pytest.mark.parametrize(
    ("message", "arguments", "code", "told"),
    [
        (b"no HL7", ["--to", "mllp://127.0.0.1:1"], 65, "m.hl7: MSH: does not begin with MSH"),
        (MESSAGE.replace(b"C/1", b""), ["--to", "mllp://127.0.0.1:1"], 65, "m.hl7: MSH-10: "),
        (MESSAGE, ["--to", "http://x"], 64, "write mllp://host:port"),
        (MESSAGE, ["--to", "mllp://127.0.0.1:1", "--ca", "x"], 64, "mllps://"),
        (MESSAGE, ["--to", "mllps://127.0.0.1:1", "--ca", "/none"], 78, "/none: No such file"),
        (MESSAGE, ["--to", "mllp://127.0.0.1:1"], 75, "127.0.0.1:1: "),
        (MESSAGE, [], 64, "--to"),
    ],
)
def test_send_says_in_one_line_what_is_wrong(tmp_path, capsys, message, arguments, code, told):
    (tmp_path / "m.hl7").write_bytes(message)
    assert run(["hl7", "send", str(tmp_path / "m.hl7"), *arguments]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


def test_send_needs_the_file(tmp_path, capsys):
    assert run(["hl7", "send", str(tmp_path / "none.hl7"), "--to", "mllp://127.0.0.1:1"]) == 66
    assert "none.hl7: No such file" in capsys.readouterr().err


async def test_send_speaks_tls(tmp_path):
    house = authority("house")
    cert, key = house.certificate("engine")
    (tmp_path / "m.hl7").write_bytes(MESSAGE)
    async with Receiver(tls=server_context(TlsFiles(cert_file=cert, key_file=key))) as receiver:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "hl7", "send", str(tmp_path / "m.hl7")),
            *("--to", f"mllps://127.0.0.1:{receiver.port}", "--ca", str(house.ca)),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await program.communicate()
    assert (program.returncode, b"MSA|AA|C/1" in out) == (0, True)


def test_validate_reads_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MESSAGE.replace(b"|9|", b"|x|"))))
    assert run(["hl7", "validate", "-"]) == 65
    assert "-: message 1: OBX CMAP-AMP 1.1: OBX-5 is not a number" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_sample_prints_a_message_of_each_kind_as_lines(tmp_path, capsys, kind):
    assert run(["hl7", "sample", kind]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("MSH|^~")
    assert "\r" not in out
    assert re.search(r"^MSH\|.*\|T\|2\.5\.1", out)
    assert checked(tmp_path / "m.hl7", out.encode()) == 0


def test_sample_prints_one_of_each_or_lists_what_there_is(capsys):
    assert run(["hl7", "sample"]) == 0
    assert capsys.readouterr().out.count("MSH|") == len(KINDS)
    assert run(["hl7", "sample", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(KINDS)


def test_sample_writes_files_as_they_go_over_the_line(tmp_path, capsys):
    assert run(["hl7", "sample", "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr() == ("", "")
    sender = MessageHeader(sending_application="EMG-GATEWAY")
    expected = samples(sender, reference())
    assert {path.stem: path.read_bytes() for path in (tmp_path / "out").iterdir()} == expected


def test_sample_writes_as_a_destination_of_the_configuration_wants_it(tmp_path, capsys):
    engines = (
        f'[[hl7]]\nname = "{name}"\nurl = "mllp://x"\ncharset = "{charset}"\n'
        for name, charset in (("first", "8859/1"), ("second", "8859/15"))
    )
    config = tmp_path / "gateway.toml"
    config.write_text("".join(engines))
    for more, charset in ([], "8859/1"), (["--for", "second"], "8859/15"):
        assert run(["hl7", "sample", "final", "--config", str(config), *more]) == 0
        assert f"|{charset}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--for", "engine"], 64, "--for needs --config"),
        (["--config", "{config}", "--for", "engin"], 64, "did you mean 'engine'?; known: engine"),
        (["--config", "{empty}"], 78, "has no [[hl7]]"),
        (["--output", "{config}/in"], 73, "Not a directory"),
        (["finale"], 64, "finale"),
    ],
)
def test_sample_says_in_one_line_what_is_wrong(tmp_path, capsys, arguments, code, told):
    (tmp_path / "empty.toml").touch()
    (tmp_path / "gateway.toml").write_text('[[hl7]]\nname = "engine"\nurl = "mllp://x"\n')
    paths = {"config": str(tmp_path / "gateway.toml"), "empty": str(tmp_path / "empty.toml")}
    assert run(["hl7", "sample", *(word.format(**paths) for word in arguments)]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


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


def test_validate_tells_programs_what_is_wrong_with_which_message(tmp_path, capsys):
    path = tmp_path / "m.hl7"
    path.write_bytes(frame(MESSAGE) + frame(MESSAGE.replace(b"|9|", b"|NaN|")))
    assert run(["hl7", "validate", "--json", str(path)]) == 65
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "file": str(path),
        "message": 2,
        "problem": "OBX CMAP-AMP 1.1: OBX-5 is not a number",
    }
