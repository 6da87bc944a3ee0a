"""`hl7`: the integration engineer's tools."""

import asyncio
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from gateway.commands.hl7_files import messages_in, read, segments
from gateway.commands.hl7_sample import sample
from gateway.commands.hl7_send import send
from gateway.commands.terminal import printable
from gateway.commands.tls_options import tls_options
from gateway.errors import CannotCreate, DataError
from gateway.sinks.receiver import ANSWERS, LATE_S, Received, Receiver, late
from gateway.sinks.tls import TlsFiles, server_context

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")


@click.group("hl7")
def command() -> None:
    """Receive, send and check HL7 messages."""


command.add_command(send)
command.add_command(sample)


@command.command("listen")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=2575, show_default=True, help="0: a free one."
)
@click.option("--answer", type=click.Choice(list(ANSWERS)), default="AA", show_default=True)
@click.option(
    "--delay",
    type=click.FloatRange(0, 3600),
    default=LATE_S,
    show_default=True,
    metavar="S",
    help="With --answer late.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N messages.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a message.")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="Keep each message as a file.")
@tls_options("Serve TLS with", "Ask senders for a certificate of")
def listen(  # noqa: PLR0913  # an option each
    *,
    host: str,
    port: int,
    answer: str,
    delay: float,
    count: int | None,
    output: Path | None,
    as_json: bool,
    tls: TlsFiles,
) -> None:
    """Receive messages over MLLP, show them, and acknowledge them as --answer says."""
    if output is not None:
        _make(output)
    context = server_context(tls) if tls != TlsFiles() else None
    answering = late(delay) if answer == "late" else ANSWERS[answer]
    receiver = Receiver(answering, host=host, port=port, tls=context)
    asyncio.run(_listen(receiver, count, output, as_json=as_json))


async def _listen(receiver: Receiver, count: int | None, output: Path | None, *, as_json: bool) -> None:
    """Show what arrives until `count` messages have, or until SIGINT or SIGTERM."""
    async with receiver:
        showing = asyncio.create_task(_show(receiver, count, output, as_json=as_json))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, showing.cancel)
        click.echo(f"listening on {receiver.host}:{receiver.port}", err=True)
        await asyncio.wait({showing})
        if not showing.cancelled():
            showing.result()
            await receiver.answered()


async def _show(receiver: Receiver, count: int | None, output: Path | None, *, as_json: bool) -> None:
    number = 0
    while count is None or number < count:
        received = await receiver.messages.get()
        number += 1
        click.echo(_object(received) if as_json else _lines(received))
        if output is not None:
            _keep(output, number, received)


def _lines(received: Received) -> str:
    """A message as a person reads it: one line a segment, nothing in it that a terminal would obey."""
    if received.message is None:
        return f"refused: {received.problem}\n"
    control_id = received.message.header.text(10)
    again = " (again)" if received.duplicate else ""
    return "\n".join([f"message {printable(control_id)}{again}", *segments(received.message), ""])


def _object(received: Received) -> str:
    """A message as one line of JSON."""
    header = received.message.header if received.message else None
    found = {
        "control_id": header.text(10) if header else None,
        "type": header.text(9) if header else None,
        "duplicate": received.duplicate,
        "segments": [segment.er7 for segment in received.message.segments] if received.message else None,
        "problem": received.problem or None,
    }
    return msgspec.json.encode({name: value for name, value in found.items() if value is not None}).decode()


def _keep(folder: Path, number: int, received: Received) -> None:
    control_id = received.message.header.text(10) if received.message else "refused"
    path = folder / f"{number:04d}-{_UNSAFE.sub('_', control_id)[:40]}.hl7"
    try:
        path.write_bytes(received.block)
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreate(f"{folder}: {error.strerror}") from error


@command.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a problem, on standard output.")
def validate_files(files: Sequence[Path], *, as_json: bool) -> int:
    """Check each message in FILEs (-: standard input).

    A line a problem on standard error, without --json; exit 65 when there is any.
    """
    # hl7apy takes 0.1 s and 8 MB to load; nothing else here needs it.
    from gateway.commands.hl7_validation import validate  # noqa: PLC0415

    problems = 0
    for path in files:
        try:
            found = messages_in(read(path))
        except DataError as error:
            raise error.within(str(path)) from error
        for number, message in enumerate(found, start=1):
            for problem in validate(message):
                problems += 1
                if as_json:
                    found_there = {"file": str(path), "message": number, "problem": problem}
                    click.echo(msgspec.json.encode(found_there))
                else:
                    click.echo(f"emg-gateway: {path}: message {number}: {problem}", err=True)
    return DataError.exit_code if problems else 0
