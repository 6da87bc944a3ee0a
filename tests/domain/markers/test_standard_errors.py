"""Every mark has its standard error, smaller where there is less noise, as large as errors really are."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import pytest

from benchmarks.markers.outcomes import compared
from benchmarks.markers.sweeps import draw_response
from gateway.domain.markers import mark_all
from gateway.domain.recording import Modality
from tests.domain.markers.curves import (
    ANSWER,
    MOTOR,
    SAMPLING,
    SENSORY,
    SETTINGS,
    bell,
    cmap,
    hum,
    known,
    marking,
    misses,
    noise,
    quantities,
    sweep,
)

BOTH = pytest.mark.parametrize("modality", Modality)
# The noise of a single sweep, and of an average of 256.
AVERAGED_NOISE_UV = {MOTOR: (32.0, 2.0), SENSORY: (4.0, 0.25)}
SWEEPS = {MOTOR: range(600), SENSORY: range(600)}
BINOMIAL_SD = math.sqrt(0.95 * 0.05 / 600)
TIMES = ("onset_latency_ms", "peak_latency_ms", "negative_duration_ms")
HEIGHTS = ("amplitude_uv", "peak_to_peak_uv")
COVERED = [
    *((MOTOR, name) for name in (*TIMES, "amplitude_mv", "peak_to_peak_mv", "negative_area_mv_ms")),
    *((SENSORY, name) for name in (*TIMES, *HEIGHTS)),
]


@BOTH
def test_every_quantity_that_is_marked_has_a_standard_error_and_no_other_has(modality: Modality) -> None:
    for seed in range(60):
        found = marking(draw_response(seed, modality).waveform, modality)
        assert found.errors.keys() == quantities(found.response).keys()
        assert all(0.0 < error < math.inf for error in found.errors.values())


@BOTH
def test_averaging_makes_every_standard_error_smaller(modality: Modality) -> None:
    for seed in range(5):
        one, many = (
            marking(sweep(ANSWER[modality], noise(noise_uv, seed), modality=modality), modality).errors
            for noise_uv in AVERAGED_NOISE_UV[modality]
        )
        assert one.keys() == many.keys()
        assert [name for name in one if one[name] <= many[name]] == []


@BOTH
def test_no_height_is_surer_than_a_mean_of_the_samples_it_is_read_from(modality: Modality) -> None:
    noise_uv = AVERAGED_NOISE_UV[modality][0]
    window_ms = 2.0 * getattr(SETTINGS, modality).peak_window_ms
    samples = window_ms * {MOTOR: 20.0, SENSORY: 50.0}[modality]

    errors = marking(sweep(ANSWER[modality], noise(noise_uv), modality=modality), modality).errors

    amplitude_uv = errors.get("amplitude_uv", 1000.0 * errors.get("amplitude_mv", 0.0))
    assert noise_uv / math.sqrt(samples) < amplitude_uv < noise_uv


@pytest.mark.parametrize(("modality", "quantity"), COVERED)
def test_the_95_percent_interval_holds_the_truth_of_93_to_97_percent_of_virtual_patients(
    modality: Modality, quantity: str
) -> None:
    held = held_by(modality)[quantity]

    assert len(held) >= 590
    assert 0.93 - 2.0 * BINOMIAL_SD <= sum(held) / len(held) <= 0.97 + 2.0 * BINOMIAL_SD


@cache
def held_by(modality: Modality) -> Mapping[str, Sequence[bool]]:
    """By quantity, whether each sweep's interval holds the truth."""
    drawn = [draw_response(seed, modality) for seed in SWEEPS[modality]]
    found = mark_all([one.waveform for one in drawn], modality, SETTINGS)
    held: defaultdict[str, list[bool]] = defaultdict(list)
    for one, said in zip(drawn, found, strict=True):
        outcome = compared(one, said)
        for name, error in outcome.standard_error.items():
            held[name].append(abs(outcome.error[name]) <= 1.96 * error)
    return held


def test_a_gentle_foot_is_not_taken_for_baseline() -> None:
    wave = (bell(6000.0, 12.0, 1.4), bell(-2000.0, 16.5, 1.8))
    for seed in range(20):
        found = marking(sweep(*wave, noise(3.0, seed)))

        assert misses(found, known(*wave), within=2.5) == {}


def test_a_tail_as_short_as_a_period_leaves_it_open_which_hum_it_shows() -> None:
    wave = cmap(peak_uv=500.0, begin_ms=14.0, negative_ms=6.0)
    sampling = replace(SAMPLING[MOTOR], start_ms=0.0, end_ms=49.0)
    hums = (hum(13.0, turns=seed / 40.0) for seed in range(40))
    sweeps = (sweep(wave, noise(4.0, seed), one, sampling=sampling) for seed, one in enumerate(hums))

    missed = [one for one in sweeps if misses(marking(one), known(wave))]

    assert len(missed) <= 3  # 9 with the likelier of the two alone
