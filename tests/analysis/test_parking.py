"""Parking centres: against a walk in plain Python, geometry's means, and the places where clusters wait."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import lmdata
from lmdata.analysis.parking import parked
from lmdata.errors import InvalidInput


def walk(points, radius):
    """Both kinds of centres by their definition, one token after the other."""
    renyi, strong = [], []
    for i, point in enumerate(points):
        angle = [2 * math.asin(min(1.0, np.linalg.norm(point - other) / 2)) for other in points[:i]]
        strong.append(all(a > radius for a in angle))
        renyi.append(all(a > radius for a, centre in zip(angle, renyi, strict=True) if centre))
    return renyi, strong


@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), d=st.integers(1, 4), radius=st.floats(0.01, 3.1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_centres_are_those_of_a_walk_through_the_sequence(seed, n, d, radius):
    points = lmdata.tokens.sphere(n, d).draw(seed)
    renyi, strong = parked(3.0 * points, np.arange(n), radius=radius)  # directions alone count
    assert (renyi.tolist(), strong.tolist()) == walk(points, radius)
    assert renyi[0]
    assert strong[0]
    assert (renyi | ~strong).all(), "a strong centre is a Renyi centre"


def test_the_order_is_that_of_the_sequence_wherever_tokens_stand():
    points = lmdata.tokens.sphere(40, 2).draw(3)
    order = np.random.default_rng(0).permutation(40)
    whole, moved = parked(points, np.arange(40), radius=0.5), parked(points[order], order, radius=0.5)
    for before, after in zip(whole, moved, strict=True):
        np.testing.assert_array_equal(before[order], after)
    ds = lmdata.simulate(lmdata.Localmax(), points, steps=0)
    found = lmdata.parking_centres(ds.isel(token=order), 0.5).parking_centre
    np.testing.assert_array_equal(found[0, 0], whole[0][order])


def test_a_distance_equal_to_the_radius_is_near_and_the_origin_takes_no_room():
    line = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    renyi, strong = parked(line, np.arange(4), radius=math.pi)
    assert renyi.tolist() == strong.tolist() == [True, False, False, False]
    renyi, strong = parked(line, np.arange(4), radius=1.5)
    assert renyi.tolist() == strong.tolist() == [True, True, False, True]
    ds = lmdata.simulate(lmdata.Localmax(), line, steps=0)
    for radius in (0.0, 3.2, -1.0):
        with pytest.raises(InvalidInput, match="radius"):
            lmdata.parking_centres(ds, radius)


def mean_and_error(n, d, seeds, radius):
    found = parked(lmdata.tokens.sphere(n, d).draw_batch(range(seeds)), np.arange(n), radius=radius)
    return [(part.sum(axis=1).mean(), part.sum(axis=1).std(ddof=1) / np.sqrt(seeds)) for part in found]


def limit_of_strong(share, n):
    """Mean number of strong centres among n uniform tokens: each earlier one is away with probability 1 - share."""
    return (1 - (1 - share) ** n) / share


def test_of_uniform_sequences_the_numbers_of_centres_are_those_of_geometry():
    """pi / r on the circle, 1 / sin^2(r / 2) in space; Renyi's 9.15 +- .015 among 200; within three standard errors."""
    (renyi, error), (strong, strong_error) = mean_and_error(200, 2, 200, 0.5)
    assert abs(renyi - 9.15) < 3 * np.hypot(error, 0.015)
    assert abs(strong - limit_of_strong(0.5 / np.pi, 200)) < 3 * strong_error
    assert limit_of_strong(0.5 / np.pi, 200) == pytest.approx(6.283185, abs=1e-6)
    _, (strong, error) = mean_and_error(200, 3, 200, 0.5)
    share = np.sin(0.25) ** 2
    assert abs(strong - limit_of_strong(share, 200)) < 3 * error
    assert limit_of_strong(share, 10_000) == pytest.approx(1 / share)


def test_renyi_s_limit_on_the_circle():
    """A first car, then a street of 2 pi / r - 1 lengths: c L - (1 - c) cars, c Renyi's constant; 9.39 for r = 0.5."""

    def density(x):
        return np.exp(-2 * quad(lambda u: -np.expm1(-u) / u, 0, x)[0])

    constant = quad(density, 0, 1)[0] + quad(lambda s: density(1 / s) / s**2, 0, 1)[0]
    assert constant == pytest.approx(0.7475979202, abs=1e-9)
    assert round(1 + constant * (2 * np.pi / 0.5 - 1) - (1 - constant), 2) == 9.39


@pytest.mark.long
def test_renyi_centres_among_longer_sequences():
    """9.15 +- .015 among 200 tokens, 9.35 +- .04 among 1,000, within three standard errors of both."""
    for n, seeds, expected, known in ((200, 4_000, 9.15, 0.015), (1_000, 600, 9.35, 0.04)):
        (renyi, error), _ = mean_and_error(n, 2, seeds, 0.5)
        assert abs(renyi - expected) < 3 * np.hypot(error, known)


def test_strong_centres_hold_their_place_under_causal_attention():
    """Tokens farther than r pull by less than n e^(-beta (1 - cos r)); those between are drawn in."""
    model = lmdata.SphereAttention(causal=True, inverse_temperature=200.0, step_size=0.2, estimate_error=False)
    ds = lmdata.simulate(model, lmdata.tokens.sphere(60, 2), steps=50, record=[0, 50], seeds=range(4))
    strong = lmdata.parking_centres(ds, 0.5).strong_centre.isel(time=0)
    moved = np.sqrt(((ds.position.isel(time=1) - ds.position.isel(time=0)) ** 2).sum("component"))
    bound = 10 * 60 * np.exp(-200 * (1 - np.cos(0.5)))
    assert float(moved.where(strong).max()) < bound < 1e-6
    assert float(moved.where(~strong).max()) > 0.1
