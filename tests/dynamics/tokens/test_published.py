"""Reference trajectories of published hardmax code, reproduced from our own sources."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from lmdata.dynamics import Localmax, tokens
from lmdata.dynamics.kernels import canonical
from lmdata.dynamics.tokens.published import CONFIGURATIONS

NAMES = ("emerging-leader", "triangle", "square", "followed-token")
"""In the order of the reference's cases 0..3."""


@pytest.mark.parametrize("case", range(4), ids=NAMES)
def test_configurations_are_those_of_the_notebook(cases, case):
    reference = cases("hardmax_dynamics_notebook")
    source = tokens.configuration(NAMES[case])
    start = reference[f"case{case}_z"][0]
    assert source.shape == start.shape
    assert np.array_equal(source.draw(seed=0), start)


@pytest.mark.parametrize("case", range(4), ids=NAMES)
def test_trajectories_and_leaders_are_those_of_the_notebook(cases, case):
    reference = cases("hardmax_dynamics_notebook")
    expected = reference[f"case{case}_z"]
    model = Localmax(influence=float(reference["alpha"]))
    start = tokens.configuration(NAMES[case]).draw(seed=0)
    position = Localmax.advance([model], start[None], start=0, record=range(31), seeds=[0]).position[0]
    np.testing.assert_allclose(position, expected, rtol=0, atol=1e-12)
    for frame, leaders, followed in zip(
        position, reference[f"case{case}_leader"], reference[f"case{case}_attractor"], strict=True
    ):
        hears = canonical.neighbourhoods(frame, 0.0)
        assert np.array_equal(np.diagonal(hears), leaders)
        assert hears[np.arange(len(frame)), followed].all()


def test_an_exact_tie_is_a_tie_and_a_rotated_one_is_with_a_small_sensitivity(cases):
    """The published code breaks a rotated tie by rounding; ties are exact here, and near ties a matter of delta."""
    reference = cases("hardmax_rotated_tie")
    turn, square, rotated = reference["R"], reference["square_Z0"], reference["rot_Z0"]
    step = {delta: one_step(delta) for delta in (0.0, 1e-12)}
    np.testing.assert_allclose(step[0.0](square), reference["square_Z1"], atol=1e-15)
    np.testing.assert_allclose(step[1e-12](square), reference["square_Z1"], atol=1e-15)
    np.testing.assert_allclose(step[1e-12](rotated) @ turn, reference["square_Z1"], atol=1e-14)
    moved = np.abs(step[0.0](rotated) @ turn - reference["square_Z1"]).max(axis=1) > 0.1
    assert set(np.flatnonzero(moved)) <= {4, 5, 6}


def one_step(delta):
    return lambda start: Localmax.advance([Localmax(delta)], start[None], start=0, record=[1], seeds=[0]).position[0, 0]


def test_names_and_sizes():
    assert tuple(CONFIGURATIONS) == NAMES
    assert [tokens.configuration(name).shape for name in NAMES] == [(8, 2), (9, 2), (10, 2), (10, 2)]


DIGESTS = {
    "emerging-leader": "a8dcc81abe20c49dffe5f8b9d153e417",
    "triangle": "38488476c875bb4ddcce7803c8e3e4fa",
    "square": "6b09214edb196bb23a3dbc7d0eb230f0",
    "followed-token": "666612dfbf888e30ec6ffa9d552b3780",
}


@pytest.mark.parametrize("name", NAMES)
def test_starts_have_the_same_bits_for_ever(name):
    start = tokens.configuration(name).draw(seed=0)
    assert hashlib.sha256(start.astype("<f8").tobytes()).hexdigest()[:32] == DIGESTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_trajectories_and_leaders_are_those_of_rational_arithmetic(name):
    """Every neighbourhood is decided exactly, from the exact state: thirteen steps, whose fractions still fit."""
    start = tokens.configuration(name).draw(seed=0)
    model = Localmax(influence=0.5)
    position = Localmax.advance([model], start[None], start=0, record=range(14), seeds=[0]).position[0]
    state = [[Fraction(x) for x in row] for row in start.tolist()]
    for frame in position:
        np.testing.assert_allclose(frame, [[float(x) for x in row] for row in state], rtol=0, atol=1e-15)
        score = [[a * c + b * d for c, d in state] for a, b in state]
        heard = [[j for j, s in enumerate(row) if s == max(row)] for row in score]
        near = canonical.neighbourhoods(frame, 0.0)
        assert [np.flatnonzero(row).tolist() for row in near] == heard
        means = [[sum(state[j][k] for j in own) / len(own) for k in (0, 1)] for own in heard]
        state = [
            [(x + m / 2) / Fraction(3, 2) for x, m in zip(z, mean, strict=True)]
            for z, mean in zip(state, means, strict=True)
        ]


@pytest.mark.parametrize(("name", "followed"), list(zip(NAMES, (0, 0, 0, 2), strict=True)))
def test_tokens_gather_round_leaders_but_for_those_that_follow_another(name, followed):
    start = tokens.configuration(name).draw(seed=0)
    end = Localmax.advance([Localmax(influence=0.5)], start[None], start=0, record=[80], seeds=[0]).position[0, 0]
    leaders = end[np.diagonal(canonical.neighbourhoods(end, 0.0))]
    away = np.linalg.norm(end[:, None] - leaders, axis=-1).min(axis=1)
    assert (away > 0.5).sum() == followed
    assert np.sort(away)[: len(away) - followed].max() < 1e-9


def test_a_tie_of_the_square_is_met_by_the_mean_of_both():
    """Token (1/2, 0) ties between (1, 1) and (1, -1): it moves along the axis; turned, if delta is 1e-12."""
    square = np.array([[1.0, 1], [1, -1], [-1, -1], [-1, 1], [0.5, 0.0]])
    cosine, sine = np.cos(0.3), np.sin(0.3)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    expected = np.vstack([square[:4], [[0.75, 0.0]]])
    np.testing.assert_array_equal(one_step(0.0)(square), expected)
    np.testing.assert_allclose(one_step(1e-12)(square @ turn.T) @ turn, expected, atol=1e-15)
