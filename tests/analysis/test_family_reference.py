"""Measures of the family against plain loops, exact fractions and quadrature, from starts of our own."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import lmdata
from lmdata.analysis.attention import attention, attention_statistics
from lmdata.analysis.cells import cell_of
from lmdata.analysis.energy import interaction_energies, monotonicity
from lmdata.analysis.equiangular import equiangular_alignment, equiangular_curve
from lmdata.analysis.planes import hyperplanes, leading_direction
from lmdata.analysis.subspace import subspace_polytope
from lmdata.dynamics.models import CircleDensityFlow, SelfAttention, SphereGradientFlow

from .. import plainly


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(plainly.DIGITS):
        yield


@pytest.mark.parametrize("matrix", [[1, 1, 1], [1, 3, 4], [-1, -1, -1], [1, 0.01, 1], [1, 1.25], [2, -1]])
@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_energies_are_sums_of_exponentials(matrix, beta):
    points = np.random.default_rng(0).normal(size=(8, len(matrix)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected = plainly.energy(plainly.exact(points), plainly.exact(np.diag(matrix)), mpf(beta))
    found = interaction_energies(points, alignment=np.diag(np.array(matrix, float)), inverse_temperature=beta)
    assert found == pytest.approx(float(expected), rel=2e-15)


def test_energies_of_one_cluster_and_of_opposite_pairs():
    """D = diag(-1, d): all tokens at e_2 have e^d / 2, opposite pairs at e_1 or e_2 cosh(1) / 2 or cosh(d) / 2."""
    east, north = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    for d in (0.5, 1.0, 3.0):
        states = np.stack([np.tile(north, (2, 1)), np.concatenate([east, -east]), np.concatenate([north, -north])])
        found = interaction_energies(states, alignment=np.diag([-1.0, d]))
        np.testing.assert_allclose(found, [np.exp(d) / 2, np.cosh(1) / 2, np.cosh(d) / 2], rtol=1e-15)


def test_an_energy_goes_against_its_direction_from_a_rounding_on():
    energies = np.array([[4.0, 3.0, 3.000003, 2.0, 2.0 + 1e-13], [4.0, 3.0, 2.0, 1.0, 0.5]])
    count, largest = monotonicity(energies, sign=-1.0)
    assert count.tolist() == [1, 0]
    np.testing.assert_allclose(largest, [3e-6, 0.0], rtol=1e-9)
    count, largest = monotonicity(energies, sign=1.0)
    assert count.tolist() == [2, 4]
    np.testing.assert_allclose(largest, [1.000003, 1.0], rtol=1e-9)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("corners", [5, 7])
def test_cells_are_decided_by_the_largest_inner_product(corners, unit):
    rng = np.random.default_rng(corners)
    vertices = rng.normal(size=(corners, 2)) * rng.uniform(0.5, 2, (corners, 1))
    grid = np.stack(np.meshgrid(np.linspace(-2, 2, 17), np.linspace(-2, 2, 17)), axis=-1).reshape(-1, 2)
    found = cell_of(grid, vertices, unit=unit)
    exact = [[Fraction(x) for x in row] for row in vertices.tolist()]
    # <x, v> / |v| by its sign and square, which are rational
    squares = [v[0] ** 2 + v[1] ** 2 if unit else Fraction(1) for v in exact]
    for point, cell in zip(grid.tolist(), found.tolist(), strict=True):
        x = [Fraction(c) for c in point]
        along = [x[0] * v[0] + x[1] * v[1] for v in exact]
        height = [a * abs(a) / s for a, s in zip(along, squares, strict=True)]
        best = max(height)
        assert height[cell] == best or float(best - height[cell]) < 1e-12


@pytest.mark.parametrize(("beta", "tokens"), [(0.5, 16), (1.0, 128), (4.0, 128), (9.0, 32)])
def test_the_equiangular_solution_takes_the_time_that_the_equation_asks_for(beta, tokens):
    """t = integral of dy / f(y) from the start, by quadrature in 30 digits."""

    def slowness(y):
        decay = mpmath.exp(-beta * (1 - y))
        return (1 + (tokens - 1) * decay) / (2 * (1 - y) * ((tokens - 1) * y + 1) * decay)

    times = np.array([0.5, 2.0, 6.0])
    reached = equiangular_alignment(times, beta, tokens=tokens)
    assert (np.diff(reached) > 0).all()
    for time, y in zip(times, reached, strict=True):
        taken = mpmath.quad(slowness, mpmath.linspace(0, mpf(y), 5))
        assert float(taken) == pytest.approx(time, rel=1e-9)


def test_the_equiangular_curve_is_the_largest_temperature_that_has_arrived():
    times, betas = np.array([1.0, 6.0, 9.0]), np.array([0.5, 1.0, 2.0, 9.0])
    expected = [
        max([b for b in betas if equiangular_alignment([t], b, tokens=32)[0] >= 0.999], default=0.0) for t in times
    ]
    assert equiangular_curve(times, betas, tokens=32).tolist() == expected
    assert 0.0 < expected[-1] < 9.0


@pytest.mark.long
def test_attention_in_one_dimension_becomes_boolean_of_rank_at_most_two():
    start = np.array([[-2.0], [-1.1], [0.3], [0.9], [1.7], [2.5]])
    ds = lmdata.simulate(SelfAttention(step_size=0.02), start, steps=600, record=[0, 600])
    found = attention_statistics(ds, tolerance=1e-3).isel(seed=0)
    assert found.attention_rank.values[0] > 2 >= found.attention_rank.values[1]
    assert found.distance_to_boolean.values[1] < 1e-3 < found.distance_to_boolean.values[0]


def test_tokens_settle_on_at_most_three_hyperplanes():
    start = np.random.default_rng(3).uniform(-3, 3, (12, 2))
    model = SelfAttention(values=[[0.6, 0.4], [0.4, 0.6]], step_size=0.05)
    count = hyperplanes(lmdata.simulate(model, start, steps=600, record=[0, 600])).plane_count.values[0]
    assert count[1] <= 3 < count[0]


def test_limits_under_a_paranormal_value_matrix_are_a_polygon_times_a_line():
    start = np.random.default_rng(4).uniform(-3, 3, (12, 3))
    model = SelfAttention(values=np.diag([1.0, 1.0, -0.5]), step_size=0.05)
    ds = lmdata.simulate(model, start, steps=400, record=[0, 400])
    found = subspace_polytope(ds).isel(seed=0)
    assert found.boundary_distance.values[0].max() > 0.1
    assert found.boundary_distance.values[1].max() < 1e-2
    assert found.corner_count.values[1] < ds.sizes["token"]


def test_attention_is_that_of_the_sensitivity_of_each_step():
    """Under a schedule every stored frame is measured with its own step's value, by the definition of neighbours."""
    model = lmdata.Localmax(alignment_sensitivity=lmdata.schedules.Explicit([0.0, 0.4, 1.5, 0.1, 9.0, 0.2]))
    ds = lmdata.simulate(model, lmdata.tokens.uniform(7, 2), steps=5, seeds=(0, 1), record=[0, 1, 2, 4, 5])
    found = attention(ds)
    statistics = attention_statistics(ds)
    for seed in range(2):
        for frame, delta in enumerate([0.0, 0.4, 1.5, 9.0, 0.2]):
            state = ds.position.values[seed, frame]
            score = state @ state.T
            near = score >= score.max(axis=1, keepdims=True) - delta
            np.testing.assert_allclose(found.values[seed, frame], near / near.sum(axis=1, keepdims=True), atol=1e-15)
            one = statistics.isel(seed=seed, time=frame)
            np.testing.assert_allclose(one.attended_keys, near.sum(axis=1), rtol=1e-12)
            weights = near / near.sum(axis=1, keepdims=True)
            assert one.distance_to_boolean.item() == np.minimum(weights, 1 - weights).max()
            np.testing.assert_allclose(one.column_sum, weights.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        (SelfAttention(step_size=0.05), lmdata.tokens.uniform(4, 2)),
        (SphereGradientFlow(step_size=0.05), lmdata.tokens.sphere(4, 3)),
        (CircleDensityFlow(step_size=0.05), np.full((8, 1), 1 / 8)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_flows_are_measured_in_their_own_dimensionless_time(model, tokens, tmp_path):
    """Time is a number of the flow, not a count of steps, in memory and stored, and so are the times of measures."""
    in_memory = lmdata.simulate(model, tokens, steps=4, record=2)
    stored = lmdata.simulate(model, tokens, steps=4, record=2, store=tmp_path / "run")
    for ds in (in_memory, stored):
        assert ds.time.attrs["units"] == "1"
        np.testing.assert_array_equal(ds.time.values, np.array([0, 2, 4]) * 0.05)
        assert ds.step.values.tolist() == [0, 2, 4]
    maps = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2)
    assert maps.time.attrs["units"] == "step"


def test_hyperplanes_are_levels_of_the_left_eigenvector():
    """V = [[2, 1], [0, 1]]: the left eigenvector of 2 is (1, 1) / sqrt(2), the right one (1, 0)."""
    np.testing.assert_allclose(leading_direction(np.array([[2.0, 1.0], [0.0, 1.0]])), [0.5**0.5, 0.5**0.5], rtol=1e-15)
    assert leading_direction(np.array([[-1.0, 0.0], [0.0, 0.5]])).tolist() == [0.0, 1.0]


def test_the_largest_cluster_need_not_be_that_of_the_first_token():
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.01], [0.0, 1.0]], steps=0)
    found = lmdata.cluster_counts(ds)
    assert found.cluster_count.item() == 3
    assert found.largest_share.item() == 0.5
