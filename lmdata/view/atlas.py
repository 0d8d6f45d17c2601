"""The sensitivity axis as strips of bands, and the limits as they move along it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import holoviews as hv
import numpy as np
import xarray
from bokeh.models import ColumnDataSource
from numpy.typing import NDArray

from lmdata.errors import InvalidInput, UnknownName
from lmdata.sensitivity.functions import breakpoints, check_atlas, slices
from lmdata.view import naming, theme
from lmdata.view.scene import Axis, Layer, Live, Scene, Scenes
from lmdata.view.theme import Width
from lmdata.wording import counted

type Scale = Literal["log", "linear"]

MOST_ROWS = 200
"""Starts that a strip has room for."""
ROW, LEAST_ROW, TALLEST = 26, 3, 420
"""Height of a row, in pixels: as it should be, the least, and of all rows together where they could be lower."""
BARE = 14
"""Height of a row below which it has no number and no gap to the next, in pixels."""
MOST_SHADES = 12
"""Colours of values; where there are more values, neighbouring ones share a colour."""
WIDTH = 560
"""Of the frame, in pixels."""
UNSEEN = 1.5
"""Width of a band that is hardly seen, in pixels."""
LETTER = 8.0
"""Width of a digit, in pixels: a band that is wider than its number is told by it."""
SUBJECTS = {
    "vertex_count": "Vertices of the limit polytope",
    "limit_count": "Different limits",
    "s1_size": "Tokens that end at a vertex (S1)",
    "s2_size": "Tokens that end at no vertex (S2)",
    "frozen_from": "Step of the last change",
}
"""What a figure is of, short enough for a telephone."""


def sensitivity_bands(
    ds: xarray.Dataset,
    *,
    of: str = "vertex_count",
    scale: Scale = "log",
    since: float | None = None,
    width: Width | None = None,
    title: str | None = None,
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
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.
    title : str, optional
        Instead of the first line above the figure; an empty one takes both lines away.

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
    scene = band_scene(ds, of=of, scale=scale, since=since)
    dress = partial(dress_bands, ds=ds, of=of, scale=scale)
    return Scenes(lambda: scene, {}, dress).figure(width=width, title=title, of=ds)


def band_scene(ds: xarray.Dataset, *, of: str, scale: Scale, since: float | None = None) -> Scene:
    """Return the scene of `sensitivity_bands`."""
    if ds.sizes["seed"] > MOST_ROWS:
        raise InvalidInput(f"the atlas has {ds.sizes['seed']} starts; at most {MOST_ROWS} are drawn: make one of fewer")
    pieces = breakpoints(ds, of)
    high, start = window(ds, scale, since)
    left, right = pieces["sensitivity_from"].values, np.minimum(pieces["sensitivity_to"].values, high)
    shown = (right > start) & (left < high)
    seeds = ds["seed"].values.tolist()
    rows = {seed: float(len(seeds) - 1 - number) for number, seed in enumerate(seeds)}
    row = np.array([rows[seed] for seed in pieces["piece_seed"].values.tolist()])[shown]
    value, known = pieces["value"].values[shown], pieces["known"].values[shown]
    left, right = np.maximum(left[shown], start), right[shown]
    shade = np.where(known, shaded(ds, of, value), 0)
    said = np.array([str(v) if k else "not known" for v, k in zip(value.tolist(), known.tolist(), strict=True)])
    half = 0.4 if row_height(len(seeds)) >= BARE else 0.5
    bands = {
        "x": left, "y": row - half, "x1": right, "y1": row + half, "shade": shade.astype(float), "said": said,
        "seed": np.array(seeds)[len(seeds) - 1 - row.astype(np.int64)],
        "begin": np.array([f"{x:.6g}" for x in left]), "end": np.array([f"{x:.6g}" for x in right]),
    }  # fmt: skip
    numbers = _numbers(bands, scale, (start, high)) if row_height(len(seeds)) >= BARE else _numbers({}, scale, (0, 1))
    layers = (Layer("Rectangles", "Bands", bands), Layer("Labels", "Numbers", numbers))
    y = Axis("seed", (-0.6, len(seeds) - 0.4))
    return Scene(f"{SUBJECTS[of]}\n{subject(ds)}", x_axis(scale, start, high), y, layers)


def _numbers(bands: Mapping[str, NDArray[Any]], scale: Scale, ends: tuple[float, float]) -> dict[str, Any]:
    """Return the numbers of bands that are wide enough; two alike with nothing that is seen between them are one."""
    runs: list[list[Any]] = []
    if bands:
        begin, end = (float(_position(np.array(x), scale)) for x in ends)
        places = ((_position(bands[name], scale) - begin) / (end - begin) * WIDTH for name in ("x", "x1"))
        middle = (bands["y"] + bands["y1"]) / 2
        for x, x1, y, said, shade in zip(*places, middle, bands["said"], bands["shade"], strict=True):
            if runs and runs[-1][2:4] == [y, said] and x - runs[-1][1] < UNSEEN:
                runs[-1][1] = x1
            elif x1 - x >= UNSEEN:
                runs.append([x, x1, y, said, shade])
    told = [run for run in runs if run[4] > 0 and run[1] - run[0] > LETTER * (len(run[3]) + 0.8)]
    middles = np.array([(run[0] + run[1]) / 2 for run in told]) / WIDTH
    if bands:
        middles = begin + middles * (end - begin)
    return {
        "x": 10.0**middles if scale == "log" else middles, "y": np.array([run[2] for run in told]),
        "text": np.array([run[3] for run in told], object),
        "ink": np.array([float(run[4] > MOST_SHADES / 2) for run in told]),
    }  # fmt: skip


def row_height(rows: int) -> int:
    """Return the height of a row of bands, in pixels.

    Examples
    --------
    >>> row_height(2), row_height(30), row_height(200)
    (26, 14, 3)
    """
    return max(LEAST_ROW, min(ROW, TALLEST // rows))


def _shades(ds: xarray.Dataset, of: str) -> tuple[int, int]:
    """Return the value of the first colour, which it has alone, and how many values share each other one."""
    first = 1 if of in ("vertex_count", "limit_count") else 0
    return first, max(1, -(-(int(ds[of].max()) - first) // (MOST_SHADES - 1)))


def shaded(ds: xarray.Dataset, of: str, value: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place in the palette of each value."""
    first, width = _shades(ds, of)
    return np.clip((value - first - 1) // width + 2, 1, MOST_SHADES)


def legend(ds: xarray.Dataset, of: str) -> dict[int, str]:
    """Return what each colour of `sensitivity_bands` stands for, by its place in the palette.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> legend(ds, "vertex_count")
    {0: '?', 1: '1', 2: '2'}
    """
    first, width = _shades(ds, of)
    most = int(ds[of].max())
    last = int(shaded(ds, of, np.array(most)))
    said = {0: "?", 1: str(first)}
    for shade in range(2, last + 1):
        begin = first + 1 + (shade - 2) * width
        said[shade] = str(begin) if width == 1 else f"{begin}–{begin + width - 1}"
    return said


def dress_bands(figure: hv.Overlay, ds: xarray.Dataset, of: str, scale: Scale) -> hv.Overlay:
    """Give strips of bands their look."""
    seeds = ds["seed"].values.tolist()
    said = legend(ds, of)
    colours = [theme.GRID, *theme.ordered(MOST_SHADES)[::-1]][: len(said)]
    tooltips = [("seed", "@seed"), ("from", "@begin"), ("to", "@end"), (SUBJECTS[of], "@said")]
    return theme.dress(
        figure,
        theme.style(
            "Rectangles", "Bands", color="shade", cmap=colours, clim=(-0.5, len(said) - 0.5), line_color=None,
            tools=["hover"], hover_tooltips=tooltips, colorbar=True, colorbar_position="bottom", clabel="",
            colorbar_opts=theme.key(said),
        ),
        theme.style(
            "Labels", "Numbers", text_color="ink", cmap=[theme.INK, theme.PAPER], clim=(-0.5, 1.5),
            text_font_size="12px",
        ),
        size=(WIDTH, max(60, row_height(len(seeds)) * len(seeds))),
        yticks=[(len(seeds) - 1.0 - row, name) for row, name in theme.ticks(list(map(str, seeds)), most=20)][::-1],
        logx=scale == "log",
    )  # fmt: skip


def limits_along(
    ds: xarray.Dataset,
    *,
    seed: int | None = None,
    scale: Scale = "log",
    since: float | None = None,
    width: Width | None = None,
    title: str | None = None,
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
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.
    title : str, optional
        Instead of the first line above the figure; an empty one takes both lines away.

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
    one = ds.isel(seed=[number], interval=slices(ds)[number]).compute()

    def make(component: int = 0) -> Scene:
        return limit_scene(one, component=component, scale=scale, since=since)

    count = one.sizes["component"]
    return Scenes(
        make, {"component": list(range(count))} if count > 1 else {}, partial(dress_limits, scale=scale)
    ).figure(width=width, title=title, of=ds)


def limit_scene(one: xarray.Dataset, *, component: int, scale: Scale, since: float | None = None) -> Scene:
    """Return the scene of `limits_along` for an atlas of one start."""
    high, start = window(one, scale, since)
    kept = one["certified"].values & (one["sensitivity_to"].values > start)
    place, token = np.nonzero(kept[:, None] & np.ones(one.sizes["token"], np.bool_))
    labels = one["cluster"].values[place, token]
    _, first = np.unique(np.column_stack([place, labels]), axis=0, return_index=True)
    place, token = place[first], token[first]
    at = one["limit_position"].values[place, token, component]
    ends = (one["sensitivity_from"].values[place], np.minimum(one["sensitivity_to"].values[place], high))
    vertex = one["cluster"].values[place, token] < one["vertex_count"].values[place]
    layers = []
    for name, which in (("Others", ~vertex), ("Vertices", vertex)):
        left, right = (np.maximum(end[which], start) for end in ends)
        columns = {"x": left, "y": at[which], "x1": right, "y1": at[which]}
        layers.append(Layer("Segments", name, columns))
    edge = float(np.abs(one["initial_position"].values[..., component]).max()) * 1.05 or 1.0
    return Scene(
        f"Limits over the sensitivity\nseed {one['seed'].item()} · dark: vertices · {proved(one)}",
        x_axis(scale, start, high),
        Axis(f"component {component} of the limits", (-edge, edge)),
        tuple(layers),
    )


def dress_limits(figure: hv.Overlay, scale: Scale) -> hv.Overlay:
    """Give the limits along the axis their look."""
    return theme.dress(
        figure,
        theme.style("Segments", "Others", color=theme.SLOTS[5], line_width=1.5),
        theme.style("Segments", "Vertices", color=theme.SLOTS[0], line_width=2.2),
        size=(WIDTH, 200),
        logx=scale == "log",
    )


def window(ds: xarray.Dataset, scale: Scale, since: float | None) -> tuple[float, float]:
    """Return the largest sensitivity that is drawn, and the one at which the axis begins."""
    if scale not in ("log", "linear"):
        raise UnknownName.among("scale", str(scale), ("log", "linear"))
    first, last = ds["sensitivity_from"].values, ds["sensitivity_to"].values
    high = float(last.max()) if np.isfinite(last).all() else 1.05 * float(first.max()) or 1.0
    start = float(first.min())
    if scale == "log":
        start = max(start, 1e-4 * high) if since is None else since
        if not 0.0 < start < high:
            raise InvalidInput(f"since is {start!r}; a logarithmic axis begins above 0 and below {high!r}")
    return high, start


def _position(sensitivity: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    return np.log10(sensitivity) if scale == "log" else sensitivity


def x_axis(scale: Scale, start: float, high: float) -> Axis:
    """Return the axis of sensitivities."""
    return Axis(naming.parameter("alignment_sensitivity") + (" (log scale)" if scale == "log" else ""), (start, high))


def subject(ds: xarray.Dataset) -> str:
    """Return the second line of a title: what the atlas is of."""
    model = json.loads(ds.attrs["model"])
    size = f"{counted(ds.sizes['token'], 'token')}, {counted(ds.sizes['component'], 'component')}"
    return f"{size} · {naming.setting('influence', model['influence'])} · {proved(ds)}"


def proved(ds: xarray.Dataset) -> str:
    """Return what share of the axis is proved, or that it is of a record."""
    if ds.attrs["steps"] >= 0:
        return f"record of {counted(ds.attrs['steps'], 'step')}"
    return f"{ds.attrs['proved_share']:.4%} proved"


def stretched(live: Live) -> Live:
    """Let a figure take the width that there is."""
    live.root.update(frame_width=None, sizing_mode="stretch_width", min_width=260)
    return live


def mark(live: Live) -> ColumnDataSource:
    """Return the source of a frame round the interval that is shown."""
    source = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top")})
    live.root.quad(
        "left", "right", "top", "bottom", source=source, fill_color=theme.INK, fill_alpha=0.12, line_color=theme.INK,
        line_width=1.6,
    )  # fmt: skip
    return source
