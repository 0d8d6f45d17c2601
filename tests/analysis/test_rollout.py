"""States as weights on the first one: exact for every convex step, and what the columns of hardmax say."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

import lmdata
from lmdata.analysis.attention import weights_of
from lmdata.errors import InvalidInput

module = importlib.import_module("lmdata.analysis.rollout")  # the room names the function

# Products of T row-stochastic matrices, each within some n roundings, times tokens of size 3: T n 2^-50 < 1e-12.
EXACT = 1e-12
MODELS = {
    "hardmax": lmdata.Localmax(influence=0.7),
    "localmax": lmdata.Localmax(0.3, alignment=[[2.0, 0.5], [0.5, 1.0]]),
    "scheduled": lmdata.Localmax(lmdata.schedules.Geometric(0.5, 0.8), influence=2.0),
    "spread": lmdata.LocalmaxVariant(alignment_sensitivity=0.2, causal=True),
    "softmax": lmdata.Softmax(inverse_temperature=3.0, alignment=[[2.0, 0.5], [0.5, 1.0]]),
    "causal softmax": lmdata.Softmax(causal=True),
    "others": lmdata.LocalmaxVariant(alignment_sensitivity=0.2, exclude_self=True, alignment=[[-1.0, 0.2], [0.2, 0.5]]),
    "Krause": lmdata.KrauseTransformer(bandwidth=0.5, nearest=4),
    "bounded confidence": lmdata.BoundedConfidence(radius=0.8),
    "Sinkhorn": lmdata.Sinkformer(inverse_temperature=0.1, step_size=0.1),
    "rescaled": lmdata.SelfAttention(scheme="euler"),
    "attention alone": lmdata.PureAttention(inverse_temperature=2.0),
    "Sinkhorn alone": lmdata.PureAttention(weights="sinkhorn"),
    "plain": lmdata.SelfAttention(scheme="euler", form="plain", values=[[1.0, 0.0], [0.0, 1.0]]),
}
"""Every model whose step is convex, or is so but for the growth of all tokens."""
GROWING = {"Sinkhorn": 1.1, "plain": 1.1}
every_model = pytest.mark.parametrize("name", MODELS)


def run(name, **options):
    return lmdata.simulate(MODELS[name], lmdata.tokens.uniform(9, 2), **({"steps": 30, "seeds": range(2)} | options))


def moved(weights, start):
    return np.einsum("...ij,...jk->...ik", weights, start)


@every_model
def test_the_first_state_weighted_is_every_later_state(name):
    ds = run(name)
    weights = lmdata.rollout(ds).values
    grown = GROWING.get(name, 1.0) ** ds.step.values[:, None, None]
    expected = ds.position.values / grown
    assert abs(moved(weights, ds.position.values[:, :1]) - expected).max() < EXACT
    assert abs(weights.sum(axis=-1) - 1).max() < EXACT
    assert weights.min() >= 0
    np.testing.assert_array_equal(weights[:, 0], np.broadcast_to(np.eye(9), (2, 9, 9)))


@every_model
def test_shares_are_the_means_of_the_columns(name):
    ds = run(name)
    share = lmdata.influence(ds)
    np.testing.assert_allclose(share, lmdata.rollout(ds).isel(time=-1).mean("token"), atol=EXACT)
    np.testing.assert_allclose(share.sum("token"), 1, atol=EXACT)


@every_model
def test_steps_that_were_not_recorded_are_stepped_again(name):
    every, some = run(name), run(name, record=[0, 7, 8, 30])
    np.testing.assert_array_equal(lmdata.rollout(some), lmdata.rollout(every).sel(time=some.time))
    np.testing.assert_array_equal(lmdata.influence(some), lmdata.influence(every))


@every_model
def test_it_is_the_product_of_the_steps_later_ones_on_the_left(name):
    """Against whole matrices, multiplied in the order of the formula."""
    ds, model = run(name, steps=5, seeds=[0]), MODELS[name]
    product, gain = np.eye(9), module.gain_of(model, "rollout")
    for step in range(5):
        weights = weights_of(model, ds.position.values[0, step][None], step)[0]
        product = ((1 - gain) * np.eye(9) + gain * weights) @ product
    np.testing.assert_allclose(lmdata.rollout(ds).values[0, -1], product, atol=EXACT)


@every_model
def test_rows_of_weights_may_be_taken_a_few_at_a_time(name, monkeypatch):
    ds = run(name)
    whole, shares = lmdata.rollout(ds), lmdata.influence(ds)
    monkeypatch.setattr(module, "_WEIGHTS_AT_ONCE", 27)
    np.testing.assert_allclose(lmdata.rollout(ds), whole, atol=EXACT)
    np.testing.assert_allclose(lmdata.influence(ds), shares, atol=EXACT)


@every_model
def test_tokens_and_components_in_any_order_are_those_of_the_run(name):
    ds = run(name, seeds=[0])
    order = [3, 0, 8, 1, 7, 2, 6, 4, 5]
    shuffled = ds.isel(token=order, component=[1, 0])
    np.testing.assert_allclose(lmdata.rollout(shuffled), lmdata.rollout(ds).isel(token=order, source=order), atol=EXACT)
    np.testing.assert_allclose(lmdata.influence(shuffled), lmdata.influence(ds).isel(token=order), atol=EXACT)


def test_a_column_is_that_of_all_and_named_as_the_token():
    ds = lmdata.simulate(
        lmdata.Softmax(), lmdata.tokens.array(np.eye(4), labels=["the", "river", "runs", "by"]), steps=6
    )
    some = lmdata.rollout(ds, ["runs", "the"])
    np.testing.assert_allclose(some, lmdata.rollout(ds).sel(source=["runs", "the"]), atol=EXACT)
    assert some.source.values.tolist() == ["runs", "the"]


def test_a_member_of_a_sweep_has_its_own_gain():
    ds = run("localmax", sweep={"influence": [0.25, 4.0]}, steps=3)
    assert abs(moved(lmdata.rollout(ds).values, ds.position.values[:, :, :1]) - ds.position.values).max() < EXACT


def test_doubly_stochastic_weights_let_all_decide_alike():
    ds = run("Sinkhorn")  # column sums are off by 1e-13 a step, times a gain of 1/11
    np.testing.assert_allclose(
        lmdata.influence(ds), 1 / 9, atol=EXACT
    )  # column sums are off by 1e-13 a step, times a gain of 1/11


# --- hardmax ---

LAST, TERMS = 25, 6
"""Steps in which influence 3 forgets by 4^-25 and no two tokens round to one; most moves of a weight that fades."""


def lasting(states):
    """Return which tokens led, or were followed by one that led later, directly or through others; (n,) bool."""
    found = np.zeros(states.shape[1], bool)
    for state in states[-2::-1]:
        graph = weights_of(lmdata.Localmax(), state[None], 0)[0] > 0
        found = found | graph.diagonal() | graph[found].any(axis=0)
    return found


def test_columns_of_hardmax_belong_to_leaders_and_to_whom_they_followed_before_they_led():
    """Any other weight moves k times and stays T - k times at tokens that follow others: C(T, k) a^k / (1 + a)^T."""
    ds = lmdata.simulate(lmdata.Localmax(influence=3.0), lmdata.tokens.uniform(8, 2), steps=LAST, seeds=range(60))
    weights = lmdata.rollout(ds).values[:, -1]
    kept = np.array([lasting(states) for states in ds.position.values])
    assert 0.2 < kept.mean() < 0.8
    bound = sum(math.comb(LAST, k) * 3.0**k for k in range(TERMS + 1)) / 4.0**LAST
    assert weights.max(axis=1)[~kept].max() < bound < 1e-6
    led = lmdata.leaders(ds).isel(time=slice(0, -1)).any("time").values
    assert led[kept].mean() > 0.9  # few only through others
    assert (weights.max(axis=1) > 0.99)[led & kept].mean() > 0.5


def test_a_token_that_never_leads_may_decide_a_part_for_ever():
    """The third token, tied, follows the second and itself at once, and then leads: 1/4 of it is the second's."""
    tokens = [[-4.0, -8.0], [4.0, 0.0], [2.0, 2.0], [5.0, -8.0], [-4.0, -7.0]]
    ds = lmdata.simulate(lmdata.Localmax(), tokens, steps=40)
    assert not lmdata.leaders(ds).isel(time=slice(0, 30), token=1).any()
    weights = lmdata.rollout(ds).isel(seed=0)
    np.testing.assert_array_equal(weights.isel(time=slice(1, None), token=2, source=1), 0.25)
    assert weights.isel(time=-1, token=2).values.tolist() == [0, 0.25, 0.75, 0, 0]
    np.testing.assert_allclose(lmdata.influence(ds).isel(seed=0), [0.4, 0.05, 0.15, 0.4, 0], atol=1e-11)


# --- what is refused ---


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lmdata.Noisy(model=lmdata.Localmax(0.1), scale=0.1), "'noisy' is none"),
        (lmdata.Sinkformer(values=[[2.0, 0.0], [0.0, 1.0]]), "values other than the identity"),
        (lmdata.SelfAttention(), "scheme other than 'euler'"),
        (lmdata.LocalmaxVariant(geometry="sphere"), "'localmax-variant' is none"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_step_that_is_no_mean_is_refused(model, words):
    ds = lmdata.simulate(model, lmdata.tokens.sphere(5, 2), steps=2)
    for measure in (lmdata.rollout, lmdata.influence):
        with pytest.raises(InvalidInput, match=words):
            measure(ds)


def test_sources_that_are_no_tokens_or_too_many_are_refused(monkeypatch):
    ds = run("hardmax")
    with pytest.raises(InvalidInput, match="names 9, which is the label of 0 tokens"):
        lmdata.rollout(ds, [0, 9])
    with pytest.raises(InvalidInput, match="sources is empty"):
        lmdata.rollout(ds, [])
    monkeypatch.setattr(module, "MOST_SOURCES", 8)
    with pytest.raises(InvalidInput, match="name the sources"):
        lmdata.rollout(ds)
    assert lmdata.rollout(ds, [8]).shape == (2, 31, 9, 1)
    assert lmdata.influence(ds).shape == (2, 9)


def test_causal_averages_with_skip_connections_are_powers_of_cesaro_s_matrix():
    """Last row of ((I + C) / 2)^6 for 100 tokens: the first and the own weigh most, the middle is lost (2603.10123)."""
    model = lmdata.Softmax(inverse_temperature=0.0, influence=1.0, causal=True)
    row = lmdata.rollout(lmdata.simulate(model, lmdata.tokens.uniform(100, 1), steps=6)).values[0, -1, -1]
    averages = np.tri(100) / np.arange(1, 101)[:, None]
    np.testing.assert_allclose(row, np.linalg.matrix_power((np.eye(100) + averages) / 2, 6)[-1], rtol=0, atol=EXACT)
    assert [round(row[k], 6) for k in (0, 49, 99)] == [0.173489, 0.003556, 0.016586]
