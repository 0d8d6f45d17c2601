"""What the neurons of a feed-forward block do to a number, the same bits on every machine; and the integral of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmdata.numerics.special import exponential, normal_density, normal_distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
STEEPEST = {"relu": 1.0, "tanh": 1.0, "sigmoid": 0.25, "gelu": 1.129}
"""The largest slope of each, or a little more: that of gelu, at the root of 2, is 1.12890."""


def activate(x: Array, activation: str) -> Array:
    r"""Return :math:`\sigma(x)`: relu, tanh, sigmoid or gelu.

    That is :math:`\max(x, 0)`, tanh x, :math:`1 / (1 + e^{-x})`, and :math:`x \Phi(x)`, where Phi is the distribution
    of the normal law (arXiv 1606.08415).

    Examples
    --------
    >>> [activate(np.array([-1.0, 0.0, 2.0]), name).round(3).tolist() for name in ACTIVATIONS]
    [[0.0, 0.0, 2.0], [-0.762, 0.0, 0.964], [0.269, 0.5, 0.881], [-0.159, 0.0, 1.954]]
    """
    if activation == "relu":
        return np.maximum(x, 0.0)
    if activation == "gelu":
        return x * normal_distribution(x)
    small = exponential(-np.abs(x) * (2.0 if activation == "tanh" else 1.0))
    if activation == "tanh":
        return np.copysign((1.0 - small) / (1.0 + small), x)
    return np.where(x < 0.0, small, 1.0) / (1.0 + small)


def potential(x: Array, activation: str) -> Array:
    r"""Return S with :math:`S' = \sigma`, as that of each activation.

    :math:`\max(x, 0)^2 / 2`, :math:`\log \cosh x`, :math:`\log(1 + e^x)`, and for gelu
    :math:`\frac12 \big( (x^2 - 1) \Phi(x) + x \phi(x) \big)`, with the density phi of the normal law.

    Examples
    --------
    >>> [potential(np.array([0.0, 2.0]), name).round(3).tolist() for name in ACTIVATIONS]
    [[0.0, 2.0], [0.0, 1.325], [0.693, 2.127], [-0.25, 1.52]]
    """
    if activation == "relu":
        return np.maximum(x, 0.0) ** 2 / 2
    if activation == "gelu":
        return ((x * x - 1.0) * normal_distribution(x) + x * normal_density(x)) / 2
    if activation == "tanh":
        return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - math.log(2)
    return np.logaddexp(0.0, x)
