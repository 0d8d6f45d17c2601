"""What the catalogue's list tells: equal to what a run of the recipe, and the disk, turn out to be."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import lmdata
from lmdata import cli
from lmdata.data.catalog.catalog import Catalog
from lmdata.library import build
from lmdata.listing import listed

RECIPES = {
    "swept": "{model: {kind: localmax}, tokens: {kind: uniform, n: 5, d: 2}, steps: 4, record: 2, seeds: [0, 1],"
    " sweep: {influence: [0.5, 1, 2]}}",
    "words": "{model: {kind: softmax}, tokens: {kind: text, text: one two three}, steps: 0}",
    "axis": "{lmdata_atlas: 1, model: {kind: localmax}, tokens: {kind: uniform, n: 4, d: 2}, seeds: [0, 1, 2]}",
    "texts": "{model: {kind: transformer, package: a, version: b, sha256: c}, texts: [x, y]}",
    "stranger": "{model: {kind: sparsemax}, tokens: {kind: uniform, n: 5, d: 2}, steps: 4}",
    "broken": "{model: localmax}",
}


@pytest.fixture
def catalog(tmp_path):
    datasets = {name: {"title": name, "driver": "recipe", "recipe": yaml.safe_load(r)} for name, r in RECIPES.items()}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"lmdata_catalog": 1, "datasets": datasets}))
    return Catalog(build, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")


def test_the_list_tells_what_the_run_turns_out_to_be(catalog):
    told = {one.name: one for one in listed(catalog)}
    assert set(told) == set(RECIPES)
    assert not any(one.built for one in told.values())
    assert (told["swept"].model, told["words"].model, told["axis"].model) == ("localmax", "softmax", "atlas localmax")
    assert [told[name].members for name in RECIPES] == [6, 1, 3, 2, None, None]
    assert told["swept"].cost == 6 * 4 * 5 * 5
    assert (told["words"].cost, told["words"].size) == (0, 3 * 256 * 8)
    assert told["stranger"].model == "sparsemax"
    position = catalog.open("swept").position
    assert told["swept"].size == position.size * position.dtype.itemsize
    built = listed(catalog, ["swept"])[0]
    assert built.built
    place = Path(catalog.info("swept")["location"])
    assert built.size == sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def test_search_takes_several_words_and_the_table_is_whole_in_a_pipe(capsys):
    assert cli.main(["catalog", "search", "hardmax", "LEADERS", "triangle"]) == 0
    said = capsys.readouterr().out
    assert said.split("\n")[0].split() == ["name", "model", "members", "size", "pairs", "built", "title"]
    assert "hardmax-triangle" in said
    assert lmdata.catalog["hardmax-triangle"].title in said
    assert "film-review" not in said
    assert cli.main(["catalog", "search", "no", "such", "words-anywhere"]) == 0
    assert "no entry speaks of 'no such words-anywhere'" in capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80])
def test_the_list_is_fitted_to_the_terminal(width, monkeypatch, capsys):
    monkeypatch.setattr("lmdata.cli.catalog.terminal_width", lambda: width)
    assert cli.main(["catalog", "list"]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("name")
    assert "title" not in lines[0]
    assert [line.split()[0] for line in lines[1:]] == list(lmdata.catalog)
