"""Sizes and extreme points of convex hulls, over batches of point sets: arrays in, arrays out.

Degenerate sets are ordinary: one point, a segment or a flat set in space has an affine rank and a size in
that dimension. The rank is decided by one explicit number, `RANK_TOLERANCE`: the set extends in a further
dimension where some point lies farther than tolerance x scale from the affine span of the points chosen so
far (scale: the largest coordinate, or one that the caller gives). Within its rank the hull in up to three
dimensions is exact: every side of every line and plane is decided by the predicates of
`lmdata.analysis.predicates`.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.hull_plane import area, chain
from lmdata.analysis.hull_space import corners_of, facets_of, simplex, volume
from lmdata.analysis.predicates import orient_plane
from lmdata.errors import InvalidInput
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import parallel_for

RANK_TOLERANCE = 1e-12
VERTEX_TOLERANCE = 1e-9
COMPILED_RANK = 3
QHULL_RANK = 7
GRAIN = 2**14
"""Coordinates that are worth a thread."""

_TINY = 2.0**-300


class HullStatus(IntEnum):
    """How a hull's size was found; stored beside it as uint8."""

    NOT_FINITE = 0
    """The set holds NaN or infinity: no size, rank -1."""
    COMPILED = 1
    """Rank 0 to 3: exact predicates."""
    QHULL = 2
    """Rank 4 to 7: qhull, in floating point."""
    MEAN_WIDTH_ONLY = 3
    """Rank above 7: no volume; see `mean_width`."""
    FAILED = 4
    """Qhull gave up on the set: no volume."""


@compiled()
def _scaled(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return points / 2^e in [-1, 1], 0 where below 2^-300 of the largest, and e (-9999: not finite)."""
    largest = 0.0
    for value in points.flat:
        if not math.isfinite(value):
            return points, -9999
        largest = max(largest, abs(value))
    _, exponent = math.frexp(largest)
    factor = math.ldexp(1.0, -exponent)
    scaled = np.empty(points.shape)
    for i in range(points.shape[0]):
        for k in range(points.shape[1]):
            value = points[i, k] * factor
            scaled[i, k] = value if abs(value) >= _TINY else 0.0
    return scaled, exponent


@compiled()
def _span(points: NDArray[np.float64], threshold: float, most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return an orthonormal basis (r, d) of the span and its extents (r,), by greedily farthest points."""
    n, d = points.shape
    corner = 0
    for i in range(1, n):
        for k in range(d):
            if points[i, k] != points[corner, k]:
                if points[i, k] < points[corner, k]:
                    corner = i
                break
    rest = points - points[corner]
    basis, extents = np.empty((most, d)), np.empty(most)
    for r in range(most):
        best, farthest = 0.0, -1
        for i in range(n):
            square = 0.0
            for k in range(d):
                square += rest[i, k] * rest[i, k]
            if square > best:
                best, farthest = square, i
        extents[r] = math.sqrt(best)
        if farthest < 0 or extents[r] <= threshold:
            return basis[:r], extents[:r]
        for k in range(d):
            basis[r, k] = rest[farthest, k] / extents[r]
        for s in range(r):
            along = 0.0
            for k in range(d):
                along += basis[r, k] * basis[s, k]
            for k in range(d):
                basis[r, k] -= along * basis[s, k]
        square = 0.0
        for k in range(d):
            square += basis[r, k] * basis[r, k]
        for k in range(d):
            basis[r, k] /= math.sqrt(square)
        for i in range(n):
            along = 0.0
            for k in range(d):
                along += rest[i, k] * basis[r, k]
            for k in range(d):
                rest[i, k] -= along * basis[r, k]
    return basis, extents


@compiled()
def _coordinates(points: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points' coordinates (n, r) in the basis (r, d), from the first point."""
    n, d = points.shape
    coordinates = np.zeros((n, basis.shape[0]))
    for i in range(n):
        for r in range(basis.shape[0]):
            for k in range(d):
                coordinates[i, r] += (points[i, k] - points[0, k]) * basis[r, k]
    return coordinates


@compiled()
def _size(points: NDArray[np.float64], basis: NDArray[np.float64], space: bool | None) -> float:
    """Return the length, area or volume of the hull within the span of the basis, of rank 0 to 3.

    Points in the plane are the vertices of their hull, counter-clockwise.

    With ``space`` None there is no rank 3, and the hull in space, slow to compile, is left out.
    """
    rank, d = basis.shape
    if rank == 0:
        return 0.0
    flat = points if rank == d else _coordinates(points, basis)
    if rank == 1:
        return float(np.max(flat) - np.min(flat))
    if rank == 2:
        return area(flat if d == 2 else flat[chain(flat)])
    if space is None:
        return np.nan
    corners = simplex(flat)
    if corners.size < 4:
        return 0.0
    return volume(flat, facets_of(flat, corners))


@compiled()
def _measure(
    points: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    rank: NDArray[np.int64],
    size: NDArray[np.float64],
    forced: bool,
    space: bool | None,
    begin: int,
    end: int,
) -> None:
    """Fill rank and size of sets begin..end, or the size in the rank given; NaN where the rank is above 3."""
    _, n, d = points.shape
    for member in range(begin, end):
        scaled, exponent = _scaled(points[member])
        size[member] = np.nan
        if exponent == -9999:
            rank[member] = -1
            continue
        if d == 2:
            scaled = scaled[chain(scaled)]  # its vertices span what the set spans
        if forced:
            wanted = rank[member]
            if wanted > COMPILED_RANK or wanted < 0:
                continue
            if wanted > min(n - 1, d):
                size[member] = 0.0
                continue
            basis = np.eye(d) if wanted == d else _span(scaled, 0.0, wanted)[0]
            if basis.shape[0] < wanted:
                size[member] = 0.0
                continue
        else:
            basis, _ = _span(scaled, math.ldexp(thresholds[member], -exponent), min(n - 1, d))
            rank[member] = basis.shape[0]
        if rank[member] <= COMPILED_RANK:
            size[member] = math.ldexp(_size(scaled, basis, space), exponent * rank[member])


def _measure_all(
    sets: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    rank: NDArray[np.int64],
    size: NDArray[np.float64],
    *,
    forced: bool,
) -> None:
    """Call `_measure` for all sets, on every core where they are many."""
    space = True if sets.shape[-1] > 2 else None  # None makes numba compile `_measure` without the hull in space
    parallel_for(
        lambda begin, end: _measure(sets, thresholds, rank, size, forced, space, begin, end),
        len(sets),
        max(1, GRAIN // (sets.shape[1] * sets.shape[2])),
    )


def _qhull(points: NDArray[np.float64], rank: int) -> float:
    """Return qhull's volume, of coordinates divided by the extents, so that thin sets stay well posed."""
    from scipy.spatial import ConvexHull, QhullError

    basis, extents = _span(points, 0.0, min(rank, len(points) - 1, points.shape[1]))
    if len(basis) < rank:
        return 0.0
    try:
        return float(ConvexHull(_coordinates(points, basis) / extents).volume * np.prod(extents))
    except QhullError:
        return math.nan


def _sets(points: ArrayLike) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    array = np.asarray(points, np.float64)
    if array.ndim < 2 or array.shape[-1] < 1 or array.shape[-2] < 1:
        raise InvalidInput(
            f"points has shape {array.shape}; the last two dimensions must be (token, component), each at least 1"
        )
    return np.ascontiguousarray(array.reshape(-1, *array.shape[-2:])), array.shape[:-2]


def _sized(sets: NDArray[np.float64], rank: NDArray[np.int64], size: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Complete ``size`` where the rank is 4 to 7; return the status of every set."""
    status = np.full(len(sets), HullStatus.COMPILED, np.uint8)
    status[rank > QHULL_RANK] = HullStatus.MEAN_WIDTH_ONLY
    status[~np.isfinite(sets).all((1, 2))] = HullStatus.NOT_FINITE
    for member in np.flatnonzero((rank > COMPILED_RANK) & (rank <= QHULL_RANK)):
        if status[member] != HullStatus.NOT_FINITE:
            size[member] = _qhull(sets[member], int(rank[member]))
            status[member] = HullStatus.FAILED if math.isnan(size[member]) else HullStatus.QHULL
    return status


def hull(
    points: ArrayLike, *, rank_tolerance: float = RANK_TOLERANCE, scale: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return size, affine rank and status of the convex hull of each set of points.

    Parameters
    ----------
    points : array_like (..., n, d)
        Any number of sets of n points in d dimensions.
    rank_tolerance : float, default 1e-12
        A set extends in a further dimension where a point lies farther than ``rank_tolerance * scale`` from
        the affine span of the others.
    scale : array_like (...), optional
        What the tolerance is relative to; by default the largest absolute coordinate of the set itself. Along
        a trajectory the scale of the first frame keeps the rank from rising by rounding when tokens contract.

    Returns
    -------
    size : ndarray (...) of float64
        Length, area or volume in the set's own affine dimension: 0 for one point, NaN where the status says
        so.
    rank : ndarray (...) of int64
        Affine rank: 0 for one point, 1 for collinear points, and so on; -1 where points are not finite.
    status : ndarray (...) of uint8
        A `HullStatus`.

    Raises
    ------
    InvalidInput
        ``points`` has fewer than two dimensions or an empty one, or ``rank_tolerance`` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> square = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    >>> segment = [[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [0.0, 0.0]]
    >>> size, rank, status = hull([square, segment])
    >>> size.tolist(), rank.tolist(), status.tolist()
    ([4.0, 5.0], [2, 1], [1, 1])
    """
    if not 0.0 <= rank_tolerance < 1.0:
        raise InvalidInput(f"rank_tolerance is {rank_tolerance!r}; it must be at least 0 and below 1")
    sets, shape = _sets(points)
    scales = np.abs(sets).max((1, 2)) if scale is None else np.broadcast_to(scale, shape).reshape(-1)
    rank, size = np.empty(len(sets), np.int64), np.empty(len(sets))
    _measure_all(sets, rank_tolerance * np.asarray(scales, np.float64), rank, size, forced=False)
    status = _sized(sets, rank, size)
    return size.reshape(shape), rank.reshape(shape), status.reshape(shape)


def volume_in_rank(points: ArrayLike, rank: ArrayLike) -> NDArray[np.float64]:
    """Return the size of each hull in the dimension ``rank``: 0 where the set has a lower one.

    A set of higher dimension is projected onto its ``rank`` widest directions. The ratio of two frames' sizes
    in the first frame's rank is the relative hull volume, which a flat set in space has too.

    Parameters
    ----------
    points : array_like (..., n, d)
    rank : array_like (...) of int
        Dimension in which to measure: 0 to 7. Above 7, or below 0, the result is NaN.

    Returns
    -------
    ndarray (...) of float64

    Examples
    --------
    >>> square = [[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, 2.0, 1.0], [0.0, 2.0, 1.0]]
    >>> volume_in_rank([square, square], [2, 3]).tolist()
    [4.0, 0.0]
    """
    sets, shape = _sets(points)
    ranks = np.array(np.broadcast_to(rank, shape), np.int64).reshape(-1)
    size = np.empty(len(sets))
    _measure_all(sets, np.zeros(len(sets)), ranks, size, forced=True)
    _sized(sets, ranks, size)
    return size.reshape(shape)


@compiled()
def _mark(points: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which points equal one of the chosen ones."""
    marks = np.zeros(points.shape[0], np.bool_)
    for i in range(points.shape[0]):
        for c in chosen:
            same = True
            for k in range(points.shape[1]):
                same &= points[i, k] == points[c, k]
            marks[i] |= same
    return marks


@compiled()
def _ends(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.array([np.argmin(values), np.argmax(values)])


@compiled()
def _extreme(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (n, d), d = 1 to 3, are extreme; projecting flat sets along an axis is exact."""
    d = points.shape[1]
    if d == 1:
        return _mark(points, _ends(points[:, 0]))
    if d == 2:
        return _mark(points, chain(points))
    corners = simplex(points)
    if corners.size == 4:
        return _mark(points, np.flatnonzero(corners_of(points, facets_of(points, corners))))
    if corners.size == 3:
        a, b, c = points[corners[0]], points[corners[1]], points[corners[2]]
        for drop in range(3):
            x, y = (drop + 1) % 3, (drop + 2) % 3
            if orient_plane(a[x], a[y], b[x], b[y], c[x], c[y]) != 0:
                return _mark(points, chain(np.column_stack((points[:, x], points[:, y]))))
    for k in range(3):
        if points[corners[0], k] != points[corners[-1], k]:
            return _mark(points, _ends(points[:, k]))
    return np.ones(points.shape[0], np.bool_)


def _extreme_by_distance(points: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Return which points lie farther than the tolerance from the hull of the others (by nnls)."""
    from scipy.optimize import nnls

    unique, place = np.unique(points, axis=0, return_inverse=True)
    marks = np.ones(len(unique), np.bool_)
    for i in range(len(unique)):
        others = np.delete(unique, i, axis=0) - unique[i]
        if len(others):
            system = np.vstack([others.T, np.ones(len(others))])
            _, distance = nnls(system, np.append(np.zeros(points.shape[1]), 1.0))
            marks[i] = distance > tolerance
    return marks[place.reshape(-1)]


def vertices(points: ArrayLike, *, tolerance: float = VERTEX_TOLERANCE) -> NDArray[np.bool_]:
    """Return which points are extreme points of their set's convex hull; equal points share the answer.

    In one to three dimensions the answer is exact, whatever the set's rank and however flat it is. Beyond, a
    point is extreme when its distance from the hull of the others exceeds ``tolerance`` times the largest
    coordinate.

    Parameters
    ----------
    points : array_like (..., n, d)
        Finite; coordinates below 2^-300 of the largest of their set count as 0.
    tolerance : float, default 1e-9
        Used for d >= 4 alone.

    Returns
    -------
    ndarray (..., n) of bool

    Raises
    ------
    InvalidInput
        ``points`` has fewer than two dimensions, an empty one, or holds NaN or infinity.

    Examples
    --------
    >>> vertices([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 2.0], [0.0, 2.0]]).tolist()
    [True, False, True, True, True]
    """
    sets, shape = _sets(points)
    if not np.isfinite(sets).all():
        raise InvalidInput("points holds NaN or infinity; extreme points are those of finite sets")
    marks = np.empty(sets.shape[:2], np.bool_)
    for member, one in enumerate(sets):
        scaled, _ = _scaled(one)
        marks[member] = _extreme(scaled) if one.shape[1] <= 3 else _extreme_by_distance(scaled, tolerance)
    return marks.reshape(*shape, -1)


def mean_width(points: ArrayLike, directions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean width of each hull over the directions, and its standard error.

    The width in direction u is max_i <u, z_i> - min_i <u, z_i>: a size of the hull in any dimension, which by
    hull nesting never increases along a localmax trajectory (Schneider, *Convex Bodies*, section 1.7).

    Parameters
    ----------
    points : array_like (..., n, d)
    directions : ndarray (k, d)
        Unit vectors, two or more; drawn uniformly on the sphere they make the estimate unbiased.

    Returns
    -------
    width, standard_error : ndarray (...) of float64

    Examples
    --------
    >>> import numpy as np
    >>> width, error = mean_width([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], np.eye(2))
    >>> float(width), float(error)
    (2.0, 0.0)
    """
    sets, shape = _sets(points)
    if directions.ndim != 2 or directions.shape[1] != sets.shape[2] or len(directions) < 2:
        raise InvalidInput(
            f"directions has shape {directions.shape}; it must be (k, {sets.shape[2]}) with k of at least 2"
        )
    widths = np.stack([np.ptp(one @ directions.T, axis=0) for one in sets])
    error = widths.std(axis=1, ddof=1) / math.sqrt(len(directions))
    return widths.mean(axis=1).reshape(shape), error.reshape(shape)
