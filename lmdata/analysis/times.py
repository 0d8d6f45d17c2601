"""When something comes to stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def lasts_from(condition: NDArray[np.bool_], time: NDArray[np.floating | np.integer]) -> NDArray[np.float64]:
    """Return the first time from which on a condition holds to the end; NaN where it does not hold at the end.

    Parameters
    ----------
    condition : (..., t)
    time : (t,)

    Returns
    -------
    (...)

    Examples
    --------
    >>> lasts_from(np.array([[True, False, True, True], [True, True, True, False]]), np.array([0, 2, 4, 5]))
    array([ 4., nan])
    """
    last = np.flip(np.logical_and.accumulate(np.flip(condition, -1), axis=-1), -1)
    return np.where(last[..., -1], np.asarray(time, np.float64)[last.argmax(axis=-1)], np.nan)
