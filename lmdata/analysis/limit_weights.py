"""What limits are made of: weights on the vertices that they hear, and how far they are from being aligned most."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.ends import MOVING, marked
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import Among, alignment_of, check_whole, localmax_of, sensitivities
from lmdata.analysis.polytope import TOLERANCE, limits_of, scale_of
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import neighbourhoods
from lmdata.numerics.arrays import apply

NAMES = ("vertex_weight", "weight_residual", "projection_distance", "alignment_gap", "maximal_share")

type Numbers = tuple[NDArray[np.float64], ...]
"""In the order of `NAMES`."""


def weights_of_limits(
    final: NDArray[np.floating],
    first: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    cluster: NDArray[np.int64],
    limit_position: NDArray[np.float64],
    vertex: NDArray[np.int64],
    *,
    alignment: NDArray[np.float64] | None = None,
    tolerance: float = TOLERANCE,
) -> Numbers:
    """Return the numbers of `limit_weights` for members (..., n, d).

    Parameters
    ----------
    final, first : (..., n, d)
        Last and first stored frame of each member; one with NaN is absent.
    sensitivity : (...)
        At the last frame; broadcast against the members.
    cluster, limit_position, vertex : (..., n), (..., n, d), (..., n)
        As of `lmdata.analysis.polytope.limit_sets`.
    alignment : (d, d), optional
        A; the identity by default.
    tolerance
        Relative to `scale_of` the first frame.

    Examples
    --------
    The middle one hears both ends, the second of them twice.

    >>> ends = np.array([[-1.0], [1 / 3], [1.0], [1.0]])
    >>> found = weights_of_limits(ends, ends, np.array(1.0), np.array([0, 1, 2, 2]), ends, np.array([0, -1, 1, 1]))
    >>> found[0][1, :2].round(3).tolist(), found[3].round(3).tolist()
    ([0.333, 0.667], [0.0, 0.222, 0.0, 0.0])
    """
    *shape, n, d = final.shape
    states = final.reshape(-1, n, d).astype(np.float64)
    m = len(states)
    delta = np.broadcast_to(sensitivity, shape).reshape(-1)
    scale = scale_of(first).reshape(-1)
    label, limits, number = cluster.reshape(m, n), limit_position.reshape(m, n, d), vertex.reshape(m, n)
    weight, share = np.full((m, n, n), np.nan), np.full(m, np.nan)
    residual, distance, gap = (np.full((m, n), np.nan) for _ in range(3))
    root = np.eye(d) if alignment is None else np.linalg.cholesky(alignment).T
    for member in np.flatnonzero(present(states)):
        of = label[member]
        _, one = np.unique(of, return_index=True)
        points, corner = limits[member, one], number[member, one]
        chances = _chances(neighbourhoods(states[member], float(delta[member]), alignment), of)
        found, away = _on_vertices(chances, points, corner)
        weight[member, :, : found.shape[1]] = found[of]
        residual[member] = away[of]
        distance[member] = _from_projections(chances, points @ root.T)[of]
        score = points @ apply(alignment, points).T
        gap[member] = (score.max(axis=0) - np.diagonal(score))[of]
        share[member] = (gap[member] <= tolerance * (root**2).sum() * scale[member] ** 2).mean()
    return (
        weight.reshape(*shape, n, n),
        *(each.reshape(*shape, n) for each in (residual, distance, gap)),
        share.reshape(shape),
    )


def _chances(graph: NDArray[np.bool_], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weight that the tokens of each cluster give to each cluster, (c, c)."""
    member = (cluster[:, None] == np.arange(cluster.max() + 1)).astype(np.float64)
    given = (graph @ member) / graph.sum(axis=1, keepdims=True)
    return np.asarray(member.T @ given / member.sum(axis=0)[:, None])


def _on_vertices(
    chances: NDArray[np.float64], points: NDArray[np.float64], corner: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where chains of listening end, (c, v), and how far the points are from these means of the vertices.

    With S the clusters at no vertex and V those at one, B = P_SV + P_SS B.
    """
    between, at = np.flatnonzero(corner < 0), np.flatnonzero(corner >= 0)
    weight = np.zeros((len(points), len(at)))
    weight[at, corner[at]] = 1.0
    straight = np.zeros((len(between), len(at)))
    straight[:, corner[at]] = chances[np.ix_(between, at)]
    leave = np.eye(len(between)) - chances[np.ix_(between, between)]
    # a set between vertices that hears itself alone is not at rest: it has no weights
    whole = np.linalg.matrix_rank(leave) == len(between) if len(between) else True
    weight[between] = np.linalg.solve(leave, straight) if whole else np.nan
    place = np.empty((len(at), points.shape[1]))
    place[corner[at]] = points[at]
    return weight, np.sqrt(((points - weight @ place) ** 2).sum(axis=1))


def _from_projections(chances: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each point is from the projection of the origin onto the affine hull of those that it hears."""
    away = np.empty(len(points))
    for i, point in enumerate(points):
        heard = np.flatnonzero(chances[i])
        others = heard[heard != i] if (heard != i).any() else heard
        base, *rest = points[others]
        span = np.array(rest).reshape(-1, points.shape[1]).T - base[:, None]
        step = np.linalg.lstsq(span, -base, rcond=None)[0]
        away[i] = np.sqrt(((point - base - span @ step) ** 2).sum())
    return away


@measure(
    Variable("vertex_weight", ("*", "seed", "token", "vertex"), "float64", "weight of the vertex in the token's limit"),
    Variable("weight_residual", ("*", "seed", "token"), "float64", "distance of the limit from the weighted vertices"),
    Variable(
        "projection_distance",
        ("*", "seed", "token"),
        "float64",
        "distance of the limit from the projection of the origin onto what it hears",
    ),
    Variable("alignment_gap", ("*", "seed", "token"), "float64", "largest <A s, w - s> over the limit points w"),
    Variable("maximal_share", ("*", "seed"), "float64", "share of the tokens in the maximal alignment set"),
)
def limit_weights(ds: xr.Dataset, *, tolerance: float = TOLERANCE, among: Among = "run") -> xr.Dataset:
    r"""Measure what the tokens' limits are made of: weights on vertices, projections, alignment gaps.

    A token that ends at no vertex rests at the mean of those that it hears outside its cluster
    (arXiv 2509.15958); those may rest between vertices themselves. With P the weights that limit clusters give each
    other, S the clusters at no vertex and V those at one, its limits are the means of vertices with the weights

    .. math:: B = (1 - P_{SS})^{-1} P_{SV}

    where chains of listening end. At sensitivity 0 a limit s hears only who is equally aligned with it, so that
    it is the point of their affine hull that is nearest to the origin in the norm of A.

    Parameters
    ----------
    ds
        A localmax dataset.
    tolerance : float
        Of `limit_polytope`; relative to ``|A| scale^2`` it also says up to which gap a token is aligned most.
    among : {"run", "selection"}
        Whose limits: all tokens of the run (a selection of them is refused), or, on its own, what a selection of
        tokens and components has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is. Vertices and limits s are those of `limit_polytope`, with its coordinates
        ``limits_certified`` and ``tokens_moving``; who hears whom is read off the last stored frame.

        - ``vertex_weight`` (<swept>, seed, token, vertex): sums to 1 over the vertices; one 1 for a token at a vertex;
          NaN beyond the last vertex, and where a set between vertices hears itself alone, as none at rest does
        - ``weight_residual`` (<swept>, seed, token): Euclidean distance of s from the weighted mean of the vertices;
          0 in the limit
        - ``projection_distance`` (<swept>, seed, token): ``|s - p|_A``, with p the A-projection of the origin onto the
          affine hull of the other limits that the token hears (of s itself where there are none); 0 at sensitivity 0
        - ``alignment_gap`` (<swept>, seed, token): ``max_w <A s, w - s>`` over the limit points w: 0 in the
          maximal alignment set ``{s in K : <A s, s> = max_K <A s, y>}``, which holds all vertices; at most delta
        - ``maximal_share`` (<swept>, seed): share of the tokens in that set

        Absent members have NaN.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or ``tolerance``
        is not a number above 0.

    Warns
    -----
    UnsettledWarning
        As `limit_polytope`.

    Examples
    --------
    >>> import lmdata
    >>> square = [[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [0.5, 0.0]]
    >>> found = limit_weights(lmdata.simulate(lmdata.Localmax(), square, steps=20)).isel(seed=0)
    >>> found.vertex_weight.isel(token=4).values, float(found.projection_distance.max().round(5))
    (array([0. , 0.5, 0.5, 0. , nan]), 0.0)
    """
    position = positions(ds, "limit_weights")
    check_whole(ds, "limit_weights", among)
    models = localmax_of(ds, "limit_weights")
    limit, certified = limits_of(ds, "limit_weights", tolerance=tolerance, among=among)
    frame = ("token", "component")
    found = measured(
        ds,
        weights_of_limits,
        position.isel(time=-1, drop=True),
        position.isel(time=0, drop=True),
        sensitivities(ds, models, "limit_weights").isel(time=-1),
        limit["cluster"],
        limit["limit_position"],
        limit["token_vertex"],
        names=NAMES,
        core=(frame, frame, (), ("token",), frame, ("token",)),
        new={"vertex": range(ds.sizes["token"])},
        comment=limit["cluster"].attrs["comment"],
        alignment=alignment_of(ds, models, "limit_weights"),
        tolerance=tolerance,
    )
    return marked(found, certified, limit.coords[MOVING], "limit_weights")
