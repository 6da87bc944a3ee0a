"""LIS02-A2 records in a file, as a cart or a converter stores what it would send over a line.

Records end with CR, LF or both; frames, checksums and other line control are not in such a file. What the
profile means stands in `gateway.protocols.lis_profile`; this reader adds nothing to it.
"""

import re
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Recording
from gateway.domain.study import Study, StudyHeader, StudyOpened, fold
from gateway.errors import DataError
from gateway.formats import Document, Reading
from gateway.protocols.lis_records import Assembler, Delivery, Rejected, Result, encode_study

_ENDS_OF_RECORD: Final = re.compile(rb"[\r\n]+")
# An H record: its letter, then delimiters up to the first of them again, none of them a letter or digit.
_START: Final = re.compile(rb"\s*H([^\w\s])[^\w\s]{2,8}\1")


class _LisRecords:
    """LIS02-A2 record files as `gateway.formats.Format`: one file is one study."""

    name: Final = "lis"
    suffix: Final = ".lis"
    folds: Final = False

    def sniff(self, start: bytes) -> bool:
        """Whether it starts with an H record that declares its delimiters."""
        return _START.match(start) is not None

    def read(self, data: bytes, reading: Reading) -> Document:
        """The study of the file; DataError when it holds no recording, or recordings of several studies."""
        if len(data) > reading.limits.document_bytes:
            raise DataError(f"the document is larger than {reading.limits.document_bytes} bytes")
        assembler = Assembler(
            check=reading.anatomy.check,
            timezone=reading.timezone,
            max_samples=reading.limits.sweep_samples,
        )
        results: list[Result] = []
        *records, rest = _ENDS_OF_RECORD.split(data)
        for record in records:
            if len(record) > reading.limits.record_bytes:
                results += assembler.reject(f"a record of more than {reading.limits.record_bytes} bytes")
            elif record.strip():
                results += assembler.feed(record)
        if rest.startswith(b"L"):  # the end of a message says nothing that could be cut off
            results += assembler.feed(rest)
        elif rest.strip():
            results += assembler.reject("the file ends in the middle of a record")
        return _document([*results, *assembler.end_of_message()])

    def write(self, study: Study, _anatomy: Anatomy) -> tuple[bytes, ...]:
        """The one document that carries `study`."""
        return ("".join(f"{record}\r" for record in encode_study(study)).encode(),)


def _document(results: list[Result]) -> Document:
    notices = tuple(f"{entry.place}: {entry.reason}" for entry in results if isinstance(entry, Rejected))
    deliveries = [entry for entry in results if isinstance(entry, Delivery)]
    if not deliveries or (notices and not any(isinstance(entry.fact, Recording) for entry in deliveries)):
        raise DataError(notices[0] if notices else "no recording in it")
    header = deliveries[0].header
    if any(_identity(entry.header) != _identity(header) for entry in deliveries):
        raise DataError("recordings of more than one study or patient; one file is one study")
    headers = [StudyOpened(entry.header) for entry in deliveries]
    return Document(study=fold(headers[0], [*headers, *(e.fact for e in deliveries)]), notices=notices)


def _identity(header: StudyHeader) -> tuple[str, str | None]:
    return header.study_id, header.patient.id


FORMAT: Final = _LisRecords()
