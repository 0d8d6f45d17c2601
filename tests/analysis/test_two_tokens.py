"""Two tokens under random value matrices: the published probabilities, their equation, and runs of the model itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lmdata
from lmdata.analysis.two_tokens import antipodal_probability
from lmdata.errors import InvalidInput

GIVEN = {0.5: 0.1433, 1.0: 0.2675, 2.0: 0.3638, 4.0: 0.4163}


def test_probabilities_in_space_to_their_digits_and_with_a_cutoff():
    assert {beta: round(antipodal_probability(beta), 4) for beta in GIVEN} == GIVEN
    assert [round(antipodal_probability(beta, cutoff=1e-9), 4) for beta in (0.5, 1.0)] == [0.1468, 0.2676]


@pytest.mark.parametrize(("beta", "d"), [(1.0, 3), (0.5, 2), (2.0, 5)])
def test_with_a_cutoff_they_solve_the_equation_of_the_cosine(beta, d):
    """The scale function by another integrator and in another variable, the cosine itself, to its tolerance."""

    def rates(r, state):
        density = np.exp(state[0])
        start = (1 - r * r) ** ((d - 3) / 2)
        slope = -((d - 2) / np.cosh(beta * (1 - r)) - r) / (1 - r * r)
        return [slope, density, start * state[1], start]

    end = 1 - 1e-4
    _, scale, mean, total = solve_ivp(rates, (-end, end), [0.0] * 4, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    assert antipodal_probability(beta, d, cutoff=1e-4) == pytest.approx(1 - mean / (scale * total), rel=1e-7)


def test_antipodes_attract_from_the_temperature_of_the_theorem_on():
    """tanh^2 beta > (d - 3) / (d - 1)."""
    for d in (4, 7, 30):
        bound = np.arctanh(np.sqrt((d - 3) / (d - 1)))
        assert antipodal_probability(0.999 * bound, d) == 0.0
        assert antipodal_probability(1.02 * bound, d) > 0.0
    assert antipodal_probability(0.0, 3) == 0.0
    assert antipodal_probability(1e-3, 3) > 0.0
    assert antipodal_probability(1e6, 3) == pytest.approx(0.5, abs=1e-3), "tokens that see themselves alone: a fair end"
    assert antipodal_probability(3.0, 2) == pytest.approx(0.5, abs=1e-9), "on the circle always"


def test_what_is_not_allowed_is_named():
    for name, ask in (
        ("inverse_temperature", lambda: antipodal_probability(-1.0)),
        ("components", lambda: antipodal_probability(1.0, 1)),
        ("cutoff is 1", lambda: antipodal_probability(1.0, cutoff=1)),
    ):
        with pytest.raises(InvalidInput, match=name):
            ask()


def deep(beta, h, scale=3**0.5):
    flow = lmdata.SphereAttention(
        values=np.zeros((3, 3)), scheme="layernorm", step_size=h, estimate_error=False, inverse_temperature=beta
    )
    return lmdata.Noisy(model=flow, noise="values", scale=scale)


def test_the_model_is_a_deep_stochastic_transformer():
    """x <- norm(x + sqrt(h) G P x), the same G for all tokens."""
    from lmdata.dynamics.models.noisy import standard_normal

    model, h = deep(1.5, 0.04), 0.04
    ds = lmdata.simulate(model, lmdata.tokens.sphere(5, 3), steps=1, seeds=[3])
    before, after = ds.position.values[0]
    weights = np.exp(1.5 * before @ before.T)
    weights /= weights.sum(axis=1, keepdims=True)
    random = standard_normal([3], 0, (3, 3))[0]
    moved = before + np.sqrt(h) * (weights @ before) @ random.T
    np.testing.assert_allclose(after, moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-14)


def test_the_cosine_of_two_tokens_has_the_drift_and_the_variance_of_the_equation():
    """One short step from one pair, 20,000 seeds, within four standard errors; of the order of h beyond."""
    beta, h, cosine, seeds = 1.2, 1e-3, -0.4, 20_000
    start = np.array([[1.0, 0.0, 0.0], [cosine, np.sqrt(1 - cosine**2), 0.0]])
    model = deep(beta, h)
    state = np.broadcast_to(start, (seeds, 2, 3)).copy()
    end = type(model).advance([model] * seeds, state, start=0, record=[1], seeds=range(seeds)).position[:, 0]
    change = (end[:, 0] * end[:, 1]).sum(axis=1) - cosine
    own = 1 / (1 + np.exp(-beta * (1 - cosine)))
    u, v = own**2 + (1 - own) ** 2, 2 * own * (1 - own)
    drift, variance = (1 - cosine**2) * (v - u * cosine), 2 * u * (1 - cosine**2) ** 2
    assert abs(change.mean() / h - drift) < 4 * change.std() / np.sqrt(seeds) / h
    assert change.var() / h == pytest.approx(variance, rel=4 * np.sqrt(2 / seeds) + 5 * h)


@pytest.mark.long
@pytest.mark.parametrize("beta", [1.0, 2.0, 4.0])
def test_runs_end_opposite_as_often(beta):
    """2,000 pairs at h = 0.02 to t = 20, within three standard errors."""
    seeds = 2_000
    ds = lmdata.simulate(deep(beta, 0.02), lmdata.tokens.sphere(2, 3), steps=1_000, record=[1_000], seeds=range(seeds))
    share = (((ds.position.isel(token=0) + ds.position.isel(token=1)) ** 2).sum("component") < 2).mean().item()
    expected = antipodal_probability(beta)
    assert abs(share - expected) < 3 * np.sqrt(expected * (1 - expected) / seeds)
