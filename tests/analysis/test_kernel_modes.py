"""Modes of smoothed tokens: two Gaussians exactly, no mode lost on the line, places of the circle; their agreement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.kernel_modes import peaks
from lmdata.analysis.order_parameter import mean_lengths
from lmdata.errors import InvalidInput


@given(st.floats(0.5, 1000.0), st.floats(0.3, 3.0).filter(lambda ratio: abs(ratio - 1) > 0.03))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_two_equal_gaussians_have_two_modes_beyond_two_bandwidths(beta, ratio):
    apart = ratio * 2 / np.sqrt(beta)
    assert peaks(np.array([[0.0], [apart]]), inverse_temperature=beta) == (2 if ratio > 1 else 1)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_on_the_line_no_mode_is_lost_as_the_bandwidth_falls(seed):
    state = lmdata.tokens.normal(30, 1).draw(seed)
    found = [int(peaks(state, inverse_temperature=beta)) for beta in np.geomspace(0.1, 1e4, 12)]
    assert found[0] == 1
    assert found == sorted(found)
    assert found[-1] <= 30


def test_on_the_circle_tokens_far_apart_are_modes_each():
    angle = 2 * np.pi * np.arange(7) / 7
    state = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    assert peaks(state, inverse_temperature=200.0) == 7
    assert peaks(5.0 * state, inverse_temperature=1e5) == 7, "directions alone count, also where weights underflow"
    assert peaks(state[:1], inverse_temperature=1.0) == 1
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert [int(peaks(opposite, inverse_temperature=beta)) for beta in (0.5, 2.0)] == [2, 2]


def test_absent_states_and_what_is_not_allowed():
    states = np.stack([np.ones((3, 1)), np.full((3, 1), np.nan)])
    assert peaks(states, inverse_temperature=1.0).tolist() == [1, -1]
    with pytest.raises(InvalidInput, match="bandwidths"):
        peaks(np.array([[0.0], [1.0]]), inverse_temperature=1e13)
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 3), steps=0)
    with pytest.raises(InvalidInput, match="3 components"):
        lmdata.kernel_modes(ds)
    with pytest.raises(InvalidInput, match="inverse_temperature"):
        lmdata.kernel_modes(ds.isel(component=[0]), inverse_temperature=0)


def test_the_order_parameter_is_the_length_of_the_mean_direction():
    states = lmdata.tokens.sphere(50, 3).draw_batch(range(400))
    found = mean_lengths(states)
    np.testing.assert_allclose(found, np.linalg.norm(states.mean(axis=1), axis=-1), atol=1e-14)
    square = found**2
    assert abs(square.mean() - 1 / 50) < 3 * square.std(ddof=1) / np.sqrt(400)
    np.testing.assert_allclose(mean_lengths(7.0 * states), found, atol=1e-14)
    assert mean_lengths(np.tile([[3.0, 4.0]], (5, 1))) == pytest.approx(1.0, rel=1e-15)
    assert np.isnan(mean_lengths(np.full((2, 2), np.nan)))
