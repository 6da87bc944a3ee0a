"""From a file's bytes to facts, pure: a file that arrived and one read back after a crash give the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.domain.recording import Recording
from gateway.domain.study import ExamEnded, Fact, StudyHeader
from gateway.errors import DataError
from gateway.formats import SNIFFED_BYTES, Format, Reading


class Foreign(DataError):
    """A file that begins as none of the format does: waiting for the rest of it changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a file amounts to: facts of one study, and what of the file could not be used, a line each."""

    header: StudyHeader
    facts: tuple[Fact, ...]
    notices: tuple[str, ...] = ()


Translate = Callable[[bytes], Delivery]


def recorded_at(translate: Translate) -> Callable[[bytes], str]:
    """What gives the device's time of a file's first recording, UTC; "" where the file does not say."""

    def order(data: bytes) -> str:
        try:
            facts = translate(data).facts
        except DataError:
            return ""
        times = [fact.recorded_at for fact in facts if isinstance(fact, Recording)]
        return min((_utc(time) for time in times if time is not None), default="")

    return order


def _is_foreign(data: bytes, document_format: Format) -> bool:
    """Whether the beginning is there, and is another format's; zeros are room for a copy under way."""
    start = data[:SNIFFED_BYTES]
    return len(start) == SNIFFED_BYTES and any(start) and not document_format.sniff(start)


def _utc(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).isoformat()


def translator(document_format: Format, reading: Reading, *, single_file: bool) -> Translate:
    """What makes facts of a file's content; with `single_file` each file ends its examination.

    It raises DataError, which names the place, for content that cannot be read, and Foreign for what can
    never become a file of this format.
    """

    def translate(data: bytes) -> Delivery:
        try:
            document = document_format.read(data, reading)
        except DataError as error:
            if _is_foreign(data, document_format):
                raise Foreign(error.reason, error.place) from error
            raise
        ending = (ExamEnded(by="device"),) if single_file else ()
        return Delivery(
            header=document.study.header,
            facts=(*document.study.recordings, *ending),
            notices=document.notices,
        )

    return translate
