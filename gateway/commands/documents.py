"""Files that commands read whole, of whatever format is installed."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from gateway.domain.recording import Recording
from gateway.domain.study import Study, as_recorded
from gateway.errors import DataError, NoInput
from gateway.formats import Document, Format, Reading, sniffed
from gateway.formats.study_json import recording_object


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFile:
    """A file that could be read, and what is in it."""

    path: Path
    format: Format
    document: Document


def read_bytes(path: Path, most: int) -> bytes:
    """What the file holds; NoInput when it cannot be read, DataError when that is more than `most` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)  # a device or a pipe may have no end
    except OSError as error:
        raise NoInput(f"{path}: {error.strerror}") from error
    if len(data) > most:
        raise DataError(f"the document is larger than {most} bytes ([limits] document_bytes)", str(path))
    return data


def read_document(path: Path, reading: Reading) -> DocumentFile:
    """The document at `path`; NoInput when it cannot be read, DataError with the file's name."""
    data = read_bytes(path, reading.limits.document_bytes)
    try:
        found = sniffed(data, path.name)
        return DocumentFile(path=path, format=found, document=found.read(data, reading))
    except DataError as error:
        raise error.within(str(path)) from error


def read_study(path: Path, reading: Reading) -> Study:
    """The study at `path`, by itself; DataError when not all of it can be used."""
    document = read_document(path, reading).document
    if document.notices:
        raise DataError(document.notices[0], str(path))
    return document.study


_A_PART: Final = -1


class StudyFold:
    """The studies of several files, in the order of the first file of each."""

    def __init__(self) -> None:
        self._studies: dict[tuple[str, str, int], Study] = {}
        self._known: set[tuple[str, str]] = set()

    @property
    def studies(self) -> tuple[Study, ...]:
        """What the files so far amount to; the parts of a study in the order in which they were recorded."""
        return tuple(
            replace(study, recordings=as_recorded(study.recordings)) if number == _A_PART else study
            for (_, _, number), study in self._studies.items()
        )

    def add(self, file: DocumentFile) -> None:
        """Take the study of `file`, or add it to the one it is a part of; a recording counts once.

        DataError when a part is of another patient than those before it.
        """
        study = file.document.study
        if not file.format.folds:
            self._studies[file.format.name, study.header.study_id, len(self._studies)] = study
            return
        key = (file.format.name, study.header.study_id, _A_PART)
        earlier = self._studies.get(key) or Study(header=study.header)
        if len({earlier.header.patient.id, study.header.patient.id} - {None}) > 1:
            raise DataError("the study of an earlier file, but another patient id", str(file.path))
        new = (entry for entry in study.recordings if self._is_new(study, entry))
        self._studies[key] = replace(
            earlier,
            header=earlier.header.with_later(study.header),
            recordings=(*earlier.recordings, *new),
        )

    def _is_new(self, study: Study, recording: Recording) -> bool:
        content = msgspec.json.encode(recording_object(recording))
        identity = (study.header.study_id, hashlib.sha256(content).hexdigest())
        known = identity in self._known
        self._known.add(identity)
        return not known
