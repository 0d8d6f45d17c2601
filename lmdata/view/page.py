"""One self-contained HTML page of figures: works from disk, offline; its sliders need no server."""

from __future__ import annotations

import json
import marshal
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import holoviews as hv
import jinja2
from bokeh.embed import components
from bokeh.resources import Resources

from lmdata.data.store.durable import write_whole
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_path
from lmdata.view import naming
from lmdata.view.composed import Frames, LiveFrames, dressed, states_of
from lmdata.view.explorer import Explorer
from lmdata.view.playground import Playground
from lmdata.view.scene import Live, Scenes
from lmdata.wording import counted

MOST_STATES = 6_000
"""States of one figure (combinations of its sliders) that a page may hold."""

DIGITS = 6
"""Significant digits of the numbers in a page: more than a screen can show."""


@dataclass(frozen=True)
class Section:
    """A part of a page: a heading, figures that share their sliders, and what is to be said about them.

    Parameters
    ----------
    title : str
    figure : Overlay, DynamicMap or sequence of them
        Made by the functions of `lmdata.view`; each slider changes every figure that has it, and begins where the
        first of them does. What `sensitivity_explorer` or `playground` returns stands alone.
    text : str
        Plain text; an empty line begins a paragraph. Markup is shown as it stands.
    """

    title: str
    figure: Any
    text: str = ""


def write_page(path: str | os.PathLike[str], title: str, sections: Sequence[Section], *, linked: bool = False) -> Path:
    """Write figures to one HTML file that makes no request to anything outside itself, and return its path.

    Parameters
    ----------
    path : path
        An existing file is replaced, in one move; a missing folder is made.
    title : str
        Heading of the page.
    sections : sequence of Section
        Figures with sliders are computed for every combination of their sliders.
    linked : bool
        Each section takes over the alignment sensitivity and the seed that are chosen in another one, or the nearest
        that it has.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInput
        If there is no section, a figure is none of holoviews, it has more than `MOST_STATES` states, or figures of
        one section have different values for the same slider.

    Examples
    --------
    >>> import tempfile, lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=3, seeds=(0, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = view.write_page(folder + "/page.html", "Occupancy", [view.Section("All", view.occupancy(ds))])
    ...     "http-equiv" in page.read_text(encoding="utf-8")
    True
    """
    target = as_path(path, "path")
    write_whole(target, page_of(title, sections, linked=linked).encode())
    return target


def page_of(
    title: str, sections: Sequence[Section], *, bare: bool = False, linked: bool = False, about: str = ""
) -> str:
    """Return the page that `write_page` writes; a bare one has neither heading nor foot, to stand in another page."""
    if not sections:
        raise InvalidInput("sections is empty; a page needs at least one Section(title, figure)")
    roots: list[Any] = []
    shown: list[dict[str, Any]] = []
    states: list[dict[str, Any]] = []
    for number, section in enumerate(sections):
        if isinstance(section.figure, Explorer):
            names = list(section.figure.roots)
            places = {name: len(roots) + number for number, name in enumerate(names)}
            told = {"axis": places, **{key: section.figure.data[key] for key in ("scales", "components")}}
            shown.append(_described(number, section) | told)
            states.append({"axis": section.figure.data})
            roots.extend(section.figure.roots.values())
            continue
        if isinstance(section.figure, Playground):
            shown.append(_described(number, section) | {"board": section.figure.data})
            states.append({"board": section.figure.data})
            continue
        figures = section.figure if isinstance(section.figure, Sequence) else [section.figure]
        dims, start = _sliders(list(filter(None, map(states_of, figures))), section.title)
        embedded = [_embed(figure, start, section.title) for figure in figures]
        labels = {name: [_value(value) for value in values] for name, values in dims.items()}
        sliders = [
            {"name": n, "label": naming.parameter(n), "options": labels[n], "start": values.index(start[n])}
            for n, values in dims.items()
        ]
        shown.append(
            _described(number, section) | {"sliders": sliders, "roots": range(len(roots), len(roots) + len(figures))}
        )
        states.append({"labels": labels, "figures": [table for _, table in embedded if table]})
        roots.extend(root for root, _ in embedded)
    here = files(__package__)
    plots, divs = components(roots, wrap_script=False) if roots else ("", ())
    templates = jinja2.Environment(autoescape=True, loader=jinja2.PackageLoader("lmdata", "view"))
    templates.filters |= {"number": naming.number, "counted": counted}
    return templates.get_template("page.html").render(
        title=title,
        linked=linked,
        bare=bare,
        about=about,
        sections=shown,
        divs=divs,
        bokeh=Resources(mode="inline", components=["bokeh"]).js_raw if roots else (),
        plots=plots,
        scenes="[" + ",".join(_json(state, exact="figures" not in state) for state in states) + "]",
        style="".join(here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "board.css")),
        scripts=[here.joinpath(name).read_text(encoding="utf-8") for name in (*_programs(states), "page.js")],
        version=version("lmdata"),
    )


def _described(number: int, section: Section) -> dict[str, Any]:
    paragraphs = [part.strip() for part in section.text.split("\n\n") if part.strip()]
    return {"number": number, "title": section.title, "paragraphs": paragraphs}


def _sliders(all_states: Sequence[Scenes | Frames], where: str) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the sliders of a section, with their values, and the values that they begin with."""
    dims: dict[str, list[Any]] = {}
    start: dict[str, Any] = {}
    for states in all_states:
        for name, values in states.dims.items():
            if dims.setdefault(name, values) != values:
                raise InvalidInput(
                    f"section {where!r} has figures with different values of {name}, which share one slider: "
                    "put them into sections of their own"
                )
            start.setdefault(name, states.first()[name])
    return dims, start


def _embed(figure: Any, start: Mapping[str, Any], where: str) -> tuple[Any, dict[str, Any] | None]:
    """Return the Bokeh figure, and the table of its states if it has sliders."""
    states = states_of(figure)
    if states is not None:
        begin = {name: start[name] for name in states.dims}
        live = Live(states, begin) if isinstance(states, Scenes) else LiveFrames(states, begin)
        return live.root, _states(live, where)
    if isinstance(figure, hv.Element | hv.Overlay | hv.NdOverlay | hv.Layout):
        return hv.renderer("bokeh").get_plot(dressed(figure)).state, None
    raise InvalidInput(
        f"section {where!r} has a figure of type {type(figure).__name__}; give a figure of lmdata.view, "
        "or a holoviews element, overlay, layout or map whose sliders have values"
    )


def _states(live: Live | LiveFrames, where: str) -> dict[str, Any]:
    """Return every state of a figure as places in a pool, in which each title, limit and column is kept once."""
    sizes = [len(values) for values in live.dims.values()]
    if math.prod(sizes) > MOST_STATES:
        told = " x ".join(f"{size} {name}" for name, size in zip(live.dims, sizes, strict=True))
        raise InvalidInput(
            f"section {where!r} has a figure of {math.prod(sizes)} states ({told}), and a page holds {MOST_STATES}: "
            "select fewer values first, as with ds.isel(seed=[0, 1], time=slice(0, None, 4))"
        )
    known: dict[bytes, int] = {}
    pool: dict[str, int] = {}

    def place(value: Any) -> int:
        """Return the place of a value in the pool; what stays from state to state is rounded and written once."""
        exact = marshal.dumps(value)
        if exact not in known:
            known[exact] = pool.setdefault(_json(value), len(pool))
        return known[exact]

    targets: list[tuple[str, str]] = []
    states = []
    for parts in live.all():
        targets = [(model.id, name) for model, name, _ in parts]
        states.append([place(value) for _, _, value in parts])
    table = {"dims": list(live.dims), "sizes": sizes, "targets": targets, "states": states}
    return table | {"pool": [json.loads(value) for value in pool]}


def _value(value: Any) -> str:
    return naming.number(value) if isinstance(value, int | float) else naming.plain(value)


PROGRAMS = {
    "axis": ("step.js", "endings.js", "axis.js"),
    "board": (
        *("step.js", "endings.js", "digest.js", "share.js", "saying.js", "proof.js"),
        *("stage.js", "chart.js", "sweep.js", "board.js"),
    ),
}
"""Programs of the sections that compute, besides the page's own."""


def _programs(states: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the programs that a page's sections need besides its own, each once."""
    return tuple(
        dict.fromkeys(name for kind, names in PROGRAMS.items() if any(kind in s for s in states) for name in names)
    )


def _json(value: Any, *, exact: bool = False) -> str:
    """Return JSON that may stand inside a script element: rounded numbers, null for NaN, no angle bracket."""
    text = json.dumps(value if exact else _rounded(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
