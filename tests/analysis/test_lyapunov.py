"""The bounded-confidence energy: its definition, where it falls, and that localmax may raise it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.lyapunov import energies
from lmdata.errors import InvalidInput


def energy_of(tokens, radius, matrix):
    pairs = [tokens[i] - tokens[j] for i, j in combinations(range(len(tokens)), 2)]
    return sum(min(x @ matrix @ x, radius**2) for x in pairs)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 8), st.sampled_from([None, 0.7]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_energy_against_its_definition(seed, d, n, radius):
    random = np.random.default_rng(seed)
    root = random.normal(size=(d, d))
    matrix = root @ root.T + 0.2 * np.eye(d)
    ds = lmdata.simulate(lmdata.Localmax(0.3, alignment=matrix), random.normal(size=(n, d)), steps=4)
    found = lmdata.lyapunov(ds, radius=radius).isel(seed=0)
    reach = np.sqrt(0.6) if radius is None else radius
    expected = [energy_of(tokens, reach, matrix) for tokens in ds.position.values[0]]
    np.testing.assert_allclose(found.energy, expected, rtol=1e-9)
    rises = np.diff(expected)
    assert found.violations == (rises > 1e-12 * expected[0]).sum()
    assert found.largest_increase.item() == pytest.approx(max(0.0, *rises), abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_symmetric_bounded_confidence_never_raises_it(seed, d):
    """Where tokens within the radius hear each other, and move to the mean (arXiv 0807.2028), E falls."""
    state = np.random.default_rng(seed).uniform(size=(12, d))
    frames = [state]
    for _ in range(15):
        near = np.linalg.norm(state[:, None] - state, axis=-1) <= 0.3
        state = near @ state / near.sum(axis=1, keepdims=True)
        frames.append(state)
    _, rises, largest = energies(np.array(frames), np.array(0.0), radius=0.3)
    assert rises == 0
    assert largest <= 1e-12


def test_localmax_may_raise_it():
    """F8: at delta 0 three tokens that are near each other part for the far ones that they are aligned with."""
    ds = lmdata.simulate(lmdata.Localmax(), [[9.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 9.0], [0.1, 0.3]], steps=1)
    found = lmdata.lyapunov(ds, radius=1.0).isel(seed=0)
    assert found.violations == 1
    assert found.largest_increase.item() == pytest.approx(np.diff(found.energy.values).item())


def test_the_default_radius_follows_the_sensitivity_and_is_zero_for_hardmax():
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [-1.0]], steps=0, sweep={"alignment_sensitivity": [0.0, 0.5, 8.0]})
    assert lmdata.lyapunov(ds).energy.values.ravel().tolist() == [0.0, 1.0, 4.0]


def test_one_token_has_no_energy():
    found = lmdata.lyapunov(lmdata.simulate(lmdata.Localmax(0.5), [[1.0, 2.0]], steps=3)).isel(seed=0)
    assert found.energy.values.tolist() == [0.0] * 4
    assert found.violations == 0
    assert found.largest_increase == 0.0


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf")])
def test_a_radius_that_cannot_be_is_refused(radius):
    with pytest.raises(InvalidInput, match="radius is"):
        lmdata.lyapunov(lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0), radius=radius)


def test_a_rise_counts_from_a_rounding_on():
    """Two tokens that part by a millionth: the energy rises by 4e-6 of itself, which is no rounding; 1e-13 is one."""
    apart = np.array([0.5, 0.500001, 0.500001 * (1 + 4e-14), 0.4])
    position = np.stack([np.zeros(4), apart], axis=-1)[None, :, :, None]
    energy, rises, largest = energies(position, np.zeros(1), radius=1.0)
    assert rises.tolist() == [1]
    assert largest[0] == pytest.approx(energy[0, 1] - energy[0, 0], rel=1e-9)
