"""Mutual listening between clusters, and the function that falls where all listening is mutual."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.asymmetry import reciprocities
from lmdata.dynamics.kernels.canonical import neighbourhoods, step


def stretch(tokens, graph):
    """The sum of |z_i - z_j|^2 over the edges."""
    way = tokens[:, None] - tokens
    return float(((way**2).sum(axis=-1) * graph).sum())


@given(
    st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([0.0, 0.2, 0.6, 1.5]), st.sampled_from([0.3, 1.0, 9.0])
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_where_all_listening_is_mutual_edges_get_shorter(seed, n, delta, influence):
    """With z' = z - g D^-1 L z, L the Laplacian and g < 1: the eigenvalues of D^-1 L are in [0, 2), so <z, L z> falls.

    All edges of clusters are mutual where members coincide, so that the reciprocity between clusters tells.
    """
    state = np.random.default_rng(seed).integers(-2, 3, size=(n, 2)) / 2.0
    graph = neighbourhoods(state, delta)
    share = float(reciprocities(state, state, np.array(delta), tolerance=1e-9))
    mutual = bool((graph == graph.T).all())
    if np.isnan(share):
        same = (state[:, None] == state).all(axis=-1)
        assert not (graph & ~same).any()
    else:
        assert (share == 1) >= mutual
    if mutual:
        after = step(state[None], np.array([delta]), np.array([influence]))[0]
        assert stretch(after, graph) <= stretch(state, graph) * (1 + 1e-12)


def test_where_listening_is_not_mutual_an_edge_may_get_longer():
    """The third hears the second, which goes to the first."""
    ds = lmdata.simulate(lmdata.Localmax(), [[4.0, 0.0], [1.0, 1.0], [0.0, 0.5]], steps=1)
    assert lmdata.asymmetry(ds).isel(seed=0, time=0) == 0
    edge = np.zeros((3, 3), bool)
    edge[2, 1] = True
    assert [stretch(tokens, edge) for tokens in ds.position.values[0]] == [1.25, 4.0625]


def test_edges_inside_clusters_do_not_count():
    ds = lmdata.simulate(lmdata.Localmax(0.25), [[1.0], [1.0], [0.5], [-1.0]], steps=40)
    found = lmdata.asymmetry(ds).isel(seed=0).values
    assert found[:3].tolist() == [0.0, 0.0, 1.0]
    assert np.isnan(found[-1])
    assert lmdata.interaction(ds).reciprocity.isel(seed=0, time=-1) == 1
