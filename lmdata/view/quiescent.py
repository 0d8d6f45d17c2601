"""Quiescent sets: when each token stops listening to anybody who ends elsewhere, a row for each token."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.view import naming, theme
from lmdata.view.members import Member, Members
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width
from lmdata.wording import counted

ROW, LEAST_HEIGHT, MOST_HEIGHT = 13, 220, 900
"""Height of a row, and bounds of the frame's height, in pixels."""


def quiescent_raster(
    ds: xarray.Dataset, *, width: Width | None = None, title: str | None = None
) -> hv.Overlay | hv.DynamicMap:
    """Draw, for each token, the times at which it is in a quiescent set, in the colour of the set's vertex.

    Pale where it is in none (see `lmdata.quiescent_sets`). Words keep the order of the text, from above; tokens
    without names are sorted by vertex, then by entry time.

    Parameters
    ----------
    ds : Dataset
        Swept parameters and the seed get sliders where they are not fixed. Lazy data is read member by member.
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.
    title : str, optional
        Instead of the first line above the figure; an empty one takes both lines away.

    Returns
    -------
    Overlay or DynamicMap

    Raises
    ------
    InvalidInput
        If ``ds`` has no positions.
    IncompleteDataset
        If the member to be drawn is absent or failed.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> type(view.quiescent_raster(ds)).__name__
    'Overlay'
    """
    return scenes(Members(ds)).figure(width=width, title=title, of=ds)


def scenes(members: Members) -> Scenes:
    """Return the scenes of `quiescent_raster`, one for each member."""
    labels = members.dataset["token"].values
    if labels.dtype.kind in "OUT":
        names = [naming.plain(label, longest=naming.BESIDE) for label in labels[::-1]]
        rows = theme.ticks(names[::-1], most=MOST_HEIGHT // ROW)
        ticks = [(len(names) - 1 - row, name) for row, name in rows]
    else:
        ticks = [(0.0, "")]  # one tick without a name: a row has no number that means anything
    height = min(MOST_HEIGHT, max(LEAST_HEIGHT, ROW * len(labels)))
    return members.scenes(_scene, lambda figure: _dress(figure, ticks, height))


def _scene(member: Member) -> Scene:
    quiet = member.quiescent["quiescent"].transpose("token", "time").values
    named = member.dataset["token"].dtype.kind in "OUT"
    entry = member.quiescent["entry_time"].values
    n = len(quiet)
    order = np.arange(n) if named else np.lexsort((np.nan_to_num(entry, nan=np.inf), member.vertex))
    row = np.empty(n)
    row[order] = n - 1 - np.arange(n)
    edges = _edges(member.time.astype(np.float64))
    token, first, last = _runs(quiet)
    said = np.array(["never" if np.isnan(t) else f"t = {naming.number(t)}" for t in entry], dtype=object)
    whole = {"x": np.full(n, edges[0]), "y": row - 0.4, "x1": np.full(n, edges[-1]), "y1": row + 0.4}
    whole |= {"token": member.names, "end": member.ends, "entry": said}
    calm = {"x": edges[first], "y": row[token] - 0.4, "x1": edges[last], "y1": row[token] + 0.4}
    calm |= {"color": member.slot[token]}
    share = f"{int(quiet[:, -1].sum())} of {counted(n, 'token')} in the end"
    return Scene(
        member.title("Quiescent sets", note=share),
        Axis(naming.time_label(member.time_unit), (float(edges[0]), float(edges[-1]))),
        Axis("token, in the order of the text" if named else "token, by vertex and entry time", (-0.7, n - 0.3)),
        (Layer("Rectangles", "Tokens", whole), Layer("Rectangles", "Quiet", calm)),
    )


def _edges(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the borders of cells around the times: halfway between them."""
    if len(at) == 1:
        return np.array([at[0] - 0.5, at[0] + 0.5])
    middle = (at[1:] + at[:-1]) / 2
    return np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])


def _runs(rows: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the runs of True: row, first index, index after the last.

    Examples
    --------
    >>> [part.tolist() for part in _runs(np.array([[True, True, False], [False, True, True]]))]
    [[0, 1], [0, 1], [2, 3]]
    """
    change = np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(change == 1)
    _, last = np.nonzero(change == -1)
    return row, first, last


def _dress(figure: hv.Overlay, ticks: list[tuple[float, str]], height: int) -> hv.Overlay:
    tooltips = [("token", "@token"), ("ends at", "@end"), ("quiescent from", "@entry")]
    hover = {"tools": ["hover"], "hover_tooltips": tooltips}
    return theme.dress(
        figure,
        theme.style("Rectangles", "Tokens", fill_color=theme.GRID, line_color=None, **hover),
        theme.style("Rectangles", "Quiet", color="color", line_color=None, **theme.COLOURED),
        size=(390, height),
        yticks=ticks,
    )
