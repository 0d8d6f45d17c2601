"""The limit polytope: clusters of the final tokens, those at its vertices, and the gaps between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.clusters import centres, clusters, polytope_vertices
from lmdata.analysis.ends import MOVING, ends, marked
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import Among, alignment_of, check_order, check_whole, localmax_of, sensitivities
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import alignment_keys, neighbour_mean, scores
from lmdata.numerics.checks import as_number

TOLERANCE = 1e-4
"""Default of ``tolerance``, relative to the scale of a member."""


class Limits(NamedTuple):
    """What `limit_sets` finds, for each member."""

    cluster: NDArray[np.int64]
    limit_position: NDArray[np.float64]
    token_vertex: NDArray[np.int64]
    vertex_count: NDArray[np.int64]
    vertex_position: NDArray[np.float64]
    vertex_size: NDArray[np.int64]
    gap: NDArray[np.float64]
    settled: NDArray[np.bool_]
    tokens_moving: NDArray[np.int64]


def scale_of(first: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the scale of each member, max_i |z_i| in its first stored frame (..., n, d): tolerances refer to it.

    Examples
    --------
    >>> float(scale_of(np.array([[3.0, 4.0], [1.0, 0.0]])))
    5.0
    """
    return np.asarray(np.sqrt((first.astype(np.float64) ** 2).sum(axis=-1)).max(axis=-1))


def limit_sets(
    final: NDArray[np.floating],
    first: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    *,
    alignment: NDArray[np.float64] | None = None,
    tolerance: float = TOLERANCE,
) -> Limits:
    """Return clusters and vertices of final states; shapes are those of `limit_polytope`.

    Parameters
    ----------
    final, first : (..., n, d)
        Last and first stored frame of each member; one with NaN is absent.
    sensitivity : (...)
        At the last frame; broadcast against the members.
    alignment : (d, d), optional
        A; the identity by default.
    tolerance
        Relative to `scale_of` the first frame.

    Examples
    --------
    >>> final = np.array([[1.0, 1.0], [-1.0, 0.0], [1.0, -1.0], [1.0, 1e-9], [1.0, 1.0]])
    >>> limits = limit_sets(final, final, np.array(0.0))
    >>> limits.cluster.tolist(), limits.token_vertex.tolist(), limits.gap[:3].round(6).tolist()
    ([0, 1, 2, 3, 0], [2, 0, 1, -1, 2], [2.0, 1.0, 1.0])
    """
    *shape, n, d = final.shape
    states = final.reshape(-1, n, d).astype(np.float64)
    m = len(states)
    delta = np.broadcast_to(sensitivity, shape).reshape(-1)
    reach = tolerance * scale_of(first).reshape(-1)
    limits = Limits(
        cluster=np.full((m, n), -1),
        limit_position=np.full((m, n, d), np.nan),
        token_vertex=np.full((m, n), -1),
        vertex_count=np.full(m, -1),
        vertex_position=np.full((m, n, d), np.nan),
        vertex_size=np.full((m, n), -1),
        gap=np.full((m, n), np.nan),
        settled=np.zeros(m, np.bool_),
        tokens_moving=np.full(m, -1),
    )
    for member in np.flatnonzero(present(states)):
        state = states[member]
        cluster = clusters(state, float(reach[member]))
        points = centres(state, cluster)
        corners = polytope_vertices(points, tolerance=tolerance)
        count = len(corners)
        number = np.full(len(points), -1)
        number[corners] = np.arange(count)
        limits.cluster[member] = cluster
        limits.limit_position[member] = points[cluster]
        limits.token_vertex[member] = number[cluster]
        limits.vertex_count[member] = count
        limits.vertex_position[member, :count] = points[corners]
        limits.vertex_size[member, :count] = np.bincount(cluster)[corners]
        limits.gap[member, :count] = _gaps(points, corners, alignment)
        way = neighbour_mean(state, float(delta[member]), alignment) - state
        moving = int((np.sqrt((way**2).sum(axis=-1)) > reach[member]).sum())
        limits.settled[member], limits.tokens_moving[member] = moving == 0, moving
    return Limits._make(array.reshape((*shape, *array.shape[1:])) for array in limits)


def _gaps(
    points: NDArray[np.float64], corners: NDArray[np.int64], alignment: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return min_w <A v, v - w> over the other limit points w, for each vertex v; NaN where there is no other."""
    if len(points) == 1:
        return np.full(1, np.nan)
    vertex = points[corners]
    difference = scores(alignment_keys(vertex, alignment), points)
    difference = difference[np.arange(len(corners)), corners][:, None] - difference
    difference[np.arange(len(corners)), corners] = np.inf
    return np.asarray(difference.min(axis=1))


@measure(
    Variable("cluster", ("*", "seed", "token"), "int64", "limit cluster of the token", None),
    Variable("limit_position", ("*", "seed", "token", "component"), "float64", "limit point of the token's cluster"),
    Variable("token_vertex", ("*", "seed", "token"), "int64", "vertex at the token's limit cluster, or -1", None),
    Variable("vertex_count", ("*", "seed"), "int64", "vertices of the limit polytope"),
    Variable("vertex_position", ("*", "seed", "vertex", "component"), "float64", "vertex of the limit polytope"),
    Variable("vertex_size", ("*", "seed", "vertex"), "int64", "tokens at the vertex"),
    Variable("gap", ("*", "seed", "vertex"), "float64", "smallest <A v, v - w> over the other limit points w"),
    Variable("settled", ("*", "seed"), "bool", "limit clusters no longer move", None),
    Variable("tokens_moving", ("*", "seed"), "int64", "tokens that have not come to rest at the limits"),
)
def limit_polytope(ds: xr.Dataset, *, tolerance: float = TOLERANCE, among: Among = "run") -> xr.Dataset:
    """Find the polytope that the tokens converge to: clusters of the last stored frame, and the hull's vertices.

    Tokens of the last frame are linked if they are at most ``tolerance * scale`` apart, with the scale
    ``max_i |z_i|`` of the first stored frame; connected components are the clusters, their means the limit
    points. A limit point is a vertex if it lies farther from the hull of the others than ``tolerance`` times
    its distance to the nearest. Its gap is ``min_w <A v, v - w>`` over the other limit points w: at least
    delta, if the trajectory has converged (arXiv 2509.15958). A limit point that is no vertex is the mean of
    several clusters.

    Parameters
    ----------
    ds
        A localmax dataset.
    tolerance : float
        Relative, dimensionless. A record has to be long enough for its tokens to come that close: see
        ``settled``.
    among : {"run", "selection"}
        Whose limits and neighbour means: all tokens of the run (a selection of them is refused), or, on its own, what
        a selection of tokens and components has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is. There are as many places for vertices as tokens; those beyond ``vertex_count``
        hold NaN and -1.

        - ``cluster`` (<swept>, seed, token): number of the token's cluster, by first token
        - ``limit_position`` (<swept>, seed, token, component): the limit point of the token's cluster
        - ``token_vertex`` (<swept>, seed, token): number of the vertex at the token's cluster, or -1
        - ``vertex_count`` (<swept>, seed)
        - ``vertex_position`` (<swept>, seed, vertex, component)
        - ``vertex_size`` (<swept>, seed, vertex): tokens in the vertex's cluster
        - ``gap`` (<swept>, seed, vertex): NaN for a single limit point
        - ``settled`` (<swept>, seed): every token is within ``tolerance * scale`` of its neighbour mean
        - ``tokens_moving`` (<swept>, seed): how many are not; a coordinate, which what else stands on these limits
          (`quiescent_sets`, `vertex_occupancy`, `limit_weights`) has too

        Vertices are numbered by position, so that numbers agree between members whose polytopes agree: in the
        plane counter-clockwise from the vertex of least first component, elsewhere by first, second, ...
        component. Absent members have NaN, -1 and False; the coordinate ``status`` tells.

        In a dataset that has the variables of `lmdata.certify`, the proved limits stand in for the last frame, however
        short the record; the coordinate ``limits_certified`` (<swept>, seed) says of which members.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or ``tolerance``
        is not a number above 0.

    Warns
    -----
    UnsettledWarning
        If ``ds`` is in memory, and tokens still move: how many, of how many members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]], steps=30)
    >>> limit = lmdata.limit_polytope(ds).isel(seed=0)
    >>> limit.token_vertex.values, int(limit.vertex_count), bool(limit.settled)
    (array([1, 1, 0]), 2, True)
    """
    found, certified = limits_of(ds, "limit_polytope", tolerance=tolerance, among=among)
    return marked(found, certified, found.coords[MOVING], "limit_polytope")


def limits_of(
    ds: xr.Dataset, measure: str, *, tolerance: float, among: Among
) -> tuple[xr.Dataset, xr.DataArray | None]:
    """Return what `limit_polytope` does, and whose limits are proved, for another measure that stands on them.

    Raises
    ------
    InvalidInput
        As `limit_polytope`, in the name of the ``measure``.
    """
    tolerance = as_number(tolerance, "tolerance", minimum=0, above=True)
    position = positions(ds, measure)
    check_whole(ds, measure, among)
    check_order(ds, measure)
    models = localmax_of(ds, measure)
    frame = ("token", "component")
    end, certified = ends(position, ds, among)
    where = "the last stored frame" if certified is None else "certified limits, or of the last stored frame"
    found = measured(
        ds,
        limit_sets,
        end,
        position.isel(time=0, drop=True),
        sensitivities(ds, models, measure).isel(time=-1),
        names=Limits._fields,
        core=(frame, frame, ()),
        new={"vertex": range(ds.sizes["token"])},
        comment=f"clusters of {where}, tolerance {tolerance!r} of the largest initial norm",
        alignment=alignment_of(ds, models, measure),
        tolerance=tolerance,
    )
    return found.set_coords(MOVING), certified
