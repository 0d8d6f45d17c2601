"""Figures as data: what is drawn is what was measured, for planes, lines, points and high dimensions alike."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import lmdata
from lmdata import view
from lmdata.errors import IncompleteDataset, InvalidInput
from lmdata.view.members import Members
from lmdata.view.occupancy import scenes as occupancy_scenes
from lmdata.view.quiescent import scenes as quiescent_scenes
from lmdata.view.scene import Live, scenes_of
from lmdata.view.trajectories import scenes as trajectory_scenes
from lmdata.view.volume import scenes as volume_scenes
from lmdata.view.words import scenes as word_scenes


def every_figure(ds):
    members, times = Members(ds), ds["time"].values.tolist()
    figures = {
        "trajectories": trajectory_scenes(members, times=times),
        "volume": volume_scenes(members, marked=True),
        "volume over seeds": volume_scenes(members, over_seeds=True),
        "occupancy": occupancy_scenes(members),
        "quiescent": quiescent_scenes(members),
    }
    return figures | ({"words": word_scenes(members, times=times)} if ds.sizes["component"] > 1 else {})


def one_token():
    return lmdata.simulate(lmdata.Localmax(), [[1.0, 0.5]], steps=3)


def one_place():
    return lmdata.simulate(lmdata.Localmax(), [[1.0, 0.5]] * 3, steps=3, seeds=(0, 1))


def one_frame():
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), steps=0)


def on_a_line():
    sweep = {"alignment_sensitivity": [0.0, 0.5]}
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(6, 1), steps=4, sweep=sweep)


def in_nine_dimensions():
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.normal(4, 9), steps=4, seeds=(0, 1))


def twice_swept():
    sweep = {"influence": [0.5, 1.0], "alignment_sensitivity": [0.0, 0.5]}
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(6, 3), steps=4, sweep=sweep)


def many_clusters():
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.sphere(24, 6), steps=4)


@pytest.mark.parametrize(
    "make",
    [
        *(one_token, one_place, twice_swept),
        *(
            pytest.param(make, marks=pytest.mark.long)
            for make in (one_frame, on_a_line, in_nine_dimensions, many_clusters)
        ),
    ],
)
def test_every_figure_of_every_kind_of_set_is_drawn_and_changes(make):
    for name, scenes in every_figure(make()).items():
        live = Live(scenes)
        # exchanging columns shows the whole of another scene: it has each column that the plot was made with
        for source, layer in zip(live.sources, scenes.make(**live.values).layers, strict=True):
            assert set(layer.source()) <= set(source.data) <= {*layer.source(), *layer.columns}, (name, layer.group)
        for scene in scenes.all():
            assert scene.x.limits[0] < scene.x.limits[1], name
            assert scene.y.limits[0] < scene.y.limits[1], name
            assert len(scene.title.split("\n")) == 2, name
        live.show(**{dim: values[-1] for dim, values in scenes.dims.items()})


@pytest.mark.parametrize(
    "draw", [view.trajectories, view.volume_decay, view.occupancy, view.quiescent_raster, view.words]
)
def test_what_is_not_fixed_is_a_slider(draw, square):
    figure = draw(square)
    assert scenes_of(figure) is not None
    assert {dim.name for dim in figure.kdims} <= {"alignment_sensitivity", "seed", "time"}
    member = square.isel(alignment_sensitivity=1, seed=0)
    fixed = draw(member, time=6) if draw in (view.trajectories, view.words) else draw(member)
    assert scenes_of(fixed) is None
    assert "little-square" in fixed.label
    assert "seed 0" in fixed.label
    if draw is not view.volume_decay:
        assert "δ = 0.1" in fixed.label


def layer(overlay, group):
    return next(element for element in overlay if element.group == group)


def test_trajectories_show_every_token_once_and_leaders_as_leaders(square):
    for seed in (0, 1):
        member = square.isel(alignment_sensitivity=[1], seed=[seed])
        leads = lmdata.leaders(member).squeeze().values
        for time in range(7):
            overlay = view.trajectories(member, time=time)
            place = member.position.squeeze().values[time]
            for group, chosen in (("Leaders", leads[time]), ("Tokens", ~leads[time])):
                drawn = layer(overlay, group).array(["x", "y"]).astype(float)
                np.testing.assert_array_equal(drawn, place[chosen])


def test_hull_is_that_of_the_tokens(square):
    from scipy.spatial import ConvexHull

    member = square.isel(alignment_sensitivity=[0], seed=[0])
    ring = layer(view.trajectories(member, time=2), "Hull").data[0]
    place = member.position.squeeze().values[2]
    expected = ConvexHull(place)
    drawn = np.column_stack([ring["x"], ring["y"]])
    assert ConvexHull(drawn).volume == pytest.approx(expected.volume, rel=1e-12)
    assert len(drawn) == len(expected.vertices)


def test_trails_join_the_frames(square):
    member = square.isel(alignment_sensitivity=[2], seed=[1])
    trails = layer(view.trajectories(member, time=0), "Trails").array(["x", "y", "x1", "y1"]).astype(float)
    place = member.position.squeeze().values
    steps = np.concatenate([place[:-1], place[1:]], axis=-1).reshape(-1, 4)
    moves = steps[(steps[:, :2] != steps[:, 2:]).any(axis=1)]
    np.testing.assert_array_equal(trails, moves)


def test_long_records_of_many_tokens_have_fewer_trails_and_say_so(monkeypatch, square):
    monkeypatch.setattr(importlib.import_module("lmdata.view.trajectories"), "MOST_SEGMENTS", 20)
    overlay = view.trajectories(square.isel(alignment_sensitivity=[0], seed=[0]), time=0)
    assert len(layer(overlay, "Trails")) <= 20
    assert "of 12 trails" in overlay.label


def test_lines_are_the_hull_volumes(square):
    overlay = view.volume_decay(square.isel(seed=[1]))
    volume = lmdata.hull_volume(square).isel(seed=1)
    for k in range(3):
        expected = volume.values[k]
        drawn = layer(overlay, f"By{k}").dimension_values("y")
        np.testing.assert_array_equal(drawn, np.where(expected > 0, expected, np.nan))
    assert [layer(overlay, f"By{k}").label for k in range(3)] == ["δ = 0", "δ = 0.1", "δ = 1"]


def test_lines_over_seeds_are_medians(square):
    overlay = view.volume_decay(square, over_seeds=True)
    middle = lmdata.hull_volume(square).median("seed").values
    for k in range(3):
        drawn = layer(overlay, f"By{k}").dimension_values("y")
        np.testing.assert_allclose(drawn[middle[k] > 0], middle[k][middle[k] > 0], rtol=1e-15)


def test_the_band_over_seeds_lies_between_the_quartiles():
    """Of five seeds these are the second and the fourth largest volume at each time; the band goes there and back."""
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), steps=4, seeds=range(5))
    band = layer(view.volume_decay(ds, over_seeds=True), "Band")
    ordered = np.sort(lmdata.hull_volume(ds).values, axis=0)
    np.testing.assert_allclose(band.dimension_values("y"), [*ordered[1], *ordered[3][::-1]], rtol=1e-15)
    np.testing.assert_array_equal(band.dimension_values("x"), [0, 1, 2, 3, 4, 4, 3, 2, 1, 0])


def test_beyond_seven_components_the_mean_width_is_drawn_and_named():
    ds = in_nine_dimensions().isel(seed=[0])
    overlay = view.volume_decay(ds)
    width = lmdata.mean_width(ds).squeeze().values
    np.testing.assert_allclose(layer(overlay, "By0").dimension_values("y"), width / width[0], rtol=1e-15)
    assert overlay.label.startswith("Mean width")


def test_lines_stand_for_the_swept_parameter_asked_for():
    ds = twice_swept()
    assert [dim.name for dim in view.volume_decay(ds).kdims] == ["influence"]
    assert [dim.name for dim in view.volume_decay(ds, by="influence").kdims] == ["alignment_sensitivity"]
    with pytest.raises(InvalidInput, match=r"'speed'.*influence, alignment_sensitivity"):
        view.volume_decay(ds, by="speed")


def test_areas_are_the_occupancy(square):
    member = square.isel(alignment_sensitivity=[1], seed=[0])
    shares = lmdata.vertex_occupancy(member)["occupancy"].squeeze().transpose("vertex", "time").values
    shares = shares[~np.isnan(shares).any(axis=1)]
    rows = layer(view.occupancy(member), "Areas").data
    assert len(rows) == len(shares)
    for row, share in zip(rows, shares, strict=True):
        low, high = np.split(np.asarray(row["y"]), 2)
        np.testing.assert_allclose(high[::-1] - low, share, atol=1e-15)


def test_vertices_without_a_colour_are_one_area():
    ds = many_clusters()
    rows = layer(view.occupancy(ds), "Areas").data
    count = int(lmdata.limit_polytope(ds).vertex_count.item())
    assert count > 9
    assert rows[-1]["vertex"].endswith("other vertices")
    total = lmdata.vertex_occupancy(ds)["occupancy"].sum("vertex").values.ravel()[-1]
    assert np.asarray(rows[-1]["y"]).max() == pytest.approx(total)


def test_raster_is_the_quiescent_sets(sentence):
    member = sentence.isel(alignment_sensitivity=[1])
    quiet = lmdata.quiescent_sets(member)["quiescent"].squeeze().transpose("token", "time").values
    drawn = np.zeros_like(quiet)
    for x, y, x1, y1 in layer(view.quiescent_raster(member), "Quiet").array(["x", "y", "x1", "y1"]).astype(float):
        row = len(quiet) - 1 - round((y + y1) / 2)
        drawn[row, round(x + 0.5) : round(x1 + 0.5)] = True
    np.testing.assert_array_equal(drawn, quiet)


def test_words_are_named_at_their_place_without_their_position_in_the_text(sentence):
    overlay = view.words(sentence.isel(alignment_sensitivity=[0]), time=0)
    said = " ".join(layer(overlay, "Words").dimension_values("text"))
    assert "@" not in said
    for word in ("film", "opens", "kitchen", "daughter"):
        assert word in said


def test_words_that_have_gathered_share_a_label(sentence):
    member = sentence.isel(alignment_sensitivity=[2])
    long = lmdata.simulate(lmdata.Localmax(9.0), member.position.values[0, 0, 0], steps=40).assign_coords(
        token=member.token
    )
    assert layer(view.words(long, time=40), "Words").dimension_values("text").tolist() == ["the ×2, film, opens +4"]


def test_colours_agree_between_the_figures(square):
    member = square.isel(alignment_sensitivity=[1], seed=[0])
    vertex = lmdata.limit_polytope(member)["token_vertex"].squeeze().values
    overlay = view.trajectories(member, time=6)
    for group in ("Tokens", "Leaders"):
        points = layer(overlay, group)
        named = points.dimension_values("token").astype(int)
        np.testing.assert_array_equal(points.dimension_values("color"), vertex[named])


def test_other_models_are_drawn_with_the_clusters_of_their_last_frame():
    places = [[1.0, 0.0], [1.0, 1e-9], [-1.0, 0.5], [-1.0, 0.5]]
    ds = lmdata.simulate(lmdata.Localmax(), places, steps=0)
    ds.attrs["model"] = '{"kind": "softmax", "inverse_temperature": 2.0}'
    tokens = layer(view.trajectories(ds), "Tokens")
    assert tokens.dimension_values("color").tolist() == [0, 0, 1, 1]
    assert tokens.dimension_values("end").tolist() == ["cluster 0", "cluster 0", "cluster 1", "cluster 1"]
    assert len(layer(view.trajectories(ds), "Vertices")) == 0
    with pytest.raises(InvalidInput, match="localmax"):
        view.occupancy(ds)


def test_measures_of_a_derived_dataset_are_used_as_they_are(square):
    known = square.assign(hull_volume=lmdata.hull_volume(square).reset_coords(drop=True) * 0 + 0.25)
    overlay = view.volume_decay(known.isel(seed=[0]))
    assert set(layer(overlay, "By1").dimension_values("y")) == {0.25}


def test_drawing_leaves_the_dataset_lazy_and_as_it_was(square):
    lazy = square.chunk({"seed": 1})
    before = lazy.copy()
    view.trajectories(lazy)[0.1, 1, 3]
    assert lazy.position.chunks is not None
    assert lazy.identical(before)


def test_times_and_values_that_are_not_there_are_refused(square):
    member = square.isel(alignment_sensitivity=[0], seed=[0])
    with pytest.raises(InvalidInput, match=r"time=7 is not stored.*from 0 to 6"):
        view.trajectories(member, time=7)
    with pytest.raises(InvalidInput, match=r"alignment_sensitivity=0\.2.*0\.0, 0\.1, 1\.0"):
        Members(square)({"alignment_sensitivity": 0.2, "seed": 0})
    with pytest.raises(InvalidInput, match="position"):
        view.trajectories(square.drop_vars("position"))
    with pytest.raises(InvalidInput, match="d = 1"):
        view.words(on_a_line())


def test_members_that_are_not_complete_are_not_drawn(square):
    partial = square.assign(status=square.status.copy())
    partial["status"][1, 0] = 2
    with pytest.raises(IncompleteDataset, match=r"δ = 0\.1, seed 0 failed"):
        view.occupancy(partial.isel(alignment_sensitivity=[1], seed=[0]))
    overlay = view.volume_decay(partial.isel(seed=[0]))
    assert "1 member missing" in overlay.label
    assert np.isnan(layer(overlay, "By1").dimension_values("y")).all()
