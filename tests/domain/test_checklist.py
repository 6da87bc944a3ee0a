"""The minimal set of a complete examination ticks off as it is recorded."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.checklist import checklist
from gateway.domain.recording import NO_RESPONSE, Modality, Recording
from tests.factories import median, motor, reference, sensory

PLAN = reference().plan


def done(*recordings: Recording) -> list[tuple[object, ...]]:
    return [
        (step.site.modality, step.site.nerve, step.site.side, step.site.stimulation_site)
        for step in checklist(PLAN, recordings)
        if step.done
    ]


def test_nothing_is_done_before_anything_is_recorded() -> None:
    assert done() == []
    assert len(checklist(PLAN, ())) == 34
    assert PLAN.source
    assert PLAN.status == "unverified"


def test_a_recording_ticks_off_its_own_step_and_no_other() -> None:
    assert done(motor("wrist")) == [("motor", "ulnar", "right", "wrist")]
    assert done(sensory()) == [("sensory", "ulnar", "right", None)]
    assert done(motor("wrist", recording_site="fdi")) == []
    assert done(motor("wrist", site_position_mm=90.0)) == []


def test_no_response_was_recorded() -> None:
    assert done(median("erb", NO_RESPONSE)) == [("motor", "median", "right", "erb")]


@given(st.permutations([motor("wrist"), median("elbow"), sensory(), motor("erb")]), st.integers(0, 4))
def test_more_recordings_never_open_a_step_again(recordings: list[Recording], count: int) -> None:
    assert set(done(*recordings[:count])) <= set(done(*recordings))


def test_every_step_exists_in_the_anatomy() -> None:
    anatomy = reference().anatomy
    for step in checklist(PLAN, ()):
        nerve = anatomy.nerves[step.site.nerve]
        if step.site.modality is Modality.MOTOR:
            assert step.site.stimulation_site in nerve.sites
            assert step.site.recording_site in nerve.muscles
