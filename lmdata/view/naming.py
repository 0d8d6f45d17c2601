"""What figures and pages say: names made safe to draw, titles, labels with units."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import xarray

from lmdata.data.identity import names_of, part_of

LONGEST = 64
"""Names longer than this are cut, with an ellipsis, where they are drawn."""

BESIDE = 24
"""The same, for names that stand beside an axis or a dot."""

SYMBOLS = {"alignment_sensitivity": "δ", "influence": "α", "inverse_temperature": "β", "beta": "β"}
"""Symbols of parameters, as the papers write them."""


def plain(name: object, *, longest: int = LONGEST) -> str:
    r"""Return a name as text that a canvas draws as it stands.

    Bokeh reads ``$$...$$``, ``\(...\)`` and ``\[...\]`` as formulas (and would fetch a typesetter from the network):
    a space in the opening mark prevents it. Control characters become spaces and long names are cut.
    This is for text drawn on a canvas; what goes into HTML is escaped besides, where the HTML is written.

    Examples
    --------
    >>> plain("a $$formula$$\n"), plain(r"\(x\)"), plain("<b>"), plain("abcdef", longest=4)
    ('a $ $formula$ $ ', '\\ (x\\ )', '<b>', 'abc…')
    """
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in str(name))
    text = re.sub(r"\$(?=\$)|\\(?=[()\[\]])", r"\g<0> ", text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def number(value: float) -> str:
    """Return a number as short as reads well: at most six significant digits.

    Examples
    --------
    >>> number(0.1), number(3.0), number(1e-7)
    ('0.1', '3', '1e-07')
    """
    return f"{value:.6g}"


def parameter(name: str) -> str:
    """Return the words for a parameter, with its symbol where it has one.

    Examples
    --------
    >>> parameter("alignment_sensitivity"), parameter("seed")
    ('alignment sensitivity δ', 'seed')
    """
    words = plain(name).replace("_", " ")
    return f"{words} {SYMBOLS[name]}" if name in SYMBOLS else words


def setting(name: str, value: object) -> str:
    """Return a parameter and its value, short: ``δ = 0.1``; a schedule is named by its kind.

    Examples
    --------
    >>> setting("influence", 1.0), setting("seed", 3), setting("alignment_sensitivity", {"kind": "geometric"})
    ('α = 1', 'seed 3', 'δ(t) geometric')
    """
    symbol = SYMBOLS.get(name, parameter(name))
    if isinstance(value, Mapping):
        return f"{symbol}(t) {plain(value.get('kind', 'given'))}"
    if isinstance(value, float):
        return f"{symbol} = {number(value)}"
    return f"{symbol} {plain(value)}" if name == "seed" else f"{symbol} = {plain(value)}"


def wrapped(text: str, letters: int) -> str:
    r"""Return what stands between dots in lines of at most so many letters, where that is possible.

    Examples
    --------
    >>> wrapped("localmax · δ = 0.1 · t = 5 steps", 20)
    'localmax · δ = 0.1\nt = 5 steps'
    """
    lines: list[str] = []
    for part in text.split(" · "):
        if lines and len(lines[-1]) + 3 + len(part) <= letters:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return "\n".join(lines)


def recipe_of(dataset: xarray.Dataset) -> str:
    """Return the recipe id of a dataset, or of what it is a part of; nothing where it has none."""
    return str((names_of(dataset) or part_of(dataset) or dataset.attrs).get("recipe_id", ""))


def dataset_name(dataset: xarray.Dataset) -> str:
    """Return what a dataset is called: by its name in the catalogue, else the folder it is in, else ``dataset``.

    States that came from elsewhere have the name of their source.
    """
    name = dataset.attrs.get("catalogue_name") or Path(str(dataset.encoding.get("source", ""))).name
    if not name and "recipe" not in dataset.attrs:
        name = json.loads(dataset.attrs.get("source", "{}")).get("name")
    return plain(name or "dataset", longest=40)


def settings(dataset: xarray.Dataset, *, without: Collection[str] = ()) -> str:
    """Return model and parameters of one member in one line, e.g. ``localmax · δ = 0.1 · α = 1 · seed 0``.

    Parameters
    ----------
    dataset : Dataset
        Of one member.
    without : collection of str
        Parameters that something else in the figure tells.
    """
    model: dict[str, Any] = json.loads(dataset.attrs.get("model", "{}"))
    kind = model.pop("kind", "")
    said = {name: value for name, value in model.items() if _tellable(value)}
    said |= {str(name): coord.item() for name, coord in dataset.coords.items() if coord.size == 1 and name in model}
    if "seed" in dataset.coords:
        said["seed"] = int(dataset["seed"].item())
    parts = [setting(name, value) for name, value in said.items() if name not in without]
    return " · ".join(filter(None, [plain(kind), *parts]))


def _tellable(value: object) -> bool:
    return isinstance(value, int | float | Mapping) and not isinstance(value, bool)


def time_label(unit: str) -> str:
    """Return the label of the time axis for a unit of the time coordinate.

    Examples
    --------
    >>> time_label("step"), time_label("layer"), time_label("1")
    ('time (steps)', 'layer', 'time (dimensionless)')
    """
    return {"step": "time (steps)", "layer": "layer"}.get(unit, "time (dimensionless)")


def time_of(value: float, unit: str) -> str:
    """Return a time of a figure's title, with its unit.

    Examples
    --------
    >>> time_of(1, "step"), time_of(2, "step"), time_of(0.5, "1"), time_of(2, "layer")
    ('t = 1 step', 't = 2 steps', 't = 0.5', 'layer 2')
    """
    if unit == "layer":
        return f"layer {number(value)}"
    return f"t = {number(value)}{'' if unit != 'step' else ' step' if value == 1 else ' steps'}"
