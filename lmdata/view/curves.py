"""Curves and dots of numbers that were measured, in the look of the other figures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import holoviews as hv
import numpy as np
from numpy.typing import ArrayLike

from lmdata.errors import InvalidInput
from lmdata.view import naming, theme
from lmdata.view.plane import padded
from lmdata.view.scene import Axis, Layer, Scene, Scenes


def curves(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    note: str = "",
    x: str,
    y: str,
    logx: bool = False,
    dots: bool = False,
    width: theme.Width | None = None,
) -> hv.Overlay:
    """Draw named lines, or dots, of numbers: a figure of what was measured.

    Parameters
    ----------
    lines : mapping
        Name -> (x, y), as many numbers of each.
    title, note : str
        The two lines above the figure.
    x, y : str
        Labels of the axes, with units.
    logx : bool
        A logarithmic horizontal axis; what is not above 0 is left out.
    dots : bool
        Dots instead of lines.
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.

    Returns
    -------
    Overlay

    Raises
    ------
    InvalidInput
        If there is no line, more than colours, or a line has not as many x as y.

    Examples
    --------
    >>> from lmdata import view
    >>> type(view.curves({"square": ([0, 1, 2], [0, 1, 4])}, title="Growth", x="x", y="y")).__name__
    'Overlay'
    """
    if not 0 < len(lines) <= len(theme.SLOTS):
        raise InvalidInput(f"lines has {len(lines)} lines; a figure has colours for 1 to {len(theme.SLOTS)}")
    columns = {}
    for name, (across, up) in lines.items():
        place, height = np.asarray(across, np.float64), np.asarray(up, np.float64)
        if place.ndim != 1 or place.shape != height.shape:
            raise InvalidInput(f"line {name!r} has the shapes {place.shape} and {height.shape}; give two equal rows")
        shown = np.isfinite(place) & np.isfinite(height) & ((place > 0.0) | (not logx))
        columns[name] = {"x": place[shown], "y": height[shown]}
    every = {axis: np.concatenate([line[axis] for line in columns.values()]) for axis in ("x", "y")}
    if not len(every["x"]):
        raise InvalidInput("lines has no number that can be drawn")
    low, high = float(every["x"].min()), float(every["x"].max())
    element = "Points" if dots else "Curve"
    layers = tuple(
        Layer(element, f"Line{k}", line, naming.plain(name)) for k, (name, line) in enumerate(columns.items())
    )
    scene = Scene(
        f"{title}\n{note}",
        Axis(x, (low * 0.9, high * 1.1) if logx else padded(low, high, 0.03)),
        Axis(y, padded(float(every["y"].min()), float(every["y"].max()), 0.05)),
        layers,
    )
    looks: dict[str, Any] = {"size": 6, "fill_alpha": 0.7, "line_color": None} if dots else {"line_width": 2.2}
    options = [theme.style(element, f"Line{k}", color=colour, **looks) for k, colour in enumerate(theme.SLOTS)]
    look = partial(
        theme.dress, size=(440, 280), logx=logx, show_legend=len(lines) > 1, legend_position="right",
    )  # fmt: skip
    return Scenes(lambda: scene, {}, lambda figure: look(figure, *options[: len(lines)])).figure(width=width)
