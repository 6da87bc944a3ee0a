"""Loads what recordings are judged by: criteria sets, norm tables, anatomy, marker settings.

Shipped data first, then the laboratory's own directory: a file with the same id takes the place of the
shipped one. A key nobody knows is an error with the file and the key.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

import gateway
from gateway.domain.anatomy import Anatomy
from gateway.domain.checklist import ExaminationPlan
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
    grading = grading or DEFAULT_GRADING
    wanted = list(dict.fromkeys(criteria)) if criteria is not None else _usual(sets.values(), grading)
    if grading not in wanted:
        wanted.insert(0, grading)
    return Reference(
        anatomy=_pick(anatomies, _ANATOMY, "anatomy"),
        norms=_pick(tables, norms or DEFAULT_NORMS, "norm table"),
        criteria=tuple(_pick(sets, name, "criteria set") for name in wanted),
        grading=grading,
        markers=_read(shipped_data() / "markers.toml", MarkerSettings),
        thresholds=_read(_last(places, "thresholds.toml"), Thresholds),
        differentials=tuple(differentials.values()),
        plan=_read(_last(places, "examination.toml"), ExaminationPlan),
    )


def _last(places: Sequence[Path], name: str) -> Path:
    """The laboratory's file of this name where it has one, else the shipped one."""
    return next(place / name for place in reversed(places) if (place / name).is_file())


def _usual(sets: Iterable[CriteriaSet], grading: str) -> list[str]:
    verified = [entry.id for entry in sets if entry.status != "unverified"]
    return sorted(verified, key=lambda name: (name != grading, name))


def _load(places: Iterable[Path], kind: str, shape: type[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for place in places:
        found |= _in_directory(place / kind, shape)
    return found


def _in_directory(directory: Path, shape: type[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for path in sorted(directory.glob("*.toml")):
        entry = _read(path, shape)
        name: str = entry.id  # type: ignore[attr-defined]  # every kind of reference data has an id
        if name in found:
            raise ConfigError(f"{path}: another file in {directory} has the id {name!r} too")
        found[name] = entry
    return found


def _read(path: Path, shape: type[T]) -> T:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        built = msgspec.convert(raw, shape)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except DataError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error
    unknown = _unknown_key(raw, msgspec.to_builtins(built))
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown}")
    return built


def _unknown_key(raw: object, built: object, place: str = "") -> str | None:
    """The place of the first key in `raw` that reading it did not use."""
    if isinstance(raw, Mapping) and isinstance(built, Mapping):
        for key, value in raw.items():
            here = f"{place}.{key}".lstrip(".")
            if key not in built:
                return here + did_you_mean(key, built)
            deeper = _unknown_key(value, built[key], here)
            if deeper:
                return deeper
    elif isinstance(raw, list) and isinstance(built, list | tuple):
        for index, (value, used) in enumerate(zip(raw, built, strict=True)):
            deeper = _unknown_key(value, used, f"{place}[{index}]")
            if deeper:
                return deeper
    return None


def _pick(found: Mapping[str, T], name: str, what: str) -> T:
    if name not in found:
        hint = did_you_mean(name, found) or f"; there are: {', '.join(sorted(found))}"
        raise UnknownId(f"no {what} {name!r}{hint}")
    return found[name]
