"""Places of the normalisation: the published speeds, cosines to their digits, and which placement is another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmdata.analysis import equiangular_alignment
from lmdata.dynamics import tokens
from lmdata.dynamics.models import NormalisedAttention, SphereAttention
from lmdata.errors import InvalidInput

APART = {
    "post": (0.8482, 0.4102, 0.001716, 7.8e-8),
    "ngpt": (0.3457, 0.05585, 1.43e-4, 6.5e-9),
    "pre": (0.8621, 0.5389, 0.0818, 0.01591),
    "peri": (0.4639, 0.2006, 0.04235, 0.0113),
}
"""One minus the cosine of 32 orthogonal tokens at t = 1, 2, 5, 10, at beta = 1, as independent integrations gave it."""
HALF_DIGIT = {
    "post": (5e-5, 5e-5, 5e-7, 5e-10),
    "ngpt": (5e-5, 5e-6, 5e-7, 5e-11),
    "pre": (5e-5, 5e-5, 5e-5, 5e-6),
    "peri": (5e-5, 5e-5, 5e-6, 5e-5),
}
"""Half a unit of the last digit given."""


def advance(model, state, record, start=0):
    frames = type(model).advance([model], state[None], start=start, record=list(record), seeds=[0])
    return frames.position[0]


def directions(state):
    return state / np.linalg.norm(state, axis=-1, keepdims=True)


@pytest.mark.parametrize("placement", APART)
def test_orthogonal_tokens_gather_as_the_equation_of_their_cosine_says(placement):
    """To the digits that were found elsewhere, by the model and by the equation; all pairs alike."""
    model = NormalisedAttention(placement=placement, step_size=0.05, estimate_error=False)
    seen = directions(advance(model, tokens.equiangular(32).draw(0), [20, 40, 100, 200]))
    pairs = ((seen[:, :, None] - seen[:, None]) ** 2).sum(axis=-1) / 2
    apart = pairs[:, 0, 1]
    assert np.ptp(pairs[:, *np.triu_indices(32, 1)], axis=1).max() < 1e-12
    assert (np.abs(apart - APART[placement]) < HALF_DIGIT[placement]).all()
    theory = 1 - equiangular_alignment([1.0, 2.0, 5.0, 10.0], 1.0, tokens=32, placement=placement)
    assert (np.abs(theory - APART[placement]) < HALF_DIGIT[placement]).all()
    np.testing.assert_allclose(apart, theory, rtol=1e-4, atol=1e-12)  # rk4 at step 0.05: 1e-5 of its own


@pytest.mark.parametrize(("placement", "constant"), [("pre", 1.201), ("peri", 1.181)])
def test_growing_lengths_make_gathering_a_power_law(placement, constant):
    apart = 1 - equiangular_alignment([200.0], 1.0, tokens=32, placement=placement)[0]
    assert abs(200**2 * apart - constant) < 5e-4


@pytest.mark.parametrize("placement", ["post", "pre", "peri", "ngpt", "sqrt-depth"])
def test_speeds_and_growths_are_those_of_the_table(placement):
    """theta' = Proj(A) / s and r', from the definition, where the tokens have any length that they may have."""
    rng, time = np.random.default_rng(3), 3.0
    length = rng.uniform(0.5, 2.0, (6, 1)) if placement in ("pre", "peri") else np.ones((6, 1))
    theta = tokens.sphere(6, 3).draw(1)
    align, values = rng.normal(size=(2, 3, 3))
    model = NormalisedAttention(
        placement=placement, inverse_temperature=1.5, alignment=align, values=values,
        **({"rate": 0.7} if placement == "ngpt" else {}),
    )  # fmt: skip
    weights = np.exp(1.5 * theta @ align @ theta.T)
    attended = weights / weights.sum(axis=1, keepdims=True) @ theta @ values.T
    along = (theta * attended).sum(axis=1, keepdims=True)
    size = np.linalg.norm(attended, axis=1, keepdims=True)
    slowness, growth = {
        "post": (1.0, 0.0),
        "pre": (length, along),
        "peri": (length * size, along / size),
        "ngpt": (size / 0.7, 0.0),
        "sqrt-depth": (2.0, 0.0),
    }[placement]
    velocity = length * (attended - along * theta) / slowness + growth * theta
    state = (length * theta)[None]
    force = model.force(state, time, {"inverse_temperature": np.array([1.5])})
    np.testing.assert_allclose(model.surface.tangent(state, force)[0], velocity, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scheme", ["euler", "layernorm"])
def test_post_is_attention_on_the_sphere(scheme):
    start = tokens.sphere(7, 3).draw(2)
    settings = {"inverse_temperature": 2.0, "scheme": scheme, "causal": True, "values": np.diag([1.0, 0.5, -1.0])}
    np.testing.assert_allclose(
        advance(NormalisedAttention(**settings), start, range(20)),
        advance(SphereAttention(**settings), start, range(20)),
        rtol=0,
        atol=1e-14,
    )


def test_some_placements_are_others_in_another_time():
    """sqrt-depth at t is post at 2 (sqrt(t + 1) - 1); ngpt of rate a at t is ngpt at a t."""
    start = tokens.sphere(5, 3).draw(4)
    model = NormalisedAttention(step_size=0.01, inverse_temperature=2.0, estimate_error=False)
    slow = replace(model, placement="sqrt-depth", step_size=0.03)
    np.testing.assert_allclose(advance(slow, start, [100])[0], advance(model, start, [200])[0], rtol=0, atol=1e-8)
    single = replace(model, placement="ngpt", step_size=0.02)
    double = replace(model, placement="ngpt", rate=2.0)
    np.testing.assert_allclose(advance(double, start, [100]), advance(single, start, [100]), rtol=0, atol=1e-14)


@pytest.mark.parametrize("switch", [0.0, 0.4, 0.47, 5.0])
def test_mix_is_post_and_then_pre(switch):
    """Also where a step goes across the switch: then it is two steps."""
    start = tokens.sphere(5, 3).draw(5)
    model = NormalisedAttention(placement="mix", switch=switch, step_size=0.1, estimate_error=False)
    found = advance(model, start, [10])[0]
    parts = [("post", min(switch, 1.0)), ("pre", max(1.0 - switch, 0.0))]
    expected = start
    for placement, length in parts:
        if length:
            part = NormalisedAttention(placement=placement, step_size=length / 40, estimate_error=False)
            expected = advance(part, expected, [40])[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert (np.linalg.norm(found, axis=1) > 1.01).all() == (switch < 1)


def test_the_mixed_equation_is_two_calls():
    model = NormalisedAttention(placement="mix", switch=2.0, step_size=0.05, estimate_error=False)
    seen = directions(advance(model, tokens.equiangular(8, 0.2).draw(0), [100])[0])
    middle = equiangular_alignment([2.0], 1.0, tokens=8, start=0.2)[0]
    expected = equiangular_alignment([3.0], 1.0, tokens=8, start=middle, placement="pre")[0]
    assert abs(seen[0] @ seen[1] - expected) < 1e-7


def test_a_token_that_attends_to_nothing_stays():
    """Opposite tokens at beta = 0 attend to their mean, which is zero and has no direction."""
    start = np.array([[1.0, 0.0], [-1.0, 0.0]])
    for placement in ("peri", "ngpt"):
        model = NormalisedAttention(placement=placement, inverse_temperature=0.0)
        np.testing.assert_array_equal(advance(model, start, [5])[0], start)
    apart = equiangular_alignment([3.0], 0.0, tokens=2, start=-1.0, placement="ngpt")
    np.testing.assert_array_equal(apart, [-1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NormalisedAttention(placement="pots"), "placement is 'pots'; it must be one of 'post', 'pre'"),
        (lambda: NormalisedAttention(rate=2.0), "rate is 2, but placement is 'post', .* take placement='ngpt'"),
        (lambda: NormalisedAttention(placement="pre", switch=3.0), "switch is 3, .* take placement='mix'"),
        (lambda: NormalisedAttention().check(2 * np.eye(2), 1), "1 off the unit sphere, .* placement 'post'"),
        (lambda: NormalisedAttention(placement="mix").check(2 * np.eye(2), 1), "off the unit sphere"),
        (lambda: NormalisedAttention(placement="pre").check(np.zeros((2, 2)), 1), "token 0 is zero"),
        (lambda: tokens.equiangular(3, -0.6), "cosine is -0.6"),
        (lambda: tokens.equiangular(3, 1.5), "cosine is 1.5; it must be at most 1"),
        (lambda: equiangular_alignment([1.0], 1.0, tokens=3, placement="mix"), "placement is 'mix'; it must be one"),
        (lambda: equiangular_alignment([1.0], 1.0, tokens=3, placement="pre", length=0), "length is 0"),
    ],
)
def test_what_is_not_allowed_is_named(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_the_simplex_is_the_least_cosine():
    for n, cosine in ((2, -1.0), (5, -0.25), (4, 0.0), (3, 1.0), (1, 0.0)):
        drawn = tokens.equiangular(n, cosine).draw(0)
        np.testing.assert_allclose(drawn @ drawn.T, np.where(np.eye(n), 1.0, cosine), rtol=0, atol=1e-15)
