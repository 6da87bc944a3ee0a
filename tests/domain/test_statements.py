import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.recording import Recording, Side
from gateway.domain.statements import check, said_already
from gateway.domain.study import (
    ActionDeclined,
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    Fact,
    Patient,
    PatientStated,
    Statement,
    Study,
    StudyOpened,
    completed,
    fold,
)
from gateway.errors import DataError
from tests.factories import header, motor

SNAP = "record_sensory:ulnar:right"


def onset(days: float) -> ClinicalStated:
    return ClinicalStated(clinical=ClinicalFacts(symptom_onset_days=days))


def protein(g_l: float) -> ClinicalStated:
    return ClinicalStated(clinical=ClinicalFacts(csf_protein_g_l=g_l))


def signs(found: bool | None) -> ClinicalStated:
    if found is None:
        return ClinicalStated(forgotten=("umn_signs",))
    return ClinicalStated(clinical=ClinicalFacts(umn_signs=found))


def warm(value: float | None, site: str | None = None) -> DetailStated:
    return DetailStated(
        name="skin_temperature_c", value=value, nerve="ulnar", side=Side.RIGHT, stimulation_site=site
    )


def detail(name: str, value: float | bool | None) -> DetailStated:
    return DetailStated(name=name, value=value, nerve="ulnar", side=Side.RIGHT)  # type: ignore[arg-type]


def declined(reason: str | None) -> ActionDeclined:
    return ActionDeclined(action=SNAP, reason=reason)  # type: ignore[arg-type]


def after(*facts: Fact) -> Study:
    return fold(StudyOpened(header()), facts)


@pytest.mark.parametrize(
    "statement",
    [
        onset(0),
        onset(36_525),
        protein(0.45),
        protein(10),
        signs(found=None),
        warm(31.5),
        detail("distance_mm", 210.0),
        detail("supramaximal", value=False),
        detail("supramaximal", value=None),
        declined("amputation"),
        PatientStated(patient=None),
        PatientStated(patient=Patient()),
        PatientStated(patient=Patient(id="P-2", birth_date="1971-03-05")),
    ],
)
def test_what_is_possible_can_be_stated(statement: Statement) -> None:
    check(statement)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (onset(-1), "symptom_onset_days: .* 0 to 36525 days"),
        (onset(math.nan), "symptom_onset_days: "),
        (protein(450), "csf_protein_g_l: .* 0 to 10 g/L"),
        (protein(45), "csf_protein_g_l: .* 0 to 10 g/L"),
        (ClinicalStated(forgotten=("name",)), "forgotten: .*umn_signs"),
        (warm(88), "skin_temperature_c: .*50"),
        (detail("distance_mm", 0.0), "distance_mm: "),
        (detail("distance_mm", 21_000.0), "distance_mm: .*3000"),
        (detail("distance_mm", value=True), "distance_mm: must be a number"),
        (detail("supramaximal", 1.0), "supramaximal: must be yes or no"),
        (PatientStated(patient=Patient(family="Canary")), "^id: .* has an id"),
        (PatientStated(patient=Patient(id="P-2", birth_date="5.3.1971")), "birth_date: must be a day"),
    ],
)
def test_what_is_impossible_is_refused_with_its_place(statement: Statement, told: str) -> None:
    with pytest.raises(DataError, match=told):
        check(statement)


@pytest.mark.parametrize(
    ("before", "statement", "already"),
    [
        ((), signs(found=True), False),
        ((), signs(found=None), True),
        ((signs(found=True),), signs(found=True), True),
        ((signs(found=True), protein(0.6)), signs(found=True), True),
        ((signs(found=True), signs(found=False)), signs(found=True), False),
        ((signs(found=True),), signs(found=None), False),
        ((), warm(31), False),
        ((), warm(None), True),
        ((warm(31),), warm(31), True),
        ((warm(31), warm(33)), warm(31), False),
        ((warm(31), warm(33, "wrist")), warm(31), False),
        ((warm(31), warm(33, "wrist")), warm(31, "below_elbow"), False),
        ((warm(31, "below_elbow"), warm(33, "wrist")), warm(31, "below_elbow"), True),
        ((warm(31), detail("distance_mm", 210.0)), warm(31), True),
        ((), declined("amputation"), False),
        ((), declined(None), True),
        ((declined("amputation"),), declined("amputation"), True),
        ((declined("amputation"),), declined("patient_stops"), False),
        ((declined("amputation"),), declined(None), False),
    ],
)
def test_a_statement_is_news_unless_it_is_the_latest_word_on_its_subject(
    before: tuple[Fact, ...], statement: Statement, already: bool
) -> None:
    assert said_already(after(*before), statement) == already


WORDS = st.builds(warm, st.sampled_from([None, 31.0, 33.0]), st.sampled_from([None, "wrist", "below_elbow"]))


@given(st.lists(WORDS, max_size=6), WORDS)
def test_what_is_said_already_changes_no_recording(before: list[DetailStated], again: DetailStated) -> None:
    def temperatures(details: list[DetailStated]) -> list[Recording]:
        return [completed(motor(site), details) for site in ("wrist", "below_elbow", "above_elbow")]

    if said_already(after(*before), again):
        assert temperatures([*before, again]) == temperatures(before)
