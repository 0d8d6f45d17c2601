"""Names with markup through every view: each is shown as text, and none makes an element, an attribute or a script."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import panel as pn
import pytest

import lmdata
from lmdata import selection, view
from lmdata.data.catalog.file import Entry, checked_entry
from lmdata.view import selection as training_figures
from lmdata.view.dashboard import dashboard

from .conftest import NAMES

READY = "document.documentElement.dataset.ready === 'yes'"


def tokens_named(names, title, parameter=None):
    """Return a dataset of eight tokens with these names, and that title everywhere; of another model if it is swept."""
    sweep = {"alignment_sensitivity": [0.0, 4.0]}
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.normal(8, 5), steps=2, sweep=sweep)
    ds = ds.assign_coords(token=list(names))
    ds.attrs |= dict.fromkeys(("catalogue_name", "title", "backend", "recipe_id", "digest", "history"), title)
    ds.position.attrs["long_name"] = title
    if parameter is not None:
        ds = ds.rename(alignment_sensitivity=parameter)
        ds.attrs["model"] = json.dumps({"kind": title, parameter: 0.0})
    return ds


@pytest.fixture(scope="module", params=["another model", pytest.param("localmax", marks=pytest.mark.long)])
def pair(request):
    """A dataset whose names all are markup, and the same with harmless names; both of a model of any name."""
    parameters = (None, None) if request.param == "localmax" else (NAMES[1], "parameter")
    hostile = tokens_named(NAMES, NAMES[0], parameters[0])
    return hostile, tokens_named([str(number) for number in range(8)], "title", parameters[1])


def figures(ds):
    """Every figure that there is of a dataset."""
    drawn = [view.words(ds), view.trajectories(ds), view.volume_decay(ds)]
    return [*drawn, view.occupancy(ds), view.quiescent_raster(ds)] if "alignment_sensitivity" in ds.dims else drawn


class Elements(HTMLParser):
    """The elements of a page, each with the names of its attributes, and the links in it."""

    def __init__(self, text):
        super().__init__()
        self.found, self.links = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, *sorted(name for name, _ in attributes)))
        self.links += [value for name, value in attributes if name in ("href", "src", "action")]


def check_same_elements(found, expected):
    found, expected = Elements(found), Elements(expected)
    assert found.found == expected.found
    assert not any("broken" in str(link) for link in found.links)


def test_pages_have_the_elements_of_pages_with_harmless_names(pair, tmp_path):
    pages = []
    for ds in pair:
        title = ds.attrs["title"]
        sections = [view.Section(title, figure, f"{title}\n\n{title}") for figure in figures(ds)]
        pages.append(view.write_page(tmp_path / "page.html", title, sections).read_text(encoding="utf-8"))
    check_same_elements(*pages)
    assert not any(name in pages[0] for name in NAMES if "<" in name)


def test_training_figures_have_the_elements_of_those_with_harmless_names(tmp_path):
    begin = [[0, 1, 0], [0, -1.5, 0]]
    ds = selection.train(selection.TokenSelection(), selection.construction("single-local"), steps=5, starts=begin)
    found, pages = selection.solutions(ds), []
    for name in (NAMES[0], "harmless"):
        ds.attrs |= {"catalogue_name": name, "title": name}
        drawn = [training_figures.paths(ds, found), training_figures.correlation(ds, found)]
        page = view.write_page(tmp_path / "page.html", name, [view.Section(name, drawn, name)])
        pages.append(page.read_text(encoding="utf-8"))
    check_same_elements(*pages)


def panes_of(page):
    """Return what the panes of a dashboard hold that are written as HTML."""
    kinds = (pn.pane.HTML, pn.pane.Markdown, pn.pane.Str, pn.pane.Alert)
    return "\n".join(str(pane.object) for pane in page.select(lambda pane: isinstance(pane, kinds)))


def test_what_a_dashboard_writes_as_html_has_no_other_elements(pair):
    found, expected = (panes_of(dashboard(ds)) for ds in pair)
    check_same_elements(found, expected)
    assert "&lt;script&gt;" in found


def test_notice_of_a_missing_member_is_escaped(pair):
    status = pair[0].status.copy()
    status[1] = 2
    page = dashboard(pair[0].assign(status=status))
    page.sidebar[0][0].value = 4.0
    assert page.main[0].visible
    assert Elements(str(page.main[0].object)).found == []


def test_pictures_have_the_elements_of_those_with_harmless_names(pair, tmp_path):
    members = [ds.isel({ds.position.dims[0]: [0], "seed": [0], "time": [-1]}) for ds in pair]
    for pictures in zip(*map(figures, members), strict=True):
        found = []
        for picture in pictures:
            root = ElementTree.parse(view.save(picture, tmp_path / "picture.svg")).getroot()
            found.append({element.tag.rpartition("}")[2] for element in root.iter()})
        assert found[0] - found[1] <= {"text", "tspan"}


def test_html_of_a_dataset_in_a_notebook_escapes_names(pair):
    for part in (pair[0], pair[0].position, pair[0].rename(seed="<img onerror=1>")):
        elements = Elements(part._repr_html_())
        assert not [element for element in elements.found if element[0] in ("script", "img")]
        assert not [element for element in elements.found if any(name.startswith("on") for name in element[1:])]


def test_names_of_catalogued_datasets_have_no_markup():
    for name in NAMES:
        with pytest.raises(ValueError, match="pattern"):
            checked_entry(name, {"title": "a", "driver": "recipe", "recipe": {}})
    assert Entry(title=NAMES[0], driver="recipe", recipe={}).title == NAMES[0]


TOOLTIPS = """
const found = [];
(function walk(root) {
  root.querySelectorAll("*").forEach((element) => {
    if (element.matches(".bk-Tooltip, .bk-tooltip")) found.push(element.shadowRoot || element);
    if (element.shadowRoot) walk(element.shadowRoot);
  });
})(document);
return found.map((root) => root.textContent).join(" ");
"""


@pytest.mark.long
@pytest.mark.browser
def test_no_name_runs_a_script_while_a_page_is_used(browser, pair, tmp_path):
    from selenium.webdriver import ActionChains

    title = pair[0].attrs["title"]
    sections = [view.Section(title, figure, title) for figure in figures(pair[0])]
    page = view.write_page(tmp_path / "page.html", title, sections)
    browser.requests()
    browser.open(page.as_uri(), READY)
    for slider in browser.driver.find_elements("css selector", "input[type=range]"):
        slider.send_keys("\ue014")
    said = ""
    for figure in browser.driver.find_elements("css selector", ".figure"):
        browser.run("arguments[0].scrollIntoView({block: 'center'})", figure)
        for x in np.linspace(-0.35, 0.35, 15):
            for y in np.linspace(-0.35, 0.35, 11):
                size = figure.size
                move = ActionChains(browser.driver, duration=0)
                move.move_to_element_with_offset(figure, int(x * size["width"]), int(y * size["height"])).perform()
                time.sleep(0.02)  # until what is said there is drawn
                said += browser.run(TOOLTIPS)
    assert "token" in said, "nothing was hovered over"
    assert not browser.run("return window.broken")
    assert browser.run("return document.title") == title
    assert browser.requests() == [page.as_uri()]
    assert browser.errors() == []
