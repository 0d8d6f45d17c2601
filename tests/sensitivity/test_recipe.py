"""Recipes of atlases as plain values: what they mean, and what is refused."""

from __future__ import annotations

import math

import pytest

import lmdata
from lmdata.errors import InvalidInput
from lmdata.library import run_file
from lmdata.runs.means import Means
from lmdata.sensitivity.recipe import AtlasRecipe

ATLAS = {
    "lmdata_atlas": 1,
    "model": {"kind": "localmax"},
    "tokens": {"kind": "uniform", "n": 4, "d": 2},
}


def test_what_is_missing_takes_the_defaults_of_the_call():
    made = AtlasRecipe.from_specification(ATLAS)
    assert made.id == AtlasRecipe.of(lmdata.Localmax(), lmdata.tokens.uniform(4, 2)).id
    assert (made.seeds, made.sensitivity, made.steps, made.limits) == ((0,), (0.0, math.inf), None, True)


def test_an_upper_end_that_is_none_is_infinite():
    for low, high, meant in ((0.5, None, math.inf), (0.5, 2, 2.0)):
        assert AtlasRecipe.from_specification(ATLAS | {"sensitivity": [low, high]}).sensitivity == (low, meant)


def test_seeds_may_be_counted(tmp_path):
    counted = AtlasRecipe.from_specification(ATLAS | {"seeds": {"first": 5, "count": 3}})
    assert counted.seeds == (5, 6, 7)
    assert counted.id == AtlasRecipe.from_specification(ATLAS | {"seeds": [5, 6, 7]}).id
    file = tmp_path / "atlas.yaml"
    file.write_text(
        "lmdata_atlas: 1\nmodel: {kind: localmax}\ntokens: {kind: uniform, n: 4, d: 2}\nseeds: {first: 5, count: 3}\n"
    )
    assert run_file(file, Means()).seed.values.tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": {"first": 0}}, r"seeds as a mapping is \{first: 0, count: 20\}; got \{'first': 0\}"),
        ({"seeds": {"first": 0, "count": 2, "step": 3}}, "seeds as a mapping is"),
        ({"seeds": {"first": 0, "count": 0}}, "seeds is empty"),
        ({"seeds": {"first": -1, "count": 2}}, r"seeds\['first'\] is -1; it must be at least 0"),
        ({"seeds": {"first": 0, "count": "2"}}, r"seeds\['count'\] must be an integer"),
        ({"seeds": {"first": 0, "count": 10**30}}, "a dataset has at most"),
        ({"seeds": [0, 0]}, "holds 0 twice"),
        ({"seeds": 3}, "must be a sequence"),
        ({"sensitivity": 0.1}, "must be a pair"),
        ({"sensitivity": [0.1]}, "must be a pair"),
        ({"sensitivity": [None, None]}, r"sensitivity\[0\]"),
        ({"sensitivity": {"from": 0, "to": 1}}, r"sensitivity\[0\]"),
        ({"resolution": None}, "resolution"),
        ({"limits": 1}, "True or False"),
        ({"sweep": {"influence": [1]}}, "no key 'sweep'; it may have"),
        ({3: 4}, "no key '3'"),
        ({"lmdata_atlas": 2}, "lmdata_atlas is 2; this lmdata makes atlases of version 1"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(InvalidInput, match=message):
        AtlasRecipe.from_specification(ATLAS | changes)


@pytest.mark.parametrize("missing", ["model", "tokens"])
def test_what_is_missing_is_named(missing):
    with pytest.raises(InvalidInput, match=f"lacks '{missing}'"):
        AtlasRecipe.from_specification({key: value for key, value in ATLAS.items() if key != missing})
    with pytest.raises(InvalidInput, match="is a mapping with the keys"):
        AtlasRecipe.from_specification([ATLAS])
