"""Functions of arrays that are the same on every machine: the exponential, and the normal law."""

from __future__ import annotations

import mpmath
import numpy as np

from lmdata.numerics.elementary import exp
from lmdata.numerics.special import exponential, normal_density, normal_distribution


def test_the_exponential_of_arrays_has_the_bits_of_the_scalar_one():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-750, 715, 3000), rng.normal(size=3000), [0.0, -0.0, np.inf, -np.inf, 709.78]])
    np.testing.assert_array_equal(exponential(x), [exp(one) for one in x.tolist()])
    assert np.isnan(exponential(np.array([np.nan]))).all()


def test_the_normal_law_is_that_of_fifty_digits():
    """Within 2e-15 relative, and in the lower tail within the rounding of x, x^2 times 2^-53, besides."""
    x = np.concatenate([np.linspace(-37, 37, 593) + 1e-3, [-0.66, 0.67, -5.65, 5.66, 1e-300, 0.0]])
    with mpmath.workdps(50):
        law = np.array([float(mpmath.ncdf(mpmath.mpf(one))) for one in x])
        density = np.array([float(mpmath.npdf(mpmath.mpf(one))) for one in x])
    bound = 2e-15 + 2.0**-52 * x * x
    assert (np.abs(normal_distribution(x) / law - 1) < bound).all()
    assert (np.abs(normal_density(x) / density - 1) < bound).all()
    assert normal_distribution(np.array([-50.0, 50.0, -np.inf, np.inf])).tolist() == [0.0, 1.0, 0.0, 1.0]
    assert np.isnan(normal_distribution(np.array([np.nan])))


def test_the_normal_law_is_symmetric_and_rises():
    x = np.sort(np.random.default_rng(0).normal(0.0, 3.0, 4000))
    np.testing.assert_allclose(normal_distribution(x) + normal_distribution(-x), 1.0, rtol=0, atol=3e-16)
    assert (np.diff(normal_distribution(x)) > -3e-16).all()
