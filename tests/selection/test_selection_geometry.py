"""What can be selected, by which direction, and what is optimal, against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lmdata.errors import InvalidInput
from lmdata.selection import Problem, att_svm, construction, gaussian, given, label_svm
from lmdata.selection.geometry import examine, optimal_tokens, selections, separable_tokens


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


@pytest.mark.parametrize(("rival", "optimal"), [(0.9, True), (1.0, False), (1.1, False)])
def test_a_token_is_locally_optimal_if_it_scores_above_those_that_support_its_margin(rival, optimal):
    """A tie is no optimum: attention may as well stay with the other (2306.13596). Others may score as they like."""
    tokens = [[[1, 0, 1], [0, 0, rival], [-5, 0, 7]]]
    problem = Problem(tokens, [1], value=[0, 0, 1], weight=np.diag([1, 1, 0]))
    found = examine(problem, [0])
    assert found.parameter.support.tolist() == [True, False]
    assert found.locally_optimal is optimal
    assert not found.globally_optimal


def test_a_token_that_ties_for_the_best_score_is_globally_optimal():
    problem = Problem([[[1, 0, 1], [0, 0, 1]]], [1], value=[0, 0, 1], weight=np.diag([1, 1, 0]))
    assert examine(problem, [0]).globally_optimal
    assert examine(problem, [1]).globally_optimal


@pytest.mark.parametrize("angle", np.linspace(0.1, 6.2, 12))
def test_scores_of_a_learned_value_that_tie_do_so_whatever_their_last_bits(angle):
    """Both tokens of the first sample lie on the margin of v_mm = (1, 0), turned: the first is best, and not alone."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    problem = Problem(np.array([[[1, 0.3], [1, -0.7]], [[-1, 0.4], [-0.5, -3.1]]]) @ turn.T, [1, -1], value=[1, 0])
    found = examine(problem, [0, 0], joint=True)
    np.testing.assert_allclose(found.value.solution, turn[:, 0], atol=1e-6)
    assert found.parameter.support[0]
    assert not found.locally_optimal
    assert found.globally_optimal


def test_equal_tokens_have_equal_scores():
    """The order of a matrix product's sums is another at the end of its blocks."""
    random = np.random.default_rng(3)
    for d in (1, 2, 3, 5, 8, 13, 33):
        problem = Problem(np.tile(random.normal(size=d), (3, 29, 1)), [1, 1, 1], value=random.normal(size=d))
        assert len(np.unique(problem.scores())) == 1


def test_places_beyond_a_sample_are_no_tokens():
    """All scores are negative, and the zeros that fill up the second sample would be the best of it."""
    problem = Problem([[[-1, 0], [-2, 1], [-3, 5]], [[-4, 1], [-2, 2], [0, 0]]], [1, 1], value=[1, 0], lengths=[3, 2])
    assert optimal_tokens(problem) == (0, 1)
    assert separable_tokens(problem)[1] == [0, 1]


def test_what_supports_the_labels_holds_its_margin_to_a_millionth():
    """The second feature is 1.001 from the boundary: near it, and no support."""
    problem = Problem([[[0, 0], [1, 1]], [[0, 0], [1.001, -1]]], [1, 1], value=[1, 0])
    found = label_svm(problem, [1, 1])
    slack = np.array([[1.0, 1.0], [1.001, -1.0]]) @ found.solution - 1
    assert found.support.tolist() == (slack < 1e-6).tolist()
    three = Problem([[[0, 0], [1, 0]], [[0, 0], [1.001, 5]], [[0, 0], [1.001, -5]]], [1, 1, 1], value=[1, 0])
    assert label_svm(three, [1, 1, 1]).support.tolist() == [True, False, False]


def test_samples_that_do_not_support_the_labels_are_relaxed_in_joint_training():
    problem = construction("joint-loose").draw(0)
    found = examine(problem, [1, 1, 1], joint=True)
    assert found.value.support.tolist() == [True, True, False]
    np.testing.assert_allclose(found.parameter.solution, att_svm(problem, [1, 1, 1], relaxed=[2]).solution, atol=1e-12)
    assert not np.allclose(found.parameter.solution, att_svm(problem, [1, 1, 1]).solution, atol=1e-3)


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
        (lambda p: att_svm(p, [0, 1]), r"selected is \[0, 1\]; it must name a token of each of 1 sample"),
        (lambda p: att_svm(p, [3]), r"of lengths \[3\]"),
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
