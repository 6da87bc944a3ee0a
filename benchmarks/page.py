"""The block of figures in a document that a benchmark writes anew."""

import sys
from pathlib import Path
from typing import Final

END: Final = "<!-- end of figures -->"


def begin(program: str) -> str:
    """The line before the block that `python -m PROGRAM --write` writes."""
    return f"<!-- figures: written by python -m {program} --write -->"


def put(target: Path, program: str, block: str) -> None:
    """Replace the block in `target` that `program` writes; leave the rest alone."""
    first = begin(program)
    before, found, rest = target.read_text("utf-8").partition(first)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        sys.exit(f"{target}: no block to replace; put these two lines where it belongs:\n{first}\n{END}")
    target.write_text(f"{before}{first}\n{block}\n{END}{after}", "utf-8")
