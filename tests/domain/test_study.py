from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.study import ExamEnded, Fact, Patient, Study, StudyOpened, as_recorded, fold
from tests.factories import header, median, motor

FACTS = st.sampled_from(
    [
        motor("wrist"),
        median("elbow"),
        ExamEnded(by="device"),
        StudyOpened(header(patient=Patient(id="P-1", sex="M"))),
        StudyOpened(header(simulated=True)),
    ]
)


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
