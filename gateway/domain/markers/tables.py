"""Posterior covariances of the regressions, by noise and by where the quiet part ends or the tail begins.

They depend on the grid alone, so they are inverted once and looked up for every sweep.
"""

from collections import OrderedDict
from typing import Final, TypeVar

import numpy as np

from gateway.domain.markers.regression import Floats, inverse
from gateway.domain.markers.settings import Scale

# Columns of the background: constant, slope and bend, then cosine and sine of the hum, then the decays of the
# artefact.
TREND: Final = 3
ARTEFACT: Final = slice(5, None)
_FREE: Final = 1e-8  # the precision, in 1/uV^2, of what nothing is known about beforehand
_KNOWN_HUM: Final = 0.3  # what is left of the hum's standard deviation once the tail has shown it
_LOUD_HUM: Final = 4.0  # where the tail can show it, it may be this many times larger
_KEPT: Final = 8  # tables: a cart's sweeps need two or three; what is forgotten is worked out again

Key = TypeVar("Key")
# The noise of a bin, as the power of two that its variance in uV^2 is nearest to.
Level = int


class BackgroundTable:
    """Covariances of the background's coefficients, given `columns` (k, bins) where `kept` is 1."""

    def __init__(self, columns: Floats, kept: Floats, scale: Scale) -> None:
        self._products: Final = running(columns[:, None, :] * columns[None, :, :] * kept)
        trend = [_FREE, scale.drift_uv_per_ms**-2, scale.bend_uv**-2]
        artefact = [size**-2 for size in scale.artefact_uv]
        hums = (2.0 * scale.mains_uv**-2, 2.0 * (scale.mains_uv * _KNOWN_HUM) ** -2)
        self._priors: Final = [np.diag([*trend, hum, hum, *artefact]) for hum in hums]
        self._tables: Final[OrderedDict[tuple[Level, bool], Floats]] = OrderedDict()

    def covariance(self, level: Level, end: int, *, hum_known: bool) -> Floats:
        """The covariance (k, k) when the sweep is quiet up to bin `end`."""
        table = self._tables.get((level, hum_known))
        if table is None:
            table = inverse(self._products / 2.0**level + self._priors[hum_known])
            _keep(self._tables, (level, hum_known), table)
        found: Floats = table[end]
        return found


class TailTable:
    """Covariances of trend (3) and hum (2) in the tail, given `columns` (7, bins): trend, 50 Hz, 60 Hz."""

    def __init__(self, columns: Floats, scale: Scale) -> None:
        suffixes = []
        for hertz in ([0, 1, 2, 3, 4], [0, 1, 2, 5, 6]):
            each = columns[hertz]
            products = each[:, None, :] * each[None, :, :]
            suffixes.append(running(products[..., ::-1])[::-1])
        self._products: Final = np.stack(suffixes, axis=1)
        hum = 2.0 / (_LOUD_HUM * scale.mains_uv) ** 2
        self._prior: Final = np.diag([_FREE, _FREE, _FREE, hum, hum])
        self._tables: Final[OrderedDict[Level, Floats]] = OrderedDict()

    def covariance(self, level: Level, begin: int) -> Floats:
        """The covariances (2, 5, 5) for 50 and 60 Hz when the tail begins at bin `begin`."""
        table = self._tables.get(level)
        if table is None:
            table = inverse(self._products / 2.0**level + self._prior)
            _keep(self._tables, level, table)
        found: Floats = table[begin]
        return found


def running(values: Floats) -> Floats:
    """Sums along the last axis from none to all, that axis put first."""
    sums = np.zeros((values.shape[-1] + 1, *values.shape[:-1]))
    np.cumsum(np.moveaxis(values, -1, 0), axis=0, out=sums[1:])
    return sums


def _keep(tables: OrderedDict[Key, Floats], key: Key, table: Floats) -> None:
    tables[key] = table
    if len(tables) > _KEPT:
        tables.popitem(last=False)
