"""Figures by name, at one setting of their sliders, in Python and from the shell."""

from __future__ import annotations

import json

import pytest
from PIL import Image

import lmdata
from lmdata import cli, view
from lmdata.cli import looking
from lmdata.errors import InvalidInput, UnknownName
from lmdata.view import static
from lmdata.view.kinds import FIGURES, figure_of
from lmdata.view.scene import scenes_of


def test_the_command_knows_the_figures_and_formats_that_there_are():
    assert tuple(FIGURES) == looking.KINDS
    assert static.FORMATS == looking.FORMATS


def test_every_figure_of_a_dataset_has_a_kind():
    drawn = {name for name in view.__all__ if "Overlay" in str(getattr(view, name).__annotations__.get("return"))}
    assert drawn - {"curves"} <= set(FIGURES)


def test_sliders_stand_where_they_are_asked_to(square):
    figure, setting = figure_of(square, "trajectories", {"alignment_sensitivity": "0.10", "seed": "1"})
    assert setting == {"alignment_sensitivity": 0.1, "seed": 1, "time": 6}
    assert scenes_of(figure) is None
    assert "δ = 0.1 · α = 1 · seed 1 · t = 6 steps" in figure.label
    moving, setting = figure_of(square, "trajectories", {"seed": "1"}, moving=True)
    assert setting == {"alignment_sensitivity": 0.0, "seed": 1}
    assert [dim.name for dim in moving.kdims] == ["time"]
    assert "t = 3 steps" in moving[3].label
    whole, setting = figure_of(square, "occupancy", {"seed": "1"}, whole=True)
    assert setting == {"seed": 1}
    assert [dim.name for dim in whole.kdims] == ["alignment_sensitivity"]


def test_sliders_and_values_that_are_not_there_are_refused(square):
    with pytest.raises(UnknownName, match=r"slider of occupancy.*'sed'.*did you mean 'seed'"):
        figure_of(square, "occupancy", {"sed": "1"})
    with pytest.raises(InvalidInput, match=r"alignment_sensitivity='0\.2' is not drawn.*0\.0, 0\.1, 1\.0"):
        figure_of(square, "occupancy", {"alignment_sensitivity": "0.2"})
    with pytest.raises(UnknownName, match="did you mean 'words'"):
        figure_of(square, "word", {})


def test_mistakes_are_told_before_what_draws_is_imported(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lmdata.view.kinds", None)  # to import it fails
    for words, said in (
        (["x", "trajectory"], "did you mean 'trajectories'"),
        (["x", "words", "--width", "wide"], "none of column, page, or millimetres"),
        (["x", "words", "--at", "seed"], "no SLIDER=VALUE"),
        (["x", "words", "--output", str(tmp_path / "a.jpg")], "must end in .html, .png"),
        (["no-such-dataset", "words", "--output", str(tmp_path / "a.png")], "no-such-dataset"),
    ):
        assert cli.main(["figure", *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.long
def test_a_figure_is_drawn_from_the_shell(tmp_path, capsys):
    store, file = tmp_path / "run", tmp_path / "figure.png"
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=3, seeds=(0, 7), store=store)
    words = ["figure", str(store), "trajectories", "--at", "seed=7", "--width", "column", "--dpi", "254"]
    assert cli.main([*words, "--output", str(file), "--title", "Eight", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "at": {"seed": 7, "time": 3}}
    with Image.open(file) as image:
        assert image.width == 860
        assert image.text["Title"] == "Eight"
    moving = tmp_path / "figure.gif"
    assert cli.main([*words[:-1], "40", "--output", str(moving)]) == 0
    assert capsys.readouterr().out == f"wrote {moving}, at seed=7\n"
    with Image.open(moving) as image:
        assert image.n_frames == 4
