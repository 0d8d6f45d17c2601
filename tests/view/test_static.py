"""Figures as files."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

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
    "ending", [".png", *(pytest.param(other, marks=pytest.mark.long) for other in (".svg", ".pdf"))]
)
def test_every_figure_is_written_in_every_format(member, ending, tmp_path):
    for k, figure in enumerate(figures(member)):
        path = view.save(figure, tmp_path / f"{k}{ending}")
        assert path.stat().st_size > 2000
        if ending == ".png":
            with Image.open(path) as image:
                assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 30


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


def test_sliders_and_other_endings_are_refused(square, member, tmp_path):
    with pytest.raises(InvalidInput, match="sliders for alignment_sensitivity, seed"):
        view.save(view.occupancy(square), tmp_path / "a.png")
    with pytest.raises(InvalidInput, match=r"a\.html.*write_page"):
        view.save(view.occupancy(member), tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []
