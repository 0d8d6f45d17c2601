"""Noise: what it depends on, how it is drawn, and how large it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import lmdata
from lmdata.dynamics import Localmax, tokens
from lmdata.dynamics.models import (
    BoundedConfidence,
    CircleDensityFlow,
    FeedForwardAttention,
    FeedForwardLocalmax,
    KrauseTransformer,
    LocalmaxVariant,
    MultiHeadAttention,
    Noisy,
    NormalisedAttention,
    PositionalAttention,
    PureAttention,
    SelfAttention,
    Sinkformer,
    Softmax,
    SphereAttention,
    SphereDensityFlow,
    SphereGradientFlow,
)
from lmdata.dynamics.models.noisy import standard_normal
from lmdata.dynamics.models.sphere_attention import SphereFlow
from lmdata.errors import InvalidInput
from lmdata.numerics.random import ROOT_ENTROPY, normal_quantile


def advance(model, state, record, *, seed=0):
    frames = type(model).advance([model], state[None], start=0, record=list(record), seeds=[seed])
    return frames.position[0]


def test_noise_is_a_function_of_seed_and_step():
    model = Noisy(model=Softmax(inverse_temperature=0.0, influence=1e-12), scale=0.1)
    zero = np.zeros((4, 2))
    jumps = np.diff(advance(model, zero, range(400), seed=3), axis=0) / 0.1
    assert abs(jumps.mean()) < 0.05
    assert jumps.std() == pytest.approx(1, abs=0.05)
    assert not np.array_equal(jumps, np.diff(advance(model, zero, range(400), seed=4), axis=0) / 0.1)
    silent = replace(model, scale=0.0)
    state = tokens.uniform(4, 2).draw(0)
    np.testing.assert_array_equal(advance(silent, state, range(5)), advance(model.model, state, range(5)))


def test_under_a_schedule_each_step_has_its_own_scale():
    """A run is the runs at constant scales one after another, to the bit, in one batch with others as well."""
    flow = SphereAttention(normalised=False, scheme="layernorm", estimate_error=False)
    ramp = lmdata.schedules.Piecewise(pieces=(0.5, 0.1, 0.9), switches=(3, 5))
    model, state = Noisy(model=flow, scale=ramp), tokens.sphere(5, 2).draw(1)
    whole = advance(model, state, [0, 3, 5, 8], seed=7)
    for k, scale in enumerate(ramp.pieces):
        part = replace(model, scale=scale)
        begin, end = [0, 3, 5, 8][k : k + 2]
        next_state = Noisy.advance([part], whole[None, k], start=begin, record=[end], seeds=[7]).position[0, 0]
        np.testing.assert_array_equal(next_state, whole[k + 1])
    together = Noisy.advance(
        [replace(model, scale=0.5), model], np.stack([state] * 2), start=0, record=[3, 8], seeds=[7, 7]
    ).position
    np.testing.assert_array_equal(together[1], whole[[1, 3]])
    np.testing.assert_array_equal(together[0, 0], whole[1])


def test_a_schedule_of_noise_is_kept_and_has_to_last():
    model = Noisy(model=Softmax(), scale=[0.3, 0.2])
    assert lmdata.dynamics.model.model_from_specification(model.specification()) == model
    assert Noisy(model=Softmax(), scale=lmdata.schedules.Constant(0.2)) == Noisy(model=Softmax(), scale=0.2)
    assert model.with_parameter("scale", 0.5).scale == 0.5
    with pytest.raises(InvalidInput, match="2 values, one a step, for 3 steps"):
        lmdata.simulate(model, tokens.uniform(4, 2), steps=3)
    with pytest.raises(InvalidInput, match="scale"):
        Noisy(model=Softmax(), scale=-0.1)


def test_noise_is_philox_keyed_by_seed_and_counted_by_step():
    key = np.random.SeedSequence(ROOT_ENTROPY, spawn_key=(5, 1)).generate_state(2, np.uint64)
    words = np.random.Philox(key=key, counter=np.array([0, 7, 0, 0], np.uint64)).random_raw(6)
    expected = normal_quantile(((words >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52)
    found = standard_normal([9, 5, 9, 5], 7, (3, 2))
    np.testing.assert_array_equal(found[1].ravel(), expected)
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])


def test_additive_noise_grows_as_the_root_of_time_whatever_the_step():
    """sigma sqrt(t): halving the step leaves the spread alone."""
    spreads = []
    for step in (0.1, 0.05):
        model = Noisy(model=SelfAttention(form="plain", values=np.zeros((2, 2)), step_size=step), scale=0.5)
        seeds = range(300)
        end = Noisy.advance(
            [model] * 300, np.zeros((300, 2, 2)), start=0, record=[round(2 / step)], seeds=seeds
        ).position
        spreads.append(end.std())
    np.testing.assert_allclose(spreads, 0.5 * np.sqrt(2), rtol=0.05)


MODELS = [
    Localmax(0.1),
    Localmax([0.3, 0.2, 0.1, 0.0]),
    LocalmaxVariant(),
    LocalmaxVariant(geometry="sphere"),
    BoundedConfidence(),
    Softmax(),
    SelfAttention(),
    SelfAttention(form="plain"),
    Sinkformer(),
    SphereAttention(),
    SphereAttention(normalised=False),
    SphereGradientFlow(),
    NormalisedAttention(),
    FeedForwardAttention(),
    FeedForwardLocalmax(),
    KrauseTransformer(),
    MultiHeadAttention(heads=[np.eye(3), np.diag([1.0, 0.0, -1.0])]),
    PositionalAttention(),
    PureAttention(),
    NormalisedAttention(placement="pre"),
    CircleDensityFlow(),
    SphereDensityFlow(),
    Noisy(model=Softmax()),
]
WITH_VALUES = (NormalisedAttention, PureAttention, SelfAttention, Sinkformer, SphereAttention)


def test_every_kind_of_model_is_among_those_that_noise_is_tried_on():
    shipped = [getattr(lmdata.dynamics.models, name) for name in lmdata.dynamics.models.__all__]
    assert {type(model) for model in MODELS} == set(shipped)


@pytest.mark.parametrize("noise", ["additive", "common", "values"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.kind}-{getattr(model, 'form', '')}")
def test_every_model_takes_noise_or_refuses_it(model, noise):
    """What is taken is simulated from end to end, on the surface of the model, and is other than without noise."""
    fits = not isinstance(model, CircleDensityFlow | SphereDensityFlow | Noisy)
    if not fits or (noise == "values" and not isinstance(model, WITH_VALUES)):
        with pytest.raises(InvalidInput, match=r"model is .*(without noise|masses)|has no value matrix"):
            Noisy(model=model, noise=noise)
        return
    source = tokens.sphere(6, 3)
    loud, silent = (
        lmdata.simulate(Noisy(model=model, noise=noise, scale=scale), source, steps=4) for scale in (0.05, 0.0)
    )
    np.testing.assert_allclose(silent.position, lmdata.simulate(model, source, steps=4).position, rtol=0, atol=1e-14)
    assert float(np.abs(loud.position - silent.position).isel(time=-1).max()) > 1e-3
    on_sphere = isinstance(model, SphereFlow) or getattr(model, "placement", "") == "post"
    if getattr(model, "geometry", "") == "sphere" or on_sphere:
        norms = np.linalg.norm(loud.position, axis=-1)
        assert np.abs(norms - 1).max() < 1e-12


def logarithm_of_growth(scheme, calculus="scheme"):
    """Mean logarithm of x(1) under x' = sigma x xi from 1, over 1,000 seeds, and its standard error; sigma = 0.8."""
    flow = SelfAttention(form="plain", values=[[0.0]], scheme=scheme, step_size=0.05, estimate_error=False)
    model = Noisy(model=flow, noise="values", scale=0.8, calculus=calculus)
    seeds = range(1_000)
    start = np.ones((1_000, 1, 1))
    end = np.log(Noisy.advance([model] * 1_000, start, start=0, record=[20], seeds=seeds).position[:, 0, 0, 0])
    return end.mean(), end.std() / np.sqrt(1_000), model.limit


@pytest.mark.parametrize(
    ("scheme", "calculus", "limit"),
    [
        ("euler", "scheme", "ito"),
        ("rk4", "scheme", "stratonovich"),
        ("exponential", "scheme", "stratonovich"),
        ("rk4", "ito", "ito"),
        ("euler", "stratonovich", "stratonovich"),
    ],
)
def test_the_limit_of_multiplicative_noise_is_that_of_the_scheme_or_of_the_word(scheme, calculus, limit):
    """dx = sigma x dW: log x has the mean -sigma^2 t / 2 for Ito, 0 for Stratonovich; four standard errors and O(h)."""
    mean, error, named = logarithm_of_growth(scheme, calculus)
    assert named == limit
    assert abs(mean - (-0.32 if limit == "ito" else 0.0)) < 4 * error + 0.02


def test_a_calculus_is_kept_and_one_without_meaning_is_refused():
    flow = SphereAttention(step_size=0.1)
    model = Noisy(model=flow, noise="values", calculus="ito")
    assert lmdata.dynamics.model.model_from_specification(model.specification()) == model
    assert "calculus" not in Noisy(model=flow, noise="values").specification(), "recipes from before it are the same"
    assert Noisy(model=flow).limit is None
    for kind, noise in ((flow, "additive"), (PureAttention(), "values"), (Softmax(), "common")):
        with pytest.raises(InvalidInput, match="calculus is 'ito'"):
            Noisy(model=kind, noise=noise, calculus="ito")
