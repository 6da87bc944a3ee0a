"""A sweep as HL7 carries it: microvolts as a numeric array, bounded, negative up as the clinician reads it.

A longer sweep is thinned: each value sent is the mean of `step` neighbouring samples, so that what is too
fast for the new rate does not fold into it. A value is rounded to a tenth of what the cart could tell apart,
or not at all.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from gateway.domain.recording import Waveform

MAX_SAMPLES: Final = 1000  # 50 ms at 20 kHz, the usual sweep, goes out whole; about 6 kB
_MOST_DECIMALS: Final = 6  # a picovolt


@dataclass(frozen=True, slots=True)
class Sweep:
    """A waveform, and how it is sent; `step` 1: sample for sample."""

    waveform: Waveform

    @property
    def step(self) -> int:
        """How many samples one value stands for."""
        return math.ceil(self.waveform.samples.size / MAX_SAMPLES)

    @property
    def rate_hz(self) -> float:
        """Values a second, as sent."""
        return self.waveform.sampling_rate_hz / self.step

    @property
    def start_ms(self) -> float:
        """When the first value was recorded, after the stimulus: the middle of its samples."""
        return self.waveform.start_ms + (self.step - 1) / 2 * 1000.0 / self.waveform.sampling_rate_hz

    @property
    def values(self) -> tuple[str, ...]:
        """The microvolts, each as type NM; what does not fill the last step is left out."""
        whole = self.waveform.samples.size // self.step * self.step
        means = self.waveform.microvolts[:whole].reshape(-1, self.step).mean(axis=1)
        decimals = _decimals(self.waveform.microvolts_per_count, means=self.step > 1)
        rounded = np.round(means, decimals) + 0.0  # no negative zero
        # All of them in one go: this runs between what the cart sends.
        return tuple((f"%.{decimals}f " * rounded.size % tuple(rounded.tolist())).split())


def _decimals(microvolts_per_count: float, *, means: bool) -> int:
    """How many decimals tell a tenth of a count apart; for whole counts fewer where they are exact."""
    exponent = Decimal(repr(microvolts_per_count)).normalize().as_tuple().exponent
    exact = max(0, -int(exponent))
    enough = max(0, math.ceil(-math.log10(microvolts_per_count / 5)))
    return min(enough if means else min(exact, enough), _MOST_DECIMALS)
