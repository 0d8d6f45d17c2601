"""Tokens at equal distances: where they begin and end, to the bit where that can be."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.errors import InvalidInput


@pytest.mark.parametrize(
    ("n", "low", "high"), [(2, 0.0, 1.0), (5001, -2500.0, 2500.0), (100, -0.3, 0.3), (7, 1e-9, 5.0)]
)
def test_spaced_tokens_begin_and_end_there_and_are_equally_far_apart(n, low, high):
    line = tokens.spaced(n, low, high).draw(0)[:, 0]
    assert (line[0], line[-1]) == (low, high)
    np.testing.assert_allclose(np.diff(line), (high - low) / (n - 1), rtol=1e-12, atol=1e-12)
    if low == -high:
        np.testing.assert_array_equal(line, -line[::-1])
    if float(high).is_integer() and float(low).is_integer() and n == high - low + 1:
        np.testing.assert_array_equal(line, np.arange(low, high + 1))


def test_what_there_is_not_is_refused():
    for make in (
        lambda: tokens.spaced(1),
        lambda: tokens.spaced(3, 1.0, 1.0),
        lambda: tokens.spaced(3, 0.0, 1e308),
    ):
        with pytest.raises(InvalidInput):
            make()
