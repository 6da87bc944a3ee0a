"""An examination gives the same assessment whichever way it comes in: document, LIS line, DICOM files."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gateway
from drivers.simulator import SIMULATOR
from gateway.domain.assessment import document
from gateway.domain.recording import Recording, Side
from gateway.domain.study import Study
from gateway.formats import Polarity
from gateway.formats.dicom.profile import MICROVOLTS_POWER, TRANSFER_SYNTAXES
from gateway.formats.dicom.writing import Encoding
from gateway.pipeline.stages import assessment, examine
from tests.factories import reference
from tests.parity.doors import (
    ENCODINGS,
    Door,
    by_dicom,
    by_document,
    by_document_in_other_units,
    by_line,
    by_line_in_other_units,
    by_record_file,
)
from tests.parity.examinations import examinations

SCENARIOS = [scenario.name for scenario in SIMULATOR.scenarios]
CONTENTS: dict[str, Callable[[Recording], Recording]] = {
    "measured": lambda entry: replace(entry, waveform=None),
    "waveform": lambda entry: replace(entry, measured=None),
    "both": lambda entry: entry,
}
CURVES = ["waveform", "both"]  # what a waveform object can carry
SYNTAXES_AND_SAMPLES: list[Any] = list(itertools.product(TRANSFER_SYNTAXES, ("auto", "SL")))
TEXT_DOORS = [by_document, by_document_in_other_units, by_record_file, by_line, by_line_in_other_units]


@cache
def examination(scenario: str, side: Side, content: str) -> Study:
    """The scenario on a patient whose `side` is the affected one."""
    study = SIMULATOR.study(scenario, seed=7, performed_at="2026-11-02T10:15:00+01:00")
    mirrored = {Side.RIGHT: side, Side.LEFT: Side.LEFT if side is Side.RIGHT else Side.RIGHT}
    recordings = (CONTENTS[content](replace(e, side=mirrored[e.side])) for e in study.recordings)
    return replace(study, recordings=tuple(recordings))


def assessed(study: Study) -> dict[str, Any]:
    found = assessment(examine(study, reference()), reference())
    return dict(document(found, study_id=study.header.study_id, gateway_version=gateway.__version__))


@cache
def known(scenario: str, side: Side, content: str) -> dict[str, Any]:
    return assessed(examination(scenario, side, content))


@pytest.mark.parametrize("door", TEXT_DOORS)
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_documents_and_lines_give_the_same_assessment(
    scenario: str, side: Side, content: str, door: Door
) -> None:
    study = examination(scenario, side, content)

    taken = door(study)

    assert assessed(taken) == known(scenario, side, content)


@pytest.mark.parametrize("polarity", ["true", "negative_up"])
@pytest.mark.parametrize("unit", MICROVOLTS_POWER)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_waveform_objects_give_the_same_assessment(
    scenario: str, side: Side, unit: Any, polarity: Polarity
) -> None:
    """Every unit and polarity; whether the machine marked, transfer syntax and sample size take turns."""
    turn = SCENARIOS.index(scenario) + (side is Side.LEFT) + list(MICROVOLTS_POWER).index(unit)
    content = CURVES[(turn + (polarity == "true")) % 2]
    syntax, samples = SYNTAXES_AND_SAMPLES[turn % len(SYNTAXES_AND_SAMPLES)]
    study = examination(scenario, side, content)
    habits = Encoding(unit=unit, polarity=polarity, transfer_syntax=syntax, samples=samples)

    taken = by_dicom(habits)(study)

    assert taken.recordings == study.recordings
    assert assessed(taken) == known(scenario, side, content)


@pytest.mark.parametrize("habits", ENCODINGS, ids=str)
def test_no_habit_of_a_cart_changes_the_assessment(habits: Any) -> None:
    """On the nerve with the block, motor and sensory."""
    whole = examination("block-forearm", Side.RIGHT, "both")
    nerve = tuple(e for e in whole.recordings if (e.nerve, e.side) == ("median", Side.RIGHT))
    study = replace(whole, recordings=nerve)

    assert assessed(by_dicom(habits)(study)) == assessed(study)


@pytest.mark.parametrize(("stored", "told"), [("true", "negative_up"), ("negative_up", "true")])
def test_a_polarity_that_is_told_wrong_shows(stored: Polarity, told: Polarity) -> None:
    """What parity rests on: were the setting ignored, the result would be the same."""
    study = examination("block-forearm", Side.RIGHT, "waveform")

    taken = by_dicom(Encoding(polarity=stored), told)(study)

    assert assessed(taken) != known("block-forearm", Side.RIGHT, "waveform")


@settings(max_examples=60, deadline=None)
@given(examinations(), st.sampled_from(ENCODINGS))
def test_a_random_examination_gives_the_same_assessment_through_every_door(study: Study, habits: Any) -> None:
    wanted = assessed(study)

    for door in TEXT_DOORS:
        assert assessed(door(study)) == wanted
    curves = tuple(entry for entry in study.recordings if entry.waveform is not None)
    if curves:
        only = replace(study, recordings=curves)
        assert assessed(by_dicom(habits)(only)) == assessed(only)
