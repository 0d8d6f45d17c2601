"""The loop over frames: steps until the last one asked for, or until a fixed point has been reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def drive(
    step: Callable[[int], bool], record: Callable[[int], None], keep: Sequence[int], sensitivity: NDArray[np.float64]
) -> None:
    """Make the steps that lead to the frames asked for, and record each.

    A state that equals its successor is a fixed point while the sensitivities stay what they are: the steps that remain
    would change nothing, and are not computed. The kernels that have all steps inside them (`fused` on the processor
    and on a GPU) have this loop compiled in.

    Parameters
    ----------
    step : function
        ``step(t)`` makes the step from t to t + 1 and returns whether anything has moved.
    record : function
        ``record(frame)`` takes the present state as a frame.
    keep : sequence of int
        Ascending numbers of steps after which there is a frame; 0 is the state at the beginning.
    sensitivity : ndarray (..., s)
        The sensitivity of each step; leading axes are members that step together.

    Examples
    --------
    >>> made, frames = [], []
    >>> drive(lambda t: made.append(t) or t < 2, frames.append, (0, 5, 9), np.zeros(9))
    >>> made, frames
    ([0, 1, 2], [0, 1, 2])
    """
    now, moving, steady = 0, True, steady_from(sensitivity)
    for frame, offset in enumerate(keep):
        while now < offset and moving:
            moving = step(now) or now < steady
            now += 1
        record(frame)


def steady_from(sensitivity: NDArray[np.float64]) -> int:
    """Return the first step from which on no sensitivity (..., s) changes.

    Examples
    --------
    >>> steady_from(np.array([0.5, 0.1, 0.1])), steady_from(np.array([[0.5, 0.5], [0.2, 0.1]]))
    (1, 1)
    """
    members = tuple(range(sensitivity.ndim - 1))
    changes = np.flatnonzero((sensitivity[..., 1:] != sensitivity[..., :-1]).any(axis=members))
    return int(changes[-1]) + 1 if changes.size else 0
