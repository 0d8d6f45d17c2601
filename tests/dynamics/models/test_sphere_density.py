"""A density on the sphere keeps its mass, rests where it is uniform, and moves and grows as theory and particles do."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.special import sph_harm_y

from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.dynamics import tokens
from lmdata.dynamics.models import SphereDensityFlow
from lmdata.dynamics.models.sphere_density import _laplacian
from lmdata.errors import AccuracyWarning, InvalidInput
from lmdata.numerics.cells import sphere_cells

CELLS = 128
SCHEMES = [
    *(("wasserstein", scheme) for scheme in ("euler", "rk4", "adaptive")),
    *(("fisher-rao", scheme) for scheme in ("euler", "rk4", "exponentiated", "adaptive")),
]
MATRIX = [[1.0, 0.2, 0.0], [0.2, 0.5, 0.1], [0.0, 0.1, -0.4]]


def harmonic(degree, order, cells=CELLS):
    """Return a real spherical harmonic at the cells, by scipy."""
    points = sphere_cells(cells).points
    value = sph_harm_y(degree, abs(order), np.arccos(points[:, 2]), np.arctan2(points[:, 1], points[:, 0]))
    return value.real if order >= 0 else value.imag


def disturbed(amplitude, degree=2, order=-1):
    """Return masses near the uniform ones."""
    return (sphere_cells(CELLS).shares * (1 + amplitude * harmonic(degree, order)))[:, None]


def run(model, start, record):
    return SphereDensityFlow.advance([model], start[None], start=0, record=list(record), seeds=[0]).position[0, :, :, 0]


@pytest.mark.parametrize("direction", ["descent", "ascent"])
@pytest.mark.parametrize(("metric", "scheme"), SCHEMES)
def test_mass_is_kept_and_the_energy_goes_one_way(metric, scheme, direction):
    """Warnings of either are errors here."""
    steps = 5 if scheme == "adaptive" else 40
    model = SphereDensityFlow(
        metric=metric, scheme=scheme, direction=direction, alignment=MATRIX, step_size=0.005, estimate_error=False
    )
    path = run(model, disturbed(0.3), range(0, steps + 1, 5))
    assert np.abs(path.sum(axis=1) - 1).max() <= 1e-12
    assert path.min() > 0
    assert np.abs(path[-1] - path[0]).max() > 1e-6


def test_mass_is_kept_by_the_equation_itself():
    """Its total does not change before anything is divided by it."""
    model = SphereDensityFlow(alignment=MATRIX)
    rate = model.force(disturbed(0.3)[None], 0.0, {"inverse_temperature": np.array([3.0])})
    assert abs(rate.sum()) < 1e-14 * CELLS * np.abs(rate).max()


@pytest.mark.parametrize("metric", ["wasserstein", "fisher-rao"])
def test_the_uniform_density_rests(metric):
    for beta, cells in ((1.0, CELLS), (5.0, 2 * 14**2)):
        start = tokens.density(cells, surface="sphere").draw(0)
        model = SphereDensityFlow(metric=metric, inverse_temperature=beta, step_size=1e-3)
        assert np.abs(model.force(start[None], 0.0, {"inverse_temperature": np.array([beta])})).max() < 1e-12
    start = tokens.density(CELLS, surface="sphere").draw(0)
    moved = SphereDensityFlow(metric=metric, alignment=MATRIX, step_size=0.01)
    assert np.abs(run(moved, start, [10]) - start[:, 0]).max() > 1e-5


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_modes_grow_at_the_rates_of_funk_and_hecke(beta):
    """Every harmonic of the degrees 1 to 5, whatever its order, by scipy's harmonics."""
    cells = CELLS if beta <= 1 else 2 * 14**2
    rates, share = uniform_growth(beta, 5, components=3), sphere_cells(cells).shares
    for direction, sign in (("ascent", 1), ("descent", -1)):
        model = SphereDensityFlow(direction=direction, inverse_temperature=beta)
        for degree, rate in enumerate(rates, 1):
            for order in range(-degree, degree + 1):
                mode = share * harmonic(degree, order, cells)
                ahead, behind = (
                    model.force((share + step * mode)[None, :, None], 0.0, {"inverse_temperature": np.array([beta])})
                    for step in (0.01, -0.01)  # the equation is quadratic: this difference is its derivative
                )
                np.testing.assert_allclose(
                    (ahead - behind)[0, :, 0] / 0.02, sign * rate * mode, rtol=0, atol=1e-12 * rates.max()
                )


def test_harmonics_are_the_eigenvectors_of_the_laplacian():
    for degree, order in [(0, 0), (1, 1), (3, -2), (7, 4)]:
        mode = harmonic(degree, order)
        np.testing.assert_allclose(_laplacian(CELLS) @ mode, -degree * (degree + 1) * mode, rtol=0, atol=1e-11)


def test_mass_moves_as_the_particles_that_it_stands_for():
    """The mean of any linear or quadratic function changes as if each cell's mass went up the potential's gradient."""
    beta, matrix = 1.5, np.array(MATRIX)
    points = sphere_cells(CELLS).points
    mass = disturbed(0.4, 3, 2)[:, 0]
    model = SphereDensityFlow(direction="ascent", inverse_temperature=beta, alignment=MATRIX)
    rate = model.force(mass[None, :, None], 0.0, {"inverse_temperature": np.array([beta])})[0, :, 0]
    kernel = np.exp(beta * points @ matrix @ points.T)
    pull = kernel @ (mass[:, None] * (points @ matrix))
    speed = pull - (points * pull).sum(axis=1, keepdims=True) * points
    np.testing.assert_allclose(rate @ points, mass @ speed, rtol=0, atol=1e-10)
    square = np.einsum("ka,kb->kab", points, points)
    turned = np.einsum("ka,kb->kab", points, speed)
    np.testing.assert_allclose(
        np.einsum("k,kab->ab", rate, square),
        np.einsum("k,kab->ab", mass, turned + turned.transpose(0, 2, 1)),
        atol=1e-10,
    )


def test_turning_the_sphere_about_its_axis_turns_the_density():
    steps = 8  # of the sixteen longitudes
    model = SphereDensityFlow(step_size=0.05, estimate_error=False)
    start = disturbed(0.3)
    turn = np.arange(CELLS).reshape(8, 16)
    turn = np.roll(turn, steps, axis=1).ravel()
    end = run(model, start, [10])[0]
    np.testing.assert_allclose(run(model, start[turn], [10])[0], end[turn], rtol=0, atol=1e-14)


def test_what_is_not_allowed_is_named():
    with pytest.raises(InvalidInput, match=r"10 cells are not 2 N\^2"):
        SphereDensityFlow().check(np.full((10, 1), 0.1), 1)
    with pytest.raises(InvalidInput, match=r"on the sphere D is \(3, 3\)"):
        SphereDensityFlow(alignment=np.eye(2))
    with pytest.raises(InvalidInput, match="a density has one"):
        SphereDensityFlow().check(np.eye(8), 1)
    with pytest.raises(InvalidInput, match=r"the sum 2; .* lmdata.tokens.density\(n, surface='sphere'\)"):
        SphereDensityFlow().check(np.full((8, 1), 0.25), 1)


def test_a_step_that_is_too_long_and_a_density_that_is_too_narrow_are_warned_of():
    start = disturbed(0.1)
    limit = 2.785293563405282 / (np.e * (8 + 1 + 1))
    SphereDensityFlow(step_size=0.999 * limit).check(start, 1)
    with pytest.warns(AccuracyWarning, match="step_size is .* of sphere-density"):
        SphereDensityFlow(step_size=1.001 * limit).check(start, 1)
    model = SphereDensityFlow(direction="ascent", step_size=0.05, inverse_temperature=2.0, estimate_error=False)
    with pytest.warns(AccuracyWarning, match="masses are negative"):
        run(model, start, [0, 100])


@pytest.mark.parametrize(("beta", "cells", "enough"), [(1.0, 18, 32), (6.5, 128, 162), (15.0, 288, 338)])
def test_too_few_cells_for_the_kernel_are_warned_of_by_what_they_miss(beta, cells, enough):
    """The row sums of the kernel, its integrals, are off by less than that, and below 1e-6 where it is silent."""
    model = SphereDensityFlow(inverse_temperature=beta, step_size=1e-9)
    with pytest.warns(AccuracyWarning, match=f"{cells} cells do not resolve .* take {enough}$") as told:
        model.check(tokens.density(cells, surface="sphere").draw(0), 1)
    model.check(tokens.density(enough, surface="sphere").draw(0), 1)
    worst = [
        np.abs(model.kernel(n, beta) @ sphere_cells(n).shares / (np.sinh(beta) / beta) - 1).max()
        for n in (cells, enough)
    ]
    said = float(re.search(r"up to ([\d.e-]+);", str(told[0].message))[1])
    assert said / 20 < worst[0] < said  # the cells are not where it is largest
    assert worst[1] < 1e-6
