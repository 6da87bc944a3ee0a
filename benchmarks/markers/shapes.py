"""Waves by formula, of kinds that no sum of half-sines makes; time 0 is where each begins, heights are free.

`scale_ms` is about the length of the negative peak. A kind draws its own proportions; `notched` adds two or
three waves of drawn kinds, each somewhat later than the one before.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from benchmarks.markers.truth import Floats

Shape = Callable[[Floats], Floats]
Kind = Callable[[np.random.Generator, float], Shape]


def gamma_biphasic(rng: np.random.Generator, scale_ms: float) -> Shape:
    """The derivative of a gamma curve: up, through zero after `scale_ms`, and a long way back from below."""
    order = rng.uniform(3.0, 6.0)
    rate = order / scale_ms

    def wave(times_ms: Floats) -> Floats:
        since = np.maximum(times_ms, 0.0) / scale_ms
        return since ** (order - 1.0) * (order - rate * scale_ms * since) * np.exp(-order * since)

    return wave


def triphasic(rng: np.random.Generator, scale_ms: float) -> Shape:
    """The second derivative of a Gaussian: a positive dip, the negative peak, another positive dip."""
    first, last = rng.uniform(0.1, 0.8), rng.uniform(0.2, 1.0)
    width = scale_ms / 2.0
    middle_ms = 4.5 * width  # the bell is below 1 in 20,000 where the wave begins

    def wave(times_ms: Floats) -> Floats:
        place = (times_ms - middle_ms) / width
        hat: Floats = (1.0 - place**2) * np.exp(-(place**2) / 2.0)
        dip = np.where(place < 0.0, first, last)
        return np.where(hat < 0.0, dip * hat, hat) * (times_ms > 0.0)

    return wave


def asymmetric(rng: np.random.Generator, scale_ms: float) -> Shape:
    """A steep rise, a fall through zero after `scale_ms`, a damped swing below."""
    rise_ms = scale_ms * rng.uniform(0.1, 0.6)
    damping_ms = scale_ms * rng.uniform(0.6, 2.5)

    def wave(times_ms: Floats) -> Floats:
        since = np.maximum(times_ms, 0.0)
        swing = np.cos(np.pi / 2.0 * since / scale_ms) * (since < 3.0 * scale_ms)
        return swing * (1.0 - np.exp(-((since / rise_ms) ** 2))) * np.exp(-since / damping_ms)

    return wave


def monophasic(rng: np.random.Generator, scale_ms: float) -> Shape:
    """A gamma curve: up, and back slowly without ever passing zero; only a high-pass makes it return."""
    order = rng.uniform(2.0, 4.0)

    def wave(times_ms: Floats) -> Floats:
        since = np.maximum(times_ms, 0.0) / (scale_ms / 3.0)
        return since**order * np.exp(-since * order / 1.5)

    return wave


_SIMPLE: Final[tuple[Kind, ...]] = (gamma_biphasic, triphasic, asymmetric, monophasic)


def notched(rng: np.random.Generator, scale_ms: float) -> Shape:
    """Two or three waves of one kind, 0.4 to 0.9 of their length apart."""
    kind = _SIMPLE[rng.integers(3)]
    waves, later_ms = [], 0.0
    for _ in range(int(rng.integers(2, 4))):
        waves.append((kind(rng, scale_ms), rng.uniform(0.4, 1.0), later_ms))
        later_ms += scale_ms * rng.uniform(0.4, 0.9)

    def wave(times_ms: Floats) -> Floats:
        total = np.zeros(times_ms.size)
        for shape, height, delay_ms in waves:
            whole = shape(times_ms)
            total += height / whole.max() * shape(times_ms - delay_ms)
        return total

    return wave


KINDS: Final[tuple[Kind, ...]] = (*_SIMPLE, notched)
