"""Compiled sums over tokens and vertices, and over pairs of tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled


@compiled()
def shares_within(position: NDArray[np.float64], vertex: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return the share of the tokens within ``radius`` of each vertex, at every frame.

    A token within the radius of several vertices counts for the nearest, and for the first of equally near
    ones, so that the shares of a frame sum to at most 1.

    Parameters
    ----------
    position : (t, n, d)
    vertex : (v, d)
    radius
        Euclidean; the ball is closed.

    Returns
    -------
    (t, v)

    Examples
    --------
    >>> import numpy as np
    >>> shares_within(np.array([[[0.0], [0.4], [1.0], [5.0]]]), np.array([[0.0], [1.0]]), 1.0)
    array([[0.5 , 0.25]])
    """
    t, n, d = position.shape
    share = np.zeros((t, vertex.shape[0]))
    for frame in range(t):
        for i in range(n):
            nearest, least = -1, np.inf
            for v in range(vertex.shape[0]):
                square = 0.0
                for k in range(d):
                    square += (position[frame, i, k] - vertex[v, k]) ** 2
                if square <= radius * radius and square < least:
                    nearest, least = v, square
            if nearest >= 0:
                share[frame, nearest] += 1.0
    share /= n
    return share


@compiled()
def shares_aligned(
    position: NDArray[np.float64],
    aligned: NDArray[np.float64],
    vertex: NDArray[np.int64],
    sensitivity: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    """Return the share of the tokens in the quiescent region of each vertex, at every frame.

    A token x is in the region of v if <x, A v> exceeds <x, A w> by more than the sensitivity for every other
    limit point w. Regions are disjoint, so that the shares of a frame sum to at most 1.

    Parameters
    ----------
    position : (t, n, d)
    aligned : (c, d)
        A w of each limit point.
    vertex : (c,)
        Number of the vertex at each limit point, or -1.
    sensitivity : (t,)
    count
        Number of vertices.

    Returns
    -------
    (t, count)

    Examples
    --------
    >>> import numpy as np
    >>> shares_aligned(np.array([[[2.0], [0.1], [-3.0], [0.0]]]), np.array([[1.0], [-1.0]]), np.array([0, 1]),
    ...                np.array([0.5]), 2)
    array([[0.25, 0.25]])
    """
    t, n, d = position.shape
    share = np.zeros((t, count))
    for frame in range(t):
        for i in range(n):
            best, first, second = -1, -np.inf, -np.inf
            for c in range(vertex.size):
                score = 0.0
                for k in range(d):
                    score += position[frame, i, k] * aligned[c, k]
                if score > first:
                    best, first, second = c, score, first
                elif score > second:
                    second = score
            if vertex[best] >= 0 and first - second > sensitivity[frame]:
                share[frame, vertex[best]] += 1.0
    share /= n
    return share


@compiled()
def bounded_energy(position: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return the sum of min(|z_i - z_j|^2, radius^2) over all pairs of tokens, at every frame.

    Parameters
    ----------
    position : (t, n, d)
    radius
        Euclidean, at least 0.

    Returns
    -------
    (t,)

    Examples
    --------
    >>> import numpy as np
    >>> bounded_energy(np.array([[[0.0], [1.0], [9.0]]]), 2.0)
    array([9.])
    """
    t, n, d = position.shape
    energy = np.zeros(t)
    for frame in range(t):
        for i in range(n):
            row = 0.0
            for j in range(i):
                square = 0.0
                for k in range(d):
                    square += (position[frame, i, k] - position[frame, j, k]) ** 2
                row += min(square, radius * radius)
            energy[frame] += row
    return energy
