"""The assessment: everything the gateway says about a study, and its form as the published document.

Status is preliminary for ever: the physician signs in the hospital's system. The document never holds a
patient's name or identifier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from gateway.domain.actions import Action, Site
from gateway.domain.checklist import Step
from gateway.domain.corrections import Amendment
from gateway.domain.criteria import CriteriaSet
from gateway.domain.differential import Differential
from gateway.domain.findings import Finding
from gateway.domain.motor_limits import MotorLimits
from gateway.domain.pattern import NO_PATTERN, Mimic, Pattern
from gateway.domain.quality import Quality
from gateway.domain.recording import Marks, NoResponse, Recording, Response
from gateway.domain.sensory import SensoryResult
from gateway.domain.sites import Evoked
from gateway.domain.study import StudyHeader
from gateway.domain.support import MmnSupport

SCHEMA: Final = "emg-gateway/assessment/1"
# What a standard error or the number of a quality entry is worth.
_SIGNIFICANT_DIGITS: Final = 3

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
JsonObject = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One study as it stands: the recordings used, the findings, the sensory results, the support.

    `motor_limits` is what motor values are judged by for this person.
    """

    header: StudyHeader
    grading: str
    norms: str
    criteria: tuple[CriteriaSet, ...]
    recordings: tuple[Evoked, ...]
    findings: tuple[Finding, ...]
    motor_limits: MotorLimits
    sensory: tuple[SensoryResult, ...]
    sensory_normal: bool | None
    mmn: MmnSupport
    guidance: tuple[Action, ...]
    differentials: tuple[Differential, ...] = ()
    pattern: Pattern = NO_PATTERN
    mimics: tuple[Mimic, ...] = ()
    checklist: tuple[Step, ...] = ()


def document(assessment: Assessment, *, study_id: str, gateway_version: str) -> JsonObject:
    """The published Assessment document; `study_id` is the device's id or the opaque code."""
    return {
        "schema": SCHEMA,
        "study_id": study_id,
        "status": "preliminary",
        "gateway_version": gateway_version,
        "simulated": assessment.header.simulated,
        "grading": assessment.grading,
        "norms": assessment.norms,
        "criteria": {
            entry.id: {
                "title": entry.title,
                "source": entry.source,
                "status": entry.status,
                "version": entry.version,
                **({"remark": entry.remark} if entry.remark else {}),
            }
            for entry in assessment.criteria
        },
        "recordings": [recording_object(entry) for entry in assessment.recordings],
        "segments": [segment_object(entry) for entry in assessment.findings],
        "sensory": [sensory_object(entry) for entry in assessment.sensory],
        "sensory_normal": assessment.sensory_normal,
        "mmn": {
            "support": assessment.mmn.support,
            "reasons": assessment.mmn.reasons,
            "missing": assessment.mmn.missing,
            "caveats": assessment.mmn.caveats,
            "pattern": _pattern(assessment.pattern),
            "mimics": tuple({"name": e.name, "reasons": e.reasons} for e in assessment.mimics),
        },
        "differential": {entry.criteria.id: _differential(entry) for entry in assessment.differentials},
        "checklist": tuple({**_made(step.site), "done": step.done} for step in assessment.checklist),
    }


def _pattern(found: Pattern) -> JsonObject:
    return {
        "blocked_nerves": tuple(f"{nerve}:{side}" for nerve, side in found.blocked),
        "upper_limb": found.upper_limb,
        "lower_limb": found.lower_limb,
        "asymmetric": found.asymmetric,
    }


def _differential(entry: Differential) -> JsonObject:
    return {
        "title": entry.criteria.title,
        "source": entry.criteria.source,
        "status": entry.criteria.status,
        "demyelination": entry.support,
        "items": {
            str(item): tuple(f"{nerve}:{side}" for nerve, side in nerves)
            for item, nerves in entry.items.items()
        },
    }


def _made(site: Site) -> JsonObject:
    return {
        "modality": site.modality,
        "nerve": site.nerve,
        "side": site.side,
        "stimulation_site": site.stimulation_site,
        "recording_site": site.recording_site,
    }


def recording_object(entry: Evoked) -> JsonObject:
    """One entry of `recordings`: the site, the marks graded on, whose and how sure, what was wrong."""
    found = _sites(entry.recording)
    found |= {
        "marks": None if entry.graded is None else marks_object(entry.graded),
        "marked_by": entry.marked_by,
        "quality": tuple(one.code for one in entry.quality),
        "quality_details": tuple(quality_object(one) for one in entry.quality),
    }
    if entry.gateway is not None:
        found["gateway_marks"] = marks_object(entry.gateway)
        found["gateway_standard_errors"] = _rounded(entry.errors)
    if entry.recording.thinned is not None:
        found["curve_thinned_out"] = True
    if entry.filled:
        found["filled_by_gateway"] = entry.filled
    if entry.amendment is not None:
        found["amended"] = amendment_object(entry.amendment)
    return found


def amendment_object(amendment: Amendment) -> JsonObject:
    """`amended` of a recording: why, and what the cart had sent where it counts otherwise."""
    return {
        "reason": amendment.reason,
        "as_recorded": {str(name): value for name, value in amendment.as_recorded.items()},
    }


def quality_object(entry: Quality) -> JsonObject:
    """One entry of `quality_details`: the code with its number and unit, what it is, what to do."""
    meaning = entry.meaning
    return {
        "code": entry.code,
        "value": None if entry.value is None else _significant(entry.value),
        "unit": None if entry.value is None else meaning.unit,
        "what": meaning.what,
        "advice": meaning.advice,
    }


def _rounded(errors: Mapping[str, float]) -> JsonObject:
    return {name: _significant(error) for name, error in errors.items()}


def _significant(value: float) -> float:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")


def _sites(recording: Recording) -> JsonObject:
    found: JsonObject = {
        "modality": recording.modality,
        "nerve": recording.nerve,
        "side": recording.side,
        "recording_site": recording.recording_site,
        "stimulation_site": recording.stimulation_site,
    }
    optional = ("site_position_mm", "distance_mm", "recorded_at", "skin_temperature_c")
    return found | {
        name: getattr(recording, name) for name in optional if getattr(recording, name) is not None
    }


def marks_object(response: Response) -> JsonObject | None:
    """The quantities of a response by name; None where nothing was evoked."""
    return None if isinstance(response, NoResponse) else _quantities(response)


def _quantities(marks: Marks) -> JsonObject:
    values = {field.name: getattr(marks, field.name) for field in fields(marks)}
    return {name: value for name, value in values.items() if value is not None}


def _position_mm(recording: Recording) -> float | None:
    """How far a stimulation was from the electrode; of a named site where that was measured."""
    step = recording.site_position_mm
    return recording.distance_to_recording_mm if step is None else step


def segment_object(entry: Finding) -> JsonObject:
    """One entry of `segments`: the comparison, a grade a set, the finding with its reasons."""
    segment = entry.segment
    found: JsonObject = {
        "nerve": segment.nerve,
        "side": segment.side,
        "recording_site": segment.recording_site,
        "distal_site": segment.distal_point.site,
        "proximal_site": segment.proximal_point.site,
    }
    if segment.inching:
        found["distal_position_mm"] = _position_mm(segment.distal.recording)
        found["proximal_position_mm"] = _position_mm(segment.proximal.recording)
    return found | {
        "amplitude_ratio": segment.amplitude_ratio,
        "amplitude_reduction_percent": segment.amplitude_reduction_percent,
        "area_reduction_percent": segment.area_reduction_percent,
        "duration_increase_percent": segment.duration_increase_percent,
        "total_duration_increase_percent": segment.total_duration_increase_percent,
        "conduction_velocity_m_s": segment.conduction_velocity_m_s,
        "standard_errors": _rounded(segment.standard_errors),
        "grades": dict(entry.grades),
        "temporal_dispersion": segment.temporal_dispersion,
        "finding": entry.finding,
        "reasons": entry.reasons,
        "actions": tuple(dict.fromkeys(action.code for action in entry.actions)),
    }


def sensory_object(entry: SensoryResult) -> JsonObject:
    """One entry of `sensory`: the result, the amplitude and the limits that were applied."""
    recording = entry.evoked.recording
    return {
        "nerve": recording.nerve,
        "side": recording.side,
        "recording_site": recording.recording_site,
        "stimulation_site": recording.stimulation_site,
        "result": entry.result,
        "amplitude_uv": None if isinstance(entry.evoked.graded, NoResponse) else entry.evoked.amplitude,
        "velocity_m_s": entry.velocity_m_s,
        "side_difference_percent": entry.side_difference_percent,
        "limits": dict(entry.limits),
        "reasons": entry.reasons,
    }


def action_object(action: Action) -> JsonObject:
    """One entry of the guidance: what to record, where, and why."""
    return {
        "code": action.code,
        "nerve": action.nerve,
        "side": action.side,
        "stimulation_site": action.stimulation_site,
        "recording_site": action.recording_site,
        "why": action.why,
        "recordings": tuple(_made(site) for site in action.recordings),
    }
