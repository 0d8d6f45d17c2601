"""Sign descent, factors, nonlinear heads and balls of v, each against its equations in many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from lmdata.errors import InvalidInput, UnknownName
from lmdata.selection import TokenSelection, construction, given, starts, train
from lmdata.selection.heads import HEADS, output, tangent

SIGMA = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, mpf(0)),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}


def problem(**changes):
    rng = np.random.default_rng(5)
    arrays = {
        "value": rng.normal(size=3), "weight": rng.normal(size=(3, 3)), "query": rng.normal(size=(3, 3)), **changes,
    }  # fmt: skip
    return given(rng.normal(size=(3, 4, 3)), [1, -1, 1], **arrays).draw(0)


def loss(one, weights, head):
    """Return the mean logistic loss of the head after attention with W (columns of queries), in many digits."""
    total = mpf(0)
    for sample, query, label in zip(one.tokens.tolist(), one.query.tolist(), one.labels.tolist(), strict=True):
        along = [mpmath.fsum(w * z for w, z in zip(row, query, strict=True)) for row in weights]
        powers = [mpmath.exp(mpmath.fsum(x * a for x, a in zip(token, along, strict=True))) for token in sample]
        shares = [power / mpmath.fsum(powers) for power in powers]
        means = [mpmath.fsum(a * token[k] for a, token in zip(shares, sample, strict=True)) for k in range(3)]
        reached = mpmath.fsum(v * SIGMA[head](m) for v, m in zip(one.value.tolist(), means, strict=True))
        total += mpmath.log(1 + mpmath.exp(-label * reached))
    return total / len(one.labels)


def slopes(function, at):
    """Return the gradient of a function of a nested list of numbers, by central differences of fifty digits."""
    step = mpf(10) ** -20
    found = np.empty(np.shape(at), object)
    for place in np.ndindex(found.shape):
        moved = np.array(at, object)
        moved[place] = at[place] + step
        above = function(moved)
        moved[place] = at[place] - step
        found[place] = (above - function(moved)) / (2 * step)
    return found


def step_of(one, start, **parameters):
    """Return how the parameter moved in the one step of a run."""
    ds = train(TokenSelection(step=0.5, **parameters), one, steps=1, starts=[start]).isel(start=0, seed=0)
    parts = [ds[name].values for name in ("weight", "key_matrix", "query_matrix") if name in ds]
    return np.stack([part[1] - part[0] for part in parts]) if len(parts) > 1 else parts[0][1] - parts[0][0]


@pytest.mark.parametrize("head", HEADS)
def test_a_step_is_along_the_gradient_of_the_loss_of_its_head(head):
    one, start = problem(), np.random.default_rng(6).normal(size=(3, 3))
    with mpmath.workdps(50):
        expected = np.array(slopes(lambda w: loss(one, w, head), start), float)
    moved = step_of(one, start, trained="weight", head=head, normalised=False)
    np.testing.assert_allclose(moved, -0.5 * expected, rtol=0, atol=1e-15)
    signs = step_of(one, start, trained="weight", head=head, descent="sign")
    np.testing.assert_allclose(signs, -0.5 * np.sign(expected), rtol=0, atol=1e-15)
    steepest = step_of(one, start, trained="weight", head=head, descent="sign", normalised=False)
    np.testing.assert_allclose(steepest, -0.5 * np.sign(expected) * abs(expected).sum(), rtol=0, atol=1e-15)


@pytest.mark.parametrize("normalised", [False, True])
def test_factors_descend_along_the_gradient_in_both(normalised):
    """d L(K Q^T) = <G Q, dK> + <G^T K, dQ>; normalised by the norm of the two together."""
    one, start = problem(), np.random.default_rng(7).normal(size=(2, 3, 2))
    with mpmath.workdps(50):
        expected = np.array(slopes(lambda f: loss(one, f[0] @ f[1].T, "linear"), start), float)
    moved = step_of(one, start, trained="factors", width=2, normalised=normalised)
    unit = np.linalg.norm(expected) if normalised else 1.0
    np.testing.assert_allclose(moved, -0.5 * expected / unit, rtol=0, atol=1e-15)


@pytest.mark.parametrize("head", HEADS)
def test_the_tangent_touches_the_head(head):
    rng = np.random.default_rng(8)
    mean, value, way = rng.normal(size=(3, 20, 5))
    h = 1e-6
    slope = (output(mean + h * way, value, head) - output(mean - h * way, value, head)) / (2 * h)
    np.testing.assert_allclose((tangent(mean, value, head) * way).sum(axis=1), slope, rtol=0, atol=1e-8)


def test_the_value_stays_in_its_ball():
    ds = train(TokenSelection(trained="joint", value_radius=1.5), construction("joint-tight"), steps=200)
    norm = np.linalg.norm(ds.value[0, 0], axis=-1)
    assert norm.max() <= 1.5 * (1 + 1e-15)
    assert norm[-1] == pytest.approx(1.5, rel=1e-15)
    assert np.linalg.norm(ds.prompt[0, 0, -1]) > 3, "the prompt has no ball"


def test_recipes_from_before_keep_their_identity():
    assert set(TokenSelection().specification()) == {
        *("kind", "trained", "loss", "step", "normalised", "epsilon", "exponent", "radius"),
        *("value_step", "value_epsilon", "arithmetic"),
    }
    for model in (
        TokenSelection(descent="sign", head="relu"),
        TokenSelection(trained="factors", width=3),
        TokenSelection(trained="joint", value_radius=2.0),
    ):
        assert TokenSelection.from_specification(model.specification()) == model


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"descent": "sign", "trained": "factors"}, "descent is 'sign' with trained 'factors'"),
        ({"descent": "sign", "exponent": 3}, "descent is 'sign' with .* exponent 3"),
        ({"descent": "sign", "radius": 3}, "descent is 'sign' with .* radius 3"),
        ({"trained": "factors", "exponent": 3}, "exponent is 3.0 with trained 'factors'"),
        ({"width": 3}, "width is 3 with trained 'prompt'; it is the number of columns of factors"),
        ({"head": "relu", "trained": "joint"}, "head is 'relu' with trained 'joint'"),
        ({"head": "relu", "arithmetic": "published"}, "head is 'relu' with .*arithmetic 'published'"),
        ({"value_radius": 1}, "value_radius is 1.0 with trained 'prompt'"),
        ({"width": 0, "trained": "factors"}, "width is 0"),
        ({"head": "swish"}, "no head named 'swish'"),
        ({"descent": "signs"}, "no descent named 'signs'; did you mean 'sign'"),
    ],
)
def test_what_does_not_go_together_is_refused(parameters, message):
    with pytest.raises((InvalidInput, UnknownName), match=message):
        TokenSelection(**parameters)


def test_factors_do_not_start_at_zero():
    with pytest.raises(InvalidInput, match=r"starts has factors of zeros.*scale=0.01"):
        train(TokenSelection(trained="factors"), problem(), steps=1)
    with pytest.raises(InvalidInput, match=r"starts has shape .*it must be \(start, 2, 3, 3\)"):
        train(TokenSelection(trained="factors"), problem(), steps=1, starts=np.ones((1, 3, 3)))


def test_factors_are_kept_in_a_store(tmp_path):
    arguments = {"starts": starts(count=2, scale=0.1), "steps": 20, "record": 5}
    model = TokenSelection(trained="factors", width=2)
    memory = train(model, problem(), **arguments)
    kept = train(model, problem(), **arguments, store=tmp_path / "run")
    assert dict(kept.query_matrix.sizes) == {"start": 2, "seed": 1, "iteration": 5, "query_feature": 3, "width": 2}
    assert kept.compute().drop_attrs().identical(memory.drop_attrs())
    assert kept.attrs["digest"] == memory.attrs["digest"]
