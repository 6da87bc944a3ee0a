"""A study of another patient: taken back from the wrong one, sent anew for the right one."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.commands.hl7_validation import validate
from gateway.domain.corrections import RecordingExcluded
from gateway.domain.recording import Side
from gateway.domain.study import ExamEnded, Fact, Patient, PatientStated
from gateway.pipeline.publication import Publication
from gateway.protocols import er7
from gateway.protocols.oru import MessageHeader
from gateway.store.outbox import Results
from tests.factories import median
from tests.pipeline.test_publication import (
    BLOCKED,
    CODE,
    END,
    EVERYWHERE,
    HOUR,
    OPENED,
    SNAP,
    WRIST,
    Course,
    engine,
    kinds,
    observations,
    orders,
    reports,
)

RIGHT = PatientStated(patient=Patient(id="P-2", family="Right"))
UNKNOWN = PatientStated(patient=Patient())
TAKEN_BACK = PatientStated(patient=None)
CART = OPENED.header.patient


def patient(report: er7.Message) -> str:
    found = report.first("PID")
    return found.text(3) if found else ""


def ended(**changes: Any) -> Course:
    course = Course(**changes)
    course.after_all(OPENED, WRIST, BLOCKED, SNAP, END)
    return course


def test_all_that_was_sent_is_taken_from_the_wrong_patient_and_goes_out_for_the_right_one() -> None:
    course = Course()
    (first,) = reports(course.after_all(OPENED, WRIST, BLOCKED, SNAP, END))
    gone, anew = reports(course.after(RIGHT))

    assert (patient(first), patient(gone), patient(anew)) == (CART.id, CART.id, "P-2")
    assert orders(gone) == orders(first)
    assert observations(gone) == dict.fromkeys(observations(first), "W")
    assert [obx.raw(5) for obx in gone.all("OBX")] == [""] * len(observations(gone))
    assert len({report.header.text(10) for report in (first, gone, anew)}) == 3
    assert observations(anew) == observations(first)
    assert orders(anew) == [number.replace(CODE, f"{CODE}-2") for number in orders(first)]


def test_what_is_taken_back_also_names_what_was_withdrawn_before() -> None:
    course = Course()
    named = replace(BLOCKED, identity="0" * 64)
    course.after_all(OPENED, WRIST, named, SNAP, END)
    (last,) = reports(course.after(RecordingExcluded(identity="0" * 64, reason="artefact")))
    assert "D" in observations(last).values()
    gone, _ = reports(course.after(RIGHT))
    assert observations(gone) == dict.fromkeys(observations(last), "W")


def test_hl7apy_finds_nothing_wrong_with_it() -> None:
    for message in ended().after(RIGHT).messages:
        assert validate(message.payload) == []


def test_nothing_is_sent_while_nobody_knows_whose_it_is() -> None:
    course = ended()
    (gone,) = reports(course.after(UNKNOWN))
    assert set(observations(gone).values()) == {"W"}
    assert course.after_all(median("wrist"), END).messages == ()

    (anew,) = reports(course.after(RIGHT))
    assert patient(anew) == "P-2"
    assert {number.partition(".")[0] for number in orders(anew)} == {f"{CODE}-3"}


def test_what_was_said_can_be_taken_back_under_numbers_of_its_own() -> None:
    course = ended()
    course.after(RIGHT)
    gone, again = reports(course.after(TAKEN_BACK))
    assert (patient(gone), patient(again)) == ("P-2", CART.id)
    assert {number.partition(".")[0] for number in orders(gone)} == {f"{CODE}-2"}
    assert {number.partition(".")[0] for number in orders(again)} == {f"{CODE}-3"}


def test_before_anything_was_sent_there_is_nothing_to_take_back() -> None:
    course = Course()
    assert course.after_all(OPENED, WRIST, RIGHT).messages == ()
    (report,) = reports(course.after(END))
    assert patient(report) == "P-2"


def test_an_engine_that_was_told_so_far_is_told_before_the_end_too() -> None:
    everywhere = Publication(
        site="lab1", clear_after=HOUR, destinations=(engine("curious", interim=True), engine("patient"))
    )
    course = Course(publication=everywhere)
    course.after_all(OPENED, WRIST, SNAP)
    found = course.after(RIGHT)
    assert [(message.sink, message.takes_back) for message in found.messages] == [
        ("curious", True),
        ("patient", True),  # the store drops it where nothing was sent
        ("curious", False),
    ]
    assert [message.filing for message in found.messages] == [1, 1, 2]


def test_what_follows_is_of_the_new_filing_only() -> None:
    course = ended()
    course.after(RIGHT)
    (report,) = reports(course.after_all(median("elbow", distance_mm=220.0), END))
    assert patient(report) == "P-2"
    assert {number.partition(".")[0] for number in orders(report)} == {f"{CODE}-2"}


def test_screens_hear_nothing_of_a_patient_and_alerts_go_on() -> None:
    course = ended()
    before = dict(course.said.alerts)
    found: Results = course.after(RIGHT)
    assert course.said.alerts == before
    assert "alert" not in kinds(found)
    assert not any("P-2" in str(event.data) or "Right" in str(event.data) for event in found.events)


def test_simulated_data_is_not_taken_back_from_production_which_never_had_it() -> None:
    fixed = Publication(destinations=(engine("his"),))
    destination = fixed.destinations[0]
    production = Publication(
        destinations=(type(destination)(sink="his", header=MessageHeader(processing_id="P")),)
    )
    course = Course(publication=production)
    opened = type(OPENED)(
        type(OPENED.header)(study_id="S-1", performed_at=OPENED.header.performed_at, simulated=True)
    )
    course.after_all(opened, WRIST, END)
    assert [message.state for message in course.after(RIGHT).messages] == ["refused", "refused"]


def test_the_same_statement_is_no_second_message() -> None:
    course = Course(publication=EVERYWHERE)
    course.after_all(OPENED, WRIST, END, RIGHT)
    assert not any(message.takes_back for message in course.after(RIGHT).messages)


PATIENTS = [PatientStated(patient=Patient(id=name)) for name in ("P-2", "P-3")]
steps = st.sampled_from(
    [*PATIENTS, UNKNOWN, TAKEN_BACK, END, median("wrist", side=Side.LEFT), replace(SNAP, side=Side.LEFT)]
)


@settings(max_examples=60, deadline=None)  # whole examinations each
@given(st.lists(steps, min_size=1, max_size=8))
def test_whatever_is_said_no_patient_keeps_what_is_another_s(said: list[Fact]) -> None:
    filed: dict[str, set[tuple[str, ...]]] = {}  # what each patient's chart holds, by OBR-3's stem
    course = ended()
    first = reports(course.after(ExamEnded(by="operator")))
    assert first
    for fact in [None, *said]:
        for report in first if fact is None else reports(course.after(fact)):
            stem = orders(report)[0].partition(".")[0]
            chart = filed.setdefault(f"{patient(report)} {stem}", set())
            for name, status in observations(report).items():
                (chart.discard if status == "W" else chart.add)((stem, *name))
        study = course.examination.study  # type: ignore[union-attr]  # there is one
        wrong = {
            chart
            for chart, held in filed.items()
            if held and not chart.startswith(f"{study.header.patient.id} ")
        }
        assert wrong == set()
        if study.is_nobodys:
            assert not any(filed.values())
