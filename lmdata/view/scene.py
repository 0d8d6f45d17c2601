"""What a figure shows, as plain data: drawn by holoviews once, then changed by exchanging columns.

Making holoviews elements and updating their plots takes 60-100 ms a frame, making the arrays about one. So figures
are functions from a member (and a time) to a `Scene`; `Scenes` turns them into holoviews objects for notebooks and
files, and the dashboard and the page show another scene in a plot that is already drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import holoviews as hv
import numpy as np
import xarray

from lmdata.view import naming
from lmdata.view.theme import Sheet, Width, on_paper

KEYS = {
    "Points": ("x", "y"),
    "Curve": ("x", "y"),
    "Labels": ("x", "y"),
    "Polygons": ("x", "y"),
    "Segments": ("x", "y", "x1", "y1"),
    "Rectangles": ("x", "y", "x1", "y1"),
}
"""Key dimensions of the elements that layers may be."""

_SIDES = {"x": "left", "y": "bottom", "x1": "right", "y1": "top"}


@dataclass(frozen=True)
class Axis:
    """One axis: its label, with units, and its limits."""

    label: str
    limits: tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One element of a figure.

    Parameters
    ----------
    element : str
        Name of the holoviews element, one of `KEYS`.
    group : str
        Which layer it is; options are chosen by it.
    columns : mapping
        Key columns first, in the order of `KEYS`, then what colours, sizes or hovers use. Those of ``Polygons`` hold
        one sequence of coordinates a polygon.
    label : str
        What the legend calls it.
    """

    element: str
    group: str
    columns: Mapping[str, Any]
    label: str = ""

    def draw(self, x: hv.Dimension, y: hv.Dimension) -> Any:
        """Return the holoviews element."""
        keys = KEYS[self.element]
        values = [name for name in self.columns if name not in keys]
        dims = [x, y, *keys[2:]]
        if self.element == "Curve":
            dims, values = [x], [y]
        names = {"group": self.group, "label": self.label}
        if self.element == "Polygons":
            rows = [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]
            return hv.Polygons(rows, dims, values, **names)
        return getattr(hv, self.element)(tuple(self.columns.values()), dims, values, **names)

    def source(self) -> dict[str, list[Any]]:
        """Return the columns of the Bokeh source that shows this layer, as plain lists."""
        plain = {name: _listed(column) for name, column in self.columns.items()}
        if self.element == "Polygons":
            return {f"{k}s" if k in "xy" else k: [[[ring]] for ring in v] if k in "xy" else v for k, v in plain.items()}
        if self.element == "Rectangles":
            return {_SIDES.get(name, name): values for name, values in plain.items()}
        return plain


def _listed(column: Any) -> list[Any]:
    if isinstance(column, np.ndarray) and column.dtype != object:
        listed: list[Any] = column.tolist()
        return listed
    return [_plain(value) for value in column]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


@dataclass(frozen=True)
class Scene:
    """All that a figure shows at one setting of its sliders.

    Parameters
    ----------
    title : str
        First line the subject and the dataset, second line model and parameters.
    x, y : Axis
    layers : tuple of Layer
        The same elements in the same order for every scene of a figure.
    """

    title: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]

    def draw(self) -> hv.Overlay:
        """Return the plain holoviews overlay, without options."""
        x = hv.Dimension(("x", self.x.label), range=self.x.limits)
        y = hv.Dimension(("y", self.y.label), range=self.y.limits)
        return hv.Overlay([layer.draw(x, y) for layer in self.layers], label=self.title)


class Scenes:
    """The scenes of one figure, by the values of its sliders.

    Parameters
    ----------
    make : callable
        ``make(**values)`` returns the `Scene`.
    dims : mapping
        The values of each slider; empty for a figure without.
    dress : callable
        Gives a holoviews overlay its options.
    start : mapping, optional
        Values shown at first, where they are not the first of their slider.
    """

    def __init__(
        self,
        make: Callable[..., Scene],
        dims: Mapping[str, Sequence[Any]],
        dress: Callable[[hv.Overlay], hv.Overlay],
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self.make = make
        self.dims = {name: list(values) for name, values in dims.items()}
        self._dress = dress
        self._start = dict(start or {})

    def __call__(self, *values: Any) -> hv.Overlay:
        """Return the overlay at these values of the sliders."""
        return self._dress(self.make(**dict(zip(self.dims, values, strict=True))).draw())

    def first(self) -> dict[str, Any]:
        """Return the values that are shown at first."""
        return {name: self._start.get(name, values[0]) for name, values in self.dims.items()}

    def all(self) -> Iterator[Scene]:
        """Yield every scene, the last slider running fastest."""
        for values in itertools.product(*self.dims.values()):
            yield self.make(**dict(zip(self.dims, values, strict=True)))

    def within(self, values: Mapping[str, Sequence[Any]]) -> Scenes:
        """Return the scenes at some values of the sliders; those that are not named keep all."""
        dims = {name: list(values.get(name, own)) for name, own in self.dims.items()}
        start = {name: value for name, value in self._start.items() if value in dims[name]}
        return Scenes(self.make, dims, self._dress, start)

    def fixed(self, values: Mapping[str, Any]) -> Scenes:
        """Return the scenes at one value of some sliders, which they no longer have."""
        dims = {name: own for name, own in self.dims.items() if name not in values}

        def make(**others: Any) -> Scene:
            return self.make(**{name: values.get(name, others.get(name)) for name in self.dims})

        return Scenes(make, dims, self._dress, {name: v for name, v in self._start.items() if name in dims})

    def looking(self, operation: Callable[[hv.Overlay], Any]) -> Scenes | None:
        """Return the scenes with their look changed by an operation; None if it changes what is drawn."""
        plain = self.make(**self.first()).draw()
        changed = operation(self._dress(plain))
        same = isinstance(changed, hv.Overlay) and len(changed) == len(plain)
        if not same or any(one.data is not other.data for one, other in zip(plain, changed, strict=True)):
            return None
        return Scenes(self.make, self.dims, lambda figure: operation(self._dress(figure)), self._start)

    def printed(self, width: Width | None, title: str | None, of: xarray.Dataset | None) -> Scenes:
        """Return the scenes with a width on paper, a title, and the recipe of a dataset; see `figure`."""
        sheet = None if width is None else Sheet.of(width)
        recipe = "" if of is None else naming.recipe_of(of)

        def make(**values: Any) -> Scene:
            scene = self.make(**values)
            subject, _, parameters = scene.title.partition("\n")
            if title is not None:
                subject, parameters = naming.plain(title), parameters if title else ""
            elif sheet is not None:  # the name of the dataset goes into the second line: the first is short
                subject, _, name = subject.partition(" · ")
                parameters = f"{name} · {parameters}" if name else parameters
            if sheet is not None:
                parameters = naming.wrapped(parameters, sheet.letters)
            return replace(scene, title=f"{subject}\n{parameters}")

        def dress(figure: hv.Overlay) -> hv.Overlay:
            return on_paper(self._dress(figure), sheet, recipe)

        return Scenes(make, self.dims, dress, self._start)

    def figure(
        self, *, width: Width | None = None, title: str | None = None, of: xarray.Dataset | None = None
    ) -> hv.Overlay | hv.DynamicMap:
        """Return the overlay where there is no slider, else a DynamicMap that makes frames when they are shown.

        Parameters
        ----------
        width : {"column", "page"} or float, optional
            Of the figure on paper, in millimetres if it is a number; its letters are of the size of a paper's then.
        title : str, optional
            Instead of the first line above the figure; an empty one takes both lines away.
        of : Dataset, optional
            What it is drawn from: files say its recipe id.
        """
        if width is not None or title is not None or of is not None:
            return self.printed(width, title, of).figure()
        if not self.dims:
            return self()
        first = self.first()
        kdims = [hv.Dimension((n, naming.parameter(n)), values=v, default=first[n]) for n, v in self.dims.items()]
        return hv.DynamicMap(self, kdims=kdims)


def scenes_of(figure: Any) -> Scenes | None:
    """Return the scenes behind a figure of this package that has sliders, or None; ``opts`` change its look alone."""
    if not isinstance(figure, hv.DynamicMap):
        return None
    made = figure.callback.callable
    if isinstance(made, Scenes):
        return made
    operation, below = figure.callback.operation, figure.callback.inputs
    scenes = scenes_of(below[0]) if operation is not None and len(below) == 1 else None
    return scenes.looking(operation) if scenes is not None else None


class Live:
    """A figure drawn once with Bokeh, that then shows one scene after the other.

    Parameters
    ----------
    scenes : Scenes
    values : mapping, optional
        Values of the sliders shown at first.

    Attributes
    ----------
    root : bokeh figure
    """

    def __init__(self, scenes: Scenes, values: Mapping[str, Any] | None = None) -> None:
        self.scenes = scenes
        self.values = {**scenes.first(), **(values or {})}
        overlay = scenes(*self.values.values())
        plot = hv.renderer("bokeh").get_plot(overlay)
        self.root = plot.state
        self._parameters = self.root.select_one({"name": "parameters"})
        self.sources = [subplot.handles["source"] for subplot in plot.subplots.values()]

    @property
    def dims(self) -> dict[str, list[Any]]:
        """The values of each slider."""
        return self.scenes.dims

    def all(self) -> Iterator[list[tuple[Any, str, Any]]]:
        """Yield what every scene sets, the last slider running fastest."""
        return map(self.parts, self.scenes.all())

    def parts(self, scene: Scene) -> list[tuple[Any, str, Any]]:
        """Return what a scene sets: Bokeh model, property and plain value; ``limits`` are the start and end of a range.

        The property of a source is one of its columns.
        """
        root = self.root
        subject, _, parameters = scene.title.partition("\n")
        parts: list[tuple[Any, str, Any]] = [(root.title, "text", subject), (self._parameters, "text", parameters)]
        for axis, extent, now in ((root.xaxis[0], root.x_range, scene.x), (root.yaxis[0], root.y_range, scene.y)):
            parts += [(axis, "axis_label", now.label), (extent, "limits", list(now.limits))]
        for source, layer in zip(self.sources, scene.layers, strict=True):
            parts += [(source, name, column) for name, column in layer.source().items()]
        return parts

    def show(self, **values: Any) -> None:
        """Show the scene at these values; others stay as they are."""
        self.values |= {name: value for name, value in values.items() if name in self.values}
        columns: dict[Any, dict[str, Any]] = {source: {} for source in self.sources}
        for model, name, value in self.parts(self.scenes.make(**self.values)):
            if model in columns:
                columns[model][name] = value
            elif name == "limits":
                model.update(start=value[0], end=value[1], reset_start=value[0], reset_end=value[1])
            else:
                model.update(**{name: value})
        for source, data in columns.items():
            source.data = data
