"""Figures of training runs and the pipeline: what they show is what was measured."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pytest
from bokeh.models import ColumnDataSource

import lmdata
from lmdata.errors import InvalidInput
from lmdata.pipeline import analyse, study
from lmdata.selection import TokenSelection, construction, direction_correlation, gaussian, solutions, starts, train
from lmdata.view import selection as figures
from lmdata.view import static
from lmdata.view.dashboard import dashboard


@pytest.fixture(scope="module")
def ds():
    begin = [[0, 1, 0], [0, 0, 0], [0, -1.5, 0]]
    return train(TokenSelection(), construction("single-local"), steps=300, starts=begin)


def layer(figure, element, group):
    [found] = [part for part in figure.traverse(lambda x: x, [element]) if part.group == group]
    return found


def test_paths_end_where_the_prompt_ends(ds):
    figure = figures.paths(ds)
    segments = layer(figure, hv.Segments, "Paths").dframe()
    ends = ds.prompt[:, 0, -1, :2].values
    assert all((np.abs(segments[["x1", "y1"]].values - end).sum(axis=1) < 1e-12).any() for end in ends)
    assert set(segments["color"]) == {0, 1}
    assert layer(figure, hv.Labels, "Names").dframe()["text"].tolist() == ["p_mm 0", "p_mm 1"]


def test_rays_have_the_directions_of_the_solutions(ds):
    rays = layer(figures.paths(ds), hv.Segments, "Solutions").dframe()[["x1", "y1"]].values
    directions = solutions(ds).direction[0, :, :2].values
    np.testing.assert_allclose(
        rays / np.linalg.norm(rays, axis=1, keepdims=True),
        directions / np.linalg.norm(directions, axis=1, keepdims=True), atol=1e-9,
    )  # fmt: skip


def test_correlation_is_that_of_the_winner(ds):
    segments = layer(figures.correlation(ds), hv.Segments, "Paths").dframe()
    expected = 1 - direction_correlation(ds, solutions(ds))[:, 0, -1].values[[0, 1, 2], [0, 0, 1]]
    last = segments[segments["x1"] == 300]["y1"].values
    np.testing.assert_allclose(np.sort(last), np.sort(expected), rtol=1e-9)


def test_mass_goes_to_one(ds):
    segments = layer(figures.mass(ds), hv.Segments, "Paths").dframe()
    assert (segments[segments["x1"] == 300]["y1"] > 0.999).all()


def test_runs_of_many_features_and_starts_are_projected_and_thinned():
    ds = train(TokenSelection(), gaussian(2, 3, 5), steps=30, starts=starts(count=200), seeds=[0, 1])
    figure = figures.paths(ds)
    assert [dim.name for dim in figure.kdims] == ["seed"]
    scene = figure[1]
    assert "60 of 200 starts" in scene.label
    assert len(layer(scene, hv.Points, "Starts")) == 60


def test_the_last_bits_of_a_run_do_not_turn_its_figure():
    ds = train(TokenSelection(), gaussian(2, 3, 4), steps=20, starts=starts(count=2))
    random = np.random.default_rng(1)

    def drawn_paths(ds):
        return layer(figures.paths(ds), hv.Segments, "Paths").dframe()[["x1", "y1"]].values

    expected = drawn_paths(ds)
    for _ in range(6):
        near = ds.assign(token_vector=ds.token_vector * (1 + random.uniform(-1, 1, ds.token_vector.shape) * 1e-15))
        np.testing.assert_allclose(drawn_paths(near), expected, atol=1e-9)


def test_weights_have_correlation_and_mass_but_no_paths():
    source = gaussian(2, 3, 4, queries="first token")
    ds = train(TokenSelection(trained="weight"), source, steps=50, sweep={"step": [0.1, 0.2]})
    for draw in (figures.correlation, figures.mass):
        assert [dim.name for dim in draw(ds).kdims] == ["step"]
    with pytest.raises(InvalidInput, match="no prompt of two or more features to draw"):
        figures.paths(ds)


@pytest.mark.parametrize("draw", [figures.paths, figures.correlation, figures.mass])
def test_figures_are_saved(ds, draw, tmp_path):
    assert static.save(draw(ds), tmp_path / "figure.svg").stat().st_size > 1000


def drawn(page):
    """Return the columns of every source of a dashboard's figures, by figure."""
    return [
        [{k: list(v) for k, v in source.data.items()} for source in card[0].object.select({"type": ColumnDataSource})]
        for column in page.main[0]
        for card in column
    ]


def test_dashboard_has_a_slider_for_start_seed_and_each_swept_parameter_that_changes_every_figure():
    source = gaussian(2, 3, 4)
    ds = train(TokenSelection(), source, steps=40, starts=starts(count=3), seeds=[0, 7], sweep={"step": [0.1, 0.2]})
    page = dashboard(ds)
    sliders = {widget.label: widget for widget in page.sidebar[0] if hasattr(widget, "options")}
    assert list(sliders) == ["step", "seed", "start"]
    assert list(sliders["start"].options) == ["every", "0", "1", "2"]
    shown = drawn(page)
    assert len(shown) == 3
    for label, value in {"step": 0.2, "seed": 7, "start": 2}.items():
        sliders[label].value = value
        now = drawn(page)
        assert all(then != figure for then, figure in zip(shown, now, strict=True)), label
        shown = now
    [only] = [data for data in shown[0] if "x1" in data and len(data["x1"]) == 40]
    paths = figures.paths(ds.sel(step=[0.2], seed=[7], start=[2]))
    segments = layer(paths, hv.Segments, "Paths").dframe()
    np.testing.assert_allclose(np.array([only["x1"], only["y1"]]).T, segments[["x1", "y1"]])


def test_dashboard_of_trained_weights_and_of_one_start():
    ds = train(TokenSelection(trained="weight"), gaussian(2, 3, 4, queries="first token"), steps=20)
    page = dashboard(ds)
    assert len(drawn(page)) == 2
    assert not [widget for widget in page.sidebar[0] if hasattr(widget, "options")]


def test_pipeline_refuses_tokens_that_move(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InvalidInput, match=r"model 'localmax'; solutions are those of a training run"):
        analyse("hardmax-square", pipelines=["token_selection"], output=tmp_path / "figures")
    assert not [*tmp_path.glob("figures/*")]
    with pytest.raises(InvalidInput, match="training run"):
        solutions(lmdata.open("hardmax-square").drop_attrs())


@pytest.mark.long
def test_pipeline_by_name_and_by_path(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    page = study("token_selection").run("selection-single-local", output=tmp_path)
    assert page.name == "selection-single-local-token-selection.html"
    text = page.read_text(encoding="utf-8")
    assert "4 of 6 members select solution 0; 2 of 6 members select solution 1." in text
    result = lmdata.open("selection-single-local-token-selection")
    assert result.direction_correlation.isel(iteration=-1).max() > 0.9995
    assert result.winner.values.ravel().tolist() == [0, 0, 0, 0, 1, 1]

    train(TokenSelection(), construction("joint-tight"), steps=30, store=tmp_path / "run")
    for _ in range(2):
        page = study("token_selection").run(str(tmp_path / "run"), output=tmp_path / "figures")
    assert lmdata.open(page.stem).selected_mass.dims[-1] == "solution"
