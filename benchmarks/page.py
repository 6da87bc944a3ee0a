"""The block of figures in a document that a benchmark writes anew."""

import sys
from pathlib import Path


def put(target: Path, program: str, block: str) -> None:
    """Replace the block in `target` that `python -m PROGRAM --write` writes; leave the rest alone."""
    begin, end = f"<!-- figures: written by python -m {program} --write -->", "<!-- end of figures -->"
    before, found, rest = target.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        sys.exit(f"{target}: no block to replace; put these two lines where it belongs:\n{begin}\n{end}")
    target.write_text(f"{before}{begin}\n{block}\n{end}{after}", "utf-8")
