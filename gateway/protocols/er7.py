r"""HL7 v2 encoding rules (ER7; HL7 2.5.1, 2.5 to 2.7): text to fields and segments, bytes to segments.

What is written is always `|^~\&`, one CR a segment; every value is escaped exactly once, which the
type `Field` keeps track of. What is read may use other delimiters, other line ends and other character
sets, as MSH-1, MSH-2 and MSH-18 declare. An error names the field, never what stands in it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, NewType, Self

from gateway.errors import DataError

Field = NewType("Field", str)  # ER7 text: delimiters in it are meant, everything else is escaped

SEGMENT_END: Final = "\r"  # HL7 2.5.1, 2.5.4: cannot be changed
CharacterSet = Literal["UNICODE UTF-8", "8859/1", "8859/15"]  # what may be written; HL7 table 0211
UTF_8: Final = "UNICODE UTF-8"
MAX_SEGMENTS: Final = 20_000  # a bound for memory; 50 times the longest study
_NULL: Final = '""'  # HL7 2.5.1, 2.5.3: "delete what you have", not text

# Control characters (C0, DEL, C1) would end a segment or an MLLP block; lone surrogates are no characters.
_SPECIAL: Final = re.compile(r"[|^~\\&\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NAMED: Final = {"|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\\": "\\E\\"}

# HL7 table 0211, as far as it is a superset of ASCII; UTF-8 where MSH-18 is empty
_CHARACTER_SETS: Final = {"": "utf-8", UTF_8: "utf-8", "UTF-8": "utf-8", "ASCII": "ascii"} | {
    f"8859/{part}": f"iso-8859-{part}" for part in (*range(1, 10), 15)
}
_BEFORE_HEADER: Final = b"\x00 \t\r\n"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def text(value: str | None) -> Field:
    """One value as a whole field; empty for None."""
    if not value:
        return Field("")
    if value == _NULL:
        return Field("\\X2222\\")
    return Field(_SPECIAL.sub(_escape, value))


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char >= "\ud800":
        return "\N{REPLACEMENT CHARACTER}"
    return _NAMED.get(char) or f"\\X{char.encode().hex().upper()}\\"


def components(*values: str | None) -> Field:
    """Values as the components of one field; empty ones at the end are left out."""
    return Field("^".join(text(value) for value in values).rstrip("^"))


def number(value: float) -> Field:
    """A number as type NM: decimal digits without an exponent, reading back to exactly `value`."""
    exact = Decimal(repr(float(value)))
    if not exact.is_finite():
        raise DataError("not a finite number", "NM")
    digits = format(exact, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return Field("0" if digits == "-0" else digits)


def timestamp(moment: datetime) -> Field:
    """A time as type TS: to the second, with milliseconds where there are any, with its zone."""
    whole = "milliseconds" if moment.microsecond else "seconds"
    digits = moment.replace(tzinfo=None).isoformat(timespec=whole).translate(_NO_MARKS)
    return Field(digits + moment.strftime("%z")[:5])


_NO_MARKS: Final = {ord(mark): None for mark in "-:T"}


def timestamp_of(stamp: str | None) -> Field:
    """An RFC 3339 time as type TS; empty where it is unknown or not a time."""
    try:
        return timestamp(datetime.fromisoformat(stamp)) if stamp else Field("")
    except ValueError:
        return Field("")


def date_of(day: str | None) -> Field:
    """A day (YYYY-MM-DD) as type TS; empty where it is unknown or not a day."""
    try:
        return Field(date.fromisoformat(day).isoformat().translate(_NO_MARKS)) if day else Field("")
    except ValueError:
        return Field("")


def segment(name: str, fields: Mapping[int, Field]) -> str:
    """A segment by field number (`PID-3` is 3), without empty fields at its end; for MSH from 3 on."""
    head, first = ("MSH|^~\\&", 3) if name == "MSH" else (name, 1)
    return "|".join([head, *(fields.get(n, "") for n in range(first, max(fields, default=0) + 1))]).rstrip(
        "|"
    )


def message(segments: Iterable[str], character_set: CharacterSet = UTF_8) -> bytes:
    """Segments as the bytes of one message; `?` stands for what the character set does not have."""
    text = "".join(line + SEGMENT_END for line in segments)
    return text.encode(_CHARACTER_SETS[character_set], "replace")


def missing(segments: Iterable[str], character_set: CharacterSet) -> int:
    """How many characters of `segments` the character set does not have."""
    text = "".join(segments)
    return text.encode(_CHARACTER_SETS[character_set], "replace").count(b"?") - text.count("?")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The encoding characters of a message that is read (HL7 2.5.1, 2.5.4)."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @classmethod
    def declared_in(cls, header: str) -> Self:
        """Those MSH-1 and MSH-2 declare; DataError when they cannot be meant."""
        separator = header[3:4]
        declared = separator + header[4:].partition(separator or "|")[0]
        if len(declared) == 6:  # the truncation character of 2.7: read over
            declared = declared[:5]
        if len(declared) != 5 or len(set(declared)) != 5:
            raise DataError("must declare four different encoding characters, as in ^~\\&", "MSH-2")
        if any(not "!" <= char <= "~" or char.isalnum() for char in declared):
            raise DataError("an encoding character is a letter, a digit or not printable ASCII", "MSH-2")
        return cls(declared[0], *declared[1:])

    def unescaped(self, field: str) -> str:
        """The text `field` stands for; a sequence nobody knows stays as it is."""
        if self.escape not in field:
            return field
        meant = {
            "F": self.field,
            "S": self.component,
            "R": self.repetition,
            "E": self.escape,
            "T": self.subcomponent,
            ".br": "\n",
            "H": "",
            "N": "",
        }
        sequence = _sequence(self.escape)
        return sequence.sub(lambda found: meant.get(found[1], "") or _hexadecimal(found[1]), field)


@lru_cache(maxsize=8)
def _sequence(mark: str) -> re.Pattern[str]:
    mark = re.escape(mark)
    return re.compile(rf"{mark}([FSTREHN]|\.br|X(?:[0-9A-Fa-f]{{2}})+){mark}")


def _hexadecimal(sequence: str) -> str:
    raw = bytes.fromhex(sequence[1:]) if sequence.startswith("X") else b""
    try:
        return raw.decode()
    except UnicodeDecodeError:  # HL7 2.5.1, 2.7.5 leaves the meaning to the parties: a byte is a character
        return raw.decode("iso-8859-1")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as read; fields are counted from 1 as HL7 counts them, MSH-1 being the separator."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters

    @property
    def er7(self) -> str:
        """The segment as sent, without its end."""
        fields = self.fields[1:] if self.name == "MSH" else self.fields
        return self.delimiters.field.join((self.name, *fields))

    def raw(self, number: int) -> str:
        """The field as sent; empty where the segment ends before it."""
        return self.fields[number - 1] if number <= len(self.fields) else ""

    def text(self, number: int, component: int = 1) -> str:
        """The text of one component of the field's first repetition; HL7's null is empty."""
        first = self.raw(number).partition(self.delimiters.repetition)[0]
        parts = first.split(self.delimiters.component)
        part = parts[component - 1] if component <= len(parts) else ""
        return "" if part == _NULL else self.delimiters.unescaped(part)


@dataclass(frozen=True, slots=True)
class Message:
    """The segments of a message in order; the first is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """The MSH segment."""
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of this name; None when there is none."""
        return next((entry for entry in self.segments if entry.name == name), None)

    def all(self, name: str) -> tuple[Segment, ...]:
        """Every segment of this name, in order."""
        return tuple(entry for entry in self.segments if entry.name == name)


def parse(raw: bytes, errors: Literal["strict", "replace"] = "strict") -> Message:
    """The message in `raw`: CR, LF or CRLF between segments, NULs and blanks before them read over.

    A line end that no segment name follows belongs to the field it stands in. Undecodable bytes and unknown
    character sets are a DataError, or U+FFFD with `errors="replace"`.
    """
    body = raw.lstrip(_BEFORE_HEADER).removeprefix(_BYTE_ORDER_MARK).rstrip(_BEFORE_HEADER)
    if not body.startswith(b"MSH"):
        raise DataError("does not begin with MSH", "MSH")
    header = re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("iso-8859-1")
    delimiters = Delimiters.declared_in(header)
    declared = _segment(header, delimiters).text(18)
    decoded = _decode(body, declared, errors)
    separator = re.escape(delimiters.field)
    # A run of line ends is looked at once, from its beginning: no input takes more than linear time.
    boundary = re.compile(rf"(?<![\r\n])[\r\n]++(?=[A-Z][A-Z0-9]{{2}}(?:{separator}|[\r\n]|\Z))")
    lines = boundary.split(decoded, maxsplit=MAX_SEGMENTS)
    if len(lines) > MAX_SEGMENTS:
        raise DataError(f"more than {MAX_SEGMENTS} segments", "message")
    return Message(tuple(_segment(line, delimiters) for line in lines))


def _decode(body: bytes, declared: str, errors: Literal["strict", "replace"]) -> str:
    codec = _CHARACTER_SETS.get(declared)
    if codec is None and errors == "strict":
        raise DataError(f"unknown character set; known: {', '.join(filter(None, _CHARACTER_SETS))}", "MSH-18")
    try:
        return body.decode(codec or "utf-8", errors)
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start} is not in the declared character set", "MSH-18") from error


def _segment(line: str, delimiters: Delimiters) -> Segment:
    name, *fields = line.split(delimiters.field)
    own = (delimiters.field,) if name == "MSH" else ()
    return Segment(name, (*own, *fields), delimiters)
