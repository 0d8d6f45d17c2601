"""The sensitivity axis as strips of bands, and the limits as they move along it."""

from __future__ import annotations

import json
from typing import Literal

import holoviews as hv
import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.errors import InvalidInput, UnknownName
from lmdata.sensitivity.functions import breakpoints, check_atlas, slices
from lmdata.view import naming, theme
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.wording import counted

type Scale = Literal["log", "linear"]

MOST_ROWS = 40
"""Starts that a strip has room for."""
ROW = 26
"""Height of a row, in pixels."""
MOST_SHADES = 12
"""Values that have a colour of their own; larger ones share the last."""


def sensitivity_bands(
    ds: xarray.Dataset, *, of: str = "vertex_count", scale: Scale = "log", since: float | None = None
) -> hv.Overlay:
    """Draw the sensitivity axis of every start as a strip of bands, coloured by a whole number of the trajectories.

    Parameters
    ----------
    ds : Dataset
        An atlas.
    of : str
        As for `lmdata.breakpoints`.
    scale : {"log", "linear"}
        Of the axis.
    since : float, optional
        Where a logarithmic axis begins: by default at 1e-4 of the last breakpoint.

    Returns
    -------
    Overlay
        Grey where nothing is known. Hovering tells the interval and the value.

    Raises
    ------
    InvalidInput, UnknownName
        If ``ds`` is no atlas, has more than 40 starts, or ``of`` is none of its whole numbers.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=range(2))
    >>> type(view.sensitivity_bands(ds)).__name__
    'Overlay'
    """
    check_atlas(ds, "sensitivity_bands")
    if ds.sizes["seed"] > MOST_ROWS:
        raise InvalidInput(f"the atlas has {ds.sizes['seed']} starts; at most {MOST_ROWS} are drawn: make one of fewer")
    pieces = breakpoints(ds, of)
    low, high, start = _window(ds, scale, since)
    left, right = pieces["sensitivity_from"].values, np.minimum(pieces["sensitivity_to"].values, high)
    shown = (right > start) & (left < high)
    seeds = ds["seed"].values.tolist()
    row = np.array([len(seeds) - 1 - seeds.index(seed) for seed in pieces["piece_seed"].values.tolist()], float)[shown]
    value, known = pieces["value"].values[shown], pieces["known"].values[shown]
    left, right = np.maximum(left[shown], start), right[shown]
    columns = {
        "x": _placed(left, scale), "y": row - 0.4, "x1": _placed(right, scale), "y1": row + 0.4,
        "shade": np.where(known, np.minimum(value, MOST_SHADES), 0).astype(float),
        "said": np.array([str(v) if k else "not known" for v, k in zip(value.tolist(), known.tolist(), strict=True)]),
        "begin": np.array([f"{x:.6g}" for x in left]), "end": np.array([f"{x:.6g}" for x in right]),
    }  # fmt: skip
    meaning = ds[of].attrs["long_name"]
    scene = Scene(
        f"{meaning[0].upper()}{meaning[1:]} over the sensitivity\n{_subject(ds)}",
        _axis(scale, low, high),
        Axis("seed", (-0.6, len(seeds) - 0.4)),
        (Layer("Rectangles", "Bands", columns),),
    )
    colours = [theme.GRID, *theme.ordered(MOST_SHADES)[::-1]]
    tooltips = [("from", "@begin"), ("to", "@end"), (of, "@said")]
    ticks = theme.ticks([str(seed) for seed in seeds[::-1]], most=20)
    return _dressed(
        scene,
        theme.style(
            "Rectangles", "Bands", color="shade", cmap=colours, clim=(-0.5, MOST_SHADES + 0.5), line_color=None,
            tools=["hover"], hover_tooltips=tooltips,
        ),
        height=max(60, ROW * len(seeds)),
        ticks=ticks,
    )  # fmt: skip


def limits_along(
    ds: xarray.Dataset, *, seed: int | None = None, scale: Scale = "log", since: float | None = None
) -> hv.Overlay | hv.DynamicMap:
    """Draw how the limits of one start move along the sensitivity axis: a component of every proved limit.

    Parameters
    ----------
    ds : Dataset
        An atlas with ``limits``.
    seed : int, optional
        Which start; the first by default.
    scale, since
        As for `sensitivity_bands`.

    Returns
    -------
    Overlay or DynamicMap
        With a slider for the component where there are several. Vertices are dark, other limits light.

    Raises
    ------
    InvalidInput, UnknownName
        If ``ds`` is no atlas, has no limits, or no such seed.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 1))
    >>> type(view.limits_along(ds)).__name__
    'Overlay'
    """
    check_atlas(ds, "limits_along")
    if "limit_position" not in ds:
        raise InvalidInput("the atlas has no limit_position; make it without steps, and with limits=True")
    seeds = ds["seed"].values.tolist()
    if seed is not None and seed not in seeds:
        raise UnknownName.among("seed", str(seed), map(str, seeds))
    number = 0 if seed is None else seeds.index(seed)
    own = ds.isel(interval=slices(ds)[number]).compute()
    low, high, start = _window(ds.isel(seed=[number], interval=slices(ds)[number]), scale, since)
    reach = np.abs(own["initial_position"].isel(seed=number).values).max(axis=0)

    def make(component: int = 0) -> Scene:
        kept = own["certified"].values & (own["sensitivity_to"].values > start)
        place, token = np.nonzero(kept[:, None] & np.ones(own.sizes["token"], np.bool_))
        labels = own["cluster"].values[place, token]
        _, first = np.unique(np.column_stack([place, labels]), axis=0, return_index=True)
        place, token = place[first], token[first]
        at = own["limit_position"].values[place, token, component]
        ends = (own["sensitivity_from"].values[place], np.minimum(own["sensitivity_to"].values[place], high))
        vertex = own["cluster"].values[place, token] < own["vertex_count"].values[place]
        layers = []
        for name, which in (("Others", ~vertex), ("Vertices", vertex)):
            left, right = (np.maximum(end[which], start) for end in ends)
            layers.append(
                Layer(
                    "Segments",
                    name,
                    {"x": _placed(left, scale), "y": at[which], "x1": _placed(right, scale), "y1": at[which]},
                )
            )
        edge = float(reach[component]) * 1.05 or 1.0
        return Scene(
            f"Limits over the sensitivity\n{_subject(ds)}, seed {seeds[number]}",
            _axis(scale, low, high),
            Axis(f"component {component} of the limits", (-edge, edge)),
            tuple(layers),
        )

    def dress(figure: hv.Overlay) -> hv.Overlay:
        return theme.dress(
            figure,
            theme.style("Segments", "Others", color=theme.SLOTS[5], line_width=1.5),
            theme.style("Segments", "Vertices", color=theme.SLOTS[0], line_width=2.2),
            size=(560, 300),
        )

    count = own.sizes["component"]
    return Scenes(make, {"component": list(range(count))} if count > 1 else {}, dress).figure()


def _window(ds: xarray.Dataset, scale: Scale, since: float | None) -> tuple[float, float, float]:
    """Return the limits of the axis as drawn, and the sensitivities at its ends: upper, and where it begins."""
    if scale not in ("log", "linear"):
        raise UnknownName.among("scale", str(scale), ("log", "linear"))
    first, last = ds["sensitivity_from"].values, ds["sensitivity_to"].values
    high = float(last.max()) if np.isfinite(last).all() else 1.05 * float(first.max()) or 1.0
    start = float(first.min())
    if scale == "log":
        start = max(start, 1e-4 * high) if since is None else since
        if not 0.0 < start < high:
            raise InvalidInput(f"since is {start!r}; a logarithmic axis begins above 0 and below {high!r}")
    return float(_placed(np.array(start), scale)), high, start


def _placed(sensitivity: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    return np.log10(sensitivity) if scale == "log" else sensitivity


def _axis(scale: Scale, low: float, high: float) -> Axis:
    label = naming.parameter("alignment_sensitivity")
    end = float(_placed(np.array(high), scale))
    return Axis(f"log10 of the {label}" if scale == "log" else label, (low, end))


def _subject(ds: xarray.Dataset) -> str:
    model = json.loads(ds.attrs["model"])
    size = f"{counted(ds.sizes['token'], 'token')}, {counted(ds.sizes['component'], 'component')}"
    return f"{size} · {naming.setting('influence', model['influence'])} · {ds.attrs['proved_share']:.4%} proved"


def _dressed(scene: Scene, *options: hv.Options, height: int, ticks: list[tuple[float, str]]) -> hv.Overlay:
    return theme.dress(scene.draw(), *options, size=(560, height), yticks=ticks)
