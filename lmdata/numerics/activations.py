"""What the neurons of a feed-forward block do to a number, the same bits on every machine; and the integral of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ACTIVATIONS = ("relu", "tanh", "sigmoid")


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


def activate(x: Array, activation: str) -> Array:
    r"""Return :math:`\sigma(x)`: relu :math:`\max(x, 0)`, tanh, or sigmoid :math:`1 / (1 + e^{-x})`.

    Examples
    --------
    >>> [activate(np.array([-1.0, 0.0, 2.0]), name).round(3).tolist() for name in ACTIVATIONS]
    [[0.0, 0.0, 2.0], [-0.762, 0.0, 0.964], [0.269, 0.5, 0.881]]
    """
    if activation == "relu":
        return np.maximum(x, 0.0)
    small = exponential(-np.abs(x) * (2.0 if activation == "tanh" else 1.0))
    if activation == "tanh":
        return np.copysign((1.0 - small) / (1.0 + small), x)
    return np.where(x < 0.0, small, 1.0) / (1.0 + small)


def potential(x: Array, activation: str) -> Array:
    r"""Return S with :math:`S' = \sigma`: :math:`\max(x, 0)^2 / 2`, :math:`\log \cosh x`, :math:`\log(1 + e^x)`.

    Examples
    --------
    >>> [potential(np.array([0.0, 2.0]), name).round(3).tolist() for name in ACTIVATIONS]
    [[0.0, 2.0], [0.0, 1.325], [0.693, 2.127]]
    """
    if activation == "relu":
        return np.maximum(x, 0.0) ** 2 / 2
    if activation == "tanh":
        return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - math.log(2)
    return np.logaddexp(0.0, x)
