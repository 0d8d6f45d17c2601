"""What models refuse, each refusal naming the argument, its value and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.dynamics import Localmax, tokens
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.models import (
    BoundedConfidence,
    CircleDensityFlow,
    KrauseTransformer,
    LocalmaxVariant,
    Noisy,
    SelfAttention,
    Sinkformer,
    Softmax,
    SphereAttention,
    SphereGradientFlow,
)
from lmdata.errors import InvalidInput, UnknownName

BAD = [
    (lambda: Softmax(inverse_temperature=-1), "inverse_temperature is -1"),
    (lambda: Softmax(influence=0), "influence is 0"),
    (lambda: Softmax(inverse_temperature=float("nan")), "must be finite"),
    (lambda: Softmax(alignment=[[1, 2], [0, 1]]), "alignment is not symmetric"),
    (lambda: KrauseTransformer(bandwidth=0), "bandwidth is 0"),
    (lambda: KrauseTransformer(nearest=0), "nearest is 0; it must be at least 1"),
    (lambda: KrauseTransformer(window=-1), "window is -1; it must be at least 0"),
    (lambda: KrauseTransformer(keys=[[1, 0]]).check(np.eye(2), 1), "queries have 2 rows and keys 1"),
    (lambda: Softmax(causal=1), "causal is 1; it must be True or False"),
    (lambda: SelfAttention(form="other"), "form is 'other'; it must be one of 'rescaled', 'plain'"),
    (lambda: SelfAttention(values=[[1, 2, 3]]), r"values has shape \(1, 3\)"),
    (lambda: SelfAttention(step_size=0), "step_size is 0"),
    (lambda: SphereAttention(inverse_temperature=800, normalised=False), "beyond float64"),
    (lambda: SphereAttention(normalised=False, causal=True), "needs normalised weights"),
    (lambda: SphereGradientFlow(alignment=[[1, 2], [0, 1]]), "alignment is not symmetric"),
    (lambda: Sinkformer(half_steps=0), "half_steps is 0; it must be at least 1"),
    (lambda: BoundedConfidence(radius=-1), "radius is -1"),
    (lambda: Noisy(model=Localmax(), noise="values"), "Localmax has no value matrix"),
    (lambda: Noisy(model="softmax"), "model is 'softmax'"),
    (lambda: CircleDensityFlow(alignment=np.eye(3)), "on the circle D is"),
    (lambda: CircleDensityFlow(scheme="exponentiated"), "metric is 'wasserstein'"),
    (lambda: model_from_specification({"kind": "noisy"}), "needs 'model'"),
    (lambda: model_from_specification({"kind": "softmax", "beta": 1}), "no parameter of softmax named 'beta'"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_parameters_are_named(make, message):
    with pytest.raises((InvalidInput, UnknownName), match=message):
        make()


def test_tokens_off_the_sphere_are_refused_or_normalised_on_request():
    state = tokens.uniform(5, 2).draw(0)
    with pytest.raises(InvalidInput, match=r"off the unit sphere .* off_surface='normalise'"):
        SphereAttention().check(state, 1)
    willing = SphereAttention(off_surface="normalise")
    willing.check(state, 1)
    frames = SphereAttention.advance([willing], state[None], start=0, record=[0, 3], seeds=[0]).position[0]
    np.testing.assert_allclose(np.linalg.norm(frames, axis=-1), 1, rtol=0, atol=1e-15)
    with pytest.raises(InvalidInput, match="token 2 is zero"):
        willing.check(np.array([[1.0, 0], [0, 1], [0, 0]]), 1)
    with pytest.raises(InvalidInput, match="off the unit sphere"):
        LocalmaxVariant(geometry="sphere").check(state, 1)


def test_matrices_must_fit_the_tokens():
    with pytest.raises(InvalidInput, match=r"values has shape \(3, 3\), but the tokens have 2 components"):
        SelfAttention(values=np.eye(3)).check(np.eye(2), 1)
    with pytest.raises(InvalidInput, match="queries have 1 row and keys 2"):
        SelfAttention(queries=[[1, 0]]).check(np.eye(2), 1)
    with pytest.raises(InvalidInput, match="a density has one"):
        CircleDensityFlow().check(np.eye(2), 1)
    with pytest.raises(InvalidInput, match="masses have the least value -1"):
        CircleDensityFlow().check(np.array([[2.0], [-1.0]]), 1)


def test_a_batch_of_different_models_is_refused():
    with pytest.raises(InvalidInput, match="must differ in inverse_temperature, influence alone"):
        Softmax.advance([Softmax(), Softmax(causal=True)], np.zeros((2, 3, 2)), start=0, record=[1], seeds=[0, 1])
