from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.study import ExamEnded, Fact, Patient, Study, StudyOpened, fold
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
