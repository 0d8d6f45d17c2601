"""The second variation against differences of the energy along geodesics, closed forms, and the modes of theory."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.analysis.energy import interaction_energies
from lmdata.analysis.second_variation import FLAT, MAXIMUM, MINIMUM, MOVING, SADDLE, curvatures, tangents
from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.errors import InvalidInput


def by_differences(points, beta, matrix, step=1e-4):
    """Return the eigenvalues of n times the Hessian of the energy, by second differences along great circles."""
    n, d = points.shape
    basis = tangents(points)
    size = n * (d - 1)

    def energies(shifts):
        velocity = np.einsum("iap,sip->sia", basis, shifts.reshape(-1, n, d - 1))
        length = np.linalg.norm(velocity, axis=-1, keepdims=True)
        moved = np.cos(length) * points + np.sinc(length / np.pi) * velocity
        return interaction_energies(moved, inverse_temperature=beta, alignment=matrix)

    unit = step * np.eye(size)
    ahead, behind = (energies((unit[:, None] + sign * unit).reshape(-1, size)).reshape(size, size) for sign in (1, -1))
    back = energies((-unit[:, None] - unit).reshape(-1, size)).reshape(size, size)
    hessian = (ahead + back - behind - behind.T) / (4 * step**2)
    return np.linalg.eigvalsh(n * (hessian + hessian.T) / 2)


@pytest.mark.parametrize(("n", "d"), [(5, 2), (4, 3), (3, 5)])
def test_curvatures_are_second_differences_of_the_energy(n, d):
    rng = np.random.default_rng(n)
    matrix = rng.normal(size=(d, d))
    matrix = (matrix + matrix.T) / 2
    points = lmdata.tokens.sphere(n, d).draw(1)
    found = curvatures(points, np.full(n, 1 / n), inverse_temperature=1.3, alignment=matrix)
    expected = by_differences(points, 1.3, matrix)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_modes_of_the_uniform_density_on_the_circle_are_fouriers(beta):
    """Twice k^2 I_k(beta) / beta for every k, and nothing for a turn."""
    cells = lmdata.CircleDensityFlow().cells(48).points
    found = curvatures(cells, np.full(48, 1 / 48), inverse_temperature=beta, alignment=None)
    expected = np.sort(np.repeat(uniform_growth(beta, 10), 2))
    np.testing.assert_allclose(found[-12:], expected[-12:], rtol=0, atol=1e-13 * expected[-1])
    assert found[0] > -1e-14 * expected[-1]


def test_modes_of_the_uniform_density_on_the_sphere_are_harmonics():
    """The rate of each degree 2 l + 1 times; what has no divergence costs nothing."""
    points, shares = lmdata.SphereDensityFlow().cells(128)
    found = curvatures(points, shares, inverse_temperature=1.0, alignment=None)
    rates = uniform_growth(1.0, 3, components=3)
    expected = np.sort(np.concatenate([np.full(2 * l + 1, rate) for l, rate in enumerate(rates, 1)]))  # noqa: E741
    np.testing.assert_allclose(found[-15:], expected, rtol=0, atol=1e-8)
    assert np.abs(found[:128]).max() < 1e-8


@pytest.mark.parametrize(
    ("own", "other"), [(1.0, 0.5), (1.0, 0.76), (1.0, 0.77), (1.0, -2.0), (1.19, 1.0), (1.21, 1.0)]
)
def test_two_opposite_clusters_are_a_maximum_up_to_the_hyperbolic_tangent(own, other):
    """Half of the tokens at each end of the first axis: a maximum iff the other eigenvalue is below d tanh(beta d)."""
    for beta in (1.0, 2.0):
        state = np.array([[1.0, 0.0]] * 3 + [[-1.0, 0.0]] * 3)
        matrix = np.diag([own, other])
        found = curvatures(state, np.full(6, 1 / 6), inverse_temperature=beta, alignment=matrix)
        sinh, cosh = np.sinh(beta * own), np.cosh(beta * own)
        expected = np.sort([-own * sinh] * 4 + [(other - own) * sinh, other * cosh - own * sinh])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())
        ds = lmdata.simulate(lmdata.SphereGradientFlow(), state, steps=0)
        kind = lmdata.second_variation(ds, inverse_temperature=beta, alignment=matrix).critical_kind.item()
        assert kind == (MAXIMUM if other < own * np.tanh(beta * own) else SADDLE)


def test_kinds_of_states():
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    model = lmdata.SphereGradientFlow()

    def kind(state, **ask):
        return lmdata.second_variation(lmdata.simulate(model, state, steps=0), **ask)

    assert kind(square).critical_kind == MINIMUM
    assert kind(square, alignment=-np.eye(2)).critical_kind == SADDLE
    assert kind(square[[0, 0, 0]]).critical_kind == MAXIMUM
    assert kind(square[[0, 0, 2]]).critical_kind == SADDLE
    assert kind(square[[0, 1, 2]]).critical_kind == MOVING
    flat = kind(square, alignment=np.zeros((2, 2)))
    assert flat.critical_kind == FLAT
    assert (flat.upward_directions, flat.downward_directions, flat.largest_curvature) == (0, 0, 0)
    with pytest.raises(InvalidInput, match="tolerance"):
        kind(square, tolerance=-1)
    origin = lmdata.simulate(lmdata.Localmax(), [[0.0, 0.0], [1.0, 0.0]], steps=0)
    assert lmdata.second_variation(origin).critical_kind.item() == 0


def test_the_minimal_density_is_a_minimum():
    """Descent of Fisher and Rao for D = diag(1, 1.3) ends at a density on which the potential is constant."""
    model = lmdata.CircleDensityFlow(
        alignment=[[1.0, 0.0], [0.0, 1.3]], metric="fisher-rao", scheme="exponentiated", step_size=0.5
    )
    ds = lmdata.simulate(model, lmdata.tokens.density(24), steps=3000, record=3000)
    found = lmdata.second_variation(ds, alignment=[[1.0, 0.0], [0.0, 1.3]], tolerance=1e-4)
    assert found.critical_kind.values[0].tolist() == [MOVING, MINIMUM]
    assert found.downward_directions.values[0, 1] == 0
