"""What may be written to a terminal: documents and messages come from others, and may hold its commands."""

import textwrap
from typing import Final

WIDTH: Final = 120


def printable(text: str) -> str:
    """`text` in one line, with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def wrapped(text: str, indent: str = "") -> list[str]:
    """`text` as lines of at most `WIDTH`, the first behind `indent`, the rest four blanks further in."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{' ' * len(indent)}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
