"""Sensory normality: is a SNAP within the limits of the norm table, in the technique the table names.

Amplitude limits hold at any distance, latency limits only near the table's distance, velocity limits where
a distance was recorded. Rules of conduction block are never applied to SNAPs.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.norms import NormTable, SensoryNorm
from gateway.domain.recording import Modality, NoResponse, SensoryMarks, Side
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

    @property
    def nerve(self) -> str:
        """The sensory nerve."""
        return self.evoked.recording.nerve

    @property
    def side(self) -> Side:
        """The side of the body."""
        return self.evoked.recording.side


def sensory_results(nerve_recordings: Iterable[Evoked], norms: NormTable) -> tuple[SensoryResult, ...]:
    """One result for each site pair of one nerve and side, in order of arrival."""
    series: dict[tuple[str, str], list[Evoked]] = {}
    for entry in nerve_recordings:
        recording = entry.recording
        if recording.modality is Modality.SENSORY:
            series.setdefault((recording.recording_site, recording.stimulation_site), []).append(entry)
    return tuple(judge(used(entries), norms) for entries in series.values())


def judge(entry: Evoked, norms: NormTable) -> SensoryResult:
    """The result of the used recording of one site pair."""
    recording, graded = entry.recording, entry.graded
    norm = norms.sensory_norm(recording.nerve, recording.stimulation_site, recording.recording_site)
    velocity = _velocity(entry)
    result = SensoryResult(
        evoked=entry, result=SensoryGrade.NOT_ASSESSABLE, velocity_m_s=velocity, limits={}, norm=norm
    )
    if isinstance(graded, NoResponse):
        return replace(result, result=SensoryGrade.ABSENT)
    if norm is None:
        return replace(result, reasons=("norm_missing",))
    if not isinstance(graded, SensoryMarks) or graded.amplitude_uv is None:
        return replace(result, reasons=("unmarkable" if graded is None else "amplitude_missing",))
    values = {
        "amplitude_uv": graded.amplitude_uv,
        "onset_latency_ms": graded.onset_latency_ms,
        "peak_latency_ms": graded.peak_latency_ms,
        "velocity_m_s": velocity,
    }
    recorded = {name: value for name, value in values.items() if value is not None}
    limits = _limits(recorded, norm, recording.distance_mm)
    beyond = tuple(_BEYOND[name] for name in limits if _is_beyond(name, recorded[name], limits[name]))
    normal = SensoryGrade.ABNORMAL if beyond else SensoryGrade.NORMAL
    return replace(result, result=normal, limits=limits, reasons=beyond)


# The quantities a table can limit, and what it is called when one is beyond its limit.
_BEYOND: Final = {
    "amplitude_uv": "amplitude_low",
    "onset_latency_ms": "onset_latency_long",
    "peak_latency_ms": "peak_latency_long",
    "velocity_m_s": "velocity_slow",
}


def _limits(recorded: Iterable[str], norm: SensoryNorm, distance_mm: float | None) -> dict[str, float]:
    """The limits of the table that apply to what was recorded, at the distance it was recorded at."""
    limits = {name: getattr(norm, name) for name in recorded}
    near = distance_mm is not None and abs(distance_mm - norm.distance_mm) <= _DISTANCE_TOLERANCE_MM
    return {
        name: limit
        for name, limit in limits.items()
        if limit is not None and (near or not name.endswith("latency_ms"))
    }


def _is_beyond(name: str, value: float, limit: float) -> bool:
    return value > limit if name.endswith("latency_ms") else value < limit


def _velocity(entry: Evoked) -> float | None:
    distance, graded = entry.recording.distance_mm, entry.graded
    if distance is None or not isinstance(graded, SensoryMarks) or not graded.onset_latency_ms:
        return None
    return quotient(distance, graded.onset_latency_ms, VELOCITY_DECIMALS)


def sensory_normal(results: Sequence[SensoryResult]) -> bool | None:
    """False if any tested nerve is not normal, True if all tested are, None if none could be judged."""
    judged = [entry.result for entry in results if entry.result is not SensoryGrade.NOT_ASSESSABLE]
    return all(result is SensoryGrade.NORMAL for result in judged) if judged else None
