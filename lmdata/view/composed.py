"""What a figure is composed of, and each of its states: of this package's figures and of any put together of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.models import ColumnDataSource

from lmdata.errors import InvalidInput
from lmdata.view import theme
from lmdata.view.scene import Scenes, scenes_of

SIZE = (460, 360)
"""Of the frame of a figure that has no size of its own, in pixels."""


def figures_of(figure: Any) -> list[Any]:
    """Return the figures that stand side by side in a layout; a figure that is none is alone.

    Examples
    --------
    >>> [type(part).__name__ for part in figures_of(hv.Curve([1, 2]) + hv.Curve([2, 1]) * hv.Points([(0, 1)]))]
    ['Curve', 'Overlay']
    """
    if isinstance(figure, hv.Layout):
        return [part for item in figure for part in figures_of(item)]
    return [figure]


def states_of(figure: Any) -> Scenes | Frames | None:
    """Return the states of a figure by its sliders, or None where it has none."""
    if not isinstance(figure, hv.HoloMap):
        return None
    return scenes_of(figure) or Frames(figure)


def gathered(figures: Sequence[Any]) -> list[list[Any]]:
    """Return figures in groups that can share their sliders: those of one name have the same values."""
    groups: list[list[Any]] = []
    known: dict[str, list[Any]] | None = None
    for figure in figures:
        states = states_of(figure)
        dims = {} if states is None else states.dims
        if not isinstance(figure, hv.core.Dimensioned):  # has controls of its own
            groups.append([figure])
            known = None
        elif known is not None and all(known.get(name, values) == values for name, values in dims.items()):
            groups[-1].append(figure)
            known |= dims
        else:
            groups.append([figure])
            known = dict(dims)
    return groups


def dressed(figure: Any) -> Any:
    """Return a figure in the look of this package: what is put together with ``*`` has that of its elements alone.

    Its size and scales are those of the first element that has any.
    """
    if isinstance(figure, hv.DynamicMap):
        return figure.apply(dressed, per_element=False)
    if not isinstance(figure, hv.Overlay) or "hooks" in _options(figure):
        return figure
    given: dict[str, Any] = {}
    for element in figure:
        given = _options(element) | given
    size = given.get("frame_width", SIZE[0]), given.get("frame_height", SIZE[1])
    kept = {name: given[name] for name in theme.SHARED if name in given}
    kept |= {"legend_position": "right", "show_legend": any(element.label for element in figure)}
    return theme.dress(figure.clone(), size=size, **(kept | _options(figure)))


def _options(figure: Any) -> dict[str, Any]:
    found: dict[str, Any] = hv.Store.lookup_options("bokeh", figure, "plot").kwargs
    return found


def first_state(figure: Any) -> Any:
    """Return a figure as it is at first, without sliders."""
    states = states_of(figure)
    return figure if states is None else states(*states.first().values())


class Frames:
    """The states of a map of holoviews by its sliders, where they are not the scenes of one figure.

    Parameters
    ----------
    figure : HoloMap or DynamicMap
        Every slider has values.

    Raises
    ------
    InvalidInput
        If a slider has no values, or the figure follows a stream.
    """

    def __init__(self, figure: hv.HoloMap) -> None:
        self.figure = figure
        dynamic = isinstance(figure, hv.DynamicMap)
        self.dims: dict[str, list[Any]] = {
            dim.name: list(dim.values) if dynamic else list(dict.fromkeys(figure.dimension_values(dim, expanded=False)))
            for dim in figure.kdims
        }
        free = [name for name, values in self.dims.items() if not values]
        if free or (dynamic and any(stream.contents for stream in figure.streams)):
            raise InvalidInput(
                f"figure is a {type(figure).__name__} that follows {', '.join(free) or 'a stream'}; only sliders with "
                "values can be drawn: give them with figure.redim.values(...)"
            )

    def __call__(self, *values: Any) -> Any:
        """Return the figure at these values of the sliders."""
        return self.figure[values] if values else self.figure[()]

    def first(self) -> dict[str, Any]:
        """Return the values that are shown at first."""
        told = {dim.name: dim.default for dim in self.figure.kdims}
        return {name: told[name] if told[name] in values else values[0] for name, values in self.dims.items()}


class LiveFrames:
    """A map of holoviews drawn once with Bokeh, and what each of its states sets there; as `lmdata.view.scene.Live`.

    Parameters
    ----------
    frames : Frames
    values : mapping
        Values of the sliders shown at first.

    Attributes
    ----------
    root : bokeh figure
    """

    def __init__(self, frames: Frames, values: Mapping[str, Any]) -> None:
        self.dims = frames.dims
        self._first = tuple(values.values())
        self._plot = hv.renderer("bokeh").get_plot(dressed(frames.figure))
        self._plot.update(self._first)
        self.root = self._plot.state
        self._sources = list(self.root.select({"type": ColumnDataSource}))

    def all(self) -> Iterator[list[tuple[Any, str, Any]]]:
        """Yield what every state sets, the last slider running fastest; the first is shown again at the end."""
        for values in itertools.product(*self.dims.values()):
            self._plot.update(values)
            yield self._parts()
        self._plot.update(self._first)

    def _parts(self) -> list[tuple[Any, str, Any]]:
        root = self.root
        parts: list[tuple[Any, str, Any]] = [(root.title, "text", root.title.text)]
        for axis, extent in ((root.xaxis[0], root.x_range), (root.yaxis[0], root.y_range)):
            parts += [(axis, "axis_label", axis.axis_label), (extent, "limits", [extent.start, extent.end])]
        for source in self._sources:
            parts += [(source, name, _listed(column)) for name, column in source.data.items()]
        return parts


def _listed(value: Any) -> Any:
    """Return a column as lists all the way down."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype != object else [_listed(item) for item in value]
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def thinned(figures: Sequence[Any], most: int) -> tuple[list[Any], dict[str, tuple[int, int]]]:
    """Return figures whose sliders together have at most so many states, and of each slider that was thinned how far.

    The longest slider is thinned first, evenly; its ends stay.

    Returns
    -------
    figures : list
    kept : dict
        Name -> (values kept, values there were).
    """
    every = {name: values for states in map(states_of, figures) if states for name, values in states.dims.items()}
    kept = {name: list(values) for name, values in every.items()}
    while np.prod([len(values) for values in kept.values()], dtype=np.float64) > most:
        name = max(kept, key=lambda name: len(kept[name]))
        count = len(kept[name])
        places = np.unique(np.linspace(0, count - 1, max(1, int(count * 0.8))).round().astype(int))
        kept[name] = [kept[name][place] for place in places]
    if kept == every:
        return list(figures), {}
    return (
        [_with_values(figure, kept) for figure in figures],
        {name: (len(kept[name]), len(every[name])) for name in every if len(kept[name]) < len(every[name])},
    )


def _with_values(figure: Any, kept: Mapping[str, list[Any]]) -> Any:
    states = states_of(figure)
    if states is None:
        return figure
    if isinstance(states, Scenes):
        return states.within(kept).figure()
    own = {name: values for name, values in kept.items() if name in states.dims}
    return figure.redim.values(**own) if isinstance(figure, hv.DynamicMap) else figure.select(**own)
