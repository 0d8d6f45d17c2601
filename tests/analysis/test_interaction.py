"""Interaction graphs and leaders, against subsets tried one by one and against hand-made graphs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.graph_bits import count_edges, find_sinks, forget_hearers, packed, work
from lmdata.analysis.interaction import graph_statistics
from lmdata.analysis.leaders import self_aligned

quick = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 7))
    edges = draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))
    return np.array(edges).reshape(n, n)


def is_closed(graph, tokens):
    return all(j in tokens for i in tokens for j in range(len(graph)) if graph[i, j])


def minimal_closed_sets(graph):
    """Every closed set that holds no smaller one, by trying all subsets in order of size."""
    minimal = []
    for size in range(1, len(graph) + 1):
        for chosen in map(set, combinations(range(len(graph)), size)):
            if is_closed(graph, chosen) and not any(smaller <= chosen for smaller in minimal):
                minimal.append(chosen)
    return sorted(minimal, key=min)


def sink_components(graph, out):
    room = work(len(graph), 1)
    return find_sinks(*packed(graph), room.seen, room.queue, room.roots, out)


@given(graphs())
@quick
def test_sink_components_are_the_minimal_closed_sets(graph):
    out = np.empty(len(graph), np.int64)
    count = sink_components(graph, out)
    assert [set(np.flatnonzero(out == number)) for number in range(count)] == minimal_closed_sets(graph)
    assert out.min() >= -1


@given(graphs(), st.data())
@quick
def test_what_remains_is_the_largest_closed_part_of_each_label(graph, data):
    n = len(graph)
    label = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    largest = set()
    for number in range(3):
        members = np.flatnonzero(allowed & (label == number)).tolist()
        for size in range(1, len(members) + 1):
            for chosen in map(set, combinations(members, size)):
                if is_closed(graph, chosen):
                    largest |= chosen
    _, hearers = packed(graph)
    mates = np.array([[np.packbits(label == number, bitorder="little")[0]] for number in range(3)], np.uint64)
    kept = np.packbits(allowed, bitorder="little").astype(np.uint64)
    forget_hearers(hearers, label, mates, kept, np.empty(1, np.uint64), np.empty(n, np.int64))
    assert {token for token in range(64) if int(kept[0]) >> token & 1} == largest


@given(graphs())
@quick
def test_edges_are_counted_with_their_reverses(graph):
    n = len(graph)
    edges = [(i, j) for i in range(n) for j in range(n) if i != j and graph[i, j]]
    counts = np.empty(n, np.int64)
    assert count_edges(*packed(graph), counts) == (len(edges), sum(graph[j, i] for i, j in edges))
    assert counts.tolist() == graph.sum(axis=1).tolist()


def test_a_path_longer_than_any_recursion_has_one_sink():
    n = 3000
    graph = np.eye(n, k=1, dtype=bool)
    out = np.empty(n, np.int64)
    assert sink_components(graph, out) == 1
    assert out[-1] == 0
    assert (out[:-1] == -1).all()


def test_by_hand_in_one_dimension():
    """Tokens 1, 0.5, -1 at delta 0.5: the first two hear each other, the last only itself."""
    count, reciprocity, sink, sinks = graph_statistics(np.array([[1.0], [0.5], [-1.0]]), np.array(0.5))
    assert count.tolist() == [2, 2, 1]
    assert reciprocity == 1.0
    assert sink.tolist() == [0, 0, 1]
    assert sinks == 2


def test_one_way_listening_is_not_mutual():
    """At delta 0 the middle token hears the first, which hears itself alone (F8)."""
    count, reciprocity, sink, sinks = graph_statistics(np.array([[1.0], [0.5], [-1.0]]), np.array(0.0))
    assert count.tolist() == [1, 1, 1]
    assert reciprocity == 0.0
    assert sink.tolist() == [0, -1, 1]
    assert sinks == 2


def test_tokens_that_coincide_hear_each_other():
    count, reciprocity, sink, sinks = graph_statistics(np.full((4, 2), 0.1), np.array(0.0))
    assert count.tolist() == [4] * 4
    assert reciprocity == 1.0
    assert sink.tolist() == [0] * 4
    assert sinks == 1


def test_no_edge_between_tokens_has_no_reciprocity():
    assert np.isnan(graph_statistics(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array(0.0))[1])


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=n, max_size=n)
    ),
    st.sampled_from([0.0, 1.0, 2.5]),
)
@quick
def test_lattice_tokens_against_integers(tokens, delta):
    """On integers, scores are exact: neighbourhoods can be told by integer arithmetic."""
    scores = [[x * u + y * v for u, v in tokens] for x, y in tokens]
    expected = [[score >= max(row) - delta for score in row] for row in scores]
    state = np.array(tokens, float)
    assert graph_statistics(state, np.array(delta))[0].tolist() == [sum(row) for row in expected]
    assert self_aligned(state, np.array(delta)).tolist() == [row[i] for i, row in enumerate(expected)]


def test_the_swept_sensitivity_of_each_member_is_used():
    ds = lmdata.simulate(
        lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=0, sweep={"alignment_sensitivity": [0.0, 0.5, 9.0]}
    )
    assert lmdata.interaction(ds).neighbour_count.values[:, 0, 0].tolist() == [[1, 1, 1], [2, 2, 1], [3, 3, 3]]
    assert lmdata.leaders(ds).values[:, 0, 0].tolist() == [[True, False, True], [True, True, True], [True, True, True]]
    one = ds.sel(alignment_sensitivity=0.5)
    assert lmdata.interaction(one).neighbour_count.values[0, 0].tolist() == [2, 2, 1]


@pytest.mark.parametrize("record", [None, 3, [0, 2, 5]])
def test_a_schedule_is_read_at_the_stored_steps(record):
    model = lmdata.Localmax(alignment_sensitivity=lmdata.schedules.Piecewise(pieces=(0.0, 9.0), switches=(3,)))
    ds = lmdata.simulate(model, [[1.0], [0.5], [-1.0]], steps=5, record=record)
    count = lmdata.interaction(ds).neighbour_count.isel(seed=0, token=0)
    assert count.values.tolist() == [3 if step >= 3 else 1 for step in ds.time.values]


def test_an_explicit_schedule_keeps_its_last_value_at_the_last_frame():
    ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=[0.0, 0.0, 9.0, 9.0]), [[1.0], [0.5], [-1.0]], steps=4)
    assert lmdata.interaction(ds).neighbour_count.isel(seed=0, token=0).values.tolist() == [1, 1, 3, 3, 3]


@pytest.mark.parametrize("case", range(4))
def test_leaders_of_the_published_runs(cases, case):
    """The published code takes the first maximum alone, but no two tokens tie for it in these runs."""
    published = cases("hardmax_dynamics_notebook")
    position = published[f"case{case}_z"]
    np.testing.assert_array_equal(self_aligned(position, np.zeros(len(position))), published[f"case{case}_leader"])


def test_leaders_hear_themselves_which_a_followed_token_need_not():
    """Token 2 hears token 0, which hears token 1: only that one leads."""
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [2.0, -3.0], [0.2, 0.1]], steps=0)
    assert lmdata.leaders(ds).values.ravel().tolist() == [False, True, False]
    position = np.random.default_rng(0).normal(size=(40, 12, 2))
    score = position @ position.swapaxes(-1, -2)
    expected = score.diagonal(axis1=-2, axis2=-1) >= score.max(axis=-1) - 0.2
    np.testing.assert_array_equal(self_aligned(position, np.full(40, 0.2)), expected)
