"""CLSI LIS02-A2 records as text: delimiters and escapes, and the values a field can hold.

Delimiters are those the message's H record declares. Numbers are decimal text; a unit is read, never
guessed, and a value is brought to our unit exactly: the digits stay, only the power of ten moves. An error
names the field, never what stands in it, which could be anything.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Final, Self

from gateway.errors import DataError

# Characters that numbers, times, site names and base64 are made of: as delimiters they would cut these up.
_NOT_DELIMITERS: Final = frozenset("+-./:=_")
_LONGEST_NAME: Final = 250  # what HL7 v2.5.1 gives a patient's identifier (PID-3) and name (PID-5)
# No record of the profile has more; what stands behind them is not cut up.
_MOST_FIELDS: Final = 64
_ESCAPED: Final = re.compile(r"([FSREHN]|X(?:[0-9A-Fa-f]{2})+)")
# Control characters, which a frame may not carry, and the blanks at the ends, which readers drop.
_HEXADECIMAL: Final = re.compile(r"[\x00-\x1f\x7f]|\A | \Z")


def decode_text(raw: bytes) -> str:
    """UTF-8, else ISO 8859-1.

    LIS02-A2 knows ASCII only, instruments send Latin-1 all the same; text in Latin-1 with a letter beyond
    ASCII is almost never valid UTF-8, and no byte is invalid Latin-1, so nothing is refused for a name.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """What separates fields, repeats and components, and what begins and ends an escape sequence."""

    field: str = "|"
    repeat: str = "\\"
    component: str = "^"
    escape: str = "&"

    @classmethod
    def declared_in(cls, header: str) -> Self:
        """Those a header record declares behind its `H`; DataError when they cannot be meant."""
        declared = header[1:5]
        if len(set(declared)) != 4:
            raise DataError("declares fewer than four different delimiters", "H-2")
        if any(not "!" <= char <= "~" or char.isalnum() or char in _NOT_DELIMITERS for char in declared):
            raise DataError("a delimiter is a letter, a digit or a character that values are made of", "H-2")
        if header[5:6] not in ("", declared[0]):
            raise DataError("declares more than four delimiters", "H-2")
        return cls(*declared)

    def escaped(self, text: str) -> str:
        """`text` as the content of a field or component."""
        names = {self.escape: "E", self.field: "F", self.component: "S", self.repeat: "R"}
        special = re.compile("|".join(map(re.escape, names)))
        text = special.sub(lambda found: f"{self.escape}{names[found[0]]}{self.escape}", text)
        return _HEXADECIMAL.sub(lambda found: f"{self.escape}X{ord(found[0]):02X}{self.escape}", text)

    def unescaped(self, text: str) -> str:
        """The content `text` stands for; an unknown sequence stays as it is (`R&D&C`)."""
        if self.escape not in text:
            return text
        meant = {"E": self.escape, "F": self.field, "S": self.component, "R": self.repeat, "H": "", "N": ""}
        mark = re.escape(self.escape)
        sequence = re.compile(mark + _ESCAPED.pattern + mark)
        return sequence.sub(lambda found: meant.get(found[1]) or _hexadecimal(found[1]), text)


def _hexadecimal(sequence: str) -> str:
    return decode_text(bytes.fromhex(sequence[1:])) if sequence.startswith("X") else ""


class Record:
    """One record, cut into fields; counted from 1 as LIS02-A2 counts them, so `R-3` is `field(3)`."""

    __slots__ = ("_fields", "delimiters", "kind")

    def __init__(self, text: str, delimiters: Delimiters) -> None:
        self.delimiters = delimiters
        self._fields = text.split(delimiters.field, _MOST_FIELDS)
        self.kind = self._fields[0]

    def raw(self, number: int) -> str:
        """The field as sent, "" where the record ends before it."""
        return self._fields[number - 1] if number <= min(len(self._fields), _MOST_FIELDS) else ""

    def text(self, number: int) -> str:
        """The field's text, blanks around it removed; "" where there is none."""
        return self.delimiters.unescaped(self.raw(number).strip(" "))

    def components(self, number: int, count: int) -> list[str]:
        """The first `count` components of a field, "" for those it does not have."""
        parts = self.raw(number).split(self.delimiters.component, count)
        parts += [""] * (count - len(parts))
        return [self.delimiters.unescaped(part.strip(" ")) for part in parts[:count]]


def name(text: str, place: str) -> str | None:
    """A name or an identifier, None for none; DataError when it is too long to be one."""
    if len(text) > _LONGEST_NAME:
        raise DataError(f"longer than {_LONGEST_NAME} characters", place)
    return text or None


# UCUM units the profile knows: what they measure, and the power of ten
_UNITS: Final[dict[str, tuple[str, int]]] = {
    "V": ("V", 0),
    "mV": ("V", -3),
    "uV": ("V", -6),
    "nV": ("V", -9),
    "s": ("s", 0),
    "ms": ("s", -3),
    "us": ("s", -6),
    "A": ("A", 0),
    "mA": ("A", -3),
    "uA": ("A", -6),
    "m": ("m", 0),
    "cm": ("m", -2),
    "mm": ("m", -3),
    "mV.ms": ("V.s", -6),
    "Cel": ("Cel", 0),
    "Hz": ("Hz", 0),
    "d": ("d", 0),
    "g/L": ("g/L", 0),
    "kg": ("kg", 0),
}
_NUMBER: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_LONGEST: Final = 400  # the smallest double written out has 343 characters


def number(text: str, place: str, *, shift: int = 0, signed: bool = False) -> float:
    """The float nearest to `text` times 10**shift; DataError unless a finite decimal (0 or more)."""
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        comma = ", with a decimal point" if "," in text else ""
        raise DataError(f"not a decimal number{comma}", place)
    value = float(f"{match[1]}e{int(match[2] or 0) + shift}")
    if value in (float("inf"), float("-inf")) or (value < 0 and not signed):
        raise DataError("the number is out of range", place)
    return value


def quantity(text: str, unit: str, wanted: str, place: str) -> float:
    """`text` in `unit`, expressed in `wanted`; DataError for a unit that is missing or of another kind."""
    if unit not in _UNITS or _UNITS[unit][0] != _UNITS[wanted][0]:
        known = ", ".join(name for name, (kind, _) in _UNITS.items() if kind == _UNITS[wanted][0])
        raise DataError(f"the unit must be one of {known}", place)
    shift = _UNITS[unit][1] - _UNITS[wanted][1]
    return number(text, place, shift=shift, signed=wanted == "Cel")


def decimal(value: float) -> str:
    """Decimal text that reads back to exactly `value`, without an exponent."""
    return format(Decimal(repr(float(value))), "f")


# YYYYMMDD[HHMM[SS[.fraction]]][+-ZZZZ]: LIS02-A2 5.6.2 and, for the fraction, the HL7 v2 time stamp
_TIME: Final = re.compile(r"((?:19|20)\d{6})(\d{4}|\d{6}(?:\.\d{1,6})?)?([+-][01]\d[0-5]\d)?", re.ASCII)


def lis_time(stamp: str, place: str) -> str:
    """An RFC 3339 time as LIS02-A2 writes it, with its zone; DataError when `stamp` is not one."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError as error:
        raise DataError("not a date and time", place) from error
    if moment.tzinfo is None:
        raise DataError("a time without its zone", place)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y%m%d%H%M%S}{fraction}{moment:%z}"


def rfc3339(text: str, zone: tzinfo | None, place: str) -> str:
    """A LIS02-A2 time in RFC 3339; without a zone of its own it is in `zone` (None: this machine's)."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise DataError("not a date and time (YYYYMMDDHHMMSS)", place)
    day, clock, offset = match.groups()
    moment = _moment(day + (clock or "0000"), place)
    if offset:
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)) if minutes else UTC
    moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
    return moment.isoformat()


def _moment(digits: str, place: str) -> datetime:
    forms = {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
    try:
        return datetime.strptime(digits, forms.get(len(digits), "%Y%m%d%H%M%S.%f"))  # noqa: DTZ007  # zone follows
    except ValueError as error:
        raise DataError("there is no such date or time", place) from error


def lis_date(day: str, place: str) -> str:
    """YYYY-MM-DD as LIS02-A2 writes it."""
    try:
        return f"{date.fromisoformat(day):%Y%m%d}"
    except ValueError as error:
        raise DataError("not a date", place) from error


def iso_date(text: str, place: str) -> str:
    """The day of a LIS02-A2 date or time as YYYY-MM-DD."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise DataError("not a date (YYYYMMDD)", place)
    return _moment(match[1] + "0000", place).date().isoformat()
