"""Figures as files."""

from __future__ import annotations

import inspect
import itertools
import re
import shutil
import subprocess
from xml.etree import ElementTree

import holoviews as hv
import numpy as np
import pytest
from PIL import Image

import lmdata.view.selection
from lmdata import view
from lmdata.errors import InvalidInput


@pytest.fixture
def member(square):
    return square.isel(alignment_sensitivity=[1], seed=[0])


def figures(ds):
    yield view.trajectories(ds, time=3)
    yield view.volume_decay(ds)
    yield view.occupancy(ds)
    yield view.quiescent_raster(ds)
    yield view.words(ds, time=3)


@pytest.mark.parametrize(
    "ending", [".svg", *(pytest.param(other, marks=pytest.mark.long) for other in (".png", ".pdf"))]
)
def test_every_figure_is_written_in_every_format(member, ending, tmp_path):
    for k, figure in enumerate(figures(member)):
        path = view.save(figure, tmp_path / f"{k}{ending}")
        assert path.stat().st_size > 2000
        if ending == ".png":
            with Image.open(path) as image:
                assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 30


@pytest.mark.long
def test_equal_figures_are_equal_files(member, tmp_path):
    for ending in (".svg", ".png", ".pdf"):
        one, two = (view.save(view.trajectories(member, time=3), tmp_path / f"{k}{ending}") for k in "ab")
        assert one.read_bytes() == two.read_bytes()


def test_names_are_text_whatever_they_hold(marked, tmp_path):
    ds = marked.isel(alignment_sensitivity=[0])
    for k, figure in enumerate(figures(ds)):
        path = view.save(figure, tmp_path / f"{k}.svg")
        assert "<script>" not in path.read_text(encoding="utf-8")
        said = " ".join("".join(e.itertext()) for e in ElementTree.parse(path).getroot().iter())
        assert "<script>window.broken=1</script>" in said


def test_axes_say_what_and_in_which_units(member, tmp_path):
    path = view.save(view.occupancy(member), tmp_path / "a.svg")
    text = path.read_text(encoding="utf-8")
    for words in ("time (steps)", "share of the tokens (dimensionless)", "little-square", "δ = 0.1"):
        assert words in text


def test_what_a_format_does_not_show_is_refused(square, member, tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match="sliders for alignment_sensitivity, seed"):
        view.save(view.occupancy(square), tmp_path / "a.png")
    with pytest.raises(InvalidInput, match=r"a\.jpg.*\.html, \.png, \.svg, \.pdf, \.gif, \.mp4"):
        view.save(view.occupancy(member), tmp_path / "a.jpg")
    with pytest.raises(InvalidInput, match="one slider; this one has alignment_sensitivity, seed"):
        view.save(view.occupancy(square), tmp_path / "a.gif")
    with pytest.raises(InvalidInput, match="a HLine; on paper there are Points"):
        view.save(view.occupancy(member) * hv.HLine(0.5), tmp_path / "a.pdf")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidInput, match=r"a\.mp4.*ffmpeg.*\.gif"):
        view.save(view.occupancy(square.isel(seed=[0])), tmp_path / "a.mp4")
    for width in ("colum", 3, True, float("nan")):
        with pytest.raises(InvalidInput, match=r"width=.*'column', 'page'.*millimetres"):
            view.save(view.occupancy(member), tmp_path / "a.png", width=width)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_has_the_width_that_it_was_given_and_says_what_it_was_drawn_from(member, tmp_path):
    figure = view.occupancy(member, width="column", title="Mine <b>")
    with Image.open(view.save(figure, tmp_path / "a.png", dpi=254)) as image:
        assert image.width == 860
        assert image.text["Title"] == "Mine <b>"
        assert image.text["Description"] == f"lmdata recipe {member.attrs['recipe_id']}"
    assert figure.label == "Mine <b>\nlocalmax · δ = 0.1 · α = 1 · seed 0"
    assert view.occupancy(member, title="").label.strip() == ""
    told = view.trajectories(member, time=3, width=60).label
    assert told.split("\n")[:2] == ["Trajectories", "little-square · localmax"]


def every_figure():
    """Return the functions of the views that draw a figure: those that return a holoviews object."""

    rooms = (view, lmdata.view.selection)
    found = {name: f for room in rooms for name, f in vars(room).items() if inspect.isfunction(f)}
    names = {*view.__all__, "paths", "correlation", "mass"}
    drawn = {
        name: f for name, f in found.items() if "Overlay" in str(f.__annotations__.get("return")) and name in names
    }
    assert {"trajectories", "sensitivity_bands", "curves", "mass"} <= set(drawn)
    return drawn


def test_every_figure_takes_a_width_and_a_title():
    for name, function in every_figure().items():
        assert {"width", "title"} <= set(inspect.signature(function).parameters), name


BOX = re.compile(rb"/MediaBox \[ ?0 0 ([0-9.]+) [0-9.]+ ?\]")


@pytest.mark.long
def test_a_pdf_has_that_width_its_fonts_and_its_recipe(member, tmp_path):
    every = [("column", 86, figure) for figure in figures(member)]
    for width, millimetres, figure in [*every, ("page", 178, every[0][2]), (120, 120, every[1][2])]:
        written = view.save(figure, tmp_path / "a.pdf", width=width).read_bytes()
        assert float(BOX.search(written)[1]) == pytest.approx(millimetres / 25.4 * 72, abs=0.01)
        assert written.count(b"/FontFile2 ") == len(re.findall(rb"/Type /FontDescriptor", written)) > 0
        assert member.attrs["recipe_id"].encode() in written


@pytest.mark.long
def test_overlays_and_layouts_are_written_in_every_format(square, member, tmp_path):
    line = hv.Curve([(-1.0, -1.0), (1.0, 1.0)], label="diagonal")
    for ending in (".png", ".svg", ".pdf", ".html"):
        overlay = view.save(view.trajectories(member, time=3) * line, tmp_path / f"overlay{ending}")
        layout = view.trajectories(member, time=3) + view.volume_decay(member) + view.occupancy(member)
        both = view.save(layout.cols(2), tmp_path / f"layout{ending}", width="page")
        for path in (overlay, both):
            if ending in (".svg", ".html"):
                assert member.attrs["recipe_id"] in path.read_text(encoding="utf-8")
    with Image.open(tmp_path / "layout.png") as image:
        assert image.width == round(178 / 25.4 * 150)
        left, right = (np.asarray(image.convert("L").crop(box)) for box in ((0, 0, 500, 500), (551, 0, 1051, 500)))
        assert (left < 128).any()
        assert (right < 128).any()
    with pytest.raises(InvalidInput, match=r"27 mm.*figure\.cols\(2\)"):
        view.save(layout.cols(3), tmp_path / "narrow.pdf", width="column")


@pytest.mark.long
def test_one_slider_moves(member, tmp_path):
    for name, figure in (
        ("one", view.trajectories(member)),
        ("two", view.trajectories(member) + view.occupancy(member)),
    ):
        with Image.open(view.save(figure, tmp_path / f"{name}.gif", rate=5, dpi=60)) as image:
            assert image.n_frames == 7
            assert image.info["loop"] == 0
            assert image.info["duration"] == 200
            assert member.attrs["recipe_id"].encode() in image.info["comment"]
            shown = []
            for frame in range(7):
                image.seek(frame)
                shown.append(np.asarray(image.convert("RGB")))
        assert all((one != other).any() for one, other in itertools.pairwise(shown))


@pytest.mark.long
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_an_mp4_has_a_picture_for_each_value(member, tmp_path):
    path = view.save(view.trajectories(member), tmp_path / "a.mp4", dpi=60)
    command = ["ffmpeg", "-i", str(path), "-f", "null", "-", "-hide_banner"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert re.findall(r"frame= *([0-9]+)", told)[-1] == "7"
    assert member.attrs["recipe_id"] in told
