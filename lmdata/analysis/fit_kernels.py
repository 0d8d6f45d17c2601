"""Compiled search for the stretch of a curve that decays at a constant rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled

STRAIGHT = 0.02
"""A stretch counts as log-linear if the logarithms lie within this root mean square of their fitted line."""

FEWEST = 4
"""Points that a stretch needs at least."""


@compiled()
def decay_rate(time: NDArray[np.float64], values: NDArray[np.float64], floor: float) -> float:
    """Return the factor per unit of time by which positive values decay, where they do so log-linearly.

    A least-squares line is fitted to the logarithms over the longest stretch of consecutive points that lie
    within `STRAIGHT` of it; of several such stretches the latest counts. NaN if no stretch has `FEWEST`
    points.

    Parameters
    ----------
    time, values : (t,)
        Points with a value that is NaN or not above ``floor`` end a stretch.
    floor
        Below it, values are rounding.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(12.0)
    >>> round(decay_rate(time, np.where(time < 3, 7.0 - time, 8 * 0.5**time), 1e-9), 12)
    0.5
    """
    n = time.size
    best, rate = FEWEST - 1, np.nan
    for start in range(n):
        mean_x = mean_y = xx = xy = yy = 0.0
        for count in range(1, n - start + 1):
            k = start + count - 1
            if not values[k] > floor:
                break
            x, y = time[k], np.log(values[k])
            dx, dy = x - mean_x, y - mean_y
            mean_x += dx / count
            mean_y += dy / count
            xx += dx * (x - mean_x)
            xy += dx * (y - mean_y)
            yy += dy * (y - mean_y)
            if count >= max(best, FEWEST) and yy * xx - xy * xy <= STRAIGHT**2 * count * xx:
                best, rate = count, np.exp(xy / xx)
    return rate
