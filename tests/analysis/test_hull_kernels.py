"""The compiled hulls: exact by rational arithmetic, equal to qhull in general position, easy with flat sets."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from lmdata.analysis import hull_kernels
from lmdata.analysis.hull_kernels import (
    HullStatus,
    hull,
    mean_width,
    vertices,
    volume_in_rank,
)
from lmdata.analysis.predicates import orient_plane, orient_space
from lmdata.errors import InvalidInput


def determinant(rows) -> Fraction:
    """Exact determinant by cofactors."""
    if len(rows) == 1:
        return rows[0][0]
    return sum(
        (-1) ** k * value * determinant([row[:k] + row[k + 1 :] for row in rows[1:]]) for k, value in enumerate(rows[0])
    )


def exact_sign(points) -> int:
    """Sign of det(a - p, b - p, ...) for the last point p, in rational arithmetic."""
    rows = [[Fraction(float(x)) for x in point] for point in points]
    value = determinant([[x - o for x, o in zip(row, rows[-1], strict=True)] for row in rows[:-1]])
    return (value > 0) - (value < 0)


def exact_vertices(points) -> list[bool]:
    """Extreme points of (n, 2), in rational arithmetic: within no segment or triangle of other positions."""
    places = [tuple(Fraction(float(x)) for x in p) for p in points]
    found = []
    for p in places:
        others = sorted({q for q in places if q != p})
        covered = any(in_simplex(p, corners) for corners in itertools.combinations(others, 2)) or any(
            in_simplex(p, corners) for corners in itertools.combinations(others, 3)
        )
        found.append(not covered)
    return found


def in_simplex(p, corners) -> bool:
    """Whether p lies in the segment or triangle (rational arithmetic, plane)."""

    def turn(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    if len(corners) == 2:
        a, b = corners
        return turn(a, b, p) == 0 and all(min(x, y) <= z <= max(x, y) for x, y, z in zip(a, b, p, strict=True))
    a, b, c = corners
    if turn(a, b, c) == 0:
        return False
    signs = {(s > 0) - (s < 0) for s in (turn(a, b, p), turn(b, c, p), turn(c, a, p))}
    return not {1, -1} <= signs


coordinate = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1, 1, width=64),
    st.integers(-4, 4).map(lambda k: 0.1 * k),
    st.integers(-8, 8).map(lambda k: 1.0 + k * 2.0**-52),
    st.integers(-4, 4).map(lambda k: k * 2.0**-300),
)


def sets(d: int, least: int, most: int):
    return st.lists(st.tuples(*[coordinate] * d), min_size=least, max_size=most).map(np.array)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(sets(2, 3, 3))
def test_orientation_in_the_plane_is_exact(points):
    scaled, _ = hull_kernels._scaled(points)
    a, b, c = scaled
    assert orient_plane(*a, *b, *c) == exact_sign(scaled)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(sets(3, 4, 4))
def test_orientation_in_space_is_exact(points):
    scaled, _ = hull_kernels._scaled(points)
    assert orient_space(*scaled) == exact_sign(scaled)


def test_orientation_is_exact_next_to_a_plane():
    rng = np.random.default_rng(1)
    for _ in range(200):
        a, b, c = rng.uniform(-1, 1, (3, 3))
        s, t = rng.uniform(-0.5, 0.5, 2)
        p = a + s * (b - a) + t * (c - a)
        assert orient_space(a, b, c, p) == exact_sign([a, b, c, p])
        x = a[:2] + s * (b[:2] - a[:2])
        assert orient_plane(*a[:2], *b[:2], *x) == exact_sign([a[:2], b[:2], x])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sets(2, 1, 9))
def test_vertices_in_the_plane_are_those_of_rational_arithmetic(points):
    scaled, _ = hull_kernels._scaled(points)
    assert vertices(points).tolist() == exact_vertices(scaled)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(sets(2, 1, 9), st.sampled_from([(1, 0), (0, 1), (1, 1), (2, -1)]))
def test_a_set_in_a_plane_of_space_has_the_vertices_of_the_plane(points, slope):
    """Embedding (x, y) -> (x, y, 0), (0, x, y), (y, 0, x) is exact; an integer slope on a lattice too."""
    expected = vertices(points).tolist()
    flat = np.column_stack([points, np.zeros(len(points))])
    for roll in range(3):
        assert vertices(np.roll(flat, roll, axis=1)).tolist() == expected
    lattice = np.rint(points * 3)
    tilted = np.column_stack([lattice, lattice @ np.array(slope)])
    assert vertices(tilted).tolist() == vertices(lattice).tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sets(3, 4, 12))
def test_every_point_lies_behind_every_facet_in_space(points):
    """The definition of the hull, facet by facet with exact signs; its corners include all extreme points."""
    scaled, _ = hull_kernels._scaled(points)
    corners = hull_kernels.simplex(scaled)
    if len(corners) < 4:
        return
    facets = hull_kernels.facets_of(scaled, corners)
    for a, b, c in facets:
        assert all(exact_sign([scaled[a], scaled[b], scaled[c], p]) >= 0 for p in scaled)
    assert set(map(tuple, scaled[vertices(points)])) <= set(map(tuple, scaled[np.unique(facets)]))


@pytest.mark.parametrize("d", [2, 3])
def test_a_point_a_rounding_from_a_side_is_a_vertex_just_where_it_is_outside(d):
    """What is left out for lying inside lies inside, by rational arithmetic: filters allow for their own rounding."""
    rng = np.random.default_rng(d)
    told = set()
    for _ in range(400):
        corners = rng.uniform(-1, 1, (d + 1, d))
        share = rng.dirichlet(np.ones(d))
        point = share @ corners[:d]
        behind = exact_sign([*corners[:d], corners[d]])
        before = exact_sign([*corners[:d], point])
        told.add(before == -behind)
        found = vertices(np.vstack([corners, point]))
        assert found.tolist() == [True] * (d + 1) + [before == -behind]
    assert told == {True, False}


def test_lattices_have_their_corners_and_nothing_else():
    for d in (1, 2, 3):
        grid = np.array(list(itertools.product(np.arange(4) * 0.1, repeat=d)))
        ends = np.isin(grid, [0.0, 3 * 0.1]).all(axis=1)
        assert vertices(grid).tolist() == ends.tolist()
        size, rank, status = hull(grid)
        assert size == pytest.approx(0.3**d)
        assert (rank, status) == (d, HullStatus.COMPILED)


@pytest.mark.parametrize("d", [2, 3, 4, 5])
@pytest.mark.parametrize("n", [8, 40])
def test_hulls_in_general_position_equal_those_of_qhull(d, n):
    points = np.random.default_rng(d * n).normal(size=(5, n, d))
    size, rank, status = hull(points)
    assert (rank == d).all()
    assert (status == (HullStatus.COMPILED if d <= 3 else HullStatus.QHULL)).all()
    for one, value, marks in zip(points, size, vertices(points), strict=True):
        reference = ConvexHull(one)
        assert value == pytest.approx(reference.volume, rel=1e-12)
        assert set(np.flatnonzero(marks)) == set(reference.vertices)


def test_many_points_on_a_sphere_are_all_vertices():
    points = np.random.default_rng(3).normal(size=(1500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert vertices(points).all()
    assert hull(points)[0] == pytest.approx(ConvexHull(points).volume, rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 6, 9])
def test_sets_of_lower_rank_have_the_size_of_their_own_dimension(d):
    """A simplex of rank r with unit edges along axes has size 1 / r!, wherever it lies and if it repeats."""
    basis = np.linalg.qr(np.random.default_rng(d).normal(size=(d, d)))[0]
    for r in range(d + 1):
        corners = np.vstack([np.zeros(d), np.eye(d)[:r]])
        points = np.vstack([corners, corners, corners.mean(axis=0)]) @ basis + 3.0
        size, rank, status = hull(points)
        assert rank == r
        if r > 7:
            assert np.isnan(size)
            assert status == HullStatus.MEAN_WIDTH_ONLY
        else:
            assert size == pytest.approx(1 / math.factorial(r) if r else 0.0, rel=1e-9)
            assert status == (HullStatus.COMPILED if r <= 3 else HullStatus.QHULL)


@pytest.mark.parametrize("thickness", [1e-9, 1e-11, 1e-13, 1e-15, 2.0**-52, 1e-40])
def test_nearly_flat_sets_give_neither_a_crash_nor_a_wrong_rank(thickness):
    rng = np.random.default_rng(5)
    for d in (2, 3, 5):
        points = rng.uniform(-1, 1, size=(30, d))
        points[:, -1] *= thickness
        size, rank, _ = hull(points)
        assert rank == (d if np.ptp(points[:, -1]) > 2e-12 else d - 1)
        assert size > 0
        if d <= 3:  # compiled: exact, however thin
            stretched = ConvexHull(points / np.array([1.0] * (d - 1) + [thickness])).volume
            assert volume_in_rank(points, d) == pytest.approx(stretched * thickness, rel=1e-6, abs=0)
    assert vertices(points[:, :2]).sum() >= 2


def test_volume_in_rank_is_zero_in_a_dimension_that_the_set_lacks():
    square = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    assert [float(volume_in_rank(square, r)) for r in (2, 3, 4)] == [1.0, 0.0, 0.0]
    assert np.isnan(volume_in_rank(square, -1))
    assert np.isnan(volume_in_rank(square, 8))


def test_scaling_by_a_power_of_two_scales_sizes_exactly():
    points = np.random.default_rng(7).normal(size=(4, 20, 3))
    size, rank, _ = hull(points)
    for k in (-200, -3, 5, 200):
        scaled_size, scaled_rank, _ = hull(points * 2.0**k)
        assert (scaled_size == size * 2.0 ** (3 * k)).all()
        assert (scaled_rank == rank).all()
    assert (vertices(points * 2.0**-300) == vertices(points)).all()


def test_a_given_scale_decides_the_rank():
    speck = np.array([[0.0, 0.0], [1e-13, 0.0], [0.0, 1e-13]])
    assert hull(speck)[1] == 2
    assert hull(speck, scale=1.0)[1] == 0
    assert hull(np.stack([speck, speck]), scale=[1.0, 1e-13])[1].tolist() == [0, 2]


def test_points_that_are_not_finite_have_no_size():
    points = np.zeros((3, 5, 2))
    points[1, 2, 0], points[2, 0, 1] = np.nan, np.inf
    size, rank, status = hull(points)
    assert status.tolist() == [HullStatus.COMPILED, HullStatus.NOT_FINITE, HullStatus.NOT_FINITE]
    assert rank.tolist() == [0, -1, -1]
    assert np.isnan(size[1:]).all()
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        vertices(points)


def test_leading_dimensions_are_kept():
    points = np.random.default_rng(0).normal(size=(2, 3, 7, 2))
    size, rank, status = hull(points)
    assert size.shape == rank.shape == status.shape == (2, 3)
    assert status.dtype == np.uint8
    assert vertices(points).shape == (2, 3, 7)
    width, error = mean_width(points, np.eye(2))
    assert width.shape == error.shape == (2, 3)
    assert (size[1, 2], rank[1, 2]) == tuple(float(x) for x in hull(points[1, 2])[:2])


def test_order_and_copies_of_the_points_do_not_matter():
    rng = np.random.default_rng(11)
    for d in (1, 2, 3):
        points = rng.integers(-3, 4, size=(25, d)).astype(float)
        order = rng.permutation(np.repeat(np.arange(25), 2))
        assert (vertices(points[order]) == vertices(points)[order]).all()
        assert hull(points[order])[0] == pytest.approx(hull(points)[0], rel=1e-14)


def test_mean_width_of_a_ball_is_its_diameter():
    rng = np.random.default_rng(2)
    points, directions = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(2, 4000, 3)))
    width, error = mean_width(points, directions[:500])
    assert width == pytest.approx(2.0, abs=0.01)
    assert 0 < error < 1e-3
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    angles = np.linspace(0, np.pi, 721)[:-1]
    width, _ = mean_width(square, np.column_stack([np.cos(angles), np.sin(angles)]))
    assert width == pytest.approx(4 / np.pi, rel=1e-5)  # Cauchy: perimeter / pi


def test_the_error_of_a_mean_width_is_that_of_the_mean_of_a_sample():
    width, error = mean_width([[1.0, 0.0], [-1.0, 0.0]], np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
    widths = np.array([2.0, 0.0, 1.2])
    assert width == pytest.approx(widths.mean(), rel=1e-15)
    assert error == pytest.approx(math.sqrt(((widths - widths.mean()) ** 2).sum() / 2 / 3), rel=1e-14)


@pytest.mark.parametrize("points", [[1.0, 2.0], np.empty((0, 2)), np.empty((3, 0))])
def test_points_without_tokens_or_components_are_refused(points):
    with pytest.raises(InvalidInput, match="points has shape"):
        hull(points)


def test_a_negative_tolerance_and_unfit_directions_are_refused():
    with pytest.raises(InvalidInput, match="rank_tolerance is -1"):
        hull(np.eye(2), rank_tolerance=-1.0)
    with pytest.raises(InvalidInput, match=r"must be \(k, 2\)"):
        mean_width(np.eye(2), np.eye(3))


@pytest.mark.parametrize("d", [4, 6])
def test_beyond_three_dimensions_a_vertex_is_a_billionth_from_the_hull_of_the_others(d):
    """A point above the middle of a facet of the simplex, by so much of the largest coordinate."""
    for scale in (1e-3, 1.0, 1e6):
        for above, extreme in ((0.0, False), (1e-11, False), (1e-8, True), (1e-3, True)):
            middle = np.full(d, 1 / d) + above / np.sqrt(d)
            found = vertices(scale * np.vstack([np.zeros(d), np.eye(d), middle]))
            assert found.tolist() == [True] * (d + 1) + [extreme]
