"""Clusters of tokens and the vertices of their convex hull: arrays of one state in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled


@compiled()
def clusters(tokens: NDArray[np.float64], reach: float) -> NDArray[np.int64]:
    """Return the cluster of each token: connected components of the pairs at most ``reach`` apart.

    Parameters
    ----------
    tokens : (n, d)
    reach
        Euclidean distance up to which two tokens are linked; 0 links tokens that coincide.

    Returns
    -------
    (n,) of int
        Numbers count from 0 in the order of the clusters' first tokens.

    Examples
    --------
    >>> import numpy as np
    >>> clusters(np.array([[0.0], [5.0], [0.9], [1.8], [5.5]]), 1.0).tolist()
    [0, 1, 0, 0, 1]
    """
    n, d = tokens.shape
    cluster = np.full(n, -1)
    waiting = np.arange(n)  # tokens of no cluster yet, ascending
    left = n
    members = np.empty(n, np.int64)
    count = 0
    while left > 0:
        members[0] = waiting[0]
        cluster[waiting[0]] = count
        waiting[: left - 1] = waiting[1:left].copy()
        left -= 1
        found, done = 1, 0
        while done < found:
            i = members[done]
            done += 1
            kept = 0
            for k in range(left):
                j = waiting[k]
                square = 0.0
                for c in range(d):
                    square += (tokens[i, c] - tokens[j, c]) ** 2
                if square <= reach * reach:
                    cluster[j] = count
                    members[found] = j
                    found += 1
                else:
                    waiting[kept] = j
                    kept += 1
            left = kept
        count += 1
    return cluster


def centres(tokens: NDArray[np.float64], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean position of each cluster, (clusters, d); exact where the tokens of a cluster coincide.

    Examples
    --------
    >>> import numpy as np
    >>> centres(np.array([[0.1, 0.2], [1.0, 3.0], [0.1, 0.2], [2.0, 5.0]]), np.array([0, 1, 0, 1]))
    array([[0.1, 0.2],
           [1.5, 4. ]])
    """
    _, first, size = np.unique(cluster, return_index=True, return_counts=True)
    shift = np.zeros((first.size, tokens.shape[1]))
    np.add.at(shift, cluster, tokens - tokens[first][cluster])
    return np.asarray(tokens[first] + shift / size[:, None])


def polytope_vertices(points: NDArray[np.float64], *, tolerance: float) -> NDArray[np.int64]:
    """Return the indices of the vertices of the convex hull of distinct points, in any dimension.

    A point is a vertex if it lies farther from the hull of the others than ``tolerance`` times its distance
    to the nearest of them: what is off an edge by less than that is no vertex, while thousands of points on a
    circle all are. The distance is found by non-negative least squares (Lawson & Hanson 1974): with w the
    point, v_j the others and s = max |v_j - w|, the least value of

        |sum_j x_j (v_j - w) / s|^2 + (sum_j x_j - 1)^2        over x >= 0

    is q^2 / (1 + q^2), where q s is the distance of w from the hull of the v_j.

    Parameters
    ----------
    points : (m, d)
        Distinct, m >= 1; the hull may be flat, and d may be 1.
    tolerance
        Relative, dimensionless.

    Returns
    -------
    (k,) of int
        In the order of `ring`: stable where the points move a little.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[1.0, 1.0], [0.5, 1e-9], [0.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    >>> polytope_vertices(points, tolerance=1e-4).tolist()
    [2, 3, 0]
    """
    found = [i for i in range(len(points)) if _sticks_out(points, i, tolerance)]
    return ring(points, np.array(found, np.int64), tolerance=tolerance)


def _sticks_out(points: NDArray[np.float64], i: int, tolerance: float) -> bool:
    offset = np.delete(points, i, axis=0) - points[i]
    if len(offset) == 0:
        return True
    distance = np.sqrt((offset**2).sum(axis=1))
    if points.shape[1] == 1:
        return bool(np.all(offset > 0.0) or np.all(offset < 0.0))
    from scipy.optimize import nnls

    farthest = distance.max()
    system = np.vstack([offset.T / farthest, np.ones(len(offset))])
    target = np.append(np.zeros(points.shape[1]), 1.0)
    _, residual = nnls(system, target, maxiter=100 * len(points) + 100)
    return bool(farthest * residual / np.sqrt(1.0 - residual**2) > tolerance * distance.min())


def ring(points: NDArray[np.float64], chosen: NDArray[np.int64], *, tolerance: float) -> NDArray[np.int64]:
    """Return the chosen vertices in an order that depends on their positions alone, not on token numbers.

    In the plane counter-clockwise, from the vertex of least first component; elsewhere by first, second, ...
    component. Components are compared in units of ``tolerance`` times the largest, so that rounding does not
    change the order.

    Examples
    --------
    >>> import numpy as np
    >>> square = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> ring(square, np.arange(4), tolerance=1e-4).tolist()
    [3, 2, 0, 1]
    """
    corner = points[chosen]
    unit = tolerance * np.abs(corner).max(initial=0.0)
    keys = np.rint(corner / unit) if unit > 0.0 else corner
    order = np.lexsort(keys.T[::-1])
    if points.shape[1] == 2 and len(chosen) > 2:
        arm = corner - corner.mean(axis=0)
        turn = np.arctan2(arm[:, 1], arm[:, 0])
        around = np.argsort(turn)
        order = np.roll(around, -int(np.flatnonzero(around == order[0])[0]))
    return chosen[order]
