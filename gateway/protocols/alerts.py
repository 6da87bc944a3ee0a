"""Alerts of the lab screens: a block that was found stays up until somebody has seen it.

States and phases carry the words of IHE Alert Communication Management. `TRANSITIONS` is the whole life of
an alert; `judged` moves every alert of a study after its findings changed, `acknowledged` one that somebody
at a screen has seen. One that is gone and seen is over, and leaves the screens a minute later. Texts name
nerve, side and site, never the patient.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.anatomy import SitePoint
from gateway.domain.assessment import Assessment, Json, JsonObject, segment_object
from gateway.domain.criteria import BLOCKS, Grade, Measure
from gateway.domain.findings import Finding
from gateway.domain.segments import Segment
from gateway.errors import DataError

# A finding is no emergency: never "high". Source: IEC 60601-1-8 keeps that for immediate harm.
_PRIORITY: Final = "medium"
# How long a screen shows that an alert is over.
_SHOWN_AS_OVER: Final = timedelta(seconds=60)
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
    """What moves an alert; a condition that goes away has been seen (acknowledged) until then, or not."""

    MET = "met"
    CHANGED = "changed"
    ACKNOWLEDGED = "acknowledged"
    GONE_SEEN = "gone_seen"
    GONE_UNSEEN = "gone_unseen"


# A pair that is not listed moves nothing.
TRANSITIONS: Final[Mapping[tuple[State, Trigger], tuple[State, Phase]]] = {
    (State.INACTIVE, Trigger.MET): (State.ACTIVE, Phase.START),
    (State.LATCHED, Trigger.MET): (State.ACTIVE, Phase.START),
    (State.ACTIVE, Trigger.CHANGED): (State.ACTIVE, Phase.UPDATE),
    (State.ACTIVE, Trigger.ACKNOWLEDGED): (State.ACTIVE, Phase.UPDATE),
    (State.ACTIVE, Trigger.GONE_SEEN): (State.INACTIVE, Phase.END),
    (State.ACTIVE, Trigger.GONE_UNSEEN): (State.LATCHED, Phase.END),
    (State.LATCHED, Trigger.ACKNOWLEDGED): (State.INACTIVE, Phase.END),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who acknowledged an alert, at which screen, and when (UTC with milliseconds)."""

    by: str
    screen: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One segment's alert; `segment` is its entry of the assessment's `segments` when it was last met.

    `clear_at`: when the topic of one that is over is emptied.
    """

    alert_id: str
    state: State
    phase: Phase
    text: str
    segment: JsonObject
    acknowledged: Seen | None = None
    clear_at: datetime | None = None


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
    held = {name: alert if name in met else _gone(alert) for name, alert in alerts.items()}
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


def _gone(alert: Alert) -> Alert:
    return _moved(alert, Trigger.GONE_UNSEEN if alert.acknowledged is None else Trigger.GONE_SEEN)


def acknowledged(alert: Alert, seen: Seen) -> Alert:
    """The alert once somebody has seen it; the first who did stays the one who did."""
    if alert.acknowledged is not None:
        return alert
    return replace(_moved(alert, Trigger.ACKNOWLEDGED), acknowledged=seen)


def leaving(alerts: Alerts, now: datetime) -> dict[str, Alert]:
    """`alerts`, those that are over since `now` with the time at which they leave the screens."""
    return {
        name: replace(alert, clear_at=now + _SHOWN_AS_OVER) if _is_newly_over(alert) else alert
        for name, alert in alerts.items()
    }


def _is_newly_over(alert: Alert) -> bool:
    return alert.state is State.INACTIVE and alert.clear_at is None


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
    """The alert as screens get it."""
    return {
        "alert_id": alert.alert_id,
        "priority": _PRIORITY,
        "state": alert.state,
        "phase": alert.phase,
        "text": alert.text,
        "segment": alert.segment,
        "acknowledged": None if alert.acknowledged is None else asdict(alert.acknowledged),
    }


def stored_alert(alert: Alert) -> JsonObject:
    """The alert as it is stored: what screens get, and when they are to forget it."""
    return alert_object(alert) | {"clear_at": alert.clear_at.isoformat() if alert.clear_at else None}


def alert_from(stored: Json) -> Alert:
    """The alert `stored_alert` wrote; DataError where it cannot have."""
    whole = _object(stored, "alert")
    seen, clear_at = whole.get("acknowledged"), whole.get("clear_at")
    try:
        return Alert(
            alert_id=_string(whole, "alert_id"),
            state=State(_string(whole, "state")),
            phase=Phase(_string(whole, "phase")),
            text=_string(whole, "text"),
            segment=dict(_object(whole.get("segment"), "segment")),
            acknowledged=None if seen is None else _seen(_object(seen, "acknowledged")),
            clear_at=None if clear_at is None else datetime.fromisoformat(_string(whole, "clear_at")),
        )
    except ValueError as error:
        raise DataError("unknown state, phase or time", "alert") from error


def _seen(stored: Mapping[str, Json]) -> Seen:
    return Seen(by=_string(stored, "by"), screen=_string(stored, "screen"), time=_string(stored, "time"))


def _object(stored: Json, place: str) -> Mapping[str, Json]:
    if not isinstance(stored, Mapping):
        raise DataError("not a JSON object", place)
    return stored


def _string(stored: Mapping[str, Json], name: str) -> str:
    value = stored.get(name)
    if not isinstance(value, str):
        raise DataError("not a text", name)
    return value
