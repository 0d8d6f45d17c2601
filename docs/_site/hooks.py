"""What mkdocs does beside rendering our pages: the reference from docstrings and registry, formulas as MathML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import lmdata
from lmdata import errors
from lmdata.data import registry
from lmdata.data.catalog.file import read_catalog

MODULES = {
    "tokens": ("Token sources", "lmdata.tokens", "Where the tokens of a run start."),
    "schedules": ("Schedules", "lmdata.schedules", "Sensitivities that change with the step."),
    "selection": ("Token selection", "lmdata.selection", "What gradient descent makes softmax attention look at."),
    "classification": ("Reading reviews", "lmdata.classification", "A classifier one can read."),
    "views": ("Views", "lmdata.view", "Figures, pages and files."),
}
"""Pages that list what one public module offers: title, module, and what it is about."""
WITHOUT_MEMBERS = ("models", "errors")
"""Pages of classes that share their methods, which stand in the contract of `lmdata.dynamics.model.Model`."""
ALONE = "\n    options:\n      members: false"


def pages() -> dict[str, tuple[str, str, list[str]]]:
    """Return the pages of the reference: name -> title, lead, full names of what stands on it."""
    functions: dict[str, list[str]] = {"runs": [], "models": [], "measures": []}
    for name in lmdata.__all__:
        value = getattr(lmdata, name)
        if inspect.ismodule(value) or name == "__version__":
            continue
        home = value if inspect.isclass(value) or inspect.isfunction(value) else type(value)
        page = "models" if inspect.isclass(value) else "measures" if ".analysis" in home.__module__ else "runs"
        functions[page].append(full_name(home))
    found = {
        "runs": ("Run, open, keep", "What makes, opens, checks and names datasets.", functions["runs"]),
        "models": ("Models", "Each may be swept, stored and measured in the same way.", functions["models"]),
        "measures": ("Measures", "Functions of a dataset, lazy; methods of `ds.lm` as well.", functions["measures"]),
    }
    for page, (title, module, lead) in MODULES.items():
        found[page] = (title, lead, [full_name(value) for value in public(module)])
    found["errors"] = (
        "Errors and warnings",
        errors.__doc__ or "",
        [full_name(value) for value in public(errors.__name__)],
    )
    return found


def public(module: str) -> list[Any]:
    """Return the functions and classes that a module offers: those of its ``__all__``, or its own."""
    home = import_module(module) if module.count(".") == 0 else getattr(lmdata, module.split(".")[1])
    own = [name for name, value in vars(home).items() if getattr(value, "__module__", "") == home.__name__]
    names = getattr(home, "__all__", [name for name in own if not name.startswith("_")])
    values = [getattr(home, name) for name in names]
    return [value for value in values if inspect.isfunction(value) or inspect.isclass(value)]


def full_name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def reference() -> Iterator[tuple[str, str]]:
    """Yield the pages of the reference, as path and Markdown."""
    for page, (title, lead, names) in pages().items():
        parts = [f"# {title}", lead, *(f"::: {name}{ALONE if page in WITHOUT_MEMBERS else ''}" for name in names)]
        yield f"api/{page}.md", "\n\n".join(parts)
    yield "api/variables.md", variables()
    yield "claims.md", claims()


def variables() -> str:
    """Return the table of every variable that a dataset or a measure declares."""
    rows = [
        f"| `{v.name}` | {', '.join(map(str, v.dims))} | {v.dtype} | {v.units or ''} | {v.long_name} |"
        for v in registry.VARIABLES.values()
    ]
    head = "# Variables\n\nEvery variable of a dataset, and of what is measured on it, as it is declared.\n\n"
    return head + "| name | dimensions | dtype | units | what it is |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def claims() -> str:
    """Return the table of what papers claim, each with the dataset that shows it, and what was measured."""
    folder = Path(__file__).parents[2] / "catalogs"
    rows = [
        f"| {e.claim} ({e.paper}) | `{name}` | {e.measure} | {e.result} | {e.tolerance} |".replace("\n", " ")
        for file in sorted(folder.glob("*.yaml"))
        for name, e in read_catalog(file).items()
    ]
    head = "---\nhide: [toc]\n---\n\n# Claims\n\n"
    head += f"{len(rows)} phenomena: open each by its name, `lmdata.open(name)`, and measure it again.\n\n"
    columns = "| claim | dataset | measure | result | tolerance, and why |\n|---|---|---|---|---|\n"
    return head + columns + "\n".join(rows) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference."""
    for path, text in reference():
        files.append(File.generated(config, path, content=text))
    return files


class Docstrings(Extension):
    """Docstrings are written for the terminal: roles and formulas become what Markdown has for them."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Return a docstring with formulas and references as Markdown has them.

    Examples
    --------
    >>> as_markdown("See :func:`lmdata.tokens.text` and :math:`x_i`.")
    'See `lmdata.tokens.text` and \\\\(x_i\\\\).'
    """
    text = re.sub(r":math:`([^`]+)`", r"\\(\1\\)", text)
    text = re.sub(r":(?:func|class|mod|meth):`([^`]+)`", r"`\1`", text)
    return re.sub(
        r"^( *)\.\. math:: *(.*(?:\n\1 +\S.*)*)",
        lambda m: f"{m[1]}\\[{' '.join(m[2].split())}\\]",
        text,
        flags=re.MULTILINE,
    )


def on_page_content(html: str, **_: Any) -> str:
    """Typeset formulas without a script: browsers draw MathML, also offline."""

    def typeset(found: re.Match[str]) -> str:
        block = found[1] == "div"
        return convert(unescape(found[2]).strip()[2:-2], display="block" if block else "inline")

    return re.sub(r'<(span|div) class="arithmatex">(.*?)</\1>', typeset, html, flags=re.DOTALL)
