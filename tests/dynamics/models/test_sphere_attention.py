"""Attention on the sphere: inverse temperatures of either sign, and configurations that descent of the energy keeps."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

import lmdata
from lmdata.analysis.cone import margins
from lmdata.analysis.energy import interaction_energies
from lmdata.analysis.order_parameter import mean_lengths
from lmdata.dynamics.models import SphereAttention, SphereGradientFlow

GOLDEN = (1 + 5**0.5) / 2


def unit(points):
    points = np.array(points, float)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def six_hundred_cell():
    axes = np.vstack([np.eye(4), -np.eye(4)])
    corners = np.array(list(itertools.product([-0.5, 0.5], repeat=4)))
    even = [p for p in itertools.permutations(range(4)) if np.linalg.det(np.eye(4)[list(p)]) > 0]
    signs = np.array([(*s, 0) for s in itertools.product([-1, 1], repeat=3)])
    return np.vstack([axes, corners, *((signs * [GOLDEN, 1, 1 / GOLDEN, 0] / 2)[:, list(p)] for p in even)])


ICOSAHEDRON = [np.roll([0, a, b * GOLDEN], turn) for turn in range(3) for a, b in itertools.product([-1, 1], repeat=2)]
CONFIGURATIONS = {
    "square": (unit([[1, 0], [0, 1], [-1, 0], [0, -1]]), 0.635770),
    "tetrahedron": (unit([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]), 0.608484),
    "octahedron": (np.vstack([np.eye(3), -np.eye(3)]), 0.590513),
    "icosahedron": (unit(ICOSAHEDRON), 0.587622),
    "600-cell": (unit(six_hundred_cell()), 0.565159),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_regular_configurations_have_their_energies_and_are_at_rest(name):
    points, energy = CONFIGURATIONS[name]
    assert round(interaction_energies(points).item(), 6) == energy
    model = SphereGradientFlow(direction="descent", estimate_error=False)
    moved = model.move(points[None], 0, {"inverse_temperature": np.ones(1)})
    assert np.abs(moved[0] - points).max() < 1e-15 * len(points)


@pytest.mark.parametrize("name", ["square", "tetrahedron", "octahedron"])
def test_descent_comes_to_them(name):
    points, energy = CONFIGURATIONS[name]
    model = SphereGradientFlow(direction="descent", step_size=0.5, estimate_error=False)
    ds = lmdata.simulate(model, lmdata.tokens.sphere(*points.shape), steps=300, record=[0, 300], seeds=range(2))
    found = interaction_energies(ds.position.values[:, 1])
    assert (found > interaction_energies(points) - 1e-12).all()
    assert np.abs(found - energy).max() < 1e-6


def test_descent_brings_a_disturbed_600_cell_back():
    """120 tokens pushed by 0.03: the energy falls to the cell's, .565159, from 19 units of its last digit above."""
    points, energy = CONFIGURATIONS["600-cell"]
    start = unit(points + 0.03 * lmdata.tokens.normal(120, 4).draw(0))
    model = SphereGradientFlow(direction="descent", step_size=0.5, estimate_error=False)
    ds = lmdata.simulate(model, start, steps=200, record=[0, 200])
    before, after = interaction_energies(ds.position.values[0])
    assert before > energy + 1e-5
    assert interaction_energies(points) < after < energy + 1e-6


@pytest.mark.parametrize("beta", [-0.3, -2.0, -4.0])
@pytest.mark.parametrize("normalised", [True, False])
def test_a_negative_temperature_is_an_opposite_alignment(beta, normalised):
    """e^(-b <x, y>) = e^(b <x, -y>): to the bit, in states, weights and their stability."""
    opposite = (-np.eye(3)).tolist()
    first = SphereAttention(inverse_temperature=beta, normalised=normalised, step_size=0.01)
    second = SphereAttention(inverse_temperature=-beta, alignment=opposite, normalised=normalised, step_size=0.01)
    start = lmdata.tokens.sphere(6, 3)
    ends = [lmdata.simulate(model, start, steps=5) for model in (first, second)]
    np.testing.assert_array_equal(ends[0].position, ends[1].position)
    np.testing.assert_array_equal(*(model.attention(ends[0].position.values[0, -1:]) for model in (first, second)))
    assert first.fastest_rate(6) == second.fastest_rate(6)


def test_temperatures_of_both_signs_are_swept_together():
    model = SphereAttention(step_size=0.2, estimate_error=False)
    swept = lmdata.simulate(model, lmdata.tokens.sphere(5, 2), steps=9, sweep={"inverse_temperature": [-1, 0, 2]})
    for beta in (-1, 0, 2):
        alone = lmdata.simulate(model.with_parameter("inverse_temperature", beta), lmdata.tokens.sphere(5, 2), steps=9)
        np.testing.assert_array_equal(swept.position.sel(inverse_temperature=beta), alone.position)


@pytest.mark.parametrize(("beta", "returns"), [(-0.72, True), (-0.61, False)])
def test_three_tokens_at_equal_angles_are_stable_below_minus_two_thirds(beta, returns):
    """f' = -(cos a - beta sin^2 a) e^(beta cos a) at a = 2 pi / 3 changes its sign there."""
    angle = 2 * np.pi * np.arange(3) / 3 + [0.0, 1e-4, -2e-4]
    start = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    model = SphereAttention(inverse_temperature=beta, step_size=0.5, estimate_error=False)
    end = lmdata.simulate(model, start, steps=100, record=[0, 100]).position.values[0]
    before, after = mean_lengths(end)
    assert (after < before / 2) == returns
    assert (after > 2 * before) != returns


def test_random_starts_meet_at_slightly_negative_temperatures():
    model = SphereAttention(inverse_temperature=-0.16, step_size=0.5, estimate_error=False)
    ds = lmdata.simulate(model, lmdata.tokens.sphere(8, 2), steps=200, record=[200], seeds=range(30))
    assert mean_lengths(ds.position.values[:, 0]).min() > 1 - 1e-9


def test_half_spaces_hold_uniform_tokens_with_wendel_s_probability():
    """2^(1-n) sum over k < d of C(n - 1, k), .226563 for n = 8, d = 3; 2,000 starts, within three standard errors."""
    n, d, starts = 8, 3, 2000
    wendel = sum(comb(n - 1, k) for k in range(d)) / 2 ** (n - 1)
    assert wendel == 0.2265625
    share = (margins(lmdata.tokens.sphere(n, d).draw_batch(range(starts))) > 0).mean()
    assert abs(share - wendel) < 3 * np.sqrt(wendel * (1 - wendel) / starts)
