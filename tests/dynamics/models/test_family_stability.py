"""Step sizes at which a scheme is unstable are named before a run; what blows up is named after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.dynamics.models import (
    CircleDensityFlow,
    FeedForwardAttention,
    MultiHeadAttention,
    NormalisedAttention,
    PositionalAttention,
    SelfAttention,
    Sinkformer,
    SphereAttention,
    SphereGradientFlow,
)
from lmdata.dynamics.models.steppers import SCHEMES
from lmdata.errors import AccuracyWarning


def advance(model, state, record):
    frames = type(model).advance([model], state[None], start=0, record=list(record), seeds=[0])
    return frames.position[0]


@pytest.mark.parametrize("scheme", ["euler", "layernorm", "geodesic", "rk4", "adaptive"])
def test_the_stable_step_size_is_that_of_the_scheme(scheme):
    """Warned of above the limit that theory gives, silent below; the adaptive scheme has none."""
    limit = {"rk4": 2.785293563405282, "adaptive": np.inf}.get(scheme, 2.0)
    start = tokens.sphere(4, 2).draw(0)
    model = SphereAttention(values=2 * np.eye(2), scheme=scheme, step_size=min(0.499 * limit, 1e6))
    model.check(start, 10)
    if np.isfinite(limit):
        with pytest.warns(AccuracyWarning, match=f"scheme {scheme!r} is unstable where their product"):
            replace(model, step_size=0.501 * limit).check(start, 10)


@pytest.mark.parametrize(
    ("model", "rate"),
    [
        (SelfAttention(values=[[0, 3], [-3, 0]]), 3.0),
        (Sinkformer(values=[[0, 3], [-3, 0]]), 3.0),
        (SphereAttention(values=[[0, 3], [-3, 0]]), 3.0),
        (SphereAttention(inverse_temperature=2.0, normalised=False), np.exp(2)),
        (SphereGradientFlow(alignment=[[-2, 0], [0, 1]]), 2 * np.exp(2)),
        (PositionalAttention(inverse_temperature=2.0, slope=0.5), np.exp(2) / (1 - np.exp(-0.5))),
        (PositionalAttention(inverse_temperature=2.0), 10 * np.exp(2)),
        (PositionalAttention(inverse_temperature=2.0, normalised=True), 1.0),
        (FeedForwardAttention(neurons=[[2, 0], [0, 1]], gains=[1, -3], strength=0.5), np.e + 3.5),
        (MultiHeadAttention(), 2 * np.e),
        (NormalisedAttention(values=[[0, 3], [-3, 0]]), 3.0),
        (NormalisedAttention(placement="ngpt", values=[[0, 3], [-3, 0]], rate=2.0), 2.0),
        (CircleDensityFlow(metric="fisher-rao", inverse_temperature=2.0), np.exp(2) / 2),
        (CircleDensityFlow(), np.e * 10 / np.pi),
        (CircleDensityFlow(metric="fisher-rao", scheme="exponentiated"), np.e),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_every_flow_names_an_unstable_step_size(model, rate):
    start = np.full((10, 1), 0.1) if isinstance(model, CircleDensityFlow) else tokens.sphere(10, 2).draw(0)
    limit = SCHEMES[model.scheme].stable_until / rate
    replace(model, step_size=0.999 * limit).check(start, 10)
    with pytest.warns(AccuracyWarning, match=rf"step_size is .* of {model.kind} .* take step_size <= {limit:.3g}"):
        replace(model, step_size=1.001 * limit).check(start, 10)


def test_beyond_the_stable_step_size_the_scheme_does_diverge():
    """One token under x' = -3 x: the bound is sharp, on both sides."""
    for scheme in ("euler", "rk4"):
        limit = SCHEMES[scheme].stable_until / 3
        model = SelfAttention(form="plain", scheme=scheme, values=[[-3.0]], step_size=0.99 * limit)
        assert abs(advance(model, np.ones((1, 1)), [300])[0, 0, 0]) < 1
        with pytest.raises(FloatingPointError, match=f"unstable for scheme '{scheme}'"):
            advance(replace(model, step_size=1.5 * limit), np.ones((1, 1)), [3000])


def test_unstable_steps_are_warned_of_and_blown_up_ones_named():
    decaying = SelfAttention(form="plain", scheme="euler", values=-np.eye(2), step_size=2.5)
    with pytest.warns(AccuracyWarning, match=r"step_size is 2.5 .* scheme 'euler' is unstable .* take step_size <= 2"):
        decaying.check(np.eye(2), 10)
    growing = SelfAttention(form="plain", step_size=0.5)
    with pytest.raises(FloatingPointError, match=r"no longer finite at time 3\d\d.* step_size=0.5 is unstable"):
        advance(growing, np.eye(2), [3000])
