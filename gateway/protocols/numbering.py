"""The numbers of a study's reports: what was called `2.101.1` once is called so for ever.

OBR-3 and OBX-4 are how a receiver finds the value a later message corrects, so a number is given when its
subject first appears, kept with the study, and never given to anything else. What was reported once and is
gone later is still known here: that is what has to be withdrawn.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Self, cast

import msgspec

from gateway.domain.anatomy import Anatomy
from gateway.domain.assessment import Assessment, JsonObject
from gateway.domain.recording import Modality, Side
from gateway.errors import DataError
from gateway.protocols.observations import CODES, Place
from gateway.protocols.results import Group, GroupKey, StudyKey, StudyResults, results

SUMMARY: Final = 0
MAX_SITES: Final = 100  # of one nerve study; its segments are numbered from 101
_BEFORE: Final = {Place.SITE: 0, Place.SEGMENT: MAX_SITES}
_FIXED: Final = {Place.NERVE: 0, Place.SUMMARY: 1}


@dataclass(frozen=True, slots=True)
class ObservationKey:
    """One observation of a report: `n` and `s` of its group, its code, and what tells repetitions apart."""

    n: int
    s: int
    code: str
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """The numbers given so far. `observations` holds k, 0 for a code that occurs once under its sub-id."""

    studies: Mapping[StudyKey, int] = field(default_factory=dict)
    groups: Mapping[tuple[int, GroupKey], int] = field(default_factory=dict)
    observations: Mapping[ObservationKey, int] = field(default_factory=dict)

    def extended(self, assessment: Assessment, anatomy: Anatomy) -> Self:
        """These numbers and those of everything that appears in `assessment` for the first time."""
        draft = _Draft(self)
        for study in results(assessment, anatomy):
            draft.add(study)
        return type(self)(studies=draft.studies, groups=draft.groups, observations=draft.observations)

    def n(self, key: StudyKey | None) -> int:
        """The number of a nerve study; 0 for the summary."""
        return SUMMARY if key is None else self.studies[key]

    def s(self, n: int, key: GroupKey) -> int:
        """The number of a group within study `n`."""
        return _FIXED[key.place] if key.place in _FIXED else self.groups[n, key]

    def sub_id(self, key: ObservationKey) -> str:
        """OBX-4: `n.s`, and a third part where the code can occur again under it."""
        k = self.observations[key]
        return f"{key.n}.{key.s}.{k}" if k else f"{key.n}.{key.s}"

    def withdrawn(self, n: int, present: AbstractSet[ObservationKey]) -> Iterator[ObservationKey]:
        """What study `n` reported once and does not report now, in the order it appeared."""
        return (key for key in self.observations if key.n == n and key not in present)

    def to_json(self) -> JsonObject:
        """These numbers as a document that `from_json` reads."""
        stored = _Stored(
            studies=tuple(
                _Study(n, key.modality, key.nerve, key.side, key.recording_site)
                for key, n in self.studies.items()
            ),
            groups=tuple(_Group(n, s, key.place, key.name) for (n, key), s in self.groups.items()),
            observations=tuple(
                _Observation(key.n, key.s, key.code, key.item, k) for key, k in self.observations.items()
            ),
        )
        return cast("JsonObject", msgspec.to_builtins(stored))

    @classmethod
    def from_json(cls, document: JsonObject) -> Self:
        """The numbers in `document`; an empty one holds none. DataError when it is not such a document."""
        try:
            stored = msgspec.convert(document, _Stored)
        except msgspec.ValidationError as error:
            raise DataError("not the stored numbers of a study's reports", "numbering") from error
        return cls(
            studies={entry.key(): entry.n for entry in stored.studies},
            groups={(entry.n, GroupKey(entry.place, entry.name)): entry.s for entry in stored.groups},
            observations={entry.key(): entry.k for entry in stored.observations},
        )


class _Draft:
    """Numbers under construction, begun with those already given; each kind counts on where it stands."""

    def __init__(self, given: Numbering) -> None:
        self.studies = dict(given.studies)
        self.groups = dict(given.groups)
        self.observations = dict(given.observations)
        self._last: Counter[Hashable] = Counter({"study": len(self.studies)})
        self._last.update((n, key.place) for n, key in self.groups)
        self._last.update((key.n, key.s, key.code) for key in self.observations)

    def add(self, study: StudyResults) -> None:
        n = SUMMARY
        if study.key is not None:
            if study.key not in self.studies:
                self.studies[study.key] = self._next("study")
            n = self.studies[study.key]
        for group in study.groups:
            self._add_group(n, group)

    def _add_group(self, n: int, group: Group) -> None:
        place = group.key.place
        if place not in _FIXED and (n, group.key) not in self.groups:
            s = self._next((n, place)) + _BEFORE[place]
            if place is Place.SITE and s > MAX_SITES:
                raise DataError(f"more than {MAX_SITES} stimulation sites", f"nerve study {n}")
            self.groups[n, group.key] = s
        s = _FIXED[place] if place in _FIXED else self.groups[n, group.key]
        for entry in group.observations:
            key = ObservationKey(n, s, entry.code, entry.item)
            if key not in self.observations:
                repeats = CODES[entry.code].repeats
                self.observations[key] = self._next((n, s, entry.code)) if repeats else 0

    def _next(self, scope: Hashable) -> int:
        self._last[scope] += 1
        return self._last[scope]


class _Study(msgspec.Struct, array_like=True, frozen=True):
    n: int
    modality: Modality
    nerve: str
    side: Side
    recording_site: str

    def key(self) -> StudyKey:
        return StudyKey(self.modality, self.nerve, self.side, self.recording_site)


class _Group(msgspec.Struct, array_like=True, frozen=True):
    n: int
    s: int
    place: Place
    name: str


class _Observation(msgspec.Struct, array_like=True, frozen=True):
    n: int
    s: int
    code: str
    item: str
    k: int

    def key(self) -> ObservationKey:
        return ObservationKey(self.n, self.s, self.code, self.item)


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    studies: tuple[_Study, ...] = ()
    groups: tuple[_Group, ...] = ()
    observations: tuple[_Observation, ...] = ()
