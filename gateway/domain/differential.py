"""Signs of demyelination beyond block, by the criteria for CIDP: what else could explain a block.

Items and limits are data (`config/differential/*.toml`). An item counts nerves; what was not recorded, was
recorded in a cold limb, or has no limit in the norm table is not judged and counts for nothing. Compression
sites never count.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.anatomy import Standing
from gateway.domain.criteria import BLOCKS, percent_of_limit
from gateway.domain.findings import Finding
from gateway.domain.gates import Circumstances
from gateway.domain.norms import NormTable, Status
from gateway.domain.plausibility import Range, check_numbers
from gateway.domain.recording import Recording
from gateway.domain.rounding import reduction_percent
from gateway.domain.segments import Segment
from gateway.domain.sensory import SensoryGrade, SensoryResult
from gateway.domain.sites import Evoked
from gateway.domain.study import NerveKey
from gateway.domain.support import own_sensory
from gateway.domain.temperature import cold

_MEDIAN: Final = "median"
_TIBIAL: Final = "tibial"

_PERCENT: Final = Range(most=500.0)
_ITEMS: Final = {
    "latency_above_percent": _PERCENT,
    "velocity_below_percent": Range(most=100.0, below_most=True),
    "dispersion_percent": _PERCENT,
    "tibial_dispersion_percent": _PERCENT,
    "dispersion_distal_percent": Range(most=100.0),
}
_DURATION: Final = {"limit_ms": Range(most=100.0), "low_filter_hz": Range(most=1000.0)}


class Item(enum.StrEnum):
    """What demyelination shows as."""

    DISTAL_LATENCY = "distal_latency"
    VELOCITY = "velocity"
    BLOCK = "block"
    DISPERSION = "dispersion"
    DISTAL_DURATION = "distal_duration"


class Demyelination(enum.StrEnum):
    """How far the items support it."""

    STRONG = "strong"
    WEAK = "weak"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationLimit:
    """The longest normal distal CMAP, whole complex, at one low-frequency filter (None: at any)."""

    nerve: str
    muscle: str
    limit_ms: float
    low_filter_hz: float | None = None

    def __post_init__(self) -> None:
        check_numbers(self, _DURATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemyelinationCriteria:
    """One published list of items; percentages are of the norm table's limits.

    `dispersion_distal_percent`: a smaller distal response has no dispersion: noise decides how long it lasts.
    """

    id: str
    title: str
    source: str
    status: Status
    block_set: str
    latency_above_percent: float
    velocity_below_percent: float
    dispersion_percent: float
    tibial_dispersion_percent: float | None = None
    dispersion_distal_percent: float | None = None
    duration_at_limit_counts: bool
    durations: tuple[DurationLimit, ...]

    def __post_init__(self) -> None:
        check_numbers(self, _ITEMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differential:
    """The nerves that meet each item of one list, and what they amount to."""

    criteria: DemyelinationCriteria
    items: Mapping[Item, tuple[NerveKey, ...]]
    support: Demyelination


@dataclass(frozen=True, slots=True, kw_only=True)
class _Study:
    """What lists ask of a study; `latencies` and `velocities` in percent beyond the limit of the table."""

    findings: Sequence[Finding]
    eligible: Sequence[Segment]
    most_distal: Sequence[Evoked]
    latencies: Sequence[tuple[NerveKey, float]]
    velocities: Sequence[tuple[NerveKey, float]]
    sensory: Sequence[SensoryResult]
    norms: NormTable
    about: Circumstances


def differentials(
    lists: Iterable[DemyelinationCriteria],
    findings: Sequence[Finding],
    sites: Iterable[Evoked],
    sensory: Sequence[SensoryResult],
    norms: NormTable,
    about: Circumstances,
) -> tuple[Differential, ...]:
    """What the study shows of each item of each list; `sites` are the used motor recordings."""
    eligible, most_distal = tuple(_eligible(findings)), tuple(_most_distal(sites, about))
    study = _Study(
        findings=findings,
        eligible=eligible,
        most_distal=most_distal,
        latencies=tuple(_latencies(most_distal, norms, about)),
        velocities=tuple(_velocities(eligible, norms)),
        sensory=sensory,
        norms=norms,
        about=about,
    )
    return tuple(_differential(criteria, study) for criteria in lists)


def _differential(criteria: DemyelinationCriteria, study: _Study) -> Differential:
    items = {item: tuple(dict.fromkeys(found(study, criteria))) for item, found in _ASKED.items()}
    return Differential(criteria=criteria, items=items, support=_support(items))


def _support(items: Mapping[Item, tuple[NerveKey, ...]]) -> Demyelination:
    """Strong: an item in two nerves (durations: in one), or block or a duration beside an item elsewhere."""
    if not any(items.values()):
        return Demyelination.NONE
    two = (Item.DISTAL_LATENCY, Item.VELOCITY, Item.BLOCK, Item.DISPERSION)
    if any(len(items[item]) >= 2 for item in two):
        return Demyelination.STRONG
    for item in (Item.BLOCK, Item.DISTAL_DURATION):
        elsewhere = {nerve for other, nerves in items.items() if other is not item for nerve in nerves}
        if any(elsewhere - {nerve} for nerve in items[item]):
            return Demyelination.STRONG
    return Demyelination.WEAK


def _most_distal(sites: Iterable[Evoked], about: Circumstances) -> Iterator[Evoked]:
    """The recordings from the distal site of each nerve, in a warm limb."""
    for entry in sites:
        recording = entry.recording
        distal = about.anatomy.most_distal(recording.nerve)
        named = recording.stimulation_site == distal and recording.site_position_mm is None
        if named and not cold(recording, about.anatomy, about.thresholds):
            yield entry


def _latencies(
    most_distal: Iterable[Evoked], norms: NormTable, about: Circumstances
) -> Iterator[tuple[NerveKey, float]]:
    """By how many percent each distal latency that may be judged is above its limit."""
    for entry in most_distal:
        recording = entry.recording
        norm = norms.motor_norm(recording.nerve, recording.recording_site)
        latency_ms = entry.motor.onset_latency_ms if entry.motor else None
        if norm is None or not norm.onset_latency_ms or norm.distance_mm is None or latency_ms is None:
            continue
        tolerance_mm = about.thresholds.latency_distance_mm.value
        lengths = (recording.distance_to_recording_mm, recording.distance_mm)
        length_mm = next((length for length in lengths if length is not None), None)
        if length_mm is not None and abs(length_mm - norm.distance_mm) <= tolerance_mm:
            above = 0.0 - reduction_percent(norm.onset_latency_ms, latency_ms)
            yield (recording.nerve, recording.side), above


def _slow_latency(study: _Study, criteria: DemyelinationCriteria) -> Iterator[NerveKey]:
    for nerve, above in study.latencies:
        if above >= criteria.latency_above_percent and not _carpal_tunnel(nerve, study):
            yield nerve


def _carpal_tunnel(nerve: NerveKey, study: _Study) -> bool:
    """Whether nothing says that a long median latency is not that of the wrist."""
    if nerve[0] != _MEDIAN:
        return False
    return own_sensory(nerve, study.sensory, study.about.anatomy) is not SensoryGrade.NORMAL


def _velocities(eligible: Iterable[Segment], norms: NormTable) -> Iterator[tuple[NerveKey, float]]:
    """By how many percent each velocity that may be judged is below its limit."""
    for segment in eligible:
        norm = norms.motor_norm(segment.nerve, segment.recording_site)
        ends = (segment.distal_point.site, segment.proximal_point.site)
        limit = norm.velocity_limit(*ends) if norm and not segment.inching else None
        velocity = segment.conduction_velocity_m_s
        if limit and velocity is not None and not segment.cold:
            yield (segment.nerve, segment.side), reduction_percent(limit, velocity)


def _slow_velocity(study: _Study, criteria: DemyelinationCriteria) -> Iterator[NerveKey]:
    return (nerve for nerve, below in study.velocities if below >= criteria.velocity_below_percent)


def _blocked(study: _Study, criteria: DemyelinationCriteria) -> Iterator[NerveKey]:
    for entry in study.findings:
        if entry.grades.get(criteria.block_set) in BLOCKS and not entry.doubts:
            yield entry.segment.nerve, entry.segment.side


def _dispersed(study: _Study, criteria: DemyelinationCriteria) -> Iterator[NerveKey]:
    for segment in study.eligible:
        increase = segment.duration_increase_percent
        if increase is None or segment.cold or _too_small(segment, study.norms, criteria):
            continue
        tibial = criteria.tibial_dispersion_percent if segment.nerve == _TIBIAL else None
        far = increase > criteria.dispersion_percent if tibial is None else increase >= tibial
        if far:
            yield segment.nerve, segment.side


def _too_small(segment: Segment, norms: NormTable, criteria: DemyelinationCriteria) -> bool:
    norm, amplitude = norms.motor_norm(segment.nerve, segment.recording_site), segment.distal_amplitude_mv
    least = criteria.dispersion_distal_percent
    if least is None or amplitude is None or norm is None or not norm.amplitude_mv:
        return False
    return percent_of_limit(amplitude, norm.amplitude_mv) < least


def _long(study: _Study, criteria: DemyelinationCriteria) -> Iterator[NerveKey]:
    for entry in study.most_distal:
        recording = entry.recording
        lasts_ms = entry.motor.total_duration_ms if entry.motor else None
        limit_ms = None if lasts_ms is None else _duration_limit(recording, criteria.durations)
        if lasts_ms is None or limit_ms is None:
            continue
        if lasts_ms > limit_ms or (criteria.duration_at_limit_counts and lasts_ms == limit_ms):
            yield recording.nerve, recording.side


def _duration_limit(recording: Recording, limits: Iterable[DurationLimit]) -> float | None:
    low_hz = recording.filter_hz[0] if recording.filter_hz else None
    for limit in limits:
        same = (limit.nerve, limit.muscle) == (recording.nerve, recording.recording_site)
        if same and limit.low_filter_hz in (None, low_hz):
            return limit.limit_ms
    return None


def _eligible(findings: Iterable[Finding]) -> Iterator[Segment]:
    for entry in findings:
        segment = entry.segment
        if segment.standing is Standing.ELIGIBLE and not segment.crossover:
            yield segment


_ASKED: Final[Mapping[Item, Callable[[_Study, DemyelinationCriteria], Iterator[NerveKey]]]] = {
    Item.DISTAL_LATENCY: _slow_latency,
    Item.VELOCITY: _slow_velocity,
    Item.BLOCK: _blocked,
    Item.DISPERSION: _dispersed,
    Item.DISTAL_DURATION: _long,
}
