"""A stimulation site is a series: every recording is kept, one of them is used.

`Evoked` is a recording with the response that is graded: the machine's marks where it sent any, ours for
what it did not send. `used` picks the recording of a site the comparison stands on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from gateway.domain.markers import MarkerSettings, mark
from gateway.domain.recording import (
    NO_RESPONSE,
    MarkedBy,
    Marks,
    MotorMarks,
    NoResponse,
    Recording,
    Response,
)
from gateway.domain.rounding import reduction_percent

# A change of more than this between two recordings of one site at one current points at the electrode.
# Source: engineering setting, no published authority.
_DRIFT_PERCENT: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evoked:
    """One recording and what is graded of it.

    `graded` is None when neither the machine nor we could mark it; `gateway` holds our own marks where a
    waveform exists; `filled` names the quantities in `graded` that are ours beside the machine's.
    """

    recording: Recording
    graded: Response | None
    marked_by: MarkedBy
    gateway: Response | None = None
    filled: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()

    @property
    def motor(self) -> MotorMarks | None:
        """The graded marks of a CMAP; None for no response, no marks, or a SNAP."""
        return self.graded if isinstance(self.graded, MotorMarks) else None

    @property
    def amplitude(self) -> float | None:
        """Baseline to negative peak in the modality's unit (mV or uV); 0 for no response."""
        if self.graded is None:
            return None
        if isinstance(self.graded, NoResponse):
            return 0.0
        marks = self.graded
        return marks.amplitude_mv if isinstance(marks, MotorMarks) else marks.amplitude_uv


def evoked(recording: Recording, settings: MarkerSettings) -> Evoked:
    """Mark `recording`: the machine's marks are graded, quantities it did not send come from ours."""
    ours: Response | None = None
    quality: tuple[str, ...] = ()
    if recording.waveform is not None:
        ours, quality = mark(recording.waveform, recording.modality, settings)
    device = recording.measured
    if device is None:
        graded: Response | None = ours
        filled: tuple[str, ...] = ()
    else:
        graded, filled = _filled(device, ours)
        quality = (*quality, *_disagreements(device, ours, settings))
    if recording.signal_status is not None:
        quality = (f"signal_{recording.signal_status}", *quality)
    if graded is NO_RESPONSE:
        quality = ("response_absent", *quality)
    return Evoked(
        recording=recording,
        graded=graded,
        marked_by="device" if _sent_any(device) else "gateway",
        gateway=ours,
        filled=filled,
        quality=quality,
    )


def _sent_any(device: Response | None) -> bool:
    """Whether the machine marked anything, be it that there was no response."""
    if device is None or isinstance(device, NoResponse):
        return device is not None
    return len(_missing(device)) < len(fields(device))


def _filled(device: Response, ours: Response | None) -> tuple[Response, tuple[str, ...]]:
    if isinstance(device, NoResponse) or ours is None or isinstance(ours, NoResponse):
        return device, ()
    own = {name: getattr(ours, name) for name in _missing(device) if getattr(ours, name) is not None}
    return replace(device, **own), tuple(own)


def _missing(marks: Marks) -> list[str]:
    return [field.name for field in fields(marks) if getattr(marks, field.name) is None]


def _disagreements(device: Response, ours: Response | None, settings: MarkerSettings) -> tuple[str, ...]:
    """Where the machine's marks and ours differ by more than the settings allow, by quantity."""
    if ours is None or (device is NO_RESPONSE and ours is NO_RESPONSE):
        return ()
    if isinstance(device, NoResponse) or isinstance(ours, NoResponse):
        return ("marks_disagree:response",)
    found = []
    for field in fields(device):
        theirs, own = getattr(device, field.name), getattr(ours, field.name)
        if theirs is None or own is None:
            continue
        if field.name.endswith("latency_ms"):
            allowed = settings.disagreement_ms
        else:
            allowed = settings.disagreement_percent / 100 * theirs
        if abs(theirs - own) > allowed:
            found.append(f"marks_disagree:{field.name}")
    return tuple(found)


def used(series: Sequence[Evoked]) -> Evoked:
    """The recording of one site that is compared, out of all of them in order of arrival.

    The last one flagged supramaximal, else the one with the largest amplitude; at the same current a later
    recording takes the place of an earlier one, and a change of more than 10 % adds `electrode_drift`.
    """
    kept: list[Evoked] = []
    drifted = False
    for candidate in series:
        current = candidate.recording.stimulus.intensity_ma
        same = [e for e in kept if current is not None and e.recording.stimulus.intensity_ma == current]
        drifted = drifted or any(_drift(earlier, candidate) for earlier in same)
        kept = [e for e in kept if e not in same] + [candidate]
    flagged = [e for e in kept if e.recording.stimulus.supramaximal]
    chosen = flagged[-1] if flagged else max(kept, key=lambda e: -1.0 if e.amplitude is None else e.amplitude)
    return replace(chosen, quality=(*chosen.quality, "electrode_drift")) if drifted else chosen


def _drift(earlier: Evoked, later: Evoked) -> bool:
    before, after = earlier.amplitude, later.amplitude
    if before is None or after is None:
        return False
    if not before:  # from nothing to something
        return after > 0
    return abs(reduction_percent(before, after)) > _DRIFT_PERCENT
