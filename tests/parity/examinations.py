"""Random examinations a cart could send: any nerve, side and site, with curves and marks of any kind."""

from dataclasses import astuple, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    SensoryMarks,
    Side,
    Stimulus,
    Waveform,
)
from gateway.domain.study import ClinicalFacts, Study
from tests.factories import header, reference

ANATOMY = reference().anatomy
RECORDED_AT = [None, "2026-11-02T10:15:03+01:00", "2026-11-02T10:20:41.500000+01:00"]
MOTOR_NERVES = [name for name, nerve in ANATOMY.nerves.items() if nerve.sites]


def decimals(least: float, most: float, places: int) -> st.SearchStrategy[float]:
    """Numbers as a machine prints them."""
    scale = 10**places
    return st.integers(round(least * scale), round(most * scale)).map(lambda count: count / scale)


@st.composite
def curves(draw: st.DrawFn, modality: Modality) -> Waveform:
    """A negative phase and a smaller positive one behind it, and noise."""
    motor = modality is Modality.MOTOR
    resolution_uv = draw(st.sampled_from([0.5, 1.0, 0.25] if motor else [0.05, 0.1, 0.0125]))
    amplitude_uv = draw(decimals(0, 12_000, 0) if motor else decimals(0, 60, 1))
    onset_ms, duration_ms = draw(decimals(1.5, 12, 1)), draw(decimals(1, 9, 1))
    rate_hz = draw(st.sampled_from([20_000.0, 25_000.0, 48_000.0, 31_250.0]))
    start_ms = draw(st.sampled_from([-2.0, 0.0, -1.5, 0.25]))
    times = start_ms + np.arange(round(30 * rate_hz / 1000)) * 1000 / rate_hz
    phase = (times - onset_ms) / duration_ms
    curve = np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase), 0.0)
    curve -= 0.3 * np.where((phase >= 1) & (phase < 2), np.sin(np.pi * (phase - 1)), 0.0)
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(0, 2 * resolution_uv, times.size)
    counts = np.clip(np.rint((amplitude_uv * curve + noise) / resolution_uv), -32_767, 32_767)
    return Waveform(
        sampling_rate_hz=rate_hz,
        start_ms=start_ms,
        microvolts_per_count=resolution_uv,
        samples=counts.astype(np.int32),
    )


def marks(modality: Modality) -> st.SearchStrategy[Any]:
    """What a machine printed, some of it missing, or that there was no response."""
    latency = st.none() | decimals(0.5, 25, 2)
    if modality is Modality.MOTOR:
        printed = st.builds(
            MotorMarks,
            onset_latency_ms=latency,
            peak_latency_ms=latency,
            amplitude_mv=st.none() | decimals(0, 20, 3),
            negative_area_mv_ms=st.none() | decimals(0, 90, 2),
            negative_duration_ms=st.none() | decimals(0.5, 20, 2),
        )
    else:
        printed = st.builds(
            SensoryMarks,
            onset_latency_ms=latency,
            peak_latency_ms=latency,
            amplitude_uv=st.none() | decimals(0, 90, 1),
        )
    return printed.filter(lambda found: any(astuple(found))) | st.just(NO_RESPONSE)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """One stimulation."""
    modality = draw(st.sampled_from(Modality))
    if modality is Modality.MOTOR:
        nerve = draw(st.sampled_from(MOTOR_NERVES))
        site = draw(st.sampled_from(ANATOMY.nerves[nerve].sites))
        recorded = draw(st.sampled_from(list(ANATOMY.muscles)))
    else:
        nerve = draw(st.sampled_from(list(ANATOMY.nerves)))
        site = draw(st.sampled_from(ANATOMY.sensory_stimulation_sites))
        recorded = draw(st.sampled_from(ANATOMY.sensory_recording_sites))
    sent = draw(st.sampled_from(["measured", "waveform", "both"]))
    return Recording(
        modality=modality,
        nerve=nerve,
        side=draw(st.sampled_from(Side)),
        recording_site=recorded,
        stimulation_site=site,
        distance_mm=draw(st.none() | decimals(20, 400, 0)),
        skin_temperature_c=draw(st.none() | decimals(25, 36, 1)),
        stimulus=Stimulus(
            intensity_ma=draw(st.none() | decimals(5, 99, 1)),
            duration_ms=draw(st.sampled_from([None, 0.1, 0.2])),
            supramaximal=draw(st.sampled_from([None, True, False])),
        ),
        filter_hz=draw(st.sampled_from([None, (2.0, 10_000.0), (20.0, 2000.0)])),
        site_position_mm=draw(st.none() | decimals(10, 400, 0)) if modality is Modality.MOTOR else None,
        distance_to_recording_mm=draw(st.none() | decimals(20, 900, 0)),
        recorded_at=draw(st.sampled_from(RECORDED_AT)),
        gain_uv_per_div=draw(st.sampled_from([None, 2000.0, 5000.0])),
        notch_hz=draw(st.sampled_from([None, 50.0])),
        averages=draw(st.sampled_from([None, 1, 10])),
        montage_id=draw(st.sampled_from([None, "belly-tendon", "other"])),
        operator=draw(st.sampled_from([None, "T1"])),
        signal_status=draw(st.sampled_from([None, None, "questionable", "unzeroed"])),
        measured=None if sent == "waveform" else draw(marks(modality)),
        waveform=None if sent == "measured" else draw(curves(modality)),
    )


@st.composite
def examinations(draw: st.DrawFn) -> Study:
    """Up to eight stimulations; half of the time of one nerve, so that there are segments to grade."""
    found = draw(st.lists(recordings(), min_size=1, max_size=8))
    if draw(st.booleans()):
        first = found[0]
        found = [
            replace(entry, nerve=first.nerve, side=first.side, recording_site=first.recording_site)
            for entry in found
            if entry.modality is first.modality
            and (
                entry.modality is Modality.SENSORY
                or entry.stimulation_site in ANATOMY.nerves[first.nerve].sites
            )
        ]
    clinical = ClinicalFacts(
        symptom_onset_days=draw(st.none() | decimals(1, 900, 0)),
        anti_gm1_igm=draw(st.sampled_from([None, "positive", "negative"])),
        csf_protein_g_l=draw(st.none() | decimals(0, 2, 2)),
        plexus_mri_abnormal=draw(st.sampled_from([None, True, False])),
        ivig_response=draw(st.sampled_from([None, True, False])),
        umn_signs=draw(st.sampled_from([None, True, False])),
    )
    return Study(header=header(clinical=clinical), recordings=tuple(found))
