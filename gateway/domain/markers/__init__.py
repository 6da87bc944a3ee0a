"""The marks of curves: onset, negative peak, return to baseline, area, each with its standard error.

Read `search` (where a response may be), `noise`, `background` (what lies under it), `take_off`, `wave` (its
marks), `errors`, `response` (whether it is one) in this order; `reading` is the way through them. All of it
works on many sweeps at once and gives each the same bits as alone. `docs/markers.md` says what is marked and
how well; `docs/decisions/0011` why it is done so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.markers.background import loud_hum
from gateway.domain.markers.flags import Clipped, clipped, dispersed, flags, hum_flag, rounded, unmarkable
from gateway.domain.markers.grid import Grid, grid
from gateway.domain.markers.reading import Reading, read
from gateway.domain.markers.regression import Floats
from gateway.domain.markers.response import Verdict, certain
from gateway.domain.markers.settings import MarkerSettings, Scale
from gateway.domain.quality import Quality
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Response,
    SensoryMarks,
    Waveform,
)
from gateway.domain.rounding import (
    AREA_DECIMALS,
    MICROVOLT_DECIMALS,
    MILLISECOND_DECIMALS,
    MILLIVOLT_DECIMALS,
    half_up,
)
from gateway.errors import DataError

__all__ = ["MarkerSettings", "Marking", "Scale", "mark", "mark_all"]

_AT_ONCE: Final = 32  # sweeps: more fall out of the cache
_SHOCK_GUARD_MS: Final = 0.2
_SHOCK_GOES_ON: Final = 0.65
_SHOCKS_UNTIL_MS: Final = 6.0
_BLANK_STEP_MS: Final = 0.25
_PEAK_AFTER_BLANK_MS: Final = 0.5
# A response of the wrong sign shows what follows it, lower than itself, as a wave after a dip.
_DIP_OF_INVERTED: Final = 1.5
_DIP_OF_UPRIGHT: Final = 0.5
_LARGER: Final = 1.5
_LATE: Final = 3.0  # times the blanked part: earlier, it may be the artefact
_RISEN: Final = 12.0  # standard deviations: where a sweep still rises so far, it ends in a response


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What was read off one sweep.

    `response` is rounded as published: NO_RESPONSE where nothing stands above the noise, None where the
    sweep cannot be marked. `errors` holds the standard error of each quantity, under the quantity's name
    and in its unit.
    """

    response: Response | None
    errors: Mapping[str, float] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()


def mark(waveform: Waveform, modality: Modality, settings: MarkerSettings) -> Marking:
    """The marks of one sweep; see `mark_all`."""
    return mark_all((waveform,), modality, settings)[0]


def mark_all(
    waveforms: Sequence[Waveform], modality: Modality, settings: MarkerSettings
) -> tuple[Marking, ...]:
    """The marks of each of `waveforms`, the same to the last bit as of each alone."""
    scale = settings.scale(modality)
    found: dict[int, Marking] = {}
    alike: defaultdict[Grid, list[tuple[int, _Sweep]]] = defaultdict(list)
    for place, waveform in enumerate(waveforms):
        sweep = _sweep(waveform, settings, scale)
        if isinstance(sweep, Quality):
            found[place] = Marking(response=None, quality=(sweep,))
        else:
            alike[sweep.grid].append((place, sweep))
    for group in alike.values():
        for begin in range(0, len(group), _AT_ONCE):
            places, sweeps = zip(*group[begin : begin + _AT_ONCE], strict=True)
            found |= zip(places, _markings(sweeps, modality), strict=True)
    return tuple(found[place] for place in range(len(waveforms)))


@dataclass(frozen=True, slots=True)
class _Sweep:
    """The part of a sweep that is looked at: its grid, counts, scale and half bins in uV."""

    grid: Grid
    counts: NDArray[np.int32]
    uv_per_count: float
    rate_hz: float
    fine: Floats


def _sweep(waveform: Waveform, settings: MarkerSettings, scale: Scale) -> _Sweep | Quality:
    """The sweep on its grid, or why it has none."""
    rate_hz, uv = waveform.sampling_rate_hz, waveform.microvolts_per_count
    if not settings.slowest_hz <= rate_hz <= settings.fastest_hz:
        return Quality("sampling_rate_unusable", rounded(rate_hz))
    first, last = (
        max(round((edge_ms - waveform.start_ms) * rate_hz / 1000.0), 0)
        for edge_ms in (-settings.longest_ms, settings.longest_ms)
    )
    counts = waveform.samples[first:last]
    start_ms = waveform.start_ms + first * 1000.0 / rate_hz
    try:
        usual = grid(rate_hz, start_ms, counts.size, scale)
        nothing = unmarkable(counts)
        if nothing is not None:
            return nothing
        fine = usual.binned(counts, uv)
        blanked_ms = _artefact_until_ms(usual, fine)
        if blanked_ms <= scale.blanked_ms:
            return _Sweep(usual, counts, uv, rate_hz, fine)
        later = max(scale.earliest_peak_ms, blanked_ms + _PEAK_AFTER_BLANK_MS)
        shocked = replace(scale, blanked_ms=blanked_ms, earliest_peak_ms=later)
        return _Sweep(grid(rate_hz, start_ms, counts.size, shocked), counts, uv, rate_hz, fine)
    except DataError:
        return Quality("too_few_samples", float(counts.size))


def _artefact_until_ms(grid: Grid, fine: Floats) -> float:
    """Until when the stimulus artefact, or a second one, jumps as no nerve does."""
    if grid.fine_ms > grid.scale.bin_ms:  # so coarse that a wave jumps as much as a shock
        return 0.0
    least = grid.scale.shock_uv * max(1.0, 2.0 * grid.fine_ms / grid.scale.bin_ms)
    first = grid.stimulus * grid.halves
    last = int((_SHOCKS_UNTIL_MS - grid.begin_ms) / grid.fine_ms)
    early = fine[first:last]
    steps = early[1:] - early[:-1]
    large = np.flatnonzero(np.abs(steps[1:-1]) > least) + 1
    # a wave goes on as it began, or began as it goes on; a shock stands alone
    beside = np.maximum(steps[large - 1] * steps[large], steps[large + 1] * steps[large])
    jumps = large[beside < _SHOCK_GOES_ON * steps[large] ** 2]
    if jumps.size == 0:
        return 0.0
    until_ms = grid.begin_ms + (first + int(jumps[-1]) + 1.5) * grid.fine_ms + _SHOCK_GUARD_MS
    return float(np.ceil(until_ms / _BLANK_STEP_MS)) * _BLANK_STEP_MS


def _markings(sweeps: Sequence[_Sweep], modality: Modality) -> Iterable[Marking]:
    shared = sweeps[0].grid
    fine = np.stack([sweep.fine for sweep in sweeps])
    readings = read(shared, fine, [sweep.uv_per_count for sweep in sweeps])
    for sweep, reading in zip(sweeps, readings, strict=True):
        yield _marking(sweep, reading, modality)


def _marking(sweep: _Sweep, reading: Reading, modality: Modality) -> Marking:
    wave = reading.wave
    if reading.verdict is Verdict.RESPONSE and wave.dip_uv <= _DIP_OF_INVERTED * wave.height_uv:
        cut = clipped(sweep.grid, reading, sweep.counts, sweep.rate_hz)
        try:
            response = _marks(reading, modality, cut)
        except DataError:  # a wave no nerve makes: a scale or a rate is wrong by orders of magnitude
            return Marking(response=None, quality=(Quality("impossible_response"),))
        if wave.end_ms - wave.onset_ms > sweep.grid.scale.longest_ms:
            slow = Quality("too_slow", rounded(wave.end_ms - wave.onset_ms))
            return Marking(response=None, quality=(slow,))
        quality = tuple(flags(sweep.grid, reading, cut))
        return Marking(response=response, errors=_errors(reading, response), quality=quality)
    hum = tuple(hum_flag(sweep.grid.scale, reading))
    inverted = _inverted(sweep, reading)
    if inverted is not None:
        return Marking(response=None, quality=(inverted, *hum))
    scale = sweep.grid.scale
    if reading.still_rising_uv > max(scale.uncertain_below_uv, _RISEN * reading.noise.deviation):
        return Marking(response=None, quality=(Quality("sweep_ends_before_peak", _last_ms(sweep)), *hum))
    if reading.verdict is Verdict.ABSENT:
        loud = loud_hum(sweep.grid, sweep.fine)
        if loud:
            return Marking(response=None, quality=(Quality("mains", rounded(loud)),))
        return Marking(response=NO_RESPONSE, quality=hum)
    significance = rounded(abs(wave.height_uv) / reading.errors["height"])
    return Marking(response=None, quality=(Quality("uncertain_response", significance), *hum))


def _last_ms(sweep: _Sweep) -> float:
    return rounded(float(sweep.grid.times_ms[-1]))


def _inverted(sweep: _Sweep, reading: Reading) -> Quality | None:
    """Whether the sweep shows a response of the wrong sign: upside down it is certain, and comes first."""
    other = read(sweep.grid, -sweep.fine[None], [sweep.uv_per_count])[0]
    wave = other.wave
    first = wave.peak_ms < reading.wave.peak_ms and wave.dip_uv < _DIP_OF_UPRIGHT * wave.height_uv
    larger = other.unexplained_uv > _LARGER * reading.unexplained_uv
    sure = certain(sweep.grid.scale, wave, other.errors["height"])
    late = wave.onset_ms >= _LATE * sweep.grid.scale.blanked_ms
    if other.verdict is Verdict.RESPONSE and sure and late and (first or larger):
        return Quality("wrong_polarity", rounded(wave.height_uv))
    return None


def _marks(reading: Reading, modality: Modality, cut: Clipped) -> MotorMarks | SensoryMarks:
    wave = reading.wave
    onset = half_up(wave.onset_ms, MILLISECOND_DECIMALS) if wave.has_onset else None
    whole = wave.has_onset and wave.has_end
    duration = half_up(wave.end_ms - wave.onset_ms, MILLISECOND_DECIMALS) if whole else None
    total_ms = wave.total_end_ms - wave.first_onset_ms
    total = (half_up(total_ms, MILLISECOND_DECIMALS) if dispersed(reading) else duration) if whole else None
    # what is cut off has no height, and no one knows where its peak is
    peak = None if cut.top_ms else half_up(wave.peak_ms, MILLISECOND_DECIMALS)
    height_uv = None if cut.top_ms else wave.height_uv
    from_trough_uv = None if any(cut) else wave.height_uv - min(wave.trough_uv, 0.0)
    area_uv_ms = wave.area_uv_ms if whole and not cut.top_ms else None
    if modality is Modality.SENSORY:
        return SensoryMarks(
            onset_latency_ms=onset,
            peak_latency_ms=peak,
            amplitude_uv=_in_units(height_uv, 1.0, MICROVOLT_DECIMALS),
            peak_to_peak_uv=_in_units(from_trough_uv, 1.0, MICROVOLT_DECIMALS),
            negative_duration_ms=duration,
            total_duration_ms=total,
        )
    return MotorMarks(
        onset_latency_ms=onset,
        peak_latency_ms=peak,
        amplitude_mv=_in_units(height_uv, 1e3, MILLIVOLT_DECIMALS),
        peak_to_peak_mv=_in_units(from_trough_uv, 1e3, MILLIVOLT_DECIMALS),
        negative_area_mv_ms=_in_units(area_uv_ms, 1e3, AREA_DECIMALS),
        negative_duration_ms=duration,
        total_duration_ms=total,
    )


def _in_units(value: float | None, unit: float, decimals: int) -> float | None:
    return None if value is None else half_up(value / unit, decimals)


def _errors(reading: Reading, response: MotorMarks | SensoryMarks) -> dict[str, float]:
    """The standard error of each quantity that `response` has, under its name."""
    errors = reading.errors
    per_unit = 1.0 if isinstance(response, SensoryMarks) else 1e-3
    unit = "uv" if isinstance(response, SensoryMarks) else "mv"
    found = {
        "onset_latency_ms": errors["onset"],
        "peak_latency_ms": errors["peak"],
        f"amplitude_{unit}": errors["height"] * per_unit,
        f"peak_to_peak_{unit}": errors["peak_to_peak"] * per_unit,
        "negative_duration_ms": errors["duration"],
        "total_duration_ms": errors["duration"],
        "negative_area_mv_ms": errors["area"] * 1e-3,
    }
    return {name: error for name, error in found.items() if getattr(response, name, None) is not None}
