"""Max-margin solutions against their certificates, and optimality against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from lmdata.errors import BackendUnavailable, InvalidInput
from lmdata.selection import Problem, att_svm, construction, gaussian, given, label_svm
from lmdata.selection.geometry import examine, optimal_tokens, selections, separable_tokens
from lmdata.selection.solver import max_margin, norm_of

NORMS = [2.0, 1.2, 1.75, 3.0, 8.0, "nuclear"]


def dual_norm(matrix: np.ndarray, norm) -> float:
    if norm == "nuclear":
        return float(np.linalg.norm(matrix, 2))
    return float((np.abs(matrix) ** (norm / (norm - 1))).sum() ** (1 - 1 / norm))


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25, deadline=None, derandomize=True)
@drawn(seed=st.integers(0, 10_000), exponent=st.integers(-6, 6))
def test_solution_has_a_certificate(norm, seed, exponent):
    """Feasible, and as small as the bound sum(multipliers) of the dual problem: so it is optimal (to 1e-8)."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, 2))
    constraints = rng.normal(size=(rng.integers(1, 12), np.prod(shape)))
    constraints *= 10.0**exponent * np.sign(constraints @ rng.normal(size=constraints.shape[1]))[:, None]
    found = max_margin(constraints, shape=shape, norm=norm)
    assert found.status == "solved"
    length = norm_of(found.solution, norm)
    assert (constraints @ found.solution.ravel() >= 1 - 1e-8).all()
    assert (found.multipliers >= -1e-9 * length).all()
    assert found.multipliers.sum() == pytest.approx(length, rel=1e-8)
    assert dual_norm((found.multipliers @ constraints).reshape(shape), norm) == pytest.approx(1, rel=1e-8)
    assert found.margin == pytest.approx(1 / length)
    assert found.support.any()


@settings(max_examples=50, deadline=None, derandomize=True)
@drawn(seed=st.integers(0, 10_000))
def test_infeasibility_is_reported(seed):
    """Constraints of which a positive combination vanishes cannot all hold."""
    rng = np.random.default_rng(seed)
    constraints = rng.normal(size=(rng.integers(2, 6), rng.integers(1, 4)))
    constraints[-1] = -(rng.random(len(constraints) - 1) @ constraints[:-1])
    found = max_margin(constraints)
    assert found.status == "infeasible"
    assert np.isnan(found.solution).all()
    assert np.isnan(found.margin)


def test_lattice_solutions_are_exact():
    assert max_margin(np.array([[1.0, 1.0], [1.0, -1.0]])).solution == pytest.approx([1, 0], abs=1e-10)
    assert max_margin(np.array([[3.0, 4.0]])).solution == pytest.approx([3 / 25, 4 / 25], abs=1e-11)
    assert max_margin(np.array([[3.0, 4.0]]), norm=3.0).margin == pytest.approx((3**1.5 + 4**1.5) ** (2 / 3))
    relaxed = max_margin(np.array([[1.0, 0.0], [1.0, -2.0]]), bounds=np.array([1.0, 0.0]))
    assert relaxed.solution == pytest.approx([1, 0], abs=1e-9)


def test_without_constraints_nothing_is_the_solution():
    """All other tokens equal the selected one."""
    found = max_margin(np.empty((0, 3)))
    assert found.status == "solved"
    assert np.array_equal(found.solution, np.zeros(3))
    assert found.margin == np.inf


@pytest.mark.parametrize("of", ["prompt", "weight"])
def test_solution_keeps_every_margin(of):
    problem = gaussian(3, 4, 5, queries="random").draw(1)
    chosen = optimal_tokens(problem)
    found = att_svm(problem, chosen, of=of)
    for i, s in enumerate(chosen):
        along = problem.weight @ found.solution if of == "prompt" else found.solution @ problem.query[i]
        gaps = (problem.tokens[i, s] - np.delete(problem.tokens[i], s, axis=0)) @ along
        assert (gaps >= 1 - 1e-8).all()


def test_separable_tokens_are_the_extreme_points():
    """A token of one sample can be selected alone iff it is a vertex of the hull of the keys."""
    square = [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5], [0.5, 0]]
    problem = Problem([square], [1], value=[1, 0])
    assert separable_tokens(problem) == [[0, 1, 2, 3]]


def test_selections_are_the_combinations_that_can_be_separable():
    problem = construction("joint-tight").draw(0)
    every = list(itertools.product(range(2), repeat=3))
    solved = {c for c in every if att_svm(problem, c).status == "solved"}
    assert solved <= set(selections(problem))
    with pytest.raises(InvalidInput, match=r"8 combinations .* more than limit=7"):
        list(selections(problem, limit=7))


@pytest.mark.parametrize("seed", range(5))
def test_local_optimality_is_its_definition(seed):
    problem = gaussian(2, 4, 3).draw(seed)
    scores = problem.scores()
    for chosen in selections(problem):
        found = examine(problem, chosen)
        if found.parameter.status != "solved":
            assert not found.locally_optimal
            continue
        rivals = [
            scores[i, s] > scores[i, t]
            for i, s in enumerate(chosen)
            for t in range(4)
            if t != s and (problem.tokens[i, s] - problem.tokens[i, t]) @ found.parameter.solution < 1 + 1e-6
        ]
        assert found.locally_optimal == all(rivals)
        assert found.globally_optimal == (tuple(scores.argmax(axis=1)) == chosen)
        assert found.locally_optimal or not found.globally_optimal


def test_inseparable_tokens_have_no_solution():
    """The selected token is the mean of the others."""
    problem = given([[[0, 0], [1, 1], [-1, -1]]], [1], value=[1, 0]).draw(0)
    assert att_svm(problem, [0]).status == "infeasible"
    assert att_svm(problem, [1]).status == "solved"


def test_equal_tokens_count_as_one():
    twice = Problem([[[1, 0], [1, 0], [0, 1]]], [1], value=[1, 0])
    once = Problem([[[1, 0], [0, 1]]], [1], value=[1, 0])
    assert separable_tokens(twice) == [[0, 2]]
    np.testing.assert_allclose(att_svm(twice, [1]).solution, att_svm(once, [0]).solution)


def test_equal_keys_with_different_scores_are_inseparable():
    problem = Problem([[[1, 0, 1], [1, 0, 2], [0, 1, 0]]], [1], value=[0, 0, 1], weight=np.diag([1, 1, 0]))
    assert att_svm(problem, [1]).status == "infeasible"


def test_labels_that_cannot_be_separated():
    problem = Problem([[[0, 1], [1, 0]], [[0, 1], [1, 0]]], [1, -1], value=[1, 0])
    assert label_svm(problem, [1, 1]).status == "infeasible"
    assert label_svm(problem, [1, 0]).status == "solved"
    found = examine(problem, [1, 1], joint=True)
    assert not found.locally_optimal
    assert not found.globally_optimal


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: att_svm(p, [0, 1]), r"selected is \[0, 1\]; it must name a token of each of the 1 samples"),
        (lambda p: att_svm(p, [3]), r"have \[3\] tokens"),
        (lambda p: att_svm(p, [0], of="value"), "of is 'value'"),
        (lambda p: att_svm(p, [0], of="weight"), "query is None"),
        (lambda p: att_svm(p, [0], norm="nuclear"), "only matrices have singular values"),
        (lambda p: att_svm(p, [0], norm=1.0), r"norm is 1\.0; it must be above 1"),
        (lambda p: att_svm(p, [0], norm=np.nan), "norm is nan"),
        (lambda p: att_svm(p, [0], relaxed=[4]), r"relaxed is \[4\]; .* samples 0 to 0"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(construction("single-local").draw(0))


def test_missing_solver_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "clarabel", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'lmdata\[selection\]'"):
        max_margin(np.eye(2))
