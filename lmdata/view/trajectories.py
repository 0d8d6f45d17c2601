"""Trajectories: tokens with their trails, the hull of all, leaders as stars and the limit vertices."""

from __future__ import annotations

from functools import partial

import holoviews as hv
import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.analysis.hull_plane import chain
from lmdata.view import naming, theme
from lmdata.view.members import Member, Members
from lmdata.view.plane import Basis, limits, padded
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width

MOST_SEGMENTS = 12_000
"""Longest total of trails that is drawn; beyond it, evenly chosen tokens have a trail, and the title says so."""


def trajectories(
    ds: xarray.Dataset,
    *,
    time: float | None = None,
    basis: Basis = "initial",
    width: Width | None = None,
    title: str | None = None,
) -> hv.Overlay | hv.DynamicMap:
    """Draw where the tokens go: trails of the whole record, and at one time tokens, hull and leaders.

    For d = 1 positions are drawn over time; for d = 2 in the plane; for d > 2 in the plane of two principal axes
    (see `lmdata.view.plane.plane`), as the axis labels say. Tokens have the colour of the limit vertex that they go
    to, grey where they go to none; leaders (tokens i in C_i, `lmdata.leaders`) are stars; squares are the limit
    vertices that have a colour. Tokens of other models have the colour of their cluster in the last frame.

    Parameters
    ----------
    ds : Dataset
        Of one member or many: what is not fixed (swept parameters, seed, time) gets a slider. Lazy data is read
        member by member, when a member is shown.
    time : float, optional
        Draw this time only (a value of ``ds["time"]``).
    basis : {"initial", "record"}
        Frames that decide the projection for d > 2.
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
        If ``ds`` has no positions, or no frame at ``time``.
    IncompleteDataset
        If the member to be drawn is absent or failed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> from lmdata import view
    >>> type(view.trajectories(ds, time=5)).__name__
    'Overlay'
    """
    return scenes(Members(ds), times=times(ds, time), basis=basis).figure(width=width, title=title, of=ds)


def times(ds: xarray.Dataset, time: float | None) -> list[float]:
    """Return the times that a figure shows: the one asked for, or all."""
    return ds["time"].values.tolist() if time is None else [time]


def scenes(members: Members, *, times: list[float], basis: Basis = "initial") -> Scenes:
    """Return the scenes of `trajectories`, for each member and each of ``times``."""
    return members.scenes(partial(scene, basis=basis), dress, time=times)


def scene(member: Member, time: float, basis: Basis = "initial") -> Scene:
    """Return the scene of `trajectories` of one member at one time."""
    if member.position.shape[2] == 1:
        return _lines(member, time)
    return _in_plane(member, time, basis)


def dress(figure: hv.Overlay) -> hv.Overlay:
    """Give trajectories their look."""
    hover = {"tools": ["hover"], "hover_tooltips": [("token", "@token"), ("ends at", "@end")]}
    dots = {"color": "color", "line_color": "white", "line_width": 0.8, **theme.COLOURED}
    return theme.dress(
        figure,
        theme.style("Segments", "Trails", color="color", alpha=0.35, line_width=1.2, **theme.COLOURED),
        theme.style("Polygons", "Hull", fill_color=theme.INK, fill_alpha=0.05, line_color=theme.MUTED, line_width=1.2),
        theme.style("Points", "Vertices", marker="square", size=15, color=theme.INK, fill_alpha=0.0, line_width=1.2),
        theme.style("Points", "Origin", marker="cross", size=8, color=theme.MUTED),
        theme.style("Points", "Tokens", size=9, **dots, **hover),
        theme.style("Points", "Leaders", marker="star", size=17, **dots, **hover),
        size=(460, 460),
    )


def _in_plane(member: Member, time: float, basis: Basis) -> Scene:
    projection = member.plane(basis)
    record = projection(member.position)
    now = record[member.index(time)]
    corners = projection(member.marked)
    x_limits, y_limits = limits(record)
    hull = now[chain(np.ascontiguousarray(now))]
    layers = (
        _trails(member, record[..., 0], record[..., 1]),
        Layer("Polygons", "Hull", {"x": [hull[:, 0]], "y": [hull[:, 1]]}),
        Layer("Points", "Origin", {"x": [0.0], "y": [0.0]}),
        Layer("Points", "Vertices", {"x": corners[:, 0], "y": corners[:, 1]}),
        *_tokens(member, now, member.index(time)),
    )
    return Scene(
        _title(member, time), Axis(projection.labels[0], x_limits), Axis(projection.labels[1], y_limits), layers
    )


def _lines(member: Member, time: float) -> Scene:
    record, at = member.position[..., 0], member.time.astype(np.float64)
    now = record[member.index(time)]
    low, high = record.min(axis=1), record.max(axis=1)
    corners = member.marked[:, 0]
    layers = (
        _trails(member, np.broadcast_to(at[:, None], record.shape), record),
        Layer("Polygons", "Hull", {"x": [np.concatenate([at, at[::-1]])], "y": [np.concatenate([low, high[::-1]])]}),
        Layer("Points", "Vertices", {"x": np.full(len(corners), at[-1]), "y": corners}),
        *_tokens(member, np.column_stack([np.full(len(now), float(time)), now]), member.index(time)),
    )
    y = Axis("component 0 (dimensionless)", padded(record.min(), record.max()))
    return Scene(
        _title(member, time), Axis(naming.time_label(member.time_unit), padded(at[0], at[-1], 0.03)), y, layers
    )


def _title(member: Member, time: float) -> str:
    frames, n, _ = member.position.shape
    shown = len(range(0, n, _stride(frames, n)))
    return member.title("Trajectories" if shown == n else f"Trajectories ({shown} of {n} trails)", time=time)


def _stride(frames: int, n: int) -> int:
    return max(1, -(-(frames - 1) * n // MOST_SEGMENTS))


def _trails(member: Member, x: NDArray[np.float64], y: NDArray[np.float64]) -> Layer:
    """Return one segment for each token and step at which it moves."""
    stride = _stride(*x.shape)
    x, y = x[:, ::stride], y[:, ::stride]
    slot = np.broadcast_to(member.slot[::stride], x[1:].shape)
    moves = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    columns = {"x": x[:-1], "y": y[:-1], "x1": x[1:], "y1": y[1:], "color": slot}
    return Layer("Segments", "Trails", {name: column[moves] for name, column in columns.items()})


def _tokens(member: Member, now: NDArray[np.float64], index: int) -> tuple[Layer, Layer]:
    """Return the tokens that are no leaders, and the leaders."""
    leads = member.leaders[index]

    def points(group: str, chosen: NDArray[np.bool_]) -> Layer:
        columns = {
            "x": now[:, 0],
            "y": now[:, 1],
            "token": member.names,
            "end": member.ends,
            "color": member.slot,
        }
        return Layer("Points", group, {name: column[chosen] for name, column in columns.items()})

    return points("Tokens", ~leads), points("Leaders", leads)
