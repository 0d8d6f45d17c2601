"""Ids of models: one for a model however it came to its parameters, and another for every other model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.data.derived import open_derived, save_derived, stale
from lmdata.data.identity import model_ids, names_of, part_of, steps_of, swept_values
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


def test_zero_has_one_id_whatever_its_sign():
    model = lmdata.Localmax(0.0).specification()
    assert model_ids(model, {"alignment_sensitivity": [-0.0, 0.0]}).tolist() == [model_ids(model, {}).item()] * 2


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


@pytest.fixture(scope="module")
def swept():
    tokens = lmdata.tokens.uniform(4, 2)
    return lmdata.simulate(lmdata.Localmax(), tokens, steps=3, seeds=range(3), sweep={"influence": [0.5, 1.0]})


PARTS = {
    "seeds": lambda ds: ds.isel(seed=[0, 2]),
    "one seed": lambda ds: ds.isel(seed=1),
    "one value": lambda ds: ds.sel(influence=0.5),
    "frames": lambda ds: ds.isel(time=slice(1, None)),
    "tokens": lambda ds: ds.isel(token=[0, 1]),
    "another order": lambda ds: ds.isel(seed=[2, 1, 0]),
}
OTHERS = {
    "a mean": lambda ds: ds.mean("seed"),
    "a concatenation": lambda ds: xr.concat([ds, ds], dim="run"),
    "twice the seeds": lambda ds: xr.concat([ds, ds], dim="seed"),
    "another run's seeds": lambda ds: ds.assign_coords(seed=[5, 6, 7]),
    "a coarse one": lambda ds: ds.drop_vars(["digest", "model_id"]).coarsen(seed=3).mean(),
    "renamed": lambda ds: ds.rename(influence="alpha"),
}


def test_attributes_name_a_dataset_and_none_of_what_xarray_makes_of_it(swept):
    assert names_of(swept) == {name: swept.attrs[name] for name in ("recipe_id", "digest")}
    assert names_of(swept.transpose(..., "influence")) == names_of(swept)
    assert names_of(swept.assign(volume=lmdata.hull_volume(swept))) == names_of(swept)
    for act in {**PARTS, **OTHERS}.values():
        assert names_of(act(swept)) == {}
        assert "digest" in act(swept).attrs  # as xarray carries it


def test_what_was_computed_from_a_part_says_so(swept, tmp_path):
    for name, act in {**PARTS, **OTHERS}.items():
        part = act(swept)
        save_derived(part[["position"]].mean("time"), tmp_path / name, source=part, made_by="a test")
        kept = open_derived(tmp_path / name)
        origin = json.loads(kept.attrs["source"])
        assert "digest" not in origin
        if name in PARTS:
            assert origin["part_of"] == names_of(swept) == part_of(part)
            assert stale(kept, swept) is None
        else:
            assert origin == {}
            assert "does not say" in stale(kept, swept)
