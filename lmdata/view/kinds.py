"""Figures by name, each at one setting of its sliders: what a command draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray

from lmdata.errors import InvalidInput, UnknownName
from lmdata.view.atlas import limits_along, sensitivity_bands
from lmdata.view.naming import number
from lmdata.view.occupancy import occupancy
from lmdata.view.quiescent import quiescent_raster
from lmdata.view.scene import scenes_of
from lmdata.view.selection import correlation, mass, paths
from lmdata.view.shares import sensitivity_shares
from lmdata.view.theme import Width
from lmdata.view.trajectories import trajectories
from lmdata.view.volume import volume_decay
from lmdata.view.words import words

FIGURES: dict[str, Any] = {
    function.__name__: function
    for function in (
        *(trajectories, volume_decay, occupancy, quiescent_raster, words),
        *(sensitivity_bands, sensitivity_shares, limits_along),
        *(paths, correlation, mass),
    )
}
"""Functions that draw a dataset, by their names."""

SHOWN = 12
"""Values of a slider that a message names."""


def figure_of(
    ds: xarray.Dataset,
    kind: str,
    at: Mapping[str, str],
    *,
    moving: bool = False,
    whole: bool = False,
    width: Width | None = None,
    title: str | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Return a figure of a dataset at one setting of its sliders, and that setting.

    Parameters
    ----------
    ds : Dataset
    kind : str
        One of `FIGURES`.
    at : mapping
        Slider -> its value as text. Others stand where the figure begins, the time at its end.
    moving : bool
        Leave one slider: the time, or else the one with most values.
    whole : bool
        Leave all sliders that ``at`` does not name.
    width, title
        As for `trajectories`.

    Raises
    ------
    UnknownName, InvalidInput
        If there is no such kind, slider or value, or the dataset has not what is drawn.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5, seeds=(0, 7))
    >>> figure_of(ds, "trajectories", {"seed": "7"})[1]
    {'seed': 7, 'time': 5}
    """
    if kind not in FIGURES:
        raise UnknownName.among("figure", kind, FIGURES)
    figure = FIGURES[kind](ds, width=width, title=title)
    scenes = scenes_of(figure)
    dims: Mapping[str, Sequence[Any]] = {} if scenes is None else scenes.dims
    for name in at:
        if name not in dims:
            raise UnknownName.among(f"slider of {kind}", name, dims)
    setting = {name: _value(name, text, dims[name]) for name, text in at.items()}
    if scenes is None or whole:
        return (figure if scenes is None else scenes.fixed(setting).figure()), setting
    free = [name for name in dims if name not in setting]
    left = {"time" if "time" in free else max(free, key=lambda name: len(dims[name]))} if moving and free else set()
    ends = {"time": dims["time"][-1]} if "time" in dims else {}
    begun = scenes.first() | ends
    setting |= {name: begun[name] for name in free if name not in left}
    return scenes.fixed(setting).figure(), {name: setting[name] for name in dims if name in setting}


def _value(name: str, text: str, values: Sequence[Any]) -> Any:
    """Return the value that a text means."""
    for value in values:
        if text in (str(value), number(value) if isinstance(value, int | float) else ""):
            return value
        if isinstance(value, int | float) and _number(text) == value:
            return value
    told = ", ".join(map(str, values[:SHOWN])) + (f", ..., {values[-1]}" if len(values) > SHOWN else "")
    raise InvalidInput(f"{name}={text!r} is not drawn; it has the values {told}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
