"""The dashboard of an atlas in a browser: what is clicked is what is shown, on a laptop and on a telephone."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.view.atlas_page import atlas_page
from lmdata.view.dashboard import dashboard, shared
from lmdata.view.intervals import Intervals

from .conftest import serving

SEEDS = (4, 9)
BANDS, LIMITS, PATHS = "Vertices of the limit", "Limits over", "Trajectories"
READY = """
window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle
  && [...Bokeh.documents[0].all_models].filter((m) => m.type === 'Figure' && m.inner_width > 0).length >= 3
"""
ENDS = """
const figure = [...Bokeh.documents[0].all_models].find((m) => m.type === "Figure" && m.title.text.startsWith("Traj"));
return figure.renderers.map((r) => r.data_source.data).filter((data) => "token" in data && "end" in data)
  .flatMap((data) => Array.from(data.token).map((token, k) => [Number(token), data.x[k], data.y[k], data.end[k]]));
"""
TOLD = """
const found = [];
(function walk(root) {
  root.querySelectorAll('*').forEach((element) => {
    if (element.shadowRoot) walk(element.shadowRoot);
    else if (!element.children.length && / interval .* of/.test(element.textContent)) found.push(element.textContent);
  });
})(document);
return found.join(" ");
"""
PRESS = """
const wanted = arguments[0];
(function walk(root) {
  root.querySelectorAll('*').forEach((element) => {
    if (element.shadowRoot) walk(element.shadowRoot);
    else if (element.matches('button') && element.textContent.trim().toLowerCase() === wanted) element.click();
  });
})(document);
"""
WIDTHS = """
return [document.documentElement.scrollWidth, innerWidth, ...[...Bokeh.documents[0].all_models]
  .filter((m) => m.type === 'Figure' && m.inner_width > 0)
  .map((m) => Bokeh.index.find_one(m).el.getBoundingClientRect()).map((box) => box.right)];
"""


@pytest.fixture(scope="module")
def atlas():
    return lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=SEEDS)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=SEEDS, store=folder / "axis")
    with serving(folder / "axis", folder / "cache") as (_, address):
        yield address


def widest(atlas, seed, vertices):
    """Return the widest interval of a start that has so many vertices: its number in the start, and as an atlas."""
    begin = 0 if seed == SEEDS[0] else int(atlas.interval_count[0])
    own = (atlas.interval_seed == seed) & (atlas.vertex_count == vertices) & np.isfinite(atlas.sensitivity_to)
    place = int((atlas.sensitivity_to - atlas.sensitivity_from).where(own, -1.0).values.argmax())
    return place - begin, place


def shown(atlas, browser, seed, place):
    """Check that the page shows the trajectory of an interval, to the bit."""
    number = place - (0 if seed == SEEDS[0] else int(atlas.interval_count[0]))
    browser.wait(f"(() => {{ {TOLD} }})().includes('seed {seed} · interval {number + 1} of')")
    one = atlas.isel(interval=place)
    path = atlas.atlas.trajectory(place, steps=int(one.steps_done) + 11)
    browser.wait(f"(() => {{ {ENDS} }})().length === 6")
    ends = np.array([row[:3] for row in sorted(browser.run(ENDS))])
    np.testing.assert_array_equal(ends[:, 1:], path.position.values[0, -1])
    said = [row[3] for row in sorted(browser.run(ENDS))]
    vertex = [c < int(one.vertex_count) for c in one.cluster.values]
    assert [name.startswith("vertex") for name in said] == vertex


@pytest.mark.long
@pytest.mark.browser
def test_a_click_on_a_band_shows_the_trajectory_of_the_interval_there(browser, atlas, url):
    browser.size(1280, 800)
    browser.requests()
    browser.open(url, READY, seconds=60)
    for seed, row in zip(SEEDS, (1, 0), strict=True):
        for vertices in (2, 3):
            _, place = widest(atlas, seed, vertices)
            low, high = float(atlas.sensitivity_from[place]), float(atlas.sensitivity_to[place])
            browser.tap(BANDS, np.sqrt(low * high), row)
            shown(atlas, browser, seed, place)
    # on the limits, a click goes to the interval of the start that is shown
    _, place = widest(atlas, SEEDS[1], 2)
    browser.tap(LIMITS, float(atlas.sensitivity_from[place] + atlas.sensitivity_to[place]) / 2, 0.0)
    shown(atlas, browser, SEEDS[1], place)
    # on the linear axis
    browser.run(PRESS, "linear")
    browser.wait(
        "[...Bokeh.documents[0].all_models].filter((m) => m.type === 'Figure' && m.inner_width > 0"
        " && m.x_range.start === 0).length === 2"
    )
    _, place = widest(atlas, SEEDS[0], 2)
    browser.tap(BANDS, float(atlas.sensitivity_from[place] + atlas.sensitivity_to[place]) / 2, 1)
    shown(atlas, browser, SEEDS[0], place)
    assert [u for u in browser.requests() if not u.startswith((url, url.replace("http:", "ws:")))] == []
    assert browser.errors() == []


@pytest.mark.long
@pytest.mark.browser
def test_buttons_go_to_the_next_band_on_a_telephone(browser, atlas, url):
    browser.size(390, 844)
    browser.open(url, READY, seconds=60)
    widths = browser.run(WIDTHS)
    assert max(widths) <= 390, widths
    intervals = Intervals(atlas)
    seed, number = SEEDS[0], intervals.first(SEEDS[0])
    shown(atlas, browser, seed, number)
    for button, step in (("band ▶", 1), ("◀ band", -1), ("◀ band", -1)):
        browser.run(PRESS, button)
        number = intervals.next_band(seed, number, "vertex_count", step)
        shown(atlas, browser, seed, number)
    assert browser.errors() == []


def test_a_click_is_what_go_does(atlas):
    """Every way to an interval ends at the same page."""
    page = dashboard(atlas)
    widgets = {getattr(widget, "label", ""): widget for widget in page.sidebar[0]}
    told = page.main[0][0]
    for number in (3, 40):
        widgets["interval"].value = number
        assert f"interval {number + 1} of" in told.object
        low = float(atlas.sensitivity_from[number])
        assert widgets["go to sensitivity δ"].value == low
    widgets["go to sensitivity δ"].value = 0.3
    expected = int(atlas.atlas.at(0.3).sel(seed=SEEDS[0]).interval)
    assert widgets["interval"].value == expected
    widgets["seed"].value = SEEDS[1]
    assert f"seed {SEEDS[1]} · interval" in told.object


@pytest.mark.parametrize("limits", [True, False])
def test_limits_that_were_not_kept_are_found_again(limits):
    ds = lmdata.atlas(lmdata.Localmax(0.0, 0.5), lmdata.tokens.uniform(5, 2), seeds=(1, 3), limits=limits)
    member = Intervals(ds).member(3, Intervals(ds).at(3, 0.2))
    whole = lmdata.atlas(lmdata.Localmax(0.0, 0.5), lmdata.tokens.uniform(5, 2), seeds=(3,)).atlas.at(0.2).isel(seed=0)
    assert member.vertex.max() + 1 == int(whole.vertex_count)
    assert (member.vertex >= 0).sum() == int(whole.s1_size)
    np.testing.assert_allclose(member.position[-1], whole.limit_position, atol=5e-3)


@pytest.mark.long
def test_records_schedules_lines_and_a_single_interval_have_a_page(atlas):
    tokens = lmdata.tokens.uniform(5, 1)
    decaying = lmdata.Localmax(lmdata.schedules.Geometric(1.0, 0.5))
    for ds in (
        lmdata.atlas(lmdata.Localmax(), tokens, seeds=(0, 1), steps=7),
        lmdata.atlas(decaying, tokens, steps=12),
        lmdata.atlas(lmdata.Localmax(), tokens, limits=False),
        lmdata.atlas(lmdata.Localmax(), tokens, sensitivity=(0.1, 0.4)),
        lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0]]),
    ):
        assert "interval 1" in atlas_page(Intervals(ds)).main[0][0].object or ds.sizes["interval"] > 1


def test_what_is_not_proved_is_said(atlas):
    shown = shared(atlas)
    place = int(np.flatnonzero(atlas.outcome.values[: int(atlas.interval_count[0])] == 3)[0])
    assert "not proved" in shown.tell(SEEDS[0], place)
    assert shown.member(SEEDS[0], place).position.shape[1:] == (6, 2)
