"""Attention with positions: the mask, the bias and the rotation, against their definitions in loops."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.dynamics.models import PositionalAttention, SphereAttention
from lmdata.dynamics.models.positional import rotated
from lmdata.errors import InvalidInput


def advance(model, state, record):
    return type(model).advance([model], state[None], start=0, record=list(record), seeds=[0]).position[0]


def literal_weights(model, state):
    """The weights by their definition, pair by pair."""
    n, d = state.shape
    weights = np.zeros((n, n))
    for i in range(n):
        for j in range(i if model.strict else i + 1):
            score = 0.0
            for pair in range(d // 2):
                turn = np.exp(1j * model.rotation * 10_000.0 ** (-2 * pair / d) * np.array([i, j]))
                z = (state[[i, j], 2 * pair] + 1j * state[[i, j], 2 * pair + 1]) * turn
                score += (z[0] * z[1].conj()).real
            if d % 2:
                score += state[i, -1] * state[j, -1]
            distance = i - j - 1 if model.strict else i - j
            weights[i, j] = np.exp(model.inverse_temperature * score - model.slope * distance)
        if model.normalised and weights[i].any():
            weights[i] /= weights[i].sum()
        if model.averaged and weights[i].any():
            weights[i] /= sum(np.exp(-model.slope * k) for k in range(i if model.strict else i + 1))
    return weights


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("normalised", "averaged"), [(True, False), (False, False), (False, True)])
@pytest.mark.parametrize(("d", "rotation"), [(2, 0.7), (4, -1.3), (3, 0.0)])
def test_weights_and_forces_are_those_of_the_definition(strict, normalised, averaged, d, rotation):
    model = PositionalAttention(
        inverse_temperature=1.5, slope=0.4, rotation=rotation, normalised=normalised, strict=strict, averaged=averaged
    )
    state = lmdata.tokens.sphere(40, d).draw(1)  # more rows than a block of the kernel
    expected = literal_weights(model, state)
    np.testing.assert_allclose(model.attention(state[None])[0], expected, rtol=1e-11, atol=1e-300)
    own = {name: np.array([getattr(model, name)]) for name in model.sweepable}
    np.testing.assert_allclose(model.force(state[None], 0.0, own)[0], expected @ state, rtol=0, atol=1e-11)


def test_without_positions_it_is_causal_attention():
    """The mask alone, itself included and normalised: `SphereAttention` with a causal mask."""
    state = lmdata.tokens.sphere(9, 3).draw(2)
    plain = advance(SphereAttention(causal=True, inverse_temperature=2.0), state, [0, 5, 20])
    mine = advance(PositionalAttention(normalised=True, strict=False, inverse_temperature=2.0), state, [0, 5, 20])
    np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-12)


def test_what_a_token_gives_itself_moves_nobody():
    """The strict mask and the other differ by a radial term, which the projection takes out."""
    state = lmdata.tokens.sphere(9, 3).draw(2)
    ends = [advance(PositionalAttention(strict=strict, step_size=0.02), state, [30]) for strict in (True, False)]
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-9)


def test_the_first_token_stays_and_nobody_feels_later_ones():
    model = PositionalAttention(slope=0.3, rotation=0.5)
    state = lmdata.tokens.sphere(8, 2).draw(3)
    whole = advance(model, state, range(0, 40, 10))
    np.testing.assert_allclose(whole[:, 0], np.broadcast_to(state[0], (4, 2)), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(advance(model, state[:3], range(0, 40, 10)), whole[:, :3])


def test_rotation_knows_distances_alone():
    """<R^i x, R^j y> depends on i - j: shifting all positions changes no score."""
    points = lmdata.tokens.sphere(6, 4).draw(0)
    later = rotated(np.concatenate([np.zeros((5, 4)), points]), 0.9)[5:]
    np.testing.assert_allclose(later @ later.T, rotated(points, 0.9) @ rotated(points, 0.9).T, rtol=0, atol=1e-13)
    turned = rotated(np.tile([1.0, 0.0], (200, 1)), 0.3)
    np.testing.assert_allclose(
        turned, np.stack([np.cos(0.3 * np.arange(200)), np.sin(0.3 * np.arange(200))], -1), atol=1e-13
    )


def test_what_is_not_allowed_is_named():
    with pytest.raises(InvalidInput, match="even number"):
        lmdata.simulate(PositionalAttention(rotation=0.1), lmdata.tokens.sphere(4, 3), steps=1)
    with pytest.raises(InvalidInput, match="ellipsoid"):
        PositionalAttention(rotation=0.1, ellipsoid=[[2, 0], [0, 1]])
    with pytest.raises(InvalidInput, match="inverse_temperature"):
        PositionalAttention(inverse_temperature=800.0)
    with pytest.raises(InvalidInput, match="averaged is True and normalised True"):
        PositionalAttention(averaged=True, normalised=True)
    PositionalAttention(inverse_temperature=800.0, normalised=True)


def test_averaged_without_a_slope_each_token_has_the_mean_over_those_before():
    state = lmdata.tokens.sphere(7, 2).draw(4)
    model = PositionalAttention(averaged=True, inverse_temperature=0.0)
    force = model.force(state[None], 0.0, {name: np.array([getattr(model, name)]) for name in model.sweepable})[0]
    np.testing.assert_allclose(force[1:], [state[:i].mean(axis=0) for i in range(1, 7)], rtol=0, atol=1e-15)
    assert model.fastest_rate(7) == 1.0


@pytest.mark.parametrize("alignment", [None, [[1.0, 0.5, 0.0], [-0.5, 0.2, 0.3], [0.0, 0.4, -0.6]]])
def test_under_a_causal_mask_all_tokens_go_to_the_first(alignment):
    """arXiv 2411.04990: V = I, any queries and keys, almost every start; one opposite to the first stays there."""
    model = SphereAttention(causal=True, inverse_temperature=2.0, alignment=alignment, step_size=0.2)
    state = lmdata.tokens.sphere(12, 3).draw(5)
    end = advance(model, state, [1000])[0]
    np.testing.assert_allclose(end, np.broadcast_to(state[0], end.shape), rtol=0, atol=1e-9)
    np.testing.assert_allclose(end[0], state[0], rtol=0, atol=1e-15)
    unit = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(advance(model, unit, [300])[0], unit)
