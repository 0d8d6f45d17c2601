"""An oracle for linear constraints: a simplex method on fractions, slow and exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def verdict(constraints: np.ndarray, bounds: np.ndarray) -> tuple[bool, list[Fraction]]:
    """Return whether some u keeps ``<g_j, u> >= b_j``, and a witness: that u, or Farkas' y that forbids one.

    Phase one of the simplex method, with Bland's rule, on ``sum y_j (g_j, b_j) = (0, ..., 0, 1), y >= 0``.
    """
    count, size = constraints.shape
    rows = size + 1
    table = [[Fraction(0)] * (count + rows + 1) for _ in range(rows)]
    for j in range(count):
        for r, value in enumerate([*constraints[j].tolist(), float(bounds[j])]):
            table[r][j] = Fraction(value)
    for r in range(rows):
        table[r][count + r] = Fraction(1)
    table[-1][-1] = Fraction(1)
    basis = list(range(count, count + rows))
    reduced = [-sum(table[r][c] for r in range(rows)) if c < count else Fraction(0) for c in range(count + rows)]
    cost = -Fraction(1)
    while True:
        entering = next((c for c in range(count) if reduced[c] < 0), None)
        if entering is None:
            break
        ratios = [(table[r][-1] / table[r][entering], basis[r], r) for r in range(rows) if table[r][entering] > 0]
        leaving = min(ratios)[2]
        pivot = table[leaving][entering]
        table[leaving] = [x / pivot for x in table[leaving]]
        for r in range(rows):
            factor = table[r][entering]
            if r != leaving and factor:
                table[r] = [x - factor * y for x, y in zip(table[r], table[leaving], strict=True)]
        factor = reduced[entering]
        reduced = [x - factor * y for x, y in zip(reduced, table[leaving], strict=False)]
        cost -= factor * table[leaving][-1]
        basis[leaving] = entering
    if cost == 0:
        y = [Fraction(0)] * (count + rows)
        for r, column in enumerate(basis):
            y[column] = table[r][-1]
        check = [sum(y[j] * Fraction(float(constraints[j, k])) for j in range(count)) for k in range(size)]
        assert not any(check)
        assert sum(y[j] * Fraction(float(bounds[j])) for j in range(count)) == 1
        assert min(y) >= 0
        return False, y[:count]
    dual = [1 - reduced[count + r] for r in range(rows)]
    u = [-value / dual[-1] for value in dual[:-1]]
    for g, b in zip(constraints.tolist(), bounds.tolist(), strict=True):
        assert sum(Fraction(x) * z for x, z in zip(g, u, strict=True)) >= Fraction(b)
    return True, u


def keeps(constraints: np.ndarray, bounds: np.ndarray, u: np.ndarray) -> bool:
    """Return whether floats u keep every constraint, in exact arithmetic."""
    exact = [Fraction(x) for x in u.ravel().tolist()]
    return all(
        sum(Fraction(x) * z for x, z in zip(g, exact, strict=True)) >= Fraction(b)
        for g, b in zip(constraints.tolist(), bounds.tolist(), strict=True)
    )
