"""What grows out of uniform tokens: against fifty digits, the flow itself, and the free energy of noisy attention."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import lmdata
from lmdata.analysis.uniform_modes import (
    critical_strength,
    predicted_clusters,
    tricritical_temperature,
    uniform_growth,
)
from lmdata.errors import InvalidInput


@pytest.mark.parametrize("d", [2, 3, 8, 50, 1000])
@pytest.mark.parametrize("beta", [1e-8, 0.1, 1.0, 30.0, 690.0, -4.0])
def test_growth_rates_are_those_of_bessel_functions_in_fifty_digits(beta, d):
    found = uniform_growth(beta, 8, components=d, strength=2.0)
    with mpmath.workdps(50):
        size, half = mpmath.mpf(abs(beta)), mpmath.mpf(d) / 2
        for k, rate in enumerate(found, 1):
            value = mpmath.gamma(half) * (2 / size) ** (half - 1) * mpmath.besseli(k + half - 1, size) / size
            sign = 1 if beta > 0 or k % 2 else -1
            # the gamma function and the power are each within the rounding of their arguments, hundreds at d = 1000
            assert abs(rate / float(2 * k * (k + d - 2) * value * sign) - 1) < 1e-11


def test_modes_of_the_circle_grow_at_these_rates_under_the_flow():
    """A uniform lattice pushed along sin(k a) moves by the rate times the push, USA and, over a_0, SA."""
    n, push, step = 60, 1e-6, 1e-3
    angle = 2 * np.pi * np.arange(n) / n
    for beta in (1.0, 5.0, -2.0):
        rates = uniform_growth(beta, 4)
        zeroth = float(mpmath.besseli(0, beta))
        for k in (1, 2, 3, 4):
            moved = angle + push * np.sin(k * angle)
            start = np.stack([np.cos(moved), np.sin(moved)], axis=-1)
            for normalised, scale in ((False, 1.0), (True, 1 / zeroth)):
                model = lmdata.SphereAttention(
                    inverse_temperature=beta, normalised=normalised, step_size=step, estimate_error=False
                )
                end = lmdata.simulate(model, start, steps=1).position.values[0, 1]
                turn = start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]
                found = 2 * (turn * np.sin(k * angle)).mean() / (push * step)
                grown = np.expm1(scale * rates[k - 1] * step) / step
                assert found == pytest.approx(grown, rel=1e-5, abs=1e-5)  # rounding of the push, 1e-16 / 1e-9


def test_predicted_numbers_of_clusters():
    assert [predicted_clusters(beta) for beta in (1, 2, 5, 10, 30, 100)] == [1, 2, 3, 4, 8, 14]
    assert predicted_clusters(1e6) == pytest.approx(np.sqrt(2e6), rel=1e-3)
    assert [predicted_clusters(beta) for beta in (0, -0.5, -4, -10)] == [1, 1, 3, 5], "below 0 odd modes alone"
    for beta in (0.3, 7.0, 50.0, -4.0):
        assert predicted_clusters(beta) == 1 + np.argmax(uniform_growth(beta, 60))


def test_the_critical_strength_is_the_published_formula():
    for d in (2, 3, 4):
        for beta in (0.5, 2.0, 10.0):
            half = mpmath.mpf(d) / 2
            formula = mpmath.mpf(beta) ** half / (2**half * mpmath.gamma(half) * mpmath.besseli(half, beta))
            strength = critical_strength(beta, d)
            assert strength == pytest.approx(float(formula), rel=1e-13)
            growth = uniform_growth(beta, 1, components=d, strength=strength, noise=1.0)
            assert abs(growth[0]) < 1e-12


def test_tricritical_temperatures():
    assert [round(tricritical_temperature(d), 6) for d in (2, 3, 4)] == [2.446918, 1.816155, 1.575257]
    for d in (2, 3, 4, 100, 1000):
        beta, half = tricritical_temperature(d), mpmath.mpf(d) / 2
        assert float(mpmath.besseli(half + 1, beta) / mpmath.besseli(half, beta) * d) == pytest.approx(1, rel=1e-12)


def order_of_stationary_states(beta, strength, order):
    """Return strength's excess at an order parameter, of the two-mode closure-free circle: the exact branch.

    On the circle a stationary density is exp(2 K/beta sum_k ...); its first two moments are iterated to rest.
    """
    angle = 2 * np.pi * np.arange(256) / 256
    modes = np.arange(1, 25)
    kernel = 2 * np.array([float(mpmath.besseli(int(k), beta)) for k in modes])
    waves = np.cos(np.outer(modes, angle))
    density = 1 + order * np.cos(angle)
    for _ in range(4000):
        field = (2 * strength / beta) * ((kernel * (waves * density).mean(axis=1)) @ waves)
        density = np.exp(field - field.max())
        density /= density.mean()
    return (density * np.cos(angle)).mean()


@pytest.mark.parametrize(("beta", "jumps"), [(2.0, False), (6.0, True)])
def test_below_the_critical_strength_order_lives_on_beyond_the_tricritical_temperature_alone(beta, jumps):
    """The self-consistent density of noisy attention on the circle, 2 % below K#: from order it decays, or stays."""
    assert (beta > tricritical_temperature(2)) == jumps
    critical = critical_strength(beta)
    kept = order_of_stationary_states(beta, 0.98 * critical, 0.9)
    grown = order_of_stationary_states(beta, 1.02 * critical, 1e-3)
    assert (kept > 0.3) == jumps
    assert (kept < 1e-6) != jumps
    assert grown > (0.5 if jumps else 0.1)


def fourth_order_energy(b, d, ratio):
    """The free energy of 1 + e x + b e^2 (x^2 - 1/d) at the critical strength over e^4, by quadrature, e = 0.05."""
    small = 0.05
    square = 2 * (d - 1) / (d**2 * (d + 2))  # mean square of x^2 - 1/d

    def entropy(a):
        x = np.cos(a)
        f = 1 + small * x + b * small**2 * (x**2 - 1 / d)
        return f * np.log(f) * np.sin(a) ** (d - 2)

    total = quad(entropy, 0, np.pi, epsabs=1e-13)[0] / quad(lambda a: np.sin(a) ** (d - 2), 0, np.pi)[0]
    return (total - (small**2 / d + ratio * b**2 * small**4 * square) / 2) / small**4


@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_fourth_order_coefficient_changes_its_sign_at_the_tricritical_temperature(d):
    for factor, sign in ((0.9, 1), (1.1, -1)):
        rates = uniform_growth(factor * tricritical_temperature(d), 2, components=d) / np.array([d - 1, 2 * d])
        least = minimize_scalar(fourth_order_energy, bracket=(0.0, 1.0), args=(d, rates[1] / rates[0]))
        assert np.sign(least.fun) == sign


def test_what_is_not_allowed_is_named():
    with pytest.raises(InvalidInput, match="components is 1"):
        uniform_growth(1.0, 3, components=1)
    with pytest.raises(InvalidInput, match="inverse_temperature"):
        critical_strength(-1.0)
    with pytest.raises(InvalidInput, match="noise"):
        uniform_growth(1.0, 3, noise=-1.0)
    with pytest.raises(InvalidInput, match="inverse_temperature is 800"):
        uniform_growth(800.0, 3)
