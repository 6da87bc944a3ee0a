"""The pipeline: plain functions in two tuples, a nerve or an examination in, the same a step further out.

mark → compare → grade → sense for the nerve a recording belongs to, then support → guide for the whole
examination. A new recording re-evaluates its own nerve only. Nothing here waits, reads a clock or knows
where the recording came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.assessment import Assessment
from gateway.domain.criteria import CriteriaSet
from gateway.domain.findings import Action, Finding, finding
from gateway.domain.markers import MarkerSettings
from gateway.domain.norms import NormTable
from gateway.domain.recording import Recording
from gateway.domain.segments import Segment, motor_sites, segments
from gateway.domain.sensory import SensoryResult, sensory_normal, sensory_results
from gateway.domain.sites import Evoked, evoked
from gateway.domain.study import Fact, NerveKey, Study
from gateway.domain.support import MmnSupport, Support, caveats, guidance, mmn_support


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What recordings are judged by: anatomy, limits, criteria sets and the one that grades."""

    anatomy: Anatomy
    norms: NormTable
    criteria: tuple[CriteriaSet, ...]
    grading: str
    markers: MarkerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class NerveFindings:
    """What is known about one nerve and side: every recording in order of arrival, and what follows."""

    evoked: tuple[Evoked, ...] = ()
    sites: tuple[Evoked, ...] = ()
    segments: tuple[Segment, ...] = ()
    findings: tuple[Finding, ...] = ()
    sensory: tuple[SensoryResult, ...] = ()


NOTHING_YET: Final = MmnSupport(support=Support.NOT_ASSESSABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A study with what has been worked out so far; nerves stand in anatomical order."""

    study: Study
    nerves: Mapping[NerveKey, NerveFindings] = field(default_factory=dict)
    mmn: MmnSupport = NOTHING_YET
    guidance: tuple[Action, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all nerves."""
        return tuple(entry for nerve in self.nerves.values() for entry in nerve.findings)

    @property
    def sensory(self) -> tuple[SensoryResult, ...]:
        """The sensory results of all nerves."""
        return tuple(entry for nerve in self.nerves.values() for entry in nerve.sensory)


NerveStage = Callable[[NerveFindings, Reference], NerveFindings]
StudyStage = Callable[[Examination, Reference], Examination]


def mark(recording: Recording, nerve: NerveFindings, reference: Reference) -> NerveFindings:
    """Read the marks of the recording that arrived and add it to its nerve."""
    return replace(nerve, evoked=(*nerve.evoked, evoked(recording, reference.markers)))


def compare(nerve: NerveFindings, reference: Reference) -> NerveFindings:
    """Pick the used recording of each site and compare neighbouring sites, muscle by muscle."""
    by_muscle = motor_sites(nerve.evoked, reference.anatomy)
    return replace(
        nerve,
        sites=tuple(entry for sites in by_muscle.values() for entry in sites),
        segments=tuple(entry for sites in by_muscle.values() for entry in segments(sites, reference.anatomy)),
    )


def grade(nerve: NerveFindings, reference: Reference) -> NerveFindings:
    """Grade every segment under every set, and gate the grading set's grade to a finding."""
    found = (
        finding(segment, reference.criteria, reference.grading, reference.norms, reference.anatomy)
        for segment in nerve.segments
    )
    return replace(nerve, findings=tuple(found))


def sense(nerve: NerveFindings, reference: Reference) -> NerveFindings:
    """Judge the SNAPs of the nerve against the norm table."""
    return replace(nerve, sensory=sensory_results(nerve.evoked, reference.norms, reference.anatomy))


def guide(examination: Examination, reference: Reference) -> Examination:
    """List what is still to record before the electrodes come off."""
    wanted = guidance(examination.findings, examination.sensory, reference.anatomy)
    return replace(examination, guidance=wanted)


def support(examination: Examination, reference: Reference) -> Examination:
    """Say what the findings of all nerves amount to."""
    findings, sensory = examination.findings, examination.sensory
    clinical = examination.study.header.clinical
    grade_of_support, reasons = mmn_support(findings, sensory, clinical, reference.anatomy)
    mmn = MmnSupport(
        support=grade_of_support,
        reasons=reasons,
        missing=tuple(str(action) for action in examination.guidance),
        caveats=caveats(reference.criteria, findings, sensory, reference.norms),
    )
    return replace(examination, mmn=mmn)


NERVE_STAGES: Final[tuple[NerveStage, ...]] = (compare, grade, sense)
STUDY_STAGES: Final[tuple[StudyStage, ...]] = (guide, support)


def take(examination: Examination, fact: Fact, reference: Reference) -> Examination:
    """The examination after one more fact; a recording re-evaluates its own nerve."""
    examination = replace(examination, study=examination.study.with_fact(fact))
    if isinstance(fact, Recording):
        key = (fact.nerve, fact.side)
        nerve = mark(fact, examination.nerves.get(key, NerveFindings()), reference)
        for stage in NERVE_STAGES:
            nerve = stage(nerve, reference)
        order = list(reference.anatomy.nerves)
        nerves = sorted(
            {**examination.nerves, key: nerve}.items(), key=lambda n: (order.index(n[0][0]), n[0][1])
        )
        examination = replace(examination, nerves=dict(nerves))
    return _conclude(examination, reference)


def _conclude(examination: Examination, reference: Reference) -> Examination:
    for stage in STUDY_STAGES:
        examination = stage(examination, reference)
    return examination


def examine(study: Study, reference: Reference) -> Examination:
    """A whole study, one recording after the other."""
    examination = _conclude(Examination(study=Study(header=study.header)), reference)
    for recording in study.recordings:
        examination = take(examination, recording, reference)
    return replace(examination, study=study)


def assessment(examination: Examination, reference: Reference) -> Assessment:
    """What the gateway says about the examination as it stands."""
    nerves = examination.nerves.values()
    recordings = (entry for nerve in nerves for entry in (*nerve.sites, *(s.evoked for s in nerve.sensory)))
    return Assessment(
        header=examination.study.header,
        grading=reference.grading,
        norms=reference.norms.id,
        criteria=reference.criteria,
        recordings=tuple(recordings),
        findings=examination.findings,
        sensory=examination.sensory,
        sensory_normal=sensory_normal(examination.sensory),
        mmn=examination.mmn,
        guidance=examination.guidance,
    )
