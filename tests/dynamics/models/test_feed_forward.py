"""Feed-forward blocks and several heads: one energy climbs, and what it takes for that; hulls that a block breaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.special import ndtr

from lmdata.dynamics import Localmax, tokens
from lmdata.dynamics.models import FeedForwardAttention, FeedForwardLocalmax, MultiHeadAttention, SphereAttention
from lmdata.errors import InvalidInput
from lmdata.numerics.activations import ACTIVATIONS, STEEPEST, activate, potential

NEURONS = np.array([[1.0, 0.5, 0.0], [-0.3, 0.0, 1.2], [0.0, -1.0, 0.4], [0.7, 0.7, 0.7]])
GAINS, BIASES = np.array([0.8, -1.5, 1.0, -0.4]), np.array([0.1, -0.2, 0.0, 0.3])
SYMMETRIC = np.array([[1.0, 0.3, 0.0], [0.3, -0.5, 0.2], [0.0, 0.2, 0.4]])
HEADS = [np.diag([1.0, 0.0, 0.0]), np.array([[0.0, 0.1, 0.0], [0.1, 1.5, 0.2], [0.0, 0.2, 0.0]])]


def advance(model, state, record):
    return type(model).advance([model], state[None], start=0, record=list(record), seeds=[0]).position[0]


def velocity(model, x):
    """Return x' (n, d) of a flow at tokens on its surface."""
    own = {name: np.array([getattr(model, name)]) for name in model.sweepable}
    return model.surface.tangent(x[None], model.force(x[None], 0.0, own))[0]


def energy_of(model, x):
    """Return the energy from its definition, by plain sums."""
    n, beta = len(x), model.inverse_temperature
    if isinstance(model, MultiHeadAttention):
        return sum(np.exp(beta * x @ np.array(head) @ x.T).sum() for head in model.heads) / (2 * beta * n**2)
    attention = np.exp(beta * x @ np.array(model.alignment) @ x.T).sum() / (2 * beta * n**2)
    stored = potential(x @ np.array(model.neurons).T + model.biases, model.activation) @ np.array(model.gains)
    return attention + model.strength / n * stored.sum()


def block(activation="tanh", **others):
    return FeedForwardAttention(
        inverse_temperature=1.5, alignment=SYMMETRIC, neurons=NEURONS, gains=GAINS, biases=BIASES,
        activation=activation, strength=1.3, step_size=0.02, **others,
    )  # fmt: skip


CLIMBING = [*(block(name) for name in ACTIVATIONS), MultiHeadAttention(heads=HEADS, step_size=0.02)]


def slope(model, x, step=1e-5):
    """Return dE/dt along the flow, by central differences along great circles."""
    speed = velocity(model, x)
    angle = np.linalg.norm(speed, axis=1, keepdims=True)
    ahead, behind = (np.cos(s * angle) * x + np.sin(s * angle) / angle * speed for s in (step, -step))
    return (energy_of(model, ahead) - energy_of(model, behind)) / (2 * step)


@pytest.mark.parametrize("model", CLIMBING, ids=lambda m: getattr(m, "activation", m.kind))
def test_the_energy_rises_by_the_mean_square_of_the_speeds(model):
    """dE/dt = (1/n) sum |x_i'|^2, at any state, for every activation and for several symmetric heads."""
    for seed in range(3):
        x = tokens.sphere(6, 3).draw(seed)
        expected = (velocity(model, x) ** 2).sum() / 6
        assert slope(model, x) == pytest.approx(expected, rel=1e-6)


def test_the_identity_needs_a_gradient():
    """It fails with normalised weights, and with a head that is not symmetric, whose energy can fall."""
    ratios = []
    for seed in range(20):
        x, model = tokens.sphere(6, 3).draw(seed), replace(block(), normalised=True)
        ratios.append(slope(model, x) / ((velocity(model, x) ** 2).sum() / 6))
    assert np.abs(np.array(ratios) - 1).min() > 0.003
    asymmetric = MultiHeadAttention(heads=[[[-0.5, 0.0, -0.3], [-1.1, 0.8, 1.1], [0.5, -3.5, 1.5]]])
    assert slope(asymmetric, tokens.sphere(4, 3).draw(2)) < -9


@pytest.mark.parametrize("model", CLIMBING, ids=lambda m: getattr(m, "activation", m.kind))
def test_the_energy_never_falls_along_a_run(model):
    frames = advance(model, tokens.sphere(8, 3).draw(1), range(0, 301, 10))
    energies = [energy_of(model, x) for x in frames]
    assert np.diff(energies).min() > -1e-13 * abs(energies[0])
    own = {name: np.full(len(frames), getattr(model, name)) for name in model.sweepable}
    scale = 2 * 8 * model.inverse_temperature if isinstance(model, MultiHeadAttention) else model.inverse_temperature
    np.testing.assert_allclose(model.falling(frames, own), -scale * np.array(energies), rtol=1e-13)


def test_a_single_head_may_lose_what_the_sum_gains():
    model = MultiHeadAttention(heads=HEADS, step_size=0.02)
    frames = advance(model, tokens.sphere(8, 3).draw(1), range(0, 301, 10))
    alone = [[energy_of(replace(model, heads=[head]), x) for x in frames] for head in HEADS]
    assert alone[0][-1] < alone[0][0] - 0.03 < alone[1][-1]


def test_one_head_and_no_block_are_attention_on_the_sphere():
    start = tokens.sphere(6, 3).draw(2)
    usa = SphereAttention(inverse_temperature=1.5, normalised=False, alignment=SYMMETRIC, values=SYMMETRIC)
    expected = advance(usa, start, range(10))
    for model in (replace(block(), strength=0.0, step_size=0.1),
                  MultiHeadAttention(heads=[SYMMETRIC], inverse_temperature=1.5)):  # fmt: skip
        np.testing.assert_array_equal(advance(model, start, range(10)), expected)


# --- localmax with a block ---


def test_without_its_block_it_is_localmax_to_the_bit():
    start = np.round(4 * tokens.uniform(9, 2).draw(0)) / 4  # ties abound
    model = FeedForwardLocalmax(alignment_sensitivity=0.25, influence=0.5, strength=0.0)
    np.testing.assert_array_equal(advance(model, start, range(15)), advance(Localmax(0.25, 0.5), start, range(15)))


def test_a_step_is_that_of_localmax_and_then_the_block():
    start = tokens.uniform(7, 3).draw(1)
    outputs = np.arange(12.0).reshape(3, 4) / 10 - 0.5
    model = FeedForwardLocalmax(
        alignment_sensitivity=0.1, strength=0.3, neurons=NEURONS, outputs=outputs, biases=BIASES, activation="tanh"
    )
    half = advance(Localmax(0.1), start, [1])[0]
    expected = half + 0.3 * np.tanh(half @ NEURONS.T + BIASES) @ outputs.T
    np.testing.assert_allclose(advance(model, start, [1])[0], expected, rtol=0, atol=1e-15)


def areas(frames):
    return np.array([ConvexHull(frame).volume for frame in frames])


def test_a_block_breaks_the_nesting_of_hulls():
    """Attention alone never enlarges the hull (fact F1); with a block, it grows, and tokens leave the hull before."""
    start = tokens.uniform(16, 2).draw(3)
    plain, blocked = (
        advance(FeedForwardLocalmax(alignment_sensitivity=0.1, strength=strength), start, range(5))
        for strength in (0.0, 0.3)
    )
    assert np.diff(areas(plain)).max() <= 1e-12
    assert np.diff(areas(blocked)).max() > 0.05
    hull = ConvexHull(blocked[0])
    outside = hull.equations[:, :2] @ blocked[1].T + hull.equations[:, 2:]
    assert outside.max() > 0.05


# --- activations ---


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_potentials_are_the_integrals_of_activations(name):
    x, h = np.linspace(-30, 30, 601) + 0.01, 1e-5
    known = {"relu": np.maximum(x, 0), "tanh": np.tanh(x), "sigmoid": 1 / (1 + np.exp(-x)),
             "gelu": x * ndtr(x)}[name]  # fmt: skip
    np.testing.assert_allclose(activate(x, name), known, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose((potential(x + h, name) - potential(x - h, name)) / (2 * h), known, rtol=0, atol=1e-8)
    slopes = np.abs(np.diff(known)) / np.diff(x)
    assert 0.99 * STEEPEST[name] < slopes.max() <= STEEPEST[name] * (1 + 1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeedForwardAttention(gains=[1.0]).check(np.eye(2), 1), "gains has 1 number and there are 2 neurons"),
        (lambda: FeedForwardAttention(biases=[[1.0]]), r"biases has shape \(1, 1\); it must be a sequence"),
        (lambda: FeedForwardAttention(alignment=[[0, 1], [2, 0]]), "alignment is not symmetric"),
        (lambda: FeedForwardAttention(activation="swish"), "activation is 'swish'; it must be one of 'relu'"),
        (lambda: FeedForwardAttention(inverse_temperature=800), "beyond float64"),
        (lambda: MultiHeadAttention(heads=[[1.0]]), r"heads has shape \(1, 1\); it must be \(head, component"),
        (lambda: MultiHeadAttention().check(np.eye(3), 1), "heads has shape .* but the tokens have 3 components"),
        (lambda: FeedForwardLocalmax(neurons=NEURONS).check(np.eye(3), 1), r"outputs has shape \(3, 3\); .* \(3, 4\)"),
        (lambda: FeedForwardLocalmax(biases=[0.0]).check(np.eye(3), 1), "biases has 1 number and there are 3 neurons"),
    ],
)
def test_what_is_not_allowed_is_named(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()
