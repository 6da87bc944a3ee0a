"""Refuses slips in what a laboratory writes itself: numbers that cannot be meant, names nobody knows.

The ranges are no clinical limits. Outside them a number is a slip of the pen, the sign or the unit.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import DataError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The numbers that can be meant; `least` itself only where `from_least`, `most` unless `below_most`."""

    most: float
    least: float = 0.0
    from_least: bool = False
    below_most: bool = False

    def holds(self, value: float) -> bool:
        """Whether the number can be meant; never for NaN."""
        above = self.least <= value if self.from_least else self.least < value
        return above and (value < self.most if self.below_most else value <= self.most)

    def __str__(self) -> str:
        lower = f"{self.least:g} or more" if self.from_least else f"above {self.least:g}"
        return f"{lower} and {'below' if self.below_most else 'at most'} {self.most:g}"


def check_number(value: float | None, possible: Range, place: str) -> None:
    """DataError when a number that is given cannot be meant."""
    if value is not None and not possible.holds(value):
        raise DataError(f"must be {possible}", place)


def check_numbers(entry: object, possible: Mapping[str, Range]) -> None:
    """DataError at the first attribute of `entry` that cannot be meant."""
    for name, numbers in possible.items():
        check_number(getattr(entry, name), numbers, name)


def check_some(entries: Collection[object], what: str, place: str) -> None:
    """DataError when a list that means nothing without an entry has none."""
    if not entries:
        raise DataError(f"is empty, name at least one {what}", place)


def check_once(entries: Iterable[Iterable[Hashable]], what: str, place: str) -> None:
    """DataError at the first entry of a list that answers something one above it has answered."""
    first: dict[Hashable, int] = {}
    for index, answers in enumerate(entries):
        for answer in answers:
            if first.setdefault(answer, index) != index:
                raise DataError(f"same {what} as {place}[{first[answer]}], keep one", f"{place}[{index}]")


def check_name(name: str, known: Collection[str], what: str, place: str) -> None:
    """DataError with the name that was probably meant, or all there are."""
    if name not in known:
        hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
        raise DataError(f"unknown {what}{hint}", place)


def check_names(names: Sequence[str], known: Collection[str], what: str, place: str) -> None:
    """DataError at the first name nobody knows."""
    for index, name in enumerate(names):
        check_name(name, known, what, f"{place}[{index}]")


def check_segment(ends: tuple[str, str], sites: Sequence[str], whose: str, place: str) -> None:
    """DataError unless both ends, the distal one first, are among the sites, which run distal to proximal."""
    for name, end in zip(ends, ("distal", "proximal"), strict=True):
        check_name(name, sites, f"site of {whose}", f"{place}.{end}")
    if sites.index(ends[0]) >= sites.index(ends[1]):
        raise DataError(f"must run from distal to proximal: {', '.join(sites)}", place)
