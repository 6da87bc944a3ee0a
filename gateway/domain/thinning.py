"""What is given up of a recording when space runs short, and what never is.

The curve goes; our marks with their errors and what was wrong with the sweep stay, and of a CMAP the negative
phase, by which `shapes` compares two sites. So a study that was thinned is assessed, and can be corrected,
as before: nothing that is published rests on the rest of the curve.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from gateway.domain.markers import MarkerSettings, mark
from gateway.domain.recording import Recording, Response, Thinned, Waveform
from gateway.domain.shapes import EDGE_MS, negative_span

# Interpolation reaches one sample beyond each end; two more cost nothing.
_SPARE_SAMPLES: Final = 3


def thinned(recording: Recording, settings: MarkerSettings) -> Recording:
    """The recording with what is kept of its curve; itself where it has none, or not any more."""
    curve = recording.waveform
    if curve is None:
        return recording
    marking = mark(curve, recording.modality, settings)
    kept = Thinned(marking=marking, negative_phase=_negative_phase(curve, marking.response))
    return replace(recording, waveform=None, thinned=kept)


def _negative_phase(curve: Waveform, response: Response | None) -> Waveform | None:
    span = negative_span(response)
    if span is None:
        return None
    onset_ms, duration_ms = span
    ends_ms = (onset_ms - EDGE_MS, onset_ms + duration_ms + EDGE_MS)
    first, last = np.searchsorted(curve.times_ms, ends_ms)
    begin = max(int(first) - _SPARE_SAMPLES, 0)
    return replace(
        curve,
        start_ms=float(curve.times_ms[begin]),
        samples=curve.samples[begin : int(last) + _SPARE_SAMPLES],
    )
