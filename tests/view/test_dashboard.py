"""The dashboard in a browser: drawn, linked, offline, with names shown as text."""

from __future__ import annotations

import numpy as np
import psutil
import pytest
import xarray

import lmdata
from lmdata.errors import IncompleteDataset
from lmdata.view.dashboard import dashboard
from lmdata.view.members import Members

from .conftest import NAMES, serving

READY = """
window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle
  && [...Bokeh.documents[0].all_models].filter((m) => m.type === 'Title').length >= 8
  && document.querySelectorAll('body *').length > 5
"""

# widgets live in shadow roots
SLIDERS = """
const found = [];
(function walk(root) {
  root.querySelectorAll('*').forEach((element) => {
    if (element.matches('input[type=range]')) found.push(element);
    if (element.shadowRoot) walk(element.shadowRoot);
  });
})(document);
return found;
"""

DATA = """
const models = [...Bokeh.documents[0].all_models];
return models.filter((m) => m.type === "ColumnDataSource").map((m) => JSON.stringify(Object.values(m.data).map((c) =>
  Array.from(c).map((v) => ArrayBuffer.isView(v) ? Array.from(v) : v)))).sort();
"""

TITLES = "return [...Bokeh.documents[0].all_models].filter((m) => m.type === 'Title').map((m) => m.text)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serve the dashboard of a stored dataset whose words are markup, from a process of its own."""
    folder = tmp_path_factory.mktemp("dashboard")
    names = [*NAMES[:4], "$$x^2$$", "splendid"]
    words = np.stack([lmdata.tokens.normal(6, 4).draw(seed) for seed in (0, 1)])
    tokens = xarray.DataArray(words, dims=("seed", "token", "component"), coords={"token": names})
    sweep = {"alignment_sensitivity": [0.0, 0.3, 2.0], "influence": [0.5, 1.0]}
    store = folder / "<script>window.broken=1<"
    lmdata.simulate(lmdata.Localmax(), tokens, steps=6, seeds=(0, 1), sweep=sweep, store=store)
    with serving(store, folder / "cache") as (process, url):
        yield process, url


@pytest.fixture
def url(server):
    """Where the server is."""
    return server[1]


@pytest.mark.long
@pytest.mark.browser
def test_dashboard_draws_is_linked_and_asks_for_nothing_beyond_loopback(browser, url):
    browser.requests()
    browser.open(url, READY, seconds=60)
    browser.wait(f"(() => {{ {SLIDERS} }})().length === 4", seconds=20)
    assert len(np.unique(browser.picture().reshape(-1, 3), axis=0)) > 50, "nothing is drawn"
    drawn = browser.figures()
    assert len(drawn) == 2 * 5  # what is drawn, and what hovering draws
    for number in range(4):
        data, titles = browser.run(DATA), browser.run(TITLES)
        browser.run(SLIDERS)[number].send_keys("\ue014")  # arrow to the right
        drawn = browser.changed(drawn, least=4)
        assert browser.run(DATA) != data, number
        assert browser.run(TITLES) != titles, number
    last = browser.run(TITLES)
    assert sum("δ = 0.3 · α = 1 · seed 1 · t = 1 step" in title for title in last) == 2
    assert sum("δ = 0.3 · α = 1 · seed 1" in title for title in last) == 4
    outside = [u for u in browser.requests() if not u.startswith((url, url.replace("http:", "ws:")))]
    assert outside == []
    assert not browser.run("return window.broken")
    assert browser.errors() == []


def test_server_listens_on_loopback_alone(server):
    process, url = server
    everything = [process, *psutil.Process(process.pid).children(recursive=True)]
    sockets = [found for one in everything for found in psutil.Process(one.pid).net_connections("inet")]
    listening = [found.laddr for found in sockets if found.status == psutil.CONN_LISTEN]
    assert [f"http://{place.ip}:{place.port}/" for place in listening] == [url]
    assert listening[0].ip == "127.0.0.1"


def test_page_has_a_widget_for_each_choice_and_the_time(square, sentence):
    def labels(ds):
        return [widget.label for widget in dashboard(ds).sidebar[0] if hasattr(widget, "options")]

    assert labels(square) == ["alignment sensitivity δ", "seed", "time (steps)"]
    assert labels(sentence) == ["alignment sensitivity δ", "time (steps)"]
    assert labels(square.isel(time=[0], alignment_sensitivity=[0])) == ["seed"]


def test_only_the_member_shown_is_read(square, monkeypatch):
    monkeypatch.setattr("lmdata.view.members.AT_ONCE", 0)
    read = []

    def reading(block, number):
        read.append(number)
        return block

    lazy = square.chunk({"alignment_sensitivity": 1, "seed": 1})
    blocks = [
        xarray.map_blocks(reading, lazy.position.isel(alignment_sensitivity=[k], seed=[s]), (2 * k + s,))
        for k in range(3)
        for s in range(2)
    ]
    read.clear()
    rows = [xarray.concat(blocks[2 * k : 2 * k + 2], "seed") for k in range(3)]
    lazy["position"] = xarray.concat(rows, "alignment_sensitivity")
    read.clear()
    page = dashboard(Members(lazy))
    # the decay of the hull has a line for each sensitivity: all of seed 0, none of seed 1
    assert sorted(set(read)) == [0, 2, 4]
    read.clear()
    sensitivity, seed, player = page.sidebar[0][:3]
    sensitivity.value = 0.1
    player.value = 3
    assert read == []
    seed.value = 1
    assert sorted(set(read)) == [1, 3, 5]
    read.clear()
    seed.value = 0
    assert read == []


def test_a_missing_member_is_said_and_the_rest_stays_usable(square):
    partial = square.copy()
    partial["status"] = square.status.copy()
    partial.status[1, 0], partial.status[2, 0] = 0, 2
    page = dashboard(partial.isel(seed=[0]))
    notice = page.main[0]
    assert "IncompleteDataset" not in str(notice.object)
    slider = page.sidebar[0][0]
    slider.value = 0.1
    assert notice.visible
    assert "δ = 0.1, seed 0 was not computed yet" in notice.object
    slider.value = 1.0
    assert "failed" in notice.object
    slider.value = 0.0
    assert not notice.visible


def test_a_dataset_without_any_complete_member_is_refused(square):
    with pytest.raises(IncompleteDataset, match="no member"):
        dashboard(square.assign(status=square.status * 0))
