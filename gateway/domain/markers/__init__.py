"""The marks of curves: onset, negative peak, return to baseline, area, each with its standard error.

Read `search` (where a response may be), `noise`, `background` (what lies under it), `take_off`, `wave` (its
marks), `errors`, `response` (whether it is one) in this order; `reading` is the way through them, `rows` says
how the same lines work on many sweeps and on one. A batch gives each sweep the bits it gets alone.
`docs/markers.md` says what is marked and how well; `docs/decisions/0011` why it is done so.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from gateway.domain.markers.background import loud_hum
from gateway.domain.markers.cut_off import Clipped, clipped
from gateway.domain.markers.flags import dispersed, flags, hum_flag, rounded
from gateway.domain.markers.grid import Grid
from gateway.domain.markers.reading import Reading, read
from gateway.domain.markers.response import Verdict, certain
from gateway.domain.markers.settings import MarkerSettings, Scale
from gateway.domain.markers.sweeps import AT_ONCE, Sweep, ended, prepared
from gateway.domain.markers.take_off import SHARP
from gateway.domain.quality import Quality
from gateway.domain.recording import (
    NO_RESPONSE,
    Marking,
    Marks,
    Modality,
    MotorMarks,
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

# A response of the wrong sign shows what follows it, lower than itself, as a wave after a dip.
_DIP_OF_INVERTED: Final = 1.5
_DIP_OF_UPRIGHT: Final = 0.5
_LARGER: Final = 1.5
_LATE: Final = 3.0  # times the blanked part: earlier, it may be the artefact
_SURE: Final = 5.0  # standard errors high, with little of the sweep left to learn the background from
_BRIEF: Final = 0.5  # of a slow wave that follows: no longer is what answers before it
_HIDDEN: Final = 6.7  # standard deviations: lower responses were seen to be missed in noise
_RISEN: Final = 12.0  # standard deviations: where a sweep still rises so far, it ends in a response


# Of each quantity the mark whose error it has, and what makes its unit of ms and uV.
_TIMES: Final = (
    ("onset_latency_ms", "onset", 1.0),
    ("peak_latency_ms", "peak", 1.0),
    ("negative_duration_ms", "duration", 1.0),
    ("total_duration_ms", "duration", 1.0),
)
_MARK_OF: Final[Mapping[type[Marks], tuple[tuple[str, str, float], ...]]] = {
    MotorMarks: (
        *_TIMES,
        ("amplitude_mv", "height", 1e-3),
        ("peak_to_peak_mv", "peak_to_peak", 1e-3),
        ("negative_area_mv_ms", "area", 1e-3),
    ),
    SensoryMarks: (*_TIMES, ("amplitude_uv", "height", 1.0), ("peak_to_peak_uv", "peak_to_peak", 1.0)),
}


def mark(waveform: Waveform, modality: Modality, settings: MarkerSettings) -> Marking:
    """The marks of one sweep; see `mark_all`."""
    return mark_all((waveform,), modality, settings)[0]


def mark_all(
    waveforms: Sequence[Waveform], modality: Modality, settings: MarkerSettings
) -> tuple[Marking, ...]:
    """The marks of each of `waveforms`, the same to the last bit as of each alone."""
    found: dict[int, Marking] = {}
    alike: defaultdict[Grid, list[tuple[int, Sweep]]] = defaultdict(list)
    for place, sweep in prepared(waveforms, settings, settings.scale(modality)):
        if isinstance(sweep, Quality):
            found[place] = Marking(response=None, quality=(sweep,))
        else:
            alike[sweep.grid].append((place, sweep))
    for shared, group in alike.items():
        for begin in range(0, len(group), AT_ONCE):
            places, some = zip(*group[begin : begin + AT_ONCE], strict=True)
            fine = np.array([sweep.fine for sweep in some])
            readings = read(shared, fine, np.array([sweep.uv_per_count for sweep in some]))
            found.update(zip(places, _markings(some, readings, modality), strict=True))
    return tuple(found[place] for place in range(len(waveforms)))


def _markings(sweeps: Sequence[Sweep], readings: Sequence[Reading], modality: Modality) -> Iterator[Marking]:
    """The markings of sweeps of one grid."""
    readings = _surest(sweeps, readings)
    answers = [place for place, reading in enumerate(readings) if _answers(reading)]
    waves = [readings[place].wave for place in answers]
    counts = [sweeps[place].counts for place in answers]
    cuts = clipped(sweeps[0].grid, waves, counts, sweeps[0].rate_hz) if answers else []
    cut = dict(zip(answers, cuts, strict=True))
    for place, (sweep, reading) in enumerate(zip(sweeps, readings, strict=True)):
        if place in cut:
            yield _answer(sweep, reading, cut[place], modality)
        else:
            yield _no_answer(sweep, reading)


def _surest(sweeps: Sequence[Sweep], readings: Sequence[Reading]) -> list[Reading]:
    """The readings or, where an onset is not sure, those of a sharp take-off if it then is."""
    grid = sweeps[0].grid
    most_ms = grid.scale.unsure_onset_ms
    surest = list(readings)
    unsure = [
        place
        for place, one in enumerate(readings)
        if one.errors["onset"] > most_ms
        and _answers(one)
        and certain(grid.scale, one.wave, one.errors["height"])  # else nothing of it is to be trusted
    ]
    if unsure:
        some = [sweeps[place] for place in unsure]
        fine = np.array([sweep.fine for sweep in some])
        sharp = read(grid, fine, np.array([sweep.uv_per_count for sweep in some]), SHARP)
        for place, one in zip(unsure, sharp, strict=True):
            surer = one.errors["height"] <= readings[place].errors["height"]
            if surer and one.errors["onset"] <= most_ms and _answers(one):
                surest[place] = one
    return surest


def _answers(reading: Reading) -> bool:
    return (
        reading.verdict is Verdict.RESPONSE
        and reading.wave.dip_uv <= _DIP_OF_INVERTED * reading.wave.height_uv
    )


def _answer(sweep: Sweep, reading: Reading, cut: Clipped, modality: Modality) -> Marking:
    """The marks of what was called a response."""
    try:
        response = _marks(reading, modality, cut)
    except DataError:  # a wave no nerve makes: a scale or a rate is wrong by orders of magnitude
        return Marking(response=None, quality=(Quality("impossible_response"),))
    if _lasts_ms(reading) > sweep.grid.scale.longest_ms:
        too_slow = Marking(response=None, quality=(_too_slow(sweep.grid.scale, reading),))
        return _before(sweep, reading, modality) or too_slow
    quality = tuple(flags(sweep.grid, reading, cut))
    return Marking(response=response, errors=_errors(reading, response), quality=quality)


def _lasts_ms(reading: Reading) -> float:
    return reading.wave.end_ms - reading.wave.onset_ms


def _before(sweep: Sweep, slow: Reading, modality: Modality) -> Marking | None:
    """The marks of a response before a wave that is too slow for one: of a muscle's, behind a nerve's."""
    short = ended(sweep, slow.wave.onset_ms)
    if short is None:
        return None
    first = read(short.grid, short.fine[None], np.array([short.uv_per_count]))[0]
    sure = first.wave.height_uv >= _SURE * first.errors["height"]
    brief = first.wave.has_end and _lasts_ms(first) < _BRIEF * _lasts_ms(slow)
    if not (sure and brief and _answers(first)):
        return None
    (cut,) = clipped(short.grid, [first.wave], [short.counts], short.rate_hz)
    found = _answer(short, first, cut, modality)
    return replace(found, quality=(*found.quality, Quality("later_wave", rounded(slow.wave.height_uv))))


def _no_answer(sweep: Sweep, reading: Reading) -> Marking:
    """Why nothing was marked: because there is nothing, or why not."""
    hum = tuple(hum_flag(sweep.grid.scale, reading))
    inverted = _inverted(sweep, reading)
    if inverted is not None:
        return Marking(response=None, quality=(inverted, *hum))
    scale = sweep.grid.scale
    if reading.still_rising_uv > max(scale.uncertain_below_uv, _RISEN * reading.deviation_uv):
        return Marking(response=None, quality=(Quality("sweep_ends_before_peak", _last_ms(sweep)), *hum))
    if reading.verdict is Verdict.ABSENT:
        loud = loud_hum(sweep.grid, sweep.fine)
        if loud:
            return Marking(response=None, quality=(Quality("mains", rounded(loud)),))
        hidden_uv = _HIDDEN * reading.deviation_uv
        if hidden_uv > scale.seen_uv:
            return Marking(response=None, quality=(Quality("too_noisy", rounded(hidden_uv)), *hum))
        return Marking(response=NO_RESPONSE, quality=hum, watched_ms=_last_ms(sweep))
    significance = rounded(abs(reading.wave.height_uv) / reading.errors["height"])
    return Marking(response=None, quality=(Quality("uncertain_response", significance), *hum))


def _too_slow(scale: Scale, reading: Reading) -> Quality:
    """A wave that lasts too long, or that nobody can be certain of."""
    wave, error = reading.wave, reading.errors["height"]
    if certain(scale, wave, error):
        return Quality("too_slow", rounded(wave.end_ms - wave.onset_ms))
    return Quality("uncertain_response", rounded(wave.height_uv / error))


def _last_ms(sweep: Sweep) -> float:
    return rounded(float(sweep.grid.times_ms[-1]))


def _inverted(sweep: Sweep, reading: Reading) -> Quality | None:
    """Whether the sweep shows a response of the wrong sign: upside down it is certain, and comes first."""
    other = read(sweep.grid, -sweep.fine[None], np.array([sweep.uv_per_count]))[0]
    wave = other.wave
    first = wave.peak_ms < reading.wave.peak_ms and wave.dip_uv < _DIP_OF_UPRIGHT * wave.height_uv
    larger = other.unexplained_uv > _LARGER * reading.unexplained_uv
    sure = certain(sweep.grid.scale, wave, other.errors["height"])
    late = wave.onset_ms >= _LATE * sweep.grid.scale.blanked_ms
    if other.verdict is Verdict.RESPONSE and sure and late and (first or larger):
        return Quality("wrong_polarity", rounded(wave.height_uv))
    return None


def _marks(reading: Reading, modality: Modality, cut: Clipped) -> Marks:
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


def _errors(reading: Reading, response: Marks) -> dict[str, float]:
    """The standard error of each quantity that `response` has, under its name."""
    return {
        name: reading.errors[mark] * unit
        for name, mark, unit in _MARK_OF[type(response)]
        if getattr(response, name) is not None
    }
