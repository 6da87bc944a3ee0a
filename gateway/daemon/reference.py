"""Loads what recordings are judged by: criteria sets, norm tables, anatomy, marker settings.

Shipped data first, then the laboratory's own directory: a file with the same id takes the place of the
shipped one. What cannot be meant, and a name the anatomy does not have, is an error with file and place, in
every file: also in a set that nobody asked for yet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import gateway
from gateway.daemon.data_file import read
from gateway.domain.anatomy import Anatomy
from gateway.domain.checklist import ExaminationPlan
from gateway.domain.consistency import Names, check_anatomy
from gateway.domain.criteria import CriteriaSet
from gateway.domain.differential import DemyelinationCriteria
from gateway.domain.markers import MarkerSettings
from gateway.domain.norms import NormTable
from gateway.domain.thresholds import Thresholds
from gateway.errors import ConfigError, DataError, did_you_mean
from gateway.pipeline.stages import Reference

T = TypeVar("T")
DEFAULT_GRADING: Final = "efns-pns-mmn-2010"
DEFAULT_NORMS: Final = "aanem-2016"
_ANATOMY: Final = "standard"


class UnknownId(ConfigError):
    """A criteria set or norm table of this id is not there."""


def shipped_data() -> Path:
    """Where the shipped configuration and data are: inside the wheel, or beside the package in a checkout."""
    package = Path(gateway.__file__).parent
    installed = package / "_config"
    return installed if installed.is_dir() else package.parent / "config"


def load_reference(
    *,
    criteria: Sequence[str] | None = None,
    grading: str | None = None,
    norms: str | None = None,
    data_dir: Path | None = None,
) -> Reference:
    """The reference data under these ids; by default every criteria set that is not unverified.

    UnknownId names the ids there are; ConfigError names the file and key that cannot be used.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise ConfigError(f"[analysis] data_dir {data_dir}: no such directory")
    places = [shipped_data(), *([data_dir] if data_dir else [])]
    sets = _load(places, "criteria", CriteriaSet)
    tables = _load(places, "norms", NormTable)
    differentials = _load(places, "differential", DemyelinationCriteria)
    anatomies = _load(places, "anatomy", Anatomy)
    plan = _File.of(_last(places, "examination.toml"), ExaminationPlan)
    _check_each(anatomies.values(), check_anatomy)
    anatomy = _pick(anatomies, _ANATOMY, "anatomy")
    names = Names(anatomy=anatomy)
    _check_each(sets.values(), names.check_criteria)
    _check_each(tables.values(), names.check_norms)
    _check_each(differentials.values(), lambda entry: names.check_differential(entry, sets))
    _check_each([plan], names.check_plan)
    grading = grading or DEFAULT_GRADING
    usual = _usual((file.entry for file in sets.values()), grading)
    wanted = list(dict.fromkeys(criteria)) if criteria is not None else usual
    if grading not in wanted:
        wanted.insert(0, grading)
    return Reference(
        anatomy=anatomy,
        norms=_pick(tables, norms or DEFAULT_NORMS, "norm table"),
        criteria=tuple(_pick(sets, name, "criteria set") for name in wanted),
        grading=grading,
        markers=read(shipped_data() / "markers.toml", MarkerSettings),
        thresholds=read(_last(places, "thresholds.toml"), Thresholds),
        differentials=tuple(file.entry for file in differentials.values()),
        plan=plan.entry,
    )


@dataclass(frozen=True, slots=True)
class _File(Generic[T]):
    """What one file says."""

    path: Path
    entry: T

    @classmethod
    def of(cls, path: Path, shape: type[T]) -> "_File[T]":
        return cls(path, read(path, shape))


def _check_each(files: Iterable[_File[T]], check: Callable[[T], None]) -> None:
    for file in files:
        try:
            check(file.entry)
        except DataError as error:
            raise ConfigError(f"{file.path}: {error}") from error


def _last(places: Sequence[Path], name: str) -> Path:
    """The laboratory's file of this name where it has one, else the shipped one."""
    return next(place / name for place in reversed(places) if (place / name).is_file())


def _usual(sets: Iterable[CriteriaSet], grading: str) -> list[str]:
    verified = [entry.id for entry in sets if entry.status != "unverified"]
    return sorted(verified, key=lambda name: (name != grading, name))


def _load(places: Iterable[Path], kind: str, shape: type[T]) -> dict[str, _File[T]]:
    found: dict[str, _File[T]] = {}
    for place in places:
        found |= _in_directory(place / kind, shape)
    return found


def _in_directory(directory: Path, shape: type[T]) -> dict[str, _File[T]]:
    found: dict[str, _File[T]] = {}
    for path in sorted(directory.glob("*.toml")):
        file = _File.of(path, shape)
        name: str = file.entry.id  # type: ignore[attr-defined]  # every kind of reference data has an id
        if name in found:
            raise ConfigError(f"{path}: another file in {directory} has the id {name!r} too")
        found[name] = file
    return found


def _pick(found: Mapping[str, _File[T]], name: str, what: str) -> T:
    if name not in found:
        hint = did_you_mean(name, found) or f"; there are: {', '.join(sorted(found))}"
        raise UnknownId(f"no {what} {name!r}{hint}")
    return found[name].entry
