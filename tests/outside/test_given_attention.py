"""Attention that came with the states is measured head by head, as a model's own would be."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import InvalidInput

SIZES = (5, 3)


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def given(seed=0, frames=4, heads=2, sizes=SIZES):
    rng = np.random.default_rng(seed)
    states = [rng.normal(size=(frames, n, 3)) for n in sizes]
    scores = [rng.normal(size=(frames - 1, heads, n, n)) for n in sizes]
    return states, scores


def test_statistics_of_a_models_own_weights_given_are_those_of_the_model():
    ds = lmdata.simulate(lmdata.SelfAttention(values=[[1.0, 0.2], [0.0, 0.5]]), lmdata.tokens.uniform(6, 2), steps=3)
    weights = lmdata.attention(ds)
    twice = weights.isel(seed=0).expand_dims(head=2, axis=1)
    other = lmdata.from_trajectory(ds.position.isel(seed=0), attention=twice.transpose("time", "head", "token", "key"))
    found, expected = lmdata.attention_statistics(other), lmdata.attention_statistics(ds)
    for name in expected.data_vars:
        for head in range(2):
            xr.testing.assert_equal(found[name].isel(head=head).variable, expected[name].variable)
    np.testing.assert_array_equal(lmdata.attention(other).isel(head=1), weights)


def test_leaders_and_graph_are_hardmax_at_the_scores_and_padding_changes_nothing():
    states, scores = given()
    whole = lmdata.from_trajectory(states, attention=[softmax(one) for one in scores])
    leader, graph, numbers = lmdata.leaders(whole), lmdata.interaction(whole), lmdata.attention_statistics(whole)
    assert leader.dims == ("seed", "time", "head", "token")
    for run, (own, score, n) in enumerate(zip(states, scores, SIZES, strict=True)):
        best = score.argmax(axis=-1)
        np.testing.assert_array_equal(leader[run, :-1, :, :n], best == np.arange(n))
        assert not leader[run, -1].any()
        assert not leader[run, :, :, n:].any()
        np.testing.assert_array_equal(graph.neighbour_count[run, :-1, :, :n], 1)
        alone = lmdata.from_trajectory(own, attention=softmax(score))
        for measure, result in [(lmdata.interaction, graph), (lmdata.attention_statistics, numbers)]:
            for name, expected in measure(alone).data_vars.items():
                found = result[name].isel(seed=[run])
                found = found.isel(token=slice(n)) if "token" in found.dims else found
                np.testing.assert_array_equal(found, expected, err_msg=name)


def test_one_hot_weights_are_boolean_and_even_ones_attend_to_all():
    n = 4
    weights = np.stack([np.eye(n), np.full((n, n), 1 / n)])[None]
    ds = lmdata.from_trajectory(np.random.default_rng(0).normal(size=(1, n, 2)), attention=weights)
    found = lmdata.attention_statistics(ds).isel(seed=0, time=0)
    np.testing.assert_allclose(found.distance_to_boolean, [0, 1 / n])
    np.testing.assert_allclose(found.attended_keys, [[1] * n, [n] * n])
    np.testing.assert_array_equal(found.attention_rank, [n, 1])
    np.testing.assert_allclose(found.attention_entropy, [0, np.log(n)], atol=1e-15)
    np.testing.assert_allclose(found.sink_share, [1 / n, 1 / n])


def test_a_sink_is_told_by_its_share_and_a_token_that_attends_to_none_has_no_entropy():
    """The share is of what is given: rows need not sum to one, as where tokens were left out."""
    sink, none = np.zeros((3, 3)), np.eye(3)
    sink[:, 1], none[2] = [1.0, 0.3, 1e-30], 0.0
    ds = lmdata.from_trajectory(np.ones((1, 3, 1)), attention=np.stack([sink, none])[None])
    found = lmdata.attention_statistics(ds).isel(seed=0, time=0)
    np.testing.assert_array_equal(found.sink_share, [1.0, np.nan])
    np.testing.assert_array_equal(found.attention_entropy, [0.0, np.nan])
    np.testing.assert_array_equal(found.attended_keys, [[1, 1, 1], [1, 1, np.nan]])


def test_a_model_that_is_named_goes_before_given_attention():
    states, scores = given(sizes=(4,))
    ds = lmdata.from_trajectory(states, attention=[softmax(one) for one in scores])
    under = lmdata.with_model(ds, lmdata.Localmax())
    plain = lmdata.with_model(lmdata.from_trajectory(states), lmdata.Localmax())
    xr.testing.assert_equal(lmdata.leaders(under).variable, lmdata.leaders(plain).variable)


def test_tokens_and_keys_are_selected_together():
    states, scores = given(sizes=(4,))
    ds = lmdata.from_trajectory(states, attention=[softmax(one) for one in scores])
    with pytest.raises(InvalidInput, match=r"all 4 tokens"):
        lmdata.leaders(ds.isel(token=[0, 1]))
    with pytest.raises(InvalidInput, match="select both"):
        lmdata.leaders(ds.isel(token=[0, 1]), among="selection")
    part = lmdata.attention_statistics(ds.isel(token=[0, 1], key=[0, 1]), among="selection")
    np.testing.assert_allclose(part.row_sum[0, :-1], softmax(scores[0])[..., :2, :2].sum(axis=-1))


def test_leaving_tokens_out_keeps_the_weights_between_those_that_stay():
    states, scores = given(sizes=(4,))
    weights = softmax(scores[0])
    ds = lmdata.from_trajectory(states[0], attention=weights, token=["[CLS]", "a", "b", "[SEP]"], without=[0, "[SEP]"])
    assert ds.token.values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(ds.position[0], states[0][:, 1:3])
    np.testing.assert_array_equal(ds.attention[0, :-1], weights[..., 1:3, 1:3])


# --- localmax at the model's own scores ---


@pytest.mark.parametrize("delta", [0.0, 0.3, 2.0, 100.0])
@pytest.mark.parametrize("causal", [False, True])
def test_neighbourhoods_at_the_scores_are_those_of_the_scores(delta, causal):
    """Softmax keeps the scores but for a constant of the row; what is masked is nobody's neighbour."""
    states, scores = given()
    if causal:
        scores = [np.where(np.tri(score.shape[-1], dtype=bool), score, -np.inf) for score in scores]
    whole = lmdata.from_trajectory(states, attention=[softmax(one) for one in scores])
    leader, graph = lmdata.leaders(whole, sensitivity=delta), lmdata.interaction(whole, sensitivity=delta)
    for run, (score, n) in enumerate(zip(scores, SIZES, strict=True)):
        near = (score >= score.max(axis=-1, keepdims=True) - delta) & np.isfinite(score)
        np.testing.assert_array_equal(graph.neighbour_count[run, :-1, :, :n], near.sum(axis=-1))
        np.testing.assert_array_equal(leader[run, :-1, :, :n], np.diagonal(near, axis1=-2, axis2=-1))
        assert (graph.neighbour_count[run, :, :, n:] == -1).all()
        assert (graph.sink_count.values[run, :-1][near.all(axis=(-2, -1))] == 1).all()
    assert f"sensitivity {delta:g}" in graph.neighbour_count.attrs["comment"]


def test_neighbourhoods_are_localmax_at_the_same_scores():
    """A head of softmax of <z_i, z_j>: its localmax at delta is localmax of the states."""
    ds = lmdata.simulate(lmdata.Softmax(inverse_temperature=1.0), lmdata.tokens.uniform(8, 2), steps=3)
    weights = lmdata.attention(ds).isel(seed=0).values[:, None]
    own = lmdata.from_trajectory(ds.position.isel(seed=0), attention=weights)
    under = lmdata.with_model(lmdata.from_trajectory(ds.position.isel(seed=0)), lmdata.Localmax(0.15))
    found, expected = lmdata.interaction(own, sensitivity=0.15), lmdata.interaction(under)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name].isel(head=0), expected[name], err_msg=name)
    assert 1 < found.neighbour_count.mean() < 8


def test_hardmax_ties_are_exact_and_weights_that_vanished_tell_no_score():
    weights = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [np.nextafter(0.5, 0), 0.5, 0.0]])
    ds = lmdata.from_trajectory(np.ones((1, 3, 1)), attention=weights[None, None])
    assert lmdata.interaction(ds).neighbour_count.values.ravel().tolist() == [2, 0, 1]
    assert lmdata.interaction(ds, sensitivity=1e3).neighbour_count.values.ravel().tolist() == [2, 0, 2]
    assert lmdata.leaders(ds, sensitivity=1e3).values.ravel().tolist() == [True, False, False]


def test_a_sensitivity_is_for_given_attention_alone():
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=1)
    states, scores = given(sizes=(4,))
    own = lmdata.from_trajectory(states, attention=[softmax(one) for one in scores])
    for measure in (lmdata.leaders, lmdata.interaction):
        with pytest.raises(InvalidInput, match="leave it out"):
            measure(ds, sensitivity=0.1)
        with pytest.raises(InvalidInput, match="leave it out"):
            measure(lmdata.with_model(own, lmdata.Localmax()), sensitivity=0.1)
        with pytest.raises(InvalidInput, match="sensitivity"):
            measure(own, sensitivity=-1.0)


# --- rollout ---


def test_rollout_is_the_product_of_the_steps_of_the_mean_head_or_of_one():
    states, scores = given(frames=5, heads=3)
    weights = [softmax(one) for one in scores]
    whole = lmdata.from_trajectory(states, attention=weights)
    for head, gain in [(None, None), (1, None), (None, 0.75), (2, 1.0)]:
        weight = 0.5 if gain is None else gain
        found = lmdata.rollout(whole, head=head, gain=gain)
        share = lmdata.influence(whole, head=head, gain=gain)
        for run, (own, n) in enumerate(zip(weights, SIZES, strict=True)):
            product = np.eye(n)
            for frame, step in enumerate(own.mean(axis=1) if head is None else own[:, head], start=1):
                product = ((1 - weight) * np.eye(n) + weight * step) @ product
                np.testing.assert_allclose(found[run, frame, :n, :n], product, atol=1e-14)
            np.testing.assert_allclose(share[run, :n], product.mean(axis=0), atol=1e-14)
            assert np.isnan(found[run, :, n:]).all()
            assert np.isnan(found[run, :, :, n:]).all()
            assert np.isnan(share[run, n:]).all()
        np.testing.assert_allclose(
            found.sum("source").where(whole.token_present), 1.0 + 0 * whole.position[..., 0], atol=1e-12
        )
        np.testing.assert_allclose(share.sum("token"), 1, atol=1e-12)


def test_padding_and_chunks_change_no_number_of_a_rollout():
    states, scores = given(frames=5)
    weights = [softmax(one) for one in scores]
    whole = lmdata.from_trajectory(states, attention=weights)
    lazy = whole.chunk({"seed": 1, "time": 2})
    for measure in (lmdata.rollout, lmdata.influence):
        found = measure(whole)
        xr.testing.assert_identical(measure(lazy).compute(scheduler="synchronous"), found)
        for run, (own, given_weights, n) in enumerate(zip(states, weights, SIZES, strict=True)):
            alone = measure(lmdata.from_trajectory(own, attention=given_weights))
            part = found.isel({dim: slice(n) for dim in ("token", "source") if dim in found.dims})
            np.testing.assert_array_equal(part.isel(seed=[run]), alone)
    some = lmdata.rollout(whole, [4, 0])
    np.testing.assert_allclose(some, lmdata.rollout(whole).isel(source=[4, 0]), atol=1e-14)


def test_rows_are_shared_out_and_a_token_that_attends_to_none_stays():
    """Left-out sinks take their weight with them: what is left of a row is scaled up, and nothing of one stays."""
    weights = np.array([[0.2, 0.2, 0.6], [0.0, 0.0, 1.0], [0.1, 0.1, 0.8]])
    states = np.random.default_rng(0).normal(size=(2, 3, 2))
    ds = lmdata.from_trajectory(states, attention=weights[None, None], without=[2])
    assert lmdata.rollout(ds).values[0, -1].tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_a_models_own_weights_given_are_its_own_rollout():
    ds = lmdata.simulate(lmdata.Softmax(inverse_temperature=3.0, influence=3.0), lmdata.tokens.uniform(6, 2), steps=9)
    weights = lmdata.attention(ds).isel(seed=0).values[:, None]
    own = lmdata.from_trajectory(ds.position.isel(seed=0), attention=weights)
    np.testing.assert_allclose(lmdata.rollout(own, gain=0.75), lmdata.rollout(ds), atol=1e-13)
    np.testing.assert_allclose(lmdata.influence(own, gain=0.75), lmdata.influence(ds), atol=1e-13)


def test_what_is_no_head_gain_or_weight_is_refused():
    states, scores = given(sizes=(4,))
    ds = lmdata.from_trajectory(states, attention=[softmax(one) for one in scores])
    negative = lmdata.from_trajectory(states, attention=scores)
    localmax = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=1)
    for measure in (lmdata.rollout, lmdata.influence):
        for options, words in [({"head": 7}, "head is 7"), ({"gain": 1.5}, "gain is 1.5"), ({"gain": -1}, "gain")]:
            with pytest.raises(InvalidInput, match=words):
                measure(ds, **options)
        with pytest.raises(InvalidInput, match="at least 0"):
            measure(negative)
        with pytest.raises(InvalidInput, match="leave them out"):
            measure(localmax, head=0)
        with pytest.raises(InvalidInput, match="sort them"):
            measure(ds.isel(time=[1, 0]))
