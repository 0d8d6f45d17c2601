"""Arrays of others on the one grid of a dataset: runs first, then frames, tokens and components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.errors import InvalidInput

FRAMES = ("layer", "time")
NARROW = ("float16", "bfloat16", "float32")
"""Types that are stored as float32, which holds each of their numbers."""


@dataclass(frozen=True, eq=False)
class States:
    """Positions on the grid of their runs.

    Parameters
    ----------
    values : (runs..., frame, token, component)
        float32 or float64; NaN where a list has no token.
    swept, seeds
        The runs, as of a layout.
    time, labels
        Frames and tokens as a DataArray calls them; None without.
    unit
        ``layer`` or ``time``.
    original
        Name of the type in which they were given.
    lengths
        Tokens of each run of a list; None of an array.
    runs
        Names of the dimensions of runs that were given; none for a single run.
    """

    values: NDArray[np.floating]
    swept: Mapping[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    time: Any
    labels: Any
    unit: str
    original: str
    lengths: tuple[int, ...] | None
    runs: tuple[str, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of the runs."""
        return self.values.shape[:-3]

    @property
    def tokens(self) -> int:
        """Tokens of a run, padding among them."""
        return int(self.values.shape[-2])

    def of_tokens(self, kept: NDArray[np.intp]) -> Self:
        """Return the states of some tokens."""
        return replace(self, values=self.values[..., kept, :])

    def with_absent(self, there: NDArray[np.bool_] | None) -> NDArray[np.floating]:
        """Return the positions with NaN where there is no token.

        Raises
        ------
        InvalidInput
            If a number of a token that is there is not finite.
        """
        values = self.values
        if there is not None and not there.all():
            values = np.where(there[..., None, :, None], values, values.dtype.type(np.nan))
        whole = there if there is not None else np.ones((*self.grid, self.tokens), np.bool_)
        refuse_first("position", values, ~np.isfinite(values) & whole[..., None, :, None])
        return values


def as_states(position: Any, dims: Sequence[str] | None, default: Sequence[str]) -> States:
    """Return positions on the grid of their runs; see `lmdata.from_trajectory` for what may be given.

    Raises
    ------
    InvalidInput
        If they are no real numbers, or do not have these dimensions.

    Examples
    --------
    >>> states = as_states(np.ones((2, 7, 3, 8)), None, ("layer", "token", "component"))
    >>> states.grid, states.seeds, states.unit
    ((2,), (0, 1), 'layer')
    """
    lengths = None
    coords: Mapping[Any, Any] = {}
    if _is_list(position, len(dims or default)):
        inner = tuple(dims or default)
        parts = [_ordered(real(one, f"position[{i}]"), inner, f"position[{i}]") for i, one in enumerate(position)]
        values, lengths = padded(parts, "position", axes=(1,))
        names: tuple[str, ...] = ("run", *_order(inner))
    elif isinstance(position, xr.DataArray):
        names, coords = tuple(map(str, dims or position.dims)), position.coords
        values = real(position.values, "position")
    else:
        values = real(position, "position")
        names = tuple(dims or default)
        if values.ndim == len(names) + 1 and "run" not in names:
            names = ("run", *names)
    original = values.dtype.name if lengths is None else parts[0].dtype.name
    if lengths is None:
        values, names = _ordered(values, names, "position"), _order(names)
    runs = names[:-3]
    if 0 in values.shape:
        raise InvalidInput(f"position has shape {values.shape}; there is at least one run, frame, token and component")
    columns = [_column(coords, name, values.shape[axis]) for axis, name in enumerate(runs)]
    return States(
        values=(values if runs else values[None]).astype(np.float32 if original in NARROW else np.float64),
        swept={name: tuple(map(float, column)) for name, column in zip(runs[:-1], columns, strict=False)},
        seeds=_seeds(columns[-1]) if runs else (0,),
        time=_labels(coords, names[-3]),
        labels=_labels(coords, "token"),
        unit=names[-3],
        original=original,
        lengths=lengths,
        runs=runs,
    )


def on_one_grid(attention: Any, states: States) -> NDArray[np.floating]:
    """Return attention weights (runs..., frame, head, token, key) as they belong to positions.

    Raises
    ------
    InvalidInput
        If they are no real numbers, or of another shape.
    """
    t, n = states.values.shape[-3:-1]
    if isinstance(attention, xr.DataArray):
        order = (*states.runs, states.unit, "head", "token", "key")
        if set(attention.dims) != set(order):
            raise InvalidInput(f"attention has the dimensions {attention.dims}; those of position ask for {order}")
        attention = attention.transpose(*order).values
    if states.lengths is not None and _is_list(attention, 4):
        values, lengths = padded([real(a, f"attention[{i}]") for i, a in enumerate(attention)], "attention", (2, 3))
        if lengths != states.lengths:
            raise InvalidInput(f"by run, attention is of so many tokens: {lengths}, and position of {states.lengths}")
    else:
        values = real(attention, "attention")
    if values.ndim == 4 and not states.runs:
        values = values[None]
    grid = states.grid
    heads = values.shape[-3] if values.ndim > 3 else 0
    frames = values.shape[-4] if values.ndim > 3 else 0
    if values.shape != (*grid, frames, heads, n, n) or frames not in (t, t - 1) or heads == 0:
        raise InvalidInput(
            f"attention has shape {values.shape}; positions of shape {states.values.shape} ask for "
            f"{(*grid, t, 'heads', n, n)}, or one frame fewer"
        )
    if frames < t:
        last = np.full((*grid, 1, heads, n, n), np.nan, values.dtype)
        values = np.concatenate([values, last], axis=-4)
    return values


def masked(weights: NDArray[np.floating], there: NDArray[np.bool_] | None) -> NDArray[np.floating]:
    """Return weights (runs..., frame, head, token, key) with NaN where the token or the key is absent.

    A frame that is NaN throughout, as the last one may be, has no attention.

    Raises
    ------
    InvalidInput
        If a weight between tokens that are there is not finite.
    """
    whole = np.ones((*weights.shape[:-4], weights.shape[-1]), np.bool_) if there is None else there
    pairs = whole[..., None, None, :, None] & whole[..., None, None, None, :]
    last = np.isnan(weights[..., -1:, :, :, :]).all()
    checked = weights[..., :-1, :, :, :] if last else weights
    refuse_first("attention", checked, ~np.isfinite(checked) & pairs)
    return np.where(pairs, weights, np.nan)


def real(values: Any, argument: str) -> NDArray[np.floating]:
    """Return an array of real numbers; bfloat16 as it is, or widened where its package is not there.

    Raises
    ------
    InvalidInput
        If it is none.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidInput(f"{argument} is a masked array; give the numbers, and what there is of them as `present`")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidInput(
            f"{argument} is no array of numbers ({error}); arrays of runs of different length are given "
            "as a list of arrays"
        ) from error
    if array.dtype.name != "bfloat16" and array.dtype.kind not in "fiu":
        raise InvalidInput(f"{argument} has dtype {array.dtype}; real numbers are needed")
    return array


def padded(
    parts: Sequence[NDArray[Any]], argument: str, axes: Sequence[int]
) -> tuple[NDArray[np.floating], tuple[int, ...]]:
    """Return arrays of runs as one, NaN where some are shorter along ``axes``, and how long each is there.

    Raises
    ------
    InvalidInput
        If they differ along another axis.

    Examples
    --------
    >>> whole, lengths = padded([np.ones((1, 2)), np.ones((1, 1))], "position", axes=(1,))
    >>> whole.tolist(), lengths
    ([[[1.0, 1.0]], [[1.0, nan]]], (2, 1))
    """
    fixed = {tuple(size for axis, size in enumerate(part.shape) if axis not in axes) for part in parts}
    if len(fixed) != 1 or len({part.ndim for part in parts}) != 1:
        raise InvalidInput(
            f"{argument} holds arrays of shapes {[part.shape for part in parts]!r:.200}; they may differ "
            "in the number of tokens alone"
        )
    for i, part in enumerate(parts):
        if len({part.shape[axis] for axis in axes}) > 1:
            raise InvalidInput(f"{argument}[{i}] has shape {part.shape}; tokens and keys are as many")
    lengths = tuple(part.shape[axes[0]] for part in parts)
    shape = tuple(max(lengths) if axis in axes else size for axis, size in enumerate(parts[0].shape))
    types = [np.float32 if part.dtype.name in NARROW else np.float64 for part in parts]
    whole = np.full((len(parts), *shape), np.nan, np.result_type(*types))
    for row, part in enumerate(parts):
        whole[row][tuple(slice(0, size) for size in part.shape)] = part
    return whole, lengths


def refuse_first(argument: str, values: NDArray[Any], wrong: NDArray[np.bool_]) -> None:
    """Refuse the first number that is wrong, naming its place.

    Raises
    ------
    InvalidInput
        If there is one.
    """
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise InvalidInput(
            f"{argument}{place} is {values[tuple(place)]}; numbers of tokens that are there are finite: "
            "say with `present` which tokens a run has, or leave the run or the frame out"
        )


def _is_list(values: Any, ndim: int) -> bool:
    return isinstance(values, list | tuple) and len(values) > 0 and all(np.ndim(one) == ndim for one in values[:1])


def _order(names: Sequence[str]) -> tuple[str, ...]:
    (frame,) = (name for name in names if name in FRAMES)
    runs = [name for name in names if name not in (*FRAMES, "token", "component")]
    return (*runs, frame, "token", "component")


def _ordered(values: NDArray[Any], names: Sequence[str], argument: str) -> NDArray[Any]:
    """Return an array with its dimensions in the order of the grid."""
    needed = "token, component, one of layer and time, and perhaps runs before them, each once"
    frames = sum(name in FRAMES for name in names)
    if frames != 1 or not {"token", "component"} <= set(names) or len(set(names)) != len(names):
        raise InvalidInput(f"dims are {tuple(names)}; needed are {needed}")
    if values.ndim != len(names):
        raise InvalidInput(f"{argument} has shape {values.shape}, and dims are {tuple(names)}: {needed}")
    return values.transpose([names.index(name) for name in _order(names)])


def _column(coords: Mapping[Any, Any], name: str, size: int) -> list[Any]:
    labels = _labels(coords, name)
    numbers = labels is not None and np.asarray(labels).dtype.kind in "fiu"
    return np.asarray(labels).tolist() if numbers else list(range(size))


def _seeds(column: list[Any]) -> tuple[int, ...]:
    """Return the numbers of the runs: labels that are whole numbers from 0 on, else 0, 1, ..."""
    whole = all(isinstance(value, int) and value >= 0 for value in column) and len(set(column)) == len(column)
    return tuple(column) if whole else tuple(range(len(column)))


def _labels(coords: Mapping[Any, Any], name: str) -> Any:
    return coords[name].values if name in coords and coords[name].dims == (name,) else None
