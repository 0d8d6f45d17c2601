"""Orientation predicates whose sign is exact: a filter first, exact expansions where it cannot tell.

The expansions are those of Shewchuk (1997, "Adaptive precision floating-point arithmetic and fast robust
geometric predicates"): a number is kept as a sum of float64 that do not overlap, smallest first. With
coordinates whose magnitude is zero or within 2^-300 .. 2, every product below is exact (the smallest bit is
2^-1056).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled

_UNIT = 2.0**-53
_FILTER_PLANE = (3.0 + 16.0 * _UNIT) * _UNIT
_FILTER_SPACE = (7.0 + 56.0 * _UNIT) * _UNIT
_SPLITTER = 2.0**27 + 1.0


@compiled(inline=True)
def _sum(a: float, b: float) -> tuple[float, float]:
    """Return fl(a + b) and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@compiled(inline=True)
def _product(a: float, b: float) -> tuple[float, float]:
    """Return fl(a b) and its rounding error (Dekker, Veltkamp)."""
    product = a * b
    wide = _SPLITTER * a
    a_high = wide - (wide - a)
    a_low = a - a_high
    wide = _SPLITTER * b
    b_high = wide - (wide - b)
    b_low = b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


@compiled()
def _grow(expansion: NDArray[np.float64], length: int, value: float) -> int:
    """Add ``value`` to the expansion in place, exactly, without zero parts; return its new length."""
    if value == 0.0:
        return length
    kept = 0
    for index in range(length):
        value, error = _sum(value, expansion[index])
        if error != 0.0:
            expansion[kept] = error
            kept += 1
    if value != 0.0:
        expansion[kept] = value
        kept += 1
    return kept


@compiled()
def _sign(expansion: NDArray[np.float64], length: int) -> int:
    if length == 0:
        return 0
    return 1 if expansion[length - 1] > 0.0 else -1


@compiled()
def _orient_plane_exactly(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    left, right = (_sum(ax, -cx), _sum(ay, -cy)), (_sum(by, -cy), _sum(bx, -cx))
    expansion = np.empty(16)
    length = 0
    for which in range(2):
        for a in left[which]:
            for b in right[which]:
                product, error = _product(a if which == 0 else -a, b)
                length = _grow(expansion, length, error)
                length = _grow(expansion, length, product)
    return _sign(expansion, length)


@compiled()
def orient_plane(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    """Return the exact sign of det(a - c, b - c): 1 where a, b, c turn left, -1 right, 0 on one line.

    Raises nothing; coordinates are 0 or of magnitude 2^-300 .. 2.

    Examples
    --------
    >>> orient_plane(0.0, 0.0, 1.0, 0.0, 0.0, 1.0)
    1
    >>> orient_plane(0.1, 0.1, 0.2, 0.2, 0.3, 0.3)
    0
    """
    left = (ax - cx) * (by - cy)
    right = (ay - cy) * (bx - cx)
    determinant = left - right
    if abs(determinant) > _FILTER_PLANE * (abs(left) + abs(right)):
        return 1 if determinant > 0.0 else -1
    return _orient_plane_exactly(ax, ay, bx, by, cx, cy)


@compiled()
def _orient_space_exactly(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], p: NDArray[np.float64]
) -> int:
    parts = np.empty((3, 3, 2))
    for k in range(3):
        parts[0, k, 0], parts[0, k, 1] = _sum(a[k], -p[k])
        parts[1, k, 0], parts[1, k, 1] = _sum(b[k], -p[k])
        parts[2, k, 0], parts[2, k, 1] = _sum(c[k], -p[k])
    expansion = np.empty(192)
    length = 0
    for k in range(3):
        for turn in range(2):
            i, j = (k + 1 + turn) % 3, (k + 2 - turn) % 3
            for x in parts[0, k]:
                for y in parts[1, i]:
                    high, low = _product(x if turn == 0 else -x, y)
                    for z in parts[2, j]:
                        if z != 0.0:
                            product, error = _product(low, z)
                            length = _grow(expansion, length, error)
                            length = _grow(expansion, length, product)
                            product, error = _product(high, z)
                            length = _grow(expansion, length, error)
                            length = _grow(expansion, length, product)
    return _sign(expansion, length)


@compiled(no_refcount=True)
def orient_space(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], p: NDArray[np.float64]) -> int:
    """Return the exact sign of det(a - p, b - p, c - p), each a (3,) array.

    It is -1 where p lies on the side of the plane abc to which its normal (b - a) x (c - a) points, 1 on the
    other and 0 in the plane. Coordinates are 0 or of magnitude 2^-300 .. 2.

    Examples
    --------
    >>> import numpy as np
    >>> a, b, c = np.eye(3)
    >>> [orient_space(a, b, c, p) for p in (np.zeros(3), np.ones(3), (a + b) / 2)]
    [1, -1, 0]
    """
    ax, ay, az = a[0] - p[0], a[1] - p[1], a[2] - p[2]
    bx, by, bz = b[0] - p[0], b[1] - p[1], b[2] - p[2]
    cx, cy, cz = c[0] - p[0], c[1] - p[1], c[2] - p[2]
    bxcy, cxby = bx * cy, cx * by
    cxay, axcy = cx * ay, ax * cy
    axby, bxay = ax * by, bx * ay
    determinant = az * (bxcy - cxby) + bz * (cxay - axcy) + cz * (axby - bxay)
    permanent = (
        abs(az) * (abs(bxcy) + abs(cxby)) + abs(bz) * (abs(cxay) + abs(axcy)) + abs(cz) * (abs(axby) + abs(bxay))
    )
    if abs(determinant) > _FILTER_SPACE * permanent:
        return 1 if determinant > 0.0 else -1
    return _orient_space_exactly(a, b, c, p)
