"""The page from disk: drawn, every slider changes its figures, nothing asked of the network, names shown as text."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lmdata import view
from lmdata.errors import InvalidInput

READY = "document.documentElement.dataset.ready === 'yes'"

DATA = """
const models = [...Bokeh.documents[0].all_models];
return models.filter((m) => m.type === "ColumnDataSource").map((m) => JSON.stringify(Object.values(m.data).map((c) =>
  Array.from(c).map((v) => ArrayBuffer.isView(v) ? Array.from(v) : v))));
"""

SLIDE = """
const input = arguments[0];
input.value = (Number(input.value) + 1) % (Number(input.max) + 1);
input.dispatchEvent(new Event("input"));
"""


@pytest.mark.browser
def test_page_from_disk_draws_slides_and_asks_for_nothing(browser, square, sentence, tmp_path):
    linked = [view.trajectories(square), view.volume_decay(square), view.occupancy(square)]
    sections = [
        view.Section("Square", linked, "One paragraph.\n\nAnother."),
        view.Section("Sentence", [view.words(sentence), view.quiescent_raster(sentence)]),
        view.Section("Still", view.volume_decay(square, over_seeds=True)),
    ]
    page = view.write_page(tmp_path / "figures" / "page.html", "All figures", sections)
    browser.requests()
    browser.open(page.as_uri(), READY)
    # colours of the palette are on the canvas, not only in the data
    indigo = np.abs(browser.picture() - [0x33, 0x22, 0x88]).sum(axis=2) < 12
    assert indigo.sum() > 2000
    sliders = browser.driver.find_elements("css selector", "input[type=range]")
    assert [s.get_attribute("data-dim") for s in sliders] == [
        "alignment_sensitivity", "seed", "time", "alignment_sensitivity", "time",
    ]  # fmt: skip
    drawn = browser.figures()
    assert len(drawn) == 2 * 6  # what is drawn, and what hovering draws
    # the decay of the hull has no slider for the sensitivity, and the areas have none for the time
    for slider, least in zip(sliders, (2, 3, 1, 2, 1), strict=True):
        data = browser.run(DATA)
        browser.run(SLIDE, slider)
        assert browser.run(DATA) != data, slider.get_attribute("id")
        drawn = browser.changed(drawn, least=least)
    assert browser.requests() == [page.as_uri()]
    assert browser.errors() == []


@pytest.mark.browser
def test_a_slide_shows_what_the_figure_function_draws(browser, square, tmp_path):
    page = view.write_page(tmp_path / "page.html", "One", [view.Section("Words", view.trajectories(square))])
    browser.open(page.as_uri(), READY)
    for slider in browser.driver.find_elements("css selector", "input[type=range]"):
        browser.run(SLIDE, slider)
    member = square.sel(alignment_sensitivity=[0.1], seed=[1])
    drawn = view.trajectories(member, time=1)
    titles = browser.run(
        "return [...Bokeh.documents[0].all_models].filter((m) => m.type === 'Title').map((m) => m.text)"
    )
    assert sorted(titles) == sorted(drawn.label.split("\n"))
    shown = browser.run(
        "return [...Bokeh.documents[0].all_models].filter((m) => m.type === 'ColumnDataSource' && 'token' in m.data)"
        ".map((m) => [Array.from(m.data.x), Array.from(m.data.token)])"
    )
    for (x, token), points in zip(sorted(shown), sorted(_points(drawn)), strict=True):
        np.testing.assert_allclose(x, points[0], rtol=1e-5)
        assert token == points[1]


def _points(overlay):
    return [
        [element.dimension_values("x").tolist(), element.dimension_values("token").tolist()]
        for element in overlay
        if element.group in ("Tokens", "Leaders")
    ]


@pytest.mark.browser
def test_play_moves_the_time(browser, sentence, tmp_path):
    page = view.write_page(tmp_path / "page.html", "Play", [view.Section("Words", view.words(sentence))])
    browser.open(page.as_uri(), READY)
    # words begin with the last time, and the player goes round
    assert browser.run("return document.querySelector('input[data-dim=time]').value") == "6"
    browser.driver.find_element("css selector", ".play").click()
    browser.wait("document.querySelector('input[data-dim=time]').value === '1'")
    browser.driver.find_element("css selector", ".play").click()
    value = browser.run("return document.querySelector('input[data-dim=time]').value")
    browser.run("return new Promise((done) => setTimeout(done, 400))")
    assert browser.run("return document.querySelector('input[data-dim=time]').value") == value


@pytest.mark.browser
def test_markup_in_names_is_shown_as_text(browser, marked, tmp_path):
    figures = [view.words(marked), view.quiescent_raster(marked), view.trajectories(marked)]
    name = marked.attrs["catalogue_name"]
    page = view.write_page(tmp_path / "page.html", name, [view.Section(name, figures, name)])
    assert "<script>window.broken" not in page.read_text(encoding="utf-8")
    browser.requests()
    browser.open(page.as_uri(), READY)
    for slider in browser.driver.find_elements("css selector", "input[type=range]"):
        browser.run(SLIDE, slider)
    assert not browser.run("return window.broken")
    assert browser.driver.find_element("css selector", "h1").text == name
    assert browser.driver.find_element("css selector", "section p").text == name
    # the formula was not typeset, for which Bokeh would have to fetch a program
    assert browser.requests() == [page.as_uri()]
    assert browser.errors() == []


def test_page_is_one_file_without_links(square, tmp_path):
    page = view.write_page(tmp_path / "page.html", "A", [view.Section("B", view.occupancy(square))])
    text = page.read_text(encoding="utf-8")
    assert not re.findall(
        r"<(?:script|img|iframe)[^>]*\ssrc=|<link|@import", re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    )
    assert list(tmp_path.iterdir()) == [page]
    assert page.stat().st_mode & 0o044, "others may read it"


def test_numbers_keep_six_digits_and_equal_columns_are_kept_once(square, tmp_path):
    one = view.write_page(tmp_path / "one.html", "A", [view.Section("B", view.trajectories(square.isel(time=[0])))])
    all_times = view.write_page(tmp_path / "all.html", "A", [view.Section("B", view.trajectories(square))])
    # the trails of a member are there once, not once a time
    assert all_times.stat().st_size < one.stat().st_size + 7 * 12 * 6 * 90


def test_figures_of_a_section_share_their_sliders(square, sentence, tmp_path):
    view.write_page(tmp_path / "page.html", "A", [view.Section("B", [view.words(square), view.trajectories(square)])])
    differing = view.Section("B", [view.words(square), view.words(sentence)])
    with pytest.raises(InvalidInput, match=r"section 'B'.*different values of alignment_sensitivity"):
        view.write_page(tmp_path / "other.html", "A", [differing])


def test_too_many_states_are_refused_with_the_remedy(square, tmp_path, monkeypatch):
    monkeypatch.setattr("lmdata.view.page.MOST_STATES", 20)
    with pytest.raises(InvalidInput, match=r"42 states \(3 alignment_sensitivity x 2 seed x 7 time\).*ds\.isel"):
        view.write_page(tmp_path / "page.html", "A", [view.Section("B", view.trajectories(square))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("figure", [None, "figure", 3])
def test_what_is_no_figure_is_refused(figure, tmp_path):
    with pytest.raises(InvalidInput, match="section 'B'"):
        view.write_page(tmp_path / "page.html", "A", [view.Section("B", [figure])])


def test_a_page_without_sections_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="at least one"):
        view.write_page(tmp_path / "page.html", "A", [])
