"""The examination: a study is the fold of its facts, nothing in it is ever overwritten.

A driver delivers facts (`StudyOpened`, `Recording`, `ExamEnded`), an operator states others; the journal
keeps them in the order they came; `fold` makes a `Study` of them. A clock step cannot reorder them: no time
takes part. Only what comes together, in no order of its own, is put into that of the device's clock first
(`as_recorded`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from gateway.domain.corrections import (
    Amendment,
    Correction,
    ExcludeReason,
    RecordingAmended,
    RecordingExcluded,
    amended,
    differing,
)
from gateway.domain.recording import Recording, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whom the study belongs to. Goes to HL7 and to nothing else."""

    id: str | None = None
    family: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: Literal["F", "M", "O", "U"] | None = None
    height_cm: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The cart as it names itself."""

    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order this study answers, where the cart knows it."""

    placer: str | None = None
    accession: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalFacts:
    """What the electrodes cannot tell; `None` is unknown."""

    symptom_onset_days: float | None = None
    umn_signs: bool | None = None
    anti_gm1_igm: Literal["positive", "negative"] | None = None
    csf_protein_g_l: float | None = None
    plexus_mri_abnormal: bool | None = None
    ivig_response: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyHeader:
    """Everything about a study but its recordings. `performed_at` is RFC 3339, by the device's clock."""

    study_id: str
    performed_at: str
    patient: Patient = Patient()
    device: Device = Device()
    order: Order = Order()
    clinical: ClinicalFacts = ClinicalFacts()
    simulated: bool = False

    def with_later(self, later: "StudyHeader") -> "StudyHeader":
        """The header after a cart sent another: what is known stays known, what is simulated stays so."""
        return StudyHeader(
            study_id=self.study_id,
            performed_at=self.performed_at,
            patient=_filled_in(self.patient, later.patient),
            device=_filled_in(self.device, later.device),
            order=_filled_in(self.order, later.order),
            clinical=_filled_in(self.clinical, later.clinical),
            simulated=self.simulated or later.simulated,
        )


_Part = TypeVar("_Part", Patient, Device, Order, ClinicalFacts)


def _filled_in(earlier: _Part, later: _Part) -> _Part:
    known = {entry.name: getattr(later, entry.name) for entry in fields(later)}
    return replace(earlier, **{name: value for name, value in known.items() if value is not None})


@dataclass(frozen=True, slots=True)
class StudyOpened:
    """A driver saw this header, for the first time or changed."""

    header: StudyHeader


@dataclass(frozen=True, slots=True)
class ExamEnded:
    """The examination is over; a later recording re-opens it."""

    by: Literal["device", "operator", "timeout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUnusable:
    """Something that the cart sent of the study cannot be used: its place in the message, and why.

    Holds nothing of what was sent. Sent again rightly it is a recording like any other; this stays.
    """

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalStated:
    """An operator stated clinical facts; those in `forgotten` are unknown again."""

    clinical: ClinicalFacts = ClinicalFacts()
    forgotten: tuple[str, ...] = ()


DetailName = Literal["skin_temperature_c", "distance_mm", "supramaximal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailStated:
    """An operator stated what the cart did not record, for every recording it names; None: takes it back.

    A recording is named by nerve and side, and by its sites where they are given. What a cart recorded
    itself is never replaced.
    """

    name: DetailName
    value: float | bool | None
    nerve: str
    side: Side
    recording_site: str | None = None
    stimulation_site: str | None = None

    def names(self, recording: Recording) -> bool:
        """Whether the statement is about `recording`."""
        sites = (
            (self.recording_site, recording.recording_site),
            (self.stimulation_site, recording.stimulation_site),
        )
        same_nerve = (self.nerve, self.side) == (recording.nerve, recording.side)
        return same_nerve and all(stated in (None, site) for stated, site in sites)


DeclineReason = Literal["amputation", "wound_or_cast", "patient_stops", "not_tolerated", "not_indicated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDeclined:
    """Nobody will make what was asked for (`action`: as published), and why; None: will after all."""

    action: str
    reason: DeclineReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAcknowledged:
    """Somebody at a lab screen has seen an alert; the study itself stays as it is.

    `by` and `screen` are as the screen gave them, `time` is the gateway's: UTC with milliseconds.
    """

    alert_id: str
    by: str
    screen: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientStated:
    """An operator says whose the study is in truth; None: it is the cart's patient's after all.

    A `Patient` without an id says that it is another's, and that nobody knows yet whose.
    """

    patient: Patient | None

    @property
    def whose(self) -> Literal["cart's", "another's", "nobody's"]:
        """Whose it is by this, without a word of who that is."""
        if self.patient is None:
            return "cart's"
        return "nobody's" if self.patient.id is None else "another's"


Statement = ClinicalStated | DetailStated | ActionDeclined | PatientStated | Correction
Fact = StudyOpened | Recording | RecordUnusable | ExamEnded | Statement | AlertAcknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A header, the recordings in the order they came, what operators stated, and whether it is over.

    `details` stand in the order they were stated; `declined` holds the reason by action, `amended` and
    `excluded` the last word by the identity of a recording. `recordings` are as the cart sent them.
    `header.patient` is whom the study belongs to; where an operator said so, `patient_sent` is whom the cart
    named. `filing` counts, from 1, under how many patients it was filed. `incomplete`: the cart sent more
    than could be used.
    """

    header: StudyHeader
    recordings: tuple[Recording, ...] = ()
    ended: bool = False
    details: tuple[DetailStated, ...] = ()
    declined: Mapping[str, DeclineReason] = field(default_factory=dict)
    amended: Mapping[str, RecordingAmended] = field(default_factory=dict)
    excluded: Mapping[str, ExcludeReason] = field(default_factory=dict)
    patient_sent: Patient | None = None
    filing: int = 1
    incomplete: bool = False

    @property
    def is_nobodys(self) -> bool:
        """Whether it is not the cart's patient's, and nobody said whose: nothing of it may be filed."""
        return self.patient_sent is not None and self.header.patient.id is None

    def corrected(self, recording: Recording) -> Recording:
        """One of the recordings as it was amended."""
        word = self.amended.get(recording.identity or "")
        return recording if word is None else amended(recording, word.changes)

    def amendment(self, recording: Recording) -> Amendment | None:
        """How one of the recordings was amended; None where it stands as the cart sent it."""
        word = self.amended.get(recording.identity or "")
        names = () if word is None else differing(recording, word.changes)
        if word is None or word.reason is None or not names:
            return None
        return Amendment(reason=word.reason, as_recorded={name: getattr(recording, name) for name in names})

    def exclusion(self, recording: Recording) -> ExcludeReason | None:
        """Why one of the recordings does not count; None where it does."""
        return self.excluded.get(recording.identity or "")

    @property
    def in_force(self) -> tuple[Recording, ...]:
        """What counts, in the order it came: the recordings as amended, without those excluded."""
        if not self.amended and not self.excluded:
            return self.recordings
        return tuple(self.corrected(entry) for entry in self.recordings if self.exclusion(entry) is None)

    def with_fact(self, fact: Fact) -> "Study":
        """The study after one more fact; a statement neither ends nor re-opens it."""
        if isinstance(fact, Recording):
            return replace(self, recordings=(*self.recordings, fact), ended=False)
        if isinstance(fact, StudyOpened):
            return _told_by_cart(self, fact.header)
        if isinstance(fact, RecordUnusable):
            return replace(self, incomplete=True)
        if isinstance(fact, ClinicalStated):
            return replace(self, header=replace(self.header, clinical=_stated(self.header.clinical, fact)))
        if isinstance(fact, DetailStated):
            return replace(self, details=(*self.details, fact))
        if isinstance(fact, ActionDeclined):
            return replace(self, declined=_last_word(self.declined, fact.action, fact.reason))
        if isinstance(fact, PatientStated):
            return _filed(self, fact.patient)
        if isinstance(fact, RecordingAmended):
            word = fact if fact.changes else None
            return replace(self, amended=_last_word(self.amended, fact.identity, word))
        if isinstance(fact, RecordingExcluded):
            return replace(self, excluded=_last_word(self.excluded, fact.identity, fact.reason))
        return replace(self, ended=True) if isinstance(fact, ExamEnded) else self


def _told_by_cart(study: Study, later: StudyHeader) -> Study:
    """The study after another header; what an operator said of its patient stands."""
    if study.patient_sent is None:
        return replace(study, header=study.header.with_later(later))
    sent = replace(study.header, patient=study.patient_sent).with_later(later)
    return replace(study, header=replace(sent, patient=study.header.patient), patient_sent=sent.patient)


def _filed(study: Study, stated: Patient | None) -> Study:
    """The study under the patient an operator stated, or again (None) under the cart's."""
    sent = study.header.patient if study.patient_sent is None else study.patient_sent
    patient = sent if stated is None else stated
    if patient == study.header.patient:
        return study
    return replace(
        study,
        header=replace(study.header, patient=patient),
        patient_sent=None if stated is None else sent,
        filing=study.filing + 1,
    )


_Word = TypeVar("_Word")


def _last_word(said: Mapping[str, _Word], about: str, word: _Word | None) -> dict[str, _Word]:
    """What was said, with the last word about one thing; None takes it back."""
    others = {key: value for key, value in said.items() if key != about}
    return others if word is None else others | {about: word}


def _stated(clinical: ClinicalFacts, statement: ClinicalStated) -> ClinicalFacts:
    return _filled_in(replace(clinical, **dict.fromkeys(statement.forgotten)), statement.clinical)


def completed(recording: Recording, details: Sequence[DetailStated]) -> Recording:
    """The recording with what was stated where the cart recorded nothing; the latest word counts."""
    if not details:
        return recording
    stated: dict[str, float | bool | None] = {}
    for detail in details:
        if detail.names(recording):
            stated[detail.name] = detail.value
    supramaximal = stated.pop("supramaximal", None)
    unknown = {name: value for name, value in stated.items() if getattr(recording, name) is None}
    missing: dict[str, Any] = {name: value for name, value in unknown.items() if value is not None}
    if isinstance(supramaximal, bool) and recording.stimulus.supramaximal is None:
        missing["stimulus"] = replace(recording.stimulus, supramaximal=supramaximal)
    return replace(recording, **missing) if missing else recording


def as_recorded(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Recordings that came together, by the device's clock; those without a time first, as they came."""
    unknown = (entry for entry in recordings if entry.recorded_at is None)
    timed = [(datetime.fromisoformat(entry.recorded_at), entry) for entry in recordings if entry.recorded_at]
    return (*unknown, *(entry for _, entry in sorted(timed, key=lambda pair: pair[0])))


NerveKey = tuple[str, Side]


def fold(opened: StudyOpened, facts: Iterable[Fact]) -> Study:
    """The study that `opened` and then `facts`, in order of arrival, amount to."""
    study = Study(header=opened.header)
    recordings: list[Recording] = []  # not `with_fact`, which copies all of them for each
    for fact in facts:
        if isinstance(fact, Recording):
            recordings.append(fact)
            study = replace(study, ended=False)
        else:
            study = study.with_fact(fact)
    return replace(study, recordings=tuple(recordings))
