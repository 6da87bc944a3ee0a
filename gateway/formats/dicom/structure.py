"""The bytes of a DICOM file (PS3.10, PS3.5 7) as data sets.

Read strictly, because pydicom forgives here: it takes a file that is cut off, guesses at another encoding
with a warning, and makes an object of each of millions of empty items. Nothing is copied, a length is
believed only as far as what holds it reaches, and elements and nesting are limited. A sequence that is not
in the table is skipped where its length is known; it may be damaged.
"""

import struct
from typing import Final, NamedTuple

from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from gateway.errors import DataError
from gateway.formats.dicom.elements import TAGS, ByteOrder, DataSet
from gateway.formats.dicom.profile import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)

PREFIX: Final = b"DICM"
PREFIX_AT: Final = 128

# A day of 60 sweeps has under 20,000 elements. Each costs some 400 bytes here, no less than 8 in the file.
_MOST_ELEMENTS: Final = 100_000
_DEEPEST: Final = 16  # sequences of the EMG object nest 4 deep
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_TRANSFER_SYNTAX_UID: Final = 0x00020010
_META_GROUP: Final = b"\x02\x00"

_SHORT: Final = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_16)
_LONG: Final = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)
_SAMPLES: Final = (TAGS["WaveformData"], TAGS["WaveformPaddingValue"])
_SEQUENCES: Final = {tag: keyword for keyword, tag in TAGS.items() if keyword.endswith("Sequence")}


class _Syntax(NamedTuple):
    """How elements are encoded."""

    explicit: bool
    order: ByteOrder


_IMPLICIT: Final = _Syntax(explicit=False, order="<")
_EXPLICIT: Final = _Syntax(explicit=True, order="<")
_SYNTAXES: Final = {
    IMPLICIT_LITTLE_ENDIAN: _IMPLICIT,
    EXPLICIT_LITTLE_ENDIAN: _EXPLICIT,
    EXPLICIT_BIG_ENDIAN: _Syntax(explicit=True, order=">"),
}


class _Element(NamedTuple):
    """The head of an element; `vr` is empty where it is implicit."""

    tag: int
    vr: bytes
    length: int


def parse(data: bytes) -> DataSet:
    """The object a DICOM file holds; DataError when it is none, damaged, cut off or in another encoding."""
    if data[PREFIX_AT : PREFIX_AT + len(PREFIX)] != PREFIX:
        raise DataError("not a DICOM file: DICM is missing behind the preamble of 128 bytes")
    walk = _Walk(data)
    syntax = _SYNTAXES.get(walk.transfer_syntax())
    if syntax is None:
        raise DataError(f"must be one of {', '.join(TRANSFER_SYNTAXES.values())}", "TransferSyntaxUID")
    return walk.object(syntax)


class _Walk:
    """One pass through the file."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = PREFIX_AT + len(PREFIX)
        self._elements = 0
        self._depth = 0

    def transfer_syntax(self) -> str:
        """The transfer syntax that the File Meta Information declares, "" when it declares none."""
        meta = DataSet("File Meta Information", None, "<")
        while bytes(self._data[self._at : self._at + 2]) == _META_GROUP:
            self._element(meta, _EXPLICIT, len(self._data))
        value = meta.elements.get(_TRANSFER_SYNTAX_UID, memoryview(b""))
        return "" if isinstance(value, tuple) else bytes(value).rstrip(b"\0 ").decode("iso-8859-1")

    def object(self, syntax: _Syntax) -> DataSet:
        """The object, up to the end of the file."""
        found = DataSet("", None, syntax.order)
        self._fill(found, syntax, len(self._data) - self._at, len(self._data))
        return found

    def _fill(self, holder: DataSet, syntax: _Syntax, length: int, end: int) -> None:
        undefined = length == _UNDEFINED
        end = end if undefined else self._reaching(length, end, holder)
        while undefined or self._at < end:
            if not self._element(holder, syntax, end):
                if undefined:
                    return
                raise self._damaged(holder, "an item ends before its length")

    def _element(self, holder: DataSet, syntax: _Syntax, end: int) -> bool:
        """One more element of `holder`; False at the delimiter that ends it."""
        element = self._head(holder, syntax, end)
        tag, vr, length = element
        if tag == _ITEM_END:
            return False
        if tag in holder.elements:
            raise self._damaged(holder, "an element is there twice")
        if syntax.order == ">" and tag in _SAMPLES and vr != b"OW":
            # Bytes in no order: whoever made it little endian or big endian may have swapped them, or not.
            raise self._damaged(holder, "samples of Big Endian files must have the value representation OW")
        if length == _UNDEFINED and vr not in (b"", b"SQ", b"UN"):
            raise self._damaged(holder, "a value has no length")
        if length == _UNDEFINED or (tag in _SEQUENCES and vr in (b"", b"SQ")):
            # A UN of undefined length is a sequence in Implicit VR Little Endian (PS3.5 6.2.2).
            holder.elements[tag] = self._items(holder, element, _IMPLICIT if vr == b"UN" else syntax, end)
        else:
            holder.elements[tag] = self._take(length, end, holder)
        return True

    def _items(self, holder: DataSet, sequence: _Element, syntax: _Syntax, end: int) -> tuple[DataSet, ...]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._damaged(holder, f"sequences are nested more than {_DEEPEST} deep")
        undefined = sequence.length == _UNDEFINED
        end = end if undefined else self._reaching(sequence.length, end, holder)
        name = _SEQUENCES.get(sequence.tag, "an unknown sequence")
        items: list[DataSet] = []
        while undefined or self._at < end:
            tag, _, length = self._head(holder, syntax._replace(explicit=False), end)
            if tag == _SEQUENCE_END and undefined:
                break
            if tag != _ITEM:
                raise self._damaged(holder, "an item of a sequence was expected")
            item = DataSet(f"{name}[{len(items)}]", holder, syntax.order)
            self._fill(item, syntax, length, end)
            items.append(item)
        self._depth -= 1
        return tuple(items)

    def _head(self, holder: DataSet, syntax: _Syntax, end: int) -> _Element:
        """The head of the next element, or of an item or delimiter, which never have a VR (PS3.5 7.5)."""
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise DataError(f"more than {_MOST_ELEMENTS} elements: not an examination")
        head = self._take(8, end, holder)
        group, number = struct.unpack_from(f"{syntax.order}HH", head)
        tag = group << 16 | number
        if not syntax.explicit or tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
            return _Element(tag, b"", struct.unpack_from(f"{syntax.order}L", head, 4)[0])
        vr = bytes(head[4:6])
        if vr in _SHORT:
            return _Element(tag, vr, struct.unpack_from(f"{syntax.order}H", head, 6)[0])
        if vr not in _LONG:
            raise self._damaged(holder, "an element has no known value representation")
        return _Element(tag, vr, struct.unpack(f"{syntax.order}L", self._take(4, end, holder))[0])

    def _take(self, size: int, end: int, holder: DataSet) -> memoryview:
        start, self._at = self._at, self._reaching(size, end, holder)
        return self._data[start : self._at]

    def _reaching(self, length: int, end: int, holder: DataSet) -> int:
        """Where something of this length ends; DataError when that is behind the end of what holds it."""
        if length > end - self._at:
            raise self._damaged(holder, "an element ends behind the end of what holds it")
        return self._at + length

    def _damaged(self, holder: DataSet, reason: str) -> DataError:
        return DataError(f"cut off or damaged at byte {self._at}: {reason}", holder.place)
