"""The fibres that answer at one electrode: how many, how large, how fast, and what each of them shows.

A motor unit under a muscle electrode and a sensory fibre under a ring electrode differ in their numbers only,
so one model serves CMAP and SNAP. The response is the sum of many small potentials that arrive at slightly
different times: arrive together and they add up (a large, short wave), arrive apart and they spread out and
cancel (dispersion), do not arrive and they are missing (block, axon loss).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Two standard deviations hold 95 % of fibres; the rest is cut off so that no single fibre decides a mark.
_CUT_SD: Final = 2.0
# Stimulating current needed, relative to the median fibre of the pool: exp(+-2 x 0.25) spans 0.6 to 1.65.
# Depth in the nerve decides it more than size does, hence independent of size (modelling choice).
_THRESHOLD_SD: Final = 0.25
HIGHEST_THRESHOLD: Final = float(np.exp(_CUT_SD * _THRESHOLD_SD))


@dataclass(frozen=True, slots=True, kw_only=True)
class Potential:
    """What one fibre shows at the electrode: a negative half-wave, then a lower and longer positive one.

    Negative first because the active electrode lies over the motor point (or the impulse starts on the
    electrode's side of it); the half-sines are a modelling choice.
    """

    negative_ms: float
    positive_ms: float
    positive_height: float

    def summed(
        self, arrival_ms: Floats, size_uv: Floats, times_ms: Floats, *, stretched: float = 1.0
    ) -> Floats:
        """The response, in uV at `times_ms`, of fibres of these arrivals and sizes, each lengthened alike."""
        negative_ms, positive_ms = self.negative_ms * stretched, self.positive_ms * stretched
        negative = _half_sines(arrival_ms, negative_ms, size_uv, times_ms)
        positive = _half_sines(arrival_ms + negative_ms, positive_ms, size_uv, times_ms)
        return negative - self.positive_height * positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The statistics of a healthy pool; `total_uv` is its peak if all fibres arrived at once."""

    fibres: int
    total_uv: float
    largest_to_smallest: float
    velocity_m_s: float
    velocity_sd_m_s: float
    terminal_ms: float
    terminal_sd_ms: float
    potential: Potential

    def draw(self, rng: np.random.Generator) -> "Fibres":
        """One person's pool: people differ by a few percent in size, speed and terminal delay."""
        count = self.fibres
        size = self.largest_to_smallest ** np.linspace(0.0, 1.0, count)
        size *= _person(rng, 0.03) * self.total_uv / size.sum()
        velocity = self.velocity_m_s * _person(rng, 0.01) + self.velocity_sd_m_s * _normal(rng, count)
        terminal = self.terminal_ms * _person(rng, 0.02) + self.terminal_sd_ms * _normal(rng, count)
        threshold = np.exp(_THRESHOLD_SD * _normal(rng, count))
        return Fibres(size_uv=size, velocity_m_s=velocity, terminal_ms=terminal, threshold=threshold)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fibres:
    """One person's pool, an entry a fibre.

    `terminal_ms` is what remains of the latency when the way along the nerve is taken off: activation,
    the slow last millimetres and, in a muscle, the synapse. `threshold` is relative to the site's own.
    """

    size_uv: Floats
    velocity_m_s: Floats
    terminal_ms: Floats
    threshold: Floats

    @property
    def count(self) -> int:
        """How many fibres there are."""
        return self.size_uv.size


def chosen(share: float, count: int, rng: np.random.Generator) -> Mask:
    """A random `share` of `count` fibres: the number is exact, which ones they are is chance."""
    ranks: NDArray[np.intp] = np.argsort(rng.random(count))
    return ranks < round(share * count)


def _half_sines(begin_ms: Floats, lasts_ms: float, height: Floats, times_ms: Floats) -> Floats:
    """The sum of half-sines of one length.

    sin w(t-a) is the imaginary part of exp(iwt) exp(-iwa), so at any time the half-sines under way add up to
    one sine: exp(iwt) times the sum of exp(-iwa) over those that have begun and not ended, a running sum.
    """
    order = np.argsort(begin_ms, kind="stable")
    begin_ms, height = begin_ms[order], height[order]
    omega = np.pi / lasts_ms
    running = np.concatenate(([0.0], np.cumsum(height * np.exp(-1j * omega * begin_ms))))
    begun = np.searchsorted(begin_ms, times_ms, side="right")
    ended = np.searchsorted(begin_ms + lasts_ms, times_ms, side="right")
    total: Floats = np.imag(np.exp(1j * omega * times_ms) * (running[begun] - running[ended]))
    return total


def _normal(rng: np.random.Generator, count: int) -> Floats:
    return np.clip(rng.standard_normal(count), -_CUT_SD, _CUT_SD)


def _person(rng: np.random.Generator, sd: float) -> float:
    """One person against the mean, as a factor; far less spread than in life (modelling choice)."""
    return 1.0 + sd * float(_normal(rng, 1)[0])
