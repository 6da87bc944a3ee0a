"""Of several negative phases the highest is marked, from the baseline; the total duration covers them all."""

import numpy as np
import pytest

from gateway.domain.recording import MotorMarks
from tests.domain.markers.curves import (
    cmap,
    known,
    last_return_ms,
    marking,
    misses,
    noise,
    numbers,
    sweep,
    total,
)


@pytest.mark.parametrize("later_ms", [10.0, 12.0, 16.0])
def test_the_duration_is_that_of_the_main_phase_and_the_total_that_of_the_whole_complex(
    later_ms: float,
) -> None:
    wave = (cmap(begin_ms=3.0), cmap(begin_ms=later_ms, peak_uv=6000.0))

    found = marking(sweep(*wave, noise(5.0)))

    assert misses(found, known(*wave)) == {}
    assert isinstance(found.response, MotorMarks)
    whole_ms = last_return_ms(total(*wave), 800.0) - known(*wave)["onset_latency_ms"]
    assert found.response.total_duration_ms == pytest.approx(whole_ms, abs=0.25)


def test_of_two_phases_as_high_as_each_other_both_are_in_the_total_duration() -> None:
    wave = (cmap(begin_ms=3.0), cmap(begin_ms=12.0))

    found = marking(sweep(*wave, noise(5.0)))

    assert misses(found, known(*wave)) == {}
    assert isinstance(found.response, MotorMarks)
    assert found.response.total_duration_ms == pytest.approx(17.0 - 3.24, abs=0.25)
    second_uv = float(total(*wave)(np.arange(12.0, 17.0, 0.001)).max())
    assert numbers(found) == pytest.approx({"dispersed": second_uv / 80.0}, abs=1.0)


@pytest.mark.parametrize("later_ms", [8.0, 10.0, 12.0])
def test_a_first_phase_of_30_percent_is_told_and_in_the_total_duration(later_ms: float) -> None:
    wave = (cmap(begin_ms=3.0, peak_uv=2400.0), cmap(begin_ms=later_ms))

    found = marking(sweep(*wave, noise(5.0)))

    assert misses(found, known(*wave)) == {}
    assert isinstance(found.response, MotorMarks)
    assert found.response.total_duration_ms == pytest.approx(later_ms + 5.0 - 3.3, abs=0.25)
    percent = 240.0 / known(*wave)["amplitude_mv"]
    assert numbers(found)["dispersed"] == pytest.approx(percent, abs=1.0)


@pytest.mark.parametrize("later_ms", [8.0, 12.0])
def test_the_highest_phase_is_marked_where_it_is_the_second(later_ms: float) -> None:
    wave = (cmap(begin_ms=3.0), cmap(begin_ms=later_ms, peak_uv=12000.0))

    found = marking(sweep(*wave, noise(5.0)))

    assert misses(found, known(*wave)) == {}
    assert isinstance(found.response, MotorMarks)
    assert found.response.total_duration_ms == pytest.approx(later_ms + 5.0 - 3.24, abs=0.25)
