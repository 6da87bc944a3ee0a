"""Which nerve, on which side, was stimulated where and recorded from what.

Codes are known by their value (CID 3031, CID 3032), never by their meaning, whose spelling in the standard
has errors. What is said in one place may be missing in another, but where two places speak of the same they
have to agree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeVar

from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Modality, Side
from gateway.errors import DataError, did_you_mean
from gateway.formats import Reading
from gateway.formats.dicom.annotations import Note, Notes
from gateway.formats.dicom.elements import Code, DataSet
from gateway.formats.dicom.profile import MDC, NERVE, RECORDING_SITE, STIMULATION_SITE, sided_code

_LATERALITY: Final = {"L": Side.LEFT, "R": Side.RIGHT}
_SOURCE: Final = "ChannelSourceSequence"
_NERVE_MISSING: Final = f"a {NERVE.code} annotation or acquisition context item names it"
_SIDE_MISSING: Final = f"the code of {_SOURCE} or {NERVE.code}, or Laterality, gives it"
T = TypeVar("T")


class Structure(NamedTuple):
    """A coded muscle or nerve; `recording_site` where the code of a branch leaves only one."""

    name: str
    side: Side | None
    recording_site: str | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """The muscles and nerves of an anatomy by MDC code."""

    muscles: dict[str, Structure]
    nerves: dict[str, Structure]

    @classmethod
    def of(cls, anatomy: Anatomy) -> Self:
        """Every code of an anatomy, with both sides and with none."""
        muscles = {name: muscle.mdc for name, muscle in anatomy.muscles.items()}
        nerves = {name: nerve.mdc for name, nerve in anatomy.nerves.items()}
        branches = (
            pair
            for branch in anatomy.branches
            for pair in _sided(branch.mdc, branch.nerve, branch.recording_site)
        )
        return cls(
            muscles=dict(pair for name, mdc in muscles.items() for pair in _sided(mdc, name)),
            nerves=dict(branches) | dict(pair for name, mdc in nerves.items() for pair in _sided(mdc, name)),
        )


class Where(NamedTuple):
    """What tells a recording from the others of a study."""

    modality: Modality
    nerve: str
    side: Side
    recording_site: str
    stimulation_site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What holds for every recording of an object."""

    reading: Reading
    codes: Codes
    context: Notes
    laterality: Side | None


def laterality(holder: DataSet) -> Side | None:
    """The side of the series; None where it is missing or none."""
    return _LATERALITY.get(holder.text("Laterality"))


def where(group: DataSet, channel: DataSet, notes: Notes, around: Surroundings) -> Where:
    """What a channel of a group recorded; DataError names what is missing, unknown or contradicted."""
    modality, source = _source(channel, around)
    said = [*notes.said(NERVE), *around.context.said(NERVE)]
    coded = [(NERVE.code, _coded_nerve(note, around)) for note in said]
    nerves = [*([(_SOURCE, source)] if modality is Modality.SENSORY else []), *coded]
    sides = [(_SOURCE, source.side), *((what, nerve.side) for what, nerve in coded)]
    recorded = (
        source.name
        if modality is Modality.MOTOR
        else _recording_site(channel, source, notes, around.reading.anatomy)
    )
    return Where(
        modality=modality,
        nerve=_agreed(channel, "nerve", [(what, nerve.name) for what, nerve in nerves], _NERVE_MISSING),
        side=_agreed(channel, "side", [*sides, ("Laterality", around.laterality)], _SIDE_MISSING),
        recording_site=recorded,
        stimulation_site=_stimulation_site(group, channel, notes, recorded, around.reading),
    )


def _agreed(channel: DataSet, of_what: str, said: Sequence[tuple[str, T | None]], missing: str) -> T:
    """What the first of the places that speak says; DataError when another says otherwise, or none speaks."""
    known = [(place, value) for place, value in said if value is not None]
    if not known:
        raise DataError(f"the {of_what} is missing: {missing}", channel.place)
    (first, value), *others = known
    for other, differing in others:
        if differing != value:
            places = f"{first} names two" if other == first else f"{first} and {other} name different"
            raise DataError(f"{places} {of_what}s", channel.place)
    return value


def _sided(mdc: str | None, name: str, recording_site: str | None = None) -> Iterator[tuple[str, Structure]]:
    if mdc is not None:
        for side in (None, Side.LEFT, Side.RIGHT):
            yield sided_code(mdc, side), Structure(name, side, recording_site)


def _source(channel: DataSet, around: Surroundings) -> tuple[Modality, Structure]:
    code = channel.needed(_SOURCE, channel.code(_SOURCE))
    for modality, known in (
        (Modality.MOTOR, around.codes.muscles),
        (Modality.SENSORY, around.codes.nerves),
    ):
        if code.scheme == MDC and code.value in known:
            return modality, known[code.value]
    names = _names(around.codes.muscles | around.codes.nerves)
    raise channel.error(_SOURCE, f"must be the {MDC} code of one of {names}")


def _coded_nerve(note: Note, around: Surroundings) -> Structure:
    code = note.value
    if isinstance(code, Code) and code.scheme == MDC and code.value in around.codes.nerves:
        return around.codes.nerves[code.value]
    names = _names(around.codes.nerves)
    raise note.item.error("ConceptCodeSequence", f"must be the {MDC} code of one of {names}")


def _names(structures: Mapping[str, Structure]) -> str:
    return ", ".join(dict.fromkeys(structure.name for structure in structures.values()))


def _recording_site(channel: DataSet, source: Structure, notes: Notes, anatomy: Anatomy) -> str:
    said = [
        (RECORDING_SITE.code, _named(note.item, "UnformattedTextValue", anatomy, {}))
        for note in notes.said(RECORDING_SITE)
    ]
    missing = f"a {RECORDING_SITE.code} annotation names it"
    return _agreed(channel, "recording site", [*said, (_SOURCE, source.recording_site)], missing)


def _stimulation_site(group: DataSet, channel: DataSet, notes: Notes, recorded: str, reading: Reading) -> str:
    anatomy, aliases, keyword = reading.anatomy, reading.site_aliases, "MultiplexGroupLabel"
    said = [
        (STIMULATION_SITE.code, _named(note.item, "UnformattedTextValue", anatomy, aliases))
        for note in notes.said(STIMULATION_SITE)
    ]
    label = group.text(keyword)
    if label and not said:
        return _named(group, keyword, anatomy, aliases)
    by_label = anatomy.site_named(label, aliases)  # beside an annotation the label may say anything else
    if by_label == recorded:
        by_label = None
    missing = f"a {STIMULATION_SITE.code} annotation or {keyword} names it"
    return _agreed(channel, "stimulation site", [*said, (keyword, by_label)], missing)


def _named(item: DataSet, keyword: str, anatomy: Anatomy, aliases: Mapping[str, str]) -> str:
    """The site that a text names; DataError with those that are known."""
    text = item.text(keyword)
    site = anatomy.site_named(text, aliases)
    if site is None:
        reason = f"unknown site{did_you_mean(text, anatomy.sites)}; known: {', '.join(anatomy.sites)}"
        raise item.error(keyword, reason)
    return site
