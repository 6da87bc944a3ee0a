import math
from functools import reduce
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.corrections import (
    AmendedName,
    Amendment,
    AmendReason,
    Correction,
    ExcludeReason,
    RecordingAmended,
    RecordingExcluded,
    differing,
)
from gateway.domain.recording import Recording, Side
from gateway.domain.statements import check, said_already
from gateway.domain.study import ExamEnded, Fact, Study, StudyOpened, fold
from gateway.errors import DataError
from tests.factories import header, motor

WRIST = motor("wrist", identity="a1" * 32)
ELBOW = motor("below_elbow", identity="b2" * 32, distance_mm=210.0)


def amend(recording: Recording = WRIST, reason: AmendReason | None = None, **changes: Any) -> Correction:
    assert recording.identity is not None
    reason = reason or ("wrong_side" if changes else None)
    return RecordingAmended(identity=recording.identity, changes=changes, reason=reason)  # type: ignore[arg-type]


def exclude(reason: ExcludeReason | None = "artefact", recording: Recording = WRIST) -> Correction:
    assert recording.identity is not None
    return RecordingExcluded(identity=recording.identity, reason=reason)


def after(*facts: Fact) -> Study:
    return fold(StudyOpened(header()), [WRIST, ELBOW, *facts])


def sides(study: Study) -> list[Side]:
    return [entry.side for entry in study.in_force]


CORRECTIONS = st.sampled_from(
    [
        amend(side=Side.LEFT),
        amend(nerve="median", recording_site="apb", reason="wrong_nerve"),
        amend(),
        amend(ELBOW, distance_mm=None, reason="wrong_distance"),
        exclude(),
        exclude("duplicate"),
        exclude(None),
        exclude(recording=ELBOW),
    ]
)


def test_what_is_amended_counts_otherwise_and_is_kept_as_it_was() -> None:
    study = after(amend(side=Side.LEFT))

    assert sides(study) == [Side.LEFT, Side.RIGHT]
    assert study.recordings == (WRIST, ELBOW)
    assert study.amendment(WRIST) == Amendment(reason="wrong_side", as_recorded={"side": Side.RIGHT})
    assert study.amendment(ELBOW) is None


def test_what_is_excluded_does_not_count_and_is_kept_as_it_was() -> None:
    study = after(exclude("duplicate"))

    assert study.in_force == (ELBOW,)
    assert study.recordings == (WRIST, ELBOW)
    assert (study.exclusion(WRIST), study.exclusion(ELBOW)) == ("duplicate", None)


def test_the_last_word_about_a_recording_counts_and_says_all_that_is_wrong_with_it() -> None:
    study = after(amend(side=Side.LEFT), amend(stimulation_site="above_elbow", reason="wrong_site"))

    assert study.in_force[0] == motor("above_elbow")
    assert after(exclude(), exclude("other")).exclusion(WRIST) == "other"


def test_a_length_that_was_wrong_may_be_unknown_in_truth() -> None:
    study = after(amend(ELBOW, distance_mm=None, reason="wrong_distance"))

    assert study.in_force[1].distance_mm is None
    assert study.amendment(ELBOW) == Amendment(reason="wrong_distance", as_recorded={"distance_mm": 210.0})


def test_an_excluded_recording_that_counts_again_is_still_amended() -> None:
    study = after(amend(side=Side.LEFT), exclude(), exclude(None))

    assert sides(study) == [Side.LEFT, Side.RIGHT]


@given(st.lists(CORRECTIONS, max_size=6))
def test_taken_back_it_is_as_if_nothing_had_been_said(said: list[Correction]) -> None:
    study = after(*said, amend(), amend(ELBOW), exclude(None), exclude(None, ELBOW))

    assert study == after()
    assert study.in_force == (WRIST, ELBOW)


def test_an_amendment_to_what_was_recorded_is_none() -> None:
    study = after(amend(side=Side.RIGHT))

    assert study.in_force == study.recordings
    assert study.amendment(WRIST) is None
    assert differing(WRIST, {"side": Side.RIGHT, "nerve": "median"}) == {"nerve": "median"}


def test_what_nobody_journaled_cannot_be_corrected() -> None:
    unknown = motor("wrist")
    study = fold(StudyOpened(header()), [unknown, amend(side=Side.LEFT), exclude()])

    assert study.in_force == (unknown,)


def test_the_identity_is_no_part_of_what_a_recording_says() -> None:
    assert motor("wrist") == WRIST


@given(st.lists(CORRECTIONS | st.sampled_from([WRIST, ELBOW, ExamEnded(by="device")]), max_size=8))
def test_a_study_is_its_facts_one_after_the_other(facts: list[Fact]) -> None:
    opened = StudyOpened(header())

    assert fold(opened, facts) == reduce(Study.with_fact, facts, Study(header=opened.header))


def test_a_correction_neither_ends_nor_re_opens_an_examination() -> None:
    assert after(ExamEnded(by="device"), amend(side=Side.LEFT), exclude()).ended
    assert not after(exclude()).ended


@pytest.mark.parametrize(
    ("before", "word", "already"),
    [
        ([], amend(side=Side.LEFT), False),
        ([], amend(), True),
        ([amend(side=Side.LEFT)], amend(side=Side.LEFT), True),
        ([amend(side=Side.LEFT)], amend(ELBOW, side=Side.LEFT), False),
        ([amend(side=Side.LEFT)], amend(side=Side.LEFT, reason="other"), False),
        ([amend(side=Side.LEFT)], amend(), False),
        ([], exclude(), False),
        ([], exclude(None), True),
        ([exclude()], exclude(), True),
        ([exclude()], exclude("duplicate"), False),
        ([exclude()], exclude(None), False),
    ],
)
def test_a_correction_is_news_unless_it_is_the_last_word(
    before: list[Fact], word: Correction, already: bool
) -> None:
    assert said_already(after(*before), word) == already


@pytest.mark.parametrize(
    "word",
    [
        amend(),
        amend(side=Side.LEFT),
        amend(distance_mm=None, site_position_mm=120.0),
        exclude(),
        exclude(None),
    ],
)
def test_what_is_possible_can_be_said(word: Correction) -> None:
    check(word)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (amend(distance_mm=21_000.0), "distance_mm: .*3000"),
        (amend(site_position_mm=-1.0), "site_position_mm: .*3000"),
        (amend(distance_to_recording_mm=math.nan), "distance_to_recording_mm: .*3000"),
        (RecordingAmended(identity="a1", changes={"nerve": "median"}, reason=None), "reason: .*or neither"),
        (RecordingAmended(identity="a1", changes={}, reason="wrong_side"), "reason: .*or neither"),
    ],
)
def test_what_is_impossible_is_refused_with_its_place(word: Correction, told: str) -> None:
    with pytest.raises(DataError, match=told):
        check(word)


def test_every_reason_to_amend_is_one_to_exclude_too() -> None:
    assert set(get_args(AmendReason)) < set(get_args(ExcludeReason))
    assert set(get_args(AmendedName)) < set(Recording.__dataclass_fields__)
