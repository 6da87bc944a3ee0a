"""Whose a study is: the cart's patient, until an operator says otherwise, whatever a cart says after that."""

from gateway.domain.study import Patient, PatientStated, Study, StudyOpened, fold
from tests.factories import header, motor

CART = Patient(id="P-1", family="Wrong")
RIGHT = Patient(id="P-2", family="Right", height_cm=170.0)


def after(*words: Patient | StudyOpened | None) -> Study:
    facts = (word if isinstance(word, StudyOpened) else PatientStated(patient=word) for word in words)
    return fold(StudyOpened(header(patient=CART)), [motor("wrist"), *facts])


def test_what_an_operator_says_counts_and_what_the_cart_said_is_kept() -> None:
    found = after(RIGHT)
    assert (found.header.patient, found.patient_sent, found.filing) == (RIGHT, CART, 2)
    assert not found.is_nobodys


def test_every_change_of_patient_is_a_filing_of_its_own_also_back() -> None:
    assert [after(*words).filing for words in ([], [RIGHT], [RIGHT, RIGHT], [RIGHT, None])] == [1, 2, 2, 3]
    back = after(RIGHT, None)
    assert (back.header.patient, back.patient_sent) == (CART, None)


def test_taking_back_what_nobody_said_changes_nothing() -> None:
    assert after(None) == after()


def test_a_study_of_another_patient_whom_nobody_knows_is_nobodys() -> None:
    assert after(Patient()).is_nobodys
    assert not after(Patient(), RIGHT).is_nobodys
    assert not fold(StudyOpened(header(patient=Patient())), []).is_nobodys  # the cart may know none


def test_a_cart_that_repeats_its_patient_does_not_overrule_the_operator() -> None:
    more = StudyOpened(header(patient=Patient(id="P-1", given="Too")))
    found = after(RIGHT, more)
    assert found.header.patient == RIGHT
    assert found.filing == 2
    assert after(RIGHT, more, None).header.patient == Patient(id="P-1", family="Wrong", given="Too")
