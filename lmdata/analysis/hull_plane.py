"""Compiled convex hull in the plane: Andrew's monotone chain (1979) with an exact orientation predicate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.predicates import orient_plane
from lmdata.numerics.compiled import compiled

_RUN = 16  # runs of this length are sorted by insertion, then merged
_CERTAIN = 64.0 * 2.0**-53  # a determinant beyond this times the largest coordinate squared has the right sign


@compiled(inline=True)
def _before(points: NDArray[np.float64], i: int, j: int) -> bool:
    if points[i, 0] != points[j, 0]:
        return bool(points[i, 0] < points[j, 0])
    return bool(points[i, 1] < points[j, 1])


@compiled()
def _sort(points: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices ``order`` of points, sorted by first, then second coordinate."""
    n = order.size
    other = np.empty(n, np.int64)
    for start in range(0, n, _RUN):
        for i in range(start + 1, min(start + _RUN, n)):
            moving = order[i]
            j = i
            while j > start and _before(points, moving, order[j - 1]):
                order[j] = order[j - 1]
                j -= 1
            order[j] = moving
    width = _RUN
    while width < n:
        for start in range(0, n, 2 * width):
            middle, end = min(start + width, n), min(start + 2 * width, n)
            i, j = start, middle
            for k in range(start, end):
                if j >= end or (i < middle and not _before(points, order[j], order[i])):
                    other[k] = order[i]
                    i += 1
                else:
                    other[k] = order[j]
                    j += 1
        order, other = other, order
        width *= 2
    return order


@compiled(inline=True)
def _extremes(points: NDArray[np.float64], a: float, b: float) -> tuple[int, int]:
    """Return which points have the least and the largest a x + b y."""
    first = last = 0
    low = high = a * points[0, 0] + b * points[0, 1]
    for i in range(1, points.shape[0]):
        value = a * points[i, 0] + b * points[i, 1]
        if value < low:
            low, first = value, i
        if value > high:
            high, last = value, i
    return first, last


@compiled()
def _candidates(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the points that are not certainly inside the octagon of the extremes along x, y, x + y and x - y.

    A point strictly left of every side of a closed polygon has it wind round itself, so it is no vertex of the hull.
    """
    n = points.shape[0]
    west, east = _extremes(points, 1.0, 0.0)
    southwest, northeast = _extremes(points, 1.0, 1.0)
    south, north = _extremes(points, 0.0, 1.0)
    southeast, northwest = _extremes(points, -1.0, 1.0)
    corners = (east, northeast, north, northwest, west, southwest, south, southeast)
    reach = max(points[east, 0], -points[west, 0], points[north, 1], -points[south, 1])
    sides, edges = np.empty((8, 4)), 0
    for side in range(8):
        a, b = corners[side], corners[(side + 1) % 8]
        if a != b:
            sides[edges, 0], sides[edges, 1] = points[a, 0], points[a, 1]
            sides[edges, 2], sides[edges, 3] = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
            edges += 1
    certain = _CERTAIN * reach * reach
    kept, count = np.empty(n, np.int64), 0
    for i in range(n):
        inside = edges > 0
        for edge in range(edges):
            left = sides[edge, 2] * (points[i, 1] - sides[edge, 1]) - sides[edge, 3] * (points[i, 0] - sides[edge, 0])
            if left <= certain:
                inside = False
                break
        if not inside:
            kept[count] = i
            count += 1
    return kept[:count]


@compiled()
def chain(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of the extreme points of ``points`` (n, 2), counter-clockwise, one a position.

    Exact: points on an edge are no vertices, a segment has two, a single position one.

    Examples
    --------
    >>> import numpy as np
    >>> chain(np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.5], [1.0, 1.0]])).tolist()
    [0, 2, 3]
    """
    order = _sort(points, _candidates(points))
    n = order.size
    stack = np.empty(2 * n, np.int64)
    stack[0] = order[0]
    size, floor = 1, 1
    for step in range(1, 2 * n - 1):
        if step == n:
            floor = size
        p = order[step] if step < n else order[2 * n - 2 - step]
        x, y = points[p, 0], points[p, 1]
        top = stack[size - 1]
        if points[top, 0] == x and points[top, 1] == y:
            continue
        while size > floor:
            last, previous = stack[size - 1], stack[size - 2]
            turn = orient_plane(points[previous, 0], points[previous, 1], points[last, 0], points[last, 1], x, y)
            if turn > 0:
                break
            size -= 1
        stack[size] = p
        size += 1
    if size > 1:
        size -= 1
    return stack[:size].copy()


@compiled(no_refcount=True)
def area(polygon: NDArray[np.float64]) -> float:
    """Return the area of a convex polygon whose corners (n, 2) run counter-clockwise, as from `chain`.

    Examples
    --------
    >>> import numpy as np
    >>> area(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    1.0
    """
    x, y = polygon[0, 0], polygon[0, 1]
    twice = 0.0
    for k in range(1, polygon.shape[0] - 1):
        twice += (polygon[k, 0] - x) * (polygon[k + 1, 1] - y) - (polygon[k + 1, 0] - x) * (polygon[k, 1] - y)
    return 0.5 * twice
