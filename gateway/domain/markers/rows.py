"""Many sweeps side by side, or one alone, by the same lines.

Bins lie along the last axis. Many sweeps are rows, and what is said of each is an array; one sweep alone has
no rows, and what is said of it is a number, on which these functions, unlike those of numpy, are quick. Of
one sweep only the bins that are asked about are looked at; of many all are, and the others are masked.
"""

import math
from typing import Any, Final

import numpy as np

from gateway.domain.markers.regression import Flags, Floats, Indices

Many: Final = np.ndarray  # what is said of many sweeps; of one it is a number


def at(values: Any, place: Any) -> Any:
    """What each sweep has at its own place or places (n, ...)."""
    if values.ndim == 1:
        return values[place] if isinstance(place, Many) else values.item(place)
    rows = np.arange(len(values))
    for _ in range(np.ndim(place) - 1):
        rows = rows[..., None]
    return values[rows, place]


def window(values: Floats, first: Any, width: int) -> Floats:
    """`width` bins of each sweep from its `first` on."""
    if values.ndim == 1:
        return values[first : first + width]
    found: Floats = values[np.arange(len(values))[:, None], first[:, None] + np.arange(width)]
    return found


def each(number: Any) -> Any:
    """A number of each sweep, to be held against all of its bins."""
    return number[..., None] if isinstance(number, Many) else number


def larger(one: Any, other: Any) -> Any:
    """The larger of two numbers of each sweep."""
    if isinstance(one, Many) or isinstance(other, Many):
        return np.maximum(one, other)
    return other if other > one else one  # noqa: FURB136  # quicker than `max`, and asked a hundred times


def smaller(one: Any, other: Any) -> Any:
    """The smaller of two numbers of each sweep."""
    if isinstance(one, Many) or isinstance(other, Many):
        return np.minimum(one, other)
    return other if other < one else one  # noqa: FURB136


def between(number: Any, least: Any, most: Any) -> Any:
    """Of each sweep its number, or the limit that lies nearer."""
    if isinstance(number, Many):
        return np.minimum(np.maximum(number, least), most)
    return most if number > most else max(number, least)


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


_WHOLE: Final = 64


def until_whole(values: Any, place: Any) -> Any:
    """As `until`, but with so many bins that sums in pairs, fours or eights come out the same.

    How many bins of nothing follow depends on the neighbours; where a group of bins ends must not.
    """
    latest = int(np.maximum.reduce(place) if isinstance(place, Many) else place)
    return values[..., : latest + _WHOLE - latest % _WHOLE]


def last(where: Flags) -> Indices:
    """The last bin of each sweep where it is so, which it must be somewhere."""
    found: Indices = where.shape[-1] - 1 - where[..., ::-1].argmax(axis=-1)
    return found


def root(number: Any) -> Any:
    """Square roots."""
    return np.sqrt(number) if isinstance(number, Many) else math.sqrt(number)


def power_of_two(number: Any) -> Any:
    """The exponents of the smallest powers of two above the numbers."""
    return np.frexp(number)[1] if isinstance(number, Many) else math.frexp(number)[1]


def plain(number: Any) -> Any:
    """Numbers of many sweeps as they are, numpy's number of one as Python's, which is quicker."""
    return number if number.ndim else number.item()


def highest(values: Floats) -> Any:
    """The highest of each sweep; the place of it is found quicker than numpy finds the highest of one."""
    return np.maximum.reduce(values, axis=-1) if values.ndim > 1 else values.item(values.argmax())


def lowest(values: Floats) -> Any:
    """The lowest of each sweep."""
    return np.minimum.reduce(values, axis=-1) if values.ndim > 1 else values.item(values.argmin())


def last_below(values: Floats, level: Any, first: Any, final: Any) -> Any:
    """The last bin of each sweep, from `first` to `final`, where it lies below `level`; else `first`."""
    if values.ndim == 1:
        below = values[first + 1 : final + 1] < level
        found = int(below[::-1].argmax()) if below.size else 0
        return final - found if below.size and below[-1 - found] else first
    values = until(values, final)
    places = np.arange(values.shape[-1])
    where = values < each(level)
    where |= places <= each(first)
    where &= places <= each(final)
    return last(where)


def first_not_above(values: Floats, level: Any, first: Any) -> Any:
    """The first bin of each sweep from `first` on that does not lie above `level`; the last where all do."""
    if values.ndim == 1:
        low = values[first:] <= level
        found = int(low.argmax())
        return first + found if low[found] else values.size - 1
    low = values <= each(level)
    low &= np.arange(values.shape[-1]) >= each(first)
    low[:, -1] = True
    return low.argmax(axis=-1)


def highest_place(values: Floats, first: Any, final: Any) -> Any:
    """The bin of each sweep, from `first` to `final`, where it is highest; there is at least one."""
    if values.ndim == 1:
        return first + int(values[first : final + 1].argmax())
    values = until(values, final)
    places = np.arange(values.shape[-1])
    inside = places >= each(first)
    inside &= places <= each(final)
    return np.where(inside, values, -np.inf).argmax(axis=-1)


def lowest_place(values: Floats, first: Any) -> Any:
    """The bin of each sweep, from `first` on, where it is lowest."""
    if values.ndim == 1:
        return first + int(values[first:].argmin())
    after = np.arange(values.shape[-1]) >= each(first)
    return np.where(after, values, np.inf).argmin(axis=-1)


def extremes(values: Floats, first: Any, end: Any) -> tuple[Any, Any]:
    """The lowest and the highest of zero and of what each sweep has from `first` to before `end`."""
    if values.ndim == 1:
        inside = values[first:end]
        return (min(lowest(inside), 0.0), max(highest(inside), 0.0)) if inside.size else (0.0, 0.0)
    values = until(values, end)
    places = np.arange(values.shape[-1])
    inside = values * (places >= each(first))
    inside *= places < each(end)
    return np.minimum(lowest(inside), 0.0), np.maximum(highest(inside), 0.0)


def total(values: Floats, *parts: tuple[Any, Any]) -> Any:
    """The sum of what each sweep has in the parts, each from a bin of its own to before another.

    Each part is summed by itself, in an order that its length alone decides.
    """
    if values.ndim == 1:
        sums = np.add.reduceat(values, [bound for part in parts for bound in part])[::2].tolist()
        return sum(found for found, (first, end) in zip(sums, parts, strict=True) if first < end)
    bounds = np.empty((len(values), len(parts), 2), dtype=np.intp)
    for place, (first, end) in enumerate(parts):
        bounds[:, place, 0], bounds[:, place, 1] = first, end
    some = bounds[..., 0] < bounds[..., 1]
    bounds += (np.arange(len(values)) * values.shape[1])[:, None, None]
    sums = np.add.reduceat(values.reshape(-1), bounds.reshape(-1))[::2].reshape(some.shape)
    return np.add.reduce(sums * some, axis=-1)


def flanks(values: Floats, before: Any, peak: Any, after: Any) -> tuple[Any, Any]:
    """Each wave from its peak on to before `after`, and back to behind `before`.

    Where a flank of another sweep is longer, its values repeat the peak, then the baseline.
    """
    if values.ndim == 1:
        return values[peak:after], values[before + 1 : peak + 1][::-1]
    first, end = int(before.min()) + 1, int(after.max())
    places, values = np.arange(first, end), values[:, first:end]
    top = each(at(values, peak - first))
    inside = places > each(before)
    inside &= places < each(after)
    wave = np.where(inside, values, np.minimum(top, 0.0))
    places = places - each(peak)
    return np.where(places < 0, top, wave), np.where(places > 0, top, wave)[:, ::-1]
