"""What an operator corrects: the result is that of a cart that had been right, and it is said that he did."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.domain.assessment import document
from gateway.domain.corrections import Correction, ExcludeReason, RecordingAmended, RecordingExcluded
from gateway.domain.recording import NO_RESPONSE, Recording, Side, Stimulus
from gateway.domain.study import DetailStated, ExamEnded, Fact, StudyOpened, fold
from gateway.domain.thinning import thinned
from gateway.pipeline.publication import Publication
from gateway.pipeline.stages import Examination, assessment, examine, take
from gateway.protocols import er7
from gateway.protocols.oru import MessageHeader
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store.outbox import Results
from tests.factories import cmap, header, median, median_sensory, motor, motor_marks, reference, sensory
from tests.pipeline.test_publication import (
    END,
    EVERYWHERE,
    OPENED,
    Course,
    engine,
    kinds,
    observations,
    orders,
    reports,
)
from tests.schemas import schema

BLOCKED = motor_marks(
    onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6
)


def named(*recordings: Recording) -> list[Recording]:
    """Recordings as the journal has them."""
    return [replace(entry, identity=f"{number:064x}") for number, entry in enumerate(recordings, start=1)]


MADE = named(
    median("wrist", distance_mm=70.0),
    median("elbow", BLOCKED, distance_mm=220.0),
    median("wrist", motor_marks(amplitude_mv=4.0), stimulus=Stimulus(intensity_ma=10.0)),  # not used
    median("wrist", side=Side.LEFT),
    median("elbow", side=Side.LEFT, distance_mm=220.0),
    motor("wrist"),
    motor("below_elbow", NO_RESPONSE),
    median_sensory(),
    sensory(),
)
WRIST, ELBOW, WEAK, LEFT_WRIST, LEFT_ELBOW, *_ = MADE


def amend(recording: Recording, reason: Any = "wrong_side", **changes: Any) -> Correction:
    assert recording.identity is not None
    return RecordingAmended(identity=recording.identity, changes=changes, reason=reason if changes else None)


def exclude(recording: Recording, reason: ExcludeReason | None = "artefact") -> Correction:
    assert recording.identity is not None
    return RecordingExcluded(identity=recording.identity, reason=reason)


# Where any of the motor recordings may have been made in truth.
ELSEWHERE: Sequence[dict[str, Any]] = (
    {"side": Side.LEFT},
    {"side": Side.RIGHT},
    {"nerve": "ulnar", "recording_site": "fdi", "stimulation_site": "wrist"},
    {"nerve": "median", "recording_site": "apb", "stimulation_site": "elbow", "side": Side.LEFT},
    {"stimulation_site": "wrist", "site_position_mm": 110.0},
    {"distance_mm": None},
)
motors = st.sampled_from([entry for entry in MADE if entry.modality == "motor"])
amendments = st.builds(
    lambda recording, changes: amend(recording, **changes), motors, st.sampled_from([*ELSEWHERE, {}])
)
corrections = amendments | st.builds(
    exclude, st.sampled_from(MADE), st.sampled_from([None, *get_args(ExcludeReason)])
)


def whole(*facts: Fact) -> Examination:
    return examine(fold(StudyOpened(header()), facts), reference())


def printed(examination: Examination) -> dict[str, Any]:
    found = document(assessment(examination, reference()), study_id="S-1", gateway_version="0")
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def unsaid(found: dict[str, Any]) -> dict[str, Any]:
    """A document without what it says of corrections."""
    mmn = found["mmn"]
    caveats = [code for code in mmn["caveats"] if not code.startswith("excluded:")]
    recordings = [{key: value for key, value in e.items() if key != "amended"} for e in found["recordings"]]
    return found | {"recordings": recordings, "mmn": mmn | {"caveats": caveats}}


few = settings(max_examples=40, deadline=None)  # whole examinations each


@few
@given(st.lists(corrections, min_size=1, max_size=5), st.data())
def test_corrections_give_the_result_of_a_cart_that_had_been_right(said: list[Correction], data: Any) -> None:
    facts = data.draw(st.permutations([*MADE, *said]))
    study = fold(StudyOpened(header()), facts)

    right = examine(fold(StudyOpened(header()), study.in_force), reference())

    assert unsaid(printed(examine(study, reference()))) == printed(right)


@few
@given(st.lists(corrections, max_size=4), st.data())
def test_taking_corrections_one_by_one_is_examining_the_whole(said: list[Correction], data: Any) -> None:
    stated = DetailStated(name="distance_mm", value=190.0, nerve="median", side=Side.LEFT)
    facts = data.draw(st.permutations([*MADE, stated, ExamEnded(by="device"), *said]))
    examination = Examination(study=fold(StudyOpened(header()), []))
    for fact in facts:
        examination = take(examination, fact, reference())

    assert examination == whole(*facts)


@few
@given(st.lists(corrections, max_size=4))
def test_correcting_there_and_back_changes_nothing(said: list[Correction]) -> None:
    examination = before = whole(*MADE)
    back = [fact for word in said for fact in _taken_back(word.identity)]
    for fact in [*said, *back]:
        examination = take(examination, fact, reference())

    assert examination == before


def _taken_back(identity: str) -> list[Correction]:
    return [
        RecordingAmended(identity=identity, changes={}, reason=None),
        RecordingExcluded(identity=identity, reason=None),
    ]


def test_a_recording_of_another_nerve_leaves_its_series_and_joins_the_other() -> None:
    moved = take(
        whole(*MADE),
        amend(WRIST, "wrong_nerve", nerve="ulnar", recording_site="adm", stimulation_site="above_elbow"),
        reference(),
    )

    def sites(nerve: str) -> list[str]:
        return [e.recording.stimulation_site for e in moved.nerves[(nerve, Side.RIGHT)].known]

    assert sites("median") == ["elbow", "wrist", "wrist"]
    assert sites("ulnar") == ["above_elbow", "wrist", "below_elbow", "wrist"]


def test_a_nerve_of_which_nothing_counts_is_not_there() -> None:
    examination = whole(*MADE, exclude(LEFT_WRIST), exclude(LEFT_ELBOW))

    assert ("median", Side.LEFT) not in examination.nerves


def test_the_document_says_what_was_amended_and_what_does_not_count() -> None:
    found = printed(whole(*MADE, amend(MADE[5], side=Side.LEFT), exclude(ELBOW), exclude(WEAK, "duplicate")))

    Draft202012Validator(schema("assessment")).validate(found)
    assert [e["amended"] for e in found["recordings"] if "amended" in e] == [
        {"reason": "wrong_side", "as_recorded": {"side": "right"}}
    ]
    assert [code for code in found["mmn"]["caveats"] if code.startswith("excluded:")] == [
        "excluded:motor:median:right:elbow:artefact",
        "excluded:motor:median:right:wrist:duplicate",
    ]


def test_what_counts_after_all_is_marked_as_it_was() -> None:
    assert whole(*MADE, exclude(ELBOW), exclude(ELBOW, None)) == whole(*MADE)


# What goes out.


def corrected(course: Course, *facts: Fact) -> Results:
    course.after_all(OPENED, *MADE)
    return course.after_all(*facts)


def event(found: Results, kind: str) -> TelemetryEvent:
    (one,) = [entry for entry, name in zip(found.events, kinds(found), strict=True) if name == kind]
    return one


def test_after_the_end_a_correction_is_a_message_of_its_own_with_the_same_numbers() -> None:
    course = Course()
    (first,) = reports(corrected(course, END))
    (second,) = reports(course.after(exclude(ELBOW)))

    before, after = observations(first), observations(second)
    assert before.keys() <= after.keys()
    assert second.header.text(10) != first.header.text(10)
    assert orders(second)[: len(orders(first))] == orders(first)
    gone = {name for name, status in after.items() if status == "D"}
    assert {code.partition("^")[0] for code, _ in gone} >= {"CMAP-AMP", "CB-FINDING", "SEGMENT", "STIM-SITE"}
    subjects = {sub.partition(".")[0] for _, sub in gone} - {"0"}
    assert len(subjects) == 1  # the nerve study it belonged to, and no other
    assert set(after.values()) <= {"P", "D", "X"}


def test_a_nerve_study_of_which_nothing_counts_is_withdrawn_whole() -> None:
    course = Course()
    (first,) = reports(corrected(course, END))
    course.after(exclude(LEFT_WRIST))
    (last,) = reports(course.after(exclude(LEFT_ELBOW)))

    assert orders(last) == orders(first)
    by_study: dict[str, set[str]] = {}
    for (_, sub), status in observations(last).items():
        by_study.setdefault(sub.partition(".")[0], set()).add(status)
    assert list(by_study.values()).count({"D"}) == 1


def test_what_counts_after_all_has_its_old_numbers_again() -> None:
    course = Course()
    (first,) = reports(corrected(course, END))
    course.after(exclude(ELBOW))
    (last,) = reports(course.after(exclude(ELBOW, None)))

    assert {name: s for name, s in observations(last).items() if s != "D"} == observations(first)
    assert last.header.text(10) != first.header.text(10)


def test_the_other_side_gets_numbers_of_its_own_and_says_that_it_was_corrected() -> None:
    course = Course()
    corrected(course, END)
    numbers = dict(course.said.numbering.studies)

    (report,) = reports(course.after(amend(MADE[5], side=Side.LEFT)))

    assert len(course.said.numbering.studies) == len(numbers) + 1
    assert numbers.items() <= course.said.numbering.studies.items()
    notes = [note.text(3) for note in report.all("NTE")]
    assert "Corrected: wrong side, recorded as right" in notes


def test_why_a_recording_does_not_count_is_in_the_summary() -> None:
    course = Course()
    corrected(course, END)

    (report,) = reports(course.after(exclude(ELBOW)))

    (note,) = [n.text(3) for n in report.all("NTE") if n.text(3).startswith("Caveats: ")]
    assert "excluded:motor:median:right:elbow:artefact" in note


def test_before_the_end_only_an_engine_that_was_told_so_far_is_told() -> None:
    course = Course(replace(EVERYWHERE, destinations=(engine("one"), engine("two", interim=True))))

    early = course.after_all(OPENED, MADE[0], exclude(MADE[0]))
    course.after_all(exclude(MADE[0], None), *MADE[1:])
    late = course.after(amend(WRIST, side=Side.LEFT))

    assert early.messages == ()
    assert [message.sink for message in late.messages] == ["two"]


def test_a_block_that_was_none_ends_its_alert_and_all_of_it_is_told_anew() -> None:
    found = corrected(Course(), exclude(ELBOW))

    assert kinds(found) == ["guidance", "assessment", "alert"]
    alert, current = event(found, "alert").data, event(found, "assessment").data
    assert alert is not None
    assert current is not None
    assert (alert["state"], alert["phase"]) == ("latched", "end")
    assert "excluded:motor:median:right:elbow:artefact" in json.dumps(current)


def test_a_block_of_the_other_side_ends_one_alert_and_raises_another() -> None:
    course = Course()
    course.after_all(OPENED, *MADE, exclude(LEFT_ELBOW))

    found = course.after_all(amend(WRIST, side=Side.LEFT), amend(ELBOW, side=Side.LEFT))

    states = {name.split("-")[2]: alert["state"] for name, alert in found.alerts.items()}  # type: ignore[index, call-overload]
    assert states == {"right": "latched", "left": "active"}


def test_other_numbers_update_the_alert() -> None:
    course = Course()
    better = named(*MADE, median("wrist", motor_marks(amplitude_mv=12.0), distance_mm=70.0))[-1]
    course.after_all(OPENED, *MADE, better)

    alert = event(course.after(exclude(better)), "alert").data

    assert alert is not None
    assert (alert["state"], alert["phase"]) == ("active", "update")


def test_a_correction_is_told_even_where_it_changes_no_result() -> None:
    found = corrected(Course(), amend(WEAK, "wrong_distance", distance_mm=80.0))

    assert kinds(found) == ["guidance", "assessment"]


@pytest.mark.parametrize("word", [exclude(MADE[-1]), amend(MADE[-1], side=Side.LEFT)])
def test_a_recording_that_finds_its_place_behind_its_correction_is_told_as_it_counts(
    word: Correction,
) -> None:
    course = Course()
    course.after_all(OPENED, *MADE[:-1], word)

    found = course.after(MADE[-1])

    told = [e.data for e, kind in zip(found.events, kinds(found), strict=True) if kind == "recording"]
    assert [e["side"] for e in told if e] == ([] if isinstance(word, RecordingExcluded) else ["left"])


def test_corrections_hold_nothing_that_an_operator_could_have_written() -> None:
    course = Course()
    corrected(course, END)

    found = course.after_all(amend(WRIST, "other", side=Side.LEFT), exclude(ELBOW, "wrong_patient"))

    assert b"Canary" not in json.dumps([event.data for event in found.events]).encode()
    for message in found.messages:
        assert er7.parse(message.payload).header.text(9).startswith("ORU")


def test_a_correction_after_curves_were_given_up_takes_only_those_back_that_count_no_more() -> None:
    engines = (engine(header=MessageHeader(waveforms=True)),)
    course = Course(publication=Publication(site="lab1", destinations=engines))
    wrist, elbow = (replace(entry, waveform=cmap(onset_ms=2.9)) for entry in (WRIST, ELBOW))
    course.after_all(OPENED, wrist, elbow, END)
    thin = [thinned(entry, reference().markers) for entry in (wrist, elbow)]
    course.examination = whole(*thin, END)

    (one,) = reports(course.after(amend(WRIST, distance_mm=80.0)))
    (two,) = reports(course.after(exclude(ELBOW)))

    sweeps = [[o for o in report.all("OBX") if o.text(3).startswith("WAVE")] for report in (one, two)]
    assert [[(o.text(4), o.text(11)) for o in told] for told in sweeps] == [[], [("1.2", "D")] * 3]
