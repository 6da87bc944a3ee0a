"""What may be written to a terminal: documents and messages come from others, and may hold its commands."""


def printable(text: str) -> str:
    """`text` in one line, with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
