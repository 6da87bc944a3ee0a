"""What is given up of a curve, and that nothing which is published rests on it."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulator import SIMULATOR
from gateway.domain.assessment import document
from gateway.domain.corrections import RecordingAmended
from gateway.domain.markers import MarkerSettings
from gateway.domain.recording import Modality, Recording
from gateway.domain.study import Study
from gateway.domain.thinning import thinned
from gateway.errors import DataError
from gateway.formats import study_json
from gateway.formats.fact_json import decode, encode
from gateway.pipeline.stages import assessment, examine
from tests.factories import cmap, marker_settings, motor, reference, sensory

PERFORMED_AT = "2026-11-02T09:15:00+00:00"
SCENARIOS = [scenario.name for scenario in SIMULATOR.scenarios]


def settings() -> MarkerSettings:
    return marker_settings()


def through_the_journal(recording: Recording) -> Recording:
    return replace(decode(*encode(recording)), identity=recording.identity)


def virtual(scenario: str, seed: int) -> Study:
    study = SIMULATOR.study(scenario, seed=seed, performed_at=PERFORMED_AT)
    named = tuple(replace(entry, identity=f"{n:064x}") for n, entry in enumerate(study.recordings))
    return replace(study, recordings=named)


def thin(study: Study) -> Study:
    kept = tuple(through_the_journal(thinned(entry, settings())) for entry in study.recordings)
    return replace(study, recordings=kept)


def said(study: Study) -> dict[str, object]:
    """The published document, and whether each recording is said to be thinned apart from it."""
    found = assessment(examine(study, reference()), reference())
    shown = msgspec.to_builtins(document(found, study_id="S", gateway_version="1"))
    marked = {entry.pop("curve_thinned_out", False) for entry in shown["recordings"]}
    return {"document": shown, "marked": marked}


def tenth(study: Study) -> Iterator[int]:
    yield from (place for place in range(len(study.recordings)) if place % 10 == 0)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_assessment_of_a_thinned_study_is_the_same_and_says_so(scenario: str) -> None:
    study = virtual(scenario, seed=3)

    before, after = said(study), said(thin(study))

    assert after["document"] == before["document"]
    assert (before["marked"], after["marked"]) == ({False}, {True})


@pytest.mark.parametrize("scenario", ["block-forearm", "martin-gruber", "submaximal"])
def test_a_correction_of_a_thinned_study_says_what_it_would_have_said_before(scenario: str) -> None:
    study = virtual(scenario, seed=5)
    moved = {
        study.recordings[place].identity or "": RecordingAmended(
            identity=study.recordings[place].identity or "",
            changes={"nerve": "ulnar", "recording_site": "adm", "stimulation_site": "wrist"},
            reason="wrong_nerve",
        )
        for place in tenth(study)
        if study.recordings[place].modality is Modality.MOTOR
    }
    corrected = replace(study, amended=moved)

    assert said(thin(corrected))["document"] == said(corrected)["document"]


def test_no_document_from_outside_has_a_thinned_curve() -> None:
    kept = replace(virtual("normal", seed=1), recordings=(motor("wrist"),))
    document_of = msgspec.json.decode(study_json.encode(kept))
    document_of["recordings"][0]["thinned"] = {}

    with pytest.raises(DataError, match="unknown key"):
        study_json.decode(msgspec.json.encode(document_of), lambda recording: recording)


def test_most_of_a_curve_is_given_up() -> None:
    whole = motor("wrist", measured=None, waveform=cmap(noise_uv=20.0))

    kept = thinned(whole, settings())

    assert kept.waveform is None
    assert kept.thinned is not None
    assert kept.thinned.negative_phase is not None
    assert kept.thinned.negative_phase.samples.size < 150
    assert len(encode(kept)[1]) < len(encode(whole)[1]) / 2


def test_nothing_of_the_curve_is_left_where_no_shape_is_compared() -> None:
    flat = thinned(sensory(None, measured=None, waveform=cmap(amplitude_uv=20.0)), settings())

    assert flat.thinned is not None
    assert flat.thinned.negative_phase is None


def test_a_recording_without_a_curve_and_one_thinned_before_stay_as_they_are() -> None:
    without = motor("wrist")
    once = thinned(motor("wrist", waveform=cmap()), settings())

    assert thinned(without, settings()) is without
    assert thinned(once, settings()) is once


@given(st.floats(50, 20_000), st.floats(0, 80), st.sampled_from(list(Modality)))
def test_a_thinned_recording_comes_back_from_the_journal_as_it_went_in(
    amplitude_uv: float, noise_uv: float, modality: Modality
) -> None:
    make = motor if modality is Modality.MOTOR else lambda _site, **changes: sensory(**changes)
    curve = cmap(amplitude_uv=amplitude_uv, noise_uv=noise_uv)
    kept = thinned(make("wrist", measured=None, waveform=curve), settings())

    assert through_the_journal(kept) == kept


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ({"quality": [{"name": "never_heard_of"}]}, "thinned: quality"),
        ({"quality": [{"name": "clipped", "subject": "never_heard_of"}]}, "thinned: quality"),
        ({"marks": {"amplitude_mv": -1}}, "thinned: amplitude_mv"),
        ({"more": 1}, "thinned"),
    ],
)
def test_what_is_wrong_with_a_thinned_recording_is_named(damage: dict[str, object], place: str) -> None:
    kind, body = encode(thinned(motor("wrist", waveform=cmap()), settings()))
    found = msgspec.json.decode(body)
    found["thinned"] |= damage

    with pytest.raises(DataError, match=place):
        decode(kind, msgspec.json.encode(found))
