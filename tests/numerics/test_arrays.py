"""The family's own linear algebra, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from lmdata.numerics.arrays import apply, exponential_of, inner, oriented


@pytest.mark.parametrize("d", [1, 2, 3, 7])
@pytest.mark.parametrize("time", [0.0, 1e-9, 0.3, 5.0, -5.0, 40.0])
def test_matrix_exponentials_agree_with_scipy(d, time):
    matrix = np.random.default_rng(d).normal(size=(d, d))
    mantissa, exponent = exponential_of(tuple(map(tuple, matrix.tolist())), time)
    expected = expm(time * matrix)
    np.testing.assert_allclose(np.ldexp(mantissa, exponent), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_exponentials_beyond_float64_keep_their_exponent():
    mantissa, exponent = exponential_of(((1.0, 0.0), (0.0, -1.0)), 10_000.0)
    assert exponent == int(np.floor(10_000 / np.log(2))) + 1
    assert np.log(mantissa[0, 0]) + exponent * np.log(2) == pytest.approx(10_000, rel=1e-12)
    assert mantissa[1, 1] == 0


def test_ordered_products_agree_with_blas():
    random = np.random.default_rng(0)
    tokens, one, many = random.normal(size=(4, 5, 3)), random.normal(size=(2, 3)), random.normal(size=(4, 2, 3))
    np.testing.assert_allclose(apply(one, tokens), tokens @ one.T, rtol=0, atol=1e-14)
    np.testing.assert_allclose(apply(many, tokens), np.einsum("mek,mnk->mne", many, tokens), rtol=0, atol=1e-14)
    np.testing.assert_allclose(inner(tokens, tokens), (tokens**2).sum(axis=-1), rtol=1e-14)


def test_orientation_is_that_of_the_axis_and_not_of_its_sign_or_rounding():
    random = np.random.default_rng(5)
    for d in (1, 2, 5):
        axes = random.integers(-1, 2, (d, 3)) * (1 + random.uniform(-1, 1, (d, 3)) * 1e-15)
        axes[0] = np.where((axes == 0).all(axis=0), 1.0, axes[0])
        found = oriented(axes)
        np.testing.assert_array_equal(oriented(-axes), found)
        np.testing.assert_array_equal(np.abs(found), np.abs(axes))
        first = (found != 0).argmax(axis=0)
        assert (found[first, np.arange(3)] > 0).all()
