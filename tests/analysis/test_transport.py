"""How far localmax is from softmax: they meet at hardmax and at the mean, and nowhere between."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.analysis.transport import transport_distance

TOKENS = lmdata.tokens.uniform(16, 2)
SEEDS = range(20)


def after_forty_steps(delta, beta):
    one = lmdata.simulate(lmdata.Localmax(delta), TOKENS, steps=40, seeds=SEEDS, record=[0, 40])
    two = lmdata.simulate(lmdata.Softmax(inverse_temperature=beta), TOKENS, steps=40, seeds=SEEDS, record=[0, 40])
    return transport_distance(one, two).isel(time=-1).values


@pytest.mark.parametrize(("delta", "beta", "by_hand"), [(0.05, 50, 0.162), (0.2, 10, 0.384), (0.5, 2, 0.348)])
def test_the_nearest_temperature_is_as_far_as_it_was_found_by_hand(delta, beta, by_hand):
    found = after_forty_steps(delta, beta)
    error = found.std(ddof=1) / np.sqrt(found.size)
    assert found.mean() == pytest.approx(by_hand, abs=5e-4), "the same seeds"
    assert found.mean() > 3 * error, "it meets softmax at its ends alone"


def test_a_sensitivity_beyond_every_difference_is_softmax_at_infinite_temperature():
    """Tokens of the square [-1, 1)^2 have alignments within 2 of zero; both take the mean of all, up to rounding."""
    assert after_forty_steps(4.0, 0.0).max() < 1e-12


def test_hardmax_is_softmax_at_temperature_zero():
    """Where alignments differ by 1e-4 or more, the weights of others are below 15 e^-100."""
    tokens = np.random.default_rng(0).integers(-9, 10, size=(12, 2)) / 10
    start = np.unique(tokens + np.array([0.003, 0.0007]), axis=0)
    score = np.sort(start @ start.T, axis=1)
    assert (score[:, -1] - score[:, -2]).min() > 1e-4
    models = lmdata.Localmax(0.0), lmdata.Softmax(inverse_temperature=1e6)
    one, two = (lmdata.simulate(model, start, steps=1).position.values for model in models)
    np.testing.assert_allclose(two, one, atol=1e-12)
