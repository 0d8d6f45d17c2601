"""Weights: what softmax, Sinkhorn and the compiled kernel owe to mathematics."""

from __future__ import annotations

import tracemalloc

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.attend_kernel import exponential
from lmdata.dynamics.models import Sinkformer
from lmdata.dynamics.models.weights import (
    THRESHOLD_RULES,
    close_neighbours,
    localmax_neighbours,
    mask_future,
    sinkhorn_weights,
    softmax_weights,
    uniform_weights,
)
from lmdata.errors import AccuracyWarning, InvalidInput
from lmdata.numerics.vectors import LANES, load, store

SCORES = st.integers(1, 7).flatmap(
    lambda n: st.lists(
        st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-40, 40)), min_size=n, max_size=n),
        min_size=n,
        max_size=n,
    ).map(np.array)
)


@given(scores=SCORES, beta=st.floats(0, 50), shift=st.floats(-1e6, 1e6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_softmax_rows_sum_to_one_and_ignore_a_shift(scores, beta, shift):
    weights = softmax_weights(scores, beta)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(softmax_weights(scores + shift, beta), weights, rtol=0, atol=1e-9 * (1 + beta))


@given(scores=SCORES)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_rules_nest(scores):
    """Hardmax is every rule at sensitivity zero; the spread rule at one takes in everyone."""
    hard = uniform_weights(scores >= scores.max(axis=-1, keepdims=True))
    for rule in THRESHOLD_RULES:
        none, some, more = (localmax_neighbours(scores, delta, rule=rule) for delta in (0.0, 0.3, 0.6))
        np.testing.assert_array_equal(uniform_weights(none), hard)
        assert (none <= some).all()
        assert (some <= more).all()
    largest, least = scores.max(axis=-1), scores.min(axis=-1)
    everyone = localmax_neighbours(scores, 1.0, rule="spread")
    np.testing.assert_array_equal(everyone.all(axis=-1), least >= largest - (largest - least))


def test_masked_scores_do_not_widen_the_spread():
    scores = mask_future(np.array([[5.0, -100.0], [1.0, 0.0]]))
    assert localmax_neighbours(scores, 0.9, rule="spread").tolist() == [[True, False], [True, False]]
    assert softmax_weights(scores, 0.0).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    with pytest.raises(InvalidInput, match="threshold is 'other'"):
        localmax_neighbours(scores, 0.1, rule="other")


@given(scores=SCORES, beta=st.floats(0, 0.2))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_sinkhorn_marginals_are_one(scores, beta):
    """Fact F10."""
    balanced = sinkhorn_weights(scores, beta)
    np.testing.assert_allclose(balanced.weights.sum(axis=-1), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(balanced.weights.sum(axis=-2), 1, rtol=0, atol=1e-12)


def test_sinkhorn_of_two_tokens_has_a_closed_form():
    """P = [[p, q], [q, p]] with p / q the root of the cross ratio of the exponentials."""
    scores = np.array([[0.3, -0.4], [1.1, 0.9]])
    ratio = np.exp((scores[0, 0] + scores[1, 1] - scores[0, 1] - scores[1, 0]) / 2)
    expected = np.array([[ratio, 1], [1, ratio]]) / (1 + ratio)
    np.testing.assert_allclose(sinkhorn_weights(scores).weights, expected, rtol=0, atol=1e-13)


def test_sinkhorn_does_not_overflow_and_does_not_mix_members():
    scores = np.random.default_rng(0).normal(size=(5, 4, 4)) * np.array([1, 2, 3, 4, 1e4])[:, None, None]
    together = sinkhorn_weights(scores, limit=300)
    assert np.isfinite(together.weights).all()
    for member in range(5):
        alone = sinkhorn_weights(scores[member], limit=300)
        np.testing.assert_array_equal(alone.weights, together.weights[member])
        assert alone.half_steps == together.half_steps[member]


def test_a_missed_tolerance_is_reported():
    state = np.random.default_rng(1).normal(size=(1, 6, 2))
    model = Sinkformer(inverse_temperature=30.0, limit=20)
    with pytest.warns(
        AccuracyWarning, match="miss their tolerance 1e-13 after limit=20 half steps, in members from .* 30 on"
    ):
        frames = Sinkformer.advance([model], state, start=0, record=[0], seeds=[0])
    assert frames.diagnostics["marginal_error"][0, 0] > 1e-3
    assert frames.diagnostics["half_steps_done"][0, 0] == 20
    with pytest.raises(InvalidInput, match="n x n numbers, so at most 10000"):
        model.check(np.ones((10_001, 2)), 1)


def test_close_neighbours_are_symmetric():
    points = np.random.default_rng(2).integers(-3, 4, size=(20, 2)).astype(float)
    near = close_neighbours(points, points, 2.0)
    np.testing.assert_array_equal(near, near.T)
    np.testing.assert_array_equal(near, np.linalg.norm(points[:, None] - points[None], axis=-1) <= 2.0)


@numba.njit(error_model="numpy")
def exponentials(x, y):
    for at in range(0, x.size, LANES):
        store(y, at, exponential(load(x, at)))


def test_the_polynomial_exponential_is_accurate_to_the_last_places():
    x = np.concatenate([np.linspace(-708, 700, 64 * 500), [0.0, -0.0, 1e-300, -1e-17, -708.5, -1e9, -np.inf]])
    x = np.concatenate([x, np.zeros(-len(x) % LANES)])
    y = np.empty_like(x)
    exponentials(x, y)
    served = x >= -708
    np.testing.assert_allclose(y[served], np.exp(x[served]), rtol=2.0**-51)  # each is within a unit in the last place
    assert (y[x == 0] == 1.0).all()
    assert not y[~served].any()


@given(
    n=st.sampled_from([1, 2, 31, 32, 33, 130]),
    d=st.integers(1, 5),
    beta=st.sampled_from([0.0, 1.0, 30.0, 1e6]),
    causal=st.booleans(),
    lattice=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_kernel_agrees_with_the_explicit_weights(n, d, beta, causal, lattice, seed):
    random = np.random.default_rng(seed)
    state = random.integers(-2, 3, size=(2, n, d)).astype(float) if lattice else random.normal(size=(2, n, d))
    keys = random.normal(size=(2, n, d)) if not lattice else state
    scores = np.einsum("mik,mjk->mij", state, keys)
    weights = softmax_weights(mask_future(scores) if causal else scores, beta)
    increment, mass = attend(state, keys, state, np.full(2, beta), causal=causal)
    tolerance = 1e-12 + (1e-9 if beta > 100 else 0)
    np.testing.assert_allclose(increment, weights @ state - state, rtol=0, atol=tolerance)
    assert (mass >= 1).all()
    assert (mass <= n).all()


def test_unnormalised_attention_divides_by_n():
    state = np.random.default_rng(3).normal(size=(1, 70, 3))
    weights = np.exp(0.5 * np.einsum("mik,mjk->mij", state, state)) / 70
    increment, mass = attend(state, state, state, np.full(1, 0.5), normalised=False)
    np.testing.assert_allclose(mass, weights.sum(axis=-1), rtol=1e-13)
    np.testing.assert_allclose(increment, weights @ state - mass[..., None] * state, rtol=0, atol=1e-12)


def test_softmax_memory_is_linear_in_the_tokens():
    """n = 4,000: n x n float64 would be 128 MB."""
    state = np.random.default_rng(4).normal(size=(1, 4000, 2))
    attend(state[:, :8], state[:, :8], state[:, :8], np.ones(1))
    tracemalloc.start()
    attend(state, state, state, np.ones(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.long
def test_twenty_thousand_tokens_in_sixty_four_dimensions():
    state = np.random.default_rng(5).normal(size=(1, 20_000, 64))
    increment, _ = attend(state, state, state, np.full(1, 0.1))
    rows = np.array([0, 777, 19_999])
    weights = softmax_weights(state[0, rows] @ state[0].T, 0.1)
    np.testing.assert_allclose(increment[0, rows], weights @ state[0] - state[0, rows], rtol=0, atol=1e-12)
