"""Krause attention: its weights from the definition, its limits, and which other attention it is on the sphere."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.dynamics.models import KrauseTransformer, Softmax


def advance(model, state, record):
    return type(model).advance([model], state[None], start=0, record=list(record), seeds=[0]).position[0]


@pytest.mark.parametrize("nearest", [None, 1, 3, 50])
@pytest.mark.parametrize("window", [None, 0, 2, 50])
@pytest.mark.parametrize("causal", [False, True])
def test_weights_are_those_of_the_definition(nearest, window, causal):
    """In loops: who is in the window, who of these is near, and a Gaussian of the distance of query and key."""
    z, n = tokens.uniform(8, 2).draw(3), 8
    query, key = np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([[0.5, 0.0], [0.2, 1.5]])
    expected = np.zeros((n, n))
    for i in range(n):
        square = {
            j: float(((query @ z[i] - key @ z[j]) ** 2).sum())
            for j in range(n)
            if (window is None or abs(i - j) <= window) and not (causal and j > i)
        }
        for j in sorted(square, key=square.get)[:nearest]:
            expected[i, j] = np.exp(-square[j] / (2 * 0.4**2))
    expected /= expected.sum(axis=1, keepdims=True)
    model = KrauseTransformer(
        bandwidth=0.4, nearest=nearest, window=window, causal=causal, queries=query, keys=key, influence=3.0
    )
    np.testing.assert_allclose(model.attention(z[None])[0], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(advance(model, z, [1])[0], (z + 3 * expected @ z) / 4, rtol=0, atol=1e-15)


def test_on_the_sphere_all_tokens_are_softmax():
    """|x - y|^2 = 2 - 2 <x, y>: a bandwidth sigma is an inverse temperature 1 / sigma^2."""
    x = tokens.sphere(10, 3).draw(0)
    weights = KrauseTransformer(bandwidth=0.5).attention(x[None])
    np.testing.assert_allclose(weights, Softmax(inverse_temperature=4.0).attention(x[None]), rtol=1e-12)


def test_extreme_bandwidths_are_the_mean_and_oneself():
    z = tokens.uniform(10, 2).draw(1)
    wide, narrow = KrauseTransformer(bandwidth=1e9), KrauseTransformer(bandwidth=1e-200)
    np.testing.assert_allclose(advance(wide, z, [1])[0], (z + z.mean(axis=0)) / 2, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(advance(narrow, z, [5])[0], z)


def test_ties_with_the_last_of_the_nearest_count():
    line = np.array([[0.0], [1.0], [-1.0], [5.0]])
    weights = KrauseTransformer(nearest=2).attention(line[None])[0, 0]
    assert (weights > 0).tolist() == [True, True, True, False]


def test_translations_translate_the_run():
    """Distances alone count, where queries and keys are the tokens; softmax in space knows the origin."""
    z, shift = tokens.uniform(9, 2).draw(5), np.array([1.0, -2.0])
    model = KrauseTransformer(bandwidth=0.3, nearest=4)
    np.testing.assert_allclose(advance(model, z + shift, [20]), advance(model, z, [20]) + shift, rtol=0, atol=1e-13)
