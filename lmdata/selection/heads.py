"""Prediction heads: what is made of the attended mean before the value vector weighs its features.

    f(X) = <v, sigma(X^T a)>

with sigma applied to each feature; the linear head is the identity. A nonlinear one may score a mean of tokens above
every one of them, so that attention settles on several (arXiv 2308.16898).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.activations import activate
from lmdata.numerics.arrays import inner

type Floats = NDArray[np.float64]

HEADS = ("linear", "relu", "tanh", "sigmoid")
"""Heads whose slopes `tangent` and the training kernel know, by the kernel's numbers."""


def output(mean: Floats, value: Floats, head: str) -> Floats:
    """Return ``<v, sigma(mean)>`` over the last axis, summed in the order of the features.

    Examples
    --------
    >>> output(np.array([[1.0, -2.0]]), np.array([1.0, 1.0]), "relu")
    array([1.])
    """
    return inner(mean if head == "linear" else activate(mean, head), value)


def tangent(mean: Floats, value: Floats, head: str) -> Floats:
    """Return the gradient ``v sigma'(mean)`` of the output: the value vector of the linear head that touches it there.

    Examples
    --------
    >>> tangent(np.array([[1.0, -2.0]]), np.array([1.0, 1.0]), "relu")
    array([[1., 0.]])
    """
    if head == "linear":
        return np.broadcast_to(value, mean.shape)
    if head == "relu":
        return np.where(mean > 0.0, value, 0.0)
    reached = activate(mean, head)
    return np.asarray(value * (1.0 - reached**2 if head == "tanh" else reached * (1.0 - reached)))
