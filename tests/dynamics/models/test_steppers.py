"""Time stepping: each scheme has the order that theory gives it, and says how large its error is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.dynamics.models import (
    FeedForwardAttention,
    MultiHeadAttention,
    NormalisedAttention,
    PositionalAttention,
    SelfAttention,
    Sinkformer,
    SphereAttention,
    SphereGradientFlow,
)
from lmdata.dynamics.models.steppers import SCHEMES, adaptive, exponential, runge_kutta
from lmdata.errors import InvalidInput

TURN = [[1.0, 0.4], [-0.4, 0.8]]
FLOWS = [
    SelfAttention(values=TURN),
    SelfAttention(values=TURN, form="plain"),
    SelfAttention(values=TURN, form="plain", scheme="exponential"),
    SelfAttention(values=TURN, scheme="exponential"),
    SelfAttention(values=TURN, scheme="euler"),
    pytest.param(Sinkformer(values=TURN, scheme="euler"), marks=pytest.mark.long),
    pytest.param(Sinkformer(values=TURN, scheme="rk4"), marks=pytest.mark.long),
    SphereAttention(values=TURN, inverse_temperature=2.0),
    SphereAttention(values=TURN, inverse_temperature=2.0, scheme="euler"),
    SphereAttention(values=TURN, inverse_temperature=2.0, scheme="layernorm"),
    SphereAttention(values=TURN, inverse_temperature=2.0, scheme="geodesic"),
    SphereAttention(inverse_temperature=2.0, ellipsoid=[[2.0, 0.5], [0.5, 1.0]], off_surface="normalise"),
    SphereGradientFlow(alignment=[[1.0, 0.5], [0.5, -1.0]]),
    PositionalAttention(slope=0.5, rotation=0.3),
    FeedForwardAttention(neurons=TURN, activation="tanh", gains=[0.5, -0.5], biases=[0.1, 0.2]),
    MultiHeadAttention(heads=[TURN, [[0.0, 1.0], [1.0, 0.5]]]),
    NormalisedAttention(placement="pre", values=TURN),
    NormalisedAttention(placement="peri", values=TURN),
    NormalisedAttention(placement="ngpt", values=TURN),
    NormalisedAttention(placement="mix", values=TURN, switch=0.5),
    NormalisedAttention(placement="sqrt-depth", values=TURN, scheme="layernorm"),
]


def reached(model, start, *, time, steps):
    model = replace(model, step_size=time / steps)
    frames = type(model).advance([model], start[None], start=0, record=[0, steps], seeds=[0])
    return frames.position[0, -1], frames.diagnostics["step_error"][0, 0]


@pytest.mark.parametrize("model", FLOWS, ids=lambda m: f"{m.kind}-{getattr(m, 'form', '')}-{m.scheme}")
def test_convergence_order(model):
    """The error against the adaptive reference falls as h^p, p within 0.1 of the scheme's order."""
    start = tokens.sphere(5, 2).draw(8)
    order = SCHEMES[model.scheme].order
    steps = np.array([16, 32] if order == 4 else [75, 150])
    exact, _ = reached(replace(model, scheme="adaptive"), start, time=1.0, steps=4)
    errors = [np.abs(reached(model, start, time=1.0, steps=int(n))[0] - exact).max() for n in steps]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("model", FLOWS, ids=lambda m: f"{m.kind}-{getattr(m, 'form', '')}-{m.scheme}")
def test_the_estimated_error_is_the_error_of_the_step(model):
    start = tokens.sphere(5, 2).draw(8)
    step = 0.1 if SCHEMES[model.scheme].order == 4 else 0.01
    if getattr(model, "ellipsoid", None):
        start = model.surface.retract(start)
    after, estimate = reached(model, start, time=step, steps=1)
    exact, _ = reached(replace(model, scheme="adaptive"), start, time=step, steps=1)
    assert estimate == pytest.approx(np.abs(after - exact).max(), rel=0.2)


def test_the_exponential_scheme_is_exact_for_the_linear_part_however_stiff():
    """One token attends to itself alone: x' = V x. Runge-Kutta is lost at this step, the exponential scheme exact."""
    stiff = SelfAttention(form="plain", values=[[-1000.0, 0.0], [0.0, 0.5]], step_size=1.0, scheme="exponential")
    end = SelfAttention.advance([stiff], np.array([[[1.0, 1.0]]]), start=0, record=[2], seeds=[0]).position[0, 0, 0]
    np.testing.assert_allclose(end, [0.0, np.e], rtol=1e-12, atol=1e-300)


def test_a_stiff_linear_part_does_not_spoil_the_order():
    rate = 50.0
    x0, time = np.full((1, 1, 1), 0.5), 0.5

    def rest(x, t):
        return np.sin(x) * np.cos(t)

    def decay(x, s):
        return np.exp(-rate * s) * x

    reference = adaptive(lambda x, t: -rate * x + rest(x, t), x0, 0.0, time, tolerance=1e-13)
    state = x0
    for k in range(20):
        state = exponential(rest, decay, state, k * time / 20, time / 20)
    assert np.abs(state - reference).max() < 1e-9


def test_runge_kutta_is_exact_for_cubics_in_time():
    end = runge_kutta(lambda x, t: np.full_like(x, t**3), np.zeros((1, 1, 1)), 1.0, 0.5)
    assert end.item() == pytest.approx((1.5**4 - 1) / 4, rel=1e-15)


def test_an_integrator_that_gives_up_is_named():
    with pytest.raises(InvalidInput, match=r"adaptive integrator failed between time 0\.0 and 2\.0"):
        adaptive(lambda x, t: x**2, np.ones((1, 1, 1)), 0.0, 2.0)
