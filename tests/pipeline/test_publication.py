from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.recording import Recording
from gateway.domain.study import (
    AlertAcknowledged,
    ClinicalFacts,
    ExamEnded,
    Fact,
    Patient,
    RecordUnusable,
    Study,
    StudyHeader,
    StudyOpened,
)
from gateway.pipeline.publication import Destination, Publication, Said, cleared, results, seen
from gateway.pipeline.stages import Examination, examine, take
from gateway.protocols import er7
from gateway.protocols.er7 import Message as Report
from gateway.protocols.oru import MessageHeader
from gateway.store.journal import JournaledFact
from gateway.store.outbox import Results
from gateway.store.studies import StoredStudy
from tests.factories import header, median, median_sensory, motor, motor_marks, reference, sensory

CODE, CART = "ABCDEFGH", "cart-a"
NOW = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)

OPENED = StudyOpened(header())
WRIST = median("wrist", distance_mm=70.0)
BLOCKED = median(
    "elbow",
    motor_marks(onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6),
    distance_mm=220.0,
)
BLOCKED_ANEW = median(
    "elbow",
    motor_marks(onset_latency_ms=7.0, amplitude_mv=2.0, negative_area_mv_ms=7.5, negative_duration_ms=6.6),
    distance_mm=220.0,
)
UNBLOCKED = median("elbow", motor_marks(onset_latency_ms=7.0), distance_mm=220.0)
SNAP = median_sensory()
END = ExamEnded(by="device")


def engine(name: str = "engine", **changes: Any) -> Destination:
    return Destination(**{"sink": name, "header": MessageHeader()} | changes)


EVERYWHERE = Publication(site="lab1", clear_after=HOUR, destinations=(engine(),))


@dataclass
class Course:
    """One examination, fact after fact, and what follows from each."""

    publication: Publication = EVERYWHERE
    examination: Examination | None = None
    said: Said = field(default_factory=Said)
    number: int = 0

    def after(self, fact: Fact) -> Results:
        self.number += 1
        before = self.examination
        if before is None:
            assert isinstance(fact, StudyOpened)
            self.examination = Examination(study=Study(header=fact.header))
        else:
            self.examination = take(before, fact, reference())
        found, self.said = results(
            JournaledFact(id=self.number, code=CODE, cart=CART, fact=fact),
            before,
            self.examination,
            self.said,
            reference=reference(),
            publication=self.publication,
            now=NOW,
        )
        return found

    def after_all(self, *facts: Fact) -> Results:
        """What follows from the last of `facts`."""
        return [self.after(fact) for fact in facts][-1]


def kinds(found: Results) -> list[str]:
    parts = [event.topic.split("/") for event in found.events]
    return [part[0] if part[0] == "alert" else part[2] for part in parts]


def reports(found: Results) -> list[Report]:
    return [er7.parse(message.payload) for message in found.messages]


def orders(report: Report) -> list[str]:
    """OBR-3 of every OBR."""
    return [segment.text(3) for segment in report.all("OBR")]


def observations(report: Report) -> dict[tuple[str, str], str]:
    """OBX-3 and OBX-4 name every observation, OBX-11 is its status."""
    return {(obx.text(3), obx.text(4)): obx.text(11) for obx in report.all("OBX")}


def test_a_header_alone_says_nothing_to_anybody() -> None:
    found = Course().after(OPENED)

    assert (found.events, found.messages, found.clear_at) == ((), (), None)
    assert (found.code, found.fact_id) == (CODE, 1)


def test_the_first_recording_is_told_with_what_is_missing_and_what_is_known() -> None:
    found = Course().after_all(OPENED, WRIST)

    assert kinds(found) == ["recording", "guidance", "assessment"]
    assert found.events_sink == "emg/v1/lab1/cart-a"
    assert found.messages == ()


def test_a_block_is_told_in_order_and_raises_an_alert() -> None:
    found = Course().after_all(OPENED, WRIST, BLOCKED)

    assert kinds(found) == ["recording", "segment", "guidance", "assessment", "alert"]
    assert [event.retain for event in found.events] == [False, False, False, True, True]
    alert = found.events[-1].data
    assert alert is not None
    assert (alert["state"], alert["phase"]) == ("active", "start")
    assert list(found.alerts) == [alert["alert_id"]]


def test_a_recording_tells_what_it_changed_and_no_more() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED, SNAP)

    assert kinds(course.after(sensory())) == ["recording", "assessment"]


def test_a_finding_that_was_wrong_is_taken_back_in_the_open() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED)

    found = course.after(UNBLOCKED)

    assert kinds(found) == ["recording", "segment", "guidance", "assessment", "alert"]
    segment, alert = found.events[1].data, found.events[-1].data
    assert segment is not None
    assert alert is not None
    assert segment["finding"] == "none"
    assert (alert["state"], alert["phase"]) == ("latched", "end")


def test_the_end_gives_one_message_a_destination_and_the_time_to_clear() -> None:
    course = Course(replace(EVERYWHERE, destinations=(engine("one"), engine("two"))))

    found = course.after_all(OPENED, WRIST, BLOCKED, END)

    assert [(message.sink, message.control_id) for message in found.messages] == [
        ("one", f"{CODE}-4"),
        ("two", f"{CODE}-4"),
    ]
    assert found.clear_at == NOW + HOUR
    assert found.events == ()
    assert [report.header.text(10) for report in reports(found)] == [f"{CODE}-4"] * 2
    assert orders(reports(found)[0]) == [f"{CODE}.0", f"{CODE}.1"]


def test_a_recording_after_the_end_re_opens_the_examination() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, END)

    found = course.after(BLOCKED)

    assert found.clear_at is None
    assert found.messages == ()
    assert kinds(found)[-1] == "alert"


def test_a_correction_is_a_new_message_about_the_same_observations() -> None:
    course = Course()
    (first,) = reports(course.after_all(OPENED, WRIST, BLOCKED, END))

    found = course.after_all(UNBLOCKED, SNAP, ExamEnded(by="timeout"))

    (second,) = reports(found)
    assert first.header.text(10) != second.header.text(10)
    assert second.header.text(10) == found.messages[0].control_id == f"{CODE}-7"
    assert set(orders(first)) < set(orders(second))
    assert set(observations(first)) < set(observations(second))
    assert found.clear_at == NOW + HOUR


def test_what_was_reported_and_is_gone_is_withdrawn() -> None:
    measured = motor_marks(onset_latency_ms=7.0, peak_to_peak_mv=5.0, amplitude_mv=2.0)
    course = Course()
    (first,) = reports(course.after_all(OPENED, WRIST, median("elbow", measured), END))

    (second,) = reports(course.after_all(BLOCKED, ExamEnded(by="timeout")))

    gone = [name for name, status in observations(second).items() if status == "D"]
    assert [code for code, _ in gone] == ["CMAP-PPA"]
    assert set(gone) < set(observations(first))


def test_a_changed_header_changes_what_is_said_of_the_patient_and_not_of_the_nerves() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED, SNAP)

    found = course.after(StudyOpened(header(clinical=ClinicalFacts(umn_signs=True))))

    assert kinds(found) == ["assessment"]
    assert found.messages == ()


def test_a_header_that_changes_before_any_recording_says_nothing() -> None:
    found = Course().after_all(OPENED, StudyOpened(header(patient=Patient(id="P-2"))))

    assert (found.events, found.messages) == ((), ())


@pytest.mark.parametrize(
    ("changes", "events"),
    [
        ({"patient": Patient(id="P-1", family="Corrected")}, []),
        ({"clinical": ClinicalFacts(umn_signs=True)}, ["assessment"]),
    ],
)
def test_a_header_that_changes_after_the_end_is_a_correction(
    changes: dict[str, Any], events: list[str]
) -> None:
    course = Course()
    (first,) = reports(course.after_all(OPENED, WRIST, BLOCKED, SNAP, END))

    found = course.after(StudyOpened(header(**changes)))

    (second,) = reports(found)
    assert kinds(found) == events
    assert found.clear_at == NOW + HOUR
    assert second.header.text(10) != first.header.text(10)
    assert observations(second).keys() >= observations(first).keys()


def test_that_records_could_not_be_used_is_told_once_to_screens_and_engines() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, END)
    first = course.after(RecordUnusable(place="record 5 (R|2)", reason="nerve: unknown nerve"))
    again = course.after(RecordUnusable(place="record 6 (R|3)", reason="nerve: unknown nerve"))
    (message,) = first.messages
    assert b"unusable_records" in message.payload
    assert [event.topic for event in first.events] == [f"study/{CODE}/assessment"]
    assert (again.messages, again.events) == ((), ())


def test_the_time_on_a_message_that_is_sent_again_is_no_news() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, END)

    found = course.after(StudyOpened(header(performed_at="2026-11-02T10:40:00+01:00")))

    assert (found.events, found.messages) == ((), ())


def test_the_same_fact_on_the_same_study_gives_the_same_results() -> None:
    facts = (OPENED, WRIST, BLOCKED, SNAP, END, UNBLOCKED, ExamEnded(by="timeout"))

    assert [Course().after_all(*facts[:n]) for n in range(1, len(facts) + 1)] == [
        Course().after_all(*facts[:n]) for n in range(1, len(facts) + 1)
    ]


def test_what_the_store_remembers_gives_the_same_results_as_what_memory_holds() -> None:
    course = Course()
    last = course.after_all(OPENED, WRIST, BLOCKED, END)
    stored = StoredStudy(
        code=CODE,
        cart=CART,
        study=None,
        last_fact=4,
        numbering=last.numbering,
        alerts=last.alerts,
        clear_at=last.clear_at,
    )

    assert Said.of(stored) == course.said


MEDIAN_NERVE = (OPENED, WRIST, BLOCKED)


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (MEDIAN_NERVE, 0),
        ((*MEDIAN_NERVE, motor("wrist")), 1),
        ((*MEDIAN_NERVE, SNAP), 1),
        ((*MEDIAN_NERVE, median("axilla")), 0),
        ((OPENED, WRIST), 0),
        ((*MEDIAN_NERVE, END), 1),
        ((*MEDIAN_NERVE, StudyOpened(header(patient=Patient(id="P-2")))), 0),
    ],
)
def test_an_interim_message_follows_each_nerve_study(facts: tuple[Fact, ...], wanted: int) -> None:
    """The nerve study is over when another begins."""
    interim = Course(replace(EVERYWHERE, destinations=(engine(interim=True),)))

    assert len(interim.after_all(*facts).messages) == wanted


def test_only_the_destination_that_asks_gets_interim_messages() -> None:
    course = Course(replace(EVERYWHERE, destinations=(engine("one"), engine("two", interim=True))))

    found = course.after_all(*MEDIAN_NERVE, SNAP)
    last = course.after(END)

    assert [message.sink for message in found.messages] == ["two"]
    assert [message.sink for message in last.messages] == ["one", "two"]
    assert orders(reports(found)[0]) == orders(reports(last)[1])


@pytest.mark.parametrize(
    ("processing_id", "simulated", "refused"),
    [("P", True, True), ("P", False, False), ("T", True, False), (None, True, False)],
)
def test_a_destination_for_patients_refuses_simulated_data(
    processing_id: Any, simulated: bool, refused: bool
) -> None:
    destination = Destination(sink="engine", header=MessageHeader(processing_id=processing_id))
    course = Course(replace(EVERYWHERE, destinations=(destination,)))

    found = course.after_all(StudyOpened(header(simulated=simulated)), WRIST, END)

    (message,) = found.messages
    assert (message.refused is not None) is refused
    assert "simulated data" in (message.refused or "simulated data")
    assert er7.parse(message.payload).header.text(11) == ("T" if simulated else processing_id)


def test_without_a_broker_nothing_waits_for_one() -> None:
    course = Course(replace(EVERYWHERE, site=None))

    found = course.after_all(OPENED, WRIST, BLOCKED)

    assert (found.events_sink, found.events) == (None, ())
    assert found.alerts  # what would be up is known all the same
    assert len(course.after(END).messages) == 1


def test_numbers_are_given_when_a_message_is_made_and_not_before() -> None:
    course = Course()
    nothing = course.after(OPENED).numbering

    assert course.after_all(WRIST, BLOCKED).numbering == nothing
    assert course.after(END).numbering != nothing


@settings(max_examples=25)
@given(st.permutations([WRIST, BLOCKED, SNAP, motor("wrist"), motor("below_elbow"), UNBLOCKED]))
def test_numbers_are_never_given_twice_whatever_comes_in_between(recordings: list[Any]) -> None:
    course = Course(replace(EVERYWHERE, destinations=(engine(interim=True),)))
    facts: Iterable[Fact] = [OPENED, *recordings[:3], END, *recordings[3:], ExamEnded(by="timeout")]

    reported: dict[tuple[str, str], str] = {}
    for fact in facts:
        for report in reports(course.after(fact)):
            assert reported.keys() <= observations(report).keys()
            assert len(report.all("OBX")) == len(observations(report))
            reported |= observations(report)


def test_clearing_empties_the_retained_topics_and_forgets_the_alerts() -> None:
    course = Course()
    last = course.after_all(OPENED, WRIST, BLOCKED, END)
    (name,) = last.alerts

    found, said = cleared(CODE, CART, course.said, EVERYWHERE, NOW + HOUR)

    assert [(event.topic, event.data, event.retain) for event in found.events] == [
        (f"study/{CODE}/assessment", None, True),
        (f"alert/{name}", None, True),
    ]
    assert (found.fact_id, found.clear_at, found.messages, found.alerts) == (None, None, (), {})
    assert found.numbering == last.numbering
    assert said == Said(numbering=course.said.numbering)


def acknowledge(course: Course, now: datetime = NOW, by: str = "nurse") -> Results:
    """What follows from the acknowledgement of the only alert."""
    (name,) = course.said.alerts
    stated = AlertAcknowledged(alert_id=name, by=by, screen="lab2-1", time="2026-11-02T09:15:00.000Z")
    course.number += 1
    found, course.said = seen(
        JournaledFact(id=course.number, code=CODE, cart=CART, fact=stated),
        stated,
        course.said,
        publication=course.publication,
        simulated=False,
        now=now,
    )
    return found


MINUTE = timedelta(seconds=60)


def told(found: Results) -> list[tuple[Any, Any, Any]]:
    """State, phase and who acknowledged, of the alerts that were told."""
    alerts = [event.data for event in found.events if event.topic.startswith("alert/") and event.data]
    return [(alert["state"], alert["phase"], alert["acknowledged"]) for alert in alerts]


NURSE = {"by": "nurse", "screen": "lab2-1", "time": "2026-11-02T09:15:00.000Z"}


def test_an_alert_that_was_seen_stays_up_while_its_block_is_there() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED)

    found = acknowledge(course)

    assert told(found) == [("active", "update", NURSE)]
    assert (found.fact_id, found.messages, found.clear_at, found.alerts_clear_at) == (4, (), None, None)
    assert all(event.retain for event in found.events)


def test_an_alert_that_was_seen_is_over_when_its_block_is_gone_and_leaves_a_minute_later() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED)
    acknowledge(course)
    (name,) = course.said.alerts

    found = course.after(UNBLOCKED)
    assert told(found) == [("inactive", "end", NURSE)]
    assert found.alerts_clear_at == NOW + MINUTE

    early, course.said = cleared(CODE, CART, course.said, EVERYWHERE, NOW + MINUTE / 2)
    assert (early.events, early.alerts_clear_at) == ((), NOW + MINUTE)
    late, course.said = cleared(CODE, CART, course.said, EVERYWHERE, NOW + MINUTE)
    assert [(event.topic, event.data) for event in late.events] == [(f"alert/{name}", None)]
    assert (late.alerts, late.alerts_clear_at) == ({}, None)


def test_an_alert_that_is_seen_after_its_block_is_gone_is_over_at_once() -> None:
    course = Course()
    assert told(course.after_all(OPENED, WRIST, BLOCKED, UNBLOCKED)) == [("latched", "end", None)]

    found = acknowledge(course)

    assert told(found) == [("inactive", "end", NURSE)]
    assert found.alerts_clear_at == NOW + MINUTE


def test_a_block_that_comes_back_is_a_new_alert_that_nobody_has_seen() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED)
    acknowledge(course)
    course.after(UNBLOCKED)

    found = course.after(BLOCKED_ANEW)

    assert told(found) == [("active", "start", None)]
    assert found.alerts_clear_at is None


def test_whoever_saw_an_alert_first_stays_the_one_who_did() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED)
    acknowledge(course)

    again = acknowledge(course, by="doctor")

    assert again.events == ()
    (alert,) = course.said.alerts.values()
    assert alert.acknowledged is not None
    assert alert.acknowledged.by == "nurse"


def test_an_acknowledgement_of_an_alert_that_has_left_changes_nothing() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED, END)
    before = course.said
    (name,) = before.alerts
    stated = AlertAcknowledged(alert_id=f"{name}-1", by="nurse", screen="s", time="t")
    fact = JournaledFact(id=9, code=CODE, cart=CART, fact=stated)

    found, said = seen(fact, stated, before, publication=EVERYWHERE, simulated=False, now=NOW + HOUR)

    assert (found.fact_id, found.events, said) == (9, (), before)


def test_an_acknowledgement_puts_the_clearing_off_by_nothing() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED, END)

    assert acknowledge(course, NOW + MINUTE).clear_at == NOW + HOUR


def test_an_examination_that_goes_on_after_the_clearing_raises_its_alert_again() -> None:
    course = Course()
    course.after_all(OPENED, WRIST, BLOCKED, END)
    _, course.said = cleared(CODE, CART, course.said, EVERYWHERE, NOW + HOUR)

    found = course.after(SNAP)

    alert = found.events[-1].data
    assert alert is not None
    assert (kinds(found)[-1], alert["phase"]) == ("alert", "start")


def test_without_a_broker_there_is_nothing_to_clear() -> None:
    course = Course(replace(EVERYWHERE, site=None))
    course.after_all(OPENED, WRIST, BLOCKED, END)

    found, _ = cleared(CODE, CART, course.said, course.publication, NOW + HOUR)

    assert (found.events_sink, found.events) == (None, ())


def test_a_recording_that_finds_its_place_late_is_told_as_itself() -> None:
    """It was set aside when its turn was; the end, which lies behind it, has been reported without it."""
    without, whole = study(OPENED.header, BLOCKED), study(OPENED.header, WRIST, BLOCKED)

    found, _ = results(
        JournaledFact(id=2, code=CODE, cart=CART, fact=WRIST),
        examine(without, reference()),
        examine(whole, reference()),
        Said(),
        reference=reference(),
        publication=EVERYWHERE,
        now=NOW,
    )

    assert kinds(found) == ["recording", "segment", "guidance", "assessment", "alert"]
    told = found.events[0].data
    assert told is not None
    assert told["stimulation_site"] == "wrist"
    assert [message.control_id for message in found.messages] == [f"{CODE}-2"]
    assert found.clear_at == NOW + HOUR


def study(opened: StudyHeader, *recordings: Recording) -> Study:
    """An examination that is over."""
    return Study(header=opened, recordings=recordings, ended=True)


def test_a_message_that_cannot_be_written_is_a_dead_letter_and_the_screens_still_hear() -> None:
    course = Course()
    course.after_all(OPENED, *(median("wrist", site_position_mm=40.0 + 0.5 * n) for n in range(101)))
    (message,) = course.after(END).messages
    assert (message.state, message.payload) == ("dead", b"")
    assert message.dead == "nerve study 1: more than 100 stimulation sites"
    assert course.said.numbering == Said().numbering
    assert "assessment" in kinds(course.after(BLOCKED))
