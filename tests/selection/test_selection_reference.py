"""Training against its equations in many digits, and max-margin solutions against exact arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from lmdata.selection import TokenSelection, att_svm, construction, given, label_svm, train

PLANE = np.diag([1.0, 1.0, 0.0])
SLOPES = {
    "logistic": lambda margin: -1 / (1 + mpmath.exp(margin)),
    "exponential": lambda margin: -mpmath.exp(-margin),
    "correlation": lambda margin: mpf(-1),
}


@pytest.fixture(autouse=True)
def many_digits():
    """Attention that has settled cancels as exp(-|p|): 60 digits leave 40 after a hundred steps of 0.1 and more."""
    with mpmath.workdps(60):
        yield


def descended(at, gradient, *, step, normalised=True, epsilon=0.0, radius=None):
    """Return the parameter after one step, its gradient divided by its norm plus epsilon; then into the ball."""
    length = mpmath.sqrt(mpmath.fsum(g * g for g in gradient)) + mpf(epsilon) if normalised else mpf(1)
    moved = [a - mpf(step) * g / length for a, g in zip(at, gradient, strict=True)]
    norm = mpmath.sqrt(mpmath.fsum(a * a for a in moved))
    return [a * mpf(radius) / norm for a in moved] if radius is not None and norm > radius else moved


def trained(problem, start, steps, *, loss="logistic", joint=False, rule, value_rule=None):
    """Return prompt and value after so many steps of the mean loss of y <attention, X v>, by the plain formula."""
    keys = [[[mpf(x) for x in token] for token in sample] for sample in (problem.tokens @ problem.weight).tolist()]
    tokens = [[[mpf(x) for x in token] for token in sample] for sample in problem.tokens.tolist()]
    prompt, value = [mpf(x) for x in start], [mpf(x) for x in problem.value.tolist()]
    n = len(tokens)
    for _ in range(steps):
        by_prompt, by_value = [mpf(0)] * len(prompt), [mpf(0)] * len(value)
        for sample, own, label in zip(tokens, keys, problem.labels.tolist(), strict=True):
            powers = [mpmath.exp(mpmath.fsum(k * p for k, p in zip(key, prompt, strict=True))) for key in own]
            share = [power / mpmath.fsum(powers) for power in powers]
            gain = [label * mpmath.fsum(x * v for x, v in zip(token, value, strict=True)) for token in sample]
            margin = mpmath.fsum(a * g for a, g in zip(share, gain, strict=True))
            slope = SLOPES[loss](margin) / n
            for a, g, key, token in zip(share, gain, own, sample, strict=True):
                by_prompt = [b + slope * a * (g - margin) * k for b, k in zip(by_prompt, key, strict=True)]
                by_value = [b + slope * label * a * x for b, x in zip(by_value, token, strict=True)]
        prompt = descended(prompt, by_prompt, **rule)
        if joint:
            value = descended(value, by_value, **value_rule)
    return [float(p) for p in prompt], [float(v) for v in value]


def path(model, problem, start, steps):
    ds = train(model, problem, steps=steps, starts=[start], record=[steps]).isel(seed=0, start=0, iteration=-1)
    return ds.prompt.values, ds.value.values if "value" in ds else None


def several():
    rng = np.random.default_rng(5)
    return given(rng.normal(size=(3, 4, 3)), [1, -1, 1], value=rng.normal(size=3), weight=rng.normal(size=(3, 3))).draw(
        0
    )


@pytest.mark.parametrize("arithmetic", ["exact", "published"])
@pytest.mark.parametrize("loss", SLOPES)
@pytest.mark.parametrize(
    "rule",
    [
        {"step": 0.1},
        {"step": 0.1, "epsilon": 0.05},
        {"step": 0.5, "normalised": False},
        {"step": 0.1, "radius": 1.5},
    ],
    ids=["normalised", "with epsilon", "plain", "in a ball"],
)
def test_the_prompt_descends_by_its_equations(rule, loss, arithmetic):
    """The published form is off by its own cancellation, which is small as long as attention has not settled."""
    problem, start = several(), [0.3, -0.2, 0.1]
    expected, _ = trained(problem, start, 40, loss=loss, rule=rule)
    found, _ = path(TokenSelection(loss=loss, arithmetic=arithmetic, **rule), problem, start, 40)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["single-global", "single-local", "three-clusters"])
def test_the_published_problems_are_trained_by_their_equations(name):
    problem, start = construction(name).draw(0), [0.0, 1.0, 0.0]
    expected, _ = trained(problem, start, 120, rule={"step": 0.1, "epsilon": 1e-9})
    exact, _ = path(TokenSelection(epsilon=1e-9), problem, start, 120)
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-12)
    published, _ = path(TokenSelection(epsilon=1e-9, arithmetic="published"), problem, start, 120)
    np.testing.assert_allclose(published, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("contrast", [1, 2, 10, 100])
@pytest.mark.parametrize("loss", ["correlation", "logistic"])
def test_losses_weigh_unequal_scores(loss, contrast):
    problem = construction("unequal-scores", contrast=contrast).draw(0)
    expected, _ = trained(problem, [0.0, 0.0, 0.0], 60, loss=loss, rule={"step": 0.1})
    found, _ = path(TokenSelection(loss=loss), problem, [0, 0, 0], 60)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({}, {"step": 0.1, "epsilon": 0.02}),
        ({"value_step": 0.03}, {"step": 0.03, "epsilon": 0.02}),
        ({"value_epsilon": 0.7}, {"step": 0.1, "epsilon": 0.7}),
        ({"value_epsilon": 0.0, "value_step": 0.2}, {"step": 0.2, "epsilon": 0.0}),
    ],
    ids=["alike", "own step", "own epsilon", "own both"],
)
@pytest.mark.parametrize("name", ["joint-tight", "joint-loose"])
def test_prompt_and_value_descend_together_each_by_its_own_rule(name, parameters, rule):
    problem, start = construction(name).draw(0), [0.0, -1.0]
    own = {"step": 0.1, "epsilon": 0.02}
    expected = trained(problem, start, 50, joint=True, rule=own, value_rule=rule)
    found = path(TokenSelection(trained="joint", **own, **parameters), problem, start, 50)
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-12)


def shortest(rows, bounds):
    """Return the shortest vector with rows u >= bounds, in rational arithmetic: by trying every set of tight rows."""
    rows = [[Fraction(x) for x in row] for row in rows]
    for size in range(1, len(rows[0]) + 1):
        for tight in itertools.combinations(range(len(rows)), size):
            gram = [[sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) for j in tight] for i in tight]
            weights = solved(gram, [Fraction(bounds[i]) for i in tight])
            if weights is None or min(weights) < 0:
                continue
            u = [sum(w * rows[i][k] for w, i in zip(weights, tight, strict=True)) for k in range(len(rows[0]))]
            if all(sum(a * b for a, b in zip(row, u, strict=True)) >= b for row, b in zip(rows, bounds, strict=True)):
                return [float(x) for x in u], {i for i, w in zip(tight, weights, strict=True) if w > 0}
    raise AssertionError("infeasible")


def solved(matrix, right):
    """Return the solution of a system, or None if it is singular (Gauss-Jordan on fractions)."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next((r for r in range(k, len(rows)) if rows[r][k] != 0), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for r in range(len(rows)):
            if r != k:
                rows[r] = [x - rows[r][k] * y for x, y in zip(rows[r], rows[k], strict=True)]
    return [row[-1] for row in rows]


def rivals(problem, selected):
    """Return the differences of keys, selected minus other, of all samples."""
    keys = problem.tokens @ problem.weight
    return [(keys[i, s] - keys[i, t]).tolist() for i, s in enumerate(selected) for t in range(keys.shape[1]) if t != s]


@pytest.mark.parametrize("name", ["single-global", "single-local"])
@pytest.mark.parametrize("token", [0, 1])
def test_the_prompt_of_most_margin(name, token):
    problem = construction(name).draw(0)
    expected, _ = shortest(rivals(problem, [token]), [1, 1])
    found = att_svm(problem, [token])
    np.testing.assert_allclose(found.solution, expected, rtol=0, atol=1e-8)
    assert found.margin == pytest.approx(1 / np.linalg.norm(expected), rel=1e-8)


@pytest.mark.parametrize("weight", [PLANE, np.eye(3)], ids=["own keys", "identity"])
def test_several_samples_share_the_prompt_of_most_margin(weight):
    rng = np.random.default_rng(6)
    centres = np.array([[1.0, 0.0], [-1.0, 1.0], [-0.5, -0.5]])
    tokens = np.concatenate([centres + 0.2 * rng.normal(size=(3, 3, 2)), np.full((3, 3, 1), 0.5)], axis=2)
    problem = given(tokens, [1, 1, 1], value=[0, 0, 1], weight=weight).draw(0)
    expected, _ = shortest(rivals(problem, [0, 0, 0]), [1] * 6)
    np.testing.assert_allclose(att_svm(problem, [0, 0, 0]).solution, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("name", "not_supporting"), [("joint-tight", set()), ("joint-loose", {2})])
def test_joint_problems_have_a_separator_of_labels_and_a_relaxed_prompt(name, not_supporting):
    problem = construction(name).draw(0)
    features = (problem.labels[:, None] * problem.tokens[:, 1]).tolist()
    separator, _ = shortest(features, [1, 1, 1])
    slack = np.array(features) @ separator - 1
    assert set(np.flatnonzero(slack > 1e-12)) == not_supporting
    found = label_svm(problem, [1, 1, 1])
    np.testing.assert_allclose(found.solution, separator, rtol=0, atol=1e-8)
    assert set(np.flatnonzero(~found.support)) == not_supporting
    for relaxed in ([], [2]):
        expected, _ = shortest(rivals(problem, [1, 1, 1]), [0 if i in relaxed else 1 for i in range(3)])
        np.testing.assert_allclose(att_svm(problem, [1, 1, 1], relaxed=relaxed).solution, expected, rtol=0, atol=1e-8)
