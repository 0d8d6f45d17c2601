"""The page that computes: its digests are lmdata's, everything on it can be moved, and it shows names as text."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import lmdata
from lmdata import cli, view
from lmdata.errors import IncompleteDataset, InvalidInput
from lmdata.view.playground import example

from .conftest import NAMES
from .test_markup import Elements

MODULE = sys.modules["lmdata.view.playground"]
READY = "document.documentElement.dataset.ready === 'yes'"
PART = "document.querySelector('[data-part={}]')"
VERDICT = PART.format("verdict") + ".className"
DIGEST = PART.format("digest") + ".textContent"
CATALOGUED = (
    *("hardmax-emerging-leader", "hardmax-square", "hardmax-followed-token", "hardmax-uniform-square"),
    *("localmax-square", "localmax-vanishing", "localmax-ball", "localmax-between", "film-review"),
    *("localmax-grid", "localmax-periodic", "localmax-arrival"),
)
"""Localmax as catalogued: lattices and duplicates (hardmax-...), schedules, three and 256 components, 4,000 steps."""


def written(ds, path, title="Play", **opened):
    return view.write_page(path / "play.html", title, [view.Section(title, view.playground(ds, **opened))])


def lattice():
    """Tokens of a lattice, two of them twice: every neighbourhood hinges on ties."""
    points = np.array([[x, y] for x in (-1.0, 0.0, 1.0) for y in (-0.5, 0.0, 0.5)])
    return np.concatenate([points, points[:2]]) / 3.0


def board(browser):
    return browser.driver.find_element("css selector", "[data-board]")


def opened(browser, page):
    browser.requests()
    browser.errors()
    browser.open("about:blank", "true")
    browser.open(page.as_uri(), READY)
    browser.wait(f"{DIGEST}.length === 64")


@pytest.mark.browser
def test_what_a_page_computes_has_the_digest_of_the_member(browser, tmp_path):
    sweep = {"alignment_sensitivity": [0.0, 1 / 9, 1.0], "influence": [1.0, 0.3]}
    ds = lmdata.simulate(lmdata.Localmax(), lattice(), steps=40, sweep=sweep, record=3)
    page = written(ds, tmp_path)
    assert page.stat().st_size < 300_000
    opened(browser, page)
    browser.wait(f"{VERDICT} === 'same'")
    assert browser.run(f"return {DIGEST}") == ds.digest.sel(alignment_sensitivity=1 / 9, influence=1.0, seed=0).item()
    browser.run(f"{PART.format('check')}.click()")
    browser.wait("document.querySelector('[data-board]').dataset.checked === '6/6'")
    assert browser.run("return document.querySelector('[data-board]').dataset.digest") == ds.attrs["digest"]
    assert browser.requests()[-1] == page.as_uri()
    assert browser.errors() == []


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.parametrize("name", CATALOGUED)
def test_digests_of_catalogued_datasets_are_those_of_python(browser, tmp_path, name):
    if name == "film-review":
        pytest.importorskip("wordllama", reason="the extra `text` is not installed")
    page = written(lmdata.open(name), tmp_path)
    opened(browser, page)
    browser.wait(f"{VERDICT} === 'same'")
    browser.run(f"{PART.format('check')}.click()")
    browser.wait("document.querySelector('[data-board]').dataset.checked", seconds=60)
    found = browser.run(
        "const { checked, digest } = document.querySelector('[data-board]').dataset; return [checked, digest]"
    )
    members = lmdata.open(name).digest.size
    assert found == [f"{members}/{members}", lmdata.catalog[name].digest]
    print(f"{name}: {page.stat().st_size / 1000:.0f} kB, {members} members")


FRAME_TIME = """
const tokens = Float64Array.from({length: 128}, (_, k) => Math.sin(k * k));
const run = () => canonical.run(tokens, 64, 2, 60, () => 0.1, 1, null);
return Array.from({length: 9}, () => { const begin = performance.now(); run(); return performance.now() - begin; });
"""


ENDS = """
const [starts, n, d, sensitivities] = arguments;
return sensitivities.map((delta) => starts.map((start) => {
  const rest = endings.rest(Float64Array.from(start), n, d, delta, 1, null);
  const { label, vertices } = endings.clusters(rest, n, d, delta, null);
  return label.map((own) => (own < vertices ? own : -1));
}));
"""


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.parametrize("name", ["localmax-square", "localmax-ball"])
def test_tokens_end_at_the_vertices_of_the_limit_polytope(browser, tmp_path, name):
    ds = lmdata.open(name).isel(seed=slice(5))
    limit = lmdata.limit_polytope(ds).load()
    n, d = ds.sizes["token"], ds.sizes["component"]
    opened(browser, written(ds, tmp_path))
    starts = ds.position.isel(alignment_sensitivity=0, time=0).values.reshape(-1, n * d)
    found = np.array(browser.run(ENDS, starts.tolist(), n, d, ds.alignment_sensitivity.values.tolist()))
    settled = limit.settled.values
    assert settled.mean() > 0.9
    np.testing.assert_array_equal(found[settled], limit.token_vertex.values[settled])


@pytest.mark.long
@pytest.mark.browser
def test_counts_of_vertices_are_those_that_are_proved(browser, tmp_path):
    page = written(example(), tmp_path)
    opened(browser, page)
    print("60 steps of 64 tokens take", browser.run(FRAME_TIME), "ms")
    atlas = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), seeds=(3,))
    tokens = atlas.initial_position.values[0]
    script = """
    const [tokens, sensitivities] = arguments, n = tokens.length / 2, start = Float64Array.from(tokens);
    return sensitivities.map((delta) => {
      const rest = endings.rest(start, n, 2, delta, 1, null);
      return rest && endings.clusters(rest, n, 2, delta, null).vertices;
    });
    """
    middles = []
    for place in range(atlas.sizes["interval"] - 1):
        low, high = float(atlas.sensitivity_from[place]), float(atlas.sensitivity_to[place])
        if high - low > 1e-4:
            middles.append((low + high) / 2)
    found = browser.run(script, tokens.ravel().tolist(), middles)
    expected = [int(atlas.atlas.at(delta).vertex_count.item()) for delta in middles]
    assert len(set(expected)) > 3
    assert found == expected


def test_what_a_page_cannot_compute_is_refused(square, monkeypatch):
    with pytest.raises(InvalidInput, match=r"localmax alone, and ds was made by softmax.*lmdata dashboard"):
        view.playground(square.assign_attrs(model='{"kind": "softmax"}'))
    with pytest.raises(InvalidInput, match=r"begins at step 2.*record it too"):
        view.playground(square.isel(time=slice(2, None)))
    with pytest.raises(InvalidInput, match="1 component"):
        view.playground(square.isel(component=[0]))
    with pytest.raises(InvalidInput, match="seed is 7; ds has 0, 1"):
        view.playground(square, seed=7)
    with pytest.raises(IncompleteDataset, match="seed 1 was not computed yet"):
        view.playground(square.assign(position=square.position.where(square.seed != 1)))
    for name, most, message in (("TOKENS", 8, "12 tokens; a page draws at most 8"), ("PRODUCTS", 9, "fewer steps")):
        monkeypatch.setattr(MODULE, f"MOST_{name}", most)
        with pytest.raises(InvalidInput, match=message):
            view.playground(square)
        monkeypatch.undo()


def test_more_starts_than_a_page_holds_are_left_out_and_it_says_so(square, monkeypatch, tmp_path):
    monkeypatch.setattr(MODULE, "MOST_NUMBERS", 30)
    data = view.playground(square, seed=1).data
    assert (data["seeds"], data["of"], data["whole"]) == ([1], 2, None)
    assert data["members"]["digests"] == square.digest.sel(seed=1).values.tolist()


def test_the_command_writes_a_page_and_refuses_what_it_cannot_show(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    page = tmp_path / "new" / "page.html"
    assert cli.main(["play", "--output", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(page), "bytes": page.stat().st_size}
    assert page.stat().st_size < 300_000
    assert "Localmax dynamics: 24 tokens in the square" in page.read_text(encoding="utf-8")
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 1), steps=2, store=tmp_path / "line")
    for name, message in (
        ("localmax-sqare", "did you mean"),
        (str(tmp_path / "line"), "1 component; a page shows a plane"),
    ):
        assert cli.main(["play", name, "--output", str(tmp_path / "none.html")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "none.html").exists()


@pytest.mark.long
def test_the_command_refuses_another_model_and_shows_titles_as_text(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    page = tmp_path / "page.html"
    assert cli.main(["play", "krause-square", "--output", str(page)]) == 2
    assert "localmax alone, and ds was made by" in capsys.readouterr().err
    store = tmp_path / "run"
    lmdata.simulate(lmdata.Localmax(0.1), lmdata.tokens.uniform(5, 2), steps=2, store=store)
    title = "\u202eevil <script>window.broken=1</script>"
    assert cli.main(["catalog", "add", "mine", str(store), "--title", title]) == 0
    assert cli.main(["play", "mine", "--output", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<script>window" not in text
    assert "\u202e" not in text
    assert "evil &lt;script&gt;" in text


def test_names_are_text_in_the_page(sentence, tmp_path):
    pages = []
    for names, title in ((NAMES, NAMES[0]), ([f"word{k}" for k in range(8)], "title")):
        ds = sentence.assign_coords(token=list(names))
        ds.attrs["catalogue_name"] = title
        pages.append(Elements(written(ds, tmp_path, title).read_text(encoding="utf-8")).found)
    assert pages[0] == pages[1]
