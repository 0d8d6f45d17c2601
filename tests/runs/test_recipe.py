"""Recipes of every kind are read by one reader: what one of them means or refuses, the others mean or refuse."""

from __future__ import annotations

import pytest

from lmdata.errors import InvalidInput
from lmdata.runs.recipe import Recipe
from lmdata.selection import SelectionRecipe

SIMULATION = {
    "model": {"kind": "localmax"},
    "tokens": {"kind": "uniform", "n": 4, "d": 2},
    "steps": 3,
}
TRAINING = {
    "model": {"kind": "selection"},
    "tokens": {"kind": "construction", "name": "single-local"},
    "steps": 3,
}
SWEPT = {Recipe: "influence", SelectionRecipe: "step"}


@pytest.fixture(params=[(Recipe, SIMULATION), (SelectionRecipe, TRAINING)], ids=["simulation", "training"])
def kind(request):
    return request.param


def test_a_sweep_may_be_pairs_or_a_mapping_and_keeps_its_order(kind):
    recipe, given = kind
    name = SWEPT[recipe]
    pairs = recipe.from_specification(given | {"sweep": [[name, [2, 0.5]]]})
    assert pairs.sweep == {name: (2.0, 0.5)}
    assert recipe.from_specification(given | {"sweep": {name: [2, 0.5]}}).id == pairs.id
    assert recipe.from_specification(pairs.specification()).id == pairs.id


def test_a_sweep_that_names_a_parameter_twice_is_refused(kind):
    recipe, given = kind
    name = SWEPT[recipe]
    with pytest.raises(InvalidInput, match=rf"sweep names a parameter twice in \['{name}', '{name}'\]; give each once"):
        recipe.from_specification(given | {"sweep": [[name, [1]], [name, [2]]]})


def test_seeds_may_be_counted(kind):
    recipe, given = kind
    counted = recipe.from_specification(given | {"seeds": {"first": 5, "count": 3}})
    assert counted.seeds == (5, 6, 7)
    assert recipe.from_specification(given | {"seeds": [5, 6, 7]}).id == counted.id


def test_missing_keys_take_the_defaults(kind):
    recipe, given = kind
    made = recipe.from_specification(given)
    assert (made.seeds, made.sweep, made.record) == ((0,), {}, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": {"first": 0}}, r"seeds as a mapping is \{first: 0, count: 20\}; got \{'first': 0\}"),
        ({"seeds": {"first": 0, "count": 0}}, "seeds is empty"),
        ({"seeds": {"first": -1, "count": 2}}, r"seeds\['first'\] is -1; it must be at least 0"),
        ({"seeds": {"first": 0, "count": 1.5}}, r"seeds\['count'\] must be an integer of at least 0; got float 1.5"),
        ({"seeds": {"first": 0, "count": 10**30}}, r"seeds\['count'\] is 1,000,.*; a dataset has at most 1,048,576"),
        ({"seeds": {"first": 2**63 - 1, "count": 2}}, r"seeds must be below 2\*\*63"),
        ({"sweep": [["a"]]}, r"sweep as a list holds \[name, values\] pairs"),
        ({"sweep": {"nonsense": [1]}}, "sweep names 'nonsense', which"),
        ({"stpes": 3}, "a recipe has no key 'stpes'; it may have"),
        ({"lmdata_recipe": 2}, "the recipe is of version 2, and this lmdata reads version 1"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"record": 0}, "record is 0"),
        ({"steps": -1}, "steps is -1"),
    ],
)
def test_what_is_wrong_is_named_in_every_kind(kind, changes, message):
    recipe, given = kind
    with pytest.raises(InvalidInput, match=message):
        recipe.from_specification(given | changes)


@pytest.mark.parametrize("missing", ["model", "tokens", "steps"])
def test_what_is_missing_is_named_in_every_kind(kind, missing):
    recipe, given = kind
    with pytest.raises(InvalidInput, match=f"the recipe lacks '{missing}'"):
        recipe.from_specification({key: value for key, value in given.items() if key != missing})
    with pytest.raises(InvalidInput, match="a recipe is a mapping with the keys"):
        recipe.from_specification([given])


def test_too_many_members_are_refused(kind):
    recipe, given = kind
    with pytest.raises(InvalidInput, match="2,000,000 members; at most 1,048,576 are allowed: split it"):
        recipe.from_specification(given | {"seeds": {"first": 0, "count": 10**6}, "sweep": {SWEPT[recipe]: [1, 2]}})
