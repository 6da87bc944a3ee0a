"""From a file's bytes to facts, pure: a file that arrived and one read back after a crash give the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.domain.recording import Recording
from gateway.domain.study import ExamEnded, Fact, StudyHeader
from gateway.errors import DataError
from gateway.formats import Format, Reading


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


def _utc(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).isoformat()


def translator(document_format: Format, reading: Reading, *, single_file: bool) -> Translate:
    """What makes facts of a file's content; with `single_file` each file ends its examination.

    It raises DataError, which names the place, for content that is not of this format.
    """

    def translate(data: bytes) -> Delivery:
        document = document_format.read(data, reading)
        ending = (ExamEnded(by="device"),) if single_file else ()
        return Delivery(
            header=document.study.header,
            facts=(*document.study.recordings, *ending),
            notices=document.notices,
        )

    return translate
