"""Occupancy of the vertices, by both definitions, against the definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.occupancy import entropy_of, shares_by_radius, shares_by_region
from lmdata.errors import InvalidInput, UnknownName

SQUARE = [[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]]


@st.composite
def runs(draw):
    """A run with its sensitivity and alignment matrix."""
    d, n = draw(st.integers(1, 3)), draw(st.integers(1, 10))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    tokens = random.normal(size=(n, d)) if draw(st.booleans()) else random.integers(-2, 3, size=(n, d)) / 2.0
    root = random.normal(size=(d, d))
    matrix = root @ root.T + 0.5 * np.eye(d) if draw(st.booleans()) else np.eye(d)
    delta = draw(st.sampled_from([0.0, 0.1, 0.5, 2.0]))
    return lmdata.simulate(lmdata.Localmax(delta, alignment=matrix), tokens, steps=60), delta, matrix


@given(runs(), st.sampled_from([None, 0.05, 3.0]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_by_radius_against_the_definition(run, radius):
    ds, _, _ = run
    limit = lmdata.limit_polytope(ds).isel(seed=0)
    found = lmdata.vertex_occupancy(ds, radius=radius).isel(seed=0)
    position, count = ds.position.values[0], int(limit.vertex_count)
    reach = 0.1 * np.linalg.norm(position[0], axis=1).max() if radius is None else radius
    distance = np.linalg.norm(position[:, :, None] - limit.vertex_position.values[:count], axis=-1)
    nearest = distance.argmin(axis=-1)
    for vertex in range(count):
        share = ((nearest == vertex) & (distance[..., vertex] <= reach)).mean(axis=-1)
        np.testing.assert_allclose(found.occupancy.values[:, vertex], share, atol=1e-12)
    assert np.isnan(found.occupancy.values[:, count:]).all()


@given(runs())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_by_region_against_the_definition(run):
    ds, delta, matrix = run
    limit = lmdata.limit_polytope(ds).isel(seed=0)
    found = lmdata.vertex_occupancy(ds, definition="region").isel(seed=0).occupancy.values
    position, ends = ds.position.values[0], limit.token_vertex.values
    for vertex in range(int(limit.vertex_count)):
        v = limit.vertex_position.values[vertex]
        others = limit.limit_position.values[ends != vertex]
        margin = (position @ matrix) @ (v - others).T - delta
        if not (np.abs(margin) < 1e-9).any():
            np.testing.assert_allclose(found[:, vertex], (margin > 0).all(axis=-1).mean(axis=-1), atol=1e-12)


@pytest.mark.parametrize("definition", ["radius", "region"])
@given(run=runs())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_token_is_at_one_vertex_at_most(definition, run):
    found = lmdata.vertex_occupancy(run[0], definition=definition).isel(seed=0)
    total = found.occupancy.sum("vertex").values
    assert (total <= 1 + 1e-12).all()
    entropy = found.occupancy_entropy.values
    assert (entropy >= 0.0).all()
    assert (entropy <= math.log(run[0].sizes["token"] + 1) + 1e-12).all()
    for share, time in zip(found.share.values, found.time_to_share.values, strict=True):
        lasting = [t for t in found.time.values if (total[t:] >= share - 1e-9).all()]
        assert time == lasting[0] if lasting else np.isnan(time)


@given(runs(), st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_quiescent_region_is_left_by_no_probe(run, seed, alpha):
    """F5: with gaps of at least delta, x in Q_v moves to x' = (x + alpha v) / (1 + alpha), in Q_v again."""
    ds, delta, matrix = run
    limit = lmdata.limit_polytope(ds).isel(seed=0)
    limits = limit.cluster.values, limit.limit_position.values, limit.token_vertex.values
    probes = np.random.default_rng(seed).dirichlet(np.full(len(limits[0]), 0.3), size=20) @ limits[1]
    deltas = np.full(len(probes), delta)
    inside = shares_by_region(probes[:, None], deltas, *limits, alignment=matrix)
    for probe, share in zip(probes, np.nan_to_num(inside), strict=True):
        vertex = int(share.argmax())
        if share[vertex] == 1.0 and not limit.gap.values[vertex] < delta:
            after = (probe + alpha * limit.vertex_position.values[vertex]) / (1 + alpha)
            assert shares_by_region(after[None, None], deltas[:1], *limits, alignment=matrix)[0, vertex] == 1.0


def test_the_square_by_hand():
    """Corners at delta 0, a token that goes to (1, 1), and one that is drawn between two corners."""
    ds = lmdata.simulate(lmdata.Localmax(), [*SQUARE, [0.25, 0.5], [-0.5, 0.0]], steps=40)
    by_radius = lmdata.vertex_occupancy(ds, radius=0.5).isel(seed=0)
    assert by_radius.occupancy.values[0, :4].tolist() == [1 / 6] * 4
    assert by_radius.occupancy.values[-1, :4].tolist() == [1 / 6, 1 / 6, 2 / 6, 1 / 6]
    assert by_radius.time_to_share.values[0] == 0.0
    assert np.isnan(by_radius.time_to_share.values[1:]).all()
    by_region = lmdata.vertex_occupancy(ds, definition="region").isel(seed=0)
    assert by_region.occupancy.values[0, :4].tolist() == [1 / 6, 1 / 6, 2 / 6, 1 / 6]
    assert by_region.share.values.tolist() == [0.5, 0.9, 0.99]


def test_entropy_by_hand():
    entropy, times = entropy_of(
        np.array([[[0.25] * 4, [1.0, 0.0, 0.0, 0.0], [0.0] * 4, [0.5, 0.0, 0.0, np.nan]]]), np.arange(4)
    )
    np.testing.assert_allclose(entropy, [[math.log(4), 0.0, 0.0, math.log(2)]])
    np.testing.assert_array_equal(times, [[3.0, np.nan, np.nan]])


def test_a_single_limit_point_holds_all_tokens_of_its_region():
    ds = lmdata.simulate(lmdata.Localmax(9.0), SQUARE, steps=40)
    occupied = lmdata.vertex_occupancy(ds, definition="region").isel(seed=0)
    assert (occupied.occupancy.values[:, 0] == 1.0).all()
    assert occupied.time_to_share.values.tolist() == [0.0] * 3
    by_radius = lmdata.vertex_occupancy(ds).isel(seed=0)
    assert by_radius.occupancy.values[[0, -1], 0].tolist() == [0.0, 1.0]


def test_a_token_midway_counts_for_the_first_vertex():
    share = shares_by_radius(np.array([[[0.0, 0.0]]]), np.array([[-1.0, 0.0], [1.0, 0.0]]), radius=1.0)
    assert share.tolist() == [[1.0, 0.0]]


def test_arguments_that_make_no_sense_are_refused():
    ds = lmdata.simulate(lmdata.Localmax(), SQUARE, steps=1)
    with pytest.raises(UnknownName, match="did you mean 'radius'"):
        lmdata.vertex_occupancy(ds, definition="radios")
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match="radius is"):
            lmdata.vertex_occupancy(ds, radius=wrong)
    with pytest.raises(InvalidInput, match="definition='radius' alone"):
        lmdata.vertex_occupancy(ds, definition="region", radius=0.1)


def test_a_share_is_reached_when_it_is_there_to_a_rounding():
    time = np.arange(3.0)
    share = np.array([[0.49], [0.985], [0.985]])
    _, reached = entropy_of(share, time)
    np.testing.assert_array_equal(reached, [1.0, 1.0, np.nan])
    _, reached = entropy_of(np.array([[0.3, 0.2 - 1e-15], [0.3, 0.6], [0.5, 0.49]]), time)
    np.testing.assert_array_equal(reached, [0.0, 1.0, 2.0])


def test_regions_are_those_of_the_sensitivity_of_each_step():
    """A probe at 0.2 on a line from -1 to 1 has margin 0.4: inside the region of 1 while the sensitivity is below."""
    position = np.tile(np.array([[1.0], [-1.0], [0.2]]), (1, 4, 1, 1))
    ends = np.array([[0, 1, 0]])
    limits = np.array([[[1.0], [-1.0], [1.0]]])
    share = shares_by_region(position, np.array([[0.5, 0.3, 0.4, 0.0]]), ends, limits, ends)
    np.testing.assert_allclose(share[0, :, 0], [1 / 3, 2 / 3, 1 / 3, 2 / 3])
