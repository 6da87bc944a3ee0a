"""Whole motor examinations of one nerve, to see whether marking a curve changes the grade of a segment.

A patient is drawn with a lesion in one stretch of the nerve; every site is stimulated. One study holds the
curves, one the true marks; both go through the product's own stages, and the grades are compared under every
criteria set. A segment on the limit, where the truth lies within the stated uncertainty of one, may differ.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.markers.sweeps import (
    AFTER_RETURN_MS,
    BODIES,
    Drawing,
    draw_pool,
    draw_sampling,
    log_uniform,
    record,
    return_ms,
)
from benchmarks.markers.truth import Drawn, Floats, fine_grid, read_truth
from drivers.simulator import body
from drivers.simulator.nerve import Innervation, Lesion, Path
from drivers.simulator.patient import Patient, Stimulation
from gateway.domain.recording import Modality, Recording, Side, Stimulus
from gateway.domain.study import Study, StudyHeader

Wave = Callable[[Floats], Floats]

_MUSCLES: Final = tuple(one for one in body.NORMAL if one.modality is Modality.MOTOR)
# A response that a marker cannot be excused for missing.
_SMALLEST_UV: Final = 100.0
_BODY: Final = BODIES[Modality.MOTOR]
_ROUGH_MS: Final = np.arange(0.0, _BODY.sweep_ms[1], 0.05)
_HEADER: Final = StudyHeader(study_id="MARKERS", performed_at="2026-11-02T10:15:00+01:00", simulated=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One examination, a sweep a site, distal first: the curves alone, and the true marks alone."""

    sweeps: tuple[Drawn, ...]
    curves: Study
    truth: Study


def draw_examination(seed: int) -> Examined:
    """An examination of one nerve of a new patient; the same for the same seed."""
    rng = np.random.default_rng((seed, 3))
    while True:
        innervation = _innervation(rng)
        waves = _waves(innervation, rng)
        rough = [wave(_ROUGH_MS) for wave in waves]
        scale = log_uniform(rng, _BODY.peak_uv) / float(rough[0].max())
        back_ms = max(return_ms(_ROUGH_MS, wave) for wave in rough) + AFTER_RETURN_MS
        loud = min(float(wave.max()) for wave in rough) * scale > _SMALLEST_UV
        if loud and back_ms < _BODY.sweep_ms[1]:
            break
    sampling = draw_sampling(rng, (max(back_ms, _BODY.sweep_ms[0]), _BODY.sweep_ms[1]))
    drawing = Drawing(seed=seed, modality=Modality.MOTOR, rng=rng, sampling=sampling)
    sweeps = tuple(_sweep(drawing, wave, scale) for wave in waves)
    return Examined(
        sweeps=sweeps,
        curves=_study(innervation, sweeps, with_marks=False),
        truth=_study(innervation, sweeps, with_marks=True),
    )


def _sweep(drawing: Drawing, wave: Wave, scale: float) -> Drawn:
    sampling = drawing.sampling
    fine_ms = fine_grid(sampling.start_ms, sampling.end_ms)
    truth = read_truth(fine_ms, wave(fine_ms) * scale, drawing.modality)
    return record(drawing, clean_uv=wave(sampling.times_ms) * scale, truth=truth)


def _study(innervation: Innervation, sweeps: Sequence[Drawn], *, with_marks: bool) -> Study:
    """The sweeps as recordings of the nerve's sites: true marks without a curve, or the curve alone."""
    path = innervation.paths[0]
    recordings = tuple(
        Recording(
            modality=Modality.MOTOR,
            nerve=path.nerve,
            side=Side.RIGHT,
            recording_site=innervation.recording_site,
            stimulation_site=stretch.site,
            distance_mm=stretch.length_mm,
            stimulus=Stimulus(supramaximal=True),
            measured=sweep.truth.marks(Modality.MOTOR) if with_marks and sweep.truth else None,
            waveform=None if with_marks else sweep.waveform,
        )
        for stretch, sweep in zip(path.stretches, sweeps, strict=True)
    )
    return Study(header=_HEADER, recordings=recordings)


def _waves(innervation: Innervation, rng: np.random.Generator) -> list[Wave]:
    """What the electrode of one person shows from each site, distal first."""
    patient = Patient((innervation,), seed=int(rng.integers(2**31)))
    path = innervation.paths[0]
    stimulations = (
        Stimulation(recording_site=innervation.recording_site, nerve=path.nerve, site=stretch.site)
        for stretch in path.stretches
    )
    return [functools.partial(patient.response_uv, one) for one in stimulations]


def _innervation(rng: np.random.Generator) -> Innervation:
    """One of the body's motor nerves with a drawn pool and a lesion in one of its stretches."""
    normal = _MUSCLES[rng.integers(len(_MUSCLES))]
    path = normal.paths[0]
    lesion = Lesion(
        block=rng.uniform(0.0, 0.9) * (rng.random() < 0.7),
        slowing_ms=rng.uniform(0.0, 2.0),
        dispersion_ms=rng.uniform(0.0, 8.0) * (rng.random() < 0.5),
    )
    at = rng.integers(1, len(path.stretches))
    stretches = tuple(
        replace(stretch, lesion=lesion) if place == at else stretch
        for place, stretch in enumerate(path.stretches)
    )
    pool = draw_pool(rng, Modality.MOTOR)
    return replace(normal, pool=pool, paths=(Path(nerve=path.nerve, stretches=stretches),))
