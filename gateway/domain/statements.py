"""What an operator's statement may say, and whether a study says it already.

Whatever passes `check` can be folded into any study: what is impossible is refused where it is stated, not
where a later recording meets it.
"""

from dataclasses import fields, replace
from datetime import date
from typing import Final, NamedTuple

from gateway.domain.corrections import RecordingAmended, amended
from gateway.domain.recording import NO_RESPONSE, Modality, Recording, Side
from gateway.domain.study import (
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    Patient,
    PatientStated,
    Statement,
    Study,
    completed,
)
from gateway.errors import DataError


class _Range(NamedTuple):
    largest: float
    unit: str


# Beyond them it is a slip, not a patient: a century; a normal protein (0.15 to 0.45 g/L) in mg/dL or mg/L.
_RANGES: Final = {"symptom_onset_days": _Range(36_525, "days"), "csf_protein_g_l": _Range(10, "g/L")}
_CLINICAL: Final = tuple(entry.name for entry in fields(ClinicalFacts))
# What can be said of this recording can be said of every other.
_ANY: Final = Recording(
    modality=Modality.MOTOR,
    nerve="",
    side=Side.RIGHT,
    recording_site="",
    stimulation_site="",
    measured=NO_RESPONSE,
)


def check(statement: Statement) -> None:
    """DataError, placed at the quantity, where the statement says something impossible."""
    if isinstance(statement, ClinicalStated):
        _check_clinical(statement)
    elif isinstance(statement, DetailStated):
        _check_detail(statement)
    elif isinstance(statement, RecordingAmended):
        _check_amendment(statement)
    elif isinstance(statement, PatientStated) and statement.patient is not None:
        _check_patient(statement.patient)


def _check_clinical(statement: ClinicalStated) -> None:
    for name, (largest, unit) in _RANGES.items():
        value = getattr(statement.clinical, name)
        if value is not None and not 0 <= value <= largest:  # NaN fails every comparison
            raise DataError(f"is impossible: must be 0 to {largest:g} {unit}; is it in another unit?", name)
    if not set(statement.forgotten) <= set(_CLINICAL):
        raise DataError(f"not clinical facts; known: {', '.join(_CLINICAL)}", "forgotten")


def _check_detail(statement: DetailStated) -> None:
    is_flag = statement.name == "supramaximal"
    if statement.value is not None and isinstance(statement.value, bool) != is_flag:
        raise DataError("must be yes or no" if is_flag else "must be a number", statement.name)
    named = replace(
        _ANY,
        nerve=statement.nerve,
        side=statement.side,
        recording_site=statement.recording_site or "",
        stimulation_site=statement.stimulation_site or "",
    )
    completed(named, (statement,))


def _check_amendment(statement: RecordingAmended) -> None:
    if bool(statement.changes) != (statement.reason is not None):
        raise DataError("an amendment has changes and a reason, or neither", "reason")
    amended(_ANY, statement.changes)


def _check_patient(patient: Patient) -> None:
    if patient.id is None and patient != Patient():
        raise DataError("a patient of whom something is known has an id", "id")
    if patient.birth_date is not None:
        try:
            date.fromisoformat(patient.birth_date)
        except ValueError as error:
            raise DataError("must be a day, such as 1971-03-05", "birth_date") from error


def said_already(study: Study, statement: Statement) -> bool:
    """Whether `statement` is the latest word on its subject, so that saying it again changes nothing."""
    if not isinstance(statement, DetailStated):
        return study.with_fact(statement) == study
    words = (entry for entry in reversed(study.details) if _may_meet(entry, statement))
    latest = next(words, None)
    return statement.value is None if latest is None else latest == statement


def _may_meet(one: DetailStated, other: DetailStated) -> bool:
    """Whether there can be a recording that both are about."""
    same = (one.name, one.nerve, one.side) == (other.name, other.nerve, other.side)
    sites = (
        (one.recording_site, other.recording_site),
        (one.stimulation_site, other.stimulation_site),
    )
    return same and all(None in pair or pair[0] == pair[1] for pair in sites)
