"""Citations of datasets as BibTeX: the paper whose claim a dataset shows, and the dataset itself."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from importlib.resources import as_file, files
from typing import Any

from lmdata.data.catalog.file import Entry, load_yaml

ARXIV = re.compile(r"arXiv:(?P<number>(?P<year>\d\d)\d\d\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/(?P<older>\d\d)\d{5})(v\d+)?")
"""How entries name a paper: the number of arXiv, of either form."""
FIRST_YEAR = 91
"""Of arXiv; two digits below it are of this century."""
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "$&#%_"},
}
"""What LaTeX and BibTeX read as something else; braces by name, since BibTeX counts those that are escaped too."""


def cite_paper(paper: str) -> str:
    """Return the BibTeX entry of a paper: with title and authors where lmdata knows them, by its number elsewhere.

    Parameters
    ----------
    paper : str
        ``arXiv:2509.15958``, ``arXiv:math/0607446``; anything else becomes a note.

    Examples
    --------
    >>> print(cite_paper("arXiv:2508.09628"))
    @misc{arXiv:2508.09628,
      author = {Albert Alcalde and Borjan Geshkovski and Domènec Ruiz-Balet},
      title = {{Attention's forward pass and Frank-Wolfe}},
      year = {2025},
      eprint = {2508.09628},
      archiveprefix = {arXiv},
      url = {https://arxiv.org/abs/2508.09628},
    }
    """
    found = ARXIV.fullmatch(paper.strip())
    if found is None:
        return _entry(re.sub(r"[^A-Za-z0-9.:/-]+", "-", paper).strip("-") or "paper", {"note": _latex(paper)})
    number, digits = found["number"], int(found["year"] or found["older"])
    known = _papers().get(number, {})
    return _entry(
        f"arXiv:{number}",
        {
            "author": " and ".join(map(_latex, known.get("authors", ()))),
            "title": f"{{{_latex(known['title'])}}}" if known else "",
            "year": str((1900 if digits >= FIRST_YEAR else 2000) + digits),
            "eprint": number,
            "archiveprefix": "arXiv",
            "url": f"https://arxiv.org/abs/{number}",
        },
    )


def cite_dataset(name: str, entry: Entry, *, shipped: bool) -> str:
    r"""Return the BibTeX entry of a dataset, which its name, version and digest identify.

    Parameters
    ----------
    name, entry
        As catalogued.
    shipped
        It comes with lmdata, whose developers made it; of others' datasets the catalogue names no author.

    Examples
    --------
    >>> entry = Entry(title="Two tokens & a half", driver="recipe", recipe={"steps": 3}, citation="After a talk.")
    >>> print(cite_dataset("two-tokens", entry, shipped=False).partition("\n  howpublished")[0])
    @misc{lmdata:two-tokens,
      title = {{Two tokens \& a half}},
    """
    version = importlib.metadata.version("lmdata")
    told = [f"version {entry.version}", f"SHA-256 {entry.digest}" if entry.digest else "", entry.citation or ""]
    return _entry(
        f"lmdata:{name}",
        {
            "author": "{The lmdata developers}" if shipped else "",
            "title": f"{{{_latex(entry.title)}}}",
            "howpublished": f"dataset {name} of lmdata {version}",
            "note": _latex("; ".join(filter(None, told))),
        },
    )


def _entry(key: str, fields: dict[str, str]) -> str:
    """Return a BibTeX entry with the fields that are not empty."""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def _latex(text: str) -> str:
    """Return a text on one line, with what LaTeX reads as something else escaped."""
    return "".join(SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


@functools.cache
def _papers() -> dict[str, Any]:
    """Return title and authors of papers, by their arXiv number."""
    with as_file(files(__package__).joinpath("papers.yaml")) as file:
        return dict(load_yaml(file, what="list of papers"))
