"""One function for each way in: bytes in, nothing out; it raises only when a promise is broken.

The promises: nothing but `DataError` and the documented results comes out; how the bytes arrive makes no
difference; a crash makes no difference; what got in can be kept and read again.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from functools import cache
from typing import Final

import msgspec

from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.translate import Conversation, replay
from gateway.daemon.reference import load_reference
from gateway.domain.anatomy import Anatomy
from gateway.domain.limits import Limits
from gateway.domain.recording import Recording
from gateway.domain.study import Study, StudyHeader
from gateway.errors import DataError
from gateway.formats import Document, Format, Reading
from gateway.formats.dicom import FORMAT as DICOM
from gateway.formats.lis import FORMAT as LIS
from gateway.formats.study_json import FORMAT as STUDY_JSON
from gateway.formats.study_json import decode_header, decode_recording, header_object, recording_object
from gateway.protocols.lis_frames import ENQ, EOT, Frame, checksum, decode_frame, encode_frame
from gateway.protocols.lis_link import (
    FrameAccepted,
    MessageAborted,
    MessageEnded,
    MessageInterrupted,
    Receiver,
    ReceiverEvent,
    TimedOut,
)
from gateway.protocols.lis_records import MOST_REFUSALS, Assembler, Delivery, Rejected, Result

# Small, so that a fuzzer reaches them.
MAX_FRAME: Final = 256
LIMITS: Final = Limits(document_bytes=1_000_000, record_bytes=2_000, sweep_samples=500)

_KINDS: Final = {
    MessageEnded: Kind.ENDED,
    MessageInterrupted: Kind.INTERRUPTED,
    MessageAborted: Kind.ABORTED,
    TimedOut: Kind.TIMED_OUT,
}


class BrokenPromise(Exception):
    """What must never happen, whatever comes in."""


def promise(kept: bool, what: str) -> None:
    """BrokenPromise unless it is kept."""
    if not kept:
        raise BrokenPromise(what)


@cache
def anatomy() -> Anatomy:
    """The shipped anatomy."""
    return load_reference().anatomy


def lis_frame(data: bytes) -> None:
    """One frame: only an undamaged one is taken."""
    with contextlib.suppress(DataError):
        frame = decode_frame(data, MAX_FRAME)
        sent = data[:-4] + data[-4:-2].upper() + data[-2:]
        promise(encode_frame(frame) == sent, "a frame that is taken is one we could have sent")


def lis_link(data: bytes) -> None:
    """The line, in one piece and in many: the same is heard, and little is held. The first byte cuts."""
    size, stream = data[:1], data[1 : 2 * MAX_FRAME]
    whole = _heard([stream])
    promise(_heard(_cut(stream, sum(size) % 60 + 1)) == whole, "how the bytes arrive makes no difference")
    for event in whole:
        if isinstance(event, FrameAccepted):
            promise(_stands_in(event, stream), "a frame that is taken stood on the line with its checksum")


def lis_session(data: bytes) -> None:
    """A session: what the line gives is what the journal gives back. The data is a script."""
    receiver, session = Receiver(MAX_FRAME), _Session()
    for chunk in _script(data):
        session = session.after(receiver, chunk)
    session.end()


def lis_records(data: bytes) -> None:
    """Records of one session, as they come out of frames; the first byte says how it ends."""
    assembler = _assembler()
    results = [result for record in data[1:].split(b"\r") for result in assembler.feed(record)]
    match sum(data[:1]) % 3:
        case 0:
            results += assembler.end_of_message()
        case 1:
            results += assembler.drop_open("the line fell silent")
        case _:
            results += assembler.interrupted()
    _kept_apart(results)


def lis_file(data: bytes) -> None:
    """Records in a file."""
    _document(LIS, data)


def study_json(data: bytes) -> None:
    """A Study document; what is read is written and read again the same."""
    document = _document(STUDY_JSON, data)
    if document is not None:
        (written,) = STUDY_JSON.write(document.study, anatomy())
        again = STUDY_JSON.read(written, _reading()).study
        promise(again == document.study, "a study that is written reads back the same")


def dicom(data: bytes) -> None:
    """A DICOM object."""
    _document(DICOM, data)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (lis_frame, lis_link, lis_session, lis_records, lis_file, study_json, dicom)
}


class _Session:
    """The driver's part: keep, answer, deliver."""

    def __init__(self) -> None:
        self._conversation = _conversation()
        self._entries: list[Entry] = []
        self._results: list[Result] = []

    def after(self, receiver: Receiver, chunk: bytes | None) -> "_Session":
        """The session when `chunk` has arrived, or (None) nothing has for half a minute: this or the next."""
        session = self
        events = receiver.timed_out() if chunk is None else receiver.receive(chunk)
        while events:
            for event in events:
                session = session._after_event(event)
            if receiver.pending:
                receiver.acknowledge()
            events = receiver.receive(b"")
        promise(receiver.held <= MAX_FRAME, "no more than a frame is held")
        return session

    def _after_event(self, event: ReceiverEvent) -> "_Session":
        if isinstance(event, FrameAccepted):
            self._keep(Entry(Kind.LAST if event.last else Kind.INTERMEDIATE, event.text))
        elif type(event) in _KINDS:
            self._keep(Entry(_KINDS[type(event)]))
            self.end()
            return _Session()
        return self

    def _keep(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._results += self._conversation.take(entry)

    def end(self) -> None:
        """Nothing more comes; what was kept gives the same when it is read back."""
        kinds = [entry.kind for entry in self._entries]
        frames = (Kind.LAST, Kind.INTERMEDIATE, Kind.INTERRUPTED)
        left = self._conversation.interrupted() if kinds and kinds[-1] in frames else []
        again = replay([entry.encode() for entry in self._entries], _conversation())
        promise(again == (self._results, left), "the journal gives what the line gave")
        _kept_apart([*self._results, *left])


def _heard(chunks: Sequence[bytes]) -> list[ReceiverEvent]:
    receiver = Receiver(MAX_FRAME)
    heard: list[ReceiverEvent] = []
    for chunk in (ENQ, *chunks):
        events = receiver.receive(chunk)
        while events:
            heard += events
            if receiver.pending:
                receiver.acknowledge()
            events = receiver.receive(b"")
        promise(receiver.held <= MAX_FRAME, "no more than a frame is held")
    return heard


def _cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def _stands_in(frame: FrameAccepted, stream: bytes) -> bool:
    end = b"\x03" if frame.last else b"\x17"
    for number in range(8):
        covered = b"%d" % number + frame.text + end
        at = stream.find(covered)
        while at >= 0:
            if stream[at + len(covered) :][:2].upper() == checksum(covered):
                return True
            at = stream.find(covered, at + 1)
    return False


def _script(data: bytes) -> Iterator[bytes | None]:
    """The data as steps on the line, each a kind, a size and so many bytes: frames, calls, silence, noise."""
    steps, number = iter(data), itertools.count(1)
    yield ENQ
    for step in steps:
        size = next(steps, 0)
        text = bytes(byte for byte in itertools.islice(steps, size) if byte >= 0x20 or byte == 0x0D)
        match step % 8:
            case 0 | 1 | 2:
                yield encode_frame(Frame(next(number) % 8, text[: MAX_FRAME - 7], last=True))
            case 3:
                yield encode_frame(Frame(next(number) % 8, text[: MAX_FRAME - 7], last=False))
            case 4:
                number = itertools.count(1)
                yield EOT + ENQ
            case 5:
                yield text
            case 6:
                number = itertools.count(1)
                yield ENQ
            case _:
                number = itertools.count(1)
                yield None
                yield ENQ


def _assembler() -> Assembler:
    return Assembler(
        check=anatomy().check,
        timezone=UTC,
        max_samples=LIMITS.sweep_samples,
        received_at="2026-11-02T09:15:00+00:00",
    )


def _conversation() -> Conversation:
    return Conversation(_assembler(), LIMITS.record_bytes)


def _reading() -> Reading:
    return Reading(anatomy=anatomy(), limits=LIMITS, timezone=UTC)


def _document(form: Format, data: bytes) -> Document | None:
    form.sniff(data[:512])
    try:
        document = form.read(data, _reading())
    except DataError as error:
        promise("\n" not in str(error) and len(str(error)) < 2000, "an error is one line")
        return None
    _kept(document.study)
    return document


def _kept_apart(results: Sequence[Result]) -> None:
    refused = sum(isinstance(result, Rejected) for result in results)
    promise(refused <= MOST_REFUSALS, "refusals are bounded")
    for result in results:
        if isinstance(result, Delivery):
            recordings = (result.fact,) if isinstance(result.fact, Recording) else ()
            _kept(Study(header=result.header, recordings=recordings))


def _kept(study: Study) -> None:
    """What gets in goes into the journal and comes back from it."""
    promise(_header_again(study.header) == study.header, "a header comes back from the journal")
    for recording in study.recordings:
        body = msgspec.json.encode(recording_object(recording))
        promise(decode_recording(body) == recording, "a recording comes back from the journal")
        promise(anatomy().check(recording) == recording, "a recording that is taken can exist")
        if recording.waveform is not None:
            promise(recording.waveform.samples.size <= LIMITS.sweep_samples, "a sweep is bounded")


def _header_again(header: StudyHeader) -> StudyHeader:
    return decode_header(msgspec.json.encode(header_object(header)))
