"""Maps with equal neighbours: the former name of bounded confidence, whose recipes and stores keep their identity."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.dynamics import tokens
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.models import BoundedConfidence, LocalmaxVariant, Softmax
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


# --- later parameters, other matrices ---


def advance(model, state, record):
    return type(model).advance([model], state[None], start=0, record=list(record), seeds=[0]).position[0]


def test_a_later_parameter_leaves_old_recipes_as_they_were():
    """It stands in the specification only where it is not at its default."""
    old = {
        "kind": "localmax-variant", "influence": 1.0, "alignment_sensitivity": 0.2, "alignment": None,
        "threshold": "spread", "causal": False, "geometry": "euclidean",
    }  # fmt: skip
    model = model_from_specification(old)
    assert model == LocalmaxVariant(alignment_sensitivity=0.2)
    assert model.specification() == old
    excluding = LocalmaxVariant(exclude_self=True)
    assert excluding.specification()["exclude_self"] is True
    assert model_from_specification(excluding.specification()) == excluding


@pytest.mark.parametrize("causal", [False, True])
def test_who_excludes_itself_follows_the_most_aligned_of_the_others(causal):
    """By brute force; vertices, which hardmax holds in place, move then."""
    z, matrix = tokens.uniform(9, 2).draw(4), np.array([[1.0, 0.4], [0.4, -0.5]])
    model = LocalmaxVariant(alignment=matrix, threshold="absolute", exclude_self=True, causal=causal)
    expected = z.copy()
    for i in range(9):
        others = [j for j in range(i if causal else 9) if j != i]
        if others:
            expected[i] = (z[i] + z[max(others, key=lambda j: z[i] @ matrix @ z[j])]) / 2
    np.testing.assert_allclose(advance(model, z, [1])[0], expected, rtol=0, atol=1e-15)
    plain = LocalmaxVariant(threshold="absolute")
    leader = (z**2).sum(axis=1).argmax()
    np.testing.assert_array_equal(advance(plain, z, [9])[0][leader], z[leader])
    assert (advance(LocalmaxVariant(threshold="absolute", exclude_self=True), z, [1])[0] != z).any(axis=1).all()


@pytest.mark.parametrize("settings", [{"exclude_self": True}, {"causal": True}, {"exclude_self": True, "causal": True}])
def test_some_rows_of_the_weights_are_those_rows(settings):
    model, z = LocalmaxVariant(alignment_sensitivity=0.2, **settings), tokens.uniform(9, 2).draw(6)
    whole = model.attention(z[None])
    for rows in (slice(0, 3), slice(3, 8), slice(8, 9)):
        np.testing.assert_array_equal(model.attention(z[None], 0, rows), whole[:, rows])


def test_who_is_alone_stays():
    for threshold in ("absolute", "spread", "maximum"):
        model = LocalmaxVariant(threshold=threshold, exclude_self=True, alignment_sensitivity=0.3)
        np.testing.assert_array_equal(advance(model, np.array([[0.3, -2.0]]), [5])[0], [[0.3, -2.0]])


@pytest.mark.parametrize("matrix", [-np.eye(2), [[-1.0, 0.3], [0.3, -0.5]], [[-1.0, 1.0], [1.0, -1.0]]])
def test_the_largest_energy_of_frank_and_wolfe_never_rises(matrix):
    """-<z, A z> / 2 is convex for A negative semidefinite, and every step leads to a mean of tokens."""
    for seed in range(5):
        start = tokens.uniform(12, 2).draw(seed)
        for influence in (0.1, 1.0):
            model = LocalmaxVariant(alignment=matrix, threshold="absolute", influence=influence)
            frames = advance(model, start, range(150))
            energy = (-np.einsum("tik,kl,til->ti", frames, matrix, frames) / 2).max(axis=1)
            assert np.diff(energy).max() <= 1e-15
    np.testing.assert_allclose(
        advance(Softmax(alignment=matrix, inverse_temperature=1e300), start, [20]),
        advance(LocalmaxVariant(alignment=matrix, threshold="absolute"), start, [20]),
        rtol=0,
        atol=1e-14,
    )
