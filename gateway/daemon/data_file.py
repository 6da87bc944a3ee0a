"""Reads one TOML file of reference data into its dataclass; a mistake is one line with file and place.

Keys nobody knows are told before anything else, since a misspelled key is a missing one too. Then tables
are read from the inside out, so that the first that cannot be read is where the mistake stands.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import inspect

from gateway.errors import ConfigError, DataError, did_you_mean

T = TypeVar("T")

# How the library names the place, and a word that is none of a closed set.
_PLACED: Final = re.compile(r" - at `\$\.?([^`]*)`\Z")
_ENUM: Final = re.compile(r"Invalid enum value '(?P<word>.*)'", re.DOTALL)


def read(path: Path, shape: type[T]) -> T:
    """What the file says; ConfigError names the file, the place and what to do."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return _built(raw, shape)
    except DataError as error:
        raise ConfigError(f"{path}: {error}") from error


def _built(raw: object, shape: type[T]) -> T:
    tables = list(_tables(raw, inspect.type_info(shape), ""))
    for place, table, kind in tables:
        _check_keys(table, kind, place)
    for place, table, kind in tables[:-1]:  # the last is the file itself
        _converted(table, kind.cls, kind, place)
    place, table, kind = tables[-1]
    return _converted(table, shape, kind, place)


def _tables(
    raw: object, kind: inspect.Type, place: str
) -> Iterator[tuple[str, Mapping[str, object], inspect.DataclassType]]:
    """Every table that becomes a dataclass, with its place; inner ones first."""
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _tables(raw, one, place)
    elif isinstance(kind, inspect.CollectionType) and isinstance(raw, list):
        for index, entry in enumerate(raw):
            yield from _tables(entry, kind.item_type, f"{place}[{index}]")
    elif isinstance(kind, inspect.DictType) and isinstance(raw, Mapping):
        for key, entry in raw.items():
            yield from _tables(entry, kind.value_type, _inside(place, key))
    elif isinstance(kind, inspect.DataclassType) and isinstance(raw, Mapping):
        for field in kind.fields:
            yield from _tables(raw.get(field.name), field.type, _inside(place, field.name))
        yield place, raw, kind


def _inside(outer: str, inner: str) -> str:
    return f"{outer}.{inner if inner.isprintable() else repr(inner)}".strip(".")


def _check_keys(table: Mapping[str, object], kind: inspect.DataclassType, place: str) -> None:
    known = [field.name for field in kind.fields]
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or f"; known: {', '.join(known)}"
            raise DataError(f"unknown key{hint}", _inside(place, key))


def _converted(table: Mapping[str, object], shape: type[T], kind: inspect.DataclassType, place: str) -> T:
    try:
        return msgspec.convert(table, shape)
    except DataError as error:
        raise DataError(error.reason, _inside(place, error.place)) from error
    except msgspec.ValidationError as error:
        placed = _PLACED.search(str(error))
        inner = placed[1] if placed else ""
        raise DataError(
            _explained(_PLACED.sub("", str(error)), inner, kind), _inside(place, inner)
        ) from error


def _explained(reason: str, place: str, kind: inspect.DataclassType) -> str:
    """The library's reason; for a word of a closed set what was meant, or all there are."""
    unknown = _ENUM.fullmatch(reason)
    if not unknown:
        return reason
    (field,) = (field for field in kind.fields if field.name == re.split(r"[.\[]", place)[0])
    known = list(_words(field.type))
    hint = did_you_mean(unknown["word"], known) or f"; known: {', '.join(known)}"
    return f"unknown word{hint}"


def _words(kind: inspect.Type) -> Iterator[str]:
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _words(one)
    elif isinstance(kind, inspect.CollectionType):
        yield from _words(kind.item_type)
    elif isinstance(kind, inspect.LiteralType):
        yield from map(str, kind.values)
    elif isinstance(kind, inspect.EnumType):
        yield from (str(member.value) for member in kind.cls)
