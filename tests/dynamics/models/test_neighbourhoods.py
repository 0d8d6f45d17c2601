"""Maps with equal neighbours: the former name of bounded confidence, whose recipes and stores keep their identity."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.models import BoundedConfidence
from lmdata.runs.recipe import Recipe

OLD = {
    "lmdata_recipe": 1,
    "model": {"kind": "krause", "influence": 1.0, "radius": 0.5},
    "tokens": {"kind": "uniform", "n": 16, "d": 2, "low": -1.0, "high": 1.0},
    "steps": 40,
    "record": None,
    "seeds": [0, 1],
    "sweep": [],
    "dtype": "float64",
}
OLD_ID = "19c51e57f6d5e55dd2949fce57d4c6dc305786a8aeb8924c4102464d25b14e10"
"""Of that recipe, as a store of it has held since before the model's name changed."""


def test_the_former_name_is_warned_of_where_it_is_used():
    for namespace in (lmdata, lmdata.dynamics.models):
        with pytest.warns(DeprecationWarning, match="KrauseAttention is now BoundedConfidence") as told:
            former = namespace.KrauseAttention
        assert told[0].filename == __file__
        assert issubclass(former, BoundedConfidence)
    assert "KrauseAttention" not in lmdata.__all__
    with pytest.raises(AttributeError, match="no attribute 'KrauseAttentions'"):
        _ = lmdata.dynamics.models.KrauseAttentions


def test_old_recipes_keep_their_identity_and_their_bits():
    recipe = Recipe.from_specification(OLD)
    assert recipe.id == OLD_ID
    assert isinstance(recipe.model, BoundedConfidence)
    assert model_from_specification(recipe.model.specification()) == recipe.model
    old = lmdata.simulate(recipe.model, recipe.tokens, steps=40, seeds=[0, 1])
    new = lmdata.simulate(BoundedConfidence(radius=0.5), recipe.tokens, steps=40, seeds=[0, 1])
    assert old.attrs["recipe_id"] == OLD_ID
    assert new.attrs["recipe_id"] != OLD_ID
    np.testing.assert_array_equal(old.position, new.position)


def test_old_stores_open_resume_extend_and_are_measured(tmp_path):
    """And say nothing of it: they were made before."""
    store = tmp_path / "old"
    model = model_from_specification(OLD["model"])
    made = lmdata.simulate(model, lmdata.tokens.uniform(6, 2), steps=4, store=store)
    opened = lmdata.open(store)
    xr.testing.assert_identical(opened.position.compute(), made.position.compute())
    assert lmdata.resume(store).attrs["digest"] == made.attrs["digest"]
    assert lmdata.verify(store, recompute=1).ok
    wider = lmdata.extend(store, seeds=[0, 1])
    assert wider.sizes["seed"] == 2
    np.testing.assert_allclose(lmdata.rollout(opened).sum("source"), 1, rtol=0, atol=1e-12)
