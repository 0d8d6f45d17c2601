"""The axis of an atlas on a page from disk: the browser computes the canonical trajectory of what is clicked."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata import view
from lmdata.errors import InvalidInput, UnknownName
from lmdata.view.intervals import Intervals

from .test_atlas_page import BANDS, ENDS, LIMITS, SEEDS, widest

READY = "document.documentElement.dataset.ready === 'yes'"
TOLD = "document.querySelector('.told').textContent"
STEPS = """
const [tokens, n, d, sensitivities, influence, matrix] = arguments;
let state = Float64Array.from(tokens);
return sensitivities.map((delta) => {
  const lead = canonical.leaders(state, n, d, delta, matrix);
  state = canonical.step(state, n, d, delta, influence, matrix);
  return [Array.from(state), lead];
});
"""
EDGES = """
return [document.documentElement.scrollWidth, ...[...document.querySelectorAll(".axis, .axis *, .axis-figures *")]
  .map((element) => element.getBoundingClientRect().right)];
"""
LINES = """
const figure = [...Bokeh.documents[0].all_models].find(
  (m) => m.type === "Figure" && m.title.text.startsWith("Limits") && m.inner_width > 0);
return figure.renderers.map((r) => r.data_source.data).filter((data) => "x1" in data)
  .map((data) => data.x.map((x, k) => [x, data.x1[k], data.y[k]]));
"""


@pytest.fixture(scope="module")
def atlas():
    return lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=SEEDS)


@pytest.fixture(scope="module")
def page(atlas, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "axis.html"
    sections = [view.Section("Axis", view.sensitivity_explorer(atlas)), view.Section("Bands", view.limits_along(atlas))]
    return view.write_page(path, "An axis", sections).as_uri()


def shown(atlas, browser, seed, place):
    """Check that the page shows the trajectory of an interval, to the bit, with the vertices that are proved."""
    number = place - (0 if seed == SEEDS[0] else int(atlas.interval_count[0]))
    browser.wait(f"{TOLD}.startsWith('seed {seed} · interval {number + 1} of')")
    one = atlas.isel(interval=place)
    path = atlas.atlas.trajectory(place, steps=int(one.steps_done) + 11)
    rows = sorted(browser.run(ENDS))
    np.testing.assert_array_equal(np.array([row[1:3] for row in rows]), path.position.values[0, -1])
    count = int(one.vertex_count)
    expected = [f"vertex {c}" if c < count else "no vertex" for c in one.cluster.values.tolist()]
    assert [row[3] for row in rows] == expected


@pytest.mark.long
@pytest.mark.browser
def test_a_click_on_a_band_shows_the_trajectory_of_the_interval_there(browser, atlas, page):
    browser.size(1280, 800)
    browser.requests()
    browser.open(page, READY)
    for seed, row in zip(SEEDS, (1, 0), strict=True):
        for vertices in (2, 3):
            _, place = widest(atlas, seed, vertices)
            low, high = float(atlas.sensitivity_from[place]), float(atlas.sensitivity_to[place])
            browser.tap(BANDS, np.sqrt(low * high), row)
            shown(atlas, browser, seed, place)
    _, place = widest(atlas, SEEDS[1], 2)
    middle = float(atlas.sensitivity_from[place] + atlas.sensitivity_to[place]) / 2
    browser.tap(LIMITS, middle, 0.0)
    shown(atlas, browser, SEEDS[1], place)
    browser.driver.find_element("css selector", "input[value=linear]").click()
    browser.wait("[...Bokeh.documents[0].all_models].some((m) => m.inner_width > 0 && m.x_range?.start === 0)")
    _, place = widest(atlas, SEEDS[0], 2)
    browser.tap(BANDS, float(atlas.sensitivity_from[place] + atlas.sensitivity_to[place]) / 2, 1)
    shown(atlas, browser, SEEDS[0], place)
    assert browser.requests() == [page]
    assert browser.errors() == []


@pytest.mark.browser
def test_the_keyboard_alone_goes_along_the_axis_and_through_time(browser, atlas, page):
    browser.size(390, 844)
    browser.open(page, READY)
    assert max(browser.run(EDGES)) <= 390
    intervals = Intervals(atlas)
    seed, number = SEEDS[0], intervals.first(SEEDS[0])
    shown(atlas, browser, seed, number)
    for label, step in (("band ▶", 1), ("◀ band", -1), ("◀ band", -1)):
        button = next(b for b in browser.driver.find_elements("css selector", ".buttons button") if b.text == label)
        button.send_keys("\n")
        number = intervals.next_band(seed, number, "vertex_count", step)
        shown(atlas, browser, seed, number)
    box = browser.driver.find_element("css selector", "input[data-to=sensitivity]")
    box.clear()
    box.send_keys("0.3\n")
    place = int(atlas.atlas.at(0.3).sel(seed=seed).interval)
    shown(atlas, browser, seed, place)
    slider = browser.driver.find_element("css selector", "input[data-to=time]")
    slider.send_keys("\ue011")  # home
    rows = np.array([row[1:3] for row in sorted(browser.run(ENDS))])
    np.testing.assert_array_equal(rows, atlas.initial_position.values[0])
    assert browser.errors() == []


@pytest.mark.browser
def test_limits_along_the_axis_are_those_of_the_atlas(browser, atlas, page):
    browser.size(1280, 800)
    browser.open(page, READY)
    component = browser.driver.find_element("css selector", "input[data-to=component]")
    for k in (0, 1):
        component.clear()
        component.send_keys(f"{k}\t")
        others, vertices = browser.run(LINES)
        assert len(vertices) > 50
        for lines, vertex in ((others, False), (vertices, True)):
            for x, x1, y in lines[:: max(1, len(lines) // 60)]:
                there = atlas.atlas.at((x + x1) / 2).sel(seed=SEEDS[0])
                own = (there.cluster < there.vertex_count).values == vertex
                assert np.abs(there.limit_position.values[own, k] - y).min() < 1e-7


@pytest.mark.browser
def test_the_step_in_the_browser_is_the_canonical_one(browser, page):
    browser.open(page, READY)
    draw = np.random.default_rng(5)
    schedule = lmdata.schedules.Geometric(0.4, 0.7)
    for number in range(24):
        n, d = int(draw.integers(1, 18)), int(draw.integers(1, 5))
        scale = 10.0 ** draw.integers(-8, 9)
        tokens = draw.integers(-3, 4, (n, d)) / 4.0 if number % 3 == 0 else draw.normal(size=(n, d)) * scale
        root = draw.normal(size=(d, d))
        matrix = None if number % 2 else np.round(root @ root.T + np.eye(d), 2)
        influence = float(draw.choice([0.1, 1.0, 3.0]))
        sensitivity = schedule if number % 4 == 0 else float(draw.choice([0.0, 0.25, 1.0]) * np.abs(tokens).max() ** 2)
        model = lmdata.Localmax(sensitivity, influence, matrix)
        run = lmdata.simulate(model, tokens, steps=25)
        given = [tokens.ravel().tolist(), n, d, model.schedule.values(25).tolist(), influence]
        found = browser.run(STEPS, *given, None if matrix is None else matrix.tolist())
        frames = np.array([state for state, _ in found]).reshape(25, n, d)
        np.testing.assert_array_equal(frames, run.position.values[0, 1:])
        leads = lmdata.leaders(run).values[0, :25]
        np.testing.assert_array_equal(np.array([lead for _, lead in found]), leads)


def test_refusals(atlas, monkeypatch):
    with pytest.raises(UnknownName, match="seed"):
        view.sensitivity_explorer(atlas, seeds=[5])
    with pytest.raises(InvalidInput, match="seeds is empty"):
        view.sensitivity_explorer(atlas, seeds=[])
    with pytest.raises(UnknownName, match="whole number"):
        view.sensitivity_explorer(atlas, of="margin")
    monkeypatch.setattr("lmdata.view.explorer.MOST_INTERVALS", 100)
    with pytest.raises(InvalidInput, match=r"choose some with seeds"):
        view.sensitivity_explorer(atlas)


@pytest.mark.long
def test_records_schedules_and_lines_have_a_page(tmp_path):
    tokens = lmdata.tokens.uniform(5, 1)
    decaying = lmdata.Localmax(lmdata.schedules.Geometric(1.0, 0.5))
    for number, ds in enumerate(
        (
            lmdata.atlas(lmdata.Localmax(), tokens, seeds=(0, 1), steps=7),
            lmdata.atlas(decaying, tokens, steps=12),
            lmdata.atlas(lmdata.Localmax(), tokens, limits=False),
        )
    ):
        of = "frozen_from" if "vertex_count" not in ds else "vertex_count"
        section = view.Section("Axis", view.sensitivity_explorer(ds, of=of))
        assert view.write_page(tmp_path / f"{number}.html", "Axis", [section]).stat().st_size > 100_000
