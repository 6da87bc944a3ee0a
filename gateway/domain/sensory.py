"""Sensory normality: is a SNAP within the limits of the norm table, in the technique the table names.

Amplitude limits hold at any distance, latency limits only near the table's distance, velocity limits where
the distance to the electrode is known. In a cold limb, where latencies are long and amplitudes high, only a
low amplitude can be told. A limit that could not be applied is a caveat, and so is a large difference to the
other side. Rules of conduction block are never applied to SNAPs.
"""

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from gateway.domain import boundary
from gateway.domain.anatomy import Anatomy
from gateway.domain.norms import NormTable, SensoryNorm
from gateway.domain.recording import Modality, NoResponse, Response, SensoryMarks, Side
from gateway.domain.rounding import VELOCITY_DECIMALS, quotient, reduction_percent
from gateway.domain.sites import Evoked, used
from gateway.domain.temperature import cold
from gateway.domain.thresholds import Thresholds
from gateway.domain.uncertainty import half_width

# What the temperature of the skin leaves to keep in mind, by the answer of `cold`.
_TEMPERATURE: Final[Mapping[bool | None, tuple[str, ...]]] = {
    None: ("temperature_unknown",),
    True: ("temperature_low",),
    False: (),
}


class SensoryGrade(enum.StrEnum):
    """The result of one sensory nerve at one site pair."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    ABSENT = "absent"
    ABNORMAL_AT_ENTRAPMENT = "abnormal_at_entrapment"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryResult:
    """One sensory nerve, side and site pair against its limits; `limits` are those that were applied.

    `distance_mm` runs from the stimulation to the electrode. `side_difference_percent`: by how much the
    amplitude is below that of the other side, where that is told.
    """

    evoked: Evoked
    result: SensoryGrade
    distance_mm: float | None = None
    velocity_m_s: float | None = None
    limits: Mapping[str, float]
    norm: SensoryNorm | None = None
    reasons: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    side_difference_percent: float | None = None

    @property
    def nerve(self) -> str:
        """The sensory nerve."""
        return self.evoked.recording.nerve

    @property
    def side(self) -> Side:
        """The side of the body."""
        return self.evoked.recording.side


def sensory_results(
    nerve_recordings: Iterable[Evoked],
    norms: NormTable,
    anatomy: Anatomy,
    thresholds: Thresholds,
    *,
    ulnar_entrapped: bool = False,
) -> tuple[SensoryResult, ...]:
    """One result for each site pair of one nerve and side, in anatomical order.

    `ulnar_entrapped`: the motor fibres say that the ulnar nerve of this side is compressed at the elbow.
    """
    series: dict[tuple[int, int], list[Evoked]] = {}
    for entry in nerve_recordings:
        if entry.recording.modality is Modality.SENSORY:
            series.setdefault(_order(entry, anatomy), []).append(entry)
    sites = [used(series[key], thresholds) for key in sorted(series)]
    found = (_judged(entry, _distance_mm(entry, sites), norms, anatomy, thresholds) for entry in sites)
    return tuple(_at_entrapment(result, ulnar_entrapped=ulnar_entrapped) for result in found)


def _order(entry: Evoked, anatomy: Anatomy) -> tuple[int, int]:
    recording = entry.recording
    return (
        anatomy.sensory_recording_sites.index(recording.recording_site),
        anatomy.sensory_stimulation_sites.index(recording.stimulation_site),
    )


def _distance_mm(entry: Evoked, sites: Sequence[Evoked]) -> float | None:
    """From stimulation to the electrode; None where only the distance to another site was recorded."""
    recording = entry.recording
    if recording.distance_to_recording_mm is not None:
        return recording.distance_to_recording_mm
    others = [e for e in sites if e.recording.recording_site == recording.recording_site and e is not entry]
    most_distal = all(_latency(entry) < _latency(other) for other in others)
    return recording.distance_mm if most_distal else None


def _latency(entry: Evoked) -> float:
    """A latency to tell the most distal of several sites by; endless where none is known."""
    marks = entry.graded
    known = (marks.onset_latency_ms, marks.peak_latency_ms) if isinstance(marks, SensoryMarks) else ()
    return next((latency for latency in known if latency is not None), math.inf)


class _Verdict(NamedTuple):
    result: SensoryGrade = SensoryGrade.NOT_ASSESSABLE
    limits: Mapping[str, float] = {}
    reasons: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


def _judged(
    entry: Evoked, distance_mm: float | None, norms: NormTable, anatomy: Anatomy, thresholds: Thresholds
) -> SensoryResult:
    """The used recording of one site pair, `distance_mm` from the electrode, against the table."""
    recording = entry.recording
    norm = norms.sensory_norm(recording.nerve, recording.stimulation_site, recording.recording_site)
    velocity = _velocity(entry.graded, distance_mm)
    verdict = _Verdict(reasons=("norm_missing",))
    if norm is not None:
        off_mm = None if distance_mm is None else abs(distance_mm - norm.distance_mm)
        near = off_mm is not None and off_mm <= thresholds.latency_distance_mm.value
        is_cold = cold(recording, anatomy, thresholds)
        verdict = _verdict(entry.graded, velocity, norm, near=near, is_cold=is_cold)
        verdict = verdict._replace(reasons=(*verdict.reasons, *_on_the_limit(entry, verdict.limits)))
    return SensoryResult(
        evoked=entry,
        result=verdict.result,
        distance_mm=distance_mm,
        velocity_m_s=velocity,
        limits=verdict.limits,
        norm=norm,
        reasons=verdict.reasons,
        caveats=verdict.caveats,
    )


def _verdict(
    graded: Response | None, velocity: float | None, norm: SensoryNorm, *, near: bool, is_cold: bool | None
) -> _Verdict:
    """What a row says of a response; `near`: recorded at about its distance."""
    if isinstance(graded, NoResponse):
        return _Verdict(SensoryGrade.ABSENT, caveats=_TEMPERATURE[is_cold])
    if not isinstance(graded, SensoryMarks) or graded.amplitude_uv is None:
        return _Verdict(reasons=("unmarkable" if graded is None else "amplitude_missing",))
    values = {
        "amplitude_uv": graded.amplitude_uv,
        "onset_latency_ms": graded.onset_latency_ms,
        "peak_latency_ms": graded.peak_latency_ms,
        "velocity_m_s": velocity,
    }
    limits, caveats = _limits(values, norm, near=near, is_cold=bool(is_cold))
    beyond = _beyond(values, limits)
    if is_cold and not beyond:
        return _Verdict(limits=limits, reasons=_TEMPERATURE[is_cold], caveats=caveats)
    result = SensoryGrade.ABNORMAL if beyond else SensoryGrade.NORMAL
    return _Verdict(result, limits, beyond, (*caveats, *_TEMPERATURE[is_cold]))


def _on_the_limit(entry: Evoked, limits: Mapping[str, float]) -> tuple[str, ...]:
    near = any(uncertain_by(entry, name, limit) is not None for name, limit in limits.items())
    return ("on_the_limit",) if near else ()


def uncertain_by(entry: Evoked, name: str, limit: float) -> float | None:
    """Half the 95 % interval of one of our own marks, in its unit, where that reaches the limit.

    None for a machine's mark, whose error nobody knows, and for a velocity.
    """
    error, value = entry.error(name), getattr(entry.graded, name, None)
    if error is None or value is None:
        return None
    width = half_width(error)
    return width if boundary.near(value, limit, width) else None


def _at_entrapment(result: SensoryResult, *, ulnar_entrapped: bool) -> SensoryResult:
    """What is abnormal because of a common entrapment says so. Source: AAEM 2003, common entrapment sites.

    A long median latency at the wrist is the carpal tunnel's; a compressed ulnar nerve that of the elbow.
    """
    if result.result is not SensoryGrade.ABNORMAL:
        return result
    median = result.nerve == "median" and "peak_latency_long" in result.reasons
    if median or (ulnar_entrapped and result.nerve == "ulnar"):
        return replace(result, result=SensoryGrade.ABNORMAL_AT_ENTRAPMENT)
    return result


@dataclass(frozen=True, slots=True)
class Limited:
    """A quantity a table can limit, what it is called beyond its limit, and whether cold slows it."""

    name: str
    beyond: str
    at_most: bool = False
    slows: bool = True


LIMITED: Final = {
    "amplitude_uv": Limited("amplitude", "amplitude_low", slows=False),
    "onset_latency_ms": Limited("onset_latency", "onset_latency_long", at_most=True),
    "peak_latency_ms": Limited("peak_latency", "peak_latency_long", at_most=True),
    "velocity_m_s": Limited("velocity", "velocity_slow"),
}


def _limits(
    values: Mapping[str, float | None], norm: SensoryNorm, *, near: bool, is_cold: bool
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The limits of the table that apply to what was recorded, and a caveat for each that does not."""
    limits: dict[str, float] = {}
    caveats: list[str] = []
    for field, limited in LIMITED.items():
        limit = getattr(norm, field)
        if limit is None:
            continue
        if values[field] is None:
            caveats.append(f"{limited.name}_not_recorded")
        elif (limited.at_most and not near) or (limited.slows and is_cold):
            caveats.append(f"{limited.name}_not_judged")
        else:
            limits[field] = limit
    return limits, tuple(caveats)


def _beyond(values: Mapping[str, float | None], limits: Mapping[str, float]) -> tuple[str, ...]:
    """What is beyond its limit, by name."""
    found = []
    for field, limit in limits.items():
        value, limited = values[field], LIMITED[field]
        if value is not None and (value > limit if limited.at_most else value < limit):
            found.append(limited.beyond)
    return tuple(found)


def _velocity(graded: Response | None, distance_mm: float | None) -> float | None:
    if distance_mm is None or not isinstance(graded, SensoryMarks) or not graded.onset_latency_ms:
        return None
    return quotient(distance_mm, graded.onset_latency_ms, VELOCITY_DECIMALS)


def compared_sides(results: Sequence[SensoryResult], thresholds: Thresholds) -> tuple[SensoryResult, ...]:
    """All results of a study, the lower of two sides with the caveat `side_difference` where it is far lower.

    Left and right are compared at the same site pair of the same nerve. No result changes: nobody published
    that it may.
    """
    amplitudes = {_place(entry, entry.side): entry.evoked.amplitude for entry in results}
    limit = thresholds.side_difference_percent.value
    return tuple(
        _beside(entry, amplitudes.get(_place(entry, _OTHER[entry.side])), limit) for entry in results
    )


_OTHER: Final = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}


def _place(result: SensoryResult, side: Side) -> tuple[str, Side, str, str]:
    """The site pair of a result, on a side."""
    recording = result.evoked.recording
    return recording.nerve, side, recording.recording_site, recording.stimulation_site


def _beside(result: SensoryResult, other: float | None, limit: float) -> SensoryResult:
    """The result beside the amplitude of the other side."""
    own = result.evoked.amplitude
    if own is None or not other:
        return result
    difference = reduction_percent(other, own)
    if difference <= limit:
        return result
    caveats = (*result.caveats, "side_difference")
    return replace(result, caveats=caveats, side_difference_percent=difference)


def sensory_normal(results: Sequence[SensoryResult]) -> bool | None:
    """False if any tested nerve is not normal, True if all tested are, None if none could be judged."""
    judged = [entry.result for entry in results if entry.result is not SensoryGrade.NOT_ASSESSABLE]
    return all(result is SensoryGrade.NORMAL for result in judged) if judged else None
