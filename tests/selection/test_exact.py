"""Exact verdicts: signs, null vectors and certificates against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lmdata.selection.exact import is_feasible, is_infeasible, null_vector, slacks


def test_signs_of_slacks_are_exact():
    """Also where rounding decides: the last feature is solved for so that each product is near its bound."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(50):
        constraints = rng.normal(size=(6, 4)) * 10.0 ** rng.integers(-9, 9, 4)
        u = rng.normal(size=4) / np.abs(constraints).max(axis=0)
        bounds = constraints @ u
        found = slacks(constraints, bounds, u)
        exact = [
            sum(Fraction(g) * Fraction(x) for g, x in zip(row, u.tolist(), strict=True)) - Fraction(b)
            for row, b in zip(constraints.tolist(), bounds.tolist(), strict=True)
        ]
        assert found.tolist() == [float(x) for x in exact]
        wrong += np.count_nonzero(np.sign(constraints @ u - bounds) != np.sign(found))
    assert wrong > 100  # floats alone would have been wrong


def test_null_vectors_vanish_exactly_and_stay_near():
    rng = np.random.default_rng(1)
    for _ in range(50):
        rows, columns = int(rng.integers(1, 5)), int(rng.integers(5, 8))
        matrix = rng.normal(size=(rows, columns))
        matrix[-1] = matrix[0] if rows > 1 else 0.0  # of lower rank
        near = np.linalg.svd(matrix)[2][-1]
        found = null_vector(matrix, near)
        assert all(sum(Fraction(m) * x for m, x in zip(row, found, strict=True)) == 0 for row in matrix.tolist())
        assert np.abs(np.array([float(x) for x in found]) - near).max() < 1e-12


def test_a_fixed_variable_that_cannot_stay_is_told():
    assert null_vector(np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([-1.0, 1.0]), fixed=1) is None
    assert null_vector(np.array([[1.0, 1.0], [2.0, 2.0]]), np.array([-0.9, 1.0]), fixed=1) == [-1, 1]


def test_certificates_are_not_lent_to_what_is_separable_by_a_hair():
    third = np.array([[1.0, 1.0], [1.0, -1.0], [-2.0, 0.0]])
    weights = np.ones(3)
    assert is_infeasible(third, np.ones(3), weights)
    assert is_infeasible(third, np.array([0.0, 0.0, 1.0]), weights)
    assert not is_infeasible(third, np.zeros(3), weights)
    aside = np.column_stack([third, [0.0, 0.0, 2.0**-300]])
    assert not is_infeasible(aside, np.ones(3), weights)
    assert is_feasible(aside, np.ones(3), np.array([1.0, 0.0, 2.0**302]))
    assert not is_feasible(third, np.ones(3), np.array([1.0, 0.0]))
