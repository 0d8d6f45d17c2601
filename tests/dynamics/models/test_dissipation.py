"""Exact identities of attention on the sphere: how fast its energy rises.

One head, no mask, V = D symmetric, j = i included, continuous time (arXiv 2312.10794, 2501.03096). With the energy
``E = sum_ij exp(beta <x_i, D x_j>) / (2 beta n^2)``:

- USA: ``dE/dt = (1/n) sum_i |x_i'|^2``
- SA: ``dE/dt = (1/n) sum_i (Z_i/n) |x_i'|^2``, ``Z_i = sum_j exp(beta <x_i, D x_j>)``
"""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.analysis.energy import interaction_energies
from lmdata.dynamics.models.sphere_attention import SphereAttention
from lmdata.dynamics.models.sphere_gradient_flow import SphereGradientFlow

DIMENSION, TOKENS, MEMBERS = 4, 7, 5


@pytest.fixture(params=["identity", "definite", "indefinite"])
def alignment(request):
    random = np.random.default_rng(0)
    raw = random.normal(size=(DIMENSION, DIMENSION))
    symmetric, square = raw + raw.T, raw @ raw.T
    matrices = {"identity": np.eye(DIMENSION), "definite": 0.15 * (square + square.T), "indefinite": 0.5 * symmetric}
    return matrices[request.param]


@pytest.fixture
def states():
    tokens = np.random.default_rng(1).normal(size=(MEMBERS, TOKENS, DIMENSION))
    tokens[1, 3] = tokens[1, 4]  # two tokens are one
    return tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)


def velocity(model, states):
    own = {name: np.full(MEMBERS, getattr(model, name)) for name in model.sweepable}
    return model.surface.tangent(states, model.force(states, 0.0, own))


def rise(states, moved, alignment, beta):
    """dE/dt by a complex step: without differences, hence to rounding."""
    ahead = states + 1e-200j * moved
    score = beta * np.einsum("mic,cd,mjd->mij", ahead, alignment, ahead)
    return np.exp(score).sum(axis=(1, 2)).imag / 1e-200 / (2 * beta * TOKENS**2)


def masses(states, alignment, beta):
    return np.exp(beta * np.einsum("mic,cd,mjd->mij", states, alignment, states)).sum(axis=2)


@pytest.mark.parametrize("beta", [0.1, 1.0, 6.0])
def test_usa_dissipates_as_it_moves(alignment, states, beta):
    matrix = alignment.tolist()
    model = SphereAttention(inverse_temperature=beta, normalised=False, alignment=matrix, values=matrix)
    moved = velocity(model, states)
    expected = (moved**2).sum(axis=(1, 2)) / TOKENS
    np.testing.assert_allclose(rise(states, moved, alignment, beta), expected, rtol=1e-12)
    flow = SphereGradientFlow(inverse_temperature=beta, alignment=matrix)  # it is the same flow
    np.testing.assert_allclose(velocity(flow, states), moved, rtol=1e-12, atol=1e-13 * np.abs(moved).max())


@pytest.mark.parametrize("beta", [0.1, 1.0, 6.0])
def test_sa_dissipates_by_its_masses(alignment, states, beta):
    matrix = alignment.tolist()
    moved = velocity(SphereAttention(inverse_temperature=beta, alignment=matrix, values=matrix), states)
    weight = masses(states, alignment, beta) / TOKENS
    expected = (weight * (moved**2).sum(axis=2)).sum(axis=1) / TOKENS
    np.testing.assert_allclose(rise(states, moved, alignment, beta), expected, rtol=1e-12)
    assert (np.ptp(weight, axis=1) > 1e-3).all()  # the weights matter


def test_the_energy_that_is_measured_is_that_energy(alignment, states):
    """Its central difference along USA, of an error of third order in the step."""
    beta, step = 2.0, 1e-4
    matrix = alignment.tolist()
    moved = velocity(
        SphereAttention(inverse_temperature=beta, normalised=False, alignment=matrix, values=matrix), states
    )
    before, after = (
        interaction_energies(states + way * step * moved, inverse_temperature=beta, alignment=alignment)
        for way in (-1, 1)
    )
    expected = (moved**2).sum(axis=(1, 2)) / TOKENS
    np.testing.assert_allclose((after - before) / (2 * step), expected, rtol=1e-3)
