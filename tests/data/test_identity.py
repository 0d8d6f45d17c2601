"""Ids of models: one for a model however it came to its parameters, and another for every other model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lmdata
from lmdata.data.identity import model_ids, steps_of, swept_values
from lmdata.dynamics.models import Noisy, Softmax

LOCALMAX = lmdata.Localmax(alignment_sensitivity=0.25, influence=0.5, alignment=[[2.0, 0.0], [0.0, 1.0]])
NOISY = Noisy(model=Softmax(inverse_temperature=2.0), scale=0.1)


@pytest.mark.parametrize(
    ("model", "swept"),
    [
        (LOCALMAX, {"influence": [0.5, 1.0, 2.0]}),
        (LOCALMAX, {"alignment_sensitivity": [0.0, 0.25], "influence": [0.5, 1.0]}),
        (NOISY, {"inverse_temperature": [1.0, 2.0], "scale": [0.1, 0.5]}),
        (lmdata.Localmax(lmdata.schedules.Geometric(1.0, 0.5)), {"alignment_sensitivity": [0.0, 1.0]}),
    ],
)
def test_a_point_of_a_sweep_has_the_id_of_the_model_that_it_is(model, swept):
    ids = model_ids(model.specification(), swept)
    assert ids.shape == tuple(map(len, swept.values()))
    assert np.unique(ids).size == ids.size
    for place in np.ndindex(ids.shape):
        own = model
        for (name, values), i in zip(swept.items(), place, strict=True):
            own = own.with_parameter(name, values[i])
        assert model_ids(own.specification(), {}) == ids[place]


def test_every_parameter_has_a_part_in_the_id():
    models = [
        *(lmdata.Localmax(), lmdata.Localmax(0.5, influence=0.25), lmdata.Localmax(0.25, influence=0.5), LOCALMAX),
        *(Softmax(), Softmax(causal=True), NOISY, Noisy(model=NOISY.model, scale=0.1, noise="common")),
        lmdata.Localmax([0.5, 0.25]),
    ]
    ids = [model_ids(model.specification(), {}).item() for model in models]
    assert len(set(ids)) == len(models)
    assert all(len(one) == 16 for one in ids)


def test_ids_are_the_same_for_ever():
    """They are stored with what people keep, and compared with what a later lmdata computes."""
    assert model_ids({"kind": "localmax", "influence": 1.0}, {"influence": [0.5]}).tolist() == ["0a8001917f539af0"]


@pytest.mark.parametrize(
    ("recipe", "time", "unit", "steps"),
    [
        ({"steps": 4, "record": None}, np.arange(5), "step", [0, 1, 2, 3, 4]),
        ({"steps": 5, "record": 2}, np.array([0.0, 0.2, 0.4, 0.5]), "1", [0, 2, 4, 5]),
        ({"steps": 9, "record": [3, 9]}, np.array([0.3, 0.9]), "1", [3, 9]),
        (None, np.array([2, 5]), "step", [2, 5]),
        (None, np.array([0.5, 0.7]), "1", [0, 1]),
    ],
)
def test_steps_are_those_of_the_recipe(recipe, time, unit, steps):
    attrs = {} if recipe is None else {"recipe": json.dumps(recipe)}
    assert steps_of(attrs, time, unit).tolist() == steps


def test_a_recipe_that_cannot_be_read_tells_nothing():
    for broken in ({}, {"recipe": "no JSON"}, {"recipe": 3}, {"recipe": "[1]"}):
        assert swept_values(broken) == {}
        assert steps_of({**broken, "recipe": '{"steps": 9}'}, np.array([0.5]), "1") is None
