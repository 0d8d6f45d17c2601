"""Small linear algebra on tokens, in a fixed order of operations: sums over components ascend."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Matrix = tuple[tuple[float, ...], ...]
"""A matrix as a model keeps it: immutable, hashable, exact in JSON."""


def apply(matrix: Array | None, tokens: Array) -> Array:
    """Return M x for every token x: (..., n, d) for M of shape (e, d) or one per member, (m, e, d); None is I.

    Not a matrix product of BLAS, whose order of summation depends on the machine and on the batch.

    Examples
    --------
    >>> apply(np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([[1.0, 2.0]]))
    array([[-2.,  1.]])
    """
    if matrix is None:
        return tokens
    columns = matrix[..., None, :, :]
    result = tokens[..., :1] * columns[..., 0]
    for k in range(1, tokens.shape[-1]):
        result = result + tokens[..., k : k + 1] * columns[..., k]
    return result


def inner(x: Array, y: Array) -> Array:
    """Return the inner products of the vectors along the last axis.

    Examples
    --------
    >>> inner(np.array([[3.0, 4.0]]), np.array([[3.0, 4.0]]))
    array([25.])
    """
    result = x[..., 0] * y[..., 0]
    for k in range(1, x.shape[-1]):
        result = result + x[..., k] * y[..., k]
    return result


def oriented(columns: Array) -> Array:
    """Return columns of shape (d, k) with the signs that make the leading entry of each positive.

    An eigenvector is given up to its sign, which LAPACK leaves open. Leading is the first entry whose magnitude is
    within 1e-6 of the largest one: of entries that are equal but for rounding, rounding does not choose.

    Examples
    --------
    >>> oriented(np.array([[-1.0, 0.0], [1.0 + 1e-15, -2.0]])).tolist()
    [[1.0, -0.0], [-1.000000000000001, 2.0]]
    """
    magnitude = np.abs(columns)
    leading = (magnitude >= (1.0 - 1e-6) * magnitude.max(axis=0)).argmax(axis=0)
    return columns * np.where(columns[leading, np.arange(columns.shape[1])] < 0.0, -1.0, 1.0)


def per_member(parameter: Array, dims: int) -> Array:
    """Return a parameter of shape (m,) with ``dims`` axes, so that it broadcasts against (m, ...) arrays."""
    return parameter.reshape(parameter.shape + (1,) * (dims - parameter.ndim))


@functools.lru_cache(maxsize=64)
def exponential_of(matrix: Matrix, time: float) -> tuple[Array, int]:
    """Return M and e with exp(t V) = 2^e M, the largest entry of M between 1/2 and 1 (unless e = 0): no overflow.

    By scaling and squaring of the Taylor polynomial of degree 14, in this file's order of operations.

    Examples
    --------
    >>> mantissa, exponent = exponential_of(((0.0, 1.0), (0.0, 0.0)), 2.0)
    >>> 2.0**exponent * mantissa
    array([[1., 2.],
           [0., 1.]])
    """
    scaled = time * np.array(matrix)
    halvings = max(0, math.frexp(np.abs(scaled).sum(axis=1).max())[1] + 2)
    scaled = scaled * 2.0**-halvings
    identity = np.eye(len(matrix))
    result = identity
    for k in range(14, 0, -1):
        result = identity + _product(scaled, result) / k
    exponent = 0
    for _ in range(halvings):
        result = _product(result, result)
        shift = math.frexp(np.abs(result).max())[1]
        result, exponent = np.ldexp(result, -shift), 2 * exponent + shift
    result.flags.writeable = False
    return result, exponent


def _product(left: Array, right: Array) -> Array:
    return apply(left, right.T).T
