import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols import mllp
from gateway.protocols.capture import (
    LARGEST_LINE,
    Chunk,
    Entry,
    Happening,
    Header,
    decode_entries,
    decode_header,
    encode_entry,
    encode_header,
    impression,
    is_capture,
)
from gateway.protocols.lis_frames import ENQ, EOT, Frame, encode_frame

HEADER = Header(
    url="serial:///dev/ttyUSB0",
    settings={"baudrate": 9600, "bytesize": 8, "parity": "N"},
    started_at="2026-11-02T09:15:00+00:00",
    gateway_version="0.1.0",
)
FIRST = encode_header(HEADER)

# Up to a year, in microseconds.
times = st.lists(st.integers(0, 365 * 86_400 * 1_000_000), max_size=20).map(
    lambda found: [number / 1e6 for number in sorted(found)]
)
contents = st.binary(max_size=300) | st.sampled_from(["line_lost", "line_back"])


def entry(at_s: float, content: bytes | str) -> Entry:
    if isinstance(content, bytes):
        return Chunk(at_s, content)
    return Happening(at_s, "line_lost" if content == "line_lost" else "line_back")


@st.composite
def captures(draw: st.DrawFn) -> list[Entry]:
    return [entry(at_s, draw(contents)) for at_s in draw(times)]


@given(captures())
def test_what_was_captured_is_read_as_it_was(captured: list[Entry]) -> None:
    lines = [FIRST, *map(encode_entry, captured)]
    assert list(decode_entries(lines)) == captured
    assert all(line.isascii() and line.count(b"\n") == 1 for line in lines)


@given(captures().filter(bool), st.data())
def test_a_capture_cut_anywhere_behind_its_header_keeps_what_was_whole(
    captured: list[Entry], data: st.DataObject
) -> None:
    lines = [encode_entry(one) for one in captured]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    kept = list(decode_entries([FIRST, *whole[:cut].splitlines(keepends=True)]))
    ends = [len(b"".join(lines[: number + 1])) for number in range(len(lines))]
    # A line that lacks nothing but its end is whole.
    assert kept == captured[: sum(end - 1 <= cut for end in ends)]


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_garbage_is_a_data_error_or_nothing(lines: list[bytes]) -> None:
    for start in ([], [FIRST]):
        with contextlib.suppress(DataError):
            list(decode_entries([*start, *lines]))


@given(st.builds(Header, url=st.text(), settings=st.just({"a": 1, "b": "c"}), started_at=st.text(),
                 gateway_version=st.text()))  # fmt: skip
def test_a_header_is_read_as_it_was(header: Header) -> None:
    line = encode_header(header)
    assert is_capture(line)
    assert decode_header(line) == header


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (FIRST, True),
        (b' {\n"schema" : "emg-gateway/capture/2"', True),
        (b'{"schema":"emg-gateway/study/1"', False),
        (b"", False),
        (b"H|\\^&", False),
    ],
)
def test_a_capture_is_known_by_its_beginning(start: bytes, expected: bool) -> None:
    assert is_capture(start) is expected


CHUNK = encode_entry(Chunk(1.0, b"Canary"))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "line 1: not the header of a capture"),
        ([CHUNK], "line 1: not the header of a capture"),
        ([FIRST[:60]], "line 1: the header is damaged, or of a version other than emg-gateway/capture/1"),
        ([FIRST.replace(b"/1", b"/2", 1)], "line 1: the header is damaged, or of a version other"),
        ([FIRST[:-3] + b"\xff\n"], "line 1: the header is damaged"),
        ([FIRST, CHUNK, b"Canary\n"], "line 3: not [seconds"),
        ([FIRST, b"\xff\n"], "line 2: not [seconds"),
        ([FIRST, b'[1.0,"Canary"]\n'], "line 2: not [seconds"),
        ([FIRST, b'[1.0,"012"]\n'], "line 2: not [seconds"),
        ([FIRST, b'[1.0,{"event":"Canary"}]\n'], "line 2: not [seconds"),
        ([FIRST, b'[1.0,{"event":"line_lost","name":"Canary"}]\n'], "line 2: not [seconds"),
        ([FIRST, b"\n"], "line 2: not [seconds"),
        ([FIRST, CHUNK, encode_entry(Chunk(0.5, b""))], "line 3: its time lies before the one above"),
        ([FIRST, b'[-1.0,"00"]\n'], "line 2: its time lies before"),
        ([FIRST, b'"' + b"0" * LARGEST_LINE], f"line 2: longer than {LARGEST_LINE} bytes"),
    ],
)
def test_what_is_damaged_is_named_by_its_line_and_not_repeated(lines: list[bytes], told: str) -> None:
    with pytest.raises(DataError) as caught:
        list(decode_entries(lines))
    assert str(caught.value).startswith(told)
    assert "Canary" not in str(caught.value)


def test_a_damaged_line_does_not_take_those_before_it() -> None:
    entries = decode_entries([FIRST, CHUNK, b"damaged\n"])
    assert next(entries) == Chunk(1.0, b"Canary")
    with pytest.raises(DataError):
        next(entries)


def parity(bit: Callable[[int], int]) -> bytes:
    text = b"5 mV/div, 2 ms/div, wrist\r\n"
    return bytes(octet | (bit(octet) << 7) for octet in text)


FRAMED = b"H|\\^&|||Canary\r"
LIS01 = "looks like LIS01-A2"
PARITY = "looks like seven bits and a parity bit: try --bytesize 7 --parity"
BAUD = "neither text nor a protocol known here: try other baud rates"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "nothing arrived: check the cable, the port, the baud rate"),
        (mllp.frame(b"MSH|^~\\&|Canary\r"), "looks like HL7 over MLLP"),
        (ENQ, f"{LIS01}, a cart that calls with ENQ"),
        (ENQ + EOT + ENQ + EOT, f"{LIS01}, a cart that calls with ENQ"),
        (ENQ + encode_frame(Frame(1, FRAMED, True)) + EOT, f"{LIS01}, frames from STX"),
        (b"\x00\xff\x80" * 20 + encode_frame(Frame(7, b"Canary\r", False)), f"{LIS01}, frames from STX"),
        (FRAMED, "looks like LIS02-A2 records without frames"),
        (b"noise\r" + FRAMED, "looks like LIS02-A2 records without frames"),
        (b"\x021" + FRAMED, "looks like LIS02-A2 records without frames"),
        (parity(lambda octet: octet.bit_count() % 2), f"{PARITY} E"),
        (parity(lambda octet: 1 - octet.bit_count() % 2), f"{PARITY} O"),
        (bytes(range(256)), BAUD),
        (b"\x00", BAUD),
        (b"\xe1\xe2", BAUD),
        (parity(lambda _octet: 1), BAUD),
        (b"Canary\r\n" * 20, "text of no protocol known here"),
        (b"text" + ENQ, "text with ENQ or EOT in it"),
        (EOT, "text with ENQ or EOT in it"),
    ],
)
def test_an_impression_says_what_to_try_and_repeats_nothing(data: bytes, told: str) -> None:
    found = impression(data)
    assert found.startswith(told)
    assert "Canary" not in found
    assert "\n" not in found


@given(st.binary())
def test_everything_makes_an_impression(data: bytes) -> None:
    assert 40 < len(impression(data)) < 160
