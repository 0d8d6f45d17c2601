"""The look of every figure: palette, sizes, fonts and grid, on the screen and on paper.

Colours are Paul Tol's *muted* scheme (https://sronpersonalpages.nl/~pault/), which stays distinct under the common
forms of colour blindness; ordered values take a dark-to-light part of *viridis*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import holoviews as hv
import holoviews.plotting.bokeh
import matplotlib as mpl
import numpy as np
from bokeh.models import FixedTicker, Title
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from lmdata.errors import InvalidInput

SLOTS = ("#332288", "#cc6677", "#44aa99", "#ddaa33", "#882255", "#66bbdd", "#117733", "#aa4499", "#999933")
"""Colours of vertices, and of the tokens that go there."""

OTHER = "#a3a9b3"
"""Colour of what belongs to no vertex, or to one beyond the palette."""

CMAP = (OTHER, *SLOTS)
"""Palette indexed by slot + 1: slot -1 is `OTHER`."""

INKS = ("#70747b", "#332288", "#af5866", "#348174", "#906f21", "#882255", "#437a90", "#117733", "#aa4499", "#787828")
"""`CMAP` darkened where it needs to be read as text on white (contrast of at least 4.6)."""

COLOURED: dict[str, Any] = {"cmap": list(CMAP), "clim": (-1.5, len(SLOTS) - 0.5)}
"""Options of an element whose colour is a slot."""

INK, MUTED, GRID, PAPER = "#1f2430", "#5c6370", "#e3e6ea", "#ffffff"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


def slots(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the palette slot of each vertex from the number of its tokens.

    Up to nine vertices keep their own number as slot, so that equal numbers have equal colours in every figure. Of
    more than nine, the nine largest that gather at least two tokens get a colour, the others -1.

    Examples
    --------
    >>> slots(np.array([5, 1, 2])).tolist()
    [0, 1, 2]
    >>> slots(np.array([1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 7])).tolist()
    [-1, -1, -1, 0, -1, -1, -1, -1, -1, -1, 1]
    """
    count = len(SLOTS)
    if len(sizes) <= count:
        return np.arange(len(sizes))
    largest = np.argsort(-sizes, kind="stable")[:count]
    chosen = np.sort(largest[sizes[largest] >= 2])
    slot = np.full(len(sizes), -1)
    slot[chosen] = np.arange(len(chosen))
    return slot


def ordered(count: int) -> list[str]:
    """Return ``count`` colours for ordered values, dark to light, none too light for white paper.

    Examples
    --------
    >>> ordered(1), len(ordered(12))
    (['#440154'], 12)
    """
    viridis = mpl.colormaps["viridis"]
    return [to_hex(viridis(0.88 * k / max(1, count - 1))) for k in range(count)]


_TOOLS = ["pan", "wheel_zoom", "box_zoom", "save", "reset"]

_LEGEND = {
    "label_text_font": FONT, "label_text_font_size": "12px", "label_text_color": INK, "border_line_color": None,
    "spacing": 0, "padding": 4, "margin": 4,
}  # fmt: skip


SHARED = ("logx", "logy", "yticks")
"""Options of the whole that its elements keep, so that they have them when figures are laid one over the other."""


type Width = Literal["column", "page"] | float
"""Of a figure on paper: a name, or millimetres."""

WIDTHS = {"column": 86.0, "page": 178.0}
"""Of a column and of a page of a journal, in millimetres (those of the American Physical Society)."""
NARROWEST, WIDEST = 40.0, 2000.0
"""Of a figure on paper, in millimetres."""
PIXELS = 100
"""Pixels of the screen to an inch of paper."""
BESIDE = (150, 130)
"""Room for what stands round the frame, across and up, in pixels."""
PRINT = 0.75
"""Letters, lines and dots of a figure that has a width, relative to others: letters have 7 to 9 points."""


@dataclass(frozen=True)
class Sheet:
    """The width of a figure on paper, in millimetres; on the screen its letters have the size that they have there.

    It stands among the hooks of a figure, which holoviews calls.
    """

    width: float

    @classmethod
    def of(cls, width: Width) -> Sheet:
        """Return the sheet of a width.

        Raises
        ------
        InvalidInput
            If it is no name of `WIDTHS`, and no number of millimetres that is sensible.

        Examples
        --------
        >>> Sheet.of("column").width, Sheet.of(120).width
        (86.0, 120.0)
        """
        found = WIDTHS.get(width) if isinstance(width, str) else width
        if isinstance(found, bool) or not isinstance(found, int | float) or not NARROWEST <= found <= WIDEST:
            raise InvalidInput(
                f"width={width!r} is none of {', '.join(map(repr, WIDTHS))} nor a number of millimetres "
                f"from {NARROWEST:g} to {WIDEST:g}"
            )
        return cls(float(found))

    @property
    def frame(self) -> int:
        """Width of the frame inside the axes, in pixels."""
        return round(self.width / 25.4 * PIXELS - PRINT * BESIDE[0])

    @property
    def letters(self) -> int:
        """How many letters of the second line of a title have room."""
        return int((self.frame + 40) / (0.55 * 12.5 * PRINT))

    def __call__(self, plot: Any, element: Any) -> None:
        """Make the letters of a Bokeh figure smaller (a hook of holoviews)."""
        figure = plot.state
        figure.title.text_font_size = f"{15 * PRINT:g}px"
        figure.select_one({"name": "parameters"}).text_font_size = f"{12.5 * PRINT:g}px"
        for axis in figure.axis:
            axis.update(axis_label_text_font_size=f"{12.5 * PRINT:g}px", major_label_text_font_size=f"{12 * PRINT:g}px")
        for legend in figure.legend:
            legend.label_text_font_size = f"{12 * PRINT:g}px"


@dataclass(frozen=True)
class Origin:
    """The recipe that a layer's numbers come from; it stands among its hooks, and changes nothing."""

    recipe: str

    def __call__(self, plot: Any, element: Any) -> None:
        """Do nothing (a hook of holoviews)."""


def on_paper(figure: hv.Overlay, sheet: Sheet | None, recipe: str) -> hv.Overlay:
    """Return a figure that knows its width on paper and the recipe of its numbers."""
    given = hv.Store.lookup_options("bokeh", figure, "plot").kwargs
    whole: dict[str, Any] = {}
    if sheet is not None:
        height = round(given["frame_height"] * sheet.frame / given["frame_width"])
        whole = {"frame_width": sheet.frame, "frame_height": height}
    keys = dict.fromkeys(f"{type(element).__name__}.{element.group}" for element in figure)
    each = [hv.Options(key, backend="bokeh", hooks=[Origin(recipe)], **whole) for key in keys]
    hooks = [*given["hooks"], *([sheet] if sheet is not None else [])]
    return figure.opts(*each, hv.Options("Overlay", backend="bokeh", hooks=hooks, **whole))


def hooks(element: Any) -> list[Any]:
    """Return the hooks among the options of an element or overlay."""
    found: list[Any] = hv.Store.lookup_options("bokeh", element, "plot").kwargs.get("hooks", [])
    return found


def dress(figure: hv.Overlay, *options: hv.Options, size: tuple[int, int], **overlay: Any) -> hv.Overlay:
    """Return the figure with the house's look and its own options.

    Parameters
    ----------
    figure : Overlay
        Of plain elements; its label is the title: the first line the subject, the second the parameters.
    *options : Options
        Options of the elements, made by `style`.
    size : (int, int)
        Width and height of the frame inside the axes, in pixels.
    **overlay
        Options of the whole, as ``logy`` or ``yticks``.
    """
    width, height = size
    shared = {name: overlay[name] for name in SHARED if name in overlay} | {
        "frame_width": width, "frame_height": height, "show_grid": True,
    }  # fmt: skip
    options = tuple(hv.Options(each.key, **{**each.kwargs, **shared}) for each in options)
    whole = hv.Options(
        "Overlay", backend="bokeh", title="{label}", show_grid=True, frame_width=width, frame_height=height,
        hooks=[_look], toolbar="above", active_tools=[], default_tools=_TOOLS, legend_opts=_LEGEND, **overlay,
    )  # fmt: skip
    return figure.opts(*options, whole)


def style(element: str, group: str, **style: Any) -> hv.Options:
    """Return options of an element of one group, in Bokeh's terms; `lmdata.view.static` reads them too."""
    return hv.Options(f"{element}.{group}", backend="bokeh", framewise=True, **style)


def key(said: Mapping[int, str]) -> dict[str, Any]:
    """Return options of a colour bar that names each colour of a palette, by its place in it."""
    return {
        "ticker": FixedTicker(ticks=list(said)), "major_label_overrides": dict(said), "height": 10, "padding": 2,
        "bar_line_color": None, "major_tick_line_color": None, "major_label_text_font": FONT,
        "major_label_text_color": MUTED, "major_label_text_font_size": "12px",
    }  # fmt: skip


def _look(plot: Any, element: Any) -> None:
    """Set fonts, colours and grid of a Bokeh figure (a hook of holoviews).

    No size is Bokeh's default: those the theme of a dashboard would replace.
    """
    figure = plot.state
    figure.background_fill_color = figure.border_fill_color = PAPER
    figure.outline_line_color = None
    figure.sizing_mode = None  # holoviews says 'fixed', which needs sizes with the axes, and Bokeh warns
    subject, _, parameters = figure.title.text.partition("\n")
    below = figure.select_one({"name": "parameters"})
    if below is None:
        below = Title(name="parameters", text_font=FONT, text_font_size="12.5px", text_font_style="normal", standoff=8)
        figure.add_layout(below, "above")
    below.update(text=parameters, text_color=MUTED)
    figure.title.update(text=subject, text_font=FONT, text_font_size="15px", text_color=INK, standoff=0)
    figure.toolbar.logo = None
    figure.toolbar.autohide = True
    figure.grid.grid_line_color = GRID
    for axis in figure.axis:
        axis.update(
            axis_line_color=MUTED, axis_label_standoff=8, axis_label_text_font=FONT, axis_label_text_color=INK,
            axis_label_text_font_size="12.5px", axis_label_text_font_style="normal", minor_tick_line_color=None,
        )  # fmt: skip
        axis.update(
            major_tick_line_color=MUTED, major_label_text_color=MUTED, major_label_text_font=FONT,
            major_label_text_font_size="12px",
        )  # fmt: skip


def ticks(labels: Sequence[str], *, most: int) -> list[tuple[float, str]]:
    """Return tick positions and labels for rows 0, 1, ...; evenly thinned to at most ``most``.

    Examples
    --------
    >>> ticks(["a", "b", "c", "d"], most=2)
    [(0.0, 'a'), (2.0, 'c')]
    """
    step = -(-len(labels) // most)
    return [(float(row), labels[row]) for row in range(0, len(labels), step)]
