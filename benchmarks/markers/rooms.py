"""What a real room adds to a sweep before the amplifier's filters: the second simulator's disturbances.

Pink and white noise, muscle that is not quite relaxed, mains with harmonics, railway current, the heart, an
artefact that drives the input into saturation, sometimes two of them, a step of the baseline before the
stimulus. Heights in uV, times in ms after the stimulus.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np

from benchmarks.markers.truth import FINE_HZ, Floats
from gateway.domain.recording import Modality

Range = tuple[float, float]

# Below this pink noise is flat; it does not matter to a sweep, and keeps its power finite.
_PINK_FROM_HZ: Final = 2.0
# What noise is measured in: what is above it, a recording's filters take away.
_NOISE_TO_HZ: Final = 10_000.0
_RAILWAY_HZ: Final = 50.0 / 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is added to one sweep; a figure of 0 is absence. Sines are peak values, noise is rms."""

    noise_uv_rms: float
    pink_uv_rms: float
    unit_uv: float
    units_per_s: float
    mains_uv: float
    mains_hz: float
    third: float
    fifth: float
    railway_uv: float
    turns: float
    heart_uv: float
    heart_ms: float
    artefact_uv: float
    artefact_decay_ms: float
    saturation_uv: float
    again_after_ms: float
    step_uv: float
    step_ms: float
    per_count_uv: float

    def cases(self) -> tuple["Room", ...]:
        """Noise only, each other disturbance alone with it, and all of them."""
        kinds = (
            ("unit_uv",),
            ("mains_uv", "railway_uv"),
            ("heart_uv", "step_uv"),
            ("artefact_uv",),
        )
        every = {name for kind in kinds for name in kind}
        silent = replace(self, **dict.fromkeys(every, 0.0))
        alone = (replace(silent, **{name: getattr(self, name) for name in kind}) for kind in kinds)
        return (silent, *alone, self)

    def by_name(self) -> Mapping[str, float]:
        """Each figure under its name."""
        return asdict(self)

    def added(self, times_ms: Floats, rng: np.random.Generator) -> Floats:
        """Everything together on a grid of `FINE_HZ`, in uV."""
        slow = self.heart_uv * np.exp(-(((times_ms - self.heart_ms) / _HEART_WIDTH_MS) ** 2) / 2.0)
        step = self.step_uv * (times_ms >= self.step_ms)
        return (
            self._noise(times_ms.size, rng)
            + self._units(times_ms, rng)
            + self._hum(times_ms)
            + self._artefact(times_ms)
            + slow
            + step
        )

    def _noise(self, count: int, rng: np.random.Generator) -> Floats:
        """White and pink noise, each of its rms up to 10 kHz."""
        hz = np.fft.rfftfreq(count, 1.0 / FINE_HZ)
        spectrum = np.fft.rfft(rng.standard_normal((2, count)))
        shapes = np.stack((np.ones(hz.size), 1.0 / np.sqrt(np.maximum(hz, _PINK_FROM_HZ))))
        shapes[:, hz > _NOISE_TO_HZ] = 0.0
        shapes /= np.sqrt(np.mean(shapes**2, axis=1, keepdims=True))
        white, pink = np.fft.irfft(spectrum * shapes, count)
        total: Floats = self.noise_uv_rms * white + self.pink_uv_rms * pink
        return total

    def _units(self, times_ms: Floats, rng: np.random.Generator) -> Floats:
        """Motor units that fire by themselves: small triphasic potentials at random times."""
        total = np.zeros(times_ms.size)
        seconds = (times_ms[-1] - times_ms[0]) / 1000.0
        for _ in range(rng.poisson(self.units_per_s * seconds)):
            middle_ms, width_ms = rng.uniform(times_ms[0], times_ms[-1]), rng.uniform(0.5, 2.0)
            place = (times_ms - middle_ms) / width_ms
            height = self.unit_uv * rng.uniform(0.2, 1.0)
            total += height * (1.0 - place**2) * np.exp(-(place**2) / 2.0)
        return total

    def _hum(self, times_ms: Floats) -> Floats:
        """Mains with its third and fifth harmonic, and the railway's."""
        turn = 2 * np.pi * (self.mains_hz * times_ms / 1000.0 + self.turns)
        mains = np.sin(turn) + self.third * np.sin(3 * turn + 1.0) + self.fifth * np.sin(5 * turn + 2.0)
        railway: Floats = np.sin(2 * np.pi * (_RAILWAY_HZ * times_ms / 1000.0 + 3.0 * self.turns))
        return self.mains_uv * mains + self.railway_uv * railway

    def _artefact(self, times_ms: Floats) -> Floats:
        """The stimulus, and the second of a double shock, cut off where the input saturates."""
        total = np.zeros(times_ms.size)
        shocks = (0.0, self.again_after_ms) if self.again_after_ms else (0.0,)
        for begin_ms in shocks:
            since_ms = times_ms - begin_ms
            total += np.exp(-np.maximum(since_ms, 0.0) / self.artefact_decay_ms) * (since_ms >= 0.0)
        return np.clip(self.artefact_uv * total, -self.saturation_uv, self.saturation_uv)


_HEART_WIDTH_MS: Final = 12.0  # a ventricular complex lasts 70 to 100 ms; this is a bell of 48 ms at its foot


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """How much of each a modality meets."""

    noise_uv: Range
    unit_uv: Range
    hum_uv: float
    slow_uv: float
    artefact_uv: float
    overdrive_uv: float
    per_count_uv: Range


RANGES: Final[Mapping[Modality, Ranges]] = {
    Modality.MOTOR: Ranges(
        noise_uv=(2.0, 10.0),
        unit_uv=(5.0, 30.0),
        hum_uv=15.0,
        slow_uv=40.0,
        artefact_uv=4000.0,
        overdrive_uv=20_000.0,
        per_count_uv=(0.1, 1.0),
    ),
    Modality.SENSORY: Ranges(
        noise_uv=(0.07, 0.35),
        unit_uv=(0.2, 0.8),
        hum_uv=1.0,
        slow_uv=1.0,
        artefact_uv=200.0,
        overdrive_uv=1000.0,
        per_count_uv=(0.005, 0.05),
    ),
}


def draw_room(rng: np.random.Generator, modality: Modality) -> Room:
    """The room of one sweep: noise always, a fifth to a half of sweeps with each of the others."""
    ranges = RANGES[modality]
    overdriven = rng.random() < 0.25
    artefact_uv = rng.uniform(-1.0, 1.0) * (ranges.overdrive_uv if overdriven else ranges.artefact_uv)
    return Room(
        noise_uv_rms=float(np.exp(rng.uniform(*np.log(ranges.noise_uv)))),
        pink_uv_rms=float(np.exp(rng.uniform(*np.log(ranges.noise_uv)))),
        unit_uv=rng.uniform(*ranges.unit_uv) * (rng.random() < 0.3),
        units_per_s=rng.uniform(10.0, 60.0),
        mains_uv=ranges.hum_uv * rng.random() * (rng.random() < 0.5),
        mains_hz=50.0 if rng.random() < 0.5 else 60.0,
        third=rng.uniform(0.0, 0.3),
        fifth=rng.uniform(0.0, 0.2),
        railway_uv=ranges.hum_uv * rng.random() * (rng.random() < 0.2),
        turns=rng.random(),
        heart_uv=ranges.slow_uv * rng.uniform(-1.0, 1.0) * (rng.random() < 0.2),
        heart_ms=rng.uniform(-20.0, 60.0),
        artefact_uv=artefact_uv,
        artefact_decay_ms=rng.uniform(0.05, 0.2) if overdriven else rng.uniform(0.05, 0.6),
        saturation_uv=ranges.artefact_uv * (rng.uniform(0.5, 2.0) if overdriven else 1.0),
        again_after_ms=rng.uniform(0.3, 1.5) * (rng.random() < 0.1),
        step_uv=ranges.slow_uv * rng.uniform(-1.0, 1.0) * (rng.random() < 0.2),
        step_ms=rng.uniform(-5.0, -0.5),
        per_count_uv=float(np.exp(rng.uniform(*np.log(ranges.per_count_uv)))),
    )
