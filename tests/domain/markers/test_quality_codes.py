"""What is wrong with a sweep is said by name, with a number that can be checked; not of an ordinary one."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.domain import markers
from gateway.domain.quality import MEANINGS
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, Waveform
from tests.domain.markers.curves import (
    LONG,
    MOTOR,
    SAMPLING,
    SENSORY,
    Curve,
    above_ms,
    artefact,
    bell,
    cmap,
    cut_off,
    drift,
    half_wave,
    hum,
    marking,
    negated,
    noise,
    numbers,
    snap,
    sweep,
    total,
    usual,
)

BOTH = pytest.mark.parametrize("modality", Modality)
PACKAGE = Path(markers.__file__).parent
NOISE = noise(5.0)


def ending(end_ms: float) -> Waveform:
    """An ordinary sweep that ends so early."""
    return sweep(cmap(), NOISE, sampling=replace(SAMPLING[MOTOR], end_ms=end_ms))


def drop_percent(curve: Curve) -> float:
    """How deep a curve's notch is before its peak, in percent of its height."""
    wave = curve(np.arange(0.0, 40.0, 0.001))
    rise = wave[: int(wave.argmax())]
    return float((np.maximum.accumulate(rise) - rise).max() / wave.max()) * 100.0


NOTCHED = total(cmap(negative_ms=8.0), bell(-4000.0, 6.0, 0.4))
SPLIT = total(cmap(), cmap(begin_ms=16.0, peak_uv=4000.0))

# By code: a sweep that shows it, the number, how near the marker's must be.
SHOWN = {
    "clipped": (cut_off(sweep(cmap(), NOISE), -9e3, 6000.0), above_ms(cmap(), 6000.0), 0.1),
    "all_clipped": (cut_off(sweep(hum(1e5), NOISE), -1000.0, 1000.0), 100.0, 2.0),
    "artefact_overlaps_onset": (
        sweep(cmap(begin_ms=1.5), NOISE, artefact(3000.0, 1.0)),
        float(artefact(3000.0, 1.0)(np.array([1.74]))[0]),
        60.0,
    ),
    "baseline_unsteady": (sweep(cmap(peak_uv=300.0), NOISE, drift(-5.0)), 5.0 * 4.6, 5.0),
    "mains": (sweep(cmap(), NOISE, hum(15.0), sampling=LONG), 15.0, 0.75),
    "low_signal_to_noise": (sweep(cmap(peak_uv=200.0), noise(40.0)), 12.0, 4.0),
    "uncertain_response": (sweep(cmap(peak_uv=75.0), NOISE), 75.0 / 5.0, 7.0),
    "uncertain_onset": (
        sweep(
            cmap(peak_uv=1000.0, negative_ms=12.0),
            noise(60.0, 2),
            sampling=replace(SAMPLING[MOTOR], start_ms=-2.0),
        ),
        0.5,
        0.2,
    ),
    "too_noisy": (sweep(noise(100.0)), 12.0 * 100.0 / 20**0.5, 30.0),  # of a mean of 1 ms
    "sweep_ends_before_return": (ending(6.5), 1.0, 0.3),
    "sweep_ends_before_peak": (ending(4.9), 4.9, 0.3),
    "wrong_polarity": (negated(sweep(cmap(), NOISE)), 8000.0, 40.0),
    "initial_positivity": (sweep(cmap(), bell(-1000.0, 2.2, 0.4), NOISE), 1000.0, 40.0),
    "notched": (sweep(NOTCHED, NOISE), drop_percent(NOTCHED), 2.0),
    "dispersed": (
        sweep(SPLIT, NOISE),
        float(SPLIT(np.arange(16.0, 30.0, 0.001)).max()) / 8000.0 * 100.0,
        1.0,
    ),
    "too_few_samples": (ending(1.0), 120.0, 0.0),
    "constant_signal": (replace(ending(45.0), samples=np.full(1000, 7)), 0.0, 0.0),
    "sampling_rate_unusable": (replace(ending(45.0), sampling_rate_hz=500.0), 500.0, 0.0),
    "too_slow": (
        sweep(cmap(negative_ms=70.0), NOISE, sampling=replace(SAMPLING[MOTOR], end_ms=140.0)),
        0.952 * 70.0,  # from 1 % of the peak on
        1.5,
    ),
    "later_wave": (
        sweep(
            cmap(peak_uv=2000.0),
            half_wave(8000.0, 25.0, 80.0),
            NOISE,
            sampling=replace(SAMPLING[MOTOR], end_ms=148.0),
        ),
        8000.0,
        2500.0,  # of so slow a wave a drift explains a part
    ),
    "impossible_response": (replace(sweep(cmap(), NOISE), microvolts_per_count=100.0), None, 0.0),
}
UNMARKED = {
    "too_noisy",
    "all_clipped",
    "sweep_ends_before_peak",
    "wrong_polarity",
    "too_few_samples",
    "too_slow",
    "constant_signal",
    "sampling_rate_unusable",
    "impossible_response",
}
# The unit of each number, as UCUM; None: a pure number, or none at all.
UNITS = {
    "clipped": "ms",
    "all_clipped": "%",
    "artefact_overlaps_onset": "uV",
    "baseline_unsteady": "uV",
    "mains": "uV",
    "low_signal_to_noise": None,
    "uncertain_response": None,
    "uncertain_onset": "ms",
    "too_noisy": "uV",
    "later_wave": "uV",
    "sweep_ends_before_return": "ms",
    "sweep_ends_before_peak": "ms",
    "wrong_polarity": "uV",
    "initial_positivity": "uV",
    "notched": "%",
    "dispersed": "%",
    "too_few_samples": "samples",
    "too_slow": "ms",
    "constant_signal": "uV",
    "sampling_rate_unusable": "Hz",
    "impossible_response": None,
}


def emitted() -> set[str]:
    """Every name the package makes a quality entry of."""
    calls = (node for path in PACKAGE.glob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Quality"
        and isinstance(call.args[0], ast.Constant)
    }


def test_every_name_the_marker_says_has_a_meaning_and_a_sweep_here() -> None:
    assert emitted() == set(SHOWN) == set(UNITS)
    assert emitted() <= set(MEANINGS)


@pytest.mark.parametrize("code", SHOWN)
def test_a_code_is_said_where_it_should_be_with_its_number(code: str) -> None:
    waveform, number, near = SHOWN[code]

    found = marking(waveform)

    assert code in numbers(found)
    assert numbers(found)[code] == (None if number is None else pytest.approx(number, abs=near))
    assert (found.response is None) == (code in UNMARKED)


@pytest.mark.parametrize("code", UNITS)
def test_the_number_is_in_the_unit_its_meaning_says(code: str) -> None:
    assert MEANINGS[code].unit == UNITS[code]


@BOTH
def test_nothing_is_said_of_an_ordinary_sweep(modality: Modality) -> None:
    for seed in range(40):
        assert marking(usual(modality, seed), modality).quality == ()


@pytest.mark.parametrize("ends_ms", [5.0, 5.4])
def test_a_sweep_that_ends_just_before_the_peak_is_not_marked_and_not_called_empty(ends_ms: float) -> None:
    found = marking(ending(ends_ms))

    assert found.response is None
    assert numbers(found) == pytest.approx({"sweep_ends_before_peak": ends_ms}, abs=0.3)


def test_a_sweep_that_ends_before_the_return_has_no_duration_and_no_area() -> None:
    found = marking(ending(7.0)).response

    assert isinstance(found, MotorMarks)
    assert found.amplitude_mv == pytest.approx(8.0, rel=0.02)
    assert (found.negative_duration_ms, found.total_duration_ms, found.negative_area_mv_ms) == (None,) * 3


@pytest.mark.parametrize(
    "height_uv",
    [
        15.0,
        20.0,
        pytest.param(30.0, marks=pytest.mark.xfail(reason="between 3 and 4.5 times `mains_uv` none is told")),
        40.0,
        100.0,
        300.0,
    ],
)
def test_loud_hum_is_told(height_uv: float) -> None:
    found = numbers(marking(sweep(cmap(), NOISE, hum(height_uv), sampling=LONG)))

    assert found.get("mains") == pytest.approx(height_uv, rel=0.1)


@pytest.mark.parametrize("peak_uv", [70.0, 100.0, 150.0])
def test_a_small_wave_is_not_called_dispersed(peak_uv: float) -> None:
    for seed in range(10):
        found = marking(sweep(cmap(peak_uv=peak_uv), noise(10.0, seed)))
        assert "dispersed" not in numbers(found)
        assert isinstance(found.response, MotorMarks)
        assert found.response.total_duration_ms == found.response.negative_duration_ms


@pytest.mark.xfail(reason="the tail of a small wave is taken for hum on a sweep shorter than its period")
def test_no_hum_is_told_of_a_small_snap_without_it() -> None:
    for seed in range(10):
        wave = sweep(snap(peak_uv=2.0), noise(0.1, seed), modality=SENSORY)
        assert "mains" not in numbers(marking(wave, SENSORY))


def test_mains_is_told_of_a_sweep_without_a_response_too() -> None:
    found = marking(sweep(noise(5.0), hum(15.0), sampling=LONG))

    assert found.response is NO_RESPONSE
    assert numbers(found) == pytest.approx({"mains": 15.0}, abs=0.75)


@pytest.mark.parametrize(
    "waveform",
    [
        replace(ending(45.0), sampling_rate_hz=10.0, start_ms=-4000.0),
        replace(ending(45.0), sampling_rate_hz=2e6),
        replace(ending(45.0), start_ms=200.0),
        replace(ending(45.0), start_ms=-9000.0),
        replace(ending(45.0), samples=np.array([0, 0])),
        replace(ending(45.0), samples=np.array([0, 5])),
    ],
)
@BOTH
def test_what_no_nerve_and_no_cart_makes_is_not_marked_and_says_why(
    waveform: Waveform, modality: Modality
) -> None:
    found = marking(waveform, modality)

    assert found.response is None
    assert len(found.quality) == 1


def test_kilovolts_are_not_called_no_response() -> None:
    assert marking(replace(ending(45.0), microvolts_per_count=1e6), SENSORY).response is None
