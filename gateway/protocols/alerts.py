"""Alerts of the lab screens: a block that was found stays up until somebody has seen it.

States and phases carry the words of IHE Alert Communication Management. `TRANSITIONS` is the whole life of
an alert; `judged` moves every alert of a study after its findings changed. Nobody can acknowledge an alert
yet, so one whose finding is gone stays latched. Texts name nerve, side and site, never the patient.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.anatomy import SitePoint
from gateway.domain.assessment import Assessment, Json, JsonObject, segment_object
from gateway.domain.criteria import BLOCKS, Grade, Measure
from gateway.domain.findings import Finding
from gateway.domain.segments import Segment
from gateway.errors import DataError

# A finding is no emergency: never "high". Source: IEC 60601-1-8 keeps that for immediate harm.
_PRIORITY: Final = "medium"
# The product owner's set needs no area: what it finds is told where the grading set cannot judge without.
_AMPLITUDE_SET: Final = "amplitude-50"
_BLOCK_TEXT: Final[Mapping[Grade, str]] = {
    Grade.PROBABLE_BLOCK: "Probable conduction block",
    Grade.DEFINITE_BLOCK: "Definite conduction block",
    Grade.BLOCK: "Conduction block",
}
_MEASURES: Final[Mapping[Measure, str]] = {
    "area_reduction_percent": "area reduced by {} %",
    "amplitude_reduction_percent": "amplitude reduced by {} %",
    "peak_to_peak_reduction_percent": "peak-to-peak amplitude reduced by {} %",
    "amplitude_ratio": "amplitude ratio {}",
}


class State(enum.StrEnum):
    """Whether the condition is there; `LATCHED`: it is gone and nobody has seen it."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    LATCHED = "latched"


class Phase(enum.StrEnum):
    """What happened to the alert last."""

    START = "start"
    UPDATE = "update"
    END = "end"


class Trigger(enum.StrEnum):
    """What moves an alert."""

    MET = "met"
    CHANGED = "changed"
    GONE = "gone"


# A pair that is not listed moves nothing.
TRANSITIONS: Final[Mapping[tuple[State, Trigger], tuple[State, Phase]]] = {
    (State.INACTIVE, Trigger.MET): (State.ACTIVE, Phase.START),
    (State.LATCHED, Trigger.MET): (State.ACTIVE, Phase.START),
    (State.ACTIVE, Trigger.CHANGED): (State.ACTIVE, Phase.UPDATE),
    (State.ACTIVE, Trigger.GONE): (State.LATCHED, Phase.END),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One segment's alert; `segment` is its entry of the assessment's `segments` when it was last met."""

    alert_id: str
    state: State
    phase: Phase
    text: str
    segment: JsonObject


Alerts = Mapping[str, Alert]


def alert_id(code: str, segment: Segment) -> str:
    """The same segment of the same study, always: its sites, and for inching the positions that are known."""
    distal, proximal = segment.distal_point, segment.proximal_point
    parts = [code, segment.nerve, str(segment.side), segment.recording_site, distal.site, proximal.site]
    positions = (point.position_mm for point in (distal, proximal))
    return "-".join((*parts, *(f"{position:g}" for position in positions if position is not None)))


def judged(alerts: Alerts, assessment: Assessment, code: str) -> dict[str, Alert]:
    """The alerts of the study `code` after its findings became those of `assessment`."""
    met = {
        alert_id(code, entry.segment): (text, entry)
        for entry in assessment.findings
        if (text := _text(entry, assessment.grading))
    }
    held = {name: alert if name in met else _moved(alert, Trigger.GONE) for name, alert in alerts.items()}
    return held | {name: _met(held.get(name), name, *condition) for name, condition in met.items()}


def _met(alert: Alert | None, name: str, text: str, entry: Finding) -> Alert:
    segment = json.loads(json.dumps(segment_object(entry)))  # plain, so that a stored one compares equal
    if alert is None or alert.state is not State.ACTIVE:
        before = State.INACTIVE if alert is None else alert.state
        fresh = Alert(alert_id=name, state=before, phase=Phase.START, text=text, segment=segment)
        return _moved(fresh, Trigger.MET)
    if (alert.text, alert.segment) == (text, segment):
        return alert
    return _moved(replace(alert, text=text, segment=segment), Trigger.CHANGED)


def _moved(alert: Alert, trigger: Trigger) -> Alert:
    state, phase = TRANSITIONS.get((alert.state, trigger), (alert.state, alert.phase))
    return replace(alert, state=state, phase=phase)


def _text(entry: Finding, grading: str) -> str | None:
    """What the alert says; None where this finding raises none."""
    segment = entry.segment
    ends = f"{_place(segment.distal_point)} to {_place(segment.proximal_point)}"
    where = f"{segment.side} {segment.nerve} nerve, {ends}, recorded at {segment.recording_site}"
    if entry.finding in BLOCKS:
        return f"{_BLOCK_TEXT[entry.finding]} ({grading}): {where}; {_measure(entry)}"
    by_amplitude = entry.grades.get(_AMPLITUDE_SET) is Grade.BLOCK
    if (
        by_amplitude
        and not entry.doubts
        and entry.finding is Grade.NOT_ASSESSABLE
        and "area_missing" in entry.reasons
    ):
        return (
            f"Amplitude reduced by {segment.amplitude_reduction_percent} % ({_AMPLITUDE_SET}): {where}; "
            f"{grading} cannot judge without the area"
        )
    return None


def _place(point: SitePoint) -> str:
    site = point.site.replace("_", " ")
    return site if point.position_mm is None else f"{site} at {point.position_mm:g} mm"


def _measure(entry: Finding) -> str:
    """The change that the rule behind the finding asks about."""
    segment = entry.segment
    if "no_proximal_response" in segment.notes:
        return "no proximal response"
    asked = [condition.quantity for condition in entry.chosen.rule.conditions] if entry.chosen.rule else []
    for quantity, text in _MEASURES.items():
        if quantity in asked:
            return text.format(getattr(segment, quantity))
    return f"amplitude reduced by {segment.amplitude_reduction_percent} %"


def alert_object(alert: Alert) -> JsonObject:
    """The alert as screens get it, and as it is stored."""
    return {
        "alert_id": alert.alert_id,
        "priority": _PRIORITY,
        "state": alert.state,
        "phase": alert.phase,
        "text": alert.text,
        "segment": alert.segment,
        "acknowledged": None,
    }


def alert_from(stored: Json) -> Alert:
    """The alert `alert_object` wrote; DataError where it cannot have."""
    whole = _object(stored, "alert")
    try:
        return Alert(
            alert_id=_string(whole, "alert_id"),
            state=State(_string(whole, "state")),
            phase=Phase(_string(whole, "phase")),
            text=_string(whole, "text"),
            segment=dict(_object(whole.get("segment"), "segment")),
        )
    except ValueError as error:
        raise DataError("unknown state or phase", "alert") from error


def _object(stored: Json, place: str) -> Mapping[str, Json]:
    if not isinstance(stored, Mapping):
        raise DataError("not a JSON object", place)
    return stored


def _string(stored: Mapping[str, Json], name: str) -> str:
    value = stored.get(name)
    if not isinstance(value, str):
        raise DataError("not a text", name)
    return value
