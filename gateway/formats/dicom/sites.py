"""Which nerve, on which side, was stimulated where and recorded from what.

Codes are known by their value (CID 3031, CID 3032), never by their meaning, whose spelling in the standard
has errors. What is said in one place may be missing in another, but where two places speak of the same they
have to agree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Modality, Side
from gateway.errors import DataError, did_you_mean
from gateway.formats import Reading
from gateway.formats.dicom.annotations import Note, Notes
from gateway.formats.dicom.elements import Code, DataSet
from gateway.formats.dicom.profile import MDC, NERVE, RECORDING_SITE, STIMULATION_SITE

# ISO/IEEE 11073-10101, partition 7: a structure's code is that of no side, left and right follow.
_SIDES: Final = ((0, None), (1, Side.LEFT), (2, Side.RIGHT))
_LATERALITY: Final = {"L": Side.LEFT, "R": Side.RIGHT}
_SOURCE: Final = "ChannelSourceSequence"


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
    nerve, named_by = _nerve(channel, modality, source, notes, around)
    sides = {_SOURCE: source.side, named_by: nerve.side, "Laterality": around.laterality}
    return Where(
        modality=modality,
        nerve=nerve.name,
        side=_agreed(channel, {name: side for name, side in sides.items() if side}),
        recording_site=source.name
        if modality is Modality.MOTOR
        else _recording_site(channel, source, notes, around.reading.anatomy),
        stimulation_site=_stimulation_site(group, channel, notes, around.reading),
    )


def _sided(mdc: str | None, name: str, recording_site: str | None = None) -> Iterator[tuple[str, Structure]]:
    if mdc is not None:
        partition, _, number = mdc.partition(":")
        for step, side in _SIDES:
            yield f"{partition}:{int(number) + step}", Structure(name, side, recording_site)


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


def _nerve(
    channel: DataSet, modality: Modality, source: Structure, notes: Notes, around: Surroundings
) -> tuple[Structure, str]:
    """The nerve and what names it."""
    note = notes.get(NERVE.code) or around.context.get(NERVE.code)
    if note is None:
        if modality is Modality.MOTOR:
            reason = f"the nerve is missing: a {NERVE.code} annotation or acquisition context item names it"
            raise DataError(reason, channel.place)
        return source, _SOURCE
    nerve = _coded_nerve(note, around)
    general = around.context.get(NERVE.code)
    if general is not None and _coded_nerve(general, around).name != nerve.name:
        raise DataError(f"the {NERVE.code} annotation and AcquisitionContextSequence differ", channel.place)
    if modality is Modality.SENSORY and nerve.name != source.name:
        raise DataError(f"{NERVE.code} and {_SOURCE} are different nerves", channel.place)
    return nerve, NERVE.code


def _coded_nerve(note: Note, around: Surroundings) -> Structure:
    code = note.value
    if isinstance(code, Code) and code.scheme == MDC and code.value in around.codes.nerves:
        return around.codes.nerves[code.value]
    names = _names(around.codes.nerves)
    raise note.item.error("ConceptCodeSequence", f"must be the {MDC} code of one of {names}")


def _names(structures: Mapping[str, Structure]) -> str:
    return ", ".join(dict.fromkeys(structure.name for structure in structures.values()))


def _agreed(channel: DataSet, sides: dict[str, Side]) -> Side:
    if not sides:
        reason = f"the side is missing: the code of {_SOURCE} or {NERVE.code}, or Laterality, gives it"
        raise DataError(reason, channel.place)
    (first, side), *others = sides.items()
    for other, found in others:
        if found is not side:
            raise DataError(f"{first} and {other} are on different sides", channel.place)
    return side


def _recording_site(channel: DataSet, source: Structure, notes: Notes, anatomy: Anatomy) -> str:
    note = notes.get(RECORDING_SITE.code)
    if note is None:
        if source.recording_site is None:
            reason = f"the recording site is missing: a {RECORDING_SITE.code} annotation names it"
            raise DataError(reason, channel.place)
        return source.recording_site
    site = _named(note.item, "UnformattedTextValue", anatomy, {})
    if source.recording_site not in (None, site):
        raise DataError(f"{RECORDING_SITE.code} and {_SOURCE} are different recording sites", channel.place)
    return site


def _stimulation_site(group: DataSet, channel: DataSet, notes: Notes, reading: Reading) -> str:
    note, label = notes.get(STIMULATION_SITE.code), group.text("MultiplexGroupLabel")
    if note is None and not label:
        what = f"a {STIMULATION_SITE.code} annotation or MultiplexGroupLabel names it"
        raise DataError(f"the stimulation site is missing: {what}", channel.place)
    if note is None:
        return _named(group, "MultiplexGroupLabel", reading.anatomy, reading.site_aliases)
    site = _named(note.item, "UnformattedTextValue", reading.anatomy, reading.site_aliases)
    if reading.anatomy.site_named(label, reading.site_aliases) not in (None, site):
        raise DataError(f"{STIMULATION_SITE.code} and MultiplexGroupLabel are different sites", channel.place)
    return site


def _named(item: DataSet, keyword: str, anatomy: Anatomy, aliases: Mapping[str, str]) -> str:
    """The site that a text names; DataError with those that are known."""
    text = item.text(keyword)
    site = anatomy.site_named(text, aliases)
    if site is None:
        reason = f"unknown site{did_you_mean(text, anatomy.sites)}; known: {', '.join(anatomy.sites)}"
        raise item.error(keyword, reason)
    return site
