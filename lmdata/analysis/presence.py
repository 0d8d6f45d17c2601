"""Which states hold tokens: all of their tokens are there, or none is; one that is missing is never measured round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.wording import counted


def present(position: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which states (..., n, d) hold tokens: one that is absent is NaN throughout.

    States that `check_presence` has passed are told by their first number.

    Examples
    --------
    >>> present(np.array([[[1.0, 2.0]], [[np.nan, np.nan]]])).tolist()
    [True, False]
    """
    return ~np.isnan(position[..., 0, 0])


def check_presence(position: NDArray[np.floating], measure: str, *, whole: bool) -> None:
    """Check that every state (..., n, d) is finite, or NaN throughout; with ``whole`` every member (..., t, n, d).

    Raises
    ------
    InvalidInput
        If a token is NaN or infinite beside others that are not, or a frame of a member beside others.

    Examples
    --------
    >>> check_presence(np.array([[[1.0, 2.0], [np.nan, np.nan]]]), "hull_volume", whole=False)
    Traceback (most recent call last):
    lmdata.errors.InvalidInput: hull_volume: in 1 of 1 state tokens are NaN or infinite beside others that are not...
    """
    if position.size == 0:
        return
    finite = np.isfinite(position).all(axis=(-2, -1))
    absent = np.isnan(position).all(axis=(-2, -1)) if not finite.all() else np.zeros_like(finite)
    wrong = ~(finite | absent)
    if wrong.any():
        raise InvalidInput(
            f"{measure}: in {int(wrong.sum())} of {counted(wrong.size, 'state')} tokens are NaN or infinite beside "
            "others that are not, and no number is right for those: leave such tokens out (ds.isel(token=[...])), "
            "such frames (ds.isel(time=[...])) or such members; a member that is NaN throughout counts as absent"
        )
    if whole:
        check_frames(finite, measure)


def check_frames(present: NDArray[np.bool_], measure: str) -> None:
    """Check that all frames of a member are present (..., t), or none.

    Raises
    ------
    InvalidInput
        If a frame is absent beside others that are not.

    Examples
    --------
    >>> check_frames(np.array([[True, True], [False, False]]), "metastability")
    """
    mixed = present.any(axis=-1) & ~present.all(axis=-1)
    if mixed.any():
        raise InvalidInput(
            f"{measure}: in {int(mixed.sum())} of {counted(mixed.size, 'member')} some frames are NaN throughout "
            "and others not, and it follows a member over time: select the frames that are there (ds.isel(time=[...]), "
            "or ds.dropna('time') for one member)"
        )


def on_whole_states(
    *arrays: NDArray[Any], function: Callable[..., Any], core: Sequence[Sequence[str]], measure: str, **parameters: Any
) -> Any:
    """Apply a function to arrays of a block, once those that hold tokens have passed `check_presence`."""
    for array, dims in zip(arrays, core, strict=True):
        if array.dtype.kind == "f" and list(dims)[-2:] == ["token", "component"]:
            check_presence(array, measure, whole="time" in dims)
    return function(*arrays, **parameters)
