"""Runs that have fewer tokens than others of their dataset: each is measured as if it stood alone, without padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.presence import on_whole_states

BY_TOKEN = ("token", "key")
"""Dimensions with a place for each token of the dataset, in its order."""
PLACES = ("vertex",)
"""Dimensions with as many places as tokens, the first of which are filled."""


def on_own_tokens(
    *arrays: NDArray[Any],
    function: Callable[..., Any],
    core: Sequence[Sequence[str]],
    made: Sequence[Sequence[str]],
    sizes: Mapping[str, int],
    dtypes: Sequence[np.dtype[Any]],
    measure: str,
    **parameters: Any,
) -> Any:
    """Apply a function to the tokens that each run has, all runs of the same tokens at once.

    Parameters
    ----------
    arrays
        As for `lmdata.analysis.presence.on_whole_states`, and last which tokens there are, (..., token) bool.
    function, core, measure, parameters
        As there; ``core`` without the last array's.
    made
        Core dimensions of each result.
    sizes
        Of the dimensions of results, padding among them.
    dtypes
        Of the results.

    Returns
    -------
    One array a result, which holds NaN, -1 or False where a run has no token.

    Examples
    --------
    >>> position = np.array([[[1.0], [2.0]], [[5.0], [np.nan]]])
    >>> there = np.array([[True, True], [True, False]])
    >>> on_own_tokens(position, there, function=lambda x: (x.mean(axis=(-2, -1)), x[..., 0]), measure="an example",
    ...               core=[("token", "component")], made=[(), ("token",)], sizes={"token": 2},
    ...               dtypes=[np.dtype("f8")] * 2)
    (array([1.5, 5. ]), array([[ 1.,  2.],
           [ 5., nan]]))
    """
    *given, there = arrays
    outer = [array.shape[: array.ndim - len(dims)] for array, dims in zip(given, core, strict=True)]
    loop = np.broadcast_shapes(*outer, there.shape[:-1])
    whose = np.broadcast_to(there, (*loop, there.shape[-1])).reshape(-1, there.shape[-1])
    results = [
        np.full((len(whose), *(sizes[dim] for dim in dims)), _FILLS[dtype.kind], dtype)
        for dims, dtype in zip(made, dtypes, strict=True)
    ]
    masks, number = np.unique(whose, axis=0, return_inverse=True)
    for i, mask in enumerate(masks):
        own = np.flatnonzero(mask)
        if len(own) == 0:
            continue
        rows = np.flatnonzero(number.ravel() == i)
        parts = [_part(*each, loop, rows, own) for each in zip(given, core, outer, strict=True)]
        found = on_whole_states(*parts, function=function, core=core, measure=measure, **parameters)
        for result, values, dims in zip(results, found if len(made) > 1 else (found,), made, strict=True):
            places = [
                own if dim in BY_TOKEN else np.arange(size) for dim, size in zip(dims, values.shape[1:], strict=True)
            ]
            result[np.ix_(rows, *places)] = values
    shaped = [result.reshape(*loop, *result.shape[1:]) for result in results]
    return tuple(shaped) if len(shaped) > 1 else shaped[0]


_FILLS = {"f": np.nan, "i": -1, "u": 0, "b": False}


def _part(
    array: NDArray[Any],
    core: Sequence[str],
    outer: tuple[int, ...],
    loop: tuple[int, ...],
    rows: NDArray[np.intp],
    own: NDArray[np.intp],
) -> NDArray[Any]:
    """Return the rows of an array, and of its core dimensions the run's own tokens and places."""
    if outer:
        inner = array.shape[len(outer) :]
        array = np.broadcast_to(array, (*loop, *inner)).reshape(-1, *inner)[rows]
    for axis, dim in enumerate(reversed(core), start=1):
        if dim in BY_TOKEN:
            array = np.take(array, own, axis=-axis)
        elif dim in PLACES:
            array = np.take(array, np.arange(len(own)), axis=-axis)
    return array
