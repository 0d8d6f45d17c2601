"""Figures of `lmdata.selection`: paths beside max-margin directions, correlation, weight on the selected tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import oriented
from lmdata.selection import measures
from lmdata.selection.solved import solutions
from lmdata.view import naming, theme
from lmdata.view.plane import limits
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width
from lmdata.wording import counted

MOST_STARTS = 60
"""Starts that are drawn; of more, evenly chosen ones, and the title says so."""
EVERY = "every"
"""Value of a slider for the start that shows all of them."""
MOST_POINTS = 200
"""Iterations of a path that are drawn, evenly chosen."""
LEAST = 1e-12
"""Smaller distances from 1 are drawn here: below it rounding decides."""


def paths(
    ds: xarray.Dataset, found: xarray.Dataset | None = None, *, width: Width | None = None, title: str | None = None
) -> hv.Overlay | hv.DynamicMap:
    """Draw the paths of the prompt in a plane, from every start, with the directions of the max-margin solutions.

    The plane is that of the first two solutions' directions, or of the features where there are two. A path has the
    colour of the solution that wins; grey is none. Dashed rays are the solutions, circles the starts.

    Parameters
    ----------
    ds : Dataset
        Result of `lmdata.selection.train` in which the prompt is trained. Swept parameters and seeds get sliders.
    found : Dataset, optional
        Result of `lmdata.selection.solutions`; solved for if it is not given.
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.
    title : str, optional
        Instead of the first line above the figure; an empty one takes both lines away.

    Raises
    ------
    InvalidInput
        If the prompt is not trained, or has a single feature.

    Examples
    --------
    >>> import lmdata.view.selection
    >>> from lmdata import selection, view
    >>> ds = selection.train(selection.TokenSelection(), selection.construction("single-local"), steps=50)
    >>> type(view.selection.paths(ds)).__name__
    'Overlay'
    """
    if "prompt" not in ds or ds.sizes["feature"] < 2:
        raise InvalidInput(f"the run has no prompt of two or more features to draw; it has {', '.join(map(str, ds))}")
    return scenes(ds, found)["paths"].figure(width=width, title=title, of=ds)


def correlation(
    ds: xarray.Dataset, found: xarray.Dataset | None = None, *, width: Width | None = None, title: str | None = None
) -> hv.Overlay | hv.DynamicMap:
    """Draw how far each path is from the direction of the solution that wins: 1 - cosine by iteration, on logarithms.

    Parameters, errors and colours as for `paths`; for trained weights too. A path that no solution wins is
    compared with the first.

    Examples
    --------
    >>> import lmdata.view.selection
    >>> from lmdata import selection, view
    >>> ds = selection.train(selection.TokenSelection(), selection.construction("single-local"), steps=50)
    >>> type(view.selection.correlation(ds)).__name__
    'Overlay'
    """
    return scenes(ds, found)["correlation"].figure(width=width, title=title, of=ds)


def mass(
    ds: xarray.Dataset, found: xarray.Dataset | None = None, *, width: Width | None = None, title: str | None = None
) -> hv.Overlay | hv.DynamicMap:
    """Draw the softmax weight on the tokens of the solution that wins, mean over the samples, by iteration.

    Parameters, errors and colours as for `correlation`.

    Examples
    --------
    >>> import lmdata.view.selection
    >>> from lmdata import selection, view
    >>> ds = selection.train(selection.TokenSelection(), selection.construction("single-local"), steps=50)
    >>> type(view.selection.mass(ds)).__name__
    'Overlay'
    """
    return scenes(ds, found)["mass"].figure(width=width, title=title, of=ds)


def scenes(ds: xarray.Dataset, found: xarray.Dataset | None = None, **chosen: Sequence[Any]) -> dict[str, Scenes]:
    """Return the scenes of every figure that the run has, by name; further sliders, as ``start``, with their values.

    A slider for the start shows the run from that start alone.
    """
    solved = solutions(ds) if found is None else found
    drawn = {
        "correlation": _scenes(ds, solved, _correlation_scene, chosen, size=(420, 300), logy=True),
        "mass": _scenes(ds, solved, _mass_scene, chosen, size=(420, 300)),
    }
    if "prompt" in ds and ds.sizes["feature"] > 1:
        return {"paths": _scenes(ds, solved, _path_scene, chosen, size=(460, 460)), **drawn}
    return drawn


class _Runs:
    """The members of one scene: those of one seed at one point of the sweep, thinned for drawing."""

    def __init__(self, ds: xarray.Dataset, found: xarray.Dataset) -> None:
        starts, frames = ds.sizes["start"], ds.sizes["iteration"]
        chosen = np.unique(np.linspace(0, starts - 1, min(starts, MOST_STARTS)).astype(int))
        kept = np.unique(np.linspace(0, frames - 1, min(frames, MOST_POINTS)).astype(int))
        self.ds = ds.isel(start=chosen, iteration=kept).compute()
        self.found = found
        self.winner: NDArray[np.int64] = measures.winner(self.ds, found).values
        self.iteration = self.ds.iteration.values.astype(float)
        self.of = "" if len(chosen) == starts else f" ({len(chosen)} of {counted(starts, 'start')})"

    def title(self, subject: str) -> str:
        said = naming.settings(self.ds, without={"radius", "epsilon"})
        return f"{subject}{self.of}, {naming.dataset_name(self.ds)}\n{said}"

    def of_winner(self, measure: xarray.DataArray) -> NDArray[np.float64]:
        """Return a measure of the winning solution, (start, iteration)."""
        which = xarray.DataArray(np.maximum(self.winner, 0), dims="start")
        return measure.isel(solution=which).transpose("start", "iteration").values

    def segments(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Layer:
        """Return paths (start, iteration) as segments in the colour of the winner."""
        slot = np.broadcast_to(_slot(self.winner)[:, None], x[:, 1:].shape)
        columns = {"x": x[:, :-1], "y": y[:, :-1], "x1": x[:, 1:], "y1": y[:, 1:], "color": slot}
        there = np.isfinite(x[:, 1:] + y[:, 1:] + x[:, :-1] + y[:, :-1])
        return Layer("Segments", "Paths", {name: column[there] for name, column in columns.items()})


def _slot(winner: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(winner < len(theme.SLOTS), winner, -1)


def _scenes(
    ds: xarray.Dataset, solved: xarray.Dataset, draw: Any, chosen: dict[str, Sequence[Any]], *,
    size: tuple[int, int], **axes: Any,
) -> Scenes:  # fmt: skip
    free = [str(dim) for dim in ds.loss.dims if dim not in ("start", "iteration")]
    sliders = {name: ds[name].values.tolist() for name in free if ds.sizes[name] > 1}
    fixed = {name: ds[name].values[0] for name in free if ds.sizes[name] == 1}

    def make(**values: Any) -> Scene:
        point = {**fixed, **values}
        start = point.pop("start", EVERY)
        own = {name: value for name, value in point.items() if name in solved.dims}
        run = ds.sel(point)
        scene: Scene = draw(_Runs(run if start == EVERY else run.sel(start=[start]), solved.sel(own)))
        return scene

    return Scenes(make, sliders | chosen, lambda figure: _dress(figure, size, axes))


def _dress(figure: hv.Overlay, size: tuple[int, int], axes: dict[str, Any]) -> hv.Overlay:
    return theme.dress(
        figure,
        theme.style("Segments", "Solutions", color="color", line_width=1.6, line_dash="dashed", **theme.COLOURED),
        theme.style("Segments", "Paths", color="color", alpha=0.8, line_width=1.8, **theme.COLOURED),
        theme.style("Points", "Starts", color="color", size=7, line_color="white", **theme.COLOURED),
        theme.style("Labels", "Names", text_font_size="12px", text_color=theme.INK),
        size=size,
        **axes,
    )


def _path_scene(runs: _Runs) -> Scene:
    basis, labels = _plane(runs)
    path = runs.ds.prompt.transpose("start", "iteration", "feature").values @ basis
    x_limits, y_limits = limits(path[np.isfinite(path).all(axis=2)])
    rays = runs.found.direction.values @ basis
    shown = np.isfinite(rays).all(axis=1) & runs.found.locally_optimal.values & (np.linalg.norm(rays, axis=1) > 0)
    reach = 0.97 * np.array([x_limits, y_limits])
    ends = np.array([_until(ray, reach) for ray in rays[shown]]).reshape(-1, 2)
    numbers = np.flatnonzero(shown)
    zero = np.zeros(len(ends))
    names = [f"p_mm {number}" for number in numbers]
    layers = (
        Layer(
            "Segments", "Solutions", {"x": zero, "y": zero, "x1": ends[:, 0], "y1": ends[:, 1], "color": _slot(numbers)}
        ),
        runs.segments(path[..., 0], path[..., 1]),
        Layer("Points", "Starts", {"x": path[:, 0, 0], "y": path[:, 0, 1], "color": _slot(runs.winner)}),
        Layer("Labels", "Names", {"x": 0.9 * ends[:, 0], "y": 0.9 * ends[:, 1], "text": names}),
    )
    return Scene(runs.title("Paths of the prompt"), Axis(labels[0], x_limits), Axis(labels[1], y_limits), layers)


def _plane(runs: _Runs) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Return an orthonormal basis (feature, 2) of the plane to draw in, and what its axes are called."""
    d = runs.ds.sizes["feature"]
    directions = runs.found.direction.values
    spanned = directions[np.isfinite(directions).all(axis=1)]
    if d == 2 or not np.any(np.abs(spanned[:, 2:]) > 1e-6 * np.abs(spanned).max(initial=0.0)):
        return np.eye(d)[:, :2], ("feature 0 (dimensionless)", "feature 1 (dimensionless)")
    ends = runs.ds.prompt.isel(iteration=-1).fillna(0.0).values
    basis, _ = np.linalg.qr(np.concatenate([spanned[:2], ends]).T)
    along, across = basis[:, :1], basis[:, 1:2]
    basis = np.hstack([along if spanned[0] @ along > 0 else -along, oriented(across)])
    return basis, ("along p_mm 0 (dimensionless)", "across p_mm 0 (dimensionless)")


def _until(ray: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a ray from the origin meets the border of the figure, reach (axis, low and high)."""
    lengths = [(high if r > 0 else low) / r for r, (low, high) in zip(ray, reach, strict=True) if r != 0]
    return np.asarray(ray * max(0.0, min(lengths)))


def _correlation_scene(runs: _Runs) -> Scene:
    cosine = runs.of_winner(measures.direction_correlation(runs.ds, runs.found))
    at = np.broadcast_to(runs.iteration, cosine.shape)
    distance = np.maximum(1.0 - cosine, LEAST)
    low = float(np.nanmin(distance, initial=0.5))
    return Scene(
        runs.title("Turning to p_mm"),
        Axis("iteration (steps)", (0.0, max(1.0, float(runs.iteration[-1])))),
        Axis("1 - cosine with p_mm (dimensionless)", (low / 2, 2.0)),
        (runs.segments(at, distance),),
    )


def _mass_scene(runs: _Runs) -> Scene:
    mass = runs.of_winner(measures.selected_mass(runs.ds, runs.found).mean("sample"))
    at = np.broadcast_to(runs.iteration, mass.shape)
    return Scene(
        runs.title("Weight on the selected tokens"),
        Axis("iteration (steps)", (0.0, max(1.0, float(runs.iteration[-1])))),
        Axis("mean over the samples (dimensionless)", (0.0, 1.02)),
        (runs.segments(at, mass),),
    )
