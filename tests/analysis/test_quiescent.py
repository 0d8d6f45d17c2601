"""Quiescent sets, against subsets tried one by one, and the theorems on what tokens end as."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.quiescent import closed_sets
from lmdata.dynamics.kernels.canonical import neighbourhoods
from lmdata.dynamics.model import model_from_specification


@st.composite
def runs(draw, *, steps=40, most=7):
    """One run: tokens, random or on a lattice, with a constant or changing sensitivity."""
    d, n = draw(st.integers(1, 3)), draw(st.integers(1, most))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    tokens = random.normal(size=(n, d)) if draw(st.booleans()) else random.integers(-2, 3, size=(n, d)) / 2.0
    sensitivity = draw(
        st.sampled_from([0.0, 0.2, 1.0, lmdata.schedules.Periodic((0.0, 0.8)), lmdata.schedules.Geometric(1.5, 0.7)])
    )
    model = lmdata.Localmax(sensitivity, influence=draw(st.sampled_from([0.5, 1.0, 2.0])))
    return lmdata.simulate(model, tokens, steps=steps)


def graphs_of(ds):
    """The neighbourhoods at every step of a run, (time, token, token)."""
    model = model_from_specification(json.loads(ds.attrs["model"]))
    return neighbourhoods(ds.position.values[0], model.schedule.values(ds.sizes["time"]))


def largest_closed(graphs, members):
    """Union of all subsets of the members that are closed in every one of the graphs."""
    found: set[int] = set()
    for size in range(1, len(members) + 1):
        for chosen in map(set, combinations(members, size)):
            if all(set(np.flatnonzero(graph[i])) <= chosen for graph in graphs for i in chosen):
                found |= chosen
    return found


@given(runs())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_quiescent_sets_are_the_largest_closed_ones_of_their_vertex(ds):
    limit, quiet = lmdata.limit_polytope(ds).isel(seed=0), lmdata.quiescent_sets(ds).isel(seed=0)
    graphs, ends = graphs_of(ds), limit.token_vertex.values
    for start in (0, 1, 2, 5, 20, 40):
        now, for_good = set(), set()
        for vertex in range(int(limit.vertex_count)):
            members = np.flatnonzero(ends == vertex).tolist()
            now |= largest_closed(graphs[start : start + 1], members)
            for_good |= largest_closed(graphs[start:], members)
        assert set(np.flatnonzero(quiet.closed.values[start])) == now
        assert set(np.flatnonzero(quiet.quiescent.values[start])) == for_good


@given(runs(most=14))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_statistics_are_those_of_the_sets(ds):
    quiet, limit = lmdata.quiescent_sets(ds).isel(seed=0), lmdata.limit_polytope(ds).isel(seed=0)
    quiescent, closed, time = quiet.quiescent.values, quiet.closed.values, ds.time.values
    assert (closed | ~quiescent).all()
    assert (quiescent[1:] | ~quiescent[:-1]).all()
    for token in range(ds.sizes["token"]):
        steps = time[quiescent[:, token]]
        entry = quiet.entry_time.values[token]
        assert entry == steps[0] if steps.size else np.isnan(entry)
        assert quiet.dwell.values[token] == closed[:, token].sum()
        assert quiet.exits.values[token] == sum(closed[:-1, token] & ~closed[1:, token])
    np.testing.assert_array_equal(quiet.s1.values, quiescent[-1])
    np.testing.assert_array_equal(quiet.s1_size.values, quiescent.sum(axis=1))
    share = quiet.vertex_share.values
    count = int(limit.vertex_count)
    assert np.isnan(share[count:]).all()
    assert share[:count].sum() == pytest.approx(quiet.s1_size.values[-1] / ds.sizes["token"])


@st.composite
def long_runs(draw):
    d, n = draw(st.integers(1, 3)), draw(st.integers(1, 16))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    tokens = random.normal(size=(n, d)) if draw(st.booleans()) else random.integers(-3, 4, size=(n, d)) / 2.0
    delta = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0]))
    return lmdata.simulate(lmdata.Localmax(delta, influence=draw(st.sampled_from([0.5, 1.0, 3.0]))), tokens, steps=200)


@given(long_runs())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_tokens_end_at_a_quiescent_vertex_or_between_several(ds):
    """S1 tokens end at vertices, an S2 token at the mean of those that it hears outside its own cluster (F7)."""
    limit, quiet = lmdata.limit_polytope(ds).isel(seed=0), lmdata.quiescent_sets(ds).isel(seed=0)
    assert limit.settled
    ends, cluster = limit.token_vertex.values, limit.cluster.values
    np.testing.assert_array_equal(quiet.s1.values, ends >= 0)
    heard = graphs_of(ds)[-1]
    final = ds.position.values[0, -1]
    for token in np.flatnonzero(~quiet.s1.values):
        outside = heard[token] & (cluster != cluster[token])
        assert len(set(cluster[outside])) > 1
        np.testing.assert_allclose(limit.limit_position.values[token], final[outside].mean(axis=0), atol=2e-3)


def test_one_token_is_quiescent_from_the_start():
    quiet = lmdata.quiescent_sets(lmdata.simulate(lmdata.Localmax(), [[0.3, 0.4]], steps=3)).isel(seed=0)
    assert quiet.quiescent.values.all()
    assert quiet.entry_time.values.tolist() == [0.0]
    assert quiet.vertex_share.values.tolist() == [1.0]


def test_a_periodic_schedule_lets_a_token_out_again():
    """The middle token hears the far one only while delta is large: closed and open in turn, so never quiescent."""
    position = np.array([[[1.0], [0.1], [-1.0]]] * 6)
    delta = np.array([0.0, 0.3] * 3)
    found = closed_sets(position, delta, np.array([1, 1, 0]), np.arange(6))
    assert found.closed[:, 1].tolist() == [True, False] * 3
    assert found.closed[:, 0].all()
    assert found.exits.tolist() == [0, 3, 0]
    assert found.dwell.tolist() == [6, 3, 6]
    assert np.isnan(found.entry_time[1])
    assert found.entry_time[0] == 0.0
    assert not found.s1[1]


def test_a_record_of_every_k_steps_is_measured_at_its_own_steps():
    model = lmdata.Localmax(alignment_sensitivity=0.25)
    tokens = [[1.0], [1.0], [0.1], [-1.0]]
    every = lmdata.quiescent_sets(lmdata.simulate(model, tokens, steps=30)).isel(seed=0)
    third = lmdata.quiescent_sets(lmdata.simulate(model, tokens, steps=30, record=3)).isel(seed=0)
    assert every.entry_time.values.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert third.entry_time.values.tolist() == [3.0, 3.0, 3.0, 0.0]
    assert third.quiescent.attrs["comment"].startswith("at every stored step up to the last")


@given(runs(most=14))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_weights_between_s1_and_s2_are_those_of_the_step(ds):
    """S1 gives S2 nothing from the last entry on: that is what a closed set is; before, it may."""
    quiet = lmdata.quiescent_sets(ds).isel(seed=0)
    graphs, s1 = graphs_of(ds), quiet.s1.values
    weights = graphs / graphs.sum(axis=2, keepdims=True)
    for name, givers, takers in (("s1_to_s2", s1, ~s1), ("s2_to_s1", ~s1, s1), ("s2_to_s2", ~s1, ~s1)):
        if givers.any():
            expected = weights[:, givers][:, :, takers].sum(axis=2).mean(axis=1)
            np.testing.assert_allclose(quiet[name].values, expected, atol=1e-15)
        else:
            assert np.isnan(quiet[name].values).all()
    if s1.any():
        entered = int(quiet.entry_time.max())
        assert (quiet.s1_to_s2.values[entered:] == 0).all()


def test_s2_may_hear_s1_while_nobody_hears_it():
    """The corners stay, and (0.5, 0) hears two of them alone, itself never: its whole weight goes to S1."""
    corners = [[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]]
    quiet = lmdata.quiescent_sets(lmdata.simulate(lmdata.Localmax(), [*corners, [0.5, 0.0]], steps=20)).isel(seed=0)
    assert quiet.s1.values.tolist() == [True] * 4 + [False]
    assert (quiet.s1_to_s2 == 0).all()
    assert (quiet.s2_to_s1 == 1).all()
    assert (quiet.s2_to_s2 == 0).all()


@pytest.mark.long
def test_s2_loses_its_influence_on_s1_and_keeps_some_on_itself():
    """240 runs by hand: of the 24 with S2, S1 gives S2 .0090 at t = 0, 1.5e-4 at 5, 0 from 10; S2 itself .08 on."""
    ds = lmdata.simulate(
        lmdata.Localmax(),
        lmdata.tokens.uniform(32, 2),
        steps=200,
        seeds=range(60),
        record=[0, 5, 10, 20, 40, 100, 200],
        sweep={"alignment_sensitivity": [0.02, 0.05, 0.1, 0.2]},
    )
    quiet = lmdata.quiescent_sets(ds)
    with_s2 = ~quiet.s1.all("token")
    assert int(with_s2.sum()) == 24
    mean = quiet.where(with_s2).mean(["alignment_sensitivity", "seed"])
    error = quiet.s1_to_s2.where(with_s2).std(["alignment_sensitivity", "seed"], ddof=1) / np.sqrt(24)
    assert abs(mean.s1_to_s2.sel(time=0) - 0.0090) < 3 * error.sel(time=0)
    assert abs(mean.s1_to_s2.sel(time=5) - 1.5e-4) < 3 * error.sel(time=5)
    assert (mean.s1_to_s2.sel(time=slice(10, None)) == 0).all()
    assert mean.s2_to_s2.values == pytest.approx(0.08, abs=0.01)
