"""Leaders of softmax attention on the line: the columns of P with the ones are those of the two outermost tokens."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata

MODEL = lmdata.SelfAttention(values=[[1.0]], step_size=0.05, estimate_error=False)


@pytest.mark.parametrize("seed", range(3))
def test_each_token_follows_the_outermost_one_of_its_own_sign(seed):
    """Rescaled scores are e^2t z_i z_j: in the end the greatest z_j for positive z_i, the least one for negative."""
    start = np.random.default_rng(seed).uniform(-3, 3, 8)
    ds = lmdata.simulate(MODEL, start[:, None], steps=600, record=[0, 600])
    end = ds.position.values[0, -1, :, 0]
    expected = np.eye(8)[np.where(end > 0, end.argmax(), end.argmin())]
    np.testing.assert_allclose(lmdata.attention(ds).values[0, -1], expected, atol=1e-9)
    column = lmdata.attention_statistics(ds).column_sum.values[0, -1]
    assert set(np.flatnonzero(column > 1e-3)) == {start.argmax(), start.argmin()}


def test_limits_of_leaders_depend_on_their_followers():
    """The limit of the first token changes with the start of the second, which follows it."""
    start = np.array([2.0, 0.5, -1.0])
    lower = np.array([2.0, 0.3, -1.0])
    one, two = (
        float(lmdata.simulate(MODEL, x[:, None], steps=600, record=[0, 600]).position[0, -1, 0, 0])
        for x in (start, lower)
    )
    assert abs(one - two) > 1e-4
