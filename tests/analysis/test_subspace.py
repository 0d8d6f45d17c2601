"""Polytopes times subspaces: sets of known corners, distances and dimensions, whatever the basis."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.analysis.subspace import depths, splitting, subspace_polytope
from lmdata.data import registry
from lmdata.dynamics.models import SelfAttention, Softmax
from lmdata.errors import InvalidInput

LINE = np.array([0.0, 2.0, 5.0])
SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
PLANE_AND_LINE = np.diag([1.0, 1.0, -0.5])


def still(tokens, values):
    """Return a dataset that holds just these tokens, of a model with the value matrix V."""
    return lmdata.simulate(SelfAttention(values=values, step_size=0.05), np.asarray(tokens, float), steps=0)


def measured(tokens, values):
    found = subspace_polytope(still(tokens, values)).isel(seed=0, time=0)
    return int(found.corner_count), found.boundary_distance.values, int(found.subspace_dimension)


def times_line(points):
    return np.array([[*point, height] for point in points for height in LINE])


def test_a_segment_times_a_line():
    corners, distance, dimension = measured(times_line([[-1.0], [1.0]]), np.diag([1.0, -0.5]))
    assert (corners, dimension) == (2, 1)
    assert (distance == 0).all()


def test_a_square_times_a_line():
    corners, distance, dimension = measured(times_line(SQUARE), PLANE_AND_LINE)
    assert (corners, dimension) == (4, 1)
    np.testing.assert_allclose(distance, 0, atol=1e-14)


def test_a_point_times_a_plane_and_times_a_line_in_it():
    values = np.diag([2.0, 1.0, -1.0])
    plane = [[3.0, x, y] for x in LINE for y in LINE]
    assert measured(plane, values)[::2] == (1, 2)
    assert measured([[3.0, x, 2 * x] for x in LINE], values)[::2] == (1, 1)


def test_a_polytope_alone_has_dimension_zero():
    assert measured(np.repeat(SQUARE, 3, axis=0), np.eye(2))[::2] == (4, 0)
    flat = [[*corner, 0.7] for corner in np.repeat(SQUARE, 3, axis=0)]
    assert measured(flat, PLANE_AND_LINE)[::2] == (4, 0)
    graph = [[*corner, height] for corner, height in zip(SQUARE, [0, 3, -1, 8], strict=True)]
    assert measured(graph, PLANE_AND_LINE)[::2] == (4, 0), "one token a corner shows no subspace"


def test_collinear_tokens_are_all_boundary_of_two_corners():
    corners, distance, dimension = measured([[x, 2 * x] for x in (-1.0, 0.5, 1.0, 3.0)], np.eye(2))
    assert (corners, dimension) == (2, 0)
    assert (distance == 0).all()


def test_distances_are_from_the_boundary_or_the_origin():
    tokens = [*SQUARE, [1.0, 2.0], [2.0, 2.0], [0.5, 3.9]]
    np.testing.assert_allclose(measured(tokens, np.eye(2))[1][4:], [1, 2, 0.1], atol=1e-14)
    about_the_origin = [*(SQUARE - 2), [0.0, 0.0], [0.25, 0.0]]
    np.testing.assert_allclose(measured(about_the_origin, np.eye(2))[1][4:], [0, 0.25], atol=1e-14)
    line = [[-2.0, 9.0], [1.5, -9.0], [4.0, 0.0], [0.5, 3.0]]
    np.testing.assert_allclose(measured(line, np.diag([1.0, 0.5]))[1], [0, 1.5, 0, 0.5], atol=1e-14)


def test_coincident_and_single_tokens():
    for tokens in (np.zeros((4, 3)), np.ones((1, 3))):
        corners, distance, dimension = measured(tokens, PLANE_AND_LINE)
        assert (corners, dimension) == (1, 0)
        assert (distance == 0).all()


def test_the_two_subspaces_need_not_be_orthogonal_nor_along_axes():
    """A change of basis S takes F, G and V = S D S^-1 along; distances in F stay where S is an isometry on F."""
    turn, _ = np.linalg.qr(np.array([[1.0, 2.0, 0.5], [-1.0, 1.0, 3.0], [0.3, 2.0, 1.0]]))
    skew = turn @ np.array([[1.0, 0.0, 0.8], [0.0, 1.0, -0.4], [0.0, 0.0, 0.5]])
    values = skew @ PLANE_AND_LINE @ np.linalg.inv(skew)
    tokens = times_line([*SQUARE, [1.0, 2.0]])
    corners, distance, dimension = measured(tokens @ skew.T, values)
    assert (corners, dimension) == (4, 1)
    np.testing.assert_allclose(distance, measured(tokens, PLANE_AND_LINE)[1], atol=1e-12)


def test_depths_in_a_cube_and_where_they_are_not_found():
    cube = np.array([[x, y, z] for x in (0.0, 2.0) for y in (0.0, 2.0) for z in (0.0, 2.0)] + [[1.0, 1.0, 0.5]])
    np.testing.assert_allclose(depths(cube), [0] * 8 + [0.5], atol=1e-14)
    high = np.vstack([np.zeros(8), np.eye(8)])
    assert np.isnan(depths(high)).all()
    assert (depths(high[:8]) == 0).all(), "flat"


def test_limits_under_a_paranormal_value_matrix(cases):
    """arXiv 2305.05465, from the published start; to the boundary at each stored step."""
    case = cases("glpr_rescaled_accurate")
    model = SelfAttention(values=case["d3_hyper_x_poly_V"], step_size=0.05)
    ds = lmdata.simulate(model, case["d3_hyper_x_poly_z"][0], steps=400, record=[0, 400])
    found = subspace_polytope(ds).isel(seed=0)
    assert found.boundary_distance.values[0].max() > 0.1
    assert found.boundary_distance.values[1].max() < 1e-2
    assert found.corner_count.values[1] < ds.sizes["token"]


@pytest.fixture(scope="module")
def swept():
    model = SelfAttention(values=PLANE_AND_LINE, step_size=0.05)
    start = lmdata.tokens.uniform(8, 3)
    sweep = {"inverse_temperature": [1.0, 4.0]}
    return lmdata.simulate(model, start, steps=60, seeds=range(3), sweep=sweep, record=20)


def test_outputs_are_declared_and_the_same_eager_lazy_and_by_member(swept):
    eager = subspace_polytope(swept)
    lazy = subspace_polytope(swept.chunk({"inverse_temperature": 1, "seed": 2, "time": 2, "token": -1}))
    alone = subspace_polytope(swept.isel(seed=[2]))
    for name, values in eager.data_vars.items():
        spec = registry.variable(str(name))
        assert values.dims == spec.dimensions(("inverse_temperature",))
        assert values.dtype == np.dtype(spec.dtype)
        assert values.attrs["long_name"] == spec.long_name
        assert lazy[name].chunks is not None
        xr.testing.assert_equal(lazy[name].compute(), values)
        xr.testing.assert_equal(alone[name], values.isel(seed=[2]))


def test_absent_members_stay_absent(swept):
    holed = swept.copy(deep=True)
    holed["status"][1, 1] = registry.ABSENT
    holed["position"][1, 1] = np.nan
    found = subspace_polytope(holed)
    missing = found.isel(inverse_temperature=1, seed=1)
    assert (missing.corner_count == -1).all()
    assert (missing.subspace_dimension == -1).all()
    assert missing.boundary_distance.isnull().all()
    xr.testing.assert_equal(found.isel(seed=[0, 2]), subspace_polytope(swept).isel(seed=[0, 2]))


@pytest.mark.parametrize(
    "values",
    [
        [[1.0, 1.0], [0.0, 1.0]],
        [[0.0, -1.0], [1.0, 0.0]],
        [[1.0, 0.0], [0.0, -1.0]],
        [[-1.0, 0.0], [0.0, 0.5]],
        [[0.0, 0.0], [0.0, 0.0]],
    ],
    ids=["defective", "complex", "opposite", "negative", "zero"],
)
def test_what_is_not_paranormal_is_refused(values):
    with pytest.raises(InvalidInput, match="must be paranormal"):
        splitting(np.array(values))


def test_bad_arguments_are_named(swept):
    with pytest.raises(InvalidInput, match=r"subspace_polytope is about .* SelfAttention\(form='rescaled'"):
        subspace_polytope(lmdata.simulate(Softmax(), lmdata.tokens.uniform(3, 2), steps=1))
    with pytest.raises(InvalidInput, match="tolerance"):
        subspace_polytope(swept, tolerance=0)
