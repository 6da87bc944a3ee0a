"""The limits of the configuration reach the ways in, and the log stays readable under attack."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from drivers.serial_lis import DRIVER, Settings
from drivers.serial_lis.driver import SerialLisDriver
from drivers.serial_lis.log import MINUTE_S, MOST_LINES, LineLog
from drivers.serial_lis.translate import Conversation
from gateway.daemon.config import parse
from gateway.daemon.service import checked
from gateway.domain.limits import Limits
from gateway.domain.study import Fact, StudyHeader
from gateway.errors import Unavailable
from gateway.ports import Driver, DriverContext, Session
from gateway.protocols.lis_frames import ACK, ENQ, EOT, NAK, Frame, cut, encode_frame
from gateway.protocols.lis_records import Assembler
from gateway.transport import Stream, StreamSettings
from tests.factories import reference
from tests.fakes import FakeClock

URL = "socket://127.0.0.1:1"
HEAD = (r"H|\^&||||||||||P|LIS2-A2|20261102101500+0100", "P|1||P-1", "O|1|S-1")
AMP = "R|1|^^^MOTOR^ulnar^right^adm^wrist^CMAP-AMP|9.0|mV"


class Disk:
    """A journal in memory."""

    def __init__(self) -> None:
        self.sessions: list[list[bytes]] = []
        self.facts: list[Fact] = []

    async def unfinished(self) -> Sequence[Session]:
        return []

    async def open(self) -> int:
        self.sessions.append([])
        return len(self.sessions) - 1

    async def accept(self, session: int, entry: bytes) -> None:
        self.sessions[session].append(entry)

    async def deliver(self, _header: StudyHeader, facts: Sequence[Fact]) -> None:
        self.facts += facts

    async def close(self, session: int) -> None:
        pass


class Line:
    """A line on which `reads` arrive; then the plug is pulled."""

    def __init__(self, reads: Iterator[bytes]) -> None:
        self.written = b""
        self._reads = reads

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        try:
            return next(self._reads)
        except StopIteration:
            raise Unavailable("unplugged") from None

    async def write(self, data: bytes) -> None:
        self.written += data


def frames(*records: str, text_size: int = 240) -> list[bytes]:
    pieces = [piece for record in records for piece in cut(record.encode() + b"\r", text_size)]
    return [encode_frame(Frame(number % 8, *piece)) for number, piece in enumerate(pieces, start=1)]


async def listen(line: Line, disk: Disk, clock: FakeClock, limits: Limits = Limits()) -> None:  # noqa: B008  # frozen
    """A driver as the plug-in builds it, on `line`, until the plug is pulled."""

    @asynccontextmanager
    async def open_line(_: StreamSettings) -> AsyncIterator[Stream]:
        yield line

    def converse() -> Conversation:
        assembler = Assembler(check=reference().anatomy.check, max_samples=limits.sweep_samples)
        return Conversation(assembler, limits.record_bytes, limits.document_bytes)

    driver = SerialLisDriver("room-1", clock, StreamSettings(url=URL), converse, open_line)
    with pytest.raises(Unavailable):
        await driver.run(disk)


async def through_the_plugin(limits: Limits, *records: str) -> bytes:
    """What the driver that the plug-in builds under `limits` answers to a message with these records."""
    answers = b""

    async def cart(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        for piece in (ENQ, *frames(*HEAD, *records)):
            writer.write(piece)
            answers += await reader.read(1)
        writer.write(EOT)
        writer.close()

    server = await asyncio.start_server(cart, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        context = DriverContext(name="room-1", anatomy=reference().anatomy, clock=FakeClock(), limits=limits)
        driver = DRIVER.create(Settings(url=f"socket://127.0.0.1:{port}"), context)
        with pytest.raises(Unavailable):
            await driver.run(Disk())
    return answers


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.message == event]


# The limits of the configuration


def test_every_driver_is_built_with_the_limits_of_the_configuration() -> None:
    given: list[Limits] = []

    class Recorder:
        settings = Settings

        def create(self, settings: Settings, context: DriverContext) -> Driver:
            given.append(context.limits)
            return DRIVER.create(settings, context)

    text = f'[limits]\nrecord_bytes = 7\n[[drivers]]\nname = "a"\ntype = "serial_lis"\nurl = "{URL}"\n'
    settings = parse(text, "lab.toml")
    section = replace(settings.drivers[0], plugin=Recorder())

    checked(replace(settings, drivers=(section,)))

    assert given == [Limits(record_bytes=7)]


@pytest.mark.parametrize(
    ("limits", "record", "reason"),
    [
        (Limits(record_bytes=90), AMP + "|" * 90, "a record of more than 90 characters"),
        (
            Limits(sweep_samples=1),
            "M|1|WAVE|MOTOR^ulnar^right^adm^wrist|1000|0|1|int16le-base64|1^1|AAAAAA==",
            "M-10: a waveform of more than 1 samples",
        ),
    ],
)
async def test_the_serial_driver_keeps_to_the_limits(
    limits: Limits, record: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert set(await through_the_plugin(limits, record)) == set(ACK)
    (rejected,) = told(caplog, "record_rejected")
    assert rejected["reason"].startswith(reason)


async def test_the_serial_driver_takes_no_more_of_a_session_than_a_document(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = await through_the_plugin(Limits(document_bytes=300), *[AMP] * 5)
    assert answers == ACK * 8 + NAK
    assert {fields["reason"] for fields in told(caplog, "frame_not_stored")} == {
        "the session is too long; begin a new one with EOT, ENQ"
    }


async def test_a_new_session_is_taken_after_one_that_was_too_long() -> None:
    disk, line = Disk(), Line(iter([ENQ, *frames(*HEAD, *[AMP] * 5), EOT, ENQ, *frames(*HEAD, AMP), EOT]))
    await listen(line, disk, FakeClock(), Limits(document_bytes=300))
    assert line.written == ACK * 8 + NAK + ACK * 5
    assert len(disk.sessions) == 2


# The log


@pytest.mark.parametrize(
    ("noise", "event"),
    [
        (b"\x02\n", "frame_refused"),
        (b"\x03AA\r\n", "frame_refused"),
        (b"\x02\n\x05", "transfer_ended_early"),
        (ENQ + encode_frame(Frame(1, b"Z\r" * 400, last=True)), "record_rejected"),
    ],
)
async def test_noise_fills_so_many_lines_a_minute_and_no_more(
    noise: bytes, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()

    def reads() -> Iterator[bytes]:
        yield ENQ
        yield from [noise * 50] * 20
        clock.advance(MINUTE_S)
        yield noise

    await listen(Line(reads()), Disk(), clock)

    lines = told(caplog, event)
    held_back = [fields["held_back"] for fields in lines if "held_back" in fields]
    assert MOST_LINES < len(lines) <= 2 * MOST_LINES
    assert lines[MOST_LINES - 1]["note"] == "more in this minute are counted, not logged"
    assert lines[MOST_LINES]["held_back"] == held_back[0]
    assert len(held_back) == 1
    assert len(caplog.records) < 5 * MOST_LINES


async def test_a_line_that_is_opened_again_gets_no_more_lines(caplog: pytest.LogCaptureFixture) -> None:
    clock, opened = FakeClock(), 3

    @asynccontextmanager
    async def open_line(_: StreamSettings) -> AsyncIterator[Stream]:
        yield Line(iter([ENQ + b"\x02\n" * MOST_LINES]))

    driver = SerialLisDriver(
        "room-1",
        clock,
        StreamSettings(url=URL),
        lambda: Conversation(Assembler(check=lambda r: r)),
        open_line,
    )
    for _ in range(opened):
        with pytest.raises(Unavailable):
            await driver.run(Disk())
    assert len(told(caplog, "frame_refused")) == MOST_LINES


def test_a_quiet_log_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    log = LineLog("room-1", clock, logging.getLogger("line"))
    for _ in range(3):
        for _ in range(MOST_LINES - 1):
            log.tell("frame_refused", reason="why")
        clock.advance(MINUTE_S)
    log.tell("record_rejected", place="record 1 (R)", reason="why")
    assert told(caplog, "frame_refused") == [{"driver": "room-1", "reason": "why"}] * 3 * (MOST_LINES - 1)
    assert told(caplog, "record_rejected") == [{"driver": "room-1", "place": "record 1 (R)", "reason": "why"}]
