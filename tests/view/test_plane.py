"""The plane that tokens of many components are drawn in."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lmdata.view.plane import limits, plane

records = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(2, 5)),
    elements=st.integers(-3, 3).map(float),
)


@given(records)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_plane_is_a_linear_map_that_never_lengthens(record):
    map_ = plane(record)
    shadow = map_(record)
    assert shadow.shape == (*record.shape[:2], 2)
    assert np.isfinite(shadow).all()
    assert (np.linalg.norm(shadow, axis=-1) <= np.linalg.norm(record, axis=-1) + 1e-9).all()
    np.testing.assert_allclose(map_(2 * record), 2 * shadow, atol=1e-12)


def test_plane_of_two_components_is_the_plane_itself():
    record = np.random.default_rng(0).normal(size=(3, 5, 2))
    np.testing.assert_array_equal(plane(record)(record), record)


def test_first_axis_has_the_largest_spread_and_signs_are_fixed():
    record = np.random.default_rng(1).normal(size=(2, 40, 5)) * [1, 5, 1, 3, 1]
    for basis, points in (("initial", record[0]), ("record", record.reshape(-1, 5))):
        map_ = plane(record, basis=basis)
        centred = points - points.mean(axis=0)
        variances = np.linalg.eigvalsh(centred.T @ centred)
        np.testing.assert_allclose(((centred @ map_.matrix) ** 2).sum(axis=0), variances[:-3:-1], rtol=1e-9)
        leading = np.abs(map_.matrix).argmax(axis=0)
        assert (map_.matrix[leading, [0, 1]] > 0).all()
    assert "initial tokens" in plane(record).labels[0]
    assert "whole record" in plane(record, basis="record").labels[0]


def test_the_last_bits_of_a_record_do_not_turn_its_axes():
    """The first axis is (1, -1, 0) / sqrt 2: which of its entries is the larger is rounding."""
    random = np.random.default_rng(7)
    record = np.array([[[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.3, 0.3, 0.1], [-0.3, -0.3, -0.1]]])
    for _ in range(20):
        near = record * (1 + random.uniform(-1, 1, record.shape) * 1e-15)
        np.testing.assert_allclose(plane(near).matrix, plane(record).matrix, atol=1e-12)


def test_models_that_start_alike_share_the_plane():
    start = np.random.default_rng(2).normal(size=(1, 8, 4))
    one, two = np.concatenate([start, start * 0.5]), np.concatenate([start, start[:, ::-1]])
    np.testing.assert_array_equal(plane(one).matrix, plane(two).matrix)


@given(records)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_limits_are_a_square_that_holds_every_point(record):
    points = plane(record)(record)
    (left, right), (low, high) = limits(points)
    assert right - left > 0
    np.testing.assert_allclose(right - left, high - low, rtol=1e-9)
    assert (points >= [left, low]).all()
    assert (points <= [right, high]).all()
