"""Limits between vertices: means of those that they hear, projections at sensitivity 0, and gaps of at most delta."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata

SQUARE = [[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]]


@st.composite
def long_runs(draw):
    d, n = draw(st.integers(1, 3)), draw(st.integers(1, 16))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    tokens = random.normal(size=(n, d)) if draw(st.booleans()) else random.integers(-3, 4, size=(n, d)) / 2.0
    delta = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    alignment = np.diag([2.0, 1.0, 0.5])[:d, :d] if draw(st.booleans()) else None
    return lmdata.simulate(lmdata.Localmax(delta, alignment=alignment), tokens, steps=200), delta


@given(long_runs())
@settings(max_examples=15, deadline=None, derandomize=True)
def test_limits_are_the_weighted_means_of_vertices(run):
    ds, delta = run
    found, limit = lmdata.limit_weights(ds).isel(seed=0), lmdata.limit_polytope(ds).isel(seed=0)
    weight = found.vertex_weight.values[:, : int(limit.vertex_count)]
    assert (weight >= -1e-12).all()
    np.testing.assert_allclose(weight.sum(axis=1), 1, atol=1e-12)
    at = limit.token_vertex.values
    np.testing.assert_array_equal(weight[at >= 0], np.eye(weight.shape[1])[at[at >= 0]])
    scale = np.abs(ds.position.values).max()
    assert found.weight_residual.max() <= 2e-3 * scale, "limits are merged within 1e-4"
    gap = found.alignment_gap.values
    assert (gap >= 0).all()
    assert (gap <= delta + 1e-3 * scale**2).all(), "all that it hears is within delta of the most aligned"
    assert (gap[at >= 0] <= 1e-9 * scale**2).all(), "vertices are aligned with themselves best"
    assert found.maximal_share >= (at >= 0).mean()
    if delta == 0:
        assert found.projection_distance.max() <= 1e-3 * scale


@pytest.mark.parametrize("alignment", [None, [[2.0, 0.0], [0.0, 3.0]]])
def test_a_limit_between_vertices_of_hardmax_is_the_projection_of_the_origin(alignment):
    """(1, 0) is the mean of two tokens at (1, 1) and one at (1, -2), and nearest to the origin on their line."""
    tokens = [[1.0, 1.0], [1.0, 1.0], [1.0, -2.0], [-1.0, 0.0], [0.5, 0.0]]
    ds = lmdata.simulate(lmdata.Localmax(alignment=alignment), tokens, steps=20)
    found = lmdata.limit_weights(ds).isel(seed=0)
    place = lmdata.limit_polytope(ds).vertex_position.isel(seed=0).values
    expected = {(-1.0, 0.0): 0, (1.0, 1.0): 2 / 3, (1.0, -2.0): 1 / 3}
    for weight, vertex in zip(found.vertex_weight.values[4, :3], place[:3].tolist(), strict=True):
        assert weight == pytest.approx(expected[tuple(vertex)])
    way = 0.5**21 * (1 if alignment is None else np.sqrt(2))
    assert found.projection_distance.values == pytest.approx([0, 0, 0, 0, way], abs=1e-12)
    assert found.weight_residual.values[4] == pytest.approx(0.5**21)


def test_the_maximal_alignment_set_has_gaps_of_zero():
    """The limit (1, 0) scores 1 with itself and its corners; (1, 0) under delta 1/2 hears one more, and has a gap."""
    start = [*SQUARE, [0.5, 0.0]]
    found = lmdata.limit_weights(lmdata.simulate(lmdata.Localmax(), start, steps=20)).isel(seed=0)
    assert found.maximal_share == 1
    uneven = [[1.0, 1.0], [0.8, -1.0], [-1.0, 0.0], [0.6, 0.1]]
    ds = lmdata.simulate(lmdata.Localmax(0.4), uneven, steps=60)
    found = lmdata.limit_weights(ds).isel(seed=0)
    s = np.array([0.9, 0.0])
    np.testing.assert_allclose(ds.position.values[0, -1, 3], s, atol=1e-9)
    assert found.alignment_gap.values == pytest.approx([0, 0, 0, max(np.array(uneven[:2]) @ s) - s @ s], abs=1e-9)
    assert found.maximal_share == 0.75
    along = np.array([0.2, 2.0]) / np.hypot(0.2, 2.0)
    assert found.projection_distance.values[3] == pytest.approx(abs(s @ along), abs=1e-9)
