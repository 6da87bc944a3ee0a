"""Whether there is a response at all: what no drift, hum or artefact explains.

The whole sweep is fitted with everything that is no response: trend, decays, hum of 50 and 60 Hz. A response
leaves something of itself standing; an artefact or hum, however large, does not.
"""

import enum
from collections.abc import Mapping
from typing import Final

import numpy as np

from gateway.domain.markers.grid import Grid
from gateway.domain.markers.regression import Flags, Floats, Indices, combined, projected
from gateway.domain.markers.rows import at, each, larger
from gateway.domain.markers.search import prominences
from gateway.domain.markers.settings import Scale
from gateway.domain.markers.wave import OneWave, Waves

_NEAR_PEAK_MS: Final = 1.0
# All of these are engineering settings, chosen on simulated sweeps (`docs/markers.md`): standard deviations
# of the noise of a five-bin mean, parts of the height, or heights over their standard errors.
_NOISE: Final = 6.8
_CLEAR_NOISE: Final = 8.0
_LEFT: Final = 0.1  # of its height: so much of a response no background explains
_LEFT_OF_UNCERTAIN: Final = 0.3  # and so much of one that is low or not much above its standard error
_SIGNIFICANT: Final = 4.5
# Of its height: so large a part of it the artefact is at the take-off of what may be the artefact itself.
_TAIL: Final = 0.4
_AT_ONCE: Final = 2  # bins after the blanked part: what rises there may have risen since the stimulus
# A response begins when no artefact is left: this many times later than the blanked part ends.
_FAINT_AFTER: Final = 3.0
_CREDIBLE: Final = (2.0, 0.5)  # significance, parts of what stands: below it the marks are not to be trusted
# Far above the noise: parts of what a response leaves at least, and standard deviations. Of sweeps without a
# response none was seen to leave so much under a wave of nearly (parts of) the height that is called one.
_TELLING: Final = (1.2, 10.0)
_NEARLY: Final = 0.8
_CERTAIN: Final = 8.0
_DOUBTFUL: Final = 3.2  # to say that nothing was evoked there must be less
_EVIDENT: Final = (20.0, 30.0)  # times what is clear, and its standard error


class Verdict(enum.Enum):
    """What the sweep shows."""

    RESPONSE = "response"
    UNCERTAIN = "uncertain"  # a response whose height nobody should trust
    ABSENT = "absent"


def unexplained(grid: Grid, bins: Floats, peaks: Indices, null: Floats) -> tuple[Floats, Floats]:
    """How far what no background explains stands out within 1 ms of each peak, and anywhere, in uV.

    `null` (k, bins) is what explains it: `grid.null` or `grid.slow_null`.
    """
    rest = bins * grid.kept
    rest -= combined(projected(rest, null), null)
    sums = np.zeros((*rest.shape[:-1], grid.bins + 1))
    np.add.accumulate(rest, axis=-1, out=sums[..., 1:])
    width = grid.mean_of
    means = (sums[..., width:] - sums[..., :-width])[..., grid.searched :] * (1.0 / width)
    standing = prominences(means)
    near = round(_NEAR_PEAK_MS / grid.step_ms)
    around = each(peaks - grid.searched - width // 2) + np.arange(-near, near + 1)
    around = np.minimum(np.maximum(around, 0), standing.shape[-1] - 1)
    return np.maximum.reduce(at(standing, around), axis=-1), np.maximum.reduce(standing, axis=-1)


def verdict(
    grid: Grid,
    wave: OneWave,
    errors: Mapping[str, float],
    unexplained_uv: float,
    anywhere_uv: float,
    deviation: float,
    rise_ms: float,
) -> Verdict:
    """What one sweep shows.

    `unexplained_uv` is what no background explains near the peak, `anywhere_uv` in the whole sweep;
    `deviation` is that of the noise of a five-bin mean, `rise_ms` the time from half to peak.
    """
    found = _of_wave(grid.scale, wave, errors, unexplained_uv, deviation, rise_ms)
    if found is Verdict.ABSENT and _clear(grid.scale, anywhere_uv, deviation):
        return Verdict.UNCERTAIN  # not of this wave, but something stands out elsewhere
    return found


def _clear(scale: Scale, unexplained_uv: float, deviation: float) -> bool:
    return unexplained_uv >= max(scale.clear_uv, _CLEAR_NOISE * deviation)


def _of_wave(
    scale: Scale,
    wave: OneWave,
    errors: Mapping[str, float],
    unexplained_uv: float,
    deviation: float,
    rise_ms: float,
) -> Verdict:
    height = wave.height_uv
    clear = _clear(scale, unexplained_uv, deviation)
    too_fast = rise_ms < scale.fastest_rise_ms or wave.end_ms - wave.onset_ms < scale.shortest_ms
    if too_fast or wave.peak_ms < scale.earliest_peak_ms:
        return Verdict.UNCERTAIN if clear else Verdict.ABSENT
    significance = height / errors["height"] * scale.error_factor
    above = _NOISE if height >= scale.uncertain_below_uv else _CLEAR_NOISE
    sure = certain(scale, wave, errors["height"])
    left = _LEFT if sure else _LEFT_OF_UNCERTAIN
    faint = max(scale.faint_uv, left * height, above * deviation)
    telling = unexplained_uv >= max(_TELLING[0] * scale.faint_uv, _TELLING[1] * deviation)
    late = wave.onset_ms / scale.blanked_ms
    shown = (unexplained_uv >= faint or telling) and late >= _FAINT_AFTER
    if shown and height >= scale.response_floor_uv and significance >= _SIGNIFICANT:
        return Verdict.RESPONSE
    if not clear:
        doubtful = height >= scale.uncertain_below_uv and significance >= _DOUBTFUL and late >= _FAINT_AFTER
        doubtful = doubtful or (telling and height >= _NEARLY * scale.response_floor_uv)
        return Verdict.UNCERTAIN if doubtful else Verdict.ABSENT
    credible = significance >= _CREDIBLE[0] and height >= _CREDIBLE[1] * unexplained_uv
    return Verdict.RESPONSE if credible and height >= scale.response_floor_uv else Verdict.UNCERTAIN


def evident(scale: Scale, wave: Waves, height_errors: Floats) -> Flags:
    """Which waves are so high, so sure and so late that nothing else can explain them."""
    high = wave.height_uv >= larger(_EVIDENT[0] * scale.clear_uv, _EVIDENT[1] * height_errors)
    found: Flags = high & (wave.onset_ms >= _FAINT_AFTER * scale.blanked_ms)
    return found


def may_be_tail(scale: Scale, wave: Waves, height_errors: Floats, artefacts_uv: Floats) -> Flags:
    """Which waves may be what the artefact, large at their take-off or just over, leaves of itself."""
    at_once = wave.onset_ms < scale.blanked_ms + _AT_ONCE * scale.bin_ms
    unsure = wave.height_uv < _CERTAIN * height_errors
    found: Flags = at_once | unsure & (abs(artefacts_uv) >= _TAIL * wave.height_uv)
    return found


def certain(scale: Scale, wave: OneWave, height_error: float) -> bool:
    """Whether nobody would doubt that what was called a response is one."""
    return wave.height_uv >= max(scale.uncertain_below_uv, _CERTAIN * height_error)
