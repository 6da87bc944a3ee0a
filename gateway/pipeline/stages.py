"""The pipeline: plain functions, a nerve or an examination in, the same a step further out.

A recording is marked once, as it came; what counts of each nerve (corrected, completed) is compared; then
`STUDY_STAGES` judge the whole examination: a gate may hang on another nerve. Nothing here waits, reads a
clock or knows where the recording came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.domain.actions import Action
from gateway.domain.anatomy import Anatomy
from gateway.domain.assessment import Assessment
from gateway.domain.checklist import ExaminationPlan, Step, checklist
from gateway.domain.criteria import CriteriaSet
from gateway.domain.differential import DemyelinationCriteria, Differential, differentials
from gateway.domain.entrapment import ulnar_at_elbow
from gateway.domain.findings import Finding, finding
from gateway.domain.gates import Circumstances
from gateway.domain.guidance import guidance
from gateway.domain.markers import MarkerSettings
from gateway.domain.martin_gruber import MedianOverUlnar
from gateway.domain.motor_limits import MotorLimits
from gateway.domain.norms import NormTable, Person, person_of
from gateway.domain.pattern import NO_PATTERN, Evidence, Mimic, Pattern, mimics, pattern
from gateway.domain.recording import Recording
from gateway.domain.sensory import (
    SensoryGrade,
    SensoryResult,
    compared_sides,
    sensory_normal,
    sensory_results,
)
from gateway.domain.sites import Evoked, evoked
from gateway.domain.study import Fact, NerveKey, RecordUnusable, Study
from gateway.domain.support import MmnSupport, Support, caveats, exclusions, mmn_support
from gateway.domain.thresholds import Thresholds
from gateway.pipeline.nerves import NerveStudy, by_nerve, compare, touched


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What recordings are judged by: anatomy, limits, criteria sets and the one that grades."""

    anatomy: Anatomy
    norms: NormTable
    criteria: tuple[CriteriaSet, ...]
    grading: str
    markers: MarkerSettings
    thresholds: Thresholds
    differentials: tuple[DemyelinationCriteria, ...]
    plan: ExaminationPlan

    @property
    def grading_set(self) -> CriteriaSet:
        """The set whose grades become findings."""
        return next(entry for entry in self.criteria if entry.id == self.grading)


NOTHING_YET: Final = MmnSupport(support=Support.NOT_ASSESSABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A study with what has been worked out so far; nerves stand in anatomical order.

    `marked` are the recordings of the study one for one, as the cart sent them.
    """

    study: Study
    marked: tuple[Evoked, ...] = ()
    nerves: Mapping[NerveKey, NerveStudy] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    sensory: tuple[SensoryResult, ...] = ()
    mmn: MmnSupport = NOTHING_YET
    guidance: tuple[Action, ...] = ()
    differentials: tuple[Differential, ...] = ()
    pattern: Pattern = NO_PATTERN
    mimics: tuple[Mimic, ...] = ()
    checklist: tuple[Step, ...] = ()

    @property
    def recordings(self) -> tuple[Evoked, ...]:
        """The recordings used, nerve by nerve, the motor ones first."""
        snaps: dict[NerveKey, list[Evoked]] = {}
        for entry in self.sensory:
            snaps.setdefault((entry.nerve, entry.side), []).append(entry.evoked)
        return tuple(
            entry for key, nerve in self.nerves.items() for entry in (*nerve.sites, *snaps.get(key, ()))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What the stages of one study share: the reference, the norms for this person, the circumstances."""

    reference: Reference
    person: Person
    norms: NormTable
    about: Circumstances

    @classmethod
    def of(cls, examination: Examination, reference: Reference) -> "Judging":
        """For an examination whose nerves have been compared."""
        header = examination.study.header
        person = person_of(header)
        sites = (entry for nerve in examination.nerves.values() for entry in nerve.sites)
        about = Circumstances(
            anatomy=reference.anatomy,
            thresholds=reference.thresholds,
            clinical=header.clinical,
            median_over_ulnar=MedianOverUlnar.of(sites),
        )
        return cls(reference=reference, person=person, norms=reference.norms.for_person(person), about=about)

    @property
    def motor_limits(self) -> MotorLimits:
        """What motor latencies, amplitudes and velocities of this person are judged by."""
        about = self.about
        return MotorLimits(norms=self.norms, anatomy=about.anatomy, thresholds=about.thresholds)


StudyStage = Callable[[Examination, Judging], Examination]


def grade(examination: Examination, judging: Judging) -> Examination:
    """Grade every segment under every set, and gate the grading set's grade to a finding."""
    sets, grading = judging.reference.criteria, judging.reference.grading_set
    found = [
        finding(segment, sets, grading, judging.norms, judging.about)
        for nerve in examination.nerves.values()
        for segment in nerve.segments
    ]
    return replace(examination, findings=tuple(found))


def sense(examination: Examination, judging: Judging) -> Examination:
    """Judge the SNAPs of every nerve against the norm table, and side against side."""
    results = [result for key in examination.nerves for result in _snaps(examination, key, judging)]
    return replace(examination, sensory=compared_sides(results, judging.about.thresholds))


def _snaps(examination: Examination, key: NerveKey, judging: Judging) -> tuple[SensoryResult, ...]:
    nerve, norms = examination.nerves[key], judging.norms
    anatomy, thresholds = judging.about.anatomy, judging.about.thresholds
    found = sensory_results(nerve.known, norms, anatomy, thresholds)
    if key[0] != "ulnar" or all(entry.result is not SensoryGrade.ABNORMAL for entry in found):
        return found  # nothing that a compressed ulnar nerve could explain
    grading = judging.reference.grading_set
    entrapped = ulnar_at_elbow(nerve.segments, grading, norms, anatomy, thresholds)
    return sensory_results(nerve.known, norms, anatomy, thresholds, ulnar_entrapped=entrapped)


def guide(examination: Examination, judging: Judging) -> Examination:
    """List what is still to record before the electrodes come off."""
    declined = examination.study.declined
    anatomy = judging.about.anatomy
    wanted = guidance(examination.findings, examination.sensory, anatomy, judging.norms, declined)
    return replace(examination, guidance=wanted)


def support(examination: Examination, judging: Judging) -> Examination:
    """Say what the findings of all nerves amount to."""
    findings, sensory = examination.findings, examination.sensory
    reference, about = judging.reference, judging.about
    grade_of_support, reasons = mmn_support(findings, sensory, about)
    nerves = {nerve for nerve, _ in examination.nerves}
    mmn = MmnSupport(
        support=grade_of_support,
        reasons=reasons,
        missing=tuple(str(action) for action in examination.guidance),
        caveats=(
            *caveats(reference.criteria, findings, sensory, judging.norms, about),
            *reference.norms.caveats(judging.person, nerves),
            *(f"declined:{action}:{why}" for action, why in examination.study.declined.items()),
            *exclusions(examination.study),
            *(("unusable_records",) if examination.study.incomplete else ()),
        ),
    )
    return replace(examination, mmn=mmn)


def differentiate(examination: Examination, judging: Judging) -> Examination:
    """Say what pattern the findings make and what else could explain them."""
    findings, sensory = examination.findings, examination.sensory
    reference, about, norms = judging.reference, judging.about, judging.norms
    sites = [entry for nerve in examination.nerves.values() for entry in nerve.sites]
    listed = differentials(reference.differentials, findings, sites, sensory, norms, about)
    evidence = Evidence(
        findings=findings,
        sensory=sensory,
        differentials=listed,
        grading=reference.grading_set,
        norms=norms,
        about=about,
    )
    return replace(
        examination,
        differentials=listed,
        pattern=pattern(findings, about),
        mimics=mimics(evidence),
        checklist=checklist(
            reference.plan, (*examination.study.in_force, *(entry.recording for entry in sites))
        ),
    )


STUDY_STAGES: Final[tuple[StudyStage, ...]] = (grade, sense, guide, support, differentiate)


def take(examination: Examination, fact: Fact, reference: Reference) -> Examination:
    """The examination after one more fact; what it touches is compared anew, nerve by nerve."""
    if isinstance(fact, RecordUnusable) and examination.study.incomplete:
        return examination  # a cart can send thousands
    study, marked = examination.study.with_fact(fact), examination.marked
    if isinstance(fact, Recording):
        marked = (*marked, evoked(fact, reference.markers))
    anew = {*touched(examination.study, fact), *touched(study, fact)}
    found = by_nerve(marked, study) if anew else {}
    nerves = {key: nerve for key, nerve in examination.nerves.items() if key not in anew}
    nerves |= {
        key: compare(found[key], reference.anatomy, reference.thresholds) for key in anew & found.keys()
    }
    return _conclude(study, marked, nerves, reference)


def _ordered(nerves: Mapping[NerveKey, NerveStudy], reference: Reference) -> dict[NerveKey, NerveStudy]:
    order = list(reference.anatomy.nerves)
    return dict(sorted(nerves.items(), key=lambda entry: (order.index(entry[0][0]), entry[0][1])))


def _conclude(
    study: Study, marked: tuple[Evoked, ...], nerves: Mapping[NerveKey, NerveStudy], reference: Reference
) -> Examination:
    examination = Examination(study=study, marked=marked, nerves=_ordered(nerves, reference))
    judging = Judging.of(examination, reference)
    for stage in STUDY_STAGES:
        examination = stage(examination, judging)
    return examination


def examine(study: Study, reference: Reference) -> Examination:
    """A whole study at once: the same as one fact after the other."""
    marked = tuple(evoked(recording, reference.markers) for recording in study.recordings)
    nerves = {
        key: compare(known, reference.anatomy, reference.thresholds)
        for key, known in by_nerve(marked, study).items()
    }
    return _conclude(study, marked, nerves, reference)


def assessment(examination: Examination, reference: Reference) -> Assessment:
    """What the gateway says about the examination as it stands."""
    return Assessment(
        header=examination.study.header,
        grading=reference.grading,
        norms=reference.norms.id,
        criteria=reference.criteria,
        recordings=examination.recordings,
        findings=examination.findings,
        motor_limits=Judging.of(examination, reference).motor_limits,
        sensory=examination.sensory,
        sensory_normal=sensory_normal(examination.sensory),
        mmn=examination.mmn,
        guidance=examination.guidance,
        differentials=examination.differentials,
        pattern=examination.pattern,
        mimics=examination.mimics,
        checklist=examination.checklist,
    )
