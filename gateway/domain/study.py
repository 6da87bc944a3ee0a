"""The examination: a study is the fold of its facts, nothing in it is ever overwritten.

A driver delivers facts (`StudyOpened`, `Recording`, `ExamEnded`); the journal keeps them in the order they
came; `fold` makes a `Study` of them. A clock step cannot reorder them: no time takes part. Only what comes
together, in no order of its own, is put into that of the device's clock first (`as_recorded`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Literal, TypeVar

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


Fact = StudyOpened | Recording | ExamEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A header, the recordings in the order they came, and whether the examination is over."""

    header: StudyHeader
    recordings: tuple[Recording, ...] = ()
    ended: bool = False

    def with_fact(self, fact: Fact) -> "Study":
        """The study after one more fact."""
        if isinstance(fact, Recording):
            return replace(self, recordings=(*self.recordings, fact), ended=False)
        if isinstance(fact, StudyOpened):
            return replace(self, header=self.header.with_later(fact.header))
        return replace(self, ended=True)


def as_recorded(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Recordings that came together, by the device's clock; those without a time first, as they came."""
    unknown = (entry for entry in recordings if entry.recorded_at is None)
    timed = [(datetime.fromisoformat(entry.recorded_at), entry) for entry in recordings if entry.recorded_at]
    return (*unknown, *(entry for _, entry in sorted(timed, key=lambda pair: pair[0])))


NerveKey = tuple[str, Side]


def fold(opened: StudyOpened, facts: Iterable[Fact]) -> Study:
    """The study that `opened` and then `facts`, in order of arrival, amount to."""
    header, ended = opened.header, False
    recordings: list[Recording] = []  # not `with_fact`, which copies all of them for each
    for fact in facts:
        if isinstance(fact, Recording):
            recordings.append(fact)
            ended = False
        elif isinstance(fact, StudyOpened):
            header = header.with_later(fact.header)
        else:
            ended = True
    return Study(header=header, recordings=tuple(recordings), ended=ended)
