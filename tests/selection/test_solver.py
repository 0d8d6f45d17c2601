"""Max-margin solutions against their certificates, and every verdict against exact rational arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.errors import BackendUnavailable, InvalidInput
from lmdata.selection import solver
from lmdata.selection.solver import dual_norm_of, max_margin, norm_of

from .rational import keeps, verdict

NORMS = [2.0, 1.2, 1.75, 3.0, 8.0, np.inf, "nuclear"]
SCALES = [1.0, 1e-2, 1e-4, 1e-6, "mixed"]


def separable(seed, exponents=(-6, 7)):
    """Return random constraints that some u keeps, and the shape of u."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, 2))
    constraints = rng.normal(size=(rng.integers(1, 12), np.prod(shape)))
    constraints *= 10.0 ** int(rng.integers(*exponents))
    constraints *= np.sign(constraints @ rng.normal(size=constraints.shape[1]))[:, None]
    return constraints, shape


def last_bits(array, rng):
    """Return an array whose entries have moved by a rounding or none."""
    return array * (1 + rng.integers(-1, 2, array.shape) * np.finfo(float).eps)


@pytest.fixture
def another_machine(monkeypatch):
    """Let the solver see every product rounded otherwise, as another BLAS would."""
    rng, solve = np.random.default_rng(0), solver.solve

    def perturbed(constraints, bounds, *rest):
        u, multipliers = solve(last_bits(constraints, rng), last_bits(bounds, rng), *rest)
        return last_bits(u, rng), last_bits(multipliers, rng)

    monkeypatch.setattr(solver, "solve", perturbed)


def check_certificate(found, constraints, shape, norm):
    """Feasible, and as small as the bound sum(multipliers) of the dual problem: so it is optimal (to 1e-8)."""
    assert found.status == "solved"
    assert found.violation == 0
    assert keeps(constraints, np.ones(len(constraints)), found.solution)
    length = norm_of(found.solution, norm)
    assert (found.multipliers >= 0).all()
    assert found.multipliers.sum() == pytest.approx(length, rel=1e-8)
    assert dual_norm_of((found.multipliers @ constraints).reshape(shape), norm) == pytest.approx(1, rel=1e-12)
    assert found.margin == pytest.approx(1 / length, rel=1e-14)
    assert found.support.any()


@pytest.mark.parametrize("norm", NORMS)
def test_solution_has_a_certificate(norm):
    for seed in range(25):
        constraints, shape = separable(seed)
        check_certificate(max_margin(constraints, shape=shape, norm=norm), constraints, shape, norm)


@pytest.mark.parametrize("norm", NORMS)
def test_solution_does_not_hang_on_the_last_bits(norm, another_machine):
    rng = np.random.default_rng(1)
    for seed in range(25):
        constraints, shape = separable(seed)
        constraints = last_bits(constraints, rng)
        check_certificate(max_margin(constraints, shape=shape, norm=norm), constraints, shape, norm)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("norm", NORMS)
def test_five_thousand_problems_have_solutions(norm, another_machine):
    for seed in range(5000):
        constraints, shape = separable(seed)
        check_certificate(max_margin(constraints, shape=shape, norm=norm), constraints, shape, norm)


def of_scale(seed, scale):
    """Return constraints of some scale, and whether there is a u: half are separable, half integer and not."""
    rng = np.random.default_rng(seed)
    count, size = int(rng.integers(2, 10)), int(rng.integers(1, 6))
    if seed % 2:
        constraints = rng.normal(size=(count, size))
        constraints *= 10.0 ** rng.choice([0, -4], size) if scale == "mixed" else scale
        constraints *= np.sign(constraints @ (rng.normal(size=size) / np.abs(constraints).max(axis=0)))[:, None]
    else:
        constraints = rng.integers(-9, 10, (count, size)).astype(float)
        constraints[-1] = -(rng.integers(1, 5, count - 1) @ constraints[:-1])
        constraints *= 2.0 ** rng.choice([0, -13], size) if scale == "mixed" else 2.0 ** round(np.log2(scale))
    return rng.permutation(constraints)


def check_verdict(constraints, bounds, norm):
    found = max_margin(constraints, bounds=bounds, norm=norm)
    feasible, _ = verdict(constraints, bounds)
    assert found.status == ("solved" if feasible else "infeasible")
    if feasible:
        assert found.violation == 0
        assert keeps(constraints, bounds, found.solution)


@pytest.mark.parametrize("norm", [2.0, 3.0])
@pytest.mark.parametrize("scale", SCALES)
def test_verdicts_are_those_of_rational_arithmetic(scale, norm):
    for seed in range(20):
        constraints = of_scale(seed, scale)
        check_verdict(constraints, np.ones(len(constraints)), norm)


@pytest.mark.long
@pytest.mark.parametrize("scale", SCALES)
def test_six_hundred_verdicts_are_those_of_rational_arithmetic(scale, another_machine):
    for seed in range(600):
        constraints = of_scale(seed, scale)
        check_verdict(constraints, np.ones(len(constraints)), 2.0)


def test_verdicts_on_relaxed_constraints_are_those_of_rational_arithmetic():
    """Where a relaxed constraint meets its opposite they force an equation, which floats may miss: it is told."""
    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        constraints = of_scale(seed, SCALES[seed % len(SCALES)])
        bounds = rng.integers(0, 2, len(constraints)).astype(float)
        if seed % 3 == 0:
            constraints = np.vstack([constraints, -constraints[bounds == 0][:1]])
            bounds = np.append(bounds, [0.0] * (len(constraints) - len(bounds)))
        found = max_margin(constraints, bounds=bounds)
        assert found.status == ("solved" if verdict(constraints, bounds)[0] else "infeasible")
        if found.status == "solved":
            assert keeps(constraints, bounds, found.solution) == (found.violation == 0)
            terms = np.abs(constraints) @ np.abs(found.solution)
            assert found.violation <= 1e-12 * terms.max(initial=1.0)
            missed += found.violation > 0
    assert missed  # some there are


def test_what_cannot_be_verified_is_unfinished():
    """Separable by a margin of 1e-17 alone: no floats keep these constraints, and nothing forbids a solution."""
    constraints = np.array([[1.0, 1.0, 0.0], [-1.0, -1.0, 2.0**-57]])
    assert verdict(constraints, np.ones(2))[0]
    found = max_margin(constraints)
    assert found.status in ("solved", "unfinished")
    if found.status == "solved":
        assert keeps(constraints, np.ones(2), found.solution)


def test_exact_dependence_is_infeasible():
    """Integer constraints of which a positive combination vanishes cannot all hold; a constraint 0 never does."""
    for seed in range(0, 40, 2):
        found = max_margin(of_scale(seed, 1.0))
        assert found.status == "infeasible"
        assert np.isnan(found.solution).all()
        assert np.isnan(found.margin)
        assert np.isnan(found.violation)
    assert max_margin(np.array([[0.0, 0.0], [1.0, 0.0]])).status == "infeasible"


def test_lattice_solutions_are_exact():
    assert max_margin(np.array([[1.0, 1.0], [1.0, -1.0]])).solution == pytest.approx([1, 0], abs=1e-14)
    assert max_margin(np.array([[3.0, 4.0]])).solution == pytest.approx([3 / 25, 4 / 25], abs=1e-14)
    assert max_margin(np.array([[3.0, 4.0]]), norm=3.0).margin == pytest.approx((3**1.5 + 4**1.5) ** (2 / 3))
    relaxed = max_margin(np.array([[1.0, 0.0], [1.0, -2.0]]), bounds=np.array([1.0, 0.0]))
    assert relaxed.solution == pytest.approx([1, 0], abs=1e-9)


def test_without_constraints_nothing_is_the_solution():
    """All other tokens equal the selected one, or all are relaxed."""
    for found in (max_margin(np.empty((0, 3))), max_margin(np.eye(3), bounds=np.zeros(3))):
        assert found.status == "solved"
        assert np.array_equal(found.solution, np.zeros(3))
        assert found.margin == np.inf
        assert found.violation == 0


def test_negative_bounds_are_refused():
    with pytest.raises(InvalidInput, match=r"bounds is .*-1.* must be 0 or above"):
        max_margin(np.eye(2), bounds=np.array([1.0, -1.0]))


def test_missing_solver_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "clarabel", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'lmdata\[selection\]'"):
        max_margin(np.eye(2))
