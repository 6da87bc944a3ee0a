"""`capture`: listens to a line and keeps what it brings, raw and with its time; the first look at a cart.

Nothing is written to the line (with `xonxoff` the kernel may ask for a pause). Each chunk is in the file
before the next is read, so whatever ends the program leaves a file that `simulate` can play. A line that is
lost is opened again until somebody stops it.
"""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

import gateway
from gateway.commands.terminal import printable
from gateway.errors import CannotCreate, ConfigError, StorageError, Unavailable, UsageError
from gateway.protocols.capture import (
    Chunk,
    Entry,
    Happening,
    Header,
    LineEvent,
    encode_entry,
    encode_header,
    impression,
)
from gateway.transport import Stream, StreamSettings, open_stream

_REOPEN_S: Final = 1.0
_MAX_BYTES: Final = 256 * 1024 * 1024
# What a cart begins with says what it speaks; the rest need not be kept in memory to tell.
_LOOKED_AT: Final = 1024 * 1024


@click.command("capture")
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--baudrate", type=click.IntRange(min=1), default=9600, show_default=True)
@click.option("--bytesize", type=click.Choice(["5", "6", "7", "8"]), default="8", show_default=True)
@click.option("--parity", type=click.Choice(["N", "E", "O", "M", "S"]), default="N", show_default=True)
@click.option("--stopbits", type=click.Choice(["1", "2"]), default="1", show_default=True)
@click.option("--flow", type=click.Choice(["none", "rtscts", "xonxoff"]), default="none", show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=1),
    default=_MAX_BYTES,
    show_default=True,
    help="Stop after so much.",
)
def command(url: str, file: Path, seconds: float | None, max_bytes: int, **line: int | str) -> None:
    """Write what comes from URL (serial:///dev/ttyUSB0, socket://host:port) to the new FILE, until Ctrl-C.

    It only listens. FILE, which may hold patient data, can be played with `simulate`.
    """
    try:
        settings = msgspec.convert({"url": url, **line}, StreamSettings, strict=False)
        asyncio.run(_capture(_Recorder(settings, file, seconds=seconds, max_bytes=max_bytes)))
    except ConfigError as error:
        raise UsageError(str(error)) from error


async def _capture(recorder: "_Recorder") -> None:
    listening = asyncio.create_task(recorder.listen(), name="capture")
    asked_to_stop = asyncio.create_task(recorder.stop.wait(), name="stop")
    try:
        await asyncio.wait({listening, asked_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            listening.result()
    finally:
        for task in (listening, asked_to_stop):
            task.cancel()
        await asyncio.gather(listening, asked_to_stop, return_exceptions=True)
        recorder.close()
    _say(recorder.summary)
    _say(recorder.impression)


class _Recorder:
    """One line and its file; listens for `seconds` or until `max_bytes` came, and until SIGTERM or Ctrl-C."""

    def __init__(
        self, settings: StreamSettings, path: Path, *, seconds: float | None, max_bytes: int
    ) -> None:
        self._settings: Final = settings
        self._path: Final = path
        self._seconds: Final = seconds
        self._max_bytes: Final = max_bytes
        self.stop: Final = asyncio.Event()
        self._tape: _Tape | None = None
        self._begun = self._ended = 0.0
        self._lost = False
        self._bytes = self._chunks = 0
        self._start = bytearray()

    async def listen(self) -> None:
        """Record until the limit; Unavailable when the line is not there at the start."""
        while self._bytes < self._max_bytes:
            try:
                async with open_stream(self._settings) as stream:
                    tape = self._line_open()
                    await self._take(stream, tape)
            except Unavailable:
                if self._tape is None:
                    raise
                self._line_lost(self._tape)
                await asyncio.sleep(_REOPEN_S)

    def _line_open(self) -> "_Tape":
        if self._tape is None:
            self._tape = self._begin()
        else:
            self._lost = False
            self._note(self._tape, "line_back")
        return self._tape

    def _line_lost(self, tape: "_Tape") -> None:
        if not self._lost:
            self._lost = True
            self._note(tape, "line_lost")

    def _begin(self) -> "_Tape":
        """Open the file, and stop from now on as asked to."""
        values = asdict(self._settings)
        header = Header(
            url=values.pop("url"),
            settings=values,
            started_at=datetime.now(UTC).isoformat(),
            gateway_version=gateway.__version__,
        )
        tape = _Tape(self._path, encode_header(header))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        self._begun = loop.time()
        if self._seconds is not None:
            loop.call_later(self._seconds, self.stop.set)
        _say(f"listening; {self._path} may hold patient data, only you can read it; Ctrl-C ends it")
        return tape

    async def _take(self, stream: Stream, tape: "_Tape") -> None:
        while self._bytes < self._max_bytes:
            data = (await stream.read())[: self._max_bytes - self._bytes]
            tape.add(Chunk(self._elapsed_s(), data))
            self._bytes += len(data)
            self._chunks += 1
            self._start += data[: _LOOKED_AT - len(self._start)]

    def _note(self, tape: "_Tape", event: LineEvent) -> None:
        tape.add(Happening(self._elapsed_s(), event))
        _say(
            "the line is back" if event == "line_back" else "the line is lost; it is tried again every second"
        )

    def _elapsed_s(self) -> float:
        return asyncio.get_running_loop().time() - self._begun

    def close(self) -> None:
        """Have everything on disk."""
        self._ended = asyncio.get_running_loop().time()
        if self._tape is not None:
            self._tape.close()

    @property
    def summary(self) -> str:
        """How long it took and how much came."""
        seconds = self._ended - self._begun
        return f"{self._path}: {seconds:.1f} s, {self._bytes} bytes in {self._chunks} chunks"

    @property
    def impression(self) -> str:
        """What it looks like."""
        return impression(bytes(self._start))


class _Tape:
    """The file: new, for its owner alone, and with each line handed over before the next is made."""

    def __init__(self, path: Path, header: bytes) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotCreate(f"{path}: {error.strerror}; name a file that is not there yet") from error
        self._path: Final = path
        self._file: Final = os.fdopen(descriptor, "wb")
        self._write(header)

    def add(self, entry: Entry) -> None:
        """Append a line; StorageError when the disk refuses."""
        self._write(encode_entry(entry))

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            self._abandon()
            raise self._refused(error) from error

    def close(self) -> None:
        """Put everything on disk; StorageError when the disk refuses."""
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        finally:
            self._abandon()

    def _abandon(self) -> None:
        with suppress(OSError):  # what it still holds is what the disk refused
            self._file.close()

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(f"{self._path}: {error.strerror}; what came before is in it")


def _say(text: str) -> None:
    click.echo(f"emg-gateway: {printable(text)}", err=True)
