"""Figures on paper: drawn with matplotlib, without a browser.

A figure's options are Bokeh's; the few that the figures of this package use are read here, so that the look is written
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.view import naming, theme
from lmdata.view.composed import dressed, figures_of

PIXELS = 100
"""Pixels of the screen to an inch of paper."""
SIZE, LINE = 6, 1.5
"""Of dots and of lines that have none, in pixels."""

_MARKERS = {"circle": "o", "star": "*", "square": "s", "cross": "P"}
_DASHES = {"solid": "-", "dotted": ":", "dashed": "--"}


def drawing(figure: Any) -> Figure:
    """Return a figure without sliders as matplotlib draws it; the figures of a layout stand in rows.

    Raises
    ------
    InvalidInput
        If it has sliders, or an element that only a browser draws.
    """
    panels = list(map(_panel, figures_of(figure)))
    columns = min(len(panels), figure._max_cols) if isinstance(figure, hv.Layout) else 1
    rows = [panels[first : first + columns] for first in range(0, len(panels), columns)]
    widths = [max(row[k].width for row in rows if k < len(row)) for k in range(columns)]
    heights = [max(panel.height for panel in row) for row in rows]
    margins = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    whole = Figure(figsize=(sum(widths), sum(heights)), layout=margins)
    places = whole.subfigures(len(rows), columns, width_ratios=widths, height_ratios=heights, squeeze=False)
    for row, across in zip(rows, places, strict=True):
        for panel, place in zip(row, across, strict=False):
            panel.draw(place)
    return whole


def on_paper(figure: Any) -> bool:
    """Return whether a figure without sliders can be drawn on paper."""
    return not any(map(_strange, figures_of(figure)))


def _strange(figure: Any) -> list[str]:
    """Return the elements of a figure that only a browser draws."""
    elements = figure if isinstance(figure, hv.Overlay) else [figure]
    return [name for name in (type(element).__name__ for element in elements) if name not in _DRAWERS]


@dataclass(frozen=True)
class _Panel:
    """One figure, and its size in inches."""

    overlay: hv.Overlay
    plot: dict[str, Any]
    width: float
    height: float

    def draw(self, place: SubFigure) -> None:
        """Draw it there."""
        axes = place.add_subplot()
        axes.set_box_aspect(self.plot["frame_height"] / self.plot["frame_width"])
        styles = [_options(element) for element in self.overlay]
        x, y = map(_extent, zip(*map(_axes_of, self.overlay), strict=True))
        for name, label, set_scale in (("logx", x[0], axes.set_xscale), ("logy", y[0], axes.set_yscale)):
            set_scale("log" if any(style.get(name) for style in (self.plot, *styles)) else "linear")
            (axes.set_xlabel if name == "logx" else axes.set_ylabel)(label)
        for element, style in zip(self.overlay, styles, strict=True):
            _DRAWERS[type(element).__name__](axes, element, style)
        axes.set(xlim=x[1], ylim=y[1])
        if x[0] == naming.time_label("step"):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _furnish(axes, self.plot["title"].replace("{label}", self.overlay.label), self.plot)


def _panel(figure: Any) -> _Panel:
    if isinstance(figure, hv.HoloMap):
        sliders = ", ".join(dim.name for dim in figure.kdims)
        raise InvalidInput(
            f"figure is a {type(figure).__name__} with sliders for {sliders}; a file shows one state: "
            "select one member (and give time=...) first"
        )
    overlay = dressed(figure if isinstance(figure, hv.Overlay) else hv.Overlay([figure]))
    if strange := _strange(overlay):
        raise InvalidInput(
            f"figure has a {strange[0]}; on paper there are {', '.join(_DRAWERS)}: a page, .html, shows the others"
        )
    plot = _options(overlay)
    return _Panel(overlay, plot, (plot["frame_width"] + 150) / PIXELS, (plot["frame_height"] + 130) / PIXELS)


def _axes_of(element: Any) -> tuple[hv.Dimension, hv.Dimension]:
    return tuple(element.dimensions()[:2])


def _extent(dimensions: Sequence[hv.Dimension]) -> tuple[str, tuple[float | None, float | None]]:
    """Return the label of an axis, and its limits: wide enough for all; None where none are said."""
    low, high = ([end for end in ends if end is not None] for ends in zip(*(d.range for d in dimensions), strict=True))
    return dimensions[0].label, (min(low, default=None), max(high, default=None))


def _furnish(axes: Axes, title: str, plot: dict[str, Any]) -> None:
    subject, _, parameters = title.partition("\n")
    axes.set_title(f"{subject}\n", loc="left", fontsize=12, fontweight="bold", color=theme.INK, parse_math=False)
    above = axes.annotate(
        parameters, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=9.5,
        color=theme.MUTED, annotation_clip=False, parse_math=False,
    )  # fmt: skip
    above.set_in_layout(False)
    axes.grid(color=theme.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=theme.MUTED, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.MUTED)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=theme.INK, fontsize=10, parse_math=False)
    if "yticks" in plot:
        axes.set_yticks([at for at, _ in plot["yticks"]], [name for _, name in plot["yticks"]], fontsize=8)
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
    if plot.get("show_legend") and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)


def _options(element: Any) -> dict[str, Any]:
    """Return the options that were given to an element; holoviews' own cycles of colours are none of this look."""
    given = {name: hv.Store.lookup_options("bokeh", element, name).kwargs for name in ("plot", "style")}
    return {key: v for each in given.values() for key, v in each.items() if not isinstance(v, hv.Cycle)}


def _columns(element: Any) -> dict[str, NDArray[Any]]:
    return {dim.name: element.dimension_values(dim) for dim in element.dimensions()}


def _colours(style: dict[str, Any], columns: dict[str, NDArray[Any]], *names: str, default: str = theme.INK) -> Any:
    """Return the colour, or a colour for each row where the option names a column."""
    value = next((style[name] for name in names if name in style), default)
    if not isinstance(value, str) or value not in columns:
        return "none" if value is None else value
    low, high = style["clim"]
    cmap = ListedColormap(style["cmap"])
    norm = BoundaryNorm(np.linspace(low, high, cmap.N + 1), cmap.N)
    return cmap(norm(columns[value].astype(float)))


def _faded(colour: Any, alpha: float) -> Any:
    if isinstance(colour, str):
        return "none" if colour == "none" else to_rgba(colour, alpha)
    return np.column_stack([colour[:, :3], np.full(len(colour), alpha)])


def _points(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    x, y = list(columns.values())[:2]
    if not len(x):
        return
    marker = _MARKERS[style.get("marker", "circle")]
    fill = _faded(_colours(style, columns, "fill_color", "color"), style.get("fill_alpha", 1.0))
    line = _colours(style, columns, "line_color", "color")
    area = (style.get("size", SIZE) * 72 / PIXELS) ** 2
    axes.scatter(
        x, y, s=area, facecolors=fill, edgecolors=line, linewidths=style.get("line_width", 1.0),
        marker=marker, zorder=3, clip_on=False,
    )  # fmt: skip


def _segments(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    ends = np.stack(list(columns.values())[:4], axis=1).astype(float).reshape(-1, 2, 2)
    colours = _faded(_colours(style, columns, "color"), style.get("alpha", 1.0))
    axes.add_collection(LineCollection(list(ends), colors=colours, linewidths=style.get("line_width", LINE), zorder=2))


def _curve(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    x, y = list(_columns(element).values())[:2]
    axes.plot(
        x, y, color=style.get("color", theme.INK), linewidth=style.get("line_width", LINE),
        linestyle=_DASHES[style.get("line_dash", "solid")], label=element.label or "_unnamed", zorder=2,
    )  # fmt: skip


def _polygons(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    rows = element.data
    columns = {dim.name: np.array([row[dim.name] for row in rows]) for dim in element.vdims}
    fill = _faded(_colours(style, columns, "fill_color"), style.get("fill_alpha", 1.0))
    line = _colours(style, columns, "line_color", default="none")
    x, y = (dim.name for dim in element.kdims)
    corners = [np.column_stack([row[x], row[y]]) for row in rows]
    axes.add_collection(
        PolyCollection(corners, facecolors=fill, edgecolors=line, linewidths=style.get("line_width", 0.0), zorder=1)
    )


def _rectangles(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    x, y, x1, y1 = list(columns.values())[:4]
    corners = np.stack([np.column_stack(pair) for pair in ((x, y), (x1, y), (x1, y1), (x, y1))], axis=1)
    fill = _faded(_colours(style, columns, "fill_color", "color"), style.get("fill_alpha", 1.0))
    axes.add_collection(PolyCollection(list(corners), facecolors=fill, edgecolors="none", linewidths=0, zorder=1))
    if style.get("colorbar"):
        _key(axes, style)


def _key(axes: Axes, style: dict[str, Any]) -> None:
    """Draw the colours of a palette with their names, below the axes."""
    said = style["colorbar_opts"]["major_label_overrides"]
    patches = [Patch(facecolor=style["cmap"][place], label=name) for place, name in said.items()]
    below = -0.08 / float(axes.get_box_aspect() or 1.0)
    axes.legend(
        handles=patches, loc="upper center", bbox_to_anchor=(0.5, below), ncols=len(said), frameon=False, fontsize=9,
        handlelength=1.2, columnspacing=1.0, labelcolor=theme.MUTED,
    )  # fmt: skip


def _labels(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    colours = _colours(style, columns, "text_color")
    size = float(style.get("text_font_size", "12px").removesuffix("px")) * 72 / PIXELS
    for k, (x, y, text) in enumerate(zip(*list(columns.values())[:3], strict=True)):
        colour = colours if isinstance(colours, str) else colours[k]
        axes.text(
            x, y, text, color=colour, size=size, ha=style.get("text_align", "center"),
            va="center", parse_math=False, zorder=4,
        )  # fmt: skip


_DRAWERS = {
    "Points": _points,
    "Segments": _segments,
    "Curve": _curve,
    "Polygons": _polygons,
    "Rectangles": _rectangles,
    "Labels": _labels,
}
