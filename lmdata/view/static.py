"""Figures as files for papers: PNG, SVG and PDF, drawn with matplotlib, without a browser.

A figure's options are Bokeh's; the few that the figures of this package use are read here, so that the look is written
once.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import holoviews as hv
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lmdata.data.store.durable import write_whole
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_path
from lmdata.view import naming, theme

FORMATS = (".png", ".svg", ".pdf")
PIXELS = 100
"""Pixels of the screen to an inch of paper."""

_MARKERS = {"circle": "o", "star": "*", "square": "s", "cross": "P"}
_DASHES = {"solid": "-", "dotted": ":", "dashed": "--"}


def save(figure: hv.Overlay, path: str | os.PathLike[str], *, dpi: int = 150) -> Path:
    """Write a figure without sliders to a PNG, SVG or PDF file, and return its path.

    Parameters
    ----------
    figure : Overlay
        Made by a function of this package, of one member (and one time).
    path : path
        Its ending chooses the format. An existing file is replaced.
    dpi : int
        Dots per inch of a PNG.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInput
        If the figure has sliders, or the ending is none of `FORMATS`.

    Examples
    --------
    >>> import tempfile, lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     view.save(view.occupancy(ds), folder + "/occupancy.svg").stat().st_size > 1000
    True
    """
    path = as_path(path, "path")
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"path={str(path)!r} must end in {', '.join(FORMATS)}; for HTML use view.write_page")
    if not isinstance(figure, hv.Overlay):
        sliders = ", ".join(dim.name for dim in getattr(figure, "kdims", []))
        raise InvalidInput(
            f"figure is a {type(figure).__name__} with sliders for {sliders}; a file shows one state: "
            "select one member (and give time=...) first"
        )
    with mpl.rc_context({"svg.hashsalt": "lmdata", "svg.fonttype": "none", "font.family": "sans-serif"}):
        picture = BytesIO()
        form = path.suffix.lower().removeprefix(".")
        _draw(figure).savefig(picture, dpi=dpi, format=form, facecolor=theme.PAPER, metadata=_undated(path))
    write_whole(path, picture.getvalue())
    return path


def _undated(path: Path) -> dict[str, None]:
    """Return metadata without the time of day, so that equal figures are equal files."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower(), {})


def _draw(overlay: hv.Overlay) -> Figure:
    plot = _options(overlay)
    width, height = plot["frame_width"], plot["frame_height"]
    margins = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=((width + 150) / PIXELS, (height + 130) / PIXELS), layout=margins)
    axes = figure.add_subplot()
    axes.set_box_aspect(height / width)
    x, y = (
        overlay.get(0).kdims[:2] if len(overlay.get(0).kdims) > 1 else (*overlay.get(0).kdims, overlay.get(0).vdims[0])
    )
    axes.set(xlabel=x.label, ylabel=y.label, xscale="log" if plot.get("logx") else "linear")
    axes.set_yscale("log" if plot.get("logy") else "linear")
    for element in overlay:
        style = _options(element)
        _DRAWERS[type(element).__name__](axes, element, style)
    axes.set(xlim=x.range, ylim=y.range)
    if x.label == naming.time_label("step"):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _furnish(axes, overlay.label, plot)
    return figure


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
    return {
        **hv.Store.lookup_options("bokeh", element, "plot").kwargs,
        **hv.Store.lookup_options("bokeh", element, "style").kwargs,
    }


def _columns(element: Any) -> dict[str, NDArray[Any]]:
    return {dim.name: element.dimension_values(dim) for dim in element.dimensions()}


def _colours(style: dict[str, Any], columns: dict[str, NDArray[Any]], *names: str) -> Any:
    """Return the colour, or a colour for each row where the option names a column."""
    value = next((style[name] for name in names if name in style), "none")
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
    if not len(columns["x"]):
        return
    marker = _MARKERS[style.get("marker", "circle")]
    fill = _faded(_colours(style, columns, "fill_color", "color"), style.get("fill_alpha", 1.0))
    line = _colours(style, columns, "line_color", "color")
    area = (style["size"] * 72 / PIXELS) ** 2
    axes.scatter(
        columns["x"], columns["y"], s=area, facecolors=fill, edgecolors=line, linewidths=style.get("line_width", 1.0),
        marker=marker, zorder=3, clip_on=False,
    )  # fmt: skip


def _segments(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    ends = np.stack(
        [np.column_stack([columns["x"], columns["y"]]), np.column_stack([columns["x1"], columns["y1"]])], axis=1
    )
    colours = _faded(_colours(style, columns, "color"), style.get("alpha", 1.0))
    axes.add_collection(LineCollection(list(ends), colors=colours, linewidths=style["line_width"], zorder=2))


def _curve(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    axes.plot(
        columns["x"], columns["y"], color=style["color"], linewidth=style["line_width"],
        linestyle=_DASHES[style.get("line_dash", "solid")], label=element.label or "_unnamed", zorder=2,
    )  # fmt: skip


def _polygons(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    rows = element.data
    columns = {dim.name: np.array([row[dim.name] for row in rows]) for dim in element.vdims}
    fill = _faded(_colours(style, columns, "fill_color"), style.get("fill_alpha", 1.0))
    line = _colours(style, columns, "line_color")
    corners = [np.column_stack([row["x"], row["y"]]) for row in rows]
    axes.add_collection(
        PolyCollection(corners, facecolors=fill, edgecolors=line, linewidths=style.get("line_width", 0.0), zorder=1)
    )


def _rectangles(axes: Axes, element: Any, style: dict[str, Any]) -> None:
    columns = _columns(element)
    x, y, x1, y1 = (columns[name] for name in ("x", "y", "x1", "y1"))
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
    size = float(style["text_font_size"].removesuffix("px")) * 72 / PIXELS
    for k, (x, y, text) in enumerate(zip(columns["x"], columns["y"], columns["text"], strict=True)):
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
