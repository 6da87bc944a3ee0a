"""Sensory normality: is a SNAP within the limits of the norm table, in the technique the table names.

Amplitude limits hold at any distance, latency limits only near the table's distance, velocity limits where
the distance to the electrode is known. A limit that could not be applied is a caveat. Rules of conduction
block are never applied to SNAPs.
"""

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.norms import NormTable, SensoryNorm
from gateway.domain.recording import Modality, NoResponse, Response, SensoryMarks, Side
from gateway.domain.rounding import VELOCITY_DECIMALS, quotient
from gateway.domain.sites import Evoked, used

# Latency limits apply within this much of the distance they were measured at; engineering setting.
_DISTANCE_TOLERANCE_MM: Final = 10.0


class SensoryGrade(enum.StrEnum):
    """The result of one sensory nerve at one site pair."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    ABSENT = "absent"
    ABNORMAL_AT_ENTRAPMENT = "abnormal_at_entrapment"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryResult:
    """One sensory nerve, side and site pair against its limits; `limits` are those that were applied."""

    evoked: Evoked
    result: SensoryGrade
    velocity_m_s: float | None = None
    limits: Mapping[str, float]
    norm: SensoryNorm | None = None
    reasons: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def nerve(self) -> str:
        """The sensory nerve."""
        return self.evoked.recording.nerve

    @property
    def side(self) -> Side:
        """The side of the body."""
        return self.evoked.recording.side


def sensory_results(
    nerve_recordings: Iterable[Evoked], norms: NormTable, anatomy: Anatomy
) -> tuple[SensoryResult, ...]:
    """One result for each site pair of one nerve and side, in anatomical order."""
    series: dict[tuple[int, int], list[Evoked]] = {}
    for entry in nerve_recordings:
        if entry.recording.modality is Modality.SENSORY:
            series.setdefault(_order(entry, anatomy), []).append(entry)
    sites = [used(series[key]) for key in sorted(series)]
    return tuple(judge(entry, norms, _distance_mm(entry, sites)) for entry in sites)


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


def judge(entry: Evoked, norms: NormTable, distance_mm: float | None) -> SensoryResult:
    """The result of the used recording of one site pair, `distance_mm` from the electrode."""
    recording, graded = entry.recording, entry.graded
    norm = norms.sensory_norm(recording.nerve, recording.stimulation_site, recording.recording_site)
    velocity = _velocity(graded, distance_mm)
    result = SensoryResult(
        evoked=entry, result=SensoryGrade.NOT_ASSESSABLE, velocity_m_s=velocity, limits={}, norm=norm
    )
    if norm is None:
        return replace(result, reasons=("norm_missing",))
    if isinstance(graded, NoResponse):
        return replace(result, result=SensoryGrade.ABSENT)
    if not isinstance(graded, SensoryMarks) or graded.amplitude_uv is None:
        return replace(result, reasons=("unmarkable" if graded is None else "amplitude_missing",))
    values = {
        "amplitude_uv": graded.amplitude_uv,
        "onset_latency_ms": graded.onset_latency_ms,
        "peak_latency_ms": graded.peak_latency_ms,
        "velocity_m_s": velocity,
    }
    limits, caveats = _limits(values, norm, distance_mm)
    beyond = _beyond(values, limits)
    return replace(
        result, result=_graded(recording.nerve, beyond), limits=limits, reasons=beyond, caveats=caveats
    )


def _graded(nerve: str, beyond: tuple[str, ...]) -> SensoryGrade:
    if not beyond:
        return SensoryGrade.NORMAL
    # A long median latency at the wrist is the carpal tunnel's. Source: AAEM 2003, common entrapment sites.
    at_entrapment = nerve == "median" and "peak_latency_long" in beyond
    return SensoryGrade.ABNORMAL_AT_ENTRAPMENT if at_entrapment else SensoryGrade.ABNORMAL


@dataclass(frozen=True, slots=True)
class _Limited:
    """A quantity a table can limit, and what it is called when it is beyond its limit."""

    name: str
    beyond: str
    at_most: bool = False


_LIMITED: Final = {
    "amplitude_uv": _Limited("amplitude", "amplitude_low"),
    "onset_latency_ms": _Limited("onset_latency", "onset_latency_long", at_most=True),
    "peak_latency_ms": _Limited("peak_latency", "peak_latency_long", at_most=True),
    "velocity_m_s": _Limited("velocity", "velocity_slow"),
}


def _limits(
    values: Mapping[str, float | None], norm: SensoryNorm, distance_mm: float | None
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The limits of the table that apply to what was recorded, and a caveat for each that does not."""
    limits: dict[str, float] = {}
    caveats: list[str] = []
    near = distance_mm is not None and abs(distance_mm - norm.distance_mm) <= _DISTANCE_TOLERANCE_MM
    for field, limited in _LIMITED.items():
        limit = getattr(norm, field)
        if limit is None:
            continue
        if values[field] is None:
            caveats.append(f"{limited.name}_not_recorded")
        elif limited.at_most and not near:
            caveats.append(f"{limited.name}_not_judged")
        else:
            limits[field] = limit
    return limits, tuple(caveats)


def _beyond(values: Mapping[str, float | None], limits: Mapping[str, float]) -> tuple[str, ...]:
    """What is beyond its limit, by name."""
    found = []
    for field, limit in limits.items():
        value, limited = values[field], _LIMITED[field]
        if value is not None and (value > limit if limited.at_most else value < limit):
            found.append(limited.beyond)
    return tuple(found)


def _velocity(graded: Response | None, distance_mm: float | None) -> float | None:
    if distance_mm is None or not isinstance(graded, SensoryMarks) or not graded.onset_latency_ms:
        return None
    return quotient(distance_mm, graded.onset_latency_ms, VELOCITY_DECIMALS)


def sensory_normal(results: Sequence[SensoryResult]) -> bool | None:
    """False if any tested nerve is not normal, True if all tested are, None if none could be judged."""
    judged = [entry.result for entry in results if entry.result is not SensoryGrade.NOT_ASSESSABLE]
    return all(result is SensoryGrade.NORMAL for result in judged) if judged else None
