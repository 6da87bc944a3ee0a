"""Finding a scenario or a fault by the name a person typed."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from gateway.errors import UsageError

_T = TypeVar("_T")


def look_up(kind: str, name: str, known: Mapping[str, _T]) -> _T:
    """What `name` stands for; UsageError with the nearest name, or all of them, for an unknown one."""
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
    raise UsageError(f"unknown {kind} {name!r}; {hint}")
