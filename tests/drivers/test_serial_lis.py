import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from drivers.serial_lis import DRIVER, Settings
from drivers.serial_lis.driver import SerialLisDriver
from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.translate import Conversation, replay
from gateway.domain.limits import Limits
from gateway.domain.recording import Recording, Waveform
from gateway.domain.study import ExamEnded, Fact, Patient, RecordUnusable, Study, StudyHeader
from gateway.errors import DataError, StorageError, Unavailable
from gateway.ports import DriverContext, Session
from gateway.protocols.lis_frames import ACK, ENQ, EOT, Frame, cut, encode_frame
from gateway.protocols.lis_link import FrameAccepted, Receiver
from gateway.protocols.lis_link import Send as Say
from gateway.protocols.lis_records import Assembler, Delivery, Rejected, Result, encode_study
from gateway.protocols.lis_sender import Aborted, Delivered, Sender
from gateway.transport import Stream, StreamSettings
from tests.factories import motor, motor_marks, reference, sensory
from tests.fakes import FakeClock

NOW = "2026-11-02T09:15:00+00:00"
LINE = StreamSettings(url="socket://127.0.0.1:1")
SWEEP = Waveform(
    sampling_rate_hz=20000.0,
    start_ms=-1.0,
    microvolts_per_count=0.5,
    samples=np.arange(-300, 300, dtype=np.int32),
)
STUDY = Study(
    header=StudyHeader(
        study_id="S-1",
        performed_at="2026-11-02T10:15:00+01:00",
        patient=Patient(id="CANARY-1", family="CANARY"),
    ),
    recordings=(motor("wrist", waveform=SWEEP), motor("below_elbow"), sensory()),
)
RECORDS = encode_study(STUDY)
FACTS: list[Fact] = [*STUDY.recordings, ExamEnded(by="device")]


class Killed(Exception):
    """The process dies here."""


class Disk:
    """A journal in memory; `tick` is called around everything that lasts, so that a test can die there."""

    def __init__(self) -> None:
        self.sessions: dict[int, list[bytes]] = {}
        self.facts: list[Fact] = []
        self.headers: list[StudyHeader] = []
        self.closed: list[int] = []
        self.full = 0
        self.tick: Callable[[], None] = lambda: None

    async def unfinished(self) -> Sequence[Session]:
        return [
            Session(key, tuple(entries)) for key, entries in self.sessions.items() if key not in self.closed
        ]

    async def open(self) -> int:
        self.tick()
        number = len(self.sessions) + 1
        self.sessions[number] = []
        return number

    async def accept(self, session: int, entry: bytes) -> None:
        self.tick()
        if self.full:
            self.full -= 1
            raise StorageError("disk full")
        self.sessions[session].append(entry)
        self.tick()

    async def deliver(self, header: StudyHeader, facts: Sequence[Fact]) -> None:
        self.tick()
        self.headers.append(header)
        self.facts += [fact for fact in facts if fact not in self.facts]
        self.tick()

    async def close(self, session: int) -> None:
        self.tick()
        self.closed.append(session)


class Script:
    """A line on which `reads` arrive, None for half a minute of silence; then the plug is pulled."""

    def __init__(self, *reads: bytes | None, skip: Callable[[float], None] = lambda _: None) -> None:
        self.written = b""
        self.reads: Iterator[bytes | None] = iter(reads)
        self._skip = skip

    async def read(self) -> bytes:
        try:
            data = next(self.reads)
        except StopIteration:
            raise Unavailable("unplugged") from None
        if data is None:
            self._skip(30.0)
            await asyncio.Event().wait()
        return data or b""

    async def write(self, data: bytes) -> None:
        self.written += data


class Cart:
    """A cart that sends one message; the plug is pulled when it has ended."""

    def __init__(self, sender: Sender, disk: Disk | None = None) -> None:
        self.outcome: Aborted | Delivered | None = None
        self.stored_at_ack: list[tuple[int, int]] = []
        self._sender = sender
        self._disk = disk
        self._sending = b""
        self._go_on(sender.start())

    def _go_on(self, events: Sequence[object]) -> None:
        for event in events:
            if isinstance(event, Say):
                self._sending += event.data
            elif isinstance(event, (Aborted, Delivered)):
                self.outcome = event

    async def read(self) -> bytes:
        if not self._sending:
            raise Unavailable("unplugged")
        data, self._sending = self._sending, b""
        return data

    async def write(self, data: bytes) -> None:
        if self._disk:
            self._disk.tick()
            stored = sum(entry[:1] in b"IX" for entries in self._disk.sessions.values() for entry in entries)
            self.stored_at_ack.append((self._sender.acknowledged, stored))
        self._go_on(self._sender.receive(data))


def converse(**more: Any) -> Conversation:
    return Conversation(Assembler(**{"check": lambda recording: recording, "timezone": UTC} | more))


def driver(stream: Stream) -> SerialLisDriver:
    @asynccontextmanager
    async def open_line(_: StreamSettings) -> AsyncIterator[Stream]:
        yield stream

    return SerialLisDriver("room-1", FakeClock(), LINE, converse, open_line)


async def run(stream: Stream, disk: Disk) -> None:
    """Until the plug is pulled."""
    with pytest.raises(Unavailable):
        await driver(stream).run(disk)


def frames(*records: str, text_size: int = 240) -> list[bytes]:
    """The frames of one message, in order."""
    pieces = [piece for record in records for piece in cut(record.encode() + b"\r", text_size)]
    return [encode_frame(Frame(number % 8, *piece)) for number, piece in enumerate(pieces, start=1)]


@pytest.fixture
async def skip() -> AsyncIterator[Callable[[float], None]]:
    """Makes the event loop's time jump ahead."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    loop.time = lambda: real() + sum(ahead)  # type: ignore[method-assign]
    yield ahead.append
    loop.time = real  # type: ignore[method-assign]


async def test_a_message_becomes_facts():
    disk = Disk()
    cart = Cart(Sender(RECORDS))
    await run(cart, disk)
    assert cart.outcome == Delivered()
    assert disk.facts == FACTS
    assert set(disk.headers) == {STUDY.header}
    assert disk.closed == [1]


@pytest.mark.parametrize("text_size", [1, 7, 240, 63_993])
def test_a_study_comes_back_through_frames_of_any_size(text_size: int):
    receiver, conversation = Receiver(), converse()
    results: list[Result] = []
    receiver.receive(ENQ)
    for frame in frames(*RECORDS, text_size=text_size):
        (accepted,) = receiver.receive(frame)
        assert isinstance(accepted, FrameAccepted)
        receiver.acknowledge()
        results += conversation.take(Entry(Kind.LAST if accepted.last else Kind.INTERMEDIATE, accepted.text))
    assert [result.fact for result in results if isinstance(result, Delivery)] == FACTS


async def test_every_frame_is_on_disk_before_its_acknowledgement():
    disk = Disk()
    cart = Cart(Sender(RECORDS), disk)
    await run(cart, disk)
    before_frames, *answers = cart.stored_at_ack
    assert before_frames == (0, 0)
    assert [stored for _, stored in answers] == [acknowledged + 1 for acknowledged, _ in answers]


@pytest.mark.parametrize("failures", [1, 2, 5])
async def test_a_frame_the_disk_refuses_is_asked_for_again(failures: int):
    disk = Disk()
    disk.full = failures
    cart = Cart(Sender(RECORDS))
    await run(cart, disk)
    assert cart.outcome == Delivered()
    assert disk.facts == FACTS


async def test_a_disk_that_stays_full_gets_no_acknowledgement():
    disk = Disk()
    disk.full = 1000
    cart = Cart(Sender(RECORDS))
    await run(cart, disk)
    assert cart.outcome == Aborted("the host refused a frame 6 times")
    assert disk.facts == []


async def test_silence_drops_the_open_recording_and_keeps_the_completed(skip: Callable[[float], None]):
    disk = Disk()
    until_second_amplitude = frames(*RECORDS)[:-7]
    await run(Script(ENQ, b"".join(until_second_amplitude), None, ENQ, EOT, skip=skip), disk)
    assert disk.facts == FACTS[:1]
    assert disk.sessions[1][-1] == Entry(Kind.TIMED_OUT).encode()
    assert disk.closed == [1]


async def test_a_lost_line_drops_the_open_recording_and_keeps_the_completed():
    disk = Disk()
    await run(Script(ENQ, b"".join(frames(*RECORDS)[:-7])), disk)
    assert disk.facts == FACTS[:1]
    assert disk.sessions[1][-1] == Entry(Kind.LINE_LOST).encode()
    assert disk.closed == [1]


class ForgetfulDisk(Disk):
    """A disk that is full just when a sender gives up."""

    async def accept(self, session: int, entry: bytes) -> None:
        self.full = int(entry == Entry(Kind.ABORTED).encode() and not self.full and not self.refused)
        self.refused |= bool(self.full)
        await super().accept(session, entry)

    refused = False


async def test_that_a_sender_gave_up_is_noted_when_the_disk_lets_us_before_it_begins_anew():
    disk = ForgetfulDisk()
    given_up = (ENQ, b"".join(frames(*RECORDS)[:-7]), encode_frame(Frame(0, b"?", last=True)) + EOT)
    await run(Script(*given_up, ENQ, *frames(*RECORDS), EOT), disk)

    assert disk.refused
    assert disk.facts == FACTS
    assert disk.sessions[1][-1] == Entry(Kind.ABORTED).encode()
    assert disk.closed == [1, 2]


class StubbornDisk(Disk):
    """A disk that is full from when a sender gives up until it is emptied."""

    shut = True

    async def accept(self, session: int, entry: bytes) -> None:
        self.full = int(self.shut and entry == Entry(Kind.ABORTED).encode())
        await super().accept(session, entry)


async def test_that_a_sender_gave_up_is_noted_also_when_its_line_goes_before_the_disk_lets_us():
    disk = StubbornDisk()
    reads = [ENQ, b"".join(frames(*RECORDS)[:-7]), encode_frame(Frame(0, b"?", last=True)) + EOT]
    line = Script()
    room = driver(line)
    line.reads = iter(reads)
    with pytest.raises(StorageError):
        await room.run(disk)
    with pytest.raises(StorageError):
        await room.run(disk)
    disk.shut = False
    line.reads = iter([ENQ, *frames(*RECORDS), EOT])
    with pytest.raises(Unavailable):
        await room.run(disk)

    assert disk.facts == FACTS
    assert disk.sessions[1][-1] == Entry(Kind.ABORTED).encode()
    assert disk.closed == [1, 2]


async def test_a_sender_that_gives_up_drops_the_open_recording():
    disk = Disk()
    await run(
        Script(ENQ, b"".join(frames(*RECORDS)[:-7]), encode_frame(Frame(0, b"?", last=True)) + EOT), disk
    )
    assert disk.facts == FACTS[:1]
    assert disk.sessions[1][-1] == Entry(Kind.ABORTED).encode()


async def test_a_lost_eot_completes_the_message():
    disk = Disk()
    first = encode_study(replace(STUDY, recordings=(motor("above_elbow"),)), ends_exam=False)
    await run(Script(ENQ, b"".join(frames(*first)), ENQ, b"".join(frames(*RECORDS)), EOT), disk)
    assert disk.facts == [*STUDY.recordings[:2], motor("above_elbow"), *FACTS[2:]]
    assert disk.closed == [1, 2]


async def test_a_cart_that_starts_over_without_an_end_sends_no_recording_twice():
    disk = Disk()
    for records in range(1, len(RECORDS)):
        await run(
            Script(ENQ, b"".join(frames(*RECORDS[:records])), ENQ, b"".join(frames(*RECORDS)), EOT), disk
        )
        assert disk.facts == FACTS
    assert len(disk.closed) == len(disk.sessions)


async def test_what_could_not_be_used_is_journaled_in_its_place_and_names_nobody():
    disk = Disk()
    bad = [record.replace("|mV", "|V") for record in RECORDS]
    await run(Script(ENQ, b"".join(frames(*bad)), EOT), disk)
    *unusable, recording, ended = disk.facts
    assert [type(fact) for fact in (recording, ended)] == [Recording, ExamEnded]
    assert len(unusable) == 2
    assert all(isinstance(fact, RecordUnusable) for fact in unusable)
    assert "CANARY" not in repr(unusable)


async def test_the_same_site_with_other_values_is_another_recording():
    disk = Disk()
    weak = motor("wrist", motor_marks(amplitude_mv=4.0))
    first = encode_study(replace(STUDY, recordings=(weak,)), ends_exam=False)
    await run(Script(ENQ, b"".join(frames(*first)), ENQ, b"".join(frames(*RECORDS)), EOT), disk)
    assert weak in disk.facts


async def test_a_cart_that_never_ends_a_message_is_not_hoarded():
    disk = Disk()
    reads: list[bytes] = []
    for n in range(20):
        one = encode_study(
            replace(STUDY, recordings=(motor("wrist", motor_marks(amplitude_mv=1.0 + n)),)), ends_exam=False
        )
        reads += [ENQ, b"".join(frames(*one))]
    await run(Script(*reads), disk)
    assert len(disk.facts) == 3
    assert len(await disk.unfinished()) == 16


class Mute(Script):
    """A line that is lost while the last of its answers is sent."""

    answers = 0

    async def write(self, data: bytes) -> None:
        await super().write(data)
        if len(self.written) == self.answers:
            raise Unavailable("unplugged")


async def test_an_answer_that_does_not_get_through_changes_no_fact():
    pieces = frames(*RECORDS)
    for answers in range(2, len(pieces) + 2):
        disk, line = Disk(), Mute(ENQ, b"".join(pieces))
        line.answers = answers
        await run(line, disk)
        again, _ = replay(disk.sessions[1], converse())
        assert [result.fact for result in again if isinstance(result, Delivery)] == disk.facts
        assert disk.closed == [1]
    assert disk.facts == FACTS


async def test_a_keep_alive_leaves_no_trace():
    disk, script = Disk(), Script(ENQ + EOT, b"noise", ENQ, EOT)
    await run(script, disk)
    assert script.written == ACK + ACK
    assert disk.sessions == {}


async def test_a_message_without_a_time_is_filed_under_the_gateways():
    disk = Disk()
    await run(Cart(Sender([RECORDS[0].rpartition("|")[0], *RECORDS[1:]])), disk)
    assert {header.performed_at for header in disk.headers} == {NOW}


async def test_what_is_read_back_gives_what_the_line_gave(skip: Callable[[float], None]):
    pieces = frames(*RECORDS, text_size=100)
    for end in range(1, len(pieces)):
        for ending in ((EOT,), (encode_frame(Frame(end + 2, b"?", last=True)), EOT), (None,), ()):
            disk = Disk()
            await run(Script(ENQ, *pieces[:end], *ending, skip=skip), disk)
            again, left = replay(disk.sessions[1], converse())
            assert left == []
            assert [fact for result in again if (fact := fact_of(result))] == disk.facts


def fact_of(result: Result) -> Fact | None:
    if isinstance(result, Delivery):
        return result.fact
    return RecordUnusable(place=result.place, reason=result.reason) if result.study else None


@pytest.mark.parametrize("terminated", [True, False])
async def test_a_kill_at_any_step_loses_nothing_and_doubles_nothing(
    terminated: bool, skip: Callable[[float], None]
):
    records = RECORDS if terminated else RECORDS[:-1]
    wanted = FACTS if terminated else FACTS[:-1]
    steps = 0
    while True:
        disk, sender = Disk(), Sender(records)
        disk.tick = _die_after(steps)
        try:
            cart = Cart(sender, disk)
            await run(cart, disk)
        except Killed:
            steps += 1
        else:
            break
        disk.tick = lambda: None
        if cart.outcome is None:  # the cart gets no answer, gives up and sends everything again
            sender.timed_out()
            cart = Cart(sender)
            await run(cart, disk)
        else:  # it believes that it delivered and sends nothing
            await run(Script(), disk)
            if await disk.unfinished():
                await run(Script(None, skip=lambda _: skip(60.0)), disk)
        assert cart.outcome == Delivered()
        assert sorted(map(repr, disk.facts)) == sorted(map(repr, wanted))
        assert len(disk.closed) == len(disk.sessions)
    assert steps > 2 * len(frames(*records))


async def test_what_is_held_counts_when_nothing_comes_for_a_minute(skip: Callable[[float], None]):
    disk = Disk()
    disk.sessions[1] = [Entry(Kind.LAST, record.encode()).encode() for record in RECORDS[:5]]

    await run(Script(None, skip=lambda _: skip(60.0)), disk)

    assert [fact.stimulation_site for fact in disk.facts if isinstance(fact, Recording)] == ["wrist"]
    assert disk.closed == [1]


async def test_an_interrupted_session_that_is_read_back_is_held_as_it_was(skip: Callable[[float], None]):
    disk = Disk()
    disk.sessions[1] = [Entry(Kind.LAST, record.encode()).encode() for record in RECORDS[:5]]
    disk.sessions[1].append(Entry(Kind.INTERRUPTED).encode())

    await run(Script(None, skip=lambda _: skip(60.0)), disk)

    assert len(disk.facts) == 1


async def test_what_is_held_counts_when_the_next_message_does_not_bring_it_again():
    disk = Disk()
    disk.sessions[1] = [Entry(Kind.LAST, record.encode()).encode() for record in RECORDS[:5]]

    await run(Cart(Sender([RECORDS[0], RECORDS[1], "O|1|S-2", RECORDS[-1]])), disk)

    assert [fact.stimulation_site for fact in disk.facts if isinstance(fact, Recording)] == ["wrist"]
    assert disk.facts[-1] == ExamEnded(by="device")
    assert disk.closed == [1, 2]


def _die_after(steps: int) -> Callable[[], None]:
    left = iter(range(steps))

    def tick() -> None:
        if next(left, None) is None:
            raise Killed

    return tick


async def test_entries_of_another_version_are_kept_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture):
    disk = Disk()
    disk.sessions = {1: [b"?what"], 2: [Entry(Kind.STARTED, NOW.encode()).encode()]}
    await run(Script(), disk)
    assert disk.closed == [2]
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "session_unreadable"
    ]


async def test_nothing_about_the_patient_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    garbled = [record.replace("CMAP-AMP", "CANARY").replace("|mV", "|CANARY") for record in RECORDS]
    disk = Disk()
    bad = encode_frame(Frame(5, b"CANARY", last=True))
    await run(Script(ENQ, *frames(*garbled), bad, EOT, ENQ, b"\x02CANARY\x04\x05", ENQ, EOT), disk)
    await run(Script(), disk)
    told = [f"{record.message} {record.__dict__.get('fields')}" for record in caplog.records]
    assert {line.split()[0] for line in told} >= {"record_rejected", "frame_refused", "transfer_ended_early"}
    assert "CANARY" not in "".join(told)


# Frames to records


def texts(*entries: Entry, **more: Any) -> list[Result]:
    conversation = converse(**more)
    return [result for entry in entries for result in conversation.take(entry)]


HEAD = b"\r".join(record.encode() for record in RECORDS[:3])
AMPLITUDE = b"R|1|^^^MOTOR^ulnar^right^adm^wrist^CMAP-AMP|9.0|mV\r"


def sites(results: list[Result]) -> list[str]:
    facts = [result.fact for result in results if isinstance(result, Delivery)]
    return [fact.stimulation_site for fact in facts if isinstance(fact, Recording)]


def test_several_records_in_a_frame_are_taken_one_by_one():
    results = texts(Entry(Kind.LAST, HEAD + b"\r" + AMPLITUDE), Entry(Kind.ENDED))
    assert sites(results) == ["wrist"]


def test_eot_in_the_middle_of_a_record_drops_what_is_open():
    started = Entry(Kind.LAST, HEAD + b"\r" + AMPLITUDE)
    results = texts(started, Entry(Kind.INTERMEDIATE, b"R|2|"), Entry(Kind.ENDED))
    assert results == [
        Rejected(
            "record 4 (R|1)",
            "the right motor recording: the transfer ended in the middle of a record",
        )
    ]


def test_a_record_without_end_is_not_hoarded_and_takes_its_recording_with_it():
    part = Entry(Kind.INTERMEDIATE, b"x" * 60_000)
    results = texts(
        Entry(Kind.LAST, HEAD + b"\r" + AMPLITUDE),
        *[part] * (Limits().record_bytes // 60_000 + 2),
        Entry(Kind.LAST, b"x\r"),
        Entry(Kind.LAST, AMPLITUDE.replace(b"wrist", b"axilla")),
        Entry(Kind.ENDED),
    )
    assert sites(results) == ["axilla"]
    (rejected,) = (result for result in results if isinstance(result, Rejected))
    assert f"more than {Limits().record_bytes} characters" in rejected.reason


def test_thousands_of_records_at_once_are_refused_and_not_worked_through():
    crowd = b"\r".join([HEAD, *[b"C|1"] * 2500, AMPLITUDE])
    results = texts(Entry(Kind.LAST, crowd), Entry(Kind.ENDED))
    (rejected,) = results
    assert isinstance(rejected, Rejected)
    assert "more than 2000 records without an end of frame" in rejected.reason


def test_an_unfinished_overlong_record_is_an_unfinished_record():
    part = Entry(Kind.INTERMEDIATE, b"x" * 60_000)
    started = Entry(Kind.LAST, HEAD + b"\r" + AMPLITUDE)
    results = texts(started, *[part] * (Limits().record_bytes // 60_000 + 2), Entry(Kind.ENDED))
    assert sites(results) == []


def test_a_session_without_an_end_counts_as_far_as_it_was_acknowledged():
    entries = [Entry(Kind.LAST, HEAD + b"\r" + AMPLITUDE), Entry(Kind.INTERMEDIATE, b"R|2|")]
    results, left = replay([entry.encode() for entry in entries], converse())
    assert results == []
    assert sites(left) == ["wrist"]
    assert replay([], converse()) == ([], [])


@pytest.mark.parametrize("kind", Kind)
def test_entries_read_back(kind: Kind):
    entry = Entry(kind, b"text \x00\xff")
    assert Entry.decode(entry.encode()) == entry


@pytest.mark.parametrize("raw", [b"", b"?", b"e"])
def test_an_entry_of_unknown_kind_is_refused(raw: bytes):
    with pytest.raises(DataError, match="journal: an entry of unknown kind"):
        Entry.decode(raw)


# The plug-in


def context(**more: Any) -> DriverContext:
    return DriverContext(**{"name": "room-1", "anatomy": reference().anatomy, "clock": FakeClock()} | more)


def test_the_settings_have_sensible_defaults_and_are_documented():
    settings = msgspec.convert({"url": "serial:///dev/ttyUSB0"}, Settings)
    assert (settings.baudrate, settings.bytesize, settings.parity, settings.stopbits) == (9600, 8, "N", 1)
    described = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    assert [name for name, field in described.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"baudrat": 9600},
        {"baudrate": 0},
        {"parity": "X"},
        {"bytesize": 9},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(keys: dict[str, object]):
    url = {"url": "socket://cart:4001"} if keys else {}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(url | keys, Settings)


async def test_a_cart_behind_a_terminal_server():
    """Through the plug-in and a real socket, with the cart's zone and its L after every stimulation."""
    sender, outcome = Sender([RECORDS[0].replace("+0100", ""), *RECORDS[1:]]), asyncio.Event()

    async def cart(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        events = sender.start()
        while Delivered() not in events:
            writer.write(b"".join(event.data for event in events if isinstance(event, Say)))
            events = sender.receive(await reader.read(1))
        writer.write(EOT)
        outcome.set()
        writer.close()

    server = await asyncio.start_server(cart, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = Settings(url=f"socket://127.0.0.1:{port}", terminator_ends_exam=False)
        disk = Disk()
        with pytest.raises(Unavailable):
            await DRIVER.create(settings, context(timezone=ZoneInfo("Europe/Zurich"))).run(disk)
    assert outcome.is_set()
    assert disk.facts == list(STUDY.recordings)
    assert disk.headers[0].performed_at == "2026-11-02T10:15:00+01:00"
