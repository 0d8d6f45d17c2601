"""One layer on a long context: the formula against the layer itself, its digits, and its three limits."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.errors import InvalidInput


@pytest.mark.parametrize(("n", "published"), [(10, 0.82766), (100, 0.802797), (10_000, 0.800028)])
def test_the_digits_of_the_critical_exponent(n, published):
    """2510.05554: rho = 1/2 and gamma = 2 tend to 4 rho / (1 + 3 rho) = 0.8."""
    found = lmdata.layer_alignment(n, start=0.5, exponent=2.0)
    assert round(found, 5 if n == 10 else 6) == published


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize(("n", "rho"), [(10, 0.5), (100, 0.5), (7, -0.1), (5, 0.0)])
def test_it_is_the_cosine_of_a_layer_of_attention(n, rho, gamma):
    model = lmdata.PureAttention(inverse_temperature=gamma * np.log(n))
    after = lmdata.simulate(model, lmdata.tokens.equiangular(n, rho), steps=1).position[0, 1].values
    after /= np.linalg.norm(after, axis=1, keepdims=True)
    cosine = (after @ after.T)[~np.eye(n, dtype=bool)]
    np.testing.assert_allclose(cosine, lmdata.layer_alignment(n, start=rho, exponent=gamma), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_three_limits_below_at_and_above_the_critical_exponent(rho):
    critical = 1 / (1 - rho)
    below, at, above = (
        lmdata.layer_alignment(10**300, start=rho, exponent=critical * factor) for factor in (0.9, 1.0, 1.1)
    )
    assert below == pytest.approx(1.0, abs=1e-12)
    assert at == pytest.approx(4 * rho / (1 + 3 * rho), abs=1e-12)
    assert above == pytest.approx(rho, abs=1e-12)


def test_orthogonal_tokens_gather_only_below_one_half():
    below, above = (lmdata.layer_alignment(10**300, start=0.0, exponent=gamma) for gamma in (0.45, 0.55))
    assert below == pytest.approx(1.0, abs=1e-12)
    assert above == pytest.approx(0.0, abs=1e-12)


def test_a_simplex_with_equal_weights_comes_to_the_origin_and_what_is_none_is_refused():
    assert np.isnan(lmdata.layer_alignment(2, start=-1.0, exponent=0.0))
    assert lmdata.layer_alignment(5, start=1.0, exponent=2.0) == 1.0
    for arguments in (
        {"start": 1.5, "exponent": 1.0},
        {"start": -0.5, "exponent": 1.0},
        {"start": 0.0, "exponent": -1.0},
    ):
        with pytest.raises(InvalidInput, match=r"start|exponent"):
            lmdata.layer_alignment(10, **arguments)
