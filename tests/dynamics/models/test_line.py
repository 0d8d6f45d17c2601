"""Bounded confidence on a line: sorted sums have the bits of all pairs, the clusters are those of the literature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.dynamics.models import BoundedConfidence
from lmdata.dynamics.models.line import line_pulls, window
from lmdata.dynamics.models.neighbourhoods import pulls
from lmdata.dynamics.models.weights import close_neighbours

HK = 1e16
"""Influence of which the gain is one: tokens step to the mean itself."""


@given(
    line=st.lists(
        st.one_of(st.integers(-6, 6).map(lambda k: k / 10), st.floats(-3, 3, allow_subnormal=False)),
        min_size=1,
        max_size=25,
    ),
    radius=st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.0, 10.0]), st.floats(0, 2)),
    shift=st.sampled_from([0.0, 1e6, -0.1]),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_sorted_sums_are_those_of_all_pairs_to_the_bit(line, radius, shift):
    state = (np.array(line) + shift)[None, :, None] + 0.0
    close = close_neighbours(state, state, radius)
    np.testing.assert_array_equal(line_pulls(state, np.array([radius])), pulls(state, lambda rows: close[:, rows]))
    order = np.argsort(state[0, :, 0], kind="stable")
    first, last = window(state[0, order, 0], radius)
    np.testing.assert_array_equal(last - first, close[0, order].sum(axis=-1))


def test_the_largest_influence_steps_to_the_mean():
    start = np.array([[[0.0], [1.0], [1.5], [3.0]]])
    model = BoundedConfidence(radius=1.0, influence=HK)
    end = BoundedConfidence.advance([model], start, start=0, record=[1], seeds=[0]).position[0, 0, :, 0]
    np.testing.assert_array_equal(end, [0.5, 2.5 / 3, 1.25, 3.0])


def clusters(length, n, steps=3000):
    """Clusters of n tokens equally spaced over a length in radii, at rest."""
    tokens = lmdata.tokens.spaced(n, -(n - 1) / 2, (n - 1) / 2).draw(0)
    model = BoundedConfidence(radius=(n - 1) / length, influence=HK)
    state = tokens[None]
    for at in range(0, steps, 50):
        before, state = (
            state,
            BoundedConfidence.advance([model], state, start=at, record=[at + 50], seeds=[0]).position[:, 0],
        )
        if (before == state).all():
            break
    line = np.sort(state[0, :, 0])
    np.testing.assert_array_equal(before, state)
    np.testing.assert_allclose(line, -line[::-1], rtol=0, atol=0)
    gaps = np.diff(line)
    assert ((gaps < 1e-6 * model.radius) | (gaps > model.radius)).all(), "clusters are points, and apart"
    return 1 + int((gaps > model.radius).sum())


@pytest.mark.parametrize(("length", "expected"), [(5.5, 3), (7.0, 3), (6.0, 1)])
def test_equally_spaced_opinions_come_to_consensus_again_at_a_length_of_six(length, expected):
    """2107.12906: consensus below 5.23 and again between 5.67 and 6.84 as n grows; n = 5,001."""
    assert clusters(length, 5_001) == expected


@pytest.mark.long
@pytest.mark.parametrize(
    ("length", "n", "expected"), [(5.0, 5_001, 1), (5.2, 5_001, 1), (6.0, 5_000, 1), (6.0, 8_001, 1)]
)
def test_consensus_that_comes_late(length, n, expected):
    assert clusters(length, n) == expected


def test_odd_and_even_numbers_differ_where_a_middle_opinion_decides():
    """Of 51 and 50, 101 and 100 opinions over 4.8 radii: the one in the middle holds all together."""
    assert [clusters(4.8, n) for n in (51, 50, 101, 100)] == [1, 2, 1, 2]
