"""Least squares on many sweeps at once, without BLAS: a sweep's fit never depends on its neighbours.

Matrix products of BLAS and LAPACK choose their order of summation by the size of the batch; a sum along an
axis of an array, or einsum left to itself, does not. So a batch of one gives the bits of a batch of many.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


def inverse(matrices: Floats) -> Floats:
    """The inverse of each positive definite matrix in (..., k, k): Gauss-Jordan, no pivoting needed."""
    found = matrices.copy()
    for pivot in range(found.shape[-1]):
        scale = 1.0 / found[..., pivot, pivot]
        row = found[..., pivot, :] * scale[..., None]
        column = found[..., :, pivot].copy()
        found -= column[..., :, None] * row[..., None, :]
        found[..., :, pivot] = -column * scale[..., None]
        found[..., pivot, :] = row
        found[..., pivot, pivot] = scale
    return found


def combined(coefficients: Floats, columns: Floats) -> Floats:
    """For each row of coefficients (..., k) the sum of the columns (k, points) so weighted: (..., points)."""
    total: Floats = np.einsum("...k,kp->...p", coefficients, columns)
    return total


def projected(values: Floats, columns: Floats) -> Floats:
    """The sum of each row of values (..., points) times each of the columns (k, points): (..., k)."""
    total: Floats = np.einsum("...p,kp->...k", values, columns)
    return total


def applied(matrices: Floats, vectors: Floats) -> Floats:
    """Each matrix (..., k, k) applied to its vector (..., k)."""
    total: Floats = np.einsum("...ij,...j->...i", matrices, vectors)
    return total


def product(one: Floats, other: Floats) -> Any:
    """The sum along the last axis of one times the other: (..., k) and (..., k) make (...)."""
    total: Floats = np.einsum("...k,...k->...", one, other)
    return total if total.ndim else total.item()  # of one sweep: a plain number is quicker than numpy's


def orthonormal(columns: Floats) -> Floats:
    """The columns (k, points) made orthonormal, each against those before it; dependent ones become zero."""
    found = np.zeros_like(columns)
    for place, column in enumerate(columns):
        rest = column.copy()
        for _ in range(2):  # once leaves rounding behind, twice is enough (Kahan)
            for other in found[:place]:
                rest -= other * np.add.reduce(other * rest)
        size = np.sqrt(np.add.reduce(rest * rest))
        if size > 1e-8 * np.sqrt(np.add.reduce(column * column)):
            found[place] = rest / size
    return found


def parabola(half: int, *, even: bool) -> Floats:
    """Weights (3, points) that give value, slope and half the bend of the parabola through even points.

    2 half + 1 points about the middle one or, when `even`, 2 half about the gap in the middle; the unit is
    the distance of two points. Source: Savitzky, Golay, Anal Chem 1964;36:1627.
    """
    at = np.arange(-half, half) + 0.5 if even else np.arange(-half, half + 1.0)
    powers = np.stack([np.ones_like(at), at, at * at])
    gram = np.add.reduce(powers[:, None, :] * powers[None, :, :], axis=2)
    weights: Floats = np.add.reduce(inverse(gram)[:, :, None] * powers[None, :, :], axis=1)
    return weights
