"""Values as they stand in a data set: decimal strings, text, dates and times, unique identifiers.

A value that its representation (PS3.5 6.2) cannot hold is refused with its place, never cut: a label is for
the caller to cut. The error never repeats the value.
"""

import re
import sys
import unicodedata
import uuid
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Final

from gateway.errors import DataError

# The longest value of a representation, in characters (PS3.5 table 6.2-1); PN: of one component group.
LONGEST: Final = {"SH": 16, "LO": 64, "PN": 64, "ST": 1024}

_LONGEST_DECIMAL: Final = 16
_LONGEST_UID: Final = 64
_DOUBLE_DIGITS: Final = 17  # decimal digits that tell every double from its neighbours
# PS3.5 9.1, and the first component is that of a standards body: 0, 1 or 2. One number alone is no identity.
_UID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
# PS3.3 C.12.1: the range of Timezone Offset From UTC.
_WESTERNMOST: Final = timedelta(hours=-12)
_EASTERNMOST: Final = timedelta(hours=14)


def decimal_string(value: float, place: str, *, shift: int = 0) -> str:
    """`value` times 10**`shift` as DS: exact where 16 characters hold it, else with the digits they do."""
    if not abs(value) <= sys.float_info.max:  # NaN fails every comparison
        raise DataError("not a finite number", place)
    exact = Decimal(repr(float(value))).scaleb(shift)
    return next(
        form
        for digits in range(_DOUBLE_DIGITS, 0, -1)
        for form in _forms(Context(prec=digits).plus(exact).normalize())
        if len(form) <= _LONGEST_DECIMAL
    )


def _forms(value: Decimal) -> tuple[str, str]:
    return format(value, "f"), format(value, "E")


def plain(value: str | None, representation: str, place: str) -> str:
    """Text without the blanks around it, "" for None; DataError where the representation cannot hold it."""
    text = (value or "").strip(" ")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise DataError("a control character cannot be written", place)
    if "\\" in text and representation != "ST":
        raise DataError("a backslash cannot be written, in DICOM it separates values", place)
    if len(text) > LONGEST[representation]:
        raise DataError(f"longer than the {LONGEST[representation]} characters DICOM has for it", place)
    return text


def person_name(family: str | None, given: str | None, place: str) -> str:
    """Family and given name as PN."""
    parts = [plain(part, "PN", place) for part in (family, given)]
    if any(character in part for part in parts for character in "^="):
        raise DataError("^ and = cannot be written, in DICOM they separate parts of a name", place)
    return plain("^".join(parts).rstrip("^"), "PN", place)


def moment(stamp: str, place: str) -> datetime:
    """An RFC 3339 time with an offset that DICOM can express."""
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError as error:
        raise DataError("not a date and time", place) from error
    offset = found.utcoffset()
    if offset is None:
        raise DataError("a time without its zone", place)
    if offset % timedelta(minutes=1) or not _WESTERNMOST <= offset <= _EASTERNMOST:
        raise DataError("the offset from UTC must be whole minutes from -12:00 to +14:00", place)
    return found


def in_zone_of(other: datetime, found: datetime, place: str) -> datetime:
    """`found` on the clock of the place where `other` was taken."""
    try:
        return found.astimezone(other.tzinfo)
    except OverflowError as error:
        raise DataError("there is no such time on the clock of the study", place) from error


def day(found: date) -> str:
    """The date as DA."""
    return found.isoformat()[:10].replace("-", "")


def clock(found: datetime) -> str:
    """The time of day as TM, with its fraction where it has one."""
    return found.time().isoformat().replace(":", "")


def zone(found: datetime) -> str:
    """The offset from UTC, +HHMM."""
    return f"{found:%z}"


def birth_date(text: str | None, place: str) -> str:
    """YYYY-MM-DD as DA, "" for None."""
    try:
        return day(date.fromisoformat(text)) if text else ""
    except ValueError as error:
        raise DataError("not a date", place) from error


def is_uid(text: str) -> bool:
    """Whether `text` can stand as a unique identifier."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def derived_uid(*parts: str) -> str:
    """The UID that always belongs to these words (PS3.5 B.2: 2.25 and a UUID as one number)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, chr(10).join(('emg-gateway', *parts))).int}"
