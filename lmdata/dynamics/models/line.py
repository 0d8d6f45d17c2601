"""Neighbours within a distance on a line, where they are those between two places: sorting instead of all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmdata.dynamics.kernels.canonical import split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def line_pulls(state: Array, radius: Array) -> Array:
    """Return the displacement of each token to the mean of those within a distance, (m, n, 1).

    The bits of `lmdata.dynamics.models.neighbourhoods.pulls` over `close_neighbours`, in O(n log n) instead of O(n^2):
    rounded differences grow with the distance on either side, so that neighbours are contiguous in sorted order, and
    sums of the two parts of `split` are exact, so that differences of running sums are sums.

    Parameters
    ----------
    state : array (m, n, 1)
    radius : array (m,)
        Of each member.

    Examples
    --------
    >>> line_pulls(np.array([[[3.0], [0.0], [1.0]]]), np.ones(1))[0, :, 0]
    array([ 0. ,  0.5, -0.5])
    """
    high, low = split(state)
    found = np.empty_like(state)
    for member, reach in enumerate(radius):
        order = np.argsort(state[member, :, 0], kind="stable")
        first, last = window(state[member, order, 0], float(reach))
        count = (last - first).astype(np.float64)
        parts = []
        for part in (high[member, order, 0], low[member, order, 0]):
            running = np.concatenate([[0.0], np.cumsum(part)])
            parts.append((running[last] - running[first]) - count * part)
        found[member, order, 0] = (parts[0] + parts[1]) / count
    return found


def window(line: Array, radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the neighbours of each of the sorted tokens (n,) begin and end, as `close_neighbours` decides.

    Examples
    --------
    >>> [places.tolist() for places in window(np.array([0.0, 1.0, 3.0]), 1.0)]
    [[0, 0, 2], [2, 2, 3]]
    """
    n = line.size
    first, last = np.searchsorted(line, line - radius, "left"), np.searchsorted(line, line + radius, "right")

    def close(place: NDArray[np.int64]) -> NDArray[np.bool_]:
        difference = line - line[place]
        return np.asarray(np.sqrt(difference * difference) <= radius)

    own = np.arange(n)
    first, last = np.minimum(first, own), np.maximum(last, own + 1)
    # bounds rounded another way than differences are: put right by whole groups of coincident tokens
    while (short := (first > 0) & close(np.maximum(first - 1, 0))).any():
        first = np.where(short, np.searchsorted(line, line[np.maximum(first - 1, 0)], "left"), first)
    while (far := ~close(first)).any():
        first = np.where(far, np.searchsorted(line, line[first], "right"), first)
    while (short := (last < n) & close(np.minimum(last, n - 1))).any():
        last = np.where(short, np.searchsorted(line, line[np.minimum(last, n - 1)], "right"), last)
    while (far := ~close(last - 1)).any():
        last = np.where(far, np.searchsorted(line, line[last - 1], "left"), last)
    return first, last
