"""The interaction energy of a state, its exponents accurate where inverse temperatures are huge."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled
from lmdata.numerics.elementary import exp

type Floats = NDArray[np.float64]

_SPLIT = 134217729.0  # 2^27 + 1: Dekker's splitting of a float into two halves
_UNSPLIT = 2.0**996  # beyond it splitting would overflow


@compiled(inline=True)
def _product_error(x: float, y: float, product: float) -> float:
    """Return ``x y - fl(x y)``, exactly (Dekker 1971)."""
    big = _SPLIT * x
    x_high = big - (big - x)
    x_low = x - x_high
    big = _SPLIT * y
    y_high = big - (big - y)
    y_low = y - y_high
    return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


@compiled()
def _aligned(points: Floats, alignment: Floats, high: Floats, low: Floats) -> None:
    """Write ``D x_j`` (n, d) as an unevaluated sum of two floats; D of no rows is the identity, d times as fast."""
    n, d = points.shape
    if alignment.shape[0] == 0:
        high[:] = points
        low[:] = 0.0
        return
    for j in range(n):
        for k in range(d):
            total = error = 0.0
            for c in range(d):
                product = alignment[k, c] * points[j, c]
                after = total + product
                other = after - total
                error += (total - (after - other)) + (product - other)
                error += _product_error(alignment[k, c], points[j, c], product)
                total = after
            high[j, k] = total + error
            low[j, k] = error - (high[j, k] - total)


@compiled()
def log_mean_power(points: Floats, alignment: Floats, beta: float, shift: float) -> tuple[float, float]:
    """Return a and m, the logarithm of the mean being a + ln m, of ``e^(beta (<x_i, D x_j> - shift))``.

    Inner products are summed in twice the precision, and beta multiplies what is left after the shift in twice the
    precision too: at beta = 1e6 a rounding of the product alone would be 1e-10 of the power. a is the largest exponent,
    and m is between 1 / n^2 and 1.

    Parameters
    ----------
    points : (n, d)
    alignment : (d, d), or (0, 0) for the identity
    beta, shift
        Numbers.
    """
    n, d = points.shape
    high, low = np.empty((n, d)), np.empty((n, d))
    _aligned(points, alignment, high, low)
    top, sum_above = -math.inf, 0.0
    for i in range(n):
        for j in range(n):
            total, error = -shift, 0.0
            for k in range(d):
                x, y = points[i, k], high[j, k]
                product = x * y
                after = total + product
                other = after - total
                error += (total - (after - other)) + (product - other)
                error += _product_error(x, y, product) + x * low[j, k]
                total = after
            score = total + error
            rest = error - (score - total)
            exponent = beta * score
            correction = _product_error(beta, score, exponent) + beta * rest
            if exponent > top:  # what has been summed so far is brought to the new top
                sum_above = sum_above * exp(top - exponent) if top > -math.inf else 0.0
                top = exponent
            sum_above += exp(exponent - top) * (1.0 + correction)
    return top, sum_above / (float(n) * float(n))
