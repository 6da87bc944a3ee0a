"""Many sweeps side by side, or one alone, by the same lines.

Bins lie along the last axis. Many sweeps are rows, and what is said of each is an array; one sweep alone has
no rows, and what is said of it is a number, on which these functions, unlike those of numpy, are quick.
"""

from typing import Any, Final

import numpy as np

from gateway.domain.markers.regression import Flags, Indices

Many: Final = np.ndarray  # what is said of many sweeps; of one it is a number


def at(values: Any, place: Any) -> Any:
    """What each sweep has at its own place or places (n, ...)."""
    if values.ndim == 1:
        return values[place] if isinstance(place, Many) else values.item(place)
    rows = np.arange(len(values))
    for _ in range(np.ndim(place) - 1):
        rows = rows[..., None]
    return values[rows, place]


def each(number: Any) -> Any:
    """A number of each sweep, to be held against all of its bins."""
    return number[..., None] if isinstance(number, Many) else number


def larger(one: Any, other: Any) -> Any:
    """The larger of two numbers of each sweep."""
    if isinstance(one, Many) or isinstance(other, Many):
        return np.maximum(one, other)
    return max(one, other)


def smaller(one: Any, other: Any) -> Any:
    """The smaller of two numbers of each sweep."""
    if isinstance(one, Many) or isinstance(other, Many):
        return np.minimum(one, other)
    return min(one, other)


def either(which: Any, one: Any, other: Any) -> Any:
    """Of each sweep the one where it is so, else the other."""
    if isinstance(which, Many):
        return np.where(which, one, other)
    return one if which else other


def anywhere(which: Any) -> bool:
    """Whether it is so of any sweep."""
    return bool(which.any() if isinstance(which, Many) else which)


def whole(number: Any) -> Any:
    """Numbers without what follows their decimal point."""
    return number.astype(np.intp) if isinstance(number, Many) else int(number)


def until(values: Any, place: Any) -> Any:
    """The bins of all sweeps until the one that lies latest at its place, with that."""
    latest = np.maximum.reduce(place) if isinstance(place, Many) else place
    return values[..., : int(latest) + 1]


def last(where: Flags) -> Indices:
    """The last bin of each sweep where it is so, which it must be somewhere."""
    found: Indices = where.shape[-1] - 1 - where[..., ::-1].argmax(axis=-1)
    return found
