"""Figures on paper: drawn with matplotlib, without a browser.

A figure's options are Bokeh's; the few that the figures of this package use are read here, so that the look is written
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

SIZE, LINE = 6, 1.5
"""Of dots and of lines that have none, in pixels."""

_MARKERS = {"circle": "o", "star": "*", "square": "s", "cross": "P"}
_DASHES = {"solid": "-", "dotted": ":", "dashed": "--"}


def drawing(figure: Any, width: float | None = None) -> Figure:
    """Return a figure without sliders as matplotlib draws it; the figures of a layout stand in rows.

    Parameters
    ----------
    figure : Overlay, Element or Layout
    width : float, optional
        Of the whole in millimetres; the heights of the figures change with theirs.

    Raises
    ------
    InvalidInput
        If it has sliders, or an element that only a browser draws.
    """
    panels = list(map(_panel, figures_of(figure)))
    columns = min(len(panels), figure._max_cols) if isinstance(figure, hv.Layout) else 1
    rows = [panels[first : first + columns] for first in range(0, len(panels), columns)]
    widths = [max(row[k].width for row in rows if k < len(row)) for k in range(columns)]
    if width is not None:
        shares = [width * each / sum(widths) for each in widths]
        if min(shares) < theme.NARROWEST and columns > 1:
            raise InvalidInput(
                f"width={width:g} leaves {min(shares):.0f} mm for a figure of the layout, and the least is "
                f"{theme.NARROWEST:g}; put fewer side by side, with figure.cols({columns - 1}), or take a larger width"
            )
        rows = [[panel.resized(share) for panel, share in zip(row, shares, strict=False)] for row in rows]
        widths = [share / 25.4 for share in shares]
    heights = [max(panel.height for panel in row) for row in rows]
    margins = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    whole = Figure(figsize=(sum(widths), sum(heights)), layout=margins)
    places = whole.subfigures(len(rows), columns, width_ratios=widths, height_ratios=heights, squeeze=False)
    for row, across in zip(rows, places, strict=True):
        for panel, place in zip(row, across, strict=False):
            panel.draw(place)
    return whole


def recipes_of(figure: Any) -> list[str]:
    """Return the recipe ids that the numbers of a figure without sliders come from."""
    parts = figures_of(figure)
    elements = [element for part in parts for element in (part if isinstance(part, hv.Overlay) else [part])]
    hooks = [hook for element in elements for hook in theme.hooks(element)]
    return list(dict.fromkeys(hook.recipe for hook in hooks if isinstance(hook, theme.Origin) and hook.recipe))


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
    sheet: theme.Sheet | None

    @property
    def scale(self) -> float:
        """Size of letters, lines and dots, relative to those of a figure that has no width."""
        return 1.0 if self.sheet is None else theme.PRINT

    @property
    def width(self) -> float:
        """Width in inches."""
        if self.sheet is not None:
            return self.sheet.width / 25.4
        return float(self.plot["frame_width"] + theme.BESIDE[0]) / theme.PIXELS

    @property
    def height(self) -> float:
        """Height in inches."""
        return float(self.plot["frame_height"] + self.scale * theme.BESIDE[1]) / theme.PIXELS

    def resized(self, width: float) -> _Panel:
        """Return it with a width in millimetres; its height changes alike."""
        sheet = theme.Sheet(width)
        height = self.plot["frame_height"] * sheet.frame / self.plot["frame_width"]
        return replace(self, plot={**self.plot, "frame_width": sheet.frame, "frame_height": height}, sheet=sheet)

    def draw(self, place: SubFigure) -> None:
        """Draw it there."""
        axes = place.add_subplot()
        axes.set_box_aspect(self.plot["frame_height"] / self.plot["frame_width"])
        styles = [{**_options(element), "scale": self.scale} for element in self.overlay]
        x, y = map(_extent, zip(*map(_axes_of, self.overlay), strict=True))
        for name, label, set_scale in (("logx", x[0], axes.set_xscale), ("logy", y[0], axes.set_yscale)):
            set_scale("log" if any(style.get(name) for style in (self.plot, *styles)) else "linear")
            (axes.set_xlabel if name == "logx" else axes.set_ylabel)(label)
        for element, style in zip(self.overlay, styles, strict=True):
            _DRAWERS[type(element).__name__](axes, element, style)
        axes.set(xlim=x[1], ylim=y[1])
        if x[0] == naming.time_label("step"):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _furnish(axes, self.plot["title"].replace("{label}", self.overlay.label), self.plot, self.scale, self.sheet)


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
    sheets = [hook for hook in theme.hooks(overlay) if isinstance(hook, theme.Sheet)]
    return _Panel(overlay, _options(overlay), sheets[-1] if sheets else None)


def _axes_of(element: Any) -> tuple[hv.Dimension, hv.Dimension]:
    return tuple(element.dimensions()[:2])


def _extent(dimensions: Sequence[hv.Dimension]) -> tuple[str, tuple[float | None, float | None]]:
    """Return the label of an axis, and its limits: wide enough for all; None where none are said."""
    low, high = ([end for end in ends if end is not None] for ends in zip(*(d.range for d in dimensions), strict=True))
    return dimensions[0].label, (min(low, default=None), max(high, default=None))


def _furnish(axes: Axes, title: str, plot: dict[str, Any], scale: float, sheet: theme.Sheet | None) -> None:
    subject, _, parameters = title.partition("\n")
    if sheet is not None:
        parameters = naming.wrapped(parameters.replace("\n", " · "), sheet.letters)
        subject = naming.wrapped(subject, sheet.letters * 3 // 4)
    small = 9.5 * scale
    if title.strip():
        pad = 6 + (1.3 * small * (1 + parameters.count("\n")) if parameters else 0)
        axes.set_title(
            subject, loc="left", fontsize=12 * scale, fontweight="bold", color=theme.INK, parse_math=False, pad=pad
        )
    above = axes.annotate(
        parameters, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=small,
        color=theme.MUTED, annotation_clip=False, parse_math=False, linespacing=1.3,
    )  # fmt: skip
    above.set_in_layout(False)
    axes.grid(color=theme.GRID, linewidth=0.8 * scale)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=theme.MUTED, labelsize=9 * scale)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.MUTED)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=theme.INK, fontsize=10 * scale, parse_math=False)
    if "yticks" in plot:
        axes.set_yticks([at for at, _ in plot["yticks"]], [name for _, name in plot["yticks"]], fontsize=8 * scale)
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
    if plot.get("show_legend") and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9 * scale)


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
    area = (style["scale"] * style.get("size", SIZE) * 72 / theme.PIXELS) ** 2
    axes.scatter(
        x, y, s=area, facecolors=fill, edgecolors=line, linewidths=style["scale"] * style.get("line_width", 1.0),
        marker=marker, zorder=3, clip_on=False,
    )  # fmt: skip


def _segments(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    ends = np.stack(list(columns.values())[:4], axis=1).astype(float).reshape(-1, 2, 2)
    colours = _faded(_colours(style, columns, "color"), style.get("alpha", 1.0))
    axes.add_collection(
        LineCollection(list(ends), colors=colours, linewidths=style["scale"] * style.get("line_width", LINE), zorder=2)
    )


def _curve(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    x, y = list(_columns(element).values())[:2]
    axes.plot(
        x, y, color=style.get("color", theme.INK), linewidth=style["scale"] * style.get("line_width", LINE),
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
        PolyCollection(
            corners,
            facecolors=fill,
            edgecolors=line,
            linewidths=style["scale"] * style.get("line_width", 0.0),
            zorder=1,
        )
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
        handles=patches, loc="upper center", bbox_to_anchor=(0.5, below), ncols=len(said), frameon=False,
        fontsize=9 * style["scale"], handlelength=1.2, columnspacing=1.0, labelcolor=theme.MUTED,
    )  # fmt: skip


def _labels(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    colours = _colours(style, columns, "text_color")
    size = float(style.get("text_font_size", "12px").removesuffix("px")) * style["scale"] * 72 / theme.PIXELS
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
