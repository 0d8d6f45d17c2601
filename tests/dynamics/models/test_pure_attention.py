"""Attention alone: rank one, doubly exponentially; with Sinkhorn's weights too, and when that is slower."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.analysis.rank import residuals
from lmdata.dynamics.models import PureAttention


def advance(model, state, record):
    return type(model).advance([model], state[None], start=0, record=list(record), seeds=[0]).position[0]


@pytest.mark.parametrize("weights", ["softmax", "sinkhorn"])
@pytest.mark.parametrize("values", [None, [[0.5, 0.2, 0.0], [0.0, 1.0, -1.0], [0.3, 0.0, 0.7]]])
def test_a_layer_cubes_the_residual(weights, values):
    """r' = c r^3 as r -> 0, for any Q, K and V and round any mean: halved deviations leave an eighth (2103.03404)."""
    queries = [[1.0, 0.5, 0.0], [-0.5, 0.2, 0.3]]
    keys = [[0.3, 1.0, -1.0], [0.0, 0.8, 0.4]]
    model = PureAttention(weights=weights, queries=queries, keys=keys, values=values)
    centre, apart = np.array([0.7, -0.2, 0.4]), lmdata.tokens.normal(9, 3).draw(2)
    apart -= apart.mean(axis=0)
    after = []
    for size in (0.02, 0.01):
        end = advance(model, centre + size * apart, [1])[0]
        after.append(np.linalg.norm(end - end.mean(axis=0)))
    assert np.log2(after[0] / after[1]) == pytest.approx(3, abs=0.05)


def test_sinkhorn_s_layers_keep_the_mean():
    """Columns sum to one as well: the mean of the tokens is multiplied by V, and softmax moves it elsewhere."""
    state = lmdata.tokens.uniform(12, 3, 0.0, 2.0).draw(1)
    ends = [advance(PureAttention(weights=weights), state, [3])[0] for weights in ("sinkhorn", "softmax")]
    np.testing.assert_allclose(ends[0].mean(axis=0), state.mean(axis=0), rtol=0, atol=1e-12)
    assert np.abs(ends[1].mean(axis=0) - state.mean(axis=0)).max() > 0.1


def test_equal_weights_leave_one_point_after_a_layer():
    state = lmdata.tokens.normal(6, 2).draw(0)
    for weights in ("softmax", "sinkhorn"):
        end = advance(PureAttention(weights=weights, inverse_temperature=0.0), state, [1])[0]
        np.testing.assert_allclose(end, np.broadcast_to(state.mean(axis=0), (6, 2)), rtol=0, atol=1e-12)


def layers(tokens, weights, count, **parameters):
    start = tokens.draw_batch(range(8))
    model = PureAttention(weights=weights, **parameters)
    frames = PureAttention.advance([model] * 8, start, start=0, record=range(count + 1), seeds=list(range(8))).position
    return residuals(frames)


def test_sinkhorn_is_slower_where_tokens_have_a_direction_in_common():
    """2604.07925: softmax then gives most of its weight to the few tokens farthest along it, Sinkhorn may not."""
    tokens = lmdata.tokens.uniform(32, 4, 0.0, 2.0)
    soft, balanced = (layers(tokens, weights, 3, inverse_temperature=2.0) for weights in ("softmax", "sinkhorn"))
    assert (balanced[:, 1:] > soft[:, 1:]).all()
    assert np.log(balanced[:, 3] / soft[:, 3]).mean() > np.log(10)


def test_sinkhorn_is_not_slower_where_they_have_none():
    """Of uniform tokens on the sphere and queries at random it is the faster one: the claim is about real tokens."""
    queries = (lmdata.tokens.normal(8, 8).draw(0) / np.sqrt(8)).tolist()
    tokens = lmdata.tokens.sphere(32, 8)
    soft, balanced = (
        layers(tokens, weights, 3, inverse_temperature=4.0, queries=queries) for weights in ("softmax", "sinkhorn")
    )
    assert np.log(balanced[:, 3] / soft[:, 3]).mean() < 0
