"""Verdicts on linear constraints in exact arithmetic: floats are rational numbers, and are taken as such.

A solver in floats says "solved" or "infeasible" to some tolerance; where features are small that is no proof. Here a
solution is checked as it stands, and a certificate of infeasibility is moved onto an exact one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

TIGHT = 1e-9
"""Constraints with a slack below this, relative to their terms, may hold with equality."""
_WEIGHTS = (1e-9, 1e-6, 1e-3)
"""Shares of the largest weight below which a constraint is left out of a certificate, tried in turn."""


def slacks(constraints: Floats, bounds: Floats, u: Floats) -> Floats:
    """Return ``<g_j, u> - b_j``, rounded so that its sign is exact.

    Parameters
    ----------
    constraints : (constraint, k)
    bounds : (constraint,)
    u : (k,)

    Examples
    --------
    >>> third = 1.0 / 3.0
    >>> slacks(np.array([[3.0], [1.0]]), np.array([1.0, 0.0]), np.array([third])).tolist()  # floats say 0
    [-5.551115123125783e-17, 0.3333333333333333]
    """
    slack = np.asarray(constraints @ u - bounds)
    bound = (len(u) + 2) * np.finfo(float).eps * (np.abs(constraints) @ np.abs(u) + np.abs(bounds))
    for j in np.flatnonzero(~(np.abs(slack) > bound)):
        slack[j] = float(_slack(constraints[j], bounds[j], list(map(Fraction, u.tolist()))))
    return slack


def is_infeasible(constraints: Floats, bounds: Floats, weights: Floats) -> bool:
    """Return whether it is proved that no u keeps ``<g_j, u> >= b_j``.

    By Farkas' lemma, rational y_j >= 0 with ``sum y_j g_j = 0`` and ``sum y_j b_j > 0`` prove it.

    Parameters
    ----------
    constraints : (constraint, k)
    bounds : (constraint,)
    weights : (constraint,)
        Floats near such y, from which exact ones are made; if they are not near, nothing is proved.

    Examples
    --------
    >>> third = 1.0 / 3.0
    >>> against = np.array([[3.0, 1.0], [-3.0, -1.0], [1.0, 0.0]])
    >>> is_infeasible(against, np.ones(3), np.array([0.2, 0.2 + 1e-12, 1e-15]))
    True
    >>> is_infeasible(against + [[0, 0], [0, 1e-12], [0, 0]], np.ones(3), np.array([0.2, 0.2, 1e-15]))
    False
    """
    for share in _WEIGHTS:
        kept = np.flatnonzero(weights > share * weights.max())
        exact = null_vector(constraints[kept].T, weights[kept] / weights.max())
        if exact is not None and min(exact) >= 0:
            total = sum(y * Fraction(b) for y, b in zip(exact, bounds[kept].tolist(), strict=True))
            if total > 0:
                return True
    return False


def is_feasible(constraints: Floats, bounds: Floats, u: Floats) -> bool:
    """Return whether it is proved that some rational vector near u keeps ``<g_j, u> >= b_j``.

    Constraints that are tight at u are taken as equations and solved exactly; the others are then checked. For
    constraints that force an equation, which floats can seldom keep.

    Examples
    --------
    >>> opposite = np.array([[3.0, 1.0], [-3.0, -1.0], [1.0, 0.0]])
    >>> is_feasible(opposite, np.array([0.0, 0.0, 1.0]), np.array([1.0, -3.0 + 1e-15]))
    True
    """
    terms = np.abs(constraints) @ np.abs(u) + np.abs(bounds)
    tight = np.abs(constraints @ u - bounds) <= TIGHT * terms
    exact = null_vector(np.column_stack([constraints[tight], -bounds[tight]]), np.append(u, 1.0), fixed=1)
    if exact is None:
        return False
    return all(_slack(g, b, exact[:-1]) >= 0 for g, b in zip(constraints, bounds.tolist(), strict=True))


def null_vector(matrix: Floats, near: Floats, *, fixed: int = 0) -> list[Fraction] | None:
    """Return a rational vector x with ``matrix x = 0``, near the one given.

    Gauss-Jordan elimination on integers, without fractions (Bareiss 1968). The variables that it leaves free keep
    the values given.

    Parameters
    ----------
    matrix : (r, s)
    near : (s,)
    fixed : int
        So many of the last variables keep their values; None is returned where that cannot be.

    Examples
    --------
    >>> null_vector(np.array([[1.0, 4.0]]), np.array([-2.0, 0.49]))
    [Fraction(-2, 1), Fraction(1, 2)]
    """
    rows = [_whole(row) for row in matrix.tolist()]
    size = len(near)
    pivots: list[tuple[int, int]] = []
    scale = 1
    for turn in range(min(len(rows), size - fixed)):
        left = [c for c in range(size - fixed) if c not in {column for _, column in pivots}]
        largest, r, c = max(((abs(rows[r][c]), r, c) for r in range(turn, len(rows)) for c in left), default=(0, 0, 0))
        if not largest:
            break
        rows[turn], rows[r] = rows[r], rows[turn]
        own, pivot = rows[turn], rows[turn][c]
        for i, row in enumerate(rows):
            if i != turn:
                factor = row[c]
                rows[i] = [(pivot * x - factor * y) // scale for x, y in zip(row, own, strict=True)]
        scale = pivot
        pivots.append((turn, c))
    if any(any(row[size - fixed :]) for row in rows[len(pivots) :]):
        return None
    x = [Fraction(value) for value in near.tolist()]
    free = set(range(size)) - {column for _, column in pivots}
    for r, c in pivots:
        x[c] = -sum((rows[r][j] * x[j] for j in free), Fraction()) / rows[r][c]
    return x


def _slack(constraint: Floats, bound: float, u: Sequence[Fraction]) -> Fraction:
    return sum((Fraction(g) * x for g, x in zip(constraint.tolist(), u, strict=True)), Fraction()) - Fraction(bound)


def _whole(values: Sequence[float]) -> list[int]:
    """Return floats as integers, times one power of two."""
    ratios = [value.as_integer_ratio() for value in values]
    longest = max(denominator.bit_length() for _, denominator in ratios)
    return [numerator << (longest - denominator.bit_length()) for numerator, denominator in ratios]
