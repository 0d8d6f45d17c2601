"""Compiled convex hull in space: quickhull (Barber, Dobkin & Huhdanpaa 1996) with exact predicates.

A facet is a triangle; coplanar triangles may stand side by side. A point is *beyond* a facet when it lies
strictly on the outer side of its plane, decided exactly: so every set in general or special position gives
the true hull.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.predicates import orient_plane, orient_space
from lmdata.numerics.compiled import compiled

# With coordinates within [-1, 1], a height over a plane (its computed normal) beyond this has the right sign.
_CERTAIN = 400.0 * 2.0**-53

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Facets(NamedTuple):
    """The triangles of a hull that is being built; places of removed ones are used again."""

    corners: Integers  # (f, 3) counter-clockwise from outside
    twins: Integers  # (f, 3) the facet on the other side of edge k, which runs from corner k to corner k + 1
    planes: Floats  # (f, 6) the normal, and a point
    seen: Integers  # (f,) the round in which it was found visible
    first: Integers  # (f,) the first of the points beyond it, or -1; each point is beyond one facet at most
    apex: Integers  # (f,) the highest of them, or -1
    top: Floats  # (f,) about the height of that one
    queued: NDArray[np.bool_]  # (f,) whether it is among the pending


class Scratch(NamedTuple):
    """Lists that the construction writes down on its way."""

    follows: Integers  # (n,) the next point beyond the same facet, or that is loose
    starting: Integers  # (n,) the new facet whose outer edge starts at the point
    free: Integers  # (f,) facets that are no more
    pending: Integers  # (f,) a stack of those that may have points beyond
    visible: Integers  # (f,) those that the new point sees
    fresh: Integers  # (f,) those that are new
    rim: Integers  # (f, 3) edges between visible and other facets: where it starts, where it ends, the other facet


@compiled()
def _on_line(points: NDArray[np.float64], i: int, j: int, k: int) -> bool:
    for drop in range(3):
        x, y = (drop + 1) % 3, (drop + 2) % 3
        if orient_plane(points[i, x], points[i, y], points[j, x], points[j, y], points[k, x], points[k, y]) != 0:
            return False
    return True


@compiled()
def simplex(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return affinely independent points of ``points`` (n, 3): as many, up to four, as there are exactly.

    Each next point is about the farthest from the span of those before, for a good start of the hull; the
    span itself is decided exactly.

    Examples
    --------
    >>> import numpy as np
    >>> simplex(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])).tolist()
    [0, 2]
    """
    n = points.shape[0]
    corners = np.zeros(4, np.int64)
    for i in range(1, n):
        if points[i, 0] < points[corners[0], 0]:
            corners[0] = i
    a = points[corners[0]]
    best = 0.0
    for i in range(n):
        distance = abs(points[i, 0] - a[0]) + abs(points[i, 1] - a[1]) + abs(points[i, 2] - a[2])
        if distance > best:
            best, corners[1] = distance, i
    if best == 0.0:
        return corners[:1]
    u = points[corners[1]] - a
    v = np.zeros(3)
    best = -1.0
    for i in range(n):
        w0, w1, w2 = points[i, 0] - a[0], points[i, 1] - a[1], points[i, 2] - a[2]
        n0, n1, n2 = u[1] * w2 - u[2] * w1, u[2] * w0 - u[0] * w2, u[0] * w1 - u[1] * w0
        distance = abs(n0) + abs(n1) + abs(n2)
        if distance > best and not (distance <= _CERTAIN and _on_line(points, corners[0], corners[1], i)):
            best, corners[2] = distance, i
            v[0], v[1], v[2] = n0, n1, n2
    if best < 0.0:
        return corners[:2]
    best = -1.0
    for i in range(n):
        distance = abs(v[0] * (points[i, 0] - a[0]) + v[1] * (points[i, 1] - a[1]) + v[2] * (points[i, 2] - a[2]))
        if distance > best and not (
            distance <= _CERTAIN and orient_space(a, points[corners[1]], points[corners[2]], points[i]) == 0
        ):
            best, corners[3] = distance, i
    return corners[:3] if best < 0.0 else corners


@compiled()
def _near_height(points: NDArray[np.float64], facets: NDArray[np.int64], f: int, p: int, height: float) -> float:
    """Return a height of about this size with the exact sign, for a point that is near the plane of a facet."""
    sign: int = orient_space(points[facets[f, 0]], points[facets[f, 1]], points[facets[f, 2]], points[p])
    return -sign * max(height, 1e-300)


@compiled(inline=True)
def _height(points: Floats, facets: Facets, f: int, p: int) -> float:
    """Return a number whose sign is exactly that of the height of point p over facet f."""
    planes = facets.planes
    height: float = (
        planes[f, 0] * (points[p, 0] - planes[f, 3])
        + planes[f, 1] * (points[p, 1] - planes[f, 4])
        + planes[f, 2] * (points[p, 2] - planes[f, 5])
    )
    if abs(height) > _CERTAIN:
        return height
    return _near_height(points, facets.corners, f, p, abs(height))


@compiled(inline=True)
def _set_facet(points: Floats, facets: Facets, f: int, a: int, b: int, c: int) -> None:
    corners, planes = facets.corners, facets.planes
    corners[f, 0], corners[f, 1], corners[f, 2] = a, b, c
    u0, u1, u2 = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    w0, w1, w2 = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    planes[f, 0] = u1 * w2 - u2 * w1
    planes[f, 1] = u2 * w0 - u0 * w2
    planes[f, 2] = u0 * w1 - u1 * w0
    planes[f, 3], planes[f, 4], planes[f, 5] = points[a, 0], points[a, 1], points[a, 2]


@compiled(no_refcount=True)
def _enclose(points: Floats, start: Integers, facets: Facets, scratch: Scratch) -> tuple[int, int]:
    """Fill the facets of the hull; return how many have been used, and how many of these, in ``free``, are no more."""
    corners, twins, seen, queued = facets.corners, facets.twins, facets.seen, facets.queued
    first, apex, top = facets.first, facets.apex, facets.top
    follows, starting, rim = scratch.follows, scratch.starting, scratch.rim
    free, pending, visible, fresh = scratch.free, scratch.pending, scratch.visible, scratch.fresh
    n = points.shape[0]
    a, b, c, p = start[0], start[1], start[2], start[3]
    if orient_space(points[a], points[b], points[c], points[p]) < 0:
        b, c = c, b
    _set_facet(points, facets, 0, a, b, c)
    _set_facet(points, facets, 1, b, a, p)
    _set_facet(points, facets, 2, c, b, p)
    _set_facet(points, facets, 3, a, c, p)
    twins[0, 0], twins[0, 1], twins[0, 2] = 1, 2, 3
    twins[1, 0], twins[1, 1], twins[1, 2] = 0, 3, 2
    twins[2, 0], twins[2, 1], twins[2, 2] = 0, 1, 3
    twins[3, 0], twins[3, 1], twins[3, 2] = 0, 2, 1
    used, freed = 4, 0
    n_fresh, n_pending, round_ = 4, 0, 0
    loose = -1  # points to hand out among the fresh facets
    for i in range(n):
        if i != a and i != b and i != c and i != p:
            follows[i] = loose
            loose = i
    for k in range(4):
        fresh[k] = k

    while True:
        # each loose point goes to the first fresh facet that it is beyond; one beyond none is inside the hull for good
        while loose >= 0:
            point = loose
            loose = follows[point]
            for k in range(n_fresh):
                f = fresh[k]
                height = _height(points, facets, f, point)
                if height > 0.0:
                    follows[point] = first[f]
                    first[f] = point
                    if apex[f] < 0 or height > top[f]:
                        apex[f], top[f] = point, height
                    break
        for k in range(n_fresh):
            f = fresh[k]
            if first[f] >= 0 and not queued[f]:
                pending[n_pending] = f
                queued[f] = True
                n_pending += 1
        while n_pending > 0 and first[pending[n_pending - 1]] < 0:
            n_pending -= 1
            queued[pending[n_pending]] = False
        if n_pending == 0:
            break
        # the highest point over some facet joins the hull: from that facet on, all that it sees are found edge by edge
        seed = pending[n_pending - 1]
        point = apex[seed]
        round_ += 1
        seen[seed] = round_
        visible[0] = seed
        n_visible, reached, n_rim = 1, 0, 0
        while reached < n_visible:
            f = visible[reached]
            reached += 1
            for k in range(3):
                g = twins[f, k]
                if seen[g] == round_:
                    continue
                if _height(points, facets, g, point) > 0.0:
                    seen[g] = round_
                    visible[n_visible] = g
                    n_visible += 1
                else:
                    rim[n_rim, 0], rim[n_rim, 1], rim[n_rim, 2] = corners[f, k], corners[f, (k + 1) % 3], g
                    n_rim += 1
        # what it sees is removed, and the points beyond it are loose again
        for k in range(n_visible):
            f = visible[k]
            one = first[f]
            while one >= 0:
                after = follows[one]
                if one != point:
                    follows[one] = loose
                    loose = one
                one = after
            first[f] = apex[f] = -1
            free[freed] = f
            freed += 1
        # a cone of new facets closes the rim, each first joined to what lies outside it, then to its neighbours
        n_fresh = n_rim
        for k in range(n_rim):
            if freed > 0:
                freed -= 1
                f = free[freed]
            else:
                f = used
                used += 1
            fresh[k] = f
            u, v, g = rim[k, 0], rim[k, 1], rim[k, 2]
            _set_facet(points, facets, f, u, v, point)
            seen[f] = 0
            starting[u] = f
            twins[f, 0] = g
            for edge in range(3):
                if corners[g, edge] == v and corners[g, (edge + 1) % 3] == u:
                    twins[g, edge] = f
        for k in range(n_rim):
            f = fresh[k]
            after = starting[corners[f, 1]]
            twins[f, 1] = after
            twins[after, 2] = f
    return used, freed


@compiled()
def facets_of(points: NDArray[np.float64], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the triangles (f, 3) of the hull of ``points`` (n, 3), counter-clockwise from outside.

    ``start`` holds four affinely independent points, from `simplex`. Coordinates lie within [-1, 1], each
    zero or of magnitude at least 2^-300.

    Examples
    --------
    >>> import numpy as np
    >>> corners = np.vstack([np.zeros(3), np.eye(3), np.full((1, 3), 0.1)])
    >>> len(facets_of(corners, simplex(corners)))
    4
    """
    n = points.shape[0]
    room = 2 * n  # at most 2n - 4 facets live; removed ones are used again
    triples, lists = np.empty((3, room, 3), np.int64), np.empty((4, room), np.int64)
    nobody, nowhere = np.full((2, room), -1), np.full((2, n), -1)
    facets = Facets(
        corners=triples[0],
        twins=triples[1],
        planes=np.empty((room, 6)),
        seen=np.zeros(room, np.int64),
        first=nobody[0],
        apex=nobody[1],
        top=np.empty(room),
        queued=np.zeros(room, np.bool_),
    )
    scratch = Scratch(nowhere[0], nowhere[1], lists[0], lists[1], lists[2], lists[3], triples[2])
    used, freed = _enclose(points, start, facets, scratch)
    alive = np.ones(used, np.bool_)
    for k in range(freed):
        alive[scratch.free[k]] = False
    hull: NDArray[np.int64] = facets.corners[:used][alive]
    return hull


@compiled(no_refcount=True)
def volume(points: NDArray[np.float64], facets: NDArray[np.int64]) -> float:
    """Return the volume inside the triangles ``facets`` (f, 3) of ``points`` (n, 3).

    Examples
    --------
    >>> import numpy as np
    >>> cube = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    >>> round(volume(cube, facets_of(cube, simplex(cube))), 12)
    1.0
    """
    origin = points[facets[0, 0]]
    six = 0.0
    for f in range(facets.shape[0]):
        a, b, c = points[facets[f, 0]], points[facets[f, 1]], points[facets[f, 2]]
        a0, a1, a2 = a[0] - origin[0], a[1] - origin[1], a[2] - origin[2]
        b0, b1, b2 = b[0] - origin[0], b[1] - origin[1], b[2] - origin[2]
        c0, c1, c2 = c[0] - origin[0], c[1] - origin[1], c[2] - origin[2]
        six += a0 * (b1 * c2 - b2 * c1) + a1 * (b2 * c0 - b0 * c2) + a2 * (b0 * c1 - b1 * c0)
    return six / 6.0


@compiled()
def corners_of(points: NDArray[np.float64], facets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of ``points`` (n, 3) are extreme, exactly: corners where three or more planes meet.

    Of equal points the hull holds one; `facets_of` may also hold a point inside an edge or a face as a corner
    of triangles, where only two planes, or one, meet.

    Examples
    --------
    >>> import numpy as np
    >>> corners = np.vstack([np.zeros(3), 2 * np.eye(3), [[1.0, 1.0, 0.0]]])
    >>> corners_of(corners, facets_of(corners, simplex(corners))).tolist()
    [True, True, True, True, False]
    """
    n = points.shape[0]
    planes = np.zeros(n, np.int64)
    met = np.empty((n, 2), np.int64)
    for f in range(facets.shape[0]):
        for k in range(3):
            p = facets[f, k]
            if planes[p] == 3:
                continue
            new = True
            for which in range(planes[p]):
                g = met[p, which]
                a, b, c = points[facets[g, 0]], points[facets[g, 1]], points[facets[g, 2]]
                if (
                    orient_space(a, b, c, points[facets[f, (k + 1) % 3]]) == 0
                    and orient_space(a, b, c, points[facets[f, (k + 2) % 3]]) == 0
                ):
                    new = False
            if new:
                if planes[p] < 2:
                    met[p, planes[p]] = f
                planes[p] += 1
    extreme: NDArray[np.bool_] = planes == 3
    return extreme
