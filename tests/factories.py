"""Builds recordings and studies for tests; one place knows the defaults."""

from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from gateway.daemon.reference import load_reference
from gateway.domain.criteria import Graded, grade
from gateway.domain.findings import Finding, finding
from gateway.domain.gates import Circumstances
from gateway.domain.markers import MarkerSettings
from gateway.domain.martin_gruber import MedianOverUlnar
from gateway.domain.recording import (
    Modality,
    MotorMarks,
    Recording,
    Response,
    SensoryMarks,
    Side,
    Stimulus,
    Waveform,
)
from gateway.domain.segments import Segment, compare, lengths_mm
from gateway.domain.sites import Evoked, evoked
from gateway.domain.study import ClinicalFacts, Patient, Study, StudyHeader
from gateway.pipeline.stages import Examination, Reference, examine

EVERY_SET = (
    "efns-pns-mmn-2010",
    "aaem-1999",
    "aaem-mmn-2003",
    "aan-1991",
    "amplitude-50",
    "ean-pns-cidp-2021",
    "efns-pns-cidp-2010",
    "ghosh-2005",
    "pfeiffer-2000-d",
    "utrecht-2000",
)
SUPRAMAXIMAL = Stimulus(intensity_ma=38.0, duration_ms=0.2, supramaximal=True)


@cache
def reference() -> Reference:
    """The shipped reference data."""
    return load_reference()


@cache
def graded_under(grading: str) -> Reference:
    """The shipped reference data with every set, those that are off too, and this one to grade by."""
    return load_reference(criteria=EVERY_SET, grading=grading)


def marker_settings() -> MarkerSettings:
    """The shipped marker settings."""
    return reference().markers


def motor_marks(**changes: Any) -> MotorMarks:
    """A normal ulnar CMAP at the wrist."""
    values = {
        "onset_latency_ms": 2.9,
        "amplitude_mv": 9.0,
        "negative_area_mv_ms": 28.0,
        "negative_duration_ms": 6.0,
    }
    return MotorMarks(**values | changes)


def motor(site: str, response: Response | None = None, **changes: Any) -> Recording:
    """A motor recording of the right ulnar nerve over ADM."""
    values: dict[str, Any] = {
        "modality": Modality.MOTOR,
        "nerve": "ulnar",
        "side": Side.RIGHT,
        "recording_site": "adm",
        "stimulation_site": site,
        "stimulus": SUPRAMAXIMAL,
        "measured": motor_marks() if response is None else response,
    }
    return Recording(**values | changes)


def median(site: str, response: Response | None = None, **changes: Any) -> Recording:
    """A motor recording of the right median nerve over APB."""
    return motor(site, response, **{"nerve": "median", "recording_site": "apb"} | changes)


def sensory(response: Response | None = None, **changes: Any) -> Recording:
    """A sensory recording of the right ulnar nerve, wrist to digit 5, 140 mm."""
    values: dict[str, Any] = {
        "modality": Modality.SENSORY,
        "nerve": "ulnar",
        "side": Side.RIGHT,
        "recording_site": "digit_5",
        "stimulation_site": "wrist",
        "distance_mm": 140.0,
        "measured": SensoryMarks(onset_latency_ms=2.4, peak_latency_ms=3.1, amplitude_uv=22.0)
        if response is None
        else response,
    }
    return Recording(**values | changes)


def median_sensory(response: Response | None = None, **changes: Any) -> Recording:
    """A sensory recording of the right median nerve, wrist to digit 2, 140 mm."""
    return sensory(response, **{"nerve": "median", "recording_site": "digit_2"} | changes)


def marked(recording: Recording) -> Evoked:
    """The recording as the pipeline marks it."""
    return evoked(recording, marker_settings())


def compared(distal: Recording, proximal: Recording) -> Segment:
    """The segment between two recordings."""
    (length_mm,) = lengths_mm((distal, proximal))
    return compare(marked(distal), marked(proximal), reference().anatomy, reference().thresholds, length_mm)


def circumstances(*recordings: Recording, clinical: ClinicalFacts | None = None) -> Circumstances:
    """What the gates look at, in an examination with these recordings beside the segment."""
    return Circumstances(
        anatomy=reference().anatomy,
        thresholds=reference().thresholds,
        clinical=clinical or ClinicalFacts(),
        median_over_ulnar=MedianOverUlnar.of([marked(recording) for recording in recordings]),
    )


def judged(segment: Segment, about: Circumstances | None = None, grading: str | None = None) -> Finding:
    """The finding of a segment under the default sets."""
    shipped = reference()
    return finding(
        segment,
        shipped.criteria,
        next(entry for entry in shipped.criteria if entry.id == (grading or shipped.grading)),
        shipped.norms,
        about or circumstances(),
    )


MUSCLE = {
    "median": "apb",
    "ulnar": "adm",
    "radial": "eip",
    "musculocutaneous": "biceps",
    "fibular": "edb",
    "tibial": "ah",
}


def less(value: float, percent: float | None) -> float | None:
    """`value` reduced by `percent`, exactly; None where the change is not known."""
    if percent is None:
        return None
    return float(Decimal(repr(value)) * (100 - Decimal(repr(percent))) / 100)


def pair(
    nerve: str,
    sites: tuple[str, str],
    *,
    amplitude: float | None = 0.0,
    area: float | None = 0.0,
    duration: float | None = 0.0,
    distal_mv: float | None = 10.0,
    muscle: str | None = None,
    side: Side = Side.RIGHT,
    near: Any = (),
    far: Any = (),
) -> tuple[Recording, Recording]:
    """Two sites between which amplitude and area fall, and duration grows, by these percentages."""
    where = {"nerve": nerve, "recording_site": muscle or MUSCLE[nerve], "side": side}
    distal = MotorMarks(
        onset_latency_ms=3.5, amplitude_mv=distal_mv, negative_area_mv_ms=100.0, negative_duration_ms=10.0
    )
    proximal = MotorMarks(
        onset_latency_ms=8.5,
        amplitude_mv=None if distal_mv is None else less(distal_mv, amplitude),
        negative_area_mv_ms=less(100.0, area),
        negative_duration_ms=less(10.0, None if duration is None else -duration),
    )
    return (
        motor(sites[0], **where | {"measured": distal} | dict(near)),
        motor(sites[1], **where | {"measured": proximal} | dict(far)),
    )


def grade_of(set_id: str, recordings: tuple[Recording, Recording]) -> Graded:
    """What the numbers between two recordings say under one set, whether or not it is on."""
    shipped = graded_under(set_id)
    return grade(compared(*recordings), shipped.grading_set, shipped.norms, shipped.anatomy)


def examined(
    *recordings: Recording, clinical: ClinicalFacts | None = None, grading: str | None = None
) -> Examination:
    """A whole examination of these recordings, under the default sets or graded by another."""
    shipped = graded_under(grading) if grading else reference()
    return examine(study(*recordings, clinical=clinical or ClinicalFacts()), shipped)


def header(**changes: Any) -> StudyHeader:
    """The header of a study of a patient who does not exist."""
    values: dict[str, Any] = {
        "study_id": "S-1",
        "performed_at": "2026-11-02T10:15:00+01:00",
        "patient": Patient(id="P-1", family="Canary", given="Test", birth_date="1971-03-05", sex="F"),
    }
    return StudyHeader(**values | changes)


def study(*recordings: Recording, **changes: Any) -> Study:
    """A study of these recordings."""
    return Study(header=header(**changes), recordings=recordings)


def waveform(samples: Any, *, rate_hz: float = 20_000.0, start_ms: float = -2.0, uv: float = 1.0) -> Waveform:
    """A waveform of these counts."""
    return Waveform(
        sampling_rate_hz=rate_hz, start_ms=start_ms, microvolts_per_count=uv, samples=np.asarray(samples)
    )


def cmap(
    *, amplitude_uv: float = 9000.0, onset_ms: float = 3.0, duration_ms: float = 6.0, noise_uv: float = 0.0
) -> Waveform:
    """A half-sine negative phase with a smaller positive one behind it, 20 kHz, 1 uV a count."""
    times = -2.0 + np.arange(800) / 20.0
    phase = (times - onset_ms) / duration_ms
    curve = np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase), 0.0)
    curve -= 0.3 * np.where((phase >= 1) & (phase < 2), np.sin(np.pi * (phase - 1)), 0.0)
    noise = np.random.default_rng(1).normal(0.0, noise_uv, times.size) if noise_uv else 0.0
    return waveform(np.round(amplitude_uv * curve + noise).astype(np.int32))
