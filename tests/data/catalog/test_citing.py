"""BibTeX of datasets: read back by a small reader of our own, whatever an entry holds."""

from __future__ import annotations

import re

import pytest
import yaml

import lmdata
from lmdata import cli
from lmdata.data.catalog.catalog import Catalog
from lmdata.data.catalog.citing import cite_dataset, cite_paper
from lmdata.data.catalog.file import Entry
from lmdata.errors import UnknownName

HOSTILE = r"50 % of {this} & $that_ # ~ ^ \input{x} } @misc{a, b = {c}"


def read(text):
    """Return BibTeX as key -> fields, as BibTeX reads it: braces balance, and those with a backslash count too."""
    found = {}
    for entry in filter(None, re.split(r"^@misc", text, flags=re.MULTILINE)):
        body = entry.strip()
        depth = 0
        for place, letter in enumerate(body):
            depth += (letter == "{") - (letter == "}")
            assert depth > 0 or place == len(body) - 1, body
        assert depth == 0
        key, _, rest = body[1:-1].partition(",\n")
        assert re.fullmatch(r"[A-Za-z0-9.:/_-]+", key)
        assert key not in found
        found[key] = dict(re.fullmatch(r"  (\w+) = \{(.*)\},", line).groups() for line in rest.rstrip().split("\n"))
    return found


def test_every_dataset_that_ships_is_cited_with_its_paper():
    names = list(lmdata.catalog)
    found = read(lmdata.catalog.cite(*names))
    papers = {lmdata.catalog[name].paper for name in names} - {None}
    assert set(found) == papers | {f"lmdata:{name}" for name in names}
    for name in names:
        assert lmdata.catalog[name].digest in (None, *re.findall("[0-9a-f]{64}", found[f"lmdata:{name}"]["note"]))
    without = {key for key in papers if not {"author", "title"} <= set(found[key])}
    assert len(without) < len(papers) / 10, f"papers.yaml lacks the titles and authors of {without}"


def test_a_paper_of_several_datasets_is_given_once_and_a_version_is_its_own():
    found = read(lmdata.catalog.cite("localmax-square", "localmax-ball@v1", "localmax-square"))
    assert list(found) == ["arXiv:2509.15958", "lmdata:localmax-square", "lmdata:localmax-ball"]
    with pytest.raises(UnknownName, match="localmax-square"):
        lmdata.catalog.cite("localmax-sqare")
    with pytest.raises(UnknownName, match="version"):
        lmdata.catalog.cite("localmax-square@v9")


@pytest.mark.parametrize(
    ("paper", "year", "number"),
    [
        ("arXiv:2509.15958", "2025", "2509.15958"),
        ("arXiv:2509.15958v2", "2025", "2509.15958"),
        ("arXiv:0704.0001", "2007", "0704.0001"),
        ("arXiv:math/0607446", "2006", "math/0607446"),
        ("arXiv:hep-th/9108028", "1991", "hep-th/9108028"),
        ("arXiv:math.GT/0309136", "2003", "math.GT/0309136"),
    ],
)
def test_numbers_of_arxiv_tell_the_year(paper, year, number):
    ((key, fields),) = read(cite_paper(paper)).items()
    assert key == f"arXiv:{number}"
    assert (fields["year"], fields["eprint"]) == (year, number)
    assert fields["url"] == f"https://arxiv.org/abs/{number}"


def test_what_is_no_number_of_arxiv_is_a_note():
    for paper in ("Hegselmann and Krause, 2002", "doi:10.1000/182", HOSTILE, "..."):
        assert list(next(iter(read(cite_paper(paper)).values()))) == ["note"]


def test_text_of_others_stays_text():
    entry = Entry(title=HOSTILE, driver="recipe", recipe={}, citation=f"{HOSTILE}\n\n{HOSTILE}")
    ((_, fields),) = read(cite_dataset("x", entry, shipped=False)).items()
    assert "author" not in fields
    for name, value in fields.items():
        plain = re.sub(r"\\text[a-z]+\{\}|\\[$&#%_]", "", value[1:-1] if name == "title" else value)
        assert not set("{}\\$&#%_~^") & set(plain)


def test_an_entry_of_ones_own_names_no_author_and_needs_no_paper(tmp_path, monkeypatch, capsys):
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump({"lmdata_catalog": 1, "datasets": {"own": {"title": "Own", "driver": "recipe", "recipe": {}}}})
    )
    catalog = Catalog(lambda *given: None, files=[tmp_path / "c.yaml"], cache=tmp_path)
    assert list(read(catalog.cite("own"))["lmdata:own"]) == ["title", "howpublished", "note"]
    monkeypatch.setattr("lmdata.library.catalog", catalog)
    monkeypatch.setattr(lmdata, "catalog", catalog)
    assert cli.main(["cite", "own"]) == 0
    assert capsys.readouterr().out.startswith("@misc{lmdata:own,")
