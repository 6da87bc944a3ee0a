"""Dates and times of a DICOM object (PS3.5 6.2: DA, TM, DT) with their zones.

The zone of a time is its own, else that of the object (Timezone Offset From UTC), else the one the reader is
told, else this machine's.
"""

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from gateway.formats.dicom.elements import DataSet

_ZONE: Final = r"[+-][01]\d[0-5]\d"
_YEARS: Final = range(1900, 2100)
_DAY: Final = r"(?:19|20)\d{6}"
_CLOCK: Final = r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?"
_DA: Final = re.compile(_DAY, re.ASCII)
_DT: Final = re.compile(f"({_DAY})({_CLOCK})({_ZONE})?", re.ASCII)
_DT_WITHOUT_CLOCK: Final = re.compile(rf"(?:19|20)\d{{2}}(?:\d{{2}}){{0,2}}(?:{_ZONE})?", re.ASCII)
_OFFSET: Final = re.compile(_ZONE, re.ASCII)

_NO_DATE: Final = "not a date (YYYYMMDD)"
_NO_TIME: Final = "not a date and time (YYYYMMDD and HHMMSS)"
_NO_SUCH: Final = "there is no such date or time"


class Clock:
    """Reads the times of one object."""

    def __init__(self, holder: DataSet, zone: tzinfo | None) -> None:
        self._holder = holder
        self._zone = zone
        offset = holder.text("TimezoneOffsetFromUTC")
        if _OFFSET.fullmatch(offset):
            self._zone = datetime.strptime(offset, "%z").tzinfo
        elif offset:
            raise holder.error("TimezoneOffsetFromUTC", "not an offset from UTC (+HHMM)")

    def study_time(self) -> str:
        """When the study was performed, RFC 3339; DataError when the object does not say."""
        day, clock = self._holder.text("StudyDate"), self._holder.text("StudyTime")
        if day and not _DA.fullmatch(day):
            raise self._holder.error("StudyDate", _NO_DATE)
        found = self._moment(day + clock, "StudyTime") if day and clock else self.acquired() or self._made()
        if found is None:
            reason = "is missing, and so are AcquisitionDateTime and ContentTime: when was the study?"
            raise self._holder.error("StudyTime", reason)
        return found.isoformat()

    def _made(self) -> datetime | None:
        """When the object was made."""
        day, clock = self._holder.text("ContentDate"), self._holder.text("ContentTime")
        return self._moment(day + clock, "ContentTime") if day and clock else None

    def acquired(self, after_ms: float = 0.0) -> datetime | None:
        """AcquisitionDateTime and some ms; None where it is missing or has no time of day."""
        keyword = "AcquisitionDateTime"
        text = self._holder.text(keyword)
        if not text or _DT_WITHOUT_CLOCK.fullmatch(text):
            return None
        try:
            moment = self._moment(text, keyword) + timedelta(milliseconds=after_ms)
        except OverflowError as error:
            raise self._holder.error(keyword, _NO_SUCH) from error
        if moment.year not in _YEARS:
            raise self._holder.error(keyword, _NO_SUCH)
        return moment

    def _moment(self, text: str, keyword: str) -> datetime:
        match = _DT.fullmatch(text)
        if match is None:
            raise self._holder.error(keyword, _NO_TIME)
        day, clock, zone = match.groups(default="")
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{zone}")
        except ValueError as error:
            raise self._holder.error(keyword, _NO_SUCH) from error
        if moment.tzinfo:
            return moment
        return moment.replace(tzinfo=self._zone) if self._zone else moment.astimezone()


def read_date(holder: DataSet, keyword: str) -> str | None:
    """A date as YYYY-MM-DD; None where it is missing."""
    text = holder.text(keyword)
    if not text:
        return None
    if not _DA.fullmatch(text):
        raise holder.error(keyword, _NO_DATE)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise holder.error(keyword, _NO_SUCH) from error
