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
