"""Proximal against distal: what happens to the CMAP between two stimulation sites.

A conduction block shows as a proximal response that is smaller than the distal one without being longer.
`compare` gives both reductions, the change of duration and the velocity of one segment; it does not judge.
Formulas (D distal, P proximal, negative peak, baseline to peak): reduction = 100 (D - P) / D,
duration increase = 100 (P - D) / D, rounded half up to one decimal before anything is compared.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal, TypedDict

from gateway.domain.accessory import accessory_branch
from gateway.domain.anatomy import Anatomy, Course, SitePoint, Standing
from gateway.domain.inching import with_named_sites
from gateway.domain.recording import Modality, MotorMarks, Recording, Side
from gateway.domain.rounding import RATIO_DECIMALS, VELOCITY_DECIMALS, half_up, quotient, reduction_percent
from gateway.domain.shapes import costimulation
from gateway.domain.sites import Evoked, used
from gateway.domain.temperature import cold
from gateway.domain.thresholds import Thresholds
from gateway.domain.uncertainty import half_width, quotient_error

# Finer than any cart reports; keeps the binary noise of a difference of two latencies out of the velocity.
_LATENCY_DECIMALS: Final = 6
Change = Literal[
    "amplitude_reduction_percent",
    "peak_to_peak_reduction_percent",
    "area_reduction_percent",
    "duration_increase_percent",
]
# What is compared of which quantity, and by how much P / D is multiplied for it.
_COMPARED: Final = (
    ("amplitude_ratio", "amplitude_mv", 1.0),
    ("amplitude_reduction_percent", "amplitude_mv", 100.0),
    ("peak_to_peak_reduction_percent", "peak_to_peak_mv", 100.0),
    ("area_reduction_percent", "negative_area_mv_ms", 100.0),
    ("duration_increase_percent", "negative_duration_ms", 100.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Two neighbouring recorded sites of one nerve, side and muscle, compared.

    Percentages have one decimal, the ratio three. None: cannot be computed, `notes` says why. The reduction
    from peak to peak is that of the negative peak where an end has no such amplitude. `temporal_dispersion`
    is None when the duration is not known. `total_duration_increase_percent`: from the first onset to the end
    of the last negative phase. `crossover`: recorded over a muscle of another nerve.
    `cold`: whether the skin was, at either end; None where nobody measured. `length_mm` lies between the two
    stimulations; None where it is not known.
    `standard_errors` holds those of the changes whose marks are ours at both ends, by name, in their unit.
    """

    nerve: str
    side: Side
    recording_site: str
    distal: Evoked
    proximal: Evoked
    distal_point: SitePoint
    proximal_point: SitePoint
    course: Course
    crossover: bool = False
    length_mm: float | None = None
    amplitude_ratio: float | None = None
    amplitude_reduction_percent: float | None = None
    peak_to_peak_reduction_percent: float | None = None
    area_reduction_percent: float | None = None
    duration_increase_percent: float | None = None
    total_duration_increase_percent: float | None = None
    temporal_dispersion: bool | None = None
    conduction_velocity_m_s: float | None = None
    cold: bool | None = None
    notes: tuple[str, ...] = ()
    standard_errors: Mapping[str, float] = field(default_factory=dict)

    def half_width(self, change: Change, thresholds: Thresholds) -> float:
        """Half of the 95 % interval of a change, in percentage points; a machine's where it marked an end."""
        error = self.standard_errors.get(change)
        return thresholds.machine_points.value if error is None else half_width(error)

    @property
    def standing(self) -> Standing:
        """Whether it may count as a site of block."""
        return self.course.standing

    @property
    def distal_amplitude_mv(self) -> float | None:
        """The amplitude everything is compared with: 0 for no response, None where it is not known."""
        return self.distal.amplitude

    @property
    def inching(self) -> bool:
        """Whether an end lies between two named sites: a short segment."""
        return self.distal_point.position_mm is not None or self.proximal_point.position_mm is not None


def point(recording: Recording) -> SitePoint:
    """The stimulation point of a recording."""
    return SitePoint(recording.stimulation_site, recording.site_position_mm)


def motor_sites(
    nerve_recordings: Iterable[Evoked], anatomy: Anatomy, thresholds: Thresholds
) -> dict[str, list[Evoked]]:
    """The used recording of each site, distal to proximal, by muscle, of one nerve and side.

    A distal one of two neighbours whose shapes speak for a second nerve carries `costimulation_suspected`.
    """
    series: dict[str, dict[SitePoint, list[Evoked]]] = {}
    for entry in with_named_sites(nerve_recordings):
        if entry.recording.modality is Modality.MOTOR:
            sites = series.setdefault(entry.recording.recording_site, {})
            sites.setdefault(point(entry.recording), []).append(entry)
    muscles = sorted(series, key=list(anatomy.muscles).index)
    return {muscle: _used_sites(series[muscle], anatomy, thresholds) for muscle in muscles}


def _used_sites(
    series: Mapping[SitePoint, list[Evoked]], anatomy: Anatomy, thresholds: Thresholds
) -> list[Evoked]:
    """The used recording of each site of one muscle, distal to proximal, then accessory ones."""
    in_order = sorted(series, key=lambda p: anatomy.order(series[p][0].recording.nerve, p))
    sites = [used(series[where], thresholds) for where in in_order]
    along, accessory = _on_course(sites, anatomy)
    return [*_compared_by_shape(along), *accessory]


def _on_course(sites: Sequence[Evoked], anatomy: Anatomy) -> tuple[Sequence[Evoked], Sequence[Evoked]]:
    """The sites along one nerve, and those off its course."""
    off = anatomy.nerves[sites[0].recording.nerve].accessory_sites if sites else ()
    if not off:
        return sites, ()
    along = [entry for entry in sites if entry.recording.stimulation_site not in off]
    return along, [entry for entry in sites if entry.recording.stimulation_site in off]


def _compared_by_shape(sites: Sequence[Evoked]) -> Iterator[Evoked]:
    for distal, proximal in pairwise(sites):
        suspicion = costimulation(distal, proximal)
        yield replace(distal, quality=(*distal.quality, suspicion)) if suspicion else distal
    yield from sites[-1:]


def segments(sites: Sequence[Evoked], anatomy: Anatomy, thresholds: Thresholds) -> tuple[Segment, ...]:
    """Each pair of neighbouring sites of one nerve, side and muscle, given distal to proximal.

    Where the most distal response is the smaller one, what an accessory site shows is noted.
    """
    along, accessory = _on_course(sites, anatomy)
    lengths = lengths_mm([entry.recording for entry in along])
    found = tuple(
        compare(distal, proximal, anatomy, thresholds, length)
        for (distal, proximal), length in zip(pairwise(along), lengths, strict=True)
    )
    branch = accessory_branch(accessory)
    if branch is None or not found or "proximal_larger" not in found[0].notes:
        return found
    note = f"accessory_{found[0].nerve}_{'demonstrated' if branch else 'excluded'}"
    return (replace(found[0], notes=(*found[0].notes, note)), *found[1:])


def lengths_mm(course: Sequence[Recording]) -> Iterator[float | None]:
    """Between each two neighbours of the sites along one nerve, distal to proximal; None where not known.

    As recorded, or the difference of two distances to the electrode, which add up from site to site.
    """
    to_electrode: float | None = None
    for index, site in enumerate(course):
        own = site.distance_to_recording_mm or site.site_position_mm
        length = site.distance_mm
        if index and length is None and own and to_electrode is not None and own > to_electrode:
            length = own - to_electrode
        if index:
            yield length
        before = to_electrode if index else 0.0
        to_electrode = own or (None if length is None or before is None else before + length)


def compare(
    distal: Evoked,
    proximal: Evoked,
    anatomy: Anatomy,
    thresholds: Thresholds,
    length_mm: float | None = None,
) -> Segment:
    """The segment between two sites; quantities that cannot be computed are None, with a note."""
    recording = distal.recording
    points = point(recording), point(proximal.recording)
    changes = _changes(distal, proximal, thresholds, length_mm)
    larger = _larger(changes.get("amplitude_reduction_percent"), thresholds)
    return Segment(
        nerve=recording.nerve,
        side=recording.side,
        recording_site=recording.recording_site,
        distal=distal,
        proximal=proximal,
        distal_point=points[0],
        proximal_point=points[1],
        course=anatomy.course(recording.nerve, *points),
        crossover=not anatomy.supplies(recording.nerve, recording.recording_site),
        length_mm=length_mm,
        cold=_cold(recording, proximal.recording, anatomy, thresholds),
        notes=tuple(_notes(distal, proximal, larger=larger)),
        **changes,
    )


def _cold(distal: Recording, proximal: Recording, anatomy: Anatomy, thresholds: Thresholds) -> bool | None:
    ends = (cold(distal, anatomy, thresholds), cold(proximal, anatomy, thresholds))
    return None if ends == (None, None) else True in ends


def _notes(distal: Evoked, proximal: Evoked, *, larger: bool) -> Iterator[str]:
    if larger:
        yield "proximal_larger"
    if distal.graded is None or proximal.graded is None:
        yield "unmarkable"
    elif distal.motor is None:
        yield "no_distal_response"
    elif proximal.motor is None:
        yield "no_proximal_response"
    if distal.flagged("electrode_drift") or proximal.flagged("electrode_drift"):
        yield "electrode_drift"


class _Changes(TypedDict, total=False):
    """How the proximal response differs from the distal one, as a segment says it."""

    amplitude_ratio: float | None
    amplitude_reduction_percent: float | None
    peak_to_peak_reduction_percent: float | None
    area_reduction_percent: float | None
    duration_increase_percent: float | None
    total_duration_increase_percent: float | None
    temporal_dispersion: bool | None
    conduction_velocity_m_s: float | None
    standard_errors: Mapping[str, float]


_NOTHING_PASSES: Final = _Changes(
    amplitude_ratio=0.0,
    amplitude_reduction_percent=100.0,
    peak_to_peak_reduction_percent=100.0,
    area_reduction_percent=100.0,
)


def _changes(distal: Evoked, proximal: Evoked, thresholds: Thresholds, length_mm: float | None) -> _Changes:
    near, far = distal.motor, proximal.motor
    if near is None or proximal.graded is None:
        return {}
    if far is None:
        return _NOTHING_PASSES
    ratio, velocity = None, None
    if near.amplitude_mv and far.amplitude_mv is not None:
        ratio = quotient(far.amplitude_mv, near.amplitude_mv, RATIO_DECIMALS)
    amplitude = _reduction(near.amplitude_mv, far.amplitude_mv)
    peak_to_peak = _reduction(near.peak_to_peak_mv, far.peak_to_peak_mv)
    duration = _increase(near.negative_duration_ms, far.negative_duration_ms)
    if not _larger(amplitude, thresholds):
        velocity = _velocity(near, far, length_mm)
    return {
        "amplitude_ratio": ratio,
        "amplitude_reduction_percent": amplitude,
        "peak_to_peak_reduction_percent": amplitude if peak_to_peak is None else peak_to_peak,
        "area_reduction_percent": _reduction(near.negative_area_mv_ms, far.negative_area_mv_ms),
        "duration_increase_percent": duration,
        "total_duration_increase_percent": _increase(near.total_duration_ms, far.total_duration_ms),
        "temporal_dispersion": None if duration is None else duration > thresholds.dispersion_percent.value,
        "conduction_velocity_m_s": velocity,
        "standard_errors": _standard_errors(distal, proximal, velocity),
    }


def _larger(amplitude_reduction: float | None, thresholds: Thresholds) -> bool:
    """Whether the proximal response is larger by more than the same fibres can make it."""
    return amplitude_reduction is not None and amplitude_reduction < -thresholds.proximal_larger_percent.value


def _reduction(near: float | None, far: float | None) -> float | None:
    return None if not near or far is None else reduction_percent(near, far)


def _increase(near: float | None, far: float | None) -> float | None:
    reduction = _reduction(near, far)
    return None if reduction is None else 0.0 - reduction


def _velocity(near: MotorMarks, far: MotorMarks, length_mm: float | None) -> float | None:
    if length_mm is None or near.onset_latency_ms is None or far.onset_latency_ms is None:
        return None
    difference_ms = half_up(far.onset_latency_ms - near.onset_latency_ms, _LATENCY_DECIMALS)
    return quotient(length_mm, difference_ms, VELOCITY_DECIMALS) if difference_ms > 0 else None


def _standard_errors(distal: Evoked, proximal: Evoked, velocity: float | None) -> dict[str, float]:
    """The standard error of each change whose two quantities are ours; the distance is taken as exact.

    With s the standard errors of P and D: of P / D (times 100: of a percentage) P / D sqrt((sP/P)^2 +
    (sD/D)^2); of a velocity v sqrt(sP^2 + sD^2) / (P - D), P and D the onset latencies.
    """
    errors: dict[str, float] = {}
    if not distal.errors or not proximal.errors:
        return errors
    for change, quantity, factor in _COMPARED:
        near, far = _measured(distal, quantity), _measured(proximal, quantity)
        if near and far and near[0]:
            errors[change] = factor * quotient_error(*far, *near)
    near, far = (_measured(entry, "onset_latency_ms") for entry in (distal, proximal))
    if velocity is not None and near and far:
        errors["conduction_velocity_m_s"] = velocity * math.hypot(near[1], far[1]) / (far[0] - near[0])
    return errors


def _measured(entry: Evoked, quantity: str) -> tuple[float, float] | None:
    """A graded quantity of a CMAP with its standard error, where it is ours and the error is known."""
    value: float | None = getattr(entry.motor, quantity)
    error = entry.error(quantity)
    return None if value is None or error is None else (value, error)
