"""`hl7 send`: one file to a receiver, as the gateway sends its own messages, and what comes back."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from gateway.commands.hl7_files import messages_in, read, segments
from gateway.commands.tls_options import tls_options
from gateway.daemon.clock import SystemClock
from gateway.errors import ConfigError, DataError, Temporary, Unavailable, UsageError
from gateway.protocols import er7
from gateway.protocols.acknowledgement import Verdict
from gateway.sinks.answers import answered, question
from gateway.sinks.mllp_address import MllpAddress, mllp_address
from gateway.sinks.mllp_link import MllpLink, connected
from gateway.sinks.tls import TlsFiles, client_context

_EXITS: Final = {
    Verdict.DELIVERED: 0,
    Verdict.TRY_AGAIN: Temporary.exit_code,
    Verdict.REJECTED: DataError.exit_code,
}
_LINE_END: Final = re.compile(rb"\r?\n")


@click.command("send")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "url", required=True, metavar="URL", help="mllp://host:port, or mllps:// for TLS.")
@click.option("--timeout", type=click.FloatRange(0.01, 3600), default=10.0, show_default=True, metavar="S")
@tls_options("Show the receiver", "Trust a receiver of")
def send(file: Path, url: str, timeout: float, tls: TlsFiles) -> int:  # an option, not a wait
    """Send the messages in FILE one after the other and print the answers.

    Exit 0 when all were accepted, 65 when one was rejected (AR, CR), 75 when one is to be tried again
    (AE, CE) or nobody answered; what comes after that one is not sent.
    """
    address = _address(url)
    context = client_context(tls) if address.secure else None
    if tls != TlsFiles() and not address.secure:
        raise UsageError("--cert, --key and --ca need a url that begins with mllps://")
    messages = [_LINE_END.sub(b"\r", found) for found in messages_in(read(file))]
    for message in messages:
        _check(message, file)
    try:
        return asyncio.run(_send(messages, address, context, timeout))
    except Unavailable as error:
        raise Temporary(str(error)) from error


def _address(url: str) -> MllpAddress:
    try:
        return mllp_address(url)
    except ConfigError as error:
        raise UsageError(f"--to {error}") from error


def _check(message: bytes, file: Path) -> None:
    """DataError when `message` could not be sent, or its answer not be known."""
    try:
        er7.parse(message)
        question(message)
    except DataError as error:
        raise error.within(str(file)) from error


async def _send(
    messages: list[bytes], address: MllpAddress, context: ssl.SSLContext | None, timeout_s: float
) -> int:
    """The exit code the first answer that is no acceptance asks for; 0 where there is none."""
    async with connected(address, timeout_s, context) as link:
        for message in messages:
            code = await _exchange(link, message, timeout_s)
            if code:
                return code
    return 0


async def _exchange(link: MllpLink, message: bytes, timeout_s: float) -> int:
    await link.send(message)
    found = await answered(link, question(message), timeout_s, SystemClock().now)
    for block in found.blocks:
        for line in _shown(block):
            click.echo(line)
        click.echo()
    return _EXITS[found.meaning]


def _shown(block: bytes) -> Iterator[str]:
    return segments(er7.parse(block, errors="replace"))
