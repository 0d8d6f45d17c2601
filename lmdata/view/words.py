"""Words: the names of the tokens where the tokens are, in the colour of the cluster that they end in."""

from __future__ import annotations

import re

import holoviews as hv
import numpy as np
import xarray
from bokeh.core.properties import value
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.view import naming, theme
from lmdata.view.members import Member, Members
from lmdata.view.placement import place
from lmdata.view.plane import Basis, limits
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width
from lmdata.view.trajectories import times

SIDE, FONT_SIZE = 460, 13
"""Side of the frame and size of the words, in pixels."""

MOST_WORDS = 400
"""Tokens of which names are written; of more, only dots are drawn, and hovering names them."""

_PLACE = re.compile(r"@\d+$")


def words(
    ds: xarray.Dataset,
    *,
    time: float | None = None,
    basis: Basis = "initial",
    width: Width | None = None,
    title: str | None = None,
) -> hv.Overlay | hv.DynamicMap:
    """Draw the tokens' names in the plane of two principal axes, coloured by the limit vertex of their cluster.

    Tokens that coincide share a label, which names the first three and counts the rest. Labels do not cover each
    other; where there is no room a dot stands alone, and hovering names it.

    Parameters
    ----------
    ds : Dataset
        Of two or more components. Swept parameters, the seed and the time get sliders where they are not fixed; the
        last time is shown first. Lazy data is read member by member.
    time : float, optional
        Draw this time only (a value of ``ds["time"]``).
    basis : {"initial", "record"}
        Frames that decide the projection for d > 2, see `lmdata.view.plane.plane`.
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
        If tokens have one component only, or there is no frame at ``time``.
    IncompleteDataset
        If the member to be drawn is absent or failed.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> type(view.words(ds, time=5)).__name__
    'Overlay'
    """
    return scenes(Members(ds), times=times(ds, time), basis=basis).figure(width=width, title=title, of=ds)


def scenes(members: Members, *, times: list[float], basis: Basis = "initial") -> Scenes:
    """Return the scenes of `words`, for each member and each of ``times``."""
    if members.dataset.sizes["component"] < 2:
        raise InvalidInput("words needs tokens of two or more components; for d = 1 use view.trajectories")
    start = {"time": times[-1]}
    return members.scenes(lambda member, time: _scene(member, time, basis), _dress, start=start, time=times)


def _scene(member: Member, time: float, basis: Basis) -> Scene:
    projection = member.plane(basis)
    record = projection(member.position)
    now = record[member.index(time)]
    x_limits, y_limits = limits(record)
    low = np.array([x_limits[0], y_limits[0]])
    pixel = (x_limits[1] - x_limits[0]) / SIDE
    bare = [naming.plain(_PLACE.sub("", name), longest=naming.BESIDE) for name in member.names]
    few = len(bare) <= MOST_WORDS
    labels = place((now - low) / pixel, bare, size=(SIDE, SIDE), font=FONT_SIZE) if few else []
    at = np.array([label.at for label in labels]).reshape(-1, 2) * pixel + low
    edge = np.array([label.edge for label in labels]).reshape(-1, 2) * pixel + low
    anchor = np.array([label.anchor for label in labels]).reshape(-1, 2) * pixel + low
    slot = np.array([_common(member.slot[label.members]) for label in labels], dtype=np.float64)
    lines = {"x": anchor[:, 0], "y": anchor[:, 1], "x1": edge[:, 0], "y1": edge[:, 1]}
    dots = {"x": now[:, 0], "y": now[:, 1], "token": member.names, "end": member.ends, "color": member.slot}
    text = {"x": at[:, 0], "y": at[:, 1], "text": [label.text for label in labels], "text_color": slot}
    return Scene(
        member.title("Words", time=time),
        Axis(projection.labels[0], x_limits),
        Axis(projection.labels[1], y_limits),
        (Layer("Segments", "Pointers", lines), Layer("Points", "Tokens", dots), Layer("Labels", "Words", text)),
    )


def _common(slots: NDArray[np.float64]) -> float:
    """Return the slot that all share, or -1: a label of tokens that go apart has no colour."""
    return float(slots[0]) if (slots == slots[0]).all() else -1.0


def _dress(figure: hv.Overlay) -> hv.Overlay:
    hover = {"tools": ["hover"], "hover_tooltips": [("token", "@token"), ("ends at", "@end")]}
    dots = {"color": "color", "line_color": "white", "line_width": 0.6, **theme.COLOURED}
    font = {"text_font_size": f"{FONT_SIZE}px", "text_font": value(theme.FONT)}
    inks = {**theme.COLOURED, "cmap": list(theme.INKS)}
    return theme.dress(
        figure,
        theme.style("Segments", "Pointers", color=theme.MUTED, alpha=0.5, line_width=0.7),
        theme.style("Points", "Tokens", size=7, **dots, **hover),
        theme.style("Labels", "Words", text_color="text_color", **font, **inks),
        size=(SIDE, SIDE),
    )
