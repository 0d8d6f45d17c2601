"""Limit clusters, vertices and gaps, against definitions, exact cases and the theorems on limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.clusters import centres, clusters, polytope_vertices, ring
from lmdata.analysis.hull_kernels import vertices as exact_vertices
from lmdata.errors import InvalidInput

quick = settings(max_examples=80, deadline=None, derandomize=True)

SQUARE = [[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]]


@st.composite
def lattice(draw, *, low=1, high=9, span=3):
    d = draw(st.integers(1, 4))
    n = draw(st.integers(low, high))
    values = draw(st.lists(st.integers(-span, span), min_size=n * d, max_size=n * d))
    return np.array(values, float).reshape(n, d)


@given(lattice(), st.sampled_from([0.0, 1.0, 1.5, 2.0]))
@quick
def test_clusters_are_the_components_of_near_pairs(tokens, reach):
    n = len(tokens)
    label = list(range(n))
    for _ in range(n):
        for i in range(n):
            for j in range(n):
                if ((tokens[i] - tokens[j]) ** 2).sum() <= reach**2:
                    label[i] = label[j] = min(label[i], label[j])
    first = sorted(set(label))
    assert clusters(tokens, reach).tolist() == [first.index(one) for one in label]


@given(lattice())
@quick
def test_centres_of_coinciding_tokens_are_exact(tokens):
    cluster = clusters(tokens / 3.0, 0.0)
    assert (centres(tokens / 3.0, cluster)[cluster] == tokens / 3.0).all()


@given(lattice(span=2))
@quick
def test_vertices_are_the_exact_ones_on_a_lattice(tokens):
    points = np.unique(tokens, axis=0)
    found = polytope_vertices(points, tolerance=1e-6)
    assert sorted(found) == np.flatnonzero(exact_vertices(points)).tolist()


@given(lattice(low=2), st.randoms(use_true_random=False))
@quick
def test_vertex_numbers_do_not_depend_on_the_order_of_the_points(tokens, random):
    points = np.unique(tokens, axis=0)
    order = np.array(random.sample(range(len(points)), len(points)))
    shuffled = points[order]
    first = points[polytope_vertices(points, tolerance=1e-6)]
    np.testing.assert_array_equal(shuffled[polytope_vertices(shuffled, tolerance=1e-6)], first)


def test_rounding_does_not_change_the_order_of_vertices():
    square = np.array(SQUARE)
    for seed in range(20):
        shaken = square + 1e-13 * np.random.default_rng(seed).normal(size=square.shape)
        assert ring(shaken, np.arange(4), tolerance=1e-4).tolist() == [2, 1, 0, 3]


@pytest.mark.parametrize("n", [3, 60, 500])
def test_all_points_of_a_circle_are_vertices_counter_clockwise(n):
    angle = np.linspace(-np.pi, np.pi, n, endpoint=False)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert polytope_vertices(points[::-1], tolerance=1e-4).tolist() == list(range(n))[::-1]


def test_a_point_off_an_edge_by_less_than_the_tolerance_is_no_vertex():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, -1e-6], [1.0, 1.0]])
    assert 2 not in polytope_vertices(points, tolerance=1e-4)
    assert 2 in polytope_vertices(points, tolerance=1e-7)


def member(tokens, *, steps=60, tolerance=1e-4, **parameters):
    return lmdata.limit_polytope(
        lmdata.simulate(lmdata.Localmax(**parameters), tokens, steps=steps), tolerance=tolerance
    ).isel(seed=0)


def test_the_square_by_hand():
    """At delta 0 corners stay, and (0.5, 0) is equally aligned with two of them: it goes between them (F7)."""
    limit = member([*SQUARE, [-1.0, 1.0], [0.5, 0.0]])
    assert limit.cluster.values.tolist() == [0, 1, 2, 3, 3, 4]
    assert limit.token_vertex.values.tolist() == [2, 1, 0, 3, 3, -1]
    assert limit.vertex_count == 4
    np.testing.assert_array_equal(
        limit.vertex_position.values[:4], [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
    )
    assert np.isnan(limit.vertex_position.values[4:]).all()
    assert limit.vertex_size.values.tolist() == [1, 1, 1, 2, -1, -1]
    assert limit.gap.values[:4].round(6).tolist() == [2.0, 1.0, 1.0, 2.0]
    assert np.isnan(limit.gap.values[4:]).all()
    np.testing.assert_allclose(limit.limit_position.values[5], [1.0, 0.0], atol=1e-12)
    assert limit.settled


def test_one_point_has_one_vertex_and_no_gap():
    limit = member([[0.5, -0.5]] * 3)
    assert limit.cluster.values.tolist() == [0, 0, 0]
    assert limit.vertex_count == 1
    assert limit.vertex_size.values.tolist() == [3, -1, -1]
    assert np.isnan(limit.gap.values).all()
    assert limit.settled


def test_a_segment_in_space_has_two_vertices():
    limit = member([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -2.0]])
    assert limit.token_vertex.values.tolist() == [1, -1, 0]
    assert limit.gap.values[:2].tolist() == [9.0, 9.0]


def test_an_unfinished_record_says_so():
    assert not member([[1.0], [0.5], [-1.0]], steps=3).settled
    assert member([[1.0], [0.5], [-1.0]], steps=30).settled


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), "fine"])
def test_a_tolerance_that_cannot_be_is_refused(tolerance):
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=1)
    with pytest.raises(InvalidInput, match="tolerance"):
        lmdata.limit_polytope(ds, tolerance=tolerance)


@st.composite
def systems(draw):
    """Tokens, random or on a lattice, with a sensitivity, an influence and an alignment matrix."""
    d, n = draw(st.integers(1, 4)), draw(st.integers(2, 16))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    tokens = random.normal(size=(n, d)) if draw(st.booleans()) else random.integers(-3, 4, size=(n, d)) / 2.0
    root = random.normal(size=(d, d))
    return {
        "tokens": tokens,
        "alignment": root @ root.T + 0.3 * np.eye(d) if draw(st.booleans()) else None,
        "alignment_sensitivity": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0])),
        "influence": draw(st.sampled_from([0.5, 1.0, 3.0])),
    }


def check_gap(system):
    limit = member(steps=200, **system)
    assert limit.settled
    delta = system["alignment_sensitivity"]
    gaps = limit.gap.values[: int(limit.vertex_count)]
    matrix = system["alignment"] if system["alignment"] is not None else np.eye(system["tokens"].shape[1])
    size = (system["tokens"] @ matrix * system["tokens"]).sum(axis=1).max()
    assert (np.isnan(gaps) | (gaps >= delta - 1e-3 * size)).all()


@given(systems())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_vertex_gap(system):
    """F4: <A v, v - w> >= delta for every vertex v and every other limit point w."""
    check_gap(system)


@pytest.mark.long
@given(systems())
@settings(max_examples=3000, deadline=None, derandomize=True)
def test_vertex_gap_of_many_systems(system):
    check_gap(system)


@given(systems())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_tokens_within_the_sensitivity_become_one(system):
    """F4: if the A-diameter of the first hull is below sqrt(2 delta), the limit is a single point."""
    tokens, matrix = system["tokens"], system["alignment"]
    if matrix is None:
        matrix = np.eye(tokens.shape[1])
    difference = tokens[:, None] - tokens
    square = np.einsum("ijk,kl,ijl->ij", difference, matrix, difference).max()
    limit = member(steps=400, **system | {"alignment_sensitivity": 0.51 * square + 1e-3})
    assert limit.vertex_count == 1
    assert limit.settled


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_vanishing_sensitivity_ends_like_hardmax(seed, d):
    """F6: with delta(t) -> 0, every limit vertex satisfies <A v, v> >= <A v, w>."""
    tokens = np.random.default_rng(seed).normal(size=(10, d))
    schedule = lmdata.schedules.Geometric(initial=2.0, ratio=0.8)
    limit = member(tokens, steps=300, alignment_sensitivity=schedule)
    if limit.settled:
        gaps = limit.gap.values[: int(limit.vertex_count)]
        assert (np.isnan(gaps) | (gaps >= -1e-3)).all()


def test_centres_are_the_means_of_clusters_of_unequal_sizes():
    tokens = np.array([[0.0, 0.0], [4.0, 4.0], [1.0, 0.0], [0.5, 3.0], [4.0, 5.0]])
    found = centres(tokens, np.array([0, 1, 0, 0, 1]))
    np.testing.assert_allclose(found, [[0.5, 1.0], [4.0, 4.5]], rtol=1e-15)


@pytest.mark.parametrize(("tolerance", "count"), [(0.7, 3), (0.71, 2)])
def test_a_vertex_is_told_by_its_distance_from_the_hull_of_the_others(tolerance, count):
    """The top of the triangle is 1 from its base, sqrt(2) from its nearest point: 0.7071 of that."""
    assert len(polytope_vertices(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), tolerance=tolerance)) == count


def test_settled_asks_for_the_neighbours_of_the_last_step():
    """Under sensitivity 9 both would move on to their mean; the last step has 0, under which each hears itself."""
    ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=[9.0, 0.0, 0.0]), [[1.0], [-1.0]], steps=3)
    assert ds.position.values[0, -1].tolist() == [[0.5], [-0.5]]
    assert lmdata.limit_polytope(ds).settled.item()
    ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=[0.0, 0.0, 9.0]), [[1.0], [-1.0]], steps=3)
    assert not lmdata.limit_polytope(ds).settled.item()


def test_what_is_near_is_relative_to_the_first_frame():
    """Two tokens that approach their mean, the origin, end as one: not as two that are twice their size apart."""
    ds = lmdata.simulate(lmdata.Localmax(10.0), [[1.0], [-1.0]], steps=30)
    assert lmdata.limit_polytope(ds).cluster.values.tolist() == [[0, 0]]
