"""The plainest marker that can be written with numpy, for its cost only: what every curve needs at least.

Median-free baseline and noise before the stimulus, negative peak, onset at five times the noise or 2 % of
the peak, return to zero, area, duration; no artefact, mains or drift, no uncertainty, no reasons.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.markers.truth import Floats
from gateway.domain.recording import Waveform

_BLIND_MS: Final = 0.8
_NOISE_FACTOR: Final = 5.0
_ONSET_PART: Final = 0.02


def plain_marks(waveforms: Sequence[Waveform]) -> Floats:
    """Onset, peak and return in ms, amplitude in uV, area in uV.ms, duration in ms: a row a waveform.

    The waveforms are sampled alike and begin before the stimulus.
    """
    first = waveforms[0]
    step_ms = 1000.0 / first.sampling_rate_hz
    scale = np.array([one.microvolts_per_count for one in waveforms])
    uv = np.stack([one.samples for one in waveforms]) * scale[:, np.newaxis]
    quiet, searched = (int((at - first.start_ms) / step_ms) for at in (0.0, _BLIND_MS))
    before = uv[:, :quiet]
    uv -= before.mean(axis=1, keepdims=True)
    peak = searched + uv[:, searched:].argmax(axis=1)
    height = uv[np.arange(len(uv)), peak]
    level = np.maximum(_NOISE_FACTOR * before.std(axis=1), _ONSET_PART * height)
    place = np.arange(uv.shape[1])
    low = (uv < level[:, np.newaxis]) & (place < peak[:, np.newaxis])
    onset = uv.shape[1] - low[:, ::-1].argmax(axis=1)
    gone = (uv <= 0.0) & (place > peak[:, np.newaxis])
    end = np.where(gone.any(axis=1), gone.argmax(axis=1), uv.shape[1] - 1)
    inside = (place >= onset[:, np.newaxis]) & (place < end[:, np.newaxis])
    area = np.sum(uv, axis=1, where=inside) * step_ms
    times = [first.start_ms + step_ms * index for index in (onset, peak, end)]
    return np.column_stack((*times, height, area, (end - onset) * step_ms))
