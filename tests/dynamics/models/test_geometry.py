"""Surfaces: what counts as on them, and that flows stay there or say so."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.dynamics.models import LocalmaxVariant, SphereAttention, SphereGradientFlow
from lmdata.dynamics.models.geometry import Ellipsoid, Simplex
from lmdata.errors import AccuracyWarning, InvalidInput

SPHERES = [SphereAttention(), SphereGradientFlow(), LocalmaxVariant(geometry="sphere")]


@pytest.mark.parametrize("model", SPHERES, ids=lambda model: model.kind)
@pytest.mark.parametrize("digits", [7, 8, 12])
def test_rounded_unit_vectors_are_on_the_sphere(model, digits):
    """And are brought onto it to float64's precision at the start."""
    start = tokens.sphere(6, 3).draw(0).round(digits)
    assert np.abs(np.linalg.norm(start, axis=1) - 1).max() > 1e-14
    model.check(start, 3)
    frames = type(model).advance([model], start[None], start=0, record=[0, 1, 2], seeds=[0]).position[0]
    assert np.abs(np.linalg.norm(frames[1:], axis=-1) - 1).max() < 1e-15
    assert np.abs(np.linalg.norm(frames[0], axis=-1) - 1).max() < 1e-9
    with pytest.raises(InvalidInput, match=r"off the unit sphere.* more than 1e-06"):
        model.check(start * (1 + 2e-6), 3)


@pytest.mark.parametrize("model", SPHERES, ids=lambda model: model.kind)
def test_exact_unit_vectors_are_left_as_they_are(model):
    start = tokens.sphere(6, 3).draw(0)
    frame = type(model).advance([model], start[None], start=0, record=[0], seeds=[0]).position[0, 0]
    np.testing.assert_array_equal(frame, start)


@pytest.mark.parametrize("model", SPHERES, ids=lambda model: model.kind)
def test_tokens_that_leave_the_sphere_are_warned_of(model, monkeypatch):
    monkeypatch.setattr(Ellipsoid, "retract", lambda self, points: points * (1 + 1e-11))
    with pytest.warns(AccuracyWarning, match=f"tokens have left the s.* by more than 1e-12 in a run of {model.kind}"):
        type(model).advance([model], tokens.sphere(6, 3).draw(0)[None], start=0, record=[5], seeds=[0])


@pytest.mark.filterwarnings("ignore:step_size is")
@pytest.mark.parametrize("direction", ["ascent", "descent"])
def test_an_energy_that_goes_the_wrong_way_is_warned_of(direction):
    start = tokens.sphere(6, 2).draw(0)[None]
    careful, hasty = (
        SphereGradientFlow(direction=direction, scheme="euler", step_size=size, estimate_error=False)
        for size in (0.1, 5.0)
    )
    SphereGradientFlow.advance([careful], start, start=0, record=range(20), seeds=[0])  # a warning is an error here
    with pytest.warns(AccuracyWarning, match="the energy goes the wrong way in a run of sphere-gradient-flow"):
        SphereGradientFlow.advance([hasty], start, start=0, record=range(20), seeds=[0])


def test_what_overflows_is_told_in_words_alone():
    """Weights of exp(600) lead beyond float64 in a step: an error that says so, and no warning of numpy's."""
    model = SphereAttention(normalised=False, inverse_temperature=600.0, estimate_error=True)
    with pytest.raises(FloatingPointError, match=r"no longer finite at time 0\.1 .*step_size=0\.1 is unstable"):
        SphereAttention.advance([model], tokens.sphere(6, 3).draw(0)[None], start=0, record=[1], seeds=[0])


def test_the_simplex_projects_onto_its_tangent_space():
    rng = np.random.default_rng(0)
    points, velocity = rng.random((2, 5, 1)), rng.normal(size=(2, 5, 1))
    tangent = Simplex().tangent(points, velocity)
    assert np.abs(tangent.sum(axis=1)).max() < 1e-15
    np.testing.assert_allclose(Simplex().tangent(points, tangent), tangent, atol=1e-15)
    assert np.abs(Simplex().retract(points).sum(axis=1) - 1).max() < 1e-15
    np.testing.assert_array_equal(Simplex().deviation(points)[:, 0], np.abs(points.sum(axis=(1, 2)) - 1))
