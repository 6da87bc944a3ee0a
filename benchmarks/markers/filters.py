"""An amplifier's filters, as what they do to a spectrum: first or second order (Butterworth), causal.

A sweep is multiplied by the transfer function of the analogue filter in the frequency domain, with as much
silence behind it as the slowest filter needs to die away, so that nothing comes round to the beginning.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.markers.truth import Floats

Order = Literal[1, 2]
Complex = NDArray[np.complex128]
_ORDERS: Final[tuple[Order, ...]] = (1, 2)
# After this many periods of its corner a high-pass has forgotten all but exp(-2 pi 1.2), 1 in 1900.
_PERIODS_TO_SETTLE: Final = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What an amplifier lets through: corners in Hz, each with the order of its filter."""

    high_pass_hz: float
    high_pass_order: Order
    low_pass_hz: float
    low_pass_order: Order

    def applied(self, signals_uv: Floats, rate_hz: float) -> Floats:
        """Each row of `signals_uv`, sampled at `rate_hz`, as it comes out."""
        count = signals_uv.shape[-1]
        length = _transform_length(count + int(rate_hz * _PERIODS_TO_SETTLE / self.high_pass_hz))
        hz = np.fft.rfftfreq(length, 1.0 / rate_hz).astype(np.float64)
        spectrum = np.fft.rfft(signals_uv, length).astype(np.complex128) * self._transfer(hz)
        filtered: Floats = np.fft.irfft(spectrum, length)[..., :count]
        return filtered

    def _transfer(self, hz: Floats) -> Complex:
        high: Complex = (1j * hz / self.high_pass_hz).astype(np.complex128)
        low: Complex = (1j * hz / self.low_pass_hz).astype(np.complex128)
        through_high: Complex = high**self.high_pass_order / _butterworth(high, self.high_pass_order)
        return through_high / _butterworth(low, self.low_pass_order)


def draw_band(rng: np.random.Generator, *, high_pass_hz: tuple[float, float]) -> Band:
    """A band whose high-pass lies evenly within `high_pass_hz`; the low-pass is at 2 to 10 kHz."""
    return Band(
        high_pass_hz=rng.uniform(*high_pass_hz),
        high_pass_order=_ORDERS[rng.integers(2)],
        low_pass_hz=rng.uniform(2000.0, 10_000.0),
        low_pass_order=_ORDERS[rng.integers(2)],
    )


def _butterworth(s: Complex, order: Order) -> Complex:
    """The Butterworth polynomial of that order."""
    return 1.0 + s if order == 1 else 1.0 + s * 2.0**0.5 + s * s


def _transform_length(least: int) -> int:
    """A length of at least `least` that transforms fast: a power of two, or three or five times one."""
    return min(factor << math.ceil(math.log2(least / factor)) for factor in (1, 3, 5))
