"""The dataset of a training run: names, identity, laziness, and what ships with it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import RecipeMismatch
from lmdata.selection import (
    SelectionRecipe,
    TokenSelection,
    attention,
    composition,
    construction,
    direction_correlation,
    gaussian,
    given,
    label_noise,
    margins,
    norms,
    path_margin,
    run,
    selected_mass,
    sentences,
    solutions,
    starts,
    token_scores,
    train,
    value_correlation,
    winner,
)
from lmdata.selection.sentences import shipped
from lmdata.selection.variables import VARIABLES

MODELS = {
    "prompt": TokenSelection(),
    "weight": TokenSelection(trained="weight"),
    "joint": TokenSelection(trained="joint"),
    "factors": TokenSelection(trained="factors", width=2),
}


@pytest.fixture(params=MODELS)
def ds(request):
    return train(
        MODELS[request.param], gaussian(2, 3, 4, queries="random"), steps=20, seeds=[0, 5], starts=starts(count=3),
        sweep={"step": [0.1, 0.2]}, record=5,
    )  # fmt: skip


def test_variables_have_their_registered_dims_and_attributes(ds):
    swept = {"*": ["step"], "#": []}
    for name, array in ds.variables.items():
        if name in VARIABLES:
            spec = VARIABLES[name]
            expected = [dim for entry in spec.dims for dim in swept.get(entry, [entry])]
            assert list(array.dims) == expected, name
            assert array.dtype.kind == np.dtype(spec.dtype).kind
        assert array.attrs["long_name"]
    assert ds.iteration.values.tolist() == [0, 5, 10, 15, 20]
    assert ds.seed.values.tolist() == [0, 5]


def test_a_run_is_its_recipe(ds):
    recipe = SelectionRecipe.from_specification(json.loads(ds.attrs["recipe"]))
    assert recipe.id == ds.attrs["recipe_id"]
    again = run(recipe)
    assert again.drop_attrs(deep=False).identical(ds.drop_attrs(deep=False))
    assert again.attrs["digest"] == ds.attrs["digest"]


@pytest.mark.parametrize(
    "source",
    [
        construction("unequal-scores", contrast=3),
        gaussian(2, 3, 4, queries="first token"),
        given([[[0.1, 1], [1, 0], [9, 9]]], [1], value=[1, 0], query=[1, 1], lengths=np.array([2])),
        sentences("food", features=8),
        label_noise(4, 3, 5, flipped=0.5),
    ],
)
def test_sources_come_back_from_their_specification(source):
    from lmdata.selection.source import source_from_specification

    specification = json.loads(json.dumps(source.specification()))
    assert source_from_specification(specification).specification() == source.specification()


def test_digests_are_the_same_on_every_machine():
    """Only + - * / and square roots occur, so that these stand for good; a change here is a change of the schema."""
    model = TokenSelection(exponent=1.75)
    ds = train(model, gaussian(3, 4, 5), steps=300, starts=starts(count=2), record=[0, 300])
    assert ds.attrs["digest"] == "2b483ef832c2c4fbd8be7c439e899319ca7353fa7fc15b1cd47c6061572a0914"
    joint = train(TokenSelection(trained="joint"), construction("three-clusters"), steps=300, record=[0, 300])
    assert joint.attrs["digest"] == "9b0cc79f100d2c92e548ca4e67f26e22d15d5fdc0fe0754b4e9c5ab275fdb059"


def test_members_are_keyed_by_value():
    one = train(TokenSelection(), gaussian(2, 3, 4), steps=5, seeds=[3], sweep={"step": [0.2]})
    more = train(TokenSelection(), gaussian(2, 3, 4), steps=5, seeds=[1, 3], sweep={"step": [0.1, 0.2]})
    assert one.digest.item() == more.digest.sel(step=0.2, seed=3).item()


def test_swept_problems_have_their_own_dimension():
    ds = train(
        TokenSelection(), construction("unequal-scores"), steps=50, sweep={"contrast": [1, 10], "step": [0.1, 0.2]}
    )
    assert ds.token_vector.dims == ("contrast", "seed", "sample", "token", "feature")
    assert ds.prompt.dims[:4] == ("contrast", "step", "start", "seed")
    assert ds.token_vector.sel(contrast=10).max() == 10
    found = solutions(ds)
    assert found.direction.dims == ("contrast", "seed", "solution", "feature")
    assert direction_correlation(ds, found).dims == ("contrast", "step", "start", "seed", "iteration", "solution")


def test_measures_have_their_registered_dims(ds):
    found = solutions(ds, limit=4)
    made = [attention(ds), direction_correlation(ds, found), selected_mass(ds, found), path_margin(ds, found),
            winner(ds, found), *norms(ds).values(), *found.values(), margins(ds), token_scores(ds),
            *composition(ds).values()]  # fmt: skip
    if "value" in ds:
        made.append(value_correlation(ds, found))
    of_score = ["seed", "sample", "token"]
    for array in made:
        expected = [dim for entry in VARIABLES[array.name].dims for dim in {"*": ["step"], "#": []}.get(entry, [entry])]
        fixed = array.name == "token_score" and "value" not in ds
        assert list(array.dims) == (of_score if fixed else expected), array.name
        assert array.attrs["long_name"] == VARIABLES[array.name].long_name
    assert found.attrs["candidates"].startswith("best scores")


def test_measures_are_lazy(ds):
    def refuse(*_, **__):
        raise AssertionError("something was computed")

    import dask

    found = solutions(ds, limit=4)
    measures = [
        attention,
        lambda data: direction_correlation(data, found),
        lambda data: selected_mass(data, found),
        lambda data: path_margin(data, found),
        lambda data: norms(data)["norm"],
        lambda data: winner(data, found),
        margins,
        *([token_scores, lambda data: value_correlation(data, found)] if "value" in ds else []),
    ]
    lazy = ds.chunk({"start": 1, "seed": 1})
    for measure in measures:
        with dask.config.set(scheduler=refuse):
            result = measure(lazy)
        assert result.chunks is not None
        xr.testing.assert_allclose(result.compute(), measure(ds))


def test_examining_given_selections_keeps_their_order():
    ds = train(TokenSelection(), construction("single-local"), steps=5)
    found = solutions(ds, selected=[[2], [0]], norm=3.0)
    assert found.selected_token[0].values.ravel().tolist() == [2, 0]
    assert found.locally_optimal[0].values.tolist() == [False, True]
    assert found.attrs["norm"] == "3.0"


def test_a_swept_exponent_has_solutions_in_its_own_norm():
    ds = train(TokenSelection(), construction("single-global"), steps=5, sweep={"exponent": [2, 3]})
    found = solutions(ds)
    assert found.direction.dims == ("exponent", "seed", "solution", "feature")
    for q in (2.0, 3.0):
        np.testing.assert_allclose(found.direction.sel(exponent=q), solutions(ds, norm=q).direction, atol=1e-9)
    assert direction_correlation(ds, found).dims == ("exponent", "start", "seed", "iteration", "solution")


def test_a_run_is_kept_in_a_store(tmp_path):
    arguments = {"starts": starts(count=3), "steps": 20}
    memory = train(TokenSelection(), construction("single-local"), **arguments)
    kept = train(TokenSelection(), construction("single-local"), **arguments, store=tmp_path / "run")
    assert kept.prompt.chunks is not None
    xr.testing.assert_equal(kept.compute(), memory)
    assert kept.attrs["recipe"] == memory.attrs["recipe"]
    again = train(TokenSelection(), construction("single-local"), **arguments, store=tmp_path / "run")
    assert again.attrs["created"] == kept.attrs["created"]
    xr.testing.assert_equal(solutions(kept), solutions(memory))
    with pytest.raises(RecipeMismatch, match="holds a dataset of another recipe"):
        train(TokenSelection(step=0.2), construction("single-local"), **arguments, store=tmp_path / "run")


@pytest.mark.parametrize("name", ["selection-single-local", "selection-joint-loose", "selection-mirror"])
def test_catalogued_runs_are_trained_again_to_the_bit(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path))
    ds = lmdata.open(name)  # compares with the catalogue's digest
    assert lmdata.verify(name).ok
    assert (winner(ds, solutions(ds)) >= 0).all()


@pytest.mark.long
def test_every_catalogued_run_is_trained_again_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path))
    names = [name for name in lmdata.catalog if name.startswith("selection-")]
    assert len(names) == 23
    for name in names:
        assert (lmdata.open(name).status == 1).all()


def test_progress_is_reported():
    seen = []
    train(
        TokenSelection(),
        construction("single-local"),
        steps=1,
        starts=starts(count=300),
        progress=lambda *n: seen.append(n),
    )
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(set(done))
    assert (done[0], done[-1], set(totals)) == (0, 300, {300})


def test_shipped_sentences():
    every = shipped()
    assert len(every) == len({text for _, text in every}) == 40
    assert sum(label for label, _ in every) == 0
    assert all(text == text.strip() and 4 <= len(text.split()) <= 10 for _, text in every)


def test_attention_learns_to_look_at_the_words_that_judge():
    """Joint training on the shipped sentences: labels are fitted, and weight goes to judging words, not to 'the'."""
    ds = train(MODELS["joint"], sentences(features=32), steps=1000, record=[0, 1000])
    assert ds.loss[0, 0, -1] < 1e-3
    weight = attention(ds)[0, 0, -1]
    of = {
        word: float(weight.where(ds.word[0] == word).max()) for word in ("wonderful", "terrible", "rude", "the", "of")
    }
    assert min(of["wonderful"], of["terrible"]) > 0.5
    assert max(of["the"], of["of"]) < 0.1


def test_importing_needs_no_compiler_and_no_solver():
    # xarray itself imports some: until 2025.11 it brought scipy
    code = (
        "import sys, xarray; before = set(sys.modules); import lmdata.selection; "
        "print([m for m in ('numba', 'clarabel', 'scipy', 'jax') if m in sys.modules.keys() - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
