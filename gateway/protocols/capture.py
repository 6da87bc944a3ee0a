"""What a line brought, chunk by chunk with its time, as a text file: JSON, a line each.

The first line is the header. Every other is `[seconds since the header, "hexadecimal octets"]`, or
`[seconds, {"event": "line_lost"}]` and `line_back` where the line itself went and came. A last line that was
cut short, because the machine went off, is left out. `impression` says what the octets look like.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from gateway.errors import DataError
from gateway.protocols.lis_frames import ENQ, EOT

SCHEMA: Final = "emg-gateway/capture/1"
# Several times the longest line that is written: a chunk is what one read of a line returns, 64 KiB.
LARGEST_LINE: Final = 1024 * 1024
# A header stands in the first line, its schema first in it.
_HEADER: Final = re.compile(rb'\s*\{\s*"schema"\s*:\s*"emg-gateway/capture/')

LineEvent = Literal["line_lost", "line_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where and when a capture was made: the line's URL and settings, and the time (RFC 3339) it began."""

    schema: Literal["emg-gateway/capture/1"] = SCHEMA
    url: str
    settings: Mapping[str, int | str]
    started_at: str
    gateway_version: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Octets that arrived together, `at_s` seconds (to the microsecond) after the capture began."""

    at_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Happening:
    """What became of the line itself, `at_s` seconds (to the microsecond) after the capture began."""

    at_s: float
    event: LineEvent


Entry = Chunk | Happening


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    event: LineEvent


_ENTRY: Final = msgspec.json.Decoder(tuple[float, str | _Event])
_NO_ENTRY: Final = 'not [seconds, "hexadecimal octets"] or [seconds, {"event": …}]; the file is damaged'


def is_capture(start: bytes) -> bool:
    """Whether a file that starts with these bytes is a capture."""
    return _HEADER.match(start) is not None


def encode_header(header: Header) -> bytes:
    """The first line."""
    return msgspec.json.encode(header) + b"\n"


def encode_entry(entry: Entry) -> bytes:
    """The line of a chunk or an event."""
    what = f'"{entry.data.hex()}"' if isinstance(entry, Chunk) else f'{{"event":"{entry.event}"}}'
    return b"[%.6f,%b]\n" % (entry.at_s, what.encode())


def decode_header(line: bytes) -> Header:
    """The header in a capture's first line; DataError when it is none of this version."""
    if not is_capture(line):
        raise DataError("not the header of a capture", "line 1")
    try:
        return msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"the header is damaged, or of a version other than {SCHEMA}", "line 1") from error


def decode_entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """What the lines of a capture hold, its header first; DataError with the number of a damaged line.

    A line ends with LF; one that does not is the last, and is left out where it is not whole.
    """
    numbered = enumerate(lines, start=1)
    decode_header(next(numbered, (1, b""))[1])
    latest = 0.0
    for number, line in numbered:
        if len(line) > LARGEST_LINE:
            raise DataError(f"longer than {LARGEST_LINE} bytes", f"line {number}")
        entry = _decoded(line)
        if entry is None and not line.endswith(b"\n"):
            return
        if entry is None:
            raise DataError(_NO_ENTRY, f"line {number}")
        if not latest <= entry.at_s < math.inf:
            raise DataError("its time lies before the one above", f"line {number}")
        latest = entry.at_s
        yield entry


def _decoded(line: bytes) -> Entry | None:
    """The entry that a line holds; None for one that holds none."""
    try:
        at_s, what = _ENTRY.decode(line)
        return Happening(at_s, what.event) if isinstance(what, _Event) else Chunk(at_s, bytes.fromhex(what))
    except (msgspec.MsgspecError, ValueError):  # a UnicodeDecodeError is one
        return None


# Header Record of LIS02-A2 at the beginning of a line or of a frame.
_RECORD: Final = re.compile(rb"(?:^|[\r\n]|\x02[0-7])H\|")
_FRAME: Final = re.compile(rb"\x02[0-7][^\x02\x03\x17]*[\x03\x17][0-9A-Fa-f]{2}")
_MLLP: Final = re.compile(rb"\x0bMSH[^\x0b\x1c]")
_TEXT: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n\x02\x03\x04\x05\x06\x15\x17"
# Shorter, and every octet of noise may by chance have the same parity: once in 2 ** 15 at this length.
_PARITY_SHOWS: Final = 16
# Text with one octet in ten struck by noise is still text (a choice; at a wrong baud rate hardly any is).
_NOISE: Final = 0.1

_LIS01: Final = "try the driver serial_lis"
_BAUD: Final = "try other baud rates (--baudrate 9600, 19200, 38400, 57600, 115200)"


def impression(data: bytes) -> str:
    """What these octets of a line look like and what to try next, in a sentence that repeats none of them."""
    if not data:
        return "nothing arrived: check the cable, the port, the baud rate, and that the cart is set to send"
    if _MLLP.search(data):
        return "looks like HL7 over MLLP: a message made for an HL7 engine, which no driver reads"
    if _FRAME.search(data):
        return f"looks like LIS01-A2, frames from STX to a checksum: {_LIS01}"
    if ENQ in data and not data.strip(ENQ + EOT):
        return f"looks like LIS01-A2, a cart that calls with ENQ and waits to be answered: {_LIS01}"
    if _RECORD.search(data):
        return (
            "looks like LIS02-A2 records without frames: set the cart to LIS01-A2, also known as ASTM E1381"
        )
    return _impression_of_octets(data)


def _impression_of_octets(data: bytes) -> str:
    parity = _parity(data)
    if parity:
        return f"looks like seven bits and a parity bit: try --bytesize 7 --parity {parity}"
    if len(data.translate(None, _TEXT)) > _NOISE * len(data):
        return f"neither text nor a protocol known here: {_BAUD}; if it stays so, the cart has one of its own"
    if ENQ in data or EOT in data:
        return f"text with ENQ or EOT in it, perhaps LIS01-A2 with noise on the line: {_LIS01}"
    return "text of no protocol known here: look at it, and ask the maker of the cart for its description"


def _parity(data: bytes) -> str | None:
    """The parity, E or O, with which the octets' highest bit completes seven bits of text; None for none."""
    seven_bits = bytes(octet & 0x7F for octet in data)
    if len(data) < _PARITY_SHOWS or seven_bits == data or seven_bits.translate(None, _TEXT):
        return None
    odd = {octet.bit_count() % 2 for octet in data}
    return {frozenset({0}): "E", frozenset({1}): "O"}.get(frozenset(odd))
