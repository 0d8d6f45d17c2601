"""The theorems on limits under sensitivities that change for ever, and tokens that leave closed sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata

STEPS = 120


@st.composite
def runs(draw):
    """One run under a sensitivity that changes for ever, and the upper limit of that."""
    d, n = draw(st.integers(1, 3)), draw(st.integers(2, 12))
    tokens = np.random.default_rng(draw(st.integers(0, 10**6))).normal(size=(n, d))
    levels = draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0]), min_size=2, max_size=4))
    if draw(st.booleans()):
        schedule, upper = lmdata.schedules.Periodic(tuple(levels)), max(levels)
    else:
        switches = tuple(range(5, 5 * len(levels), 5))
        schedule, upper = lmdata.schedules.Piecewise(tuple(levels), switches), levels[-1]
    alignment = np.diag([2.0, 1.0, 0.5])[:d, :d] if draw(st.booleans()) else None
    return lmdata.simulate(lmdata.Localmax(schedule, alignment=alignment), tokens, steps=STEPS), upper, alignment


@given(runs())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_vertices_keep_the_gap_of_the_upper_limit(run):
    """The neighbour mean of a vertex's tokens tends to the vertex, so that it holds all whom they hear for ever."""
    ds, upper, _ = run
    last = ds.position.values[0, -13:]
    if np.abs(np.diff(last, axis=0)).max() < 1e-9:
        gap = lmdata.limit_polytope(ds).gap.values
        assert np.isnan(gap).all() or np.nanmin(gap) >= upper - 1e-6


@given(runs(), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_probes_of_quiescent_regions_go_straight_to_their_vertex(run, seed):
    """The margin <A x, v - w> moves from above delta towards the gap, which is no less than delta."""
    ds, upper, alignment = run
    limit = lmdata.limit_polytope(ds).isel(seed=0)
    _, first, sizes = np.unique(limit.cluster, return_index=True, return_counts=True)
    points, vertex = limit.limit_position.values[first], limit.token_vertex.values[first]
    keys = points if alignment is None else points @ alignment
    deltas = lmdata.schedules.Periodic((upper, 0.0, upper / 2)).values(30)
    for x in np.random.default_rng(seed).dirichlet(np.full(len(points), 0.5), 10) @ points:
        score = keys @ x
        v = int(score.argmax())
        others = np.delete(np.arange(len(points)), v)
        if vertex[v] < 0 or not (score[others] < score[v] - upper).all():
            continue
        if not (keys[others] @ points[v] <= keys[v] @ points[v] - upper).all():
            continue
        for delta in deltas:
            score = keys @ x
            heard = (score >= score.max() - delta) * sizes
            assert np.flatnonzero(heard).tolist() == [v]
            x = (x + points[v]) / 2


def test_a_token_leaves_a_closed_set_while_the_sensitivity_is_large():
    """At step 1 the middle token is at 0.18: the far one is 0.36 less aligned, and heard while delta is 0.5."""
    tokens = [[1.0], [0.1], [-1.0]]
    switching = lmdata.schedules.Piecewise((0.0, 0.5, 0.0), (1, 2))
    for sensitivity, expected in ((0.0, [0, 0, 0]), (switching, [0, 1, 0])):
        ds = lmdata.simulate(lmdata.Localmax(sensitivity, influence=0.1), tokens, steps=200)
        quiet = lmdata.quiescent_sets(ds).isel(seed=0)
        assert quiet.exits.values.tolist() == expected
        assert quiet.s1.values.all()
