from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.recording import Side, Stimulus
from gateway.domain.study import (
    ActionDeclined,
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    ExamEnded,
    Fact,
    Patient,
    Statement,
    Study,
    StudyOpened,
    as_recorded,
    completed,
    fold,
)
from tests.factories import header, median, motor

SNAP = "record_sensory:ulnar:right"
FACTS = st.sampled_from(
    [
        motor("wrist"),
        median("elbow"),
        ExamEnded(by="device"),
        StudyOpened(header(patient=Patient(id="P-1", sex="M"))),
        StudyOpened(header(simulated=True)),
        ClinicalStated(clinical=ClinicalFacts(umn_signs=True)),
        DetailStated(name="distance_mm", value=210.0, nerve="ulnar", side=Side.RIGHT),
        ActionDeclined(action=SNAP, reason="amputation"),
        ActionDeclined(action=SNAP, reason=None),
    ]
)


def after(*statements: Statement) -> Study:
    return fold(StudyOpened(header(clinical=ClinicalFacts(umn_signs=True))), statements)


def warm(value: float | None, **sites: str) -> DetailStated:
    return DetailStated(name="skin_temperature_c", value=value, nerve="ulnar", side=Side.RIGHT, **sites)


def supramaximal(value: bool) -> DetailStated:
    return DetailStated(name="supramaximal", value=value, nerve="ulnar", side=Side.RIGHT)


@given(st.lists(FACTS, max_size=8))
def test_a_study_is_its_facts_one_after_the_other(facts: list[Fact]) -> None:
    opened = StudyOpened(header())

    assert fold(opened, facts) == reduce(Study.with_fact, facts, Study(header=opened.header))


def test_recordings_that_came_together_are_in_the_order_of_the_device_s_clock() -> None:
    late = motor("wrist", recorded_at="2026-11-02T10:20:00+01:00")
    early = motor("below_elbow", recorded_at="2026-11-02T09:15:00+00:00")
    unknown = motor("above_elbow")

    assert as_recorded([late, early]) == (early, late)
    assert as_recorded([late, unknown, early]) == (unknown, early, late)
    assert as_recorded([]) == ()


def test_what_an_operator_states_is_added_to_what_is_known_and_can_be_taken_back() -> None:
    stated = ClinicalStated(clinical=ClinicalFacts(csf_protein_g_l=0.6), forgotten=("umn_signs",))

    assert after(stated).header.clinical == ClinicalFacts(csf_protein_g_l=0.6)
    assert after(stated, ClinicalStated(forgotten=("csf_protein_g_l",))).header.clinical == ClinicalFacts()


def test_a_statement_neither_ends_nor_re_opens_an_examination() -> None:
    ended = fold(StudyOpened(header()), [motor("wrist"), ExamEnded(by="device"), warm(31.0)])

    assert ended.ended
    assert not after(warm(31.0)).ended


def test_an_action_is_declined_with_the_latest_reason_until_that_is_withdrawn() -> None:
    first = ActionDeclined(action=SNAP, reason="patient_stops")
    second = ActionDeclined(action=SNAP, reason="amputation")

    assert after(first, second).declined == {SNAP: "amputation"}
    assert after(first, ActionDeclined(action=SNAP, reason=None)).declined == {}


def test_a_recording_is_completed_by_the_latest_word_about_it() -> None:
    wrist = motor("wrist")

    assert completed(wrist, [warm(31.0), warm(33.0, stimulation_site="wrist")]).skin_temperature_c == 33.0
    assert completed(wrist, [warm(31.0), warm(33.0, recording_site="fdi")]).skin_temperature_c == 31.0
    assert completed(wrist, [warm(31.0), warm(None)]) is wrist


def test_what_the_cart_recorded_is_never_replaced() -> None:
    wrist = motor("wrist", skin_temperature_c=33.0, stimulus=Stimulus(supramaximal=True))

    assert completed(wrist, [warm(31.0), supramaximal(value=False)]) is wrist


def test_the_stimulus_keeps_what_is_known_of_it() -> None:
    wrist = motor("wrist", stimulus=Stimulus(intensity_ma=38.0))

    stimulus = completed(wrist, [supramaximal(value=False)]).stimulus

    assert stimulus == Stimulus(intensity_ma=38.0, supramaximal=False)
