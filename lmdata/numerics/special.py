"""Functions of arrays that have the same bits on every machine: the exponential, and the normal law."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def exponential(x: Array) -> Array:
    """Return e^x of every number: the operations, and so the bits, of `lmdata.numerics.elementary.exp`.

    Examples
    --------
    >>> exponential(np.array([0.0, -np.inf]))
    array([1., 0.])
    """
    from lmdata.numerics import elementary as own

    bounded = np.clip(x, own._EXP_UNDERFLOW, own._EXP_OVERFLOW)
    parts = np.floor(bounded * own._PARTS_BY_LN2 + 0.5)
    whole = np.where(np.isnan(parts), 0.0, parts).astype(np.int64)
    k, j = whole >> 5, whole & 31
    r = (bounded - parts * (own._LN2_HIGH / own._PARTS)) - parts * (own._LN2_LOW / own._PARTS)
    series = np.zeros_like(r)
    for term in own._EXP_TERMS:
        series = series * r + term
    total = own._EXP_PARTS[j] + own._EXP_PARTS[j] * (series * r)
    half = k >> 1
    power = (total * own._POWERS[half - own._LOWEST_POWER]) * own._POWERS[k - half - own._LOWEST_POWER]
    return np.where(x > own._EXP_OVERFLOW, np.inf, np.where(x < own._EXP_UNDERFLOW, 0.0, power))


def normal_density(x: Array) -> Array:
    r"""Return :math:`\phi(x) = e^{-x^2/2} / \sqrt{2 \pi}`.

    Examples
    --------
    >>> normal_density(np.array([0.0, 1.0])).round(6).tolist()
    [0.398942, 0.241971]
    """
    return _gaussian(np.abs(x) * math.sqrt(0.5)) * (0.5 * math.sqrt(2.0 / math.pi))


def normal_distribution(x: Array) -> Array:
    r"""Return :math:`\Phi(x) = \frac12 \mathrm{erfc}(-x / \sqrt 2)`, to about 1e-15 relative where |x| is small.

    By the rational approximations of Cody (1969, Mathematics of Computation 23, 631-637). In the lower tail the
    rounding of x alone costs a relative :math:`10^{-16} x^2`.

    Examples
    --------
    >>> normal_distribution(np.array([-np.inf, -1.0, 0.0, np.inf])).round(6).tolist()
    [0.0, 0.158655, 0.5, 1.0]
    """
    scaled = x * math.sqrt(0.5)
    size = np.abs(scaled)
    near = np.where(size <= _NEAR, scaled, 0.0)  # each approximation is given numbers that it is good for
    inner = 0.5 + 0.5 * near * ratio(near * near, _ERF)
    middle = np.clip(size, _NEAR, _FAR)
    far = np.maximum(size, _FAR)
    inverse = 1.0 / (far * far)
    outer = (1.0 / math.sqrt(math.pi) - inverse * ratio(inverse, _TAIL)) / far
    tail = 0.5 * _gaussian(size) * np.where(size <= _FAR, ratio(middle, _ERFC), outer)
    found = np.where(size <= _NEAR, inner, np.where(scaled < 0.0, tail, 1.0 - tail))
    return np.asarray(np.where(np.isnan(x), np.nan, found))


def _gaussian(size: Array) -> Array:
    """Return exp(-size^2), of the square in two parts, so that its rounding is not magnified."""
    bounded = np.minimum(size, 30.0)  # beyond 27.3 it is zero
    coarse = np.floor(bounded * 16.0) / 16.0
    return exponential(-coarse * coarse) * exponential(-(bounded - coarse) * (bounded + coarse))


def ratio(x: Array, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    """Return the ratio of two polynomials, coefficients of the highest power first (Horner).

    Examples
    --------
    >>> ratio(np.array([2.0]), ((1.0, 0.0), (1.0, 2.0))).item()
    0.5
    """
    above, below = (np.zeros_like(x) for _ in range(2))
    for a, b in zip(*polynomials, strict=True):
        above = above * x + a
        below = below * x + b
    return above / below


_NEAR, _FAR = 0.46875, 4.0
"""Up to the first, erf is approximated, between them erfc, beyond its asymptotic series."""
_ERF = (
    (
        1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
_ERFC = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_TAIL = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip
