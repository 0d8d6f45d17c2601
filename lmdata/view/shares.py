"""How many starts of an atlas have each value of a whole number, along the sensitivity axis."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray

from lmdata.sensitivity.functions import breakpoints, check_atlas
from lmdata.view import theme
from lmdata.view.atlas import MOST_SHADES, SUBJECTS, WIDTH, Scale, legend, shaded, subject, window, x_axis
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width
from lmdata.wording import counted

COLUMNS = 560
"""Sensitivities at which the starts are counted: one a pixel."""


def sensitivity_shares(
    ds: xarray.Dataset,
    *,
    of: str = "vertex_count",
    scale: Scale = "log",
    since: float | None = None,
    width: Width | None = None,
    title: str | None = None,
) -> hv.Overlay:
    """Draw, along the sensitivity axis, the share of the starts that has each value of a whole number.

    The shares are exact at each of 560 sensitivities, a pixel apart: no start is simulated for them.

    Parameters
    ----------
    ds, of, scale, since
        As for `sensitivity_bands`; any number of starts.
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.
    title : str, optional
        Instead of the first line above the figure; an empty one takes both lines away.

    Returns
    -------
    Overlay
        Grey is the share of the starts of which nothing is proved there.

    Raises
    ------
    InvalidInput, UnknownName
        If ``ds`` is no atlas, or ``of`` is none of its whole numbers.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=range(9))
    >>> type(view.sensitivity_shares(ds)).__name__
    'Overlay'
    """
    check_atlas(ds, "sensitivity_shares")
    pieces = breakpoints(ds, of)
    high, start = window(ds, scale, since)
    edges = np.geomspace(start, high, COLUMNS + 1) if scale == "log" else np.linspace(start, high, COLUMNS + 1)
    middle = np.sqrt(edges[1:] * edges[:-1]) if scale == "log" else (edges[1:] + edges[:-1]) / 2
    low, value = pieces["sensitivity_from"].values, pieces["value"].values
    shade = np.where(pieces["known"].values, shaded(ds, of, value), 0)
    ends = np.cumsum(pieces["piece_count"].values)
    share = np.zeros((MOST_SHADES + 1, COLUMNS))
    for end, count in zip(ends, pieces["piece_count"].values, strict=True):
        own = slice(end - count, end)
        there = shade[own][np.searchsorted(low[own], middle, side="right") - 1]
        share[there, np.arange(COLUMNS)] += 1.0 / len(ends)
    said = legend(ds, of)
    top = np.cumsum(share, axis=0)
    rows, columns = np.nonzero(share > 0.0)
    bands = {
        "x": edges[columns], "y": top[rows, columns] - share[rows, columns],
        "x1": edges[columns + 1], "y1": top[rows, columns], "shade": rows.astype(float),
        "said": np.array([said.get(row, "") for row in rows.tolist()], object),
        "share": np.array([f"{100 * part:.1f} %" for part in share[rows, columns].tolist()], object),
        "at": np.array([f"{delta:.4g}" for delta in middle[columns].tolist()], object),
    }  # fmt: skip
    scene = Scene(
        f"{SUBJECTS[of]}: shares of {counted(ds.sizes['seed'], 'start')}\n{subject(ds)}",
        x_axis(scale, start, high),
        Axis("share of the starts", (0.0, 1.0)),
        (Layer("Rectangles", "Bands", bands),),
    )
    colours = [theme.GRID, *theme.ordered(MOST_SHADES)[::-1]][: len(said)]
    bands = theme.style(
        "Rectangles", "Bands", color="shade", cmap=colours, clim=(-0.5, len(said) - 0.5), line_color=None,
        tools=["hover"], hover_tooltips=[("δ", "@at"), (SUBJECTS[of], "@said"), ("starts", "@share")],
        colorbar=True, colorbar_position="bottom", clabel="", colorbar_opts=theme.key(said),
    )  # fmt: skip

    def dress(figure: hv.Overlay) -> hv.Overlay:
        return theme.dress(figure, bands, size=(WIDTH, 260), logx=scale == "log")

    return Scenes(lambda: scene, {}, dress).figure(width=width, title=title, of=ds)
