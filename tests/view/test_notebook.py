"""Figures and dashboards in notebooks: an output is whole in itself, also exported and without a network."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import re

import holoviews as hv
import numpy as np
import pytest
from PIL import Image

import lmdata
from lmdata import view
from lmdata.view.notebook import MOST_STATES, bundle


@pytest.fixture(scope="module")
def small():
    ds = lmdata.simulate(
        lmdata.Localmax(), lmdata.tokens.uniform(6, 2), steps=3, sweep={"alignment_sensitivity": [0.0, 0.1]}
    )
    ds.attrs["catalogue_name"] = "small"
    return ds


def page_in(output):
    """Return the page that an output has in its frame."""
    source = html.unescape(re.search(r'srcdoc="([^"]*)"', output)[1])
    return gzip.decompress(base64.b64decode(re.search(r'atob\("([^"]*)"\)', source)[1])).decode()


def states_in(page):
    return json.loads(re.search(r'id="scenes">(.*?)</script>', page)[1])


def colours(picture):
    with Image.open(io.BytesIO(picture)) as image:
        return len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0))


def test_a_figure_is_a_page_that_needs_no_network_and_a_picture(small):
    figure = view.trajectories(small).opts(hv.opts.Points("Tokens", size=31))
    shown = bundle(figure)
    assert set(shown) == {"text/html", "image/png"}
    assert colours(shown["image/png"]) > 30
    page = page_in(shown["text/html"])
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    (section,) = states_in(page)
    assert [figure["dims"] for figure in section["figures"]] == [["alignment_sensitivity", "time"]]
    assert len(section["figures"][0]["states"]) == 2 * 4  # options keep the scenes,
    assert '"value":31' in page.replace(" ", "")  # and change their look


@pytest.mark.long
def test_what_is_put_together_is_shown_in_one_look_and_shares_sliders(small):
    layout = bundle(view.trajectories(small) + view.occupancy(small))
    (section,) = states_in(page_in(layout["text/html"]))
    assert [len(figure["states"]) for figure in section["figures"]] == [8, 2]
    page = page_in(bundle(view.trajectories(small) * hv.HLine(0.0))["text/html"])
    assert len(states_in(page)[0]["figures"][0]["states"]) == 8
    assert '"frame_width":460' in page
    assert '"name":"parameters"' in page
    still = view.volume_decay(small) * hv.Curve([(0, 1.0), (3, 0.5)])
    assert colours(bundle(still)["image/png"]) > 30


@pytest.mark.long
def test_figures_whose_sliders_differ_stand_in_sections_of_their_own(small):
    one = small.isel(alignment_sensitivity=[0])
    sections = states_in(
        page_in(bundle(view.trajectories(small) + view.trajectories(one.isel(time=[0, 3])))["text/html"])
    )
    assert [len(section["figures"][0]["states"]) for section in sections] == [8, 2]


@pytest.mark.long
def test_of_many_states_evenly_chosen_ones_are_kept_and_the_output_says_so():
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=400, seeds=range(8))
    page = page_in(bundle(view.trajectories(ds))["text/html"])
    (section,) = states_in(page)
    seeds, times = section["figures"][0]["sizes"]
    assert seeds == 8
    assert 50 < times <= MOST_STATES / 8
    assert section["labels"]["time"][0] == "0"
    assert section["labels"]["time"][-1] == "400"
    assert f"The sliders hold {times} of the 401 values of time." in page


@pytest.mark.long
def test_dashboards_and_explorers_are_shown(small):
    shown = bundle(view.dashboard(small))
    (section,) = states_in(page_in(shown["text/html"]))
    assert len(section["figures"]) == 4
    assert colours(shown["image/png"]) > 30
    atlas = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=range(2))
    for shown in (view.dashboard(atlas), view.sensitivity_explorer(atlas)):
        assert set(bundle(shown)) == {"text/html", "image/png"}
    assert set(bundle(view.playground(small))) == {"text/html"}


def test_names_are_text_whatever_they_hold(marked):
    shown = bundle(view.words(marked.isel(alignment_sensitivity=[0]), time=3))["text/html"]
    assert "<script>window.broken" not in shown
    assert "<script>window.broken" not in page_in(shown)


def test_what_cannot_be_drawn_is_left_to_its_text_or_says_why(small):
    assert bundle(hv.Dataset([(0, 1)], ["x"], ["y"])) is None
    partial = small.assign(status=small.status.copy())
    partial["status"][1, 0] = 2
    said = bundle(view.occupancy(partial))
    assert "failed" in said["text/plain"]
    assert "<img" not in said["text/html"]


CELLS = (
    "import lmdata\nds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), steps=6,\n"
    "    sweep={'alignment_sensitivity': [0.0, 0.1]})",
    "lmdata.view.trajectories(ds)",
    "lmdata.view.trajectories(ds, time=6).opts(title='<b>mine</b>') + lmdata.view.volume_decay(ds)",
    "lmdata.view.dashboard(ds)",
)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Return a notebook of figures, executed."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(made, timeout=120, kernel_name="python3").execute()
    return made


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_an_executed_notebook_has_each_figure_as_html_and_png(notebook):
    for cell in notebook.cells[1:]:
        (output,) = cell.outputs
        assert output.output_type == "execute_result", output
        assert {"text/html", "image/png"} <= set(output.data)
        assert colours(base64.b64decode(output.data["image/png"])) > 30


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.filterwarnings("default")
def test_an_exported_notebook_draws_every_figure_without_a_network(notebook, browser, tmp_path):
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    (tmp_path / "exported.html").write_text(page, encoding="utf-8")
    browser.open((tmp_path / "exported.html").as_uri(), "document.querySelectorAll('iframe').length === 3")
    ready = "[...document.querySelectorAll('iframe')].every((f) => f.contentDocument.documentElement.dataset.ready)"
    browser.wait(ready, seconds=30)
    assert browser.run("return [...document.querySelectorAll('iframe + img')].every((i) => i.offsetHeight === 0)")
    for number, count in enumerate((1, 2, 4)):
        browser.driver.switch_to.frame(number)
        before = browser.figures()
        assert len(before) >= count
        assert all(len(figure) > 2500 for figure in before), list(map(len, before))
        assert browser.run("return document.documentElement.scrollHeight <= window.innerHeight + 1"), "it is cut off"
        if number != 1:
            browser.run(
                "const s = document.querySelector('input[data-dim=time]'); s.value = 5;"
                "s.dispatchEvent(new Event('input'));"
            )
            browser.changed(before)
        browser.driver.switch_to.default_content()
    inside = "return [...document.querySelectorAll('iframe')].some((f) => f.contentWindow.broken)"
    assert not browser.run(inside)
