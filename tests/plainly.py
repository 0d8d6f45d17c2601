"""Oracles: the models' equations in plain loops of mpmath, slow and in many digits, with nothing of lmdata in them.

They stand in for the published runs wherever those are not beside the project. Points are lists of lists of mpf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

DIGITS = 30
"""Sums of a few hundred terms and runs of some hundred steps lose less than ten of them."""

type Points = list[list[Any]]


def exact(array: Any) -> Points:
    """Return floats as they are, in many digits."""
    return [[mpf(x) for x in row] for row in np.asarray(array, np.float64).tolist()]


def floats(points: Points) -> np.ndarray:
    return np.array([[float(x) for x in row] for row in points])


def dot(x: Sequence[Any], y: Sequence[Any]) -> Any:
    return mpmath.fsum(a * b for a, b in zip(x, y, strict=True))


def times(matrix: Points, x: Sequence[Any]) -> list[Any]:
    return [dot(row, x) for row in matrix]


def unit(x: Sequence[Any]) -> list[Any]:
    length = mpmath.sqrt(dot(x, x))
    return [a / length for a in x]


def heard(points: Points, matrix: Points, beta: Any, *, normalised: bool) -> Points:
    """Return sum_j w_ij D x_j, with w_ij = exp(beta <x_i, D x_j>), over its row sum or over n."""
    keys = [times(matrix, y) for y in points]
    found = []
    for x in points:
        weights = [mpmath.exp(beta * dot(x, key)) for key in keys]
        whole = mpmath.fsum(weights) if normalised else mpf(len(points))
        found.append([dot(weights, column) / whole for column in zip(*keys, strict=True)])
    return found


def layers(points: Points, steps: int, size: Any, pull: Callable[[Points], Points], *, sign: int = 1) -> Points:
    """Return points after adding size times the pull, and normalising, so many times."""
    for _ in range(steps):
        points = [
            unit([a + sign * size * b for a, b in zip(x, m, strict=True)])
            for x, m in zip(points, pull(points), strict=True)
        ]
    return points


def sinkhorn(scores: Points, half_steps: int) -> Points:
    """Return exp(scores) after dividing rows, columns, rows, ... by their sums."""
    kernel = [[mpmath.exp(s) for s in row] for row in scores]
    for half in range(half_steps):
        if half % 2 == 0:
            kernel = [[k / mpmath.fsum(row) for k in row] for row in kernel]
        else:
            sums = [mpmath.fsum(column) for column in zip(*kernel, strict=True)]
            kernel = [[k / s for k, s in zip(row, sums, strict=True)] for row in kernel]
    return kernel


def energy(points: Points, matrix: Points, beta: Any) -> Any:
    """Return sum_ij exp(beta <x_i, D x_j>) / (2 beta n^2)."""
    total = mpmath.fsum(mpmath.exp(beta * dot(x, times(matrix, y))) for x in points for y in points)
    return total / (2 * beta * len(points) ** 2)
