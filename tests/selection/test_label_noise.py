"""The source of wrong labels: where the signal stands, whose labels are wrong, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.errors import InvalidInput
from lmdata.selection import label_noise


def test_the_signal_of_the_class_is_in_three_tokens():
    """The noise of a seed is the same whatever the signal: their difference is the signal alone."""
    strong, none = (label_noise(30, 5, 4, signal=s, weak=0.25, flipped=0.0).draw(3) for s in (8.0, 2.0**-60))
    signal = strong.tokens - none.tokens
    own = np.where(strong.labels > 0, 0, 1)
    expected = np.zeros((30, 5, 4))
    rows = np.arange(30)
    expected[rows, 0, own], expected[rows, 1, own], expected[rows, 2, 1 - own] = 8.0, 2.0, 2.0
    np.testing.assert_allclose(signal, expected, rtol=0, atol=1e-14)
    assert 5 < (strong.labels > 0).sum() < 25
    np.testing.assert_allclose(strong.value, [1 / (8 * np.sqrt(2)), -1 / (8 * np.sqrt(2)), 0, 0], rtol=1e-15)
    assert abs(none.tokens.std() - 1) < 3 / np.sqrt(2 * 600), "three standard errors"


@pytest.mark.parametrize(
    ("samples", "share", "wrong"), [(10, 0.2, 2), (10, 0.21, 3), (30, 0.1, 3), (4, 0, 0), (4, 1, 4)]
)
def test_a_share_of_the_labels_rounded_up_is_wrong(samples, share, wrong):
    right, flipped = (label_noise(samples, 3, 2, flipped=f).draw(5) for f in (0.0, share))
    assert (right.labels != flipped.labels).sum() == wrong
    np.testing.assert_array_equal(right.tokens, flipped.tokens)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"flipped": 1.1}, r"flipped is 1\.1; it is a share"),
        ({"flipped": -0.1}, "flipped is -0.1; it must be at least 0"),
        ({"signal": 0}, r"signal is 0\.0; it must be above 0"),
        ({"tokens": 2}, "tokens is 2"),
        ({"features": 1}, "features is 1"),
    ],
)
def test_what_has_no_sense_is_refused(parameters, message):
    with pytest.raises(InvalidInput, match=message):
        label_noise(**parameters)
