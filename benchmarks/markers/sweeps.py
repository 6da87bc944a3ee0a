"""Sweeps of the virtual patient, each with another body: what is true about them is known.

A seed draws the pool under the electrode (how many fibres, how large, how fast, how unequal), the way to it
(length, block, dispersion), sometimes a second pool that answers later, then the disturbances and the cart's
settings. The wave is scaled so that its clean negative peak spans the range of a laboratory evenly on a
logarithmic scale. All ranges are modelling choices of this benchmark, wider than the normal body.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.markers import disturbances
from benchmarks.markers.truth import Drawn, Floats, Sampling, Truth, fine_grid, read_truth
from drivers.simulator.fibres import Pool, Potential
from drivers.simulator.nerve import Innervation, Lesion, Path, Stretch
from drivers.simulator.patient import Patient, Stimulation
from gateway.domain.recording import Modality

Range = tuple[float, float]

_NERVE: Final = "median"
_SITE: Final = "wrist"
# Anything: everyone is stimulated well beyond it.
_THRESHOLD_MA: Final = 10.0
# Where the second pool stands, for the patient; it is under the same electrode.
_EARLY, _LATE = "early", "late"
# A technologist sets the sweep so that the response is on it, with this much after its return.
AFTER_RETURN_MS: Final = 2.0
_RATE_HZ: Final = (20_000.0, 100_000.0)
_BEFORE_MS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """The ranges of bodies and sweeps of one modality; spreads are parts of the velocity."""

    fibres: tuple[int, int]
    size_spread: Range
    velocity_m_s: Range
    velocity_spread: Range
    terminal_ms: Range
    terminal_sd_ms: Range
    negative_ms: Range
    positive_ms: Range
    positive_height: Range
    distance_mm: Range
    dispersion_ms: float
    later_ms: Range
    peak_uv: Range
    sweep_ms: Range


BODIES: Final[Mapping[Modality, Bodies]] = {
    Modality.MOTOR: Bodies(
        fibres=(30, 400),
        size_spread=(2.0, 20.0),
        velocity_m_s=(35.0, 65.0),
        velocity_spread=(0.02, 0.1),
        terminal_ms=(1.5, 4.0),
        terminal_sd_ms=(0.1, 0.6),
        negative_ms=(3.5, 7.0),
        positive_ms=(6.0, 16.0),
        positive_height=(0.1, 0.4),
        distance_mm=(50.0, 700.0),
        dispersion_ms=10.0,
        later_ms=(2.0, 7.0),
        peak_uv=(500.0, 15_000.0),
        sweep_ms=(25.0, 60.0),
    ),
    Modality.SENSORY: Bodies(
        fibres=(30, 400),
        size_spread=(2.0, 6.0),
        velocity_m_s=(40.0, 65.0),
        velocity_spread=(0.03, 0.09),
        terminal_ms=(0.1, 0.3),
        terminal_sd_ms=(0.01, 0.05),
        negative_ms=(0.8, 1.6),
        positive_ms=(1.2, 2.5),
        positive_height=(0.25, 0.6),
        distance_mm=(90.0, 220.0),
        dispersion_ms=0.8,
        later_ms=(0.5, 1.5),
        peak_uv=(3.0, 60.0),
        sweep_ms=(12.0, 40.0),
    ),
}


def draw_motor(seed: int) -> Drawn:
    """A CMAP with its truth; the same for the same seed."""
    return draw_response(seed, Modality.MOTOR)


def draw_sensory(seed: int) -> Drawn:
    """A SNAP with its truth; the same for the same seed."""
    return draw_response(seed, Modality.SENSORY)


def draw_nothing(seed: int, modality: Modality) -> Drawn:
    """A sweep without a response: in turn noise only, one disturbance with it, and all of them."""
    rng = np.random.default_rng(seed)
    drawn = disturbances.draw(rng, modality)
    alone = (drawn.alone(kind) for kind in disturbances.KINDS)
    cases = (drawn.alone(None), *alone, drawn)
    added = cases[seed % len(cases)]
    sampling = draw_sampling(rng, BODIES[modality].sweep_ms)
    times_ms = sampling.times_ms
    return Drawn(
        seed=seed,
        modality=modality,
        waveform=sampling.stored(added.added(times_ms, rng), added.per_count_uv),
        clean_uv=np.zeros(times_ms.size),
        truth=None,
        disturbances=added.by_name(),
    )


def draw_response(seed: int, modality: Modality, sampling: Sampling | None = None) -> Drawn:
    """A response with its truth, sampled as drawn or as said; ValueError where it does not fit into that."""
    rng = np.random.default_rng(seed)
    answer = _answer(rng, modality)
    shortest_ms, longest_ms = BODIES[modality].sweep_ms
    rough_ms = np.arange(0.0, longest_ms, 0.05)
    needed_ms = return_ms(rough_ms, answer(rough_ms)) + AFTER_RETURN_MS
    drawn = draw_sampling(rng, (max(needed_ms, shortest_ms), longest_ms))
    sampling = sampling or drawn
    peak_uv = log_uniform(rng, BODIES[modality].peak_uv)
    fine_ms = fine_grid(sampling.start_ms, sampling.end_ms)
    fine = answer(fine_ms)
    scale = peak_uv / float(fine.max())
    return record(
        Drawing(seed=seed, modality=modality, rng=rng, sampling=sampling),
        clean_uv=answer(sampling.times_ms) * scale,
        truth=read_truth(fine_ms, fine * scale, modality),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What a sweep is drawn with."""

    seed: int
    modality: Modality
    rng: np.random.Generator
    sampling: Sampling


def record(drawing: Drawing, *, clean_uv: Floats, truth: Truth) -> Drawn:
    """The clean wave, given at the sampling's times, with disturbances of its own."""
    added = disturbances.draw(drawing.rng, drawing.modality)
    uv = clean_uv + added.added(drawing.sampling.times_ms, drawing.rng)
    return Drawn(
        seed=drawing.seed,
        modality=drawing.modality,
        waveform=drawing.sampling.stored(uv, added.per_count_uv),
        clean_uv=clean_uv,
        truth=truth,
        disturbances=added.by_name(),
    )


def draw_sampling(rng: np.random.Generator, end_ms: Range) -> Sampling:
    """A cart's sampling that ends evenly within `end_ms`; a quarter of sweeps begin with the stimulus."""
    return Sampling(
        rate_hz=log_uniform(rng, _RATE_HZ),
        start_ms=-_BEFORE_MS * rng.random() * (rng.random() < 0.75),
        end_ms=rng.uniform(*end_ms),
    )


def draw_pool(rng: np.random.Generator, modality: Modality) -> Pool:
    """A pool of a drawn kind; its size is scaled afterwards."""
    body = BODIES[modality]
    velocity = rng.uniform(*body.velocity_m_s)
    return Pool(
        fibres=int(rng.integers(*body.fibres, endpoint=True)),
        total_uv=1000.0,
        largest_to_smallest=rng.uniform(*body.size_spread),
        velocity_m_s=velocity,
        velocity_sd_m_s=velocity * rng.uniform(*body.velocity_spread),
        terminal_ms=rng.uniform(*body.terminal_ms),
        terminal_sd_ms=rng.uniform(*body.terminal_sd_ms),
        potential=Potential(
            negative_ms=rng.uniform(*body.negative_ms),
            positive_ms=rng.uniform(*body.positive_ms),
            positive_height=rng.uniform(*body.positive_height),
        ),
    )


def return_ms(times_ms: Floats, wave: Floats) -> float:
    """About when a wave is back at zero after its peak; infinity where it is not on the grid."""
    peak = int(np.argmax(wave))
    after = np.flatnonzero(wave[peak:] <= 0.0)
    return float(times_ms[peak + after[0]]) if after.size else np.inf


def log_uniform(rng: np.random.Generator, between: Range) -> float:
    """A number that lies evenly within the range on a logarithmic scale."""
    return float(np.exp(rng.uniform(*np.log(between))))


def _answer(rng: np.random.Generator, modality: Modality) -> Callable[[Floats], Floats]:
    """What one electrode shows of a new patient at given times: one pool, in a fifth of patients two."""
    body = BODIES[modality]
    length_mm = rng.uniform(*body.distance_mm)
    pool = draw_pool(rng, modality)
    block = rng.uniform(0.0, 0.8) * (rng.random() < 0.5)
    dispersion_ms = body.dispersion_ms * rng.random() * (rng.random() < 0.5)
    early = Lesion(block=block, dispersion_ms=dispersion_ms)
    later_ms, share = rng.uniform(*body.later_ms), rng.uniform(0.2, 0.8)
    late = Lesion(block=block, slowing_ms=later_ms, dispersion_ms=dispersion_ms / 2)
    pools = [
        _innervation(
            modality,
            site,
            pool,
            Stretch(site=_SITE, length_mm=length_mm, threshold_ma=_THRESHOLD_MA, lesion=lesion),
        )
        for site, lesion in ((_EARLY, early), (_LATE, late))
    ]
    patient = Patient(pools, seed=int(rng.integers(2**31)))
    seen = {_EARLY: 1.0, _LATE: share} if rng.random() < 0.2 else {_EARLY: 1.0}

    def answer(times_ms: Floats) -> Floats:
        stimulations = {
            Stimulation(recording_site=site, nerve=_NERVE, site=_SITE): part for site, part in seen.items()
        }
        parts = [part * patient.response_uv(one, times_ms) for one, part in stimulations.items()]
        total: Floats = np.sum(parts, axis=0)
        return total

    return answer


def _innervation(modality: Modality, recording_site: str, pool: Pool, stretch: Stretch) -> Innervation:
    path = Path(nerve=_NERVE, stretches=(stretch,))
    return Innervation(modality=modality, recording_site=recording_site, limb="arm", pool=pool, paths=(path,))
