"""HL7 messages in files and on the screen, as the engineer's tools read and show them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.commands.terminal import printable
from gateway.errors import DataError, NoInput
from gateway.protocols.er7 import Message
from gateway.protocols.mllp import NEED_DATA, START_BLOCK, MllpReader

_STANDARD_INPUT: Final = Path("-")


def read(path: Path) -> bytes:
    """What stands in a file, or for `-` comes in on standard input; NoInput when it cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == _STANDARD_INPUT else path.read_bytes()
    except OSError as error:
        raise NoInput(f"{path}: {error.strerror}") from error


def messages_in(data: bytes) -> list[bytes]:
    """The messages of a file: MLLP blocks if it holds any, else the file is one message.

    DataError when a block has no end.
    """
    if START_BLOCK not in data:
        return [data]
    reader = MllpReader()
    reader.receive(data)
    found = []
    while (block := reader.next_block()) is not NEED_DATA:
        found.append(block)
    if len(found) < data.count(START_BLOCK):
        raise DataError("a message begins and does not end", f"MLLP block {len(found) + 1}")
    return found


def segments(message: Message) -> Iterator[str]:
    """A message as a person reads it: a line a segment, nothing in it that a terminal would obey."""
    return (printable(segment.er7) for segment in message.segments)
