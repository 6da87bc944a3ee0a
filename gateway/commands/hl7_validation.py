"""Is this a well-formed HL7 message: hl7apy on the structure, our own reader on what hl7apy passes over.

hl7apy is slow and large (a quarter of a second a message, 20 MB): it runs in a process that ends, never in
the daemon's. It loses segments where lines end in LF and does not look at OBX-5, so both are settled here.
"""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException, ValidationError
from hl7apy.parser import parse_message

from gateway.errors import DataError
from gateway.protocols import er7
from gateway.protocols.observations import LOCAL

_UNREVIEWED: Final = ("P", "X", "D", "W")  # what we may send; HL7 table 0085
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)  # type NM
_ERROR: Final = "Error: "


def validate(message: bytes) -> list[str]:
    """What is wrong with `message`, a line each, naming the field; empty when nothing is."""
    try:
        parsed = er7.parse(message)
    except DataError as error:
        return [str(error)]
    return [*_values(parsed), *_structure(parsed)]


def _values(message: er7.Message) -> Iterator[str]:
    """What hl7apy does not check: numbers that are none, and of our own codes what we promise of them."""
    filler, seen = "", set[tuple[str, str, str]]()
    for entry in message.segments:
        if entry.name == "OBR":
            filler = entry.text(3)
        if entry.name != "OBX":
            continue
        place = f"OBX {entry.text(3)} {entry.text(4)}".rstrip()
        if not _is_numeric(entry):
            yield f"{place}: OBX-5 is not a number"
        if entry.text(3, component=3) != LOCAL:
            continue
        if entry.text(11) not in _UNREVIEWED:
            yield f"{place}: OBX-11 must be one of {' '.join(_UNREVIEWED)}"
        named = (filler, entry.raw(3), entry.raw(4))
        if named in seen:
            yield f"{place}: the same OBX-3 and OBX-4 twice under one OBR-3"
        seen.add(named)


def _is_numeric(entry: er7.Segment) -> bool:
    """Whether OBX-5 is what NM or NA (values in rows) promises; empty, or of another type, it is too."""
    kind, value, marks = entry.text(2), entry.raw(5), entry.delimiters
    if kind not in ("NM", "NA") or not value:
        return True
    values = (
        [value] if kind == "NM" else value.replace(marks.repetition, marks.component).split(marks.component)
    )
    return all(_NUMBER.fullmatch(marks.unescaped(number)) for number in values)


def _structure(message: er7.Message) -> Iterator[str]:
    """What hl7apy says at its strict level, in the version MSH-12 names."""
    text = "".join(segment.er7 + er7.SEGMENT_END for segment in message.segments)
    try:
        structured = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report")
            with contextlib.suppress(ValidationError):  # the first of those in the report
                structured.validate(report_file=str(report))
            yield from _errors(report.read_text())
    except (HL7apyException, ValueError, IndexError) as error:
        # Its messages hold the value that was refused, which may be a patient's name.
        yield f"hl7apy refuses it: {type(error).__name__}"


def _errors(report: str) -> Iterator[str]:
    lines = report.splitlines()
    return (line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR))
