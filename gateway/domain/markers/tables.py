"""Posterior covariances of the regressions, by noise and by where the quiet part ends or the tail begins.

They depend on the grid alone, so each is inverted once, with its neighbours, and looked up for every sweep.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from gateway.domain.markers.regression import Floats, inverse
from gateway.domain.markers.settings import Scale

# Columns of the background: constant, slope and bend, then cosine and sine of the hum, then the decays of the
# artefact.
TREND: Final = 3
EACH_HERTZ: Final = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 5, 6]])  # of the columns of the tail
ARTEFACT: Final = slice(5, None)
POINT: Final = 10  # bins of the tail whose mean anchors the background
_FREE: Final = 1e-8  # the precision, in 1/uV^2, of what nothing is known about beforehand
_KNOWN_HUM: Final = 0.3  # what is left of the hum's standard deviation once the tail has shown it
_LOUD_HUM: Final = 4.0  # where the tail can show it, it may be this many times larger
_AT_ONCE: Final = 32  # places whose covariances are worked out together: sweeps alike differ by no more
_KEPT: Final = 64  # times so many: what is forgotten is worked out again

# The noise of a bin, as the power of two that its variance in uV^2 is nearest to.
Level = int


class CovarianceTable:
    """Covariances of coefficients, given the products of their columns up to each place, and what is known.

    `products` are (places, ..., k, k), `priors` precisions (..., k, k) of what is known beforehand.
    """

    def __init__(self, products: Floats, priors: Sequence[Floats]) -> None:
        self._products: Final = products
        self._priors: Final = priors
        self._kept: Final[OrderedDict[tuple[Level, int, int], list[Floats]]] = OrderedDict()

    def covariances(self, levels: Any, places: Any, priors: Any) -> Floats:
        """The covariances (..., k, k) for each sweep's level of noise, up to its place, under its prior."""
        if not isinstance(places, np.ndarray):
            return self._covariance(int(levels), int(places), int(priors))
        known = np.broadcast_to(priors, places.shape).tolist()
        return np.array(list(map(self._covariance, levels.tolist(), places.tolist(), known)))

    def _covariance(self, level: Level, place: int, prior: int) -> Floats:
        asked = level, prior, place // _AT_ONCE
        table = self._kept.get(asked)
        if table is None:
            table = self._worked_out(*asked)
        return table[place % _AT_ONCE]

    def _worked_out(self, level: Level, prior: int, block: int) -> list[Floats]:
        products = self._products[block * _AT_ONCE : (block + 1) * _AT_ONCE]
        table = list(inverse(products / 2.0**level + self._priors[prior]))
        self._kept[level, prior, block] = table
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return table


def background_table(columns: Floats, kept: Floats, scale: Scale) -> CovarianceTable:
    """Of the background's coefficients, given `columns` (k, bins) where `kept` is 1, up to each bin.

    Where the tail has shown the hum (prior 1), less is left to be learnt of it.
    """
    trend = [_FREE, scale.drift_uv_per_ms**-2, scale.bend_uv**-2]
    artefact = [size**-2 for size in scale.artefact_uv]
    hums = (2.0 * scale.mains_uv**-2, 2.0 * (scale.mains_uv * _KNOWN_HUM) ** -2)
    priors = [np.diag([*trend, hum, hum, *artefact]) for hum in hums]
    return CovarianceTable(running(columns[:, None, :] * columns[None, :, :] * kept), priors)


def tail_table(columns: Floats, scale: Scale) -> CovarianceTable:
    """Of trend (3) and hum (2) of 50 and 60 Hz from each bin on; `columns` (7, bins): trend, both hums."""
    each = columns[EACH_HERTZ]
    products = running((each[:, :, None, :] * each[:, None, :, :])[..., ::-1])[::-1]
    hum = 2.0 / (_LOUD_HUM * scale.mains_uv) ** 2
    return CovarianceTable(products, [np.diag([_FREE, _FREE, _FREE, hum, hum])])


def running(values: Floats) -> Floats:
    """Sums along the last axis from none to all, that axis put first."""
    sums = np.zeros((values.shape[-1] + 1, *values.shape[:-1]))
    np.cumsum(np.moveaxis(values, -1, 0), axis=0, out=sums[1:])
    return sums
