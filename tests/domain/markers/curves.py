"""Curves whose truth is known by formula, and the sweeps that a cart makes of them.

A response is x^3 (1 - x) exp(-4x) of the time x since it began, in parts of its negative phase: its peak is
at 1/2, its return at 1, its trough at 3/2. What disturbs it is added as a recording has it. Times in ms after
the stimulus, heights in uV; clinical negative is up.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from math import exp

import numpy as np

from benchmarks.markers.truth import Floats, Sampling, fine_grid, read_truth
from gateway.domain.markers import MarkerSettings, Marking, mark
from gateway.domain.recording import Marks, Modality, MotorMarks, Response, SensoryMarks, Waveform
from tests.factories import marker_settings

Curve = Callable[[Floats], Floats]

SETTINGS: MarkerSettings = marker_settings()
MOTOR, SENSORY = Modality.MOTOR, Modality.SENSORY
# How a cart samples a sweep of either modality, and uV per count.
SAMPLING = {
    MOTOR: Sampling(rate_hz=20_000.0, start_ms=-5.0, end_ms=45.0),
    SENSORY: Sampling(rate_hz=50_000.0, start_ms=-2.0, end_ms=18.0),
}
PER_COUNT_UV = {MOTOR: 0.25, SENSORY: 0.01}
# Several periods of the mains.
LONG = replace(SAMPLING[MOTOR], start_ms=-10.0, end_ms=90.0)
_PEAK = exp(-2.0) / 16.0


def cmap(*, peak_uv: float = 8000.0, begin_ms: float = 3.0, negative_ms: float = 5.0) -> Curve:
    """A negative phase of `negative_ms`, then a positive one half as high."""

    def curve(times_ms: Floats) -> Floats:
        since = np.maximum(times_ms - begin_ms, 0.0) / negative_ms
        return peak_uv / _PEAK * since**3 * (1.0 - since) * np.exp(-4.0 * since)

    return curve


def snap(*, peak_uv: float = 15.0, begin_ms: float = 2.5, negative_ms: float = 1.2) -> Curve:
    """The same, as brief and as low as the response of a sensory nerve."""
    return cmap(peak_uv=peak_uv, begin_ms=begin_ms, negative_ms=negative_ms)


def half_wave(peak_uv: float, begin_ms: float, duration_ms: float) -> Curve:
    """A half-sine with corners, and a positive one of 30 % behind it."""

    def curve(times_ms: Floats) -> Floats:
        phase = np.clip((times_ms - begin_ms) / duration_ms, 0.0, 2.0)
        return peak_uv * np.where(phase < 1.0, 1.0, 0.3) * np.sin(np.pi * phase)

    return curve


def spike(height_uv: float, at_ms: float, width_ms: float = 0.1) -> Curve:
    """A level held for so long: no nerve is so brief."""
    first, last = at_ms - 1e-9, at_ms + width_ms - 1e-9
    return lambda times_ms: height_uv * ((times_ms >= first) & (times_ms < last))


ANSWER = {MOTOR: cmap(), SENSORY: snap()}
USUAL_NOISE_UV = {MOTOR: 5.0, SENSORY: 0.2}


def bell(height_uv: float, at_ms: float, width_ms: float) -> Curve:
    """A bell of this standard deviation: a dip before a wave, a notch in it."""
    return lambda times_ms: height_uv * np.exp(-(((times_ms - at_ms) / width_ms) ** 2) / 2.0)


def hum(height_uv: float, hertz: float = 50.0, turns: float = 0.1) -> Curve:
    """Mains of this peak amplitude."""
    return lambda times_ms: height_uv * np.sin(2.0 * np.pi * (hertz * times_ms / 1000.0 + turns))


def artefact(height_uv: float, decay_ms: float = 0.4) -> Curve:
    """What the stimulus leaves, decaying from the stimulus on."""
    return lambda times_ms: height_uv * np.exp(-np.maximum(times_ms, 0.0) / decay_ms) * (times_ms >= 0.0)


def drift(uv_per_ms: float) -> Curve:
    """A baseline that moves evenly."""
    return lambda times_ms: uv_per_ms * times_ms


def noise(uv_rms: float, seed: int = 1) -> Curve:
    """White noise."""
    return lambda times_ms: np.random.default_rng(seed).normal(0.0, uv_rms, times_ms.size)


def total(*curves: Curve) -> Curve:
    """The sum of the curves."""
    return lambda times_ms: np.add.reduce([curve(times_ms) for curve in curves])


def sweep(*curves: Curve, modality: Modality = MOTOR, sampling: Sampling | None = None) -> Waveform:
    """The sum of the curves as a cart stores it."""
    times = sampling or SAMPLING[modality]
    return times.stored(total(*curves)(times.times_ms), PER_COUNT_UV[modality])


def cut_off(waveform: Waveform, least_uv: float, most_uv: float) -> Waveform:
    """The sweep from a converter of this range."""
    limits = np.array([least_uv, most_uv]) / waveform.microvolts_per_count
    return replace(waveform, samples=np.clip(waveform.samples, *limits.astype(np.int32)))


def usual(modality: Modality, seed: int = 1) -> Waveform:
    """An ordinary sweep: a response and a little noise."""
    return sweep(ANSWER[modality], noise(USUAL_NOISE_UV[modality], seed), modality=modality)


def negated(waveform: Waveform) -> Waveform:
    """The sweep with its electrodes exchanged."""
    return replace(waveform, samples=-waveform.samples)


def marking(waveform: Waveform, modality: Modality = MOTOR) -> Marking:
    """What the marker says with the shipped settings."""
    return mark(waveform, modality, SETTINGS)


def marks(waveform: Waveform, modality: Modality = MOTOR) -> Marks:
    """The marks of a sweep that shows a response."""
    found = marking(waveform, modality)
    assert isinstance(found.response, MotorMarks | SensoryMarks), found
    return found.response


def numbers(found: Marking) -> dict[str, float | None]:
    """What is said of a sweep, each code with its number."""
    return {entry.code: entry.value for entry in found.quality}


def quantities(found: Response | None) -> dict[str, float]:
    """The quantities that were marked, by name; none where there is no response."""
    if not isinstance(found, MotorMarks | SensoryMarks):
        return {}
    values = {entry.name: getattr(found, entry.name) for entry in fields(found)}
    return {name: value for name, value in values.items() if value is not None}


def above_ms(curve: Curve, level_uv: float) -> float:
    """How long a curve is above a level."""
    times_ms = np.arange(0.0, 40.0, 0.001)
    return float(np.count_nonzero(curve(times_ms) > level_uv)) * 0.001


def last_return_ms(curve: Curve, least_uv: float) -> float:
    """When the last negative phase of at least this height is over."""
    times_ms = fine_grid(0.0, 60.0)
    wave = curve(times_ms)
    last = int(np.flatnonzero(wave >= least_uv)[-1])
    return float(times_ms[last + np.flatnonzero(wave[last:] <= 0.0)[0]])


def known(*curves: Curve, modality: Modality = MOTOR) -> dict[str, float]:
    """What is true of the sum of the curves, under the names of the marks."""
    times_ms = fine_grid(-10.0, 60.0)
    return quantities(read_truth(times_ms, total(*curves)(times_ms), modality).marks(modality))


def half_a_digit(quantity: str) -> float:
    """Half a unit of the last digit that is published."""
    return {"mv": 5e-4, "uv": 0.05}.get(quantity.rpartition("_")[2], 0.005)


def misses(
    found: Marking, truth: dict[str, float], *, within: float = 4.0
) -> dict[str, tuple[float | None, float]]:
    """Each quantity that is missing or off by more than `within` standard errors: ours and the truth."""
    ours = quantities(found.response)
    return {
        name: (ours.get(name), value)
        for name, value in truth.items()
        if name not in ours or abs(ours[name] - value) > within * found.errors[name] + half_a_digit(name)
    }
