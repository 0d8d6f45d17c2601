"""Cells of the circle and the sphere integrate what they say, and zonal polynomials are Gegenbauer's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import eval_gegenbauer, sph_harm_y

from lmdata.errors import InvalidInput
from lmdata.numerics.cells import circle_cells, latitudes_of, sphere_cells, zonal_polynomials


def test_sums_over_cells_of_the_circle_are_integrals():
    points, shares = circle_cells(12)
    wave = points[:, 0] + 1j * points[:, 1]
    for k in range(1, 12):
        assert abs(shares @ wave**k) < 1e-15
    assert abs(shares @ wave**12) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("latitudes", [2, 3, 8])
def test_sums_over_cells_of_the_sphere_are_integrals_of_harmonics(latitudes):
    points, shares = sphere_cells(2 * latitudes**2)
    assert shares.sum() == pytest.approx(1, rel=1e-15)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=0, atol=1e-15)
    polar, azimuth = np.arccos(points[:, 2]), np.arctan2(points[:, 1], points[:, 0])
    for degree in range(1, 2 * latitudes):
        for order in range(-degree, degree + 1):
            assert abs(shares @ sph_harm_y(degree, order, polar, azimuth)) < 1e-14


@pytest.mark.parametrize("n", [1, 2, 7, 9, 20, 33])
def test_other_numbers_of_cells_are_refused(n):
    with pytest.raises(InvalidInput, match=rf"^{n} cells are not 2 N\^2"):
        latitudes_of(n)


@pytest.mark.parametrize("components", [3, 4, 9])
def test_zonal_polynomials_are_those_of_gegenbauer(components):
    cosine = np.linspace(-1, 1, 41)
    found = zonal_polynomials(cosine, 12, components)
    half = components / 2 - 1
    for k, values in enumerate(found):
        expected = eval_gegenbauer(k, half, cosine) / eval_gegenbauer(k, half, 1.0)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_zonal_polynomials_of_the_circle_are_cosines():
    angle = np.linspace(0, np.pi, 41)
    np.testing.assert_allclose(
        zonal_polynomials(np.cos(angle), 12, 2), np.cos(np.arange(13)[:, None] * angle), rtol=0, atol=1e-13
    )
