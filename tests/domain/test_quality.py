import pytest

from gateway.domain.quality import MEANINGS, Quality
from gateway.domain.recording import MotorMarks, SensoryMarks

QUANTITIES = sorted({*MotorMarks.__dataclass_fields__, *SensoryMarks.__dataclass_fields__})


@pytest.mark.parametrize("name", MEANINGS)
def test_every_code_says_in_a_line_what_is_wrong_and_what_to_do(name: str) -> None:
    meaning = Quality(name).meaning

    for text in (meaning.what, meaning.advice):
        assert 5 < len(text) < 90
        assert text == text.strip().rstrip(".:;,")
        assert "_" not in text
    assert meaning.unit != ""


def test_a_code_is_its_name_and_its_subject() -> None:
    assert Quality("clipped", 1.2).code == "clipped"
    assert (
        Quality("marks_disagree", 0.6, subject="onset_latency_ms").code == "marks_disagree:onset_latency_ms"
    )


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_difference_of_marks_is_in_the_unit_of_its_quantity(quantity: str) -> None:
    meaning = Quality("marks_disagree", 0.6, subject=quantity).meaning

    assert meaning.unit is not None
    assert quantity.endswith("_" + meaning.unit.replace(".", "_").lower())
    assert meaning.what.startswith("machine and gateway disagree on the ")
    assert meaning.advice == MEANINGS["marks_disagree"].advice


def test_whether_there_is_a_response_has_no_unit() -> None:
    meaning = Quality("marks_disagree", subject="response").meaning

    assert meaning.unit is None
    assert meaning.what == "machine and gateway disagree on whether there is a response"
