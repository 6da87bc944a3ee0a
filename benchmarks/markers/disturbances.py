"""What a recording has beside the response: noise, mains hum, the stimulus artefact, drift.

One draw holds everything that is added to one sweep; `alone` leaves one kind of it, so that each can be
blamed. Times are in ms after the stimulus, heights in uV. All ranges are modelling choices of this
benchmark: what a careful technologist still accepts, and some more.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

import numpy as np

from benchmarks.markers.truth import Floats
from gateway.domain.recording import Modality

Kind = Literal["mains", "artefact", "drift"]
KINDS: Final[tuple[Kind, ...]] = ("mains", "artefact", "drift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """How much of each disturbance a modality meets; `band_hz` is where the noise ends (0: white)."""

    noise_uv: tuple[float, float]
    mains_uv: float
    artefact_uv: float
    drift_uv: float
    per_count_uv: tuple[float, float]
    band_hz: tuple[float, float]


RANGES: Final[Mapping[Modality, Ranges]] = {
    Modality.MOTOR: Ranges(
        noise_uv=(3.0, 15.0),
        mains_uv=15.0,
        artefact_uv=4000.0,
        drift_uv=150.0,
        per_count_uv=(0.1, 1.0),
        band_hz=(0.0, 0.0),
    ),
    Modality.SENSORY: Ranges(
        noise_uv=(0.1, 0.5),
        mains_uv=1.0,
        artefact_uv=200.0,
        drift_uv=0.0,
        per_count_uv=(0.005, 0.05),
        band_hz=(2000.0, 3000.0),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbances:
    """What is added to one sweep; `mains_uv` is a peak value, `drift_uv` and `bend_uv` are over the sweep."""

    noise_uv_rms: float
    band_hz: float
    mains_uv: float
    mains_hz: float
    mains_turns: float
    artefact_uv: float
    artefact_decay_ms: float
    recovery_uv: float
    recovery_decay_ms: float
    drift_uv: float
    bend_uv: float
    per_count_uv: float

    def alone(self, kind: Kind | None) -> "Disturbances":
        """The noise and this kind only; None: the noise only."""
        gone = {f"{other}_uv": 0.0 for other in KINDS if other != kind}
        gone |= {} if kind == "artefact" else {"recovery_uv": 0.0}
        gone |= {} if kind == "drift" else {"bend_uv": 0.0}
        return replace(self, **gone)

    def by_name(self) -> Mapping[str, float]:
        """Each figure under its name."""
        return asdict(self)

    def added(self, times_ms: Floats, rng: np.random.Generator) -> Floats:
        """Everything together at evenly spaced `times_ms`, in uV."""
        hum = self.mains_uv * np.sin(2 * np.pi * (self.mains_hz * times_ms / 1000.0 + self.mains_turns))
        since_ms = np.maximum(times_ms, 0.0)
        artefact = self.artefact_uv * np.exp(-since_ms / self.artefact_decay_ms)
        recovery = self.recovery_uv * np.exp(-since_ms / self.recovery_decay_ms)
        place = np.linspace(-0.5, 0.5, times_ms.size)
        drift = self.drift_uv * place + self.bend_uv * (4.0 * place**2 - 0.5)
        return hum + (artefact + recovery) * (times_ms >= 0.0) + drift + self._noise(times_ms, rng)

    def _noise(self, times_ms: Floats, rng: np.random.Generator) -> Floats:
        """Normal noise: white, or cut off above `band_hz` as steeply as a filter of second order does."""
        white = rng.standard_normal(times_ms.size)
        if not self.band_hz:
            return self.noise_uv_rms * white
        hz = np.fft.rfftfreq(white.size, (times_ms[1] - times_ms[0]) / 1000.0)
        gain = 1.0 / np.sqrt(1.0 + (hz / self.band_hz) ** 4)
        return self.noise_uv_rms / _rms_of(gain) * np.fft.irfft(np.fft.rfft(white) * gain, white.size)


def draw(rng: np.random.Generator, modality: Modality) -> Disturbances:
    """The disturbances of one sweep: half without mains, a tenth without an artefact."""
    ranges = RANGES[modality]
    artefact_uv = ranges.artefact_uv * rng.uniform(-1.0, 1.0) * (rng.random() < 0.9)
    recovers, bends = rng.random() < 0.3, rng.random() < 0.3
    return Disturbances(
        noise_uv_rms=float(np.exp(rng.uniform(*np.log(ranges.noise_uv)))),
        band_hz=rng.uniform(*ranges.band_hz),
        mains_uv=ranges.mains_uv * rng.random() * (rng.random() < 0.5),
        mains_hz=50.0 if rng.random() < 0.5 else 60.0,
        mains_turns=rng.random(),
        artefact_uv=artefact_uv,
        artefact_decay_ms=rng.uniform(0.05, 0.6),
        recovery_uv=-artefact_uv * rng.uniform(0.02, 0.08) * recovers,
        recovery_decay_ms=rng.uniform(1.0, 4.0),
        drift_uv=ranges.drift_uv * rng.uniform(-1.0, 1.0),
        bend_uv=ranges.drift_uv / 3.0 * rng.uniform(-1.0, 1.0) * bends,
        per_count_uv=float(np.exp(rng.uniform(*np.log(ranges.per_count_uv)))),
    )


def _rms_of(gain: Floats) -> float:
    """What a filter of this gain leaves of white noise."""
    return float(np.sqrt(np.mean(gain**2)))
