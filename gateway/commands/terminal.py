"""What may be written to a terminal: documents and messages come from others, and may hold its commands."""

import re
import textwrap
from typing import Final

WIDTH: Final = 120
_TOGETHER: Final = "\xa0"  # where a line must not end
_BEFORE_UNIT: Final = re.compile(r"(?<=\d) (?=[%a-zA-Z])|(?<=[<>=]) (?=-?\d)")


def printable(text: str) -> str:
    """`text` in one line, with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def wrapped(text: str, indent: str = "") -> list[str]:
    """`text` as lines of at most `WIDTH`, the first behind `indent`, the rest four blanks further in."""
    lines = textwrap.wrap(
        _BEFORE_UNIT.sub(_TOGETHER, text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{' ' * len(indent)}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_TOGETHER, " ") for line in lines]
