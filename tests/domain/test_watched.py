"""How long a sweep must be watched before it may be said that nothing answered."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.domain.criteria import Grade
from gateway.domain.recording import NO_RESPONSE, Recording, Stimulus, Waveform
from gateway.domain.sensory import SensoryGrade
from gateway.domain.thinning import thinned
from tests.factories import examined, marker_settings, median, median_sensory, motor_marks, sensory

SUPRAMAXIMAL = Stimulus(intensity_ma=40.0, supramaximal=True)


def silence(ends_ms: float) -> Waveform:
    """Noise of 3 uV at 20 kHz, from 2 ms before the stimulus."""
    count = round((ends_ms + 2.0) * 20)
    noise = np.random.default_rng(3).normal(0.0, 3.0, count)
    return Waveform(
        sampling_rate_hz=20_000.0,
        start_ms=-2.0,
        microvolts_per_count=0.1,
        samples=np.round(noise * 10).astype(np.int32),
    )


def unseen(site: str, ends_ms: float, **changes: Any) -> Recording:
    recording = median(site, stimulus=SUPRAMAXIMAL, **changes)
    return replace(recording, measured=None, waveform=silence(ends_ms))


WRIST = median("wrist", motor_marks(onset_latency_ms=3.5), distance_mm=70.0, stimulus=SUPRAMAXIMAL)


# 3.5 ms at the wrist, then 25 m/s: 200 mm take 8 ms, 300 mm (where nobody measured) 12 ms.
@pytest.mark.parametrize(
    ("distance", "ends_ms", "seen"),
    [
        ({"distance_mm": 200.0}, 11.0, False),
        ({"distance_mm": 200.0}, 12.0, True),
        ({"distance_to_recording_mm": 270.0}, 15.0, False),  # the wrist says to which site its own runs
        ({}, 15.0, False),
        ({}, 16.0, True),
    ],
)
def test_a_proximal_response_is_absent_only_where_a_slow_one_would_have_come(
    distance: dict[str, float], ends_ms: float, seen: bool
) -> None:
    elbow = unseen("elbow", ends_ms, **{"distance_mm": None} | distance)

    (found,) = examined(WRIST, elbow).findings

    expected = (Grade.DEFINITE_BLOCK, ["response_absent"]) if seen else (Grade.NOT_ASSESSABLE, [UNSEEN])
    assert (found.finding, [entry.name for entry in found.segment.proximal.quality]) == expected


UNSEEN = "sweep_ends_before_response"


def test_two_distances_to_the_electrode_give_the_length() -> None:
    wrist = replace(WRIST, distance_mm=None, distance_to_recording_mm=70.0)
    elbow = unseen("elbow", 12.0, distance_mm=None, distance_to_recording_mm=270.0)

    (found,) = examined(wrist, elbow).findings

    assert found.finding is Grade.DEFINITE_BLOCK


def test_what_is_asked_for_is_a_longer_sweep() -> None:
    (found,) = examined(WRIST, unseen("elbow", 8.0)).findings

    (action,) = found.actions
    assert action.code == "record_again"
    assert "lengthen the sweep" in action.why


@pytest.mark.parametrize(
    "beside",
    [
        median("axilla", motor_marks(onset_latency_ms=11.0)),  # lies beyond
        median("wrist", motor_marks(onset_latency_ms=9.0), recording_site="adm"),  # another muscle
        median_sensory(),
        median("wrist", NO_RESPONSE, stimulus=Stimulus(intensity_ma=2.0)),  # the one that answered says when
    ],
)
def test_only_the_next_distal_response_of_the_muscle_says_when_a_slow_one_has_begun(
    beside: Recording,
) -> None:
    elbow = unseen("elbow", 12.0, distance_mm=200.0)

    found = examined(beside, WRIST, elbow).findings[0]

    assert found.segment.proximal.flagged("response_absent")


@pytest.mark.parametrize(("ends_ms", "quality"), [(9.0, UNSEEN), (11.0, "response_absent")])
def test_the_most_distal_response_may_come_as_late_as_10_ms(ends_ms: float, quality: str) -> None:
    (entry,) = examined(unseen("wrist", ends_ms)).recordings

    assert [found.name for found in entry.quality] == [quality]


def test_behind_a_distal_response_that_is_absent_too_its_latest_time_counts() -> None:
    (found,) = examined(unseen("wrist", 11.0), unseen("elbow", 17.0, distance_mm=200.0)).findings

    assert found.segment.proximal.flagged(UNSEEN)


@pytest.mark.parametrize(
    ("distance_mm", "ends_ms", "result"),
    [
        (140.0, 5.0, SensoryGrade.NOT_ASSESSABLE),
        (140.0, 6.5, SensoryGrade.ABSENT),
        (None, 5.0, SensoryGrade.NOT_ASSESSABLE),
        (None, 6.5, SensoryGrade.ABSENT),
        (180.0, 6.5, SensoryGrade.NOT_ASSESSABLE),
    ],
)
def test_so_with_a_snap(distance_mm: float | None, ends_ms: float, result: SensoryGrade) -> None:
    recording = replace(sensory(distance_mm=distance_mm), measured=None, waveform=silence_of_a_snap(ends_ms))

    (found,) = examined(recording).sensory

    assert found.result is result


def silence_of_a_snap(ends_ms: float) -> Waveform:
    return replace(silence(ends_ms), microvolts_per_count=0.01)


def test_what_the_machine_calls_absent_is_absent() -> None:
    said = replace(unseen("elbow", 6.0), measured=NO_RESPONSE)

    (found,) = examined(WRIST, said).findings

    assert found.finding is Grade.DEFINITE_BLOCK


def test_a_curve_that_was_thinned_out_is_remembered_by_its_end() -> None:
    elbow = thinned(unseen("elbow", 8.0), marker_settings())

    (found,) = examined(WRIST, elbow).findings

    assert found.segment.proximal.flagged(UNSEEN)
