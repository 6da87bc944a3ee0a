"""From journal entries to facts: frames become records, records become what the assembler makes of them.

The same code takes the entries of a live session and those read back after a crash, and keeps no time, so
both give the same facts.
"""

from collections.abc import Iterable
from typing import Final

from drivers.serial_lis.protocol import Entry, Kind
from gateway.domain.limits import Limits
from gateway.protocols.lis_frames import CR, OVERHEAD
from gateway.protocols.lis_records import Assembler, Result

# A whole examination of 60 recordings has under 1,000; each takes the event loop some 75 us.
_MOST_AT_ONCE: Final = 2000

_ENDINGS: Final = {
    Kind.ABORTED: "the sender gave up",
    Kind.TIMED_OUT: "the line fell silent",
    Kind.LINE_LOST: "the line was lost",
}


class Conversation:
    """One session: entries in, deliveries and rejections out; no record is longer than `max_record` bytes.

    One of more than `max_session` bytes, counted as frames, is `full`: read back, it would not be bounded.
    """

    def __init__(
        self,
        assembler: Assembler,
        max_record: int = Limits().record_bytes,
        max_session: int = Limits().document_bytes,
    ) -> None:
        self._assembler = assembler
        self._max_record = max_record
        self._max_session = max_session
        self._taken = 0
        self._record = bytearray()
        self._overlong = False

    @property
    def full(self) -> bool:
        """Whether no further frame should be taken."""
        return self._taken >= self._max_session

    def take(self, entry: Entry) -> list[Result]:
        """What the next entry of the session amounts to."""
        self._taken += len(entry.text) + OVERHEAD
        match entry.kind:
            case Kind.STARTED:
                self._assembler.received_at = entry.text.decode("ascii", "replace")
                return []
            case Kind.INTERMEDIATE:
                self._add(entry.text)
                return []
            case Kind.LAST:
                self._add(entry.text)
                return self._records()
            case Kind.INTERRUPTED:
                return []
            case Kind.ENDED if not self._unfinished:
                return self._assembler.end_of_message()
        return self._drop(_ENDINGS.get(entry.kind, "the transfer ended in the middle of a record"))

    def interrupted(self) -> list[Result]:
        """The session has no end, the gateway or the sender stopped: what its open recording amounts to."""
        self._forget()
        return self._assembler.interrupted()

    @property
    def _unfinished(self) -> bool:
        return bool(self._record) or self._overlong

    def _add(self, text: bytes) -> None:
        self._overlong = self._overlong or len(self._record) + len(text) > self._max_record
        if self._overlong:
            self._record.clear()
        else:
            self._record += text

    def _records(self) -> list[Result]:
        overlong, record = self._overlong, bytes(self._record)
        self._forget()
        if overlong:
            return self._assembler.reject(f"a record of more than {self._max_record} characters")
        # One record a frame is the rule (LIS01-A2 6.3.1); instruments that send several separate them by CR.
        if record.count(CR) > _MOST_AT_ONCE:
            return self._assembler.reject(f"more than {_MOST_AT_ONCE} records without an end of frame")
        return [result for part in record.split(CR) if part for result in self._assembler.feed(part)]

    def _drop(self, reason: str) -> list[Result]:
        self._forget()
        return self._assembler.drop_open(reason)

    def _forget(self) -> None:
        self._record.clear()
        self._overlong = False


def replay(entries: Iterable[bytes], conversation: Conversation) -> tuple[list[Result], list[Result]]:
    """The results of a session read back from the journal, and those of the recording it left open.

    DataError when an entry cannot be read.
    """
    results: list[Result] = []
    kind = Kind.STARTED
    for entry in map(Entry.decode, entries):
        kind = entry.kind
        results += conversation.take(entry)
    ended = kind in (Kind.ENDED, *_ENDINGS)
    return results, [] if ended else conversation.interrupted()
