"""Representations of objects in notebooks: tables of text that is text, whatever it holds."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import lmdata
from lmdata import plugins
from lmdata.data.catalog.catalog import Catalog
from lmdata.data.verify import Problem, Report
from lmdata.dynamics.model import MODELS
from lmdata.markup import escaped, facts, table
from lmdata.runs.recipe import Recipe

HOSTILE = "</td><script>window.broken=1</script><img src=x onerror='f()'>\x1b[31m\u202e\"&amp;"
PACKAGE = Path(lmdata.__file__).parent


class Read(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(page)
        self.close()
        assert self.open == [], f"{self.open} are not closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def harmless(page):
    """Return what is read of a page in which there is nothing but a table."""
    read = Read(page)
    known = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert {tag for tag, *_ in read.tags} <= known
    assert {name for _, *names in read.tags for name in names} <= {"style", "scope"}
    assert "\x1b" not in read.text
    assert "\u202e" not in read.text
    return read.text


def test_text_is_text_in_every_place_of_a_table():
    for page in (
        table([(HOSTILE, HOSTILE)], [HOSTILE, HOSTILE], title=HOSTILE),
        facts({HOSTILE: {"kind": HOSTILE, HOSTILE: [HOSTILE] * 9}}, title=HOSTILE),
    ):
        assert harmless(page).count("window.broken=1") >= 4
    read = Read(f'<p title="{escaped(HOSTILE)}">{escaped(HOSTILE)}</p>')
    assert read.tags == [("p", "title")]
    assert read.text.startswith("</td><script>window.broken=1</script>")


def test_the_catalogue_and_its_entries_are_tables(tmp_path):
    file = tmp_path / "lab.yaml"
    recipe = "{model: {kind: localmax}, tokens: {kind: uniform, n: 4, d: 2}, steps: 3}"
    title = "a <script>window.broken=1</script> title"
    entry = f"    title: '{title}'\n    description: '{title}'\n    driver: recipe\n    recipe: {recipe}\n"
    file.write_text(f"lmdata_catalog: 1\ndatasets:\n  mine:\n{entry}", encoding="utf-8")
    from lmdata.listing import as_html

    for show in (None, as_html):
        catalog = Catalog(lambda *_: None, files=[file], cache=tmp_path / "cache", show=show)
        assert title in harmless(catalog._repr_html_())
    told = harmless(catalog._repr_html_())
    for words in ("mine", "localmax", "256 bytes", "4.8e+01", "1 dataset"):
        assert words in told
    said = harmless(catalog["mine"]._repr_html_())
    assert title in said
    assert "uniform(n=4, d=2)" in said


def test_the_shared_catalogue_says_of_each_dataset_what_it_is():
    told = harmless(lmdata.catalog._repr_html_())
    for name in lmdata.catalog:
        assert name in told
    for head in ("title", "model", "members", "size", "pairs", "built", "paper"):
        assert head in told


def test_models_tokens_schedules_and_recipes_are_tables_of_what_they_are():
    model = lmdata.Localmax(lmdata.schedules.Geometric(1.0, 0.5), influence=0.25)
    assert "geometric(" in harmless(model._repr_html_())
    assert "0.25" in harmless(model._repr_html_())
    text = lmdata.tokens.text(f"a {HOSTILE}")
    assert "window.broken=1" in harmless(text._repr_html_())
    recipe = Recipe.of(model, lmdata.tokens.uniform(4, 2), steps=9, sweep={"influence": [0.5, 1.0]}, seeds=range(40))
    told = harmless(recipe._repr_html_())
    for words in ("uniform(n=4, d=2", "[0, 1, 2, ..., 39] (40)", "influence"):
        assert words in told


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_every_model_is_shown(kind):
    assert callable(getattr(MODELS[kind], "_repr_html_", None)), f"derive {MODELS[kind].__name__} from Specified"


def test_reports_are_tables():
    problems = tuple(Problem("damaged", HOSTILE, HOSTILE) for _ in range(30))
    report = Report(HOSTILE, True, 30, 30, problems, (), "run lmdata.repair")
    told = harmless(report._repr_html_())
    assert told.count("window.broken=1") >= 41
    assert "and 10 more" in told
    assert "as written" in harmless(Report("runs/a", True, 1, 1, (), (), "nothing to do")._repr_html_())


def test_measures_of_a_dataset_are_a_table(monkeypatch):
    def odd(ds):
        pass

    odd.__doc__ = HOSTILE
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=1)
    monkeypatch.setattr(plugins, "load_all", lambda group, own: {**own, "odd": odd})
    told = harmless(ds.lm._repr_html_())
    for words in ("ds.lm.hull_volume()", "ds.lm.odd()", "window.broken=1"):
        assert words in told
    assert "hull_volume" in repr(ds.lm)


def test_there_is_one_place_that_escapes():
    """Templates escape by themselves; all else goes through `lmdata.markup`."""
    own = re.compile(r"^\s*(import html\b|from html\b)", re.MULTILINE)
    found = {file.name for file in PACKAGE.rglob("*.py") if own.search(file.read_text(encoding="utf-8"))}
    assert found == {"markup.py"}
