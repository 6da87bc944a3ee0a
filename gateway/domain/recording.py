"""One sweep at one stimulation site: the fact everything else is computed from.

A recording says where the nerve was stimulated and recorded (nerve, side, sites), how (stimulus, filters,
distance, temperature) and what came back: the machine's own marks, the curve itself, or both. Three kinds
of absence are kept apart: `None` (not recorded), `NO_RESPONSE` (stimulated, nothing evoked) and, further
down the pipeline, "not assessable".
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gateway.domain.quality import Quality
from gateway.errors import DataError


class Modality(enum.StrEnum):
    """Motor (CMAP over a muscle) or sensory (SNAP over a nerve)."""

    MOTOR = "motor"
    SENSORY = "sensory"


class Side(enum.StrEnum):
    """Side of the body."""

    LEFT = "left"
    RIGHT = "right"


# What a machine says against a signal it sends all the same (DICOM PS3.3 C.10.9). One that is disconnected,
# invalid or uncalibrated is not a recording.
SignalStatus = Literal["questionable", "unzeroed"]


class NoResponse(enum.Enum):
    """The nerve was stimulated and nothing came back. Not zero, not missing."""

    NO_RESPONSE = "absent"


NO_RESPONSE: Final = NoResponse.NO_RESPONSE

# Smaller than any instrument resolves, and not zero: a decimal slip.
_RESOLUTION: Final = 1e-6
# The largest value each quantity can have; beyond it is a unit or decimal slip, not a patient. Same as in
# the Study document's schema.
_LARGEST: Final[dict[str, float]] = {
    "onset_latency_ms": 1000,
    "peak_latency_ms": 1000,
    "amplitude_mv": 1000,
    "amplitude_uv": 100_000,
    "peak_to_peak_mv": 1000,
    "peak_to_peak_uv": 100_000,
    "negative_area_mv_ms": 100_000,
    "negative_duration_ms": 1000,
    "total_duration_ms": 1000,
}


# Beyond what any amplifier does; they keep arithmetic on a sweep finite.
_FASTEST_HZ: Final = 1e7
_COARSEST_UV: Final = 1e6
_FARTHEST_MS: Final = 1e4
# Ten times what stimulators give (100 mA, 1 ms) and more: a slip of the unit.
_STRONGEST_MA: Final = 1000.0
_LONGEST_MS: Final = 100.0
_WARMEST_C: Final = 50.0  # no skin is that warm; 331 is 33.1


class _CheckedQuantities:
    """Refuses negative, non-finite and otherwise impossible quantities on construction."""

    __slots__: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:  # those of the dataclass that derives from it
            value = getattr(self, name)
            if value is None or value == 0:
                continue
            if not _RESOLUTION <= value <= _LARGEST[name]:  # NaN fails every comparison
                raise DataError(f"is impossible: must be 0 to {_LARGEST[name]:g}", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorMarks(_CheckedQuantities):
    """What was read off a CMAP; amplitude, area and duration are those of the negative peak.

    Source: common practice of motor studies. `None`: not measured. `peak_to_peak_mv` is never compared with
    `amplitude_mv`; `total_duration_ms` runs to the end of the last negative phase.
    """

    onset_latency_ms: float | None = None
    peak_latency_ms: float | None = None
    amplitude_mv: float | None = None
    peak_to_peak_mv: float | None = None
    negative_area_mv_ms: float | None = None
    negative_duration_ms: float | None = None
    total_duration_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryMarks(_CheckedQuantities):
    """What was read off a SNAP; `amplitude_uv` is baseline to negative peak."""

    onset_latency_ms: float | None = None
    peak_latency_ms: float | None = None
    amplitude_uv: float | None = None
    peak_to_peak_uv: float | None = None
    negative_duration_ms: float | None = None
    total_duration_ms: float | None = None


Marks = MotorMarks | SensoryMarks
Response = Marks | NoResponse


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waveform:
    """A sampled sweep: integer counts, clinical negative stored as positive numbers.

    `samples` is one-dimensional int32 and read-only; sample 0 lies `start_ms` after the stimulus
    (negative: before it).
    """

    sampling_rate_hz: float
    start_ms: float
    microvolts_per_count: float
    samples: NDArray[np.int32]

    def __post_init__(self) -> None:
        for name, most in (("sampling_rate_hz", _FASTEST_HZ), ("microvolts_per_count", _COARSEST_UV)):
            if not 0 < getattr(self, name) <= most:
                raise DataError(f"must be a number above zero, at most {most:g}", name)
        if not abs(self.start_ms) <= _FARTHEST_MS:
            raise DataError(f"must be within {_FARTHEST_MS:g} ms of the stimulus", "start_ms")
        if self.samples.ndim != 1 or self.samples.size < 2:
            raise DataError("a waveform needs at least two samples", "samples")
        if self.samples.dtype.kind not in "iu":
            raise DataError("samples are whole counts", "samples")
        samples = np.array(self.samples, dtype=np.int32)
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Waveform):
            return NotImplemented
        return (
            self.sampling_rate_hz == other.sampling_rate_hz
            and self.start_ms == other.start_ms
            and self.microvolts_per_count == other.microvolts_per_count
            and np.array_equal(self.samples, other.samples)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are not hashable

    @property
    def microvolts(self) -> NDArray[np.float64]:
        """The sweep in microvolts, clinical negative positive."""
        return self.samples.astype(np.float64) * np.float64(self.microvolts_per_count)

    @property
    def times_ms(self) -> NDArray[np.float64]:
        """The time of each sample after the stimulus, in ms."""
        steps: NDArray[np.float64] = np.arange(self.samples.size, dtype=np.float64)
        return np.float64(self.start_ms) + steps * np.float64(1000.0 / self.sampling_rate_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What was read off one sweep.

    `response` is rounded as published: NO_RESPONSE where nothing stands above the noise, None where the
    sweep cannot be marked. `errors` holds the standard error of each quantity, under the quantity's name
    and in its unit. `watched_ms`: of NO_RESPONSE, how long after the stimulus the sweep ends.
    """

    response: Response | None
    errors: Mapping[str, float] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()
    watched_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """What is kept of a curve that was given up for space: everything that results rest on.

    `marking` is ours, as the whole curve was marked; `negative_phase` the part of a CMAP by which the shapes
    of two sites are compared, None where there is none. See `gateway.domain.thinning`.
    """

    marking: Marking
    negative_phase: Waveform | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """The electrical stimulus; `supramaximal` is the operator's or the cart's statement."""

    intensity_ma: float | None = None
    duration_ms: float | None = None
    supramaximal: bool | None = None

    def __post_init__(self) -> None:
        for name, most in (("intensity_ma", _STRONGEST_MA), ("duration_ms", _LONGEST_MS)):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= most:
                raise DataError(f"is impossible: must be 0 to {most:g}", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One stimulation and what came back.

    `distance_mm` runs to the next more distal stimulation site recorded for the same nerve, side and
    muscle, for the most distal one to the active electrode; `distance_to_recording_mm` always to the
    active electrode. `site_position_mm` (from the active electrode) marks an inching site, filed under the
    next named distal site. `thinned` stands in the place of a waveform that was given up. `identity` is that
    of the content as it was journaled first, not a part of it; None where nobody journaled it.
    """

    modality: Modality
    nerve: str
    side: Side
    recording_site: str
    stimulation_site: str
    site_position_mm: float | None = None
    distance_mm: float | None = None
    distance_to_recording_mm: float | None = None
    recorded_at: str | None = None
    skin_temperature_c: float | None = None
    stimulus: Stimulus = Stimulus()
    filter_hz: tuple[float, float] | None = None
    gain_uv_per_div: float | None = None
    notch_hz: float | None = None
    averages: int | None = None
    montage_id: str | None = None
    operator: str | None = None
    signal_status: SignalStatus | None = None
    measured: Response | None = None
    waveform: Waveform | None = None
    thinned: Thinned | None = None
    identity: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.measured is None and self.waveform is None and self.thinned is None:
            raise DataError("neither measured values nor a waveform", "measured")
        expected = MotorMarks if self.modality is Modality.MOTOR else SensoryMarks
        if not isinstance(self.measured, (expected, NoResponse, type(None))):
            raise DataError(f"the marks of a {self.modality} recording are of another kind", "measured")
        for name, least in _LENGTHS:
            value = getattr(self, name)
            if value is not None and not least <= value <= _LONGEST_MM:
                raise DataError(f"is impossible: must be {least:g} to {_LONGEST_MM:g}", name)
        if self.skin_temperature_c is not None and not 0 <= self.skin_temperature_c <= _WARMEST_C:
            raise DataError(f"is impossible: must be 0 to {_WARMEST_C:g}", "skin_temperature_c")
        if self.filter_hz is not None and not 0 <= self.filter_hz[0] < self.filter_hz[1] <= _FASTEST_HZ:
            raise DataError(
                "the high frequency must be above the low one, and one that there is", "filter_hz"
            )
        if self.averages is not None and not 1 <= self.averages <= _MOST_AVERAGES:
            raise DataError(f"must be a count of sweeps, at most {_MOST_AVERAGES}", "averages")

    @property
    def name(self) -> str:
        """How a message names this recording: `motor ulnar right adm wrist`."""
        position = "" if self.site_position_mm is None else f"@{self.site_position_mm:g}mm"
        where = f"{self.recording_site} {self.stimulation_site}{position}"
        return f"{self.modality} {self.nerve} {self.side} {where}"


_MOST_AVERAGES: Final = 1_000_000  # a whole day of stimuli at 10 Hz is fewer
_LONGEST_MM: Final = 3000.0  # longer than any nerve
_LENGTHS: Final = (
    ("site_position_mm", 0.0),
    ("distance_mm", _RESOLUTION),
    ("distance_to_recording_mm", _RESOLUTION),
)

MarkedBy = Literal["device", "gateway"]
