"""The cone margin: against all segments and sides in the plane, all facets in space, and bounds of both sides."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.cone import margin, margins


def nearest_of_segments(points):
    """Distance of the origin from the segments between any two points, which bound the hull in the plane."""
    best = np.inf
    for a, b in itertools.combinations_with_replacement(points, 2):
        length = ((b - a) ** 2).sum()
        place = np.clip(-(a * (b - a)).sum() / length, 0, 1) if length > 0 else 0.0
        best = min(best, np.linalg.norm(a + place * (b - a)))
    return best


def holds_the_origin(points):
    """Whether no open half-plane holds all points: the largest gap between their angles is at most pi."""
    if (points == 0).all(axis=1).any():
        return True
    angles = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    return gaps.max() <= np.pi + 1e-12


def signed_square(points):
    """Return the sign and square of the depth of the origin in the hull of whole numbers, (0, 0) outside: exact.

    A plane through d points that has all on one side bounds the hull; the origin's distance from the nearest is it.
    """
    d = len(points[0])
    best = None
    for corners in itertools.combinations(points, d):
        normal = normal_of(corners)
        if not any(normal):
            continue
        offset = dot(normal, corners[0])
        sides = {(side > offset) - (side < offset) for side in (dot(normal, point) for point in points)}
        if sides <= {0, 1} or sides <= {0, -1}:
            outwards = offset if sides <= {0, -1} else -offset
            square = Fraction(offset * offset, dot(normal, normal))
            if outwards < 0 or sides == {0}:
                return Fraction(0)
            best = square if best is None else min(best, square)
    return best or Fraction(0)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def normal_of(corners):
    if len(corners) == 2:
        (a, b), (c, d) = corners
        return (b - d, c - a)
    (a, b, c), (x, y, z) = (tuple(p - q for p, q in zip(corner, corners[0], strict=True)) for corner in corners[1:])
    return (b * z - c * y, c * x - a * z, a * y - b * x)


@given(st.lists(st.tuples(st.integers(-7, 7), st.integers(-7, 7)), min_size=1, max_size=7))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_in_the_plane_it_is_the_distance_of_the_nearest_segment(tokens):
    points = np.array(tokens, float)
    expected = -(float(signed_square(tokens)) ** 0.5) if holds_the_origin(points) else nearest_of_segments(points)
    assert margin(points) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=4, max_size=9))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_in_space_its_depth_is_that_of_the_nearest_facet(tokens):
    found, expected = margin(np.array(tokens, float)), -(float(signed_square(tokens)) ** 0.5)
    assert min(found, 0.0) == pytest.approx(expected, abs=1e-12)


def test_known_depths():
    """Of the cross-polytope 1/sqrt(d); of the cube 1; of a simplex its inner radius; on the line the nearer end."""
    assert margin(np.array([[1.0], [-2.0], [0.5]])) == margin(np.array([[-1.0], [2.0]])) == -1.0
    for d in range(1, 8):
        frame = np.eye(d)
        assert margin(np.vstack([frame, -frame])) == pytest.approx(-(d**-0.5), rel=1e-13)
        cube = np.array(list(itertools.product([-1.0, 1.0], repeat=d)))
        assert margin(cube) == pytest.approx(-1.0, rel=1e-13)
        simplex = np.linalg.svd(np.eye(d + 1) - 1 / (d + 1))[0][:, :d]
        assert margin(simplex) == pytest.approx(-np.sqrt(1 / d - 1 / (d + 1)), rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(9, 4), (12, 5), (12, 7)])
def test_in_more_dimensions_it_is_the_nearest_of_all_planes_that_bound_the_hull(n, d):
    """Planes through any d of the points, by their null vectors; no direction at all does better."""
    random = np.random.default_rng(n + d)
    points = random.normal(size=(n, d))
    points -= points.mean(axis=0)
    best = np.inf
    for corners in itertools.combinations(points, d):
        normal = np.linalg.svd(np.array(corners[1:]) - corners[0])[2][-1]
        sides = points @ normal - corners[0] @ normal
        if sides.max() < 1e-9 or sides.min() > -1e-9:
            best = min(best, abs(corners[0] @ normal))
    assert margin(points) == pytest.approx(-best, rel=1e-11)
    directions = random.normal(size=(2000, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert (points @ directions.T).min(axis=0).max() <= margin(points) + 1e-12


def test_a_depth_that_cannot_be_told_is_not_a_number():
    frame = np.eye(8)
    assert np.isnan(margin(np.vstack([frame, -frame])))
    assert margin(np.vstack([frame, -frame])[:8]) > 0
    assert margin(np.vstack([frame[:7], -frame[:7]])) == 0.0  # a direction is at right angles to all


@pytest.mark.parametrize(("n", "d"), [(5, 3), (40, 3), (12, 30), (70, 384)])
def test_in_space_it_lies_between_bounds_of_both_sides(n, d):
    """Any w bounds it from below, any point of the hull from above; a few steps of Frank and Wolfe bring them near."""
    random = np.random.default_rng(n)
    points = random.normal(size=(n, d)) + 1.5
    found = margin(points)
    weights = np.full(n, 1 / n)
    for k in range(4000):
        point = weights @ points
        weights *= 1 - 2 / (k + 2)
        weights[(points @ point).argmin()] += 2 / (k + 2)
    point = weights @ points
    assert (points @ point).min() / np.linalg.norm(point) <= found * (1 + 1e-12)
    assert found <= np.linalg.norm(point) * (1 + 1e-12)
    assert found > 0.95 * np.linalg.norm(point)


def test_symmetries_and_more_tokens():
    random = np.random.default_rng(3)
    points = random.normal(size=(6, 4)) + 1.0
    turn = np.linalg.qr(random.normal(size=(4, 4)))[0]
    for other, factor in ((points @ turn, 1), (points[::-1], 1), (1e-8 * points, 1e-8), (2.0**600 * points, 2.0**600)):
        assert margin(other) == pytest.approx(factor * margin(points), rel=1e-11)
    inside = np.vstack([points, points.mean(axis=0)])
    assert margin(inside) == pytest.approx(margin(points), rel=1e-11)  # the hull is the same
    assert margin(np.vstack([points, -points[:1]])) == 0.0
    around = np.vstack([points, -points])
    for other, factor in ((around @ turn, 1), (around[::-1], 1), (1e-8 * around, 1e-8), (2.0**600 * around, 2.0**600)):
        assert margin(other) == pytest.approx(factor * margin(around), rel=1e-11)
    assert margin(around) < -0.1


def test_a_closed_half_space_is_zero():
    assert margin(np.array([[1.0, 0.0], [0.0, 0.0]])) == 0.0
    assert margin(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 0.0  # the origin on the hull's edge
    assert margin(np.zeros((2, 2))) == 0.0


def test_on_the_boundary_rounding_makes_no_open_half_space():
    random, tokens = (
        np.random.default_rng(5),
        np.array([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [0, 0, 1]]),
    )
    for _ in range(40):
        turned = tokens @ np.linalg.qr(random.normal(size=(3, 3)))[0]
        assert -1e-15 <= margin(turned) <= 0.0
    assert margin(np.array([[1.0, 1e-15], [-1.0, 1e-15]])) == 0.0  # less than rounding can tell


def test_the_margin_of_equal_tokens_is_their_length():
    assert margin(np.tile([[3.0, 4.0]], (5, 1))) == pytest.approx(5.0, rel=1e-14)


def test_a_half_space_is_never_left_under_attention():
    """Convex steps keep tokens in the hull of the first ones (F1): the distance of the origin from it never falls."""
    ds = lmdata.simulate(lmdata.Localmax(0.3), np.random.default_rng(4).normal(size=(9, 2)) + 1.2, steps=12)
    found = lmdata.cone_margin(ds)[0].values
    assert found[0] > 0
    assert (np.diff(found) >= -1e-12).all()


def test_absent_states_have_none():
    states = np.stack([np.ones((3, 2)), np.full((3, 2), np.nan)])
    np.testing.assert_allclose(margins(states), [np.sqrt(2), np.nan], rtol=1e-14)
