"""An assessment as a report: nerve studies, their sites and segments, and what was observed at each.

Pure rearrangement: nothing is computed here that the assessment does not say. A study is keyed by what it
is about, never by its place in a list, so that a later report of the same study lines up with this one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Final

from gateway.domain.actions import Action
from gateway.domain.anatomy import Anatomy, SitePoint
from gateway.domain.assessment import Assessment
from gateway.domain.criteria import BLOCKS, CriteriaSet, Grade
from gateway.domain.findings import Finding
from gateway.domain.motor_limits import Against, MotorLimits
from gateway.domain.recording import Modality, NoResponse, Recording, Side
from gateway.domain.segments import point
from gateway.domain.sensory import LIMITED, SensoryGrade, SensoryResult
from gateway.domain.sites import Evoked
from gateway.domain.support import Support
from gateway.domain.wording import amendment
from gateway.protocols import quantities
from gateway.protocols.criteria_remarks import criteria_remarks
from gateway.protocols.observations import Coded, Place, anatomical, local, words
from gateway.protocols.summary_remarks import listed, summary_remarks
from gateway.protocols.sweeps import Sweep

Value = float | str | Coded | Sweep
_Limited = Mapping[str, Against | None]  # the values of a site, by field of the marks, that have a limit


@dataclass(frozen=True, slots=True)
class StudyKey:
    """What a nerve study is about: one nerve and side over one muscle or sensory site."""

    modality: Modality
    nerve: str
    side: Side
    recording_site: str


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What observations belong together: the nerve itself, one of its sites, one of its segments."""

    place: Place
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One observation; `value` None cannot be obtained, `item` tells repetitions of a code apart.

    `limit` is the reference range as text, `flag` one of HL7 table 0078, `method` how it was obtained.
    """

    code: str
    value: Value | None
    item: str = ""
    limit: str = ""
    flag: str = ""
    method: Coded | None = None
    recorded_at: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The observations that share a sub-id, in the order they are sent.

    `curve_gone` is the identity of the recording whose curve was given up for space: it was not taken back.
    """

    key: GroupKey
    observations: tuple[Observation, ...]
    curve_gone: str | None = None


@dataclass(frozen=True, slots=True)
class StudyResults:
    """One nerve study, or (`key` None) the summary of all of them."""

    key: StudyKey | None
    groups: tuple[Group, ...]


def results(assessment: Assessment, anatomy: Anatomy) -> tuple[StudyResults, ...]:
    """The report of `assessment`: the summary, then a study for each nerve, side and recording site."""
    sites: dict[StudyKey, list[Group]] = {}
    judged = {_pair(entry.evoked.recording): entry for entry in assessment.sensory}
    limits = assessment.motor_limits
    for evoked in assessment.recordings:
        recording = evoked.recording
        before, snap = sites.setdefault(_key(recording), []), judged.get(_pair(recording))
        against = _of_snap(snap) if snap else _of_cmap(evoked, limits, first=not before)
        before.append(_site(evoked, against, snap))
    segments: dict[StudyKey, list[Group]] = {}
    for finding in assessment.findings:
        segments.setdefault(_key(finding.segment.distal.recording), []).append(_segment(finding, limits))
    studies = (
        StudyResults(key, (_identity(key, anatomy), *groups, *segments.get(key, ())))
        for key, groups in sites.items()
    )
    return (StudyResults(None, (_summary(assessment),)), *studies)


def _key(recording: Recording) -> StudyKey:
    return StudyKey(recording.modality, recording.nerve, recording.side, recording.recording_site)


def _pair(recording: Recording) -> tuple[StudyKey, str]:
    return _key(recording), recording.stimulation_site


def _identity(key: StudyKey, anatomy: Anatomy) -> Group:
    nerve = anatomy.nerves[key.nerve]
    muscle = anatomy.muscles.get(key.recording_site) if key.modality is Modality.MOTOR else None
    stimulated = anatomical(key.nerve, f"{words(key.nerve)} nerve", nerve.mdc, key.side)
    if muscle is None:
        recorded = local(key.recording_site)
    else:
        recorded = anatomical(key.recording_site, muscle.text, muscle.mdc, key.side)
    return Group(
        GroupKey(Place.NERVE),
        (
            Observation(code="NERVE", value=stimulated),
            Observation(code="SIDE", value=local(key.side)),
            Observation(code="REC-SITE", value=recorded),
        ),
    )


def _site_name(where: SitePoint) -> str:
    """A site as sent: its name, and for inching the distance from the active electrode."""
    if where.position_mm is None:
        return where.site
    return f"{where.site}@{str(where.position_mm).removesuffix('.0')}mm"


def _of_cmap(evoked: Evoked, limits: MotorLimits, *, first: bool) -> _Limited:
    """`first`: nothing more distal was recorded over the muscle."""
    return {
        "onset_latency_ms": limits.latency(evoked, first=first),
        "amplitude_mv": limits.amplitude(evoked),
    }


def _of_snap(judged: SensoryResult) -> _Limited:
    values = {name: getattr(judged.evoked.graded, name, None) for name in judged.limits}
    values["velocity_m_s"] = judged.velocity_m_s
    return {
        name: Against(value=value, limit=judged.limits[name], at_most=LIMITED[name].at_most)
        for name, value in values.items()
        if value is not None and name in judged.limits
    }


def _site(evoked: Evoked, against: _Limited, judged: SensoryResult | None) -> Group:
    recording, stimulus = evoked.recording, evoked.recording.stimulus
    name = _site_name(point(recording))
    technique = {
        "STIM-CURRENT": stimulus.intensity_ma,
        "STIM-WIDTH": stimulus.duration_ms,
        "DISTANCE": recording.distance_mm,
        "SKIN-TEMP": recording.skin_temperature_c,
    }
    at = recording.recorded_at
    corrected = () if evoked.amendment is None else (f"Corrected: {amendment(evoked.amendment)}",)
    quality = listed("Quality", (entry.code for entry in evoked.quality))
    found = (
        Observation(code="STIM-SITE", value=name, recorded_at=at, remarks=(*corrected, *quality)),
        *(Observation(code=code, value=v, recorded_at=at) for code, v in technique.items() if v is not None),
        *_response(evoked, against),
        *(_judgement(judged, against) if judged else ()),
        *_curve(recording),
    )
    gone = None if recording.thinned is None else recording.identity
    return Group(GroupKey(Place.SITE, name), found, gone)


_AMPLITUDE: Final = {Modality.MOTOR: "CMAP-AMP", Modality.SENSORY: "SNAP-AMP"}


def _response(evoked: Evoked, against: _Limited) -> Iterator[Observation]:
    """The marks; where nothing was evoked or nothing could be marked, an amplitude nobody can obtain.

    No response is abnormal where the amplitude has a limit; elsewhere the segment, or SENS-RESULT, tells.
    """
    recording, graded = evoked.recording, evoked.graded
    at = recording.recorded_at
    if graded is None or isinstance(graded, NoResponse):
        if graded is not None:
            flag = "A" if against.get("amplitude_mv") else ""
            yield Observation(code=quantities.NO_RESPONSE_CODE, value=1.0, flag=flag, recorded_at=at)
        yield Observation(code=_AMPLITUDE[recording.modality], value=None, recorded_at=at)
        return
    for quantity in quantities.of(recording.modality):
        value = getattr(graded, quantity.field)
        if value is None:
            continue
        marker = "gateway" if quantity.field in evoked.filled else evoked.marked_by
        limit, flag = _limit_and_flag(against.get(quantity.field))
        yield Observation(
            code=quantity.code,
            value=value,
            limit=limit,
            flag=flag,
            method=local(marker, f"marked by the {marker}"),
            recorded_at=at,
        )


def _limit_and_flag(against: Against | None) -> tuple[str, str]:
    """The reference range of a value as text, and N, L or H; both empty where no limit was applied."""
    if against is None:
        return "", ""
    bound, beyond = ("<=", "H") if against.at_most else (">=", "L")
    return f"{bound}{against.limit:g}", beyond if against.beyond else "N"


def _curve(recording: Recording) -> Iterator[Observation]:
    """The sweep, for those who want it, with what its values mean."""
    if recording.waveform is None:
        return
    sweep, at = Sweep(recording.waveform), recording.recorded_at
    thinned = f"Each value is the mean of {sweep.step} samples"
    remarks = () if sweep.step == 1 else (thinned,)
    yield Observation(code="WAVEFORM", value=sweep, recorded_at=at, remarks=remarks)
    yield Observation(code="WAVE-RATE", value=sweep.rate_hz, recorded_at=at)
    yield Observation(code="WAVE-START", value=sweep.start_ms, recorded_at=at)


_SENSORY_FLAGS: Final = {SensoryGrade.NORMAL: "N", SensoryGrade.NOT_ASSESSABLE: ""}


def _judgement(judged: SensoryResult, against: _Limited) -> Iterator[Observation]:
    at = judged.evoked.recording.recorded_at
    if judged.velocity_m_s is not None:
        limit, flag = _limit_and_flag(against.get("velocity_m_s"))
        yield Observation(code="SCV", value=judged.velocity_m_s, limit=limit, flag=flag, recorded_at=at)
    yield Observation(
        code="SENS-RESULT",
        value=local(judged.result),
        flag=_SENSORY_FLAGS.get(judged.result, "A"),
        recorded_at=at,
        remarks=listed("Reasons", judged.reasons),
    )


def _segment(finding: Finding, limits: MotorLimits) -> Group:
    segment = finding.segment
    name = f"{_site_name(segment.distal_point)}-{_site_name(segment.proximal_point)}"
    limit, flag = _limit_and_flag(limits.velocity(segment))
    compared = {
        "AMP-RATIO": segment.amplitude_ratio,
        "AMP-RED": segment.amplitude_reduction_percent,
        "AREA-RED": segment.area_reduction_percent,
        "DUR-INC": segment.duration_increase_percent,
    }
    # Highlighted rows would say block, or none, of a segment of which a gate lets neither be said.
    stands = finding.finding is finding.chosen.grade
    grades = (
        Observation(
            code="CB-GRADE",
            value=local(grade),
            item=set_id,
            flag=_flag(grade) if stands else "",
            method=Coded(set_id),
        )
        for set_id, grade in finding.grades.items()
    )
    found = (
        Observation(code="SEGMENT", value=name),
        Observation(code="MCV", value=segment.conduction_velocity_m_s, limit=limit, flag=flag),
        *(Observation(code=code, value=value) for code, value in compared.items()),
        Observation(
            code="CB-FINDING",
            value=local(finding.finding),
            flag=_flag(finding.finding),
            remarks=listed("Reasons", finding.reasons),
        ),
        *grades,
    )
    return Group(GroupKey(Place.SEGMENT, name), found)


def _flag(grade: Grade) -> str:
    """A for a block, N for none; nothing where no statement is made."""
    return "A" if grade in BLOCKS else "N" if grade is Grade.NONE else ""


_SUPPORTING: Final = frozenset({Support.DEFINITE, Support.PROBABLE, Support.POSSIBLE})
_YES_NO: Final = {True: Coded("Y", "yes"), False: Coded("N", "no"), None: Coded("U", "unknown")}
_NORMAL_FLAG: Final = {True: "N", False: "A", None: ""}


def _summary(assessment: Assessment) -> Group:
    mmn, normal = assessment.mmn, assessment.sensory_normal
    found = (
        Observation(
            code="MMN-SUPPORT",
            value=local(mmn.support),
            flag="A" if mmn.support in _SUPPORTING else "",
            remarks=tuple(summary_remarks(assessment)),
        ),
        Observation(code="SENS-NORMAL", value=_YES_NO[normal], flag=_NORMAL_FLAG[normal]),
        *(_criteria(entry, assessment.grading) for entry in assessment.criteria),
        Observation(code="NORMS", value=Coded(assessment.norms)),
        *(_action(action) for action in assessment.guidance),
    )
    return Group(GroupKey(Place.SUMMARY), found)


def _criteria(entry: CriteriaSet, grading: str) -> Observation:
    graded = ("Findings follow this set",) if entry.id == grading else ()
    return Observation(
        code="CRITERIA",
        value=Coded(entry.id, entry.title),
        item=entry.id,
        remarks=(*graded, *criteria_remarks(entry)),
    )


def _action(action: Action) -> Observation:
    """What to do as the code, why as its text, and the recordings that settle it."""
    return Observation(
        code="ACTION",
        value=Coded(str(action), action.why),
        item=str(action),
        remarks=listed("Recordings", (":".join(filter(None, astuple(s))) for s in action.recordings)),
    )
