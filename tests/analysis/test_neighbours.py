"""Graphs by bits and graphs by trees, never made, give what the n x n graphs of the canonical step do, to the bit."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from lmdata.analysis import graph_tree
from lmdata.analysis.interaction import graph_statistics
from lmdata.analysis.leaders import self_aligned
from lmdata.analysis.neighbours import frames_of
from lmdata.analysis.quiescent import closed_sets
from lmdata.dynamics.kernels import canonical

from ..dynamics.kernels.hinging import KINDS, alignment_of, sensitivity_of, tokens_of
from . import brute

WAYS = ("bits", "tree")
DIMENSIONS = [2, *(pytest.param(d, marks=pytest.mark.long) for d in (1, 3, 5))]


@pytest.fixture
def by(monkeypatch):
    """Let a way be taken whatever the number of tokens."""
    return lambda way: monkeypatch.setattr(graph_tree, "serves", lambda states, matrix: way == "tree")


def equal(found, expected) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))


def record_of(kind, n, d, seed, share, steps=5):
    """A record whose tokens move, then rest while the sensitivity changes, then rest altogether."""
    state, alignment = tokens_of(kind, n, d, seed), alignment_of(d, seed)
    delta = sensitivity_of(state, share) * np.array([1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.25])
    frames, _ = canonical.advance(state[None], delta[None, :steps], np.array([1.0]), alignment, tuple(range(steps)))
    return np.concatenate([frames[0], frames[0, -2:], frames[0, -1:]])[: len(delta)], delta, alignment


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", DIMENSIONS)
def test_graphs_are_those_of_the_canonical_step(by, way, kind, d):
    by(way)
    for n, (share, seed) in itertools.product((1, 9, 64, 67), ((0.0, 0), (0.05, 1), (0.4, 2))):
        position, delta, alignment = record_of(kind, n, d, seed, share)
        position[2] = np.nan
        found = graph_statistics(position, delta, alignment)
        lead = self_aligned(position, delta, alignment)
        for frame in (0, 1, 3, 4, 5, 6):
            graph = canonical.neighbourhoods(position[frame], delta[frame], alignment)
            assert equal([numbers[frame] for numbers in found], brute.numbers(graph))
            assert lead[frame].tolist() == graph.diagonal().tolist()
        assert [numbers[2].max() for numbers in (found[0], found[2], found[3])] == [-1] * 3
        assert np.isnan(found[1][2])
        assert not lead[2].any()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", DIMENSIONS)
def test_quiescent_sets_are_those_of_the_canonical_step(by, way, kind, d):
    by(way)
    for n, (share, seed) in itertools.product((2, 67), ((0.0, 0), (0.05, 1), (0.4, 2))):
        position, delta, alignment = record_of(kind, n, d, seed, share)
        _, label = np.unique(np.sign(position[-1, :, 0]), return_inverse=True)
        label[np.random.default_rng(n).random(n) < 0.05] = -1
        found = closed_sets(position, delta, label, np.arange(len(position)), alignment=alignment)
        closed, quiescent, weights = brute.quiescence(position, delta, label, alignment)
        assert equal((found.closed, found.quiescent), (closed, quiescent))
        assert equal((found.s1_to_s2, found.s2_to_s1, found.s2_to_s2), weights)


@pytest.mark.parametrize("way", WAYS)
def test_five_hundred_tokens_in_the_plane(by, way):
    by(way)
    position, delta, alignment = record_of("random", 500, 2, 1, 0.1)
    graphs = [canonical.neighbourhoods(frame, own, alignment) for frame, own in zip(position, delta, strict=True)]
    found = graph_statistics(position, delta, alignment)
    for frame, graph in enumerate(graphs):
        assert equal([numbers[frame] for numbers in found], brute.numbers(graph))
    expected = [graph.diagonal() for graph in graphs]
    assert np.array_equal(self_aligned(position, delta, alignment), expected)
    label = np.digitize(position[-1] @ [1.0, 0.3], [-0.2, 0.2]) - (position[-1, :, 1] > 0.9)
    quiet = closed_sets(position, delta, label, np.arange(len(position)), alignment=alignment)
    closed, quiescent, weights = brute.quiescence(position, delta, label, alignment)
    assert equal((quiet.closed, quiet.quiescent), (closed, quiescent))
    assert equal((quiet.s1_to_s2, quiet.s2_to_s1, quiet.s2_to_s2), weights)


def test_a_frame_that_equals_its_predecessor_is_not_looked_at_again():
    states = np.array([1.0, 1.0, 2.0, 2.0, np.nan, np.nan, 1.0])[:, None, None] * np.ones((1, 3, 2))
    delta = np.array([0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5])
    assert frames_of(states, delta, None).sources().tolist() == [0, 0, 2, 3, -1, -1, 6]
    looked: list[int] = []
    result = np.array([0, 9, 2, 3, 8, 8, 6])
    frames_of(states, delta, None).over_many(looked.append, result)
    assert sorted(looked) == [0, 2, 3, 6]
    assert result.tolist() == [0, 0, 2, 3, 8, 8, 6]


def test_scores_that_overflow_have_the_neighbours_of_the_definition():
    """Where a score is not a number, nobody is near; such states are left to the bits, however many their tokens."""
    state = np.array([[1.0, 1.0], [1.0, -1.0], [0.5, 0.0]]) * 2.0**600
    with np.errstate(all="ignore"):
        graph = canonical.neighbourhoods(state, 0.0)
        found = graph_statistics(state, np.array(0.0))
    assert equal(found, brute.numbers(graph))
    many = np.repeat(state, 1000, axis=0)[None]
    assert not graph_tree.serves(many, np.empty((0, 0)))
    assert graph_tree.serves(many * 2.0**-600, np.empty((0, 0)))


def test_many_tokens_have_no_graph_in_memory():
    """Not even a bit a pair of tokens."""
    n = 10_000
    position = np.random.default_rng(0).uniform(-1, 1, size=(2, n, 2))
    delta, label = np.array([0.1, 0.2]), (position[-1, :, 0] > 0).astype(int)
    graph_statistics(position[:1, :1000], delta[:1])  # what is compiled or loaded is not counted
    closed_sets(position[:1, :1000], delta[:1], label[:1000], np.arange(1))
    for measure in (
        lambda: self_aligned(position, delta),
        lambda: graph_statistics(position, delta),
        lambda: closed_sets(position, delta, label, np.arange(2)),
    ):
        tracemalloc.start()
        measure()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < n**2 / 8
