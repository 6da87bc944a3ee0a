"""A second nerve changes the shape of the distal response; block, dispersion and weak stimuli do not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulator import body
from drivers.simulator.amplifier import AMPLIFIERS
from drivers.simulator.fibres import Floats
from drivers.simulator.patient import Patient, Stimulation
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, Waveform
from gateway.domain.shapes import NegativeWave, correlation, costimulation
from gateway.domain.sites import Evoked
from gateway.domain.thinning import thinned
from tests.factories import cmap, marked, marker_settings, median, waveform

# The times of a plain sweep: 20 kHz, 40 ms, 2 ms before the stimulus.
TIMES_MS = -2.0 + np.arange(800) / 20.0


def half_sine(onset_ms: float, duration_ms: float) -> Floats:
    phase = (TIMES_MS - onset_ms) / duration_ms
    return np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase), 0.0)


def negative(curve_uv: Floats, onset_ms: float, duration_ms: float) -> NegativeWave:
    counts = waveform(np.round(curve_uv).astype(np.int32))
    return NegativeWave(waveform=counts, onset_ms=onset_ms, duration_ms=duration_ms)


def plain(onset_ms: float = 3.0, duration_ms: float = 6.0, amplitude_uv: float = 9000.0) -> NegativeWave:
    return negative(amplitude_uv * half_sine(onset_ms, duration_ms), onset_ms, duration_ms)


@settings(max_examples=50)
@given(later=st.floats(0.0, 15.0), amplitude_uv=st.floats(500.0, 20_000.0), drift_uv=st.floats(-200.0, 200.0))
def test_what_is_later_smaller_or_drifts_has_the_same_shape(
    later: float, amplitude_uv: float, drift_uv: float
) -> None:
    curve = amplitude_uv * half_sine(3.0 + later, 6.0) + drift_uv * TIMES_MS / 40.0 + 50.0

    assert correlation(plain(), negative(curve, 3.0 + later, 6.0)) > 0.995


@pytest.mark.parametrize("stretch", [1.0, 1.15, 1.3, 1.4])
def test_a_proximal_wave_that_dispersion_stretched_has_the_same_shape(stretch: float) -> None:
    assert correlation(plain(), plain(duration_ms=6.0 * stretch)) > 0.98


def test_a_distal_wave_that_is_longer_has_not() -> None:
    assert correlation(plain(duration_ms=8.0), plain(duration_ms=6.0)) < 0.9


def test_a_second_hump_is_another_shape() -> None:
    humps = 6000.0 * (half_sine(3.0, 5.0) + half_sine(7.5, 5.0))

    assert correlation(negative(humps, 3.0, 9.5), plain()) < 0.5


def test_a_curve_without_any_shape_correlates_with_nothing() -> None:
    assert correlation(negative(np.zeros(800), 3.0, 6.0), plain()) == 0.0


@settings(max_examples=50)
@given(
    st.lists(st.integers(-30_000, 30_000), min_size=2, max_size=60),
    st.floats(-5.0, 50.0),
    st.floats(1e-6, 1000.0),
)
def test_a_correlation_is_one_whatever_the_curve(samples, onset_ms: float, duration_ms: float) -> None:
    strange = NegativeWave(waveform=waveform(samples), onset_ms=onset_ms, duration_ms=duration_ms)

    assert abs(correlation(strange, plain())) <= 1.0 + 1e-9
    assert abs(correlation(plain(), strange)) <= 1.0 + 1e-9


def recorded(site: str, curve: Waveform | None, **changes) -> Evoked:
    return marked(median(site, measured=None, waveform=curve, **changes))


DISTAL = recorded("wrist", cmap(duration_ms=9.0))
PROXIMAL = recorded("elbow", cmap(onset_ms=7.0, duration_ms=6.0))


def dipping(entry: Evoked) -> Evoked:
    return replace(entry, quality=(*entry.quality, Quality("initial_positivity", 200.0)))


def test_a_longer_distal_wave_of_another_shape_is_suspected() -> None:
    found = costimulation(DISTAL, PROXIMAL)

    assert found is not None
    assert found.name == "costimulation_suspected"
    assert found.value is not None
    assert 0.5 < found.value < 0.9
    assert found.value == round(found.value, 3)


def test_a_fall_of_the_duration_within_its_uncertainty_is_none() -> None:
    unsure = replace(DISTAL, errors={"negative_duration_ms": 2.0})

    assert costimulation(unsure, PROXIMAL) is None


def test_another_shape_alone_is_no_second_nerve() -> None:
    dispersed = recorded("elbow", cmap(onset_ms=7.0, duration_ms=11.0))

    assert costimulation(PROXIMAL, dispersed) is None


def test_a_positive_dip_that_only_the_distal_wave_has_speaks_for_a_second_nerve() -> None:
    notched = 6000.0 * (half_sine(7.0, 3.0) + half_sine(10.2, 3.0)) + 600.0 * half_sine(7.0, 6.2)
    distal, proximal = (
        replace(
            recorded(site, waveform(np.round(curve).astype(np.int32))),
            gateway=MotorMarks(onset_latency_ms=onset_ms, negative_duration_ms=6.2),
        )
        for site, curve, onset_ms in (("wrist", 9000 * half_sine(3, 6.2), 3.0), ("elbow", notched, 7.0))
    )

    assert costimulation(distal, proximal) is None
    assert costimulation(dipping(distal), proximal) is not None
    assert costimulation(dipping(distal), dipping(proximal)) is None


def test_a_dip_on_the_same_shape_is_no_second_nerve() -> None:
    assert costimulation(dipping(PROXIMAL), recorded("elbow", cmap(onset_ms=9.0))) is None


@pytest.mark.parametrize(
    "unknown",
    [
        marked(median("wrist")),
        replace(DISTAL, gateway=None),
        replace(DISTAL, gateway=NO_RESPONSE),
        replace(DISTAL, gateway=MotorMarks(onset_latency_ms=3.0)),
        replace(DISTAL, gateway=MotorMarks(negative_duration_ms=9.0)),
    ],
)
def test_without_both_negative_phases_nothing_is_said(unknown: Evoked) -> None:
    assert costimulation(unknown, PROXIMAL) is None
    assert costimulation(DISTAL, unknown) is None


def test_a_second_nerve_is_suspected_by_what_is_kept_of_two_curves_as_by_the_whole() -> None:
    whole = DISTAL, PROXIMAL
    kept = [marked(thinned(entry.recording, marker_settings())) for entry in whole]

    assert all(entry.recording.waveform is None for entry in kept)
    for distal, proximal in (kept, (kept[0], PROXIMAL), (DISTAL, kept[1])):
        assert costimulation(distal, proximal) == costimulation(DISTAL, PROXIMAL) is not None


def overstimulated(seed: int, *, neighbour_mv: float, axon_loss: float) -> tuple[Evoked, Evoked, Evoked]:
    """Wrist, elbow and axilla of a median nerve; the stimulus at the wrist reaches the ulnar nerve too.

    What the ulnar muscles show under the same electrode comes 3 ms later: they lie farther from it.
    """
    pool = replace(body.ADM.pool, total_uv=1000.0 * neighbour_mv, terminal_ms=body.ADM.pool.terminal_ms + 3.0)
    patient = Patient([replace(body.APB, axon_loss=axon_loss), replace(body.ADM, pool=pool)], seed=seed)
    amplifier, rng = AMPLIFIERS[Modality.MOTOR], np.random.default_rng(seed)

    def response(muscle: str, nerve: str, site: str) -> Floats:
        stimulation = Stimulation(recording_site=muscle, nerve=nerve, site=site)
        return patient.response_uv(stimulation, amplifier.times_ms)

    both = response("apb", "median", "wrist") + response("adm", "ulnar", "wrist")
    alone = (response("apb", "median", site) for site in ("elbow", "axilla"))
    wrist, elbow, axilla = (
        recorded(site, amplifier.record(clean, rng))
        for site, clean in zip(("wrist", "elbow", "axilla"), (both, *alone), strict=True)
    )
    return wrist, elbow, axilla


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("neighbour_mv", "axon_loss"), [(10.0, 0.0), (6.0, 0.5), (10.0, 0.5)])
def test_a_stimulus_that_reaches_the_neighbouring_nerve_is_suspected(
    seed: int, neighbour_mv: float, axon_loss: float
) -> None:
    wrist, elbow, axilla = overstimulated(seed, neighbour_mv=neighbour_mv, axon_loss=axon_loss)

    assert costimulation(wrist, elbow) is not None
    assert costimulation(elbow, axilla) is None
