"""What an object says in annotations and acquisition context items of scheme 99EMGGW.

PS3.3 C.10.10 and C.7.6.14. Those of another scheme, or of a code the profile does not have, are left alone.
One annotation can be for several channels or for a whole group; a number for the channel wins over one for
its group. Said twice is fine, said twice and differently is refused; of what names a nerve or a site
everything said is kept, as one thing has several names.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.errors import DataError
from gateway.formats.dicom.elements import Code, DataSet
from gateway.formats.dicom.profile import (
    ANNOTATIONS,
    CONTEXT,
    NERVE,
    OURS,
    RECORDING_SITE,
    STIMULATION_SITE,
    UCUM,
    Annotation,
)
from gateway.protocols import lis_syntax

_WHOLE_GROUP: Final = 0
_PAIR_BYTES: Final = 4
_DIMENSIONLESS: Final = "1"
_ANNOTATIONS: Final = {annotation.code: annotation for annotation in ANNOTATIONS}
_CONTEXT: Final = {annotation.code: annotation for annotation in CONTEXT}
_NAMING: Final = (NERVE, STIMULATION_SITE, RECORDING_SITE)
_MOST_NAMES: Final = 8  # a nerve or a site has fewer


class Note(NamedTuple):
    """The value of one item, in the unit of the profile, and the item."""

    value: float | str | Code
    item: DataSet


class Notes(dict[str, Note]):
    """What is said of one recording, or of the whole object, by code."""

    def __init__(self, first: Mapping[str, Note] | None = None) -> None:
        super().__init__(first or {})
        self._also: dict[str, list[Note]] = {}

    def number(self, annotation: Annotation) -> float | None:
        """A number in the annotation's unit; None where nothing is said."""
        note = self.get(annotation.code)
        return note.value if note and isinstance(note.value, float) else None

    def text(self, annotation: Annotation) -> str | None:
        """A text; None where nothing is said."""
        note = self.get(annotation.code)
        return note.value if note and isinstance(note.value, str) else None

    def add(self, annotation: Annotation, note: Note) -> None:
        """One more thing said; DataError when something else was said before (names are compared later)."""
        if self.setdefault(annotation.code, note).value == note.value:
            return
        also = self._also.setdefault(annotation.code, [])
        if annotation not in _NAMING or len(also) == _MOST_NAMES:
            raise DataError(f"contradicts another {annotation.code} of the same recording", note.item.place)
        also.append(note)

    def said(self, annotation: Annotation) -> list[Note]:
        """Everything said, what counts most first."""
        first = self.get(annotation.code)
        return [] if first is None else [first, *self._also.get(annotation.code, ())]

    def with_general(self, general: "Notes") -> "Notes":
        """These, and what is said of the whole group behind them."""
        found = Notes(general | self)
        for annotation in _NAMING:
            found._also[annotation.code] = [*self.said(annotation), *general.said(annotation)][1:]
        return found


class Annotations:
    """The annotations of an object, by group and channel."""

    def __init__(self, said: Mapping[tuple[int, int], Notes]) -> None:
        self._said = said

    def of(self, group: int, channel: int) -> Notes:
        """What is said of a channel, both numbers from 1."""
        nothing = Notes()
        whole, own = (self._said.get((group, target), nothing) for target in (_WHOLE_GROUP, channel))
        return own.with_general(whole)


def read_annotations(holder: DataSet, channels: Sequence[int]) -> Annotations:
    """The annotations of an object whose groups have this many channels; DataError names the bad item."""
    said: dict[tuple[int, int], Notes] = {}
    text = "UnformattedTextValue"
    for annotation, item in _ours(holder.items("WaveformAnnotationSequence"), _ANNOTATIONS, text):
        note = Note(_value(item, annotation, text), item)
        for target in _targets(item, channels):
            said.setdefault(target, Notes()).add(annotation, note)
    return Annotations(said)


def read_context(holder: DataSet) -> Notes:
    """What the acquisition context says of the whole object; DataError names the bad item."""
    notes = Notes()
    text = "TextValue"
    for annotation, item in _ours(holder.items("AcquisitionContextSequence"), _CONTEXT, text):
        notes.add(annotation, Note(_value(item, annotation, text), item))
    return notes


def _ours(
    items: Iterable[DataSet], known: Mapping[str, Annotation], text_keyword: str
) -> Iterable[tuple[Annotation, DataSet]]:
    """The items of our scheme that say something; one with an empty value says nothing."""
    keywords = {"number": "NumericValue", "code": "ConceptCodeSequence", "text": text_keyword}
    for item in items:
        concept = _concept(item)
        if concept and concept.scheme == OURS and concept.value in known:
            annotation = known[concept.value]
            if not item.is_empty(keywords[annotation.kind]):
                yield annotation, item


def _concept(item: DataSet) -> Code | None:
    try:
        return item.code("ConceptNameCodeSequence")
    except DataError:  # damaged, so nothing says that it is ours
        return None


def _targets(item: DataSet, channels: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The groups and channels an annotation is for; one that the object does not have is refused."""
    keyword = "ReferencedWaveformChannels"
    if len(item.raw(keyword)) > _PAIR_BYTES * (len(channels) + sum(channels)):
        raise item.error(keyword, "names more groups and channels than there are")
    numbers = item.integers(keyword, "H")
    if not numbers or len(numbers) % 2:
        raise item.error(keyword, "must be pairs of group and channel")
    for group, channel in zip(numbers[::2], numbers[1::2], strict=True):
        if not 1 <= group <= len(channels) or channel > channels[group - 1]:
            raise item.error(keyword, "names a group or channel that is not there")
        yield group, channel


def _value(item: DataSet, annotation: Annotation, text_keyword: str) -> float | str | Code:
    if annotation.kind == "number":
        return _number(item, annotation)
    if annotation.kind == "code":
        return item.needed("ConceptCodeSequence", item.code("ConceptCodeSequence"))
    text = item.needed(text_keyword, item.text(text_keyword) or None)
    if not annotation.values:
        return text
    if text.upper() not in annotation.values:
        raise item.error(text_keyword, f"must be one of {', '.join(annotation.values)}")
    return text.upper()


def _number(item: DataSet, annotation: Annotation) -> float:
    text = item.needed("NumericValue", item.text("NumericValue") or None)
    unit = item.code("MeasurementUnitsCodeSequence")
    place = item.at("NumericValue")
    if annotation.unit == _DIMENSIONLESS:
        if unit not in (None, Code(UCUM, _DIMENSIONLESS)):
            raise item.error("MeasurementUnitsCodeSequence", f"must be {_DIMENSIONLESS} ({UCUM}) or missing")
        value = lis_syntax.number(text, place)
    elif unit is None or unit.scheme != UCUM:
        raise item.error("MeasurementUnitsCodeSequence", f"must be a unit of {UCUM}")
    else:
        value = lis_syntax.quantity(text, unit.value, annotation.unit, place)
    if annotation.values and f"{value:g}" not in annotation.values:
        raise DataError(f"must be {', '.join(annotation.values)}", place)
    return value
