"""Frames of reference of hidden states: as they are, as directions on the sphere, or layer-normed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput, UnknownName

Frame = Literal["raw", "sphere", "layernorm"]
FRAMES = ("raw", "sphere", "layernorm")


def framed(states: NDArray[np.floating], frame: Frame) -> NDArray[np.floating]:
    r"""Return states (..., d) in a frame of reference, computed in float64; ``"raw"`` as they are.

    .. math:: x / |x| \quad\text{(sphere)}, \qquad
              (x - \bar x) \Big/ \sqrt{\tfrac1d \sum_c (x_c - \bar x)^2} \quad\text{(layernorm)}

    with the mean over the components; no epsilon is added, and no trained gain and bias are applied.

    Parameters
    ----------
    states : (..., d)
        NaN where there is no token, which stays.
    frame : {"raw", "sphere", "layernorm"}

    Raises
    ------
    UnknownName
        If there is no such frame.
    InvalidInput
        If a state has no direction: it is zero, or under ``"layernorm"`` all its components are equal.

    Examples
    --------
    >>> framed(np.array([[3.0, 4.0], [0.0, 2.0]]), "sphere").tolist()
    [[0.6, 0.8], [0.0, 1.0]]
    >>> framed(np.array([[1.0, 3.0]]), "layernorm").tolist()
    [[-1.0, 1.0]]
    """
    if frame not in FRAMES:
        raise UnknownName.among("frame", str(frame), FRAMES)
    if frame == "raw":
        return states
    wide = states.astype(np.float64)
    scale = np.abs(wide).max(axis=-1, keepdims=True)  # squares of what is far from 1 would not do
    if frame == "layernorm":
        wide = wide - wide.mean(axis=-1, keepdims=True)
    none = (wide == 0).all(axis=-1)
    if none.any():
        raise InvalidInput(
            f"position{np.argwhere(none)[0].tolist()} has no direction for frame={frame!r}: "
            f"{'all its components are equal' if frame == 'layernorm' else 'it is zero'}; leave such tokens out "
            "(without=...), or take frame='raw'"
        )
    wide = wide / scale
    mean = np.mean if frame == "layernorm" else np.sum
    return np.asarray(wide / np.sqrt(mean(wide**2, axis=-1, keepdims=True)))
