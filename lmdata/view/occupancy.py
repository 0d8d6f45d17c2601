"""Occupancy: the share of the tokens at each limit vertex over time, as stacked areas."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray
from bokeh.core.properties import value
from numpy.typing import NDArray

from lmdata.view import naming, theme
from lmdata.view.members import Member, Members
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width

LEAST_NAMED = 0.06
"""Smallest share whose area has its vertex's number written in it."""


def occupancy(
    ds: xarray.Dataset, *, width: Width | None = None, title: str | None = None
) -> hv.Overlay | hv.DynamicMap:
    """Draw the share of the tokens near each limit vertex over time, stacked; what is missing to 1 is elsewhere.

    Near is the definition by radius of `lmdata.vertex_occupancy`. Colours and numbers are those of the limit vertices
    in the other figures.

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
    >>> type(view.occupancy(ds)).__name__
    'Overlay'
    """
    return scenes(Members(ds)).figure(width=width, title=title, of=ds)


def scenes(members: Members) -> Scenes:
    """Return the scenes of `occupancy`, one for each member."""
    return members.scenes(_scene, _dress)


def _scene(member: Member) -> Scene:
    at = member.time.astype(np.float64)
    shares, slots, names = _areas(member)
    if len(at) == 1:  # one frame is drawn as a bar
        at, shares = np.array([at[0] - 0.5, at[0] + 0.5]), np.repeat(shares, 2, axis=1)
    top = shares.cumsum(axis=0)
    bottom = top - shares
    areas = {
        "x": [np.concatenate([at, at[::-1]])] * len(shares),
        "y": [np.concatenate([low, high[::-1]]) for low, high in zip(bottom, top, strict=True)],
        "fill_color": slots,
        "vertex": names,
        "last": [f"{100 * share:.0f} %" for share in shares[:, -1]],
    }
    named = np.flatnonzero(shares[:, -1] >= LEAST_NAMED)
    texts = {
        "x": np.full(len(named), at[-1] - 0.02 * (at[-1] - at[0])),
        "y": (bottom + shares / 2)[named, -1],
        "text": [f"{names[k]} · {100 * shares[k, -1]:.0f} %" for k in named],
    }
    return Scene(
        member.title("Occupancy of the limit vertices"),
        Axis(naming.time_label(member.time_unit), (float(at[0]), float(at[-1]))),
        Axis("share of the tokens (dimensionless)", (0.0, 1.0)),
        (Layer("Polygons", "Areas", areas), Layer("Labels", "Names", texts)),
    )


def _areas(member: Member) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Return shares (area, time), palette slots and names: the coloured vertices, then all others as one."""
    shares, slots = member.occupancy, member.slots_of(np.arange(len(member.occupancy)))
    coloured = np.flatnonzero(slots >= 0)
    others = np.flatnonzero(slots < 0)
    names = [f"vertex {v}" for v in coloured]
    if not len(others):
        return shares, slots, names
    rest = shares[others].sum(axis=0, keepdims=True)
    return (
        np.vstack([shares[coloured], rest]),
        np.append(slots[coloured], -1),
        [*names, f"{len(others)} other vertices"],
    )


def _dress(figure: hv.Overlay) -> hv.Overlay:
    hover = {"tools": ["hover"], "hover_tooltips": [("at", "@vertex"), ("share at the end", "@last")]}
    return theme.dress(
        figure,
        theme.style(
            "Polygons", "Areas", fill_color="fill_color", line_color="white", line_width=0.7, **theme.COLOURED, **hover
        ),
        theme.style(
            "Labels",
            "Names",
            text_align="right",
            text_color="white",
            text_font_size="12px",
            text_font=value(theme.FONT),
        ),
        size=(390, 300),
    )
