"""Masses of cells: their sum, their moments, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.dynamics.tokens import source_from_specification
from lmdata.errors import InvalidInput
from lmdata.numerics.cells import circle_cells, sphere_cells, zonal_polynomials


@pytest.mark.parametrize(("surface", "n", "axis"), [("circle", 30, 0), ("sphere", 72, 2)])
def test_masses_have_the_moments_of_their_coefficients(surface, n, axis):
    given = [0.3, -0.2, 0.1]
    masses = tokens.density(n, given, surface=surface).draw(5)[:, 0]
    points = (circle_cells if surface == "circle" else sphere_cells)(n).points
    moments = zonal_polynomials(points[:, axis], 4, points.shape[1]) @ masses
    harmonics = [2, 2, 2] if surface == "circle" else [3, 5, 7]
    np.testing.assert_allclose(moments, [1, *np.divide(given, harmonics), 0], rtol=0, atol=1e-14)


def test_the_uniform_density_has_the_shares_of_the_cells():
    np.testing.assert_allclose(tokens.density(7).draw(0)[:, 0], 1 / 7, rtol=1e-15)
    uniform = tokens.density(18, surface="sphere").draw(0)[:, 0]
    np.testing.assert_allclose(uniform, sphere_cells(18).shares, rtol=1e-15)


def test_the_sum_is_one_also_where_cells_do_not_resolve_a_degree():
    assert tokens.density(4, [0, 0, 0, 0.5]).draw(0).sum() == pytest.approx(1, rel=1e-15)


def test_a_density_comes_back_from_its_specification():
    source = tokens.density(8, [0.5], surface="sphere")
    assert source_from_specification(source.specification()) == source
    assert source.shape == (8, 1)


def test_what_is_not_allowed_is_named():
    with pytest.raises(InvalidInput, match=r"coefficients is \[1\.5\]: the density would be -0\.5 times"):
        tokens.density(8, [1.5])
    with pytest.raises(InvalidInput, match="surface is 'torus'"):
        tokens.density(8, surface="torus")
    with pytest.raises(InvalidInput, match="9 cells"):
        tokens.density(9, surface="sphere")
    with pytest.raises(InvalidInput, match="coefficients has shape"):
        tokens.density(8, [[0.1]])
