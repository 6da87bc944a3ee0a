"""The cart's amplifier: what it makes of a clean response before anyone sees it.

It adds what every recording has (the tail of the stimulus artefact, white noise, mains hum), rounds to whole
counts and saturates. The pools' waves are already as slow as its filters would leave them, so the band is
stated, not computed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.simulator.fibres import Floats
from gateway.domain.recording import Modality, Waveform

_MAINS_HZ: Final = 50.0
_LARGEST_COUNT: Final = 32767  # 16-bit converter


@dataclass(frozen=True, slots=True, kw_only=True)
class Amplifier:
    """One channel's settings. Noise is what remains after `averages` sweeps; `mains_uv` is a peak value."""

    sampling_rate_hz: float
    start_ms: float
    sweep_ms: float
    microvolts_per_count: float
    filter_hz: tuple[float, float]
    averages: int
    noise_uv_rms: float
    mains_uv: float
    artefact_uv: float
    artefact_decay_ms: float

    @property
    def times_ms(self) -> Floats:
        """The time of each sample after the stimulus."""
        count = round(self.sweep_ms * self.sampling_rate_hz / 1000.0)
        return self.start_ms + np.arange(count, dtype=np.float64) * (1000.0 / self.sampling_rate_hz)

    def record(self, clean_uv: Floats, rng: np.random.Generator) -> Waveform:
        """The sweep as stored: `clean_uv` (at `times_ms`) with everything that the amplifier adds."""
        times_ms = self.times_ms
        hum = self.mains_uv * np.sin(2 * np.pi * (_MAINS_HZ * times_ms / 1000.0 + rng.random()))
        noise = self.noise_uv_rms * rng.standard_normal(times_ms.size)
        since_stimulus = np.maximum(times_ms, 0.0)
        artefact = self.artefact_uv * np.exp(-since_stimulus / self.artefact_decay_ms) * (times_ms >= 0.0)
        counts = np.rint((clean_uv + artefact + noise + hum) / self.microvolts_per_count)
        return Waveform(
            sampling_rate_hz=self.sampling_rate_hz,
            start_ms=self.start_ms,
            microvolts_per_count=self.microvolts_per_count,
            samples=np.clip(counts, -_LARGEST_COUNT, _LARGEST_COUNT).astype(np.int32),
        )


# Bands: CMAP 2 Hz-10 kHz, SNAP 20 Hz-2 kHz, as laboratories use them; 50 and 20 ms sweeps at 48 kHz. Noise:
# a relaxed muscle under a single sweep; ten averaged sweeps over a nerve (modelling choices).
AMPLIFIERS: Final = {
    Modality.MOTOR: Amplifier(
        sampling_rate_hz=48_000.0,
        start_ms=-2.0,
        sweep_ms=50.0,
        microvolts_per_count=0.5,
        filter_hz=(2.0, 10_000.0),
        averages=1,
        noise_uv_rms=5.0,
        mains_uv=4.0,
        artefact_uv=2000.0,
        artefact_decay_ms=0.15,
    ),
    Modality.SENSORY: Amplifier(
        sampling_rate_hz=48_000.0,
        start_ms=-2.0,
        sweep_ms=20.0,
        microvolts_per_count=0.05,
        filter_hz=(20.0, 2_000.0),
        averages=10,
        noise_uv_rms=0.3,
        mains_uv=0.2,
        artefact_uv=150.0,
        artefact_decay_ms=0.15,
    ),
}
