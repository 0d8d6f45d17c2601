"""How a trained parameter moves, compiled: gradient, mirror and sign descent, and the factors of a matrix.

Arrays in, arrays out. Each step is along ``e^scale gradient``, so that a gradient whose numbers would underflow has a
direction still.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled
from lmdata.numerics.elementary import exp, signed_power

type Floats = NDArray[np.float64]


class Trained(NamedTuple):
    """A trained parameter, with what its steps need."""

    matrix: Floats  # (a, r)
    flat: Floats  # (a r,) the same numbers
    dual: Floats  # (a r,) their mirror image
    gradient: Floats  # (a, r)


class Rule(NamedTuple):
    """How a parameter moves: ``step g / (|g| + epsilon)`` if normalised, in the mirror of ``|u|^exponent``.

    With ``sign``, g is ``|g|_1 sign(g)``, the steepest direction in the largest entry, whose length there is ``|g|_1``.
    """

    step: float
    normalised: bool
    epsilon: float
    exponent: float
    radius: float
    sign: bool


@compiled(no_refcount=True)
def finite(x: Floats) -> bool:
    """Return whether all numbers are."""
    for j in range(len(x)):  # noqa: SIM110 - numba compiles no generator
        if not math.isfinite(x[j]):
            return False
    return True


@compiled(no_refcount=True)
def keep(matrix: Floats, path: Floats, kept: int) -> None:
    """Write a matrix as a frame of its path."""
    for j in range(matrix.shape[0]):
        for r in range(matrix.shape[1]):
            path[kept, j, r] = matrix[j, r]


@compiled(no_refcount=True)
def to_dual(trained: Trained, rule: Rule) -> None:
    """Write the mirror image ``sign(u) |u|^(exponent - 1)``."""
    for j in range(len(trained.flat)):
        u = trained.flat[j]
        trained.dual[j] = u if rule.exponent == 2.0 else signed_power(u, rule.exponent - 1.0)


@compiled(no_refcount=True)
def descend(trained: Trained, scale: float, rule: Rule) -> None:
    """Take one step along ``e^scale gradient``, which is overwritten by its signs in sign descent."""
    matrix, _, dual, gradient = trained
    rows, columns = matrix.shape
    size = 0.0
    for j in range(rows):
        for r in range(columns):
            g = gradient[j, r]
            size += abs(g) if rule.sign else g * g
    if not rule.sign:
        size = math.sqrt(size)
    if size == 0.0:
        return
    unit = size  # what the direction below is to be divided by
    if rule.sign:
        unit = 1.0
        for j in range(rows):
            for r in range(columns):
                g = gradient[j, r]
                gradient[j, r] = 1.0 if g > 0.0 else -1.0 if g < 0.0 else 0.0
    if rule.normalised:
        factor = rule.step / unit
        if rule.epsilon > 0.0:
            factor /= 1.0 + rule.epsilon * exp(-scale) / size
    else:
        factor = rule.step * exp(scale) * (size / unit)
    norm = 0.0
    for j in range(rows):
        for r in range(columns):
            theta = dual[j * columns + r] - factor * gradient[j, r]
            dual[j * columns + r] = theta
            matrix[j, r] = theta if rule.exponent == 2.0 else signed_power(theta, 1.0 / (rule.exponent - 1.0))
            norm += matrix[j, r] * matrix[j, r]
    norm = math.sqrt(norm)
    if norm > rule.radius:
        for j in range(rows):
            for r in range(columns):
                matrix[j, r] *= rule.radius / norm
                dual[j * columns + r] = matrix[j, r]


@compiled(no_refcount=True)
def multiply(factors: Floats, product: Floats) -> None:
    """Write ``K Q^T`` of the factors K above Q."""
    rows = product.shape[0]
    for j in range(rows):
        for r in range(product.shape[1]):
            product[j, r] = 0.0
            for c in range(factors.shape[1]):
                product[j, r] += factors[j, c] * factors[rows + r, c]


@compiled(no_refcount=True)
def factor_gradient(factors: Floats, gradient: Floats, own: Floats) -> None:
    """Write the gradients in K and Q, ``G Q`` above ``G^T K``, of a function of ``K Q^T`` whose gradient is G."""
    rows, columns = gradient.shape
    for c in range(factors.shape[1]):
        for j in range(rows + columns):
            own[j, c] = 0.0
        for j in range(rows):
            for r in range(columns):
                own[j, c] += gradient[j, r] * factors[rows + r, c]
                own[rows + r, c] += gradient[j, r] * factors[j, c]
