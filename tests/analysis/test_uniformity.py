"""Distance to uniform and harmonic power: random tokens, polygons, densities, and the energy that they make up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import comb

import lmdata
from lmdata.analysis.energy import interaction_energies
from lmdata.analysis.order_parameter import mean_lengths
from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.analysis.uniformity import mean_distance, uniformities
from lmdata.errors import InvalidInput


@pytest.mark.parametrize("d", [2, 3, 4, 10])
def test_the_mean_distance_is_its_integral(d):
    weight = quad(lambda a: np.sin(a) ** (d - 2), 0, np.pi)[0]
    mean = quad(lambda a: 2 * np.sin(a / 2) * np.sin(a) ** (d - 2), 0, np.pi)[0] / weight
    assert mean_distance(d) == pytest.approx(mean, rel=1e-10)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_random_tokens_have_one_nth_of_power_in_every_degree(d):
    n, seeds = 20, 400
    distance, power = uniformities(lmdata.tokens.sphere(n, d).draw_batch(range(seeds)), cells=None, degrees=3)
    for found, expected in [(distance**2, mean_distance(d) / n), *((p, 1 / n) for p in power.T)]:
        assert abs(found.mean() - expected) < 3 * found.std(ddof=1) / np.sqrt(seeds)


@pytest.mark.parametrize("n", [3, 8, 30])
def test_polygons_are_uniform_up_to_their_number_of_corners(n):
    angle = 2 * np.pi * np.arange(n) / n + 0.3
    distance, power = uniformities(np.stack([np.cos(angle), np.sin(angle)], axis=-1), cells=None, degrees=n)
    np.testing.assert_allclose(power[:-1], 0, atol=1e-14)
    assert power[-1] == pytest.approx(1, rel=1e-12)
    assert distance**2 == pytest.approx(4 / np.pi - 2 / n / np.tan(np.pi / (2 * n)), rel=1e-9)


@pytest.mark.parametrize(("d", "beta"), [(2, 0.5), (2, 5.0), (3, 2.0), (6, 3.0)])
def test_the_energy_is_the_sum_of_the_powers(d, beta):
    """E = (1 / 2 beta) sum_k a_k N_k p_k: Funk and Hecke, with N_k harmonics of degree k."""
    state, degrees = lmdata.tokens.sphere(9, d).draw(2), 40
    _, power = uniformities(state, cells=None, degrees=degrees)
    k = np.arange(1, degrees + 1)
    number = comb(k + d - 1, k) - np.where(k >= 2, comb(k + d - 3, k - 2), 0)
    kernel = beta * uniform_growth(beta, degrees, components=d) / (k * (k + d - 2))
    uniform = quad(lambda a: np.exp(beta * np.cos(a)) * np.sin(a) ** (d - 2), 0, np.pi)[0]
    uniform /= quad(lambda a: np.sin(a) ** (d - 2), 0, np.pi)[0]
    total = (uniform + (kernel * number * power).sum()) / (2 * beta)
    assert interaction_energies(state, inverse_temperature=beta).item() == pytest.approx(total, rel=1e-10)


def test_the_first_power_is_the_square_of_the_order_parameter_and_turns_change_nothing():
    state = lmdata.tokens.sphere(7, 3).draw(0)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    distance, power = uniformities(np.stack([state, state @ turn, 5.0 * state]), cells=None, degrees=4)
    np.testing.assert_allclose(distance, distance[0], rtol=1e-12)
    np.testing.assert_allclose(power, power[[0, 0, 0]], rtol=1e-10, atol=1e-14)
    assert power[0, 0] == pytest.approx(mean_lengths(state) ** 2, rel=1e-12)
    cluster = uniformities(np.tile(state[:1], (5, 1)), cells=None, degrees=4)
    assert cluster[0] == pytest.approx(np.sqrt(mean_distance(3)), rel=1e-12)
    np.testing.assert_allclose(cluster[1], 1, rtol=1e-12)


def test_densities_have_the_powers_of_their_coefficients():
    for surface, numbers in (("circle", [2, 2, 2]), ("sphere", [3, 5, 7])):
        kind = lmdata.CircleDensityFlow if surface == "circle" else lmdata.SphereDensityFlow
        ds = lmdata.simulate(
            kind(step_size=1e-3), lmdata.tokens.density(128, [0.3, 0.0, -0.2], surface=surface), steps=0
        )
        found = lmdata.uniformity(ds, degrees=4)
        expected = [*(np.array([0.3, 0.0, -0.2]) / numbers) ** 2, 0]
        np.testing.assert_allclose(found.harmonic_power.values[0, 0], expected, rtol=0, atol=1e-15)
        assert found.degree.values.tolist() == [1, 2, 3, 4]
        assert 0 < found.distance_to_uniform.item() < 0.4


def test_absent_states_the_origin_and_what_is_not_allowed():
    states = np.stack([np.eye(2), np.full((2, 2), np.nan), [[0.0, 0.0], [1.0, 0.0]]])
    distance, power = uniformities(states, cells=None, degrees=2)
    assert np.isnan(distance).tolist() == [False, True, True]
    assert np.isnan(power).all(axis=1).tolist() == [False, True, True]
    ds = lmdata.simulate(lmdata.Localmax(), np.eye(2), steps=0)
    with pytest.raises(InvalidInput, match="degrees"):
        lmdata.uniformity(ds, degrees=0)
    with pytest.raises(InvalidInput, match="1 component"):
        lmdata.uniformity(ds.isel(component=[0]))
