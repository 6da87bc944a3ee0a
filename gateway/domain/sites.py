"""A stimulation site is a series: every recording is kept, one of them is used.

`Evoked` is a recording with the response that is graded: the machine's marks where it sent any, ours for
what it did not send. `used` picks the recording of a site the comparison stands on, and says what the
series shows: electrodes that moved, a current that was still too low.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.domain.agreement import disagreements, marked
from gateway.domain.corrections import Amendment
from gateway.domain.markers import MarkerSettings, Marking, mark
from gateway.domain.quality import Quality
from gateway.domain.recording import (
    NO_RESPONSE,
    MarkedBy,
    MotorMarks,
    NoResponse,
    Recording,
    Response,
    SensoryMarks,
)
from gateway.domain.rounding import reduction_percent
from gateway.domain.thresholds import Thresholds

# What shows that not all fibres were stimulated.
NOT_A_PLATEAU: Final = ("submaximal_series", "supramaximal_contradicted")
_NOT_MARKED: Final = Marking(response=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evoked:
    """One recording and what is graded of it.

    `graded` is None when neither the machine nor we could mark it; `gateway` holds our own marks where a
    waveform exists, `errors` their standard errors; `filled` names the quantities in `graded` that are ours
    beside the machine's. `watched_ms`: how long after the stimulus a sweep ends in which we saw no response.
    `amendment` is how the recording was amended, None where it stands as sent.
    """

    recording: Recording
    graded: Response | None
    marked_by: MarkedBy
    gateway: Response | None = None
    filled: tuple[str, ...] = ()
    quality: tuple[Quality, ...] = ()
    errors: Mapping[str, float] = field(default_factory=dict)
    watched_ms: float | None = None
    amendment: Amendment | None = None

    def error(self, name: str) -> float | None:
        """The standard error of a graded quantity, in its unit; None where the machine marked it."""
        ours = self.marked_by == "gateway" or name in self.filled
        return self.errors.get(name) if ours else None

    def flagged(self, name: str) -> bool:
        """Whether a quality entry of this name stands against the recording."""
        return bool(self.quality) and name in [entry.name for entry in self.quality]

    @property
    def submaximal(self) -> bool:
        """Whether the stimulus is known not to have reached all fibres, whatever is stated."""
        return self.recording.stimulus.supramaximal is False or any(map(self.flagged, NOT_A_PLATEAU))

    @property
    def motor(self) -> MotorMarks | None:
        """The graded marks of a CMAP; None for no response, no marks, or a SNAP."""
        return self.graded if isinstance(self.graded, MotorMarks) else None

    @property
    def several_phases(self) -> bool:
        """Whether a CMAP is known to have fallen apart into more than one negative phase."""
        marks = self.motor
        if marks is None or marks.total_duration_ms is None or marks.negative_duration_ms is None:
            return False
        if self.marked_by == "gateway" or "total_duration_ms" in self.filled:
            return self.flagged("dispersed")
        return marks.total_duration_ms > marks.negative_duration_ms

    @property
    def amplitude(self) -> float | None:
        """Baseline to negative peak in the modality's unit (mV or uV); 0 for no response."""
        marks = self.graded
        if isinstance(marks, MotorMarks):
            return marks.amplitude_mv
        if isinstance(marks, SensoryMarks):
            return marks.amplitude_uv
        return None if marks is None else 0.0


def evoked(recording: Recording, settings: MarkerSettings) -> Evoked:
    """Mark `recording`: the machine's marks are graded, quantities it did not send come from ours."""
    device, marking = _said(recording.measured), _marking(recording, settings)
    graded, quality = marking.response, marking.quality
    filled: tuple[str, ...] = ()
    if marking is _NOT_MARKED:
        graded = device
    elif device is not None:
        graded, filled = _filled(device, marking.response)
        quality = (*quality, *disagreements(device, marking, settings))
    if recording.signal_status is not None:
        quality = (Quality(f"signal_{recording.signal_status}"), *quality)
    if graded is NO_RESPONSE:
        quality = (Quality("response_absent"), *quality)
    return Evoked(
        recording=recording,
        graded=graded,
        marked_by="device" if _sent_any(device) else "gateway",
        gateway=marking.response,
        filled=filled,
        quality=quality,
        errors=marking.errors,
        watched_ms=marking.watched_ms,
    )


def _marking(recording: Recording, settings: MarkerSettings) -> Marking:
    """Our marks; of a curve that was thinned out those that were kept."""
    if recording.thinned is not None:
        return recording.thinned.marking
    curve = recording.waveform
    return _NOT_MARKED if curve is None else mark(curve, recording.modality, settings)


def _said(device: Response | None) -> Response | None:
    """What the machine says: a response of no height is none."""
    if device is None or isinstance(device, NoResponse):
        return device
    height = device.amplitude_mv if isinstance(device, MotorMarks) else device.amplitude_uv
    return NO_RESPONSE if height == 0 else device


def _sent_any(device: Response | None) -> bool:
    """Whether the machine marked anything, be it that there was no response."""
    if device is None or isinstance(device, NoResponse):
        return device is not None
    return any(getattr(device, name) is not None for name in device.__slots__)


def _filled(device: Response, ours: Response | None) -> tuple[Response, tuple[str, ...]]:
    if isinstance(device, NoResponse) or ours is None or isinstance(ours, NoResponse):
        return device, ()
    sent = marked(device)
    own = {name: getattr(ours, name) for name in marked(ours) if name not in sent}
    return replace(device, **own), tuple(own)


def used(series: Sequence[Evoked], thresholds: Thresholds) -> Evoked:
    """The recording of one site that is compared, out of all of them in order of arrival.

    The last one flagged supramaximal, else the one with the largest amplitude, of equals the strongest
    stimulus or else the last; at the same current a later recording takes the place of an earlier one, and
    too large a change adds `electrode_drift`. A series that still grew at its last step of current adds
    `submaximal_series`, unless the recording used is stated to be supramaximal; a stronger current that
    shows the statement to be wrong adds `supramaximal_contradicted`.
    """
    if len(series) == 1:
        return series[0]
    kept: list[Evoked] = []
    changes: list[float] = []
    for candidate in series:
        current = candidate.recording.stimulus.intensity_ma
        same = [e for e in kept if current is not None and e.recording.stimulus.intensity_ma == current]
        changes += [_growth_percent(earlier, candidate) for earlier in same]
        kept = [e for e in kept if e not in same] + [candidate]
    flagged = [e for e in kept if e.recording.stimulus.supramaximal]
    chosen = flagged[-1] if flagged else max(reversed(kept), key=_size)
    plateau = thresholds.plateau_percent.value
    found = [
        *_drift(changes, thresholds.electrode_drift_percent.value),
        *(_contradicted(chosen, kept, plateau) if flagged else _still_growing(kept, plateau)),
    ]
    return replace(chosen, quality=(*chosen.quality, *found)) if found else chosen


def _size(entry: Evoked) -> tuple[float, float]:
    amplitude, current = entry.amplitude, entry.recording.stimulus.intensity_ma
    return -1.0 if amplitude is None else amplitude, -1.0 if current is None else current


def _drift(changes: Sequence[float], most: float) -> Iterator[Quality]:
    """The largest of the `changes` (percent) at one current, where it is one of the electrode."""
    largest = max(changes, key=abs, default=0.0)
    if abs(largest) > most:
        yield Quality("electrode_drift", largest if math.isfinite(largest) else None)


def _still_growing(kept: Sequence[Evoked], least: float) -> Iterator[Quality]:
    """The growth at the highest step of current, where it is too much for a plateau."""
    by_current = {e.recording.stimulus.intensity_ma: e for e in kept if e.amplitude is not None}
    steps = sorted(current for current in by_current if current is not None)
    if len(steps) < 2:
        return
    growth = _growth_percent(by_current[steps[-2]], by_current[steps[-1]])
    if growth >= least:
        yield Quality("submaximal_series", growth if math.isfinite(growth) else None)


def _contradicted(chosen: Evoked, kept: Sequence[Evoked], least: float) -> Iterator[Quality]:
    """By how much a stronger current exceeds what is stated to be the most, where it is too much."""
    current = chosen.recording.stimulus.intensity_ma
    stronger = [e for e in kept if current is not None and (e.recording.stimulus.intensity_ma or 0) > current]
    growth = max((_growth_percent(chosen, entry) for entry in stronger), default=0.0)
    if growth >= least:
        yield Quality("supramaximal_contradicted", growth if math.isfinite(growth) else None)


def _growth_percent(earlier: Evoked, later: Evoked) -> float:
    """By how much the amplitude grew, to one decimal; infinite from nothing, 0 where it is not known."""
    before, after = earlier.amplitude, later.amplitude
    if before is None or after is None or before == after:
        return 0.0
    return 0.0 - reduction_percent(before, after) if before else math.inf
