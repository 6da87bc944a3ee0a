"""The cart's export: a study goes into a folder as a cart stores it there, file after file.

A file is written under a hidden name and gets its own when it is complete; with a fault it does not. Its name
is a digest of the whole export and a number: it holds nothing about the patient, another study never takes
its place, and names sort in the order of the recordings.
"""

import asyncio
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drivers.simulator.examination import BETWEEN_STIMULATIONS_S
from drivers.simulator.faults import FILE_FAULTS
from drivers.simulator.names import look_up
from drivers.simulator.pace import Pace
from gateway.domain.anatomy import Anatomy
from gateway.domain.study import Study
from gateway.errors import CannotCreate
from gateway.formats import Format

_NAME_DIGITS: Final = 16  # 64 bits of a digest: no two exports meet by chance
# `in_place`: about a second a file, in steps short enough that its size never seems settled.
_STEPS: Final = 10
_STEP_S: Final = 0.1
# `half`: longer than anyone waits for a size to settle.
_HALF_WAY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Writes files as a cart does; `time_scale` shortens the waits that faults make."""

    time_scale: float = 1.0

    async def write(
        self,
        study: Study,
        into: Path,
        *,
        form: Format,
        anatomy: Anatomy,
        speed: float = 0.0,
        fault: str | None = None,
    ) -> None:
        """Write `study` into the folder `into`; see `gateway.ports.Simulator.export`.

        Raises UsageError for an unknown fault or speed, DataError for a study the format cannot carry,
        CannotCreate for the folder.
        """
        if fault is not None:
            look_up("fault", fault, FILE_FAULTS)
        pause_s = Pace(speed).takes_s(BETWEEN_STIMULATIONS_S)
        documents = form.write(replace(study, header=replace(study.header, simulated=True)), anatomy)
        _must_exist(into)
        export = hashlib.sha256(b"".join(documents)).hexdigest()[:_NAME_DIGITS]
        for number, document in enumerate(documents, start=1):
            if number > 1:
                await asyncio.sleep(pause_s)
            for name, content in _files(f"{export}-{number:03}", document, fault):
                await self._store(into / f"{name}{form.suffix}", content, fault)

    async def _store(self, path: Path, content: bytes, fault: str | None) -> None:
        try:
            if fault == "in_place":
                await self._grow(path, _cut(content, _STEPS), _STEP_S)
            elif fault == "half":
                await self._grow(path, _cut(content, 2), _HALF_WAY_S)
            else:
                _appear(path, content)
        except OSError as error:
            raise CannotCreate(f"{path}: {error.strerror}") from error

    async def _grow(self, path: Path, pieces: Sequence[bytes], pause_s: float) -> None:
        with path.open("wb") as file:
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(pause_s * self.time_scale)
                file.write(piece)
                file.flush()


def _must_exist(folder: Path) -> None:
    if not folder.is_dir():
        raise CannotCreate(f"{folder}: no such folder; create it first")


def _files(name: str, document: bytes, fault: str | None) -> Iterator[tuple[str, bytes]]:
    """The files, by name, that a document becomes."""
    if fault == "truncated":
        yield f"{name}-cut", document[: len(document) // 2]
    yield name, document
    if fault == "duplicate":
        yield f"{name}-again", document


def _cut(content: bytes, count: int) -> list[bytes]:
    """`content` in `count` pieces, as equal as they come."""
    edges = [len(content) * number // count for number in range(count + 1)]
    return [content[begin:end] for begin, end in itertools.pairwise(edges)]


def _appear(path: Path, content: bytes) -> None:
    """Write the file at once, hidden until it is complete."""
    hidden = path.with_name(f".{path.name}.part")
    try:
        hidden.write_bytes(content)
        hidden.rename(path)
    finally:
        hidden.unlink(missing_ok=True)
