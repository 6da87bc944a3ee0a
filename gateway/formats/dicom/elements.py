"""A data set of a DICOM object and the values of its attributes; every error names the place.

Only attributes of the table can be asked for, by keyword; one that is empty is one that is missing. Values
are decoded here, from the bytes of the file: what is not what the attribute should be is refused, in words
that never repeat it. Tags and character sets are pydicom's.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeVar, cast

from pydicom.charset import decode_bytes, python_encoding
from pydicom.config import strict_reading
from pydicom.datadict import tag_for_keyword
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from gateway.errors import DataError
from gateway.formats.dicom.attributes import BY_KEYWORD
from gateway.protocols import lis_syntax

ByteOrder = Literal["<", ">"]
Unsigned = Literal["H", "L"]  # VR US and UL, as struct calls them

TAGS: Final = {keyword: cast("int", tag_for_keyword(keyword)) for keyword in BY_KEYWORD}

_LONGEST_CHARACTER_SETS: Final = 512  # all that PS3.3 C.12.1.1.2 has, and more
_PADDING: Final = " \0"  # PS3.5 6.2
_ESCAPE: Final = b"\x1b"
_LONGEST_TEXT: Final = 4 * 1024  # bytes of 1024 characters: no text of the table is longer (PS3.5 6.2, ST)
# PS3.3 C.12.1.1.2; machines also write ISO-IR 100 and ISO_IR_100
_REGISTERED: Final = re.compile(r"ISO[ _-]IR[ _-]")
_DEFAULT_REPERTOIRE: Final = ("", "ISO_IR 6")
_T = TypeVar("_T")


class Code(NamedTuple):
    """What a coded concept is known by."""

    scheme: str
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """The elements of an object, or of one item of a sequence; `order` is that of its binary values."""

    name: str
    parent: "DataSet | None"
    order: ByteOrder
    elements: "dict[int, memoryview | tuple[DataSet, ...]]" = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where in the object this is: `WaveformSequence[0].ChannelDefinitionSequence[1]`; the object: ""."""
        return self.parent.at(self.name) if self.parent else self.name

    def at(self, keyword: str) -> str:
        """Where in the object its attribute `keyword` is."""
        return f"{self.place}.{keyword}" if self.place else keyword

    def error(self, keyword: str, reason: str) -> DataError:
        """What is wrong with an attribute of it."""
        return DataError(reason, self.at(keyword))

    def needed(self, keyword: str, value: _T | None) -> _T:
        """The value of an attribute that has to be there; DataError where it is not."""
        if value is None:
            raise self.error(keyword, "is missing")
        return value

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Places what the domain refuses to build from this data set."""
        try:
            yield
        except DataError as error:
            raise error.within(self.place) from error

    def is_empty(self, keyword: str) -> bool:
        """Whether the attribute is there and has no value: nobody knows it (PS3.5 7.4)."""
        value = self.elements.get(TAGS[keyword])
        return value is not None and (not len(value) if isinstance(value, tuple) else not self.text(keyword))

    def raw(self, keyword: str) -> memoryview:
        """The value as its bytes, none where it is missing."""
        value = self.elements.get(TAGS[keyword], memoryview(b""))
        if isinstance(value, tuple):
            raise self.error(keyword, "is a sequence, a value was expected")
        return value

    def text(self, keyword: str) -> str:
        """The value as text, without its padding; "" where it is missing."""
        if len(self.raw(keyword)) > _LONGEST_TEXT:
            raise self.error(keyword, f"has more than {_LONGEST_TEXT} bytes")
        raw = bytes(self.raw(keyword))
        if raw.isascii() and _ESCAPE not in raw:
            return raw.decode("ascii").strip(_PADDING)
        try:
            return self._decoded(raw).strip(_PADDING)
        except (UnicodeError, ValueError, LookupError) as error:
            raise self.error(keyword, "is not text in the declared SpecificCharacterSet") from error

    def texts(self, keyword: str) -> list[str]:
        """The values of an attribute that can have several."""
        return [text.strip(_PADDING) for text in self.text(keyword).split("\\")]

    def number(self, keyword: str, *, signed: bool = False, shift: int = 0) -> float | None:
        """A decimal string times 10**shift; None where it is missing."""
        text = self.text(keyword)
        return lis_syntax.number(text, self.at(keyword), shift=shift, signed=signed) if text else None

    def exact(self, keyword: str) -> Fraction | None:
        """A decimal string, exactly; None where it is missing."""
        text = self.text(keyword)
        if not text:
            return None
        # It refuses what a fraction would take too long for.
        lis_syntax.number(text, self.at(keyword), signed=True)
        return Fraction(text)

    def integers(self, keyword: str, form: Unsigned) -> tuple[int, ...]:
        """The binary integers of an attribute."""
        raw = self.raw(keyword)
        try:
            return struct.unpack(f"{self.order}{len(raw) // struct.calcsize('=' + form)}{form}", raw)
        except struct.error as error:
            raise self.error(keyword, "is not made of whole integers") from error

    def integer(self, keyword: str, form: Unsigned) -> int | None:
        """A binary integer; None where it is missing."""
        values = self.integers(keyword, form)
        if len(values) > 1:
            raise self.error(keyword, "has more than one value")
        return values[0] if values else None

    def items(self, keyword: str) -> "tuple[DataSet, ...]":
        """The items of a sequence, none where it is missing."""
        value = self.elements.get(TAGS[keyword], ())
        if isinstance(value, tuple):
            return value
        if value:
            raise self.error(keyword, "is a value, a sequence was expected")
        return ()

    def code(self, keyword: str) -> Code | None:
        """The one code of a code sequence; None where it is missing."""
        items = self.items(keyword)
        if len(items) > 1:
            raise self.error(keyword, "has more than one item")
        return Code(items[0].text("CodingSchemeDesignator"), items[0].text("CodeValue")) if items else None

    def _decoded(self, raw: bytes) -> str:
        names = [_REGISTERED.sub("ISO_IR ", name) for name in self._character_sets()]
        if _ESCAPE not in raw:
            return (
                lis_syntax.decode_text(raw)
                if names[0] in _DEFAULT_REPERTOIRE
                else raw.decode(_codec(names[0]))
            )
        with strict_reading():  # else pydicom replaces what it cannot decode, and warns
            return decode_bytes(raw, [_codec(name) for name in names], TEXT_VR_DELIMS | PN_DELIMS)

    def _character_sets(self) -> list[str]:
        """The declared character sets, inherited from what holds this data set (PS3.5 7.5.3)."""
        holder: DataSet | None = self
        while holder:
            raw = bytes(holder.raw("SpecificCharacterSet"))
            if len(raw) > _LONGEST_CHARACTER_SETS:
                raise holder.error("SpecificCharacterSet", "names more character sets than there are")
            if raw:
                return [name.strip(_PADDING) for name in raw.decode("iso-8859-1").split("\\")]
            holder = holder.parent
        return [""]


def _codec(name: str) -> str:
    """The codec of a character set; KeyError, which is a LookupError, for one that DICOM does not have."""
    return python_encoding[name]
