"""Nerves, stimulation sites in order, muscles, and the segments where compression is common.

The facts are data (`config/anatomy/*.toml`, each with its source); this module knows what to ask of them:
is this recording possible, which of two sites is more distal, may a segment count at all.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.domain.plausibility import check_name, check_segment
from gateway.domain.recording import Modality, Recording
from gateway.errors import DataError, did_you_mean

# ISO/IEEE 11073-10101 as DICOM and HL7 write it: partition and number.
_MDC: Final = re.compile(r"[0-9]{1,3}:[0-9]{1,6}")

# What spellings of a site may differ in, beside case.
_IGNORED: Final = {ord(character): None for character in " -_\t\u00a0"}


class Standing(enum.StrEnum):
    """Whether a segment may count as a site of conduction block."""

    ELIGIBLE = "eligible"
    COMPRESSION_SITE = "compression_site"
    CONTAMINATED = "contaminated_segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSegment:
    """Two neighbouring sites, why the nerve between them is a case of its own, and who says so."""

    distal: str
    proximal: str
    why: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nerve:
    """One nerve; `sites` are its motor stimulation sites, distal to proximal, empty for a sensory nerve.

    `accessory_sites` lie off its course, where a branch that not everybody has is stimulated: no segment ends
    there. Between the sites of `excluded` it is commonly compressed, between those of `physiological` its
    response falls in health. `muscles` are those it supplies; over another's it is stimulated to find an
    anastomosis.
    """

    limb: str
    mdc: str | None = None
    sites: tuple[str, ...] = ()
    accessory_sites: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    excluded: tuple[NamedSegment, ...] = ()
    physiological: tuple[NamedSegment, ...] = ()
    sensory_nerves: tuple[str, ...] = ()
    muscles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_mdc(self.mdc)
        check_name(self.limb, ("upper", "lower"), "limb", "limb")
        if len(set(self.motor_sites)) < len(self.motor_sites):
            raise DataError("names a site twice", "sites")
        for kind, entries in (("excluded", self.excluded), ("physiological", self.physiological)):
            for index, entry in enumerate(entries):
                _check_neighbours(entry, self.sites, f"{kind}[{index}]")

    @property
    def motor_sites(self) -> tuple[str, ...]:
        """Every motor stimulation site, those off its course last."""
        return (*self.sites, *self.accessory_sites)


@dataclass(frozen=True, slots=True, kw_only=True)
class Muscle:
    """A recording muscle and its MDC code (side unspecified)."""

    text: str
    mdc: str | None = None

    def __post_init__(self) -> None:
        _check_mdc(self.mdc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A coded branch (side unspecified) of a nerve we know; `recording_site` where it leaves only one."""

    mdc: str
    nerve: str
    text: str
    recording_site: str | None = None

    def __post_init__(self) -> None:
        _check_mdc(self.mdc)


class SitePoint(NamedTuple):
    """A stimulation point: a named site, or (inching) a position beyond it, in mm from the electrode."""

    site: str
    position_mm: float | None = None


class Course(NamedTuple):
    """A nerve between two stimulation points.

    `touched` are the segments between neighbouring named sites that lie, wholly or in part, between the two;
    `ends` the named sites around it: its own, for inching those around the step. `standing`: whether it may
    count, by the compression sites it touches. `falls_in_health`: whether the response is known to.
    `missing_sites`: the edges of compression sites inside a contaminated segment, which were not stimulated.
    """

    touched: tuple[tuple[str, str], ...]
    ends: tuple[str, str]
    standing: Standing
    falls_in_health: bool
    missing_sites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """The nerves and muscles this installation knows, and where its facts come from.

    Loaded once, equal to itself only.
    """

    id: str
    source: str
    nerves: Mapping[str, Nerve]
    muscles: Mapping[str, Muscle]
    sensory_stimulation_sites: tuple[str, ...]
    sensory_recording_sites: tuple[str, ...]
    branches: tuple[Branch, ...] = ()
    site_aliases: Mapping[str, str] = field(default_factory=dict)

    def check(self, recording: Recording) -> Recording:
        """The recording with its nerve under this anatomy's name; DataError when it cannot exist."""
        name = next((n for n, nerve in self.nerves.items() if recording.nerve in (n, *nerve.aliases)), None)
        if name is None:
            raise DataError(_unknown("nerve", recording.nerve, self.nerves), "nerve")
        nerve = self.nerves[name]
        if recording.modality is Modality.SENSORY:
            _among("stimulation_site", recording.stimulation_site, self.sensory_stimulation_sites)
            _among("recording_site", recording.recording_site, self.sensory_recording_sites)
        elif not nerve.sites:
            raise DataError(f"the {name} nerve has no motor stimulation sites", "nerve")
        else:
            _among("stimulation_site", recording.stimulation_site, nerve.motor_sites)
            _among("recording_site", recording.recording_site, tuple(self.muscles))
        return recording if name == recording.nerve else replace(recording, nerve=name)

    def site_named(self, text: str, aliases: Mapping[str, str] | None = None) -> str | None:
        """The site that free text names, without regard to case, blanks, `-` and `_`; None for none of ours.

        `aliases` are spellings beside those of this anatomy, and win over them.
        """
        wanted = _spelling(text)
        for spellings in (aliases or {}, {name: name for name in self.sites}, self.site_aliases):
            for spelling, site in spellings.items():
                if _spelling(spelling) == wanted:
                    return site
        return None

    @property
    def sites(self) -> tuple[str, ...]:
        """Every stimulation and recording site by name, motor and sensory, each once."""
        motor = (site for nerve in self.nerves.values() for site in nerve.motor_sites)
        return tuple(dict.fromkeys((*motor, *self.sensory_stimulation_sites, *self.sensory_recording_sites)))

    def order(self, nerve: str, point: SitePoint) -> tuple[int, float]:
        """A key that sorts the stimulation points of a nerve from distal to proximal, accessory ones last."""
        entry = self.nerves[nerve]
        sites = entry.sites if point.site in entry.sites else entry.motor_sites
        return sites.index(point.site), -1.0 if point.position_mm is None else point.position_mm

    def course(self, nerve: str, distal: SitePoint, proximal: SitePoint) -> Course:
        """What is known of the nerve between two of its stimulation points.

        An inching point lies somewhere between its named site and the next one.
        """
        return _course(self, nerve, distal.site, proximal.site, proximal.position_mm is not None)

    def most_distal(self, nerve: str) -> str:
        """Where the nerve is first stimulated: its most distal site outside compression sites."""
        return _most_distal(self, nerve)

    def supplies(self, nerve: str, muscle: str) -> bool:
        """Whether a muscle is one of the nerve's own; any is where its muscles are not listed."""
        return muscle in (self.nerves[nerve].muscles or self.muscles)


# What is asked of every segment of every study is worked out once.
@lru_cache(maxsize=1024)
def _course(
    anatomy: Anatomy,
    nerve: str,
    distal: str,
    proximal: str,
    beyond: bool,  # a key of the cache
) -> Course:
    entry = anatomy.nerves[nerve]
    first = entry.sites.index(distal)
    last = min(max(entry.sites.index(proximal) + beyond, first + 1), len(entry.sites) - 1)
    touched = tuple(pairwise(entry.sites[first : last + 1]))
    edges = {site for excluded in entry.excluded for site in (excluded.distal, excluded.proximal)}
    return Course(
        touched=touched,
        # beyond the last named site nothing is touched
        ends=(touched[0][0], touched[-1][1]) if touched else (distal, proximal),
        standing=_standing(entry, touched),
        falls_in_health=any((known.distal, known.proximal) in touched for known in entry.physiological),
        missing_sites=tuple(inner for _, inner in touched[:-1] if inner in edges),
    )


def _standing(nerve: Nerve, touched: tuple[tuple[str, str], ...]) -> Standing:
    if not any((entry.distal, entry.proximal) in touched for entry in nerve.excluded):
        return Standing.ELIGIBLE
    return Standing.COMPRESSION_SITE if len(touched) == 1 else Standing.CONTAMINATED


@lru_cache(maxsize=64)
def _most_distal(anatomy: Anatomy, nerve: str) -> str:
    entry = anatomy.nerves[nerve]
    edges = {excluded.distal: excluded.proximal for excluded in entry.excluded}
    return edges.get(entry.sites[0], entry.sites[0])


def _check_mdc(code: str | None) -> None:
    if code is not None and not _MDC.fullmatch(code):
        raise DataError("not an MDC code, write it as 7:132", "mdc")


def _check_neighbours(entry: NamedSegment, sites: tuple[str, ...], place: str) -> None:
    check_segment((entry.distal, entry.proximal), sites, "this nerve", place)
    if sites.index(entry.proximal) - sites.index(entry.distal) > 1:
        raise DataError(f"must be neighbours of: {', '.join(sites)}", place)


def _spelling(text: str) -> str:
    return text.casefold().translate(_IGNORED)


def _among(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DataError(_unknown(what.replace("_", " "), value, known), what)


def _unknown(what: str, value: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """What is wrong, without the word itself: a cart may have put a patient's name there."""
    return f"unknown {what}{did_you_mean(value, known)}; known: {', '.join(known)}"
