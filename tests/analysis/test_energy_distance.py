"""The energy distance: closed forms, its n^-1/2 to the density that tokens are drawn from, and what is paired."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.analysis.energy_distance import energy_distances
from lmdata.analysis.uniformity import mean_distance, uniformities
from lmdata.errors import InvalidInput


def distance(one, two):
    return energy_distances(
        np.array(one, float), np.array(two, float), np.full(len(two), True), cells=None, other_cells=None
    )


def test_two_points_on_a_line_are_the_root_of_twice_their_distance_apart():
    assert distance([[0.0]], [[3.0]]) == pytest.approx(np.sqrt(6), rel=1e-15)
    assert distance([[0.0], [1.0]], [[1.0], [0.0], [0.0], [1.0]]) == 0
    line = np.random.default_rng(0).random((2, 40, 1))
    grid = np.linspace(0, 1, 200_001)
    apart = [np.searchsorted(np.sort(points[:, 0]), grid, side="right") / 40 for points in line]
    square = 2 * ((apart[0] - apart[1]) ** 2).mean()  # twice the integral of the squared difference of the two
    assert distance(*line) ** 2 == pytest.approx(square, rel=1e-3)


def test_of_random_tokens_and_the_uniform_density_the_mean_square_falls_as_one_over_n():
    uniform = lmdata.simulate(
        lmdata.SphereDensityFlow(step_size=0.01), lmdata.tokens.density(128, surface="sphere"), steps=0
    )
    for n in (16, 64):
        tokens = lmdata.tokens.sphere(n, 3)
        ds = lmdata.simulate(lmdata.SphereGradientFlow(), tokens, steps=0, seeds=range(64))
        square = lmdata.energy_distance(ds, uniform.isel(seed=0)).values[:, 0] ** 2
        assert abs(square.mean() - mean_distance(3) / n) < 3 * square.std(ddof=1) / 8
        whole = uniformities(ds.position.values[:, 0], cells=None, degrees=1)[0]
        np.testing.assert_allclose(
            square, whole**2, rtol=0, atol=4e-3
        )  # the cells' own: a third of one over their number


def test_shared_times_and_seeds_are_paired_and_others_broadcast():
    model = lmdata.SphereGradientFlow()
    one = lmdata.simulate(model, lmdata.tokens.sphere(5, 3), steps=4, seeds=range(3))
    two = lmdata.simulate(model, lmdata.tokens.sphere(7, 3), steps=4, record=2, seeds=[2, 1])
    found = lmdata.energy_distance(one, two)
    assert (found.seed.values.tolist(), found.time.size) == ([1, 2], 3)
    for seed in (1, 2):
        states = [ds.position.sel(seed=seed).isel(time=-1).values for ds in (one, two)]
        assert found.sel(seed=seed).values[-1] == pytest.approx(distance(*states).item(), rel=1e-12)
    broadcast = lmdata.energy_distance(one, two.sel(seed=1))
    assert broadcast.dims == ("seed", "time")
    np.testing.assert_array_equal(broadcast.sel(seed=1), found.sel(seed=1))
    np.testing.assert_array_equal(lmdata.energy_distance(one, one), 0)


def test_what_is_not_allowed_is_named():
    one = lmdata.simulate(lmdata.SphereGradientFlow(), np.eye(3), steps=0)
    plane = lmdata.simulate(lmdata.SphereGradientFlow(), np.eye(2), steps=0)
    circle = lmdata.simulate(lmdata.CircleDensityFlow(), lmdata.tokens.density(6), steps=0)
    with pytest.raises(InvalidInput, match="3 and 2 components"):
        lmdata.energy_distance(one, plane)
    with pytest.raises(InvalidInput, match="3 and 2 components"):
        lmdata.energy_distance(one, circle)
    with pytest.raises(InvalidInput, match="all 6 tokens"):
        lmdata.energy_distance(plane, circle.isel(token=[1, 2]))
    later = lmdata.simulate(lmdata.SphereGradientFlow(), np.eye(3), steps=0, seeds=[5])
    with pytest.raises(InvalidInput, match="share no seed"):
        lmdata.energy_distance(one, later)
