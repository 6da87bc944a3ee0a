"""Finding a scenario or a fault by the name a person typed."""

from collections.abc import Mapping
from typing import TypeVar

from gateway.errors import UsageError, did_you_mean

_T = TypeVar("_T")


def look_up(kind: str, name: str, known: Mapping[str, _T]) -> _T:
    """What `name` stands for; UsageError with the nearest name, or all of them, for an unknown one."""
    if name in known:
        return known[name]
    hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
    raise UsageError(f"unknown {kind} {name!r}{hint}")
