"""How the cart reads a response: latency, amplitude, area and duration, from the noise-free wave.

Amplitude runs from baseline to the negative peak, area and duration are those of the negative peak, the onset
is where the wave leaves the baseline. `printed` rounds as carts print.
"""

from dataclasses import fields
from typing import Final

import numpy as np

from drivers.simulator.fibres import Floats
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, NoResponse, Response, SensoryMarks

# Below this the operator types "no response": hardly above the noise of the amplifier (modelling choice).
_SMALLEST_UV: Final = {Modality.MOTOR: 50.0, Modality.SENSORY: 1.0}
# The share of the peak at which an eye sees the wave leave the baseline (modelling choice).
_FIRST_SEEN: Final = 0.01
_DECIMALS: Final = {"ms": 2, "mv": 3, "uv": 1}


def read_marks(modality: Modality, wave_uv: Floats, times_ms: Floats) -> Response:
    """The marks of a noise-free `wave_uv`, negative up, exact to the sample; NO_RESPONSE if there is none."""
    peak = int(np.argmax(wave_uv))
    height_uv = float(wave_uv[peak])
    if height_uv < _SMALLEST_UV[modality]:
        return NO_RESPONSE
    seen = np.flatnonzero(wave_uv >= _FIRST_SEEN * height_uv)
    onset, last_seen = int(seen[0]), int(seen[-1])
    end, last_end = (at + int(np.argmax(wave_uv[at:] <= 0.0)) for at in (peak, last_seen))
    onset_ms = float(times_ms[onset])
    trough_uv = float(wave_uv[end:].min())
    if modality is Modality.SENSORY:
        return SensoryMarks(
            onset_latency_ms=onset_ms,
            peak_latency_ms=float(times_ms[peak]),
            amplitude_uv=height_uv,
            peak_to_peak_uv=height_uv - trough_uv,
        )
    sample_ms = float(times_ms[1] - times_ms[0])
    return MotorMarks(
        onset_latency_ms=onset_ms,
        amplitude_mv=height_uv / 1000.0,
        peak_to_peak_mv=(height_uv - trough_uv) / 1000.0,
        negative_area_mv_ms=float(wave_uv[onset:end].sum()) * sample_ms / 1000.0,
        negative_duration_ms=float(times_ms[end]) - onset_ms,
        total_duration_ms=float(times_ms[last_end]) - onset_ms,
    )


def printed(response: Response) -> Response:
    """The marks as a cart prints them: ms and mV.ms to 2 decimals, mV to 3, uV to 1."""
    if isinstance(response, NoResponse):
        return response
    values = {
        field.name: None if value is None else round(value, _DECIMALS[field.name.rsplit("_", 1)[1]])
        for field in fields(response)
        for value in (getattr(response, field.name),)
    }
    return type(response)(**values)
