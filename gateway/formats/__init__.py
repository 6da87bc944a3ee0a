"""Readers and writers of whole documents; pure. Drivers, `analyze` and `simulate` find them here.

A format is one module (or folder) with a `FORMAT` object, and one line in the entry point group
`emg_gateway.formats`. It never touches a file: bytes come in, a study comes out, or a DataError that names
the place in the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from importlib.metadata import entry_points
from typing import Final, Literal, Protocol

from gateway.domain.anatomy import Anatomy
from gateway.domain.limits import Limits
from gateway.domain.study import Study
from gateway.errors import DataError

Polarity = Literal["true", "negative_up"]

_GROUP: Final = "emg_gateway.formats"
# No format needs more of a document's beginning to be told from the others.
SNIFFED_BYTES: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader has to know beside the bytes.

    `polarity` is the sign of files that leave it open (`true`: active minus reference). `timezone` is that of
    times without one; None: this machine's. `site_aliases` are spellings of stimulation sites beside those
    of the anatomy.
    """

    anatomy: Anatomy
    limits: Limits = Limits()  # noqa: RUF009  # frozen
    polarity: Polarity = "true"
    timezone: tzinfo | None = None
    site_aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A study, or a part of one, and what in the document could not be used (no patient data)."""

    study: Study
    notices: tuple[str, ...] = ()


class Format(Protocol):
    """What the entry point group `emg_gateway.formats` holds."""

    @property
    def name(self) -> str:
        """The word for it on the command line."""
        ...

    @property
    def suffix(self) -> str:
        """How the name of a file of this format ends, with the dot."""
        ...

    @property
    def folds(self) -> bool:
        """Whether several files can make up one study."""
        ...

    def sniff(self, start: bytes) -> bool:
        """Whether a document that starts with these bytes (`SNIFFED_BYTES` or all) is of this format."""
        ...

    def read(self, data: bytes, reading: Reading) -> Document:
        """The study, or the part of one, that `data` holds; DataError names the place that is wrong."""
        ...

    def write(self, study: Study, anatomy: Anatomy) -> Sequence[bytes]:
        """The documents that carry `study`, in order; DataError when the format cannot carry it."""
        ...


def installed_formats() -> dict[str, Format]:
    """The formats that are installed, by name."""
    return {entry.name: entry.load() for entry in entry_points(group=_GROUP)}


def sniffed(data: bytes, name: str = "") -> Format:
    """The format of a document by its first bytes, else by its file's name; DataError for neither."""
    formats = installed_formats()
    for found in formats.values():
        if found.sniff(data[:SNIFFED_BYTES]):
            return found
    for found in formats.values():
        if name.lower().endswith(found.suffix):
            return found
    raise DataError(f"not a file of a known format; known: {', '.join(formats)}")
