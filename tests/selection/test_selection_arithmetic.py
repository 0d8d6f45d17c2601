"""The kernel's own functions, its gradients, and what does not depend on how a run is cut or batched."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from lmdata.numerics.elementary import exp, log, signed_power, softplus
from lmdata.selection import Problem, TokenSelection, construction, gaussian, given, starts, train
from lmdata.selection import model as equations

LOSSES = ("logistic", "exponential", "correlation")


def units(computed: float, exact: Decimal) -> float:
    """Return the error in units in the last place."""
    return float(abs(Decimal(computed) - exact) / Decimal(math.ulp(float(exact))))


@settings(max_examples=300, deadline=None, derandomize=True)
@drawn(st.floats(-745, 709.7))
def test_exp_is_within_one_unit(x):
    with localcontext() as context:
        context.prec = 60
        assert units(exp(x), Decimal(x).exp()) <= 1


@settings(max_examples=300, deadline=None, derandomize=True)
@drawn(st.floats(min_value=1e-300, max_value=1e300) | st.floats(0.5, 2.0))
def test_log_is_within_three_units(x):
    with localcontext() as context:
        context.prec = 60
        assert units(log(x), Decimal(x).ln()) <= 3


@settings(max_examples=80, deadline=None, derandomize=True)
@drawn(st.floats(-200, 200))
def test_softplus_is_within_five_units(x):
    with localcontext() as context:
        context.prec = 200  # so that 1 + e^x keeps e^-200
        assert units(softplus(x), (1 + Decimal(x).exp()).ln()) <= 5


def test_elementary_functions_at_their_ends():
    assert exp(0.0) == 1.0
    assert exp(710.0) == math.inf
    assert exp(-746.0) == 0.0
    assert exp(-745.13) == 5e-324
    assert math.isnan(exp(math.nan))
    assert log(1.0) == 0.0
    assert log(0.0) == -math.inf
    assert math.isnan(log(-1.0))
    assert log(math.inf) == math.inf
    assert signed_power(0.0, 0.5) == 0.0


def one_step(problem: Problem, weights: np.ndarray, trained: str, loss: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the kernel's gradients, from one plain step of length 1."""
    model = TokenSelection(trained=trained, loss=loss, normalised=False, step=1.0)
    ds = train(model, problem, steps=1, starts=weights[None])
    path = ds.weight if trained == "weight" else ds.prompt
    moved = -path.diff("iteration").values[0, 0, 0]
    return moved, -ds.value.diff("iteration").values[0, 0, 0] if trained == "joint" else None


def some_problem(seed: int) -> Problem:
    """Return a random problem with queries and general weights, of unequal lengths."""
    rng = np.random.default_rng(seed)
    n, width, d = rng.integers(1, 5), rng.integers(2, 6), rng.integers(1, 5)
    return Problem(
        rng.normal(size=(n, width, d)),
        rng.choice([-1, 1], n),
        value=rng.normal(size=d),
        weight=rng.normal(size=(d, d)),
        query=rng.normal(size=(n, d)),
    )


def arrays(problem: Problem, trained: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if trained == "weight":
        return problem.tokens, problem.query, problem.scores()
    return problem.keys(), np.ones((len(problem.labels), 1)), problem.scores()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("trained", ["prompt", "weight"])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_gradient_is_the_complex_step_derivative(seed, trained, loss):
    """(L(u + ih) - L(u))/ih has no cancellation: for h = 1e-30 its error is the rounding of L itself."""
    problem = some_problem(seed)
    d = len(problem.value)
    weights = np.random.default_rng(seed).normal(size=(d, d) if trained == "weight" else (d, 1))
    keys, queries, scores = arrays(problem, trained)
    exact = np.empty_like(weights)
    for place in np.ndindex(*weights.shape):
        moved = weights.astype(complex)
        moved[place] += 1e-30j
        exact[place] = equations.objective(keys, queries, scores, moved, loss).imag / 1e-30
    closed = equations.gradient(keys, queries, scores, weights, loss)
    kernel, _ = one_step(problem, weights if trained == "weight" else weights[:, 0], trained, loss)
    scale = np.abs(exact).max()
    np.testing.assert_allclose(closed, exact, rtol=0, atol=1e-14 * (1 + scale))
    np.testing.assert_allclose(kernel.reshape(exact.shape), exact, rtol=0, atol=1e-14 * (10 + scale))


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_the_limit_of_finite_differences(loss):
    problem = some_problem(1)
    keys, queries, scores = arrays(problem, "prompt")
    weights = np.full((len(problem.value), 1), 0.3)
    closed = equations.gradient(keys, queries, scores, weights, loss)
    for j in range(len(weights)):
        step = np.zeros_like(weights)
        step[j] = 1e-5
        ahead, behind = (equations.objective(keys, queries, scores, weights + s, loss) for s in (step, -step))
        assert closed[j, 0] == pytest.approx((ahead - behind) / 2e-5, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_joint_gradient_in_the_value_vector(loss):
    """dL/dv is the mean of l'(m) y sum_t a_t x_t; its complex step has no cancellation."""
    problem = some_problem(2)
    prompt = np.full(len(problem.value), 0.4)
    _, kernel = one_step(problem, prompt, "joint", loss)
    shares = equations.attention(problem.keys() @ prompt)
    for j in range(len(problem.value)):
        value = problem.value.astype(complex)
        value[j] += 1e-30j
        margin = (shares * (problem.labels[:, None] * (problem.tokens @ value))).sum(axis=1)
        assert kernel[j] == pytest.approx(equations.loss_of(margin, loss).mean().imag / 1e-30, abs=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_agrees_with_automatic_differentiation(loss):
    jax = pytest.importorskip("jax", reason="jax is not installed; the complex step checks the same derivative")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    problem = some_problem(3)
    keys, labels = jnp.asarray(problem.keys()), jnp.asarray(problem.labels)
    forms = {
        "logistic": lambda m: jnp.logaddexp(0.0, -m),
        "exponential": lambda m: jnp.exp(-m),
        "correlation": lambda m: -m,
    }

    def objective(prompt, value):
        shares = jax.nn.softmax(keys @ prompt, axis=-1)
        return forms[loss](labels * (shares * (jnp.asarray(problem.tokens) @ value)).sum(axis=-1)).mean()

    prompt = np.full(len(problem.value), 0.2)
    by_prompt, by_value = jax.grad(objective, argnums=(0, 1))(jnp.asarray(prompt), jnp.asarray(problem.value))
    kernel, kernel_value = one_step(problem, prompt, "joint", loss)
    np.testing.assert_allclose(kernel, np.asarray(by_prompt), atol=1e-14)
    np.testing.assert_allclose(kernel_value, np.asarray(by_value), atol=1e-14)


def extended(problem: Problem, start: np.ndarray, steps: int, step: float) -> np.ndarray:
    """Return normalised gradient descent on the prompt in extended precision, by the formula without cancellation."""
    long = np.longdouble
    keys, scores = problem.keys().astype(long), problem.scores().astype(long)
    prompt, rows = start.astype(long), np.arange(len(keys))
    for _ in range(steps):
        s = keys @ prompt
        m = s.argmax(axis=1)
        shares = np.exp(s - s[rows, m][:, None])
        shares /= shares.sum(axis=1, keepdims=True)
        lead = scores - scores[rows, m][:, None]
        phi = (shares * lead).sum(axis=1)
        slope = -1 / (1 + np.exp(scores[rows, m] + phi))
        pull = slope[:, None] * shares * (lead - phi[:, None])
        pull[rows, m] = 0
        gradient = np.einsum("it,ita->a", pull, keys - keys[rows, m][:, None])
        prompt = prompt - long(step) * gradient / np.sqrt((gradient**2).sum())
    return prompt.astype(np.float64)


@pytest.mark.parametrize("name", ["single-global", "single-local", "three-clusters"])
def test_exact_path_agrees_with_extended_precision(name):
    problem = construction(name).draw(0)
    start = np.array([0.3, -0.2, 0.1])
    ds = train(TokenSelection(), problem, steps=1000, starts=start[None], record=[1000])
    np.testing.assert_allclose(ds.prompt.values.ravel(), extended(problem, start, 1000, 0.1), atol=1e-11)


def test_a_normalised_step_never_freezes():
    """At |p| = 2000 the gradient is below e^-2000, far beyond float64; the step still has its full length."""
    ds = train(TokenSelection(), construction("single-global"), steps=20_000, record=[19_999, 20_000])
    last, end = ds.prompt[0, 0].values
    assert np.linalg.norm(end) > 1990
    assert np.linalg.norm(end - last) == pytest.approx(0.1, rel=1e-9)


def test_published_arithmetic_freezes():
    model = TokenSelection(epsilon=1e-9, arithmetic="published")
    ds = train(model, construction("single-global"), steps=2000, starts=[[0, 1, 0]], record=[1999, 2000])
    assert np.linalg.norm(ds.prompt[0, 0, -1]) < 25
    assert np.linalg.norm(ds.prompt[0, 0].diff("iteration")) < 1e-3


def test_a_member_of_a_batch_equals_the_same_member_alone_to_the_bit():
    source, model = gaussian(3, 5, 4), TokenSelection()
    many = starts(count=20)
    together = train(model, source, steps=50, starts=many, seeds=[0, 4], sweep={"step": [0.1, 0.3]})
    alone = train(
        model.with_parameter("step", 0.3), source.draw(4), steps=50, starts=many.draw(4, (4,))[[7]], record=[0, 50]
    )
    member = together.sel(step=0.3, seed=4, start=7, iteration=[0, 50])
    assert np.array_equal(member.prompt, alone.prompt[0, 0])
    assert np.array_equal(member.loss, alone.loss[0, 0])


def test_recording_does_not_change_the_path():
    source = construction("joint-tight")
    model = TokenSelection(trained="joint")
    every = train(model, source, steps=30, starts=[[0, -1]])
    some = train(model, source, steps=30, starts=[[0, -1]], record=[3, 17])
    for name in ("prompt", "value", "loss"):
        assert np.array_equal(every[name].sel(iteration=[3, 17]), some[name])
    assert some.steps_done.item() == 30


def test_labels_and_value_vector_may_change_sign_together():
    problem = some_problem(5)
    other = Problem(problem.tokens, -problem.labels, value=-problem.value, weight=problem.weight)
    start = np.full((1, len(problem.value)), 0.1)
    one, two = (train(TokenSelection(), p, steps=100, starts=start) for p in (problem, other))
    assert np.array_equal(one.prompt, two.prompt)


def test_rotated_features_give_the_rotated_path():
    problem = gaussian(3, 5, 4).draw(1)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    turned = Problem(problem.tokens @ rotation, problem.labels, value=problem.value @ rotation)
    start = np.array([[0.5, -0.5, 0.2, 0.0]])
    path = train(TokenSelection(), problem, steps=200, starts=start).prompt.values
    np.testing.assert_allclose(
        train(TokenSelection(), turned, steps=200, starts=start @ rotation).prompt.values, path @ rotation, atol=1e-9
    )


def test_tokens_beyond_a_sample_have_no_influence():
    rng = np.random.default_rng(3)
    tokens = rng.normal(size=(2, 5, 3))
    problems = [
        given(np.where(np.arange(5)[:, None] < 3, tokens, filler), [1, -1], value=[1, 2, 3], lengths=np.array([3, 3]))
        for filler in (0.0, np.nan, 1e300)
    ]
    problems.append(given(tokens[:, :3], [1, -1], value=[1, 2, 3]))
    paths = [train(TokenSelection(), problem, steps=20).prompt.values for problem in problems]
    assert all(np.array_equal(paths[0], path) for path in paths[1:])


def test_attention_is_a_softmax_of_the_tokens_that_are_there():
    scores = np.array([[1.0, 2.0, 50.0], [0.0, -3.0, 7.0]])
    present = np.array([[True, True, False], [True, True, True]])
    shares = equations.attention(scores, present)
    np.testing.assert_allclose(shares[0], [1 / (1 + math.e), math.e / (1 + math.e), 0.0], rtol=1e-15)
    np.testing.assert_allclose(shares[1], np.exp(scores[1]) / np.exp(scores[1]).sum(), rtol=1e-15)
    np.testing.assert_allclose(equations.attention(scores)[1], shares[1], rtol=1e-15)
