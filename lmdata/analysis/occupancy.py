"""How many tokens have arrived at each vertex of the limit polytope, frame by frame."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.ends import MOVING, marked
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.pair_kernels import shares_aligned, shares_within
from lmdata.analysis.parameters import CORE, Among, alignment_of, check_whole, localmax_of, sensitivities, times_of
from lmdata.analysis.polytope import TOLERANCE, limits_of, scale_of
from lmdata.analysis.presence import present
from lmdata.analysis.times import lasts_from
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics.arrays import apply
from lmdata.numerics.checks import as_number

RADIUS = 0.1
"""Default radius, relative to the scale of a member."""

SHARES = (0.5, 0.9, 0.99)
"""Shares of the tokens of which the time is told."""

ROUNDING = 1e-12
"""What a sum of shares may lack by rounding."""


def shares_by_radius(
    position: NDArray[np.floating], vertex_position: NDArray[np.float64], *, radius: float | None = None
) -> NDArray[np.float64]:
    """Return the share of the tokens within the radius of each vertex, (..., t, v).

    Parameters
    ----------
    position : (..., t, n, d)
    vertex_position : (..., v, d)
        NaN beyond the last vertex, where the share is NaN.
    radius
        None stands for `RADIUS` times the scale of each member.

    Examples
    --------
    >>> position = np.array([[[1.0], [0.5], [-1.0]], [[1.0], [0.95], [-1.0]]])
    >>> shares_by_radius(position, np.array([[-1.0], [1.0], [np.nan]])).round(2)
    array([[0.33, 0.33,  nan],
           [0.33, 0.67,  nan]])
    """
    *shape, t, n, d = position.shape
    states = position.reshape(-1, t, n, d).astype(np.float64)
    corners = vertex_position.reshape(len(states), -1, d)
    share = np.full((len(states), t, corners.shape[1]), np.nan)
    for member in np.flatnonzero(present(states[:, 0])):
        count = int((~np.isnan(corners[member, :, 0])).sum())
        reach = RADIUS * float(scale_of(states[member, 0])) if radius is None else radius
        share[member, :, :count] = shares_within(states[member], corners[member, :count], reach)
    return share.reshape(*shape, t, -1)


def shares_by_region(
    position: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    cluster: NDArray[np.int64],
    limit_position: NDArray[np.float64],
    vertex: NDArray[np.int64],
    *,
    alignment: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the share of the tokens in the quiescent region of each vertex, (..., t, e); NaN beyond the last.

    Parameters
    ----------
    position : (..., t, n, d)
        Tokens, or any probes.
    sensitivity : (..., t)
        Broadcast against the members.
    cluster, limit_position, vertex : (..., e), (..., e, d), (..., e)
        As of `lmdata.analysis.polytope.limit_sets`.
    alignment : (d, d), optional
        A; the identity by default.

    Examples
    --------
    >>> position = np.array([[[1.0], [0.5], [0.1]]])
    >>> limits = np.array([0, 0, 1]), np.array([[1.0], [1.0], [-1.0]]), np.array([1, 1, 0])
    >>> shares_by_region(position, np.array([0.4]), *limits).round(2)
    array([[0.  , 0.67,  nan]])
    """
    *shape, t, n, d = position.shape
    states = position.reshape(-1, t, n, d).astype(np.float64)
    m, ends = len(states), cluster.shape[-1]
    delta = np.broadcast_to(sensitivity, (*shape, t)).reshape(m, t)
    share = np.full((m, t, ends), np.nan)
    for member in np.flatnonzero(present(states[:, 0])):
        _, first = np.unique(cluster.reshape(m, ends)[member], return_index=True)
        points = limit_position.reshape(m, ends, d)[member, first]
        number = vertex.reshape(m, ends)[member, first]
        count = int(number.max()) + 1
        aligned = apply(alignment, points)
        share[member, :, :count] = shares_aligned(states[member], aligned, number, delta[member], count)
    return share.reshape(*shape, t, ends)


def entropy_of(
    share: NDArray[np.float64], time: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the entropy of the shares, (..., t), and the times from which they sum to `SHARES`, (..., 3).

    Parameters
    ----------
    share : (..., t, v)
        NaN beyond the last vertex.
    time : (t,)

    Examples
    --------
    >>> entropy, times = entropy_of(np.array([[0.0, 0.0], [0.25, 0.5], [0.5, 0.5]]), np.arange(3))
    >>> (entropy / np.log(2)).round(6).tolist(), times.tolist()
    ([0.0, 1.5, 1.0], [1.0, 2.0, 2.0])
    """
    absent = np.isnan(share).all(axis=-1)
    occupied = np.nan_to_num(share)
    total = occupied.sum(axis=-1)
    parts = np.concatenate([occupied, np.clip(1.0 - total, 0.0, None)[..., None]], axis=-1)
    entropy = -(parts * np.log(np.where(parts > 0.0, parts, 1.0))).sum(axis=-1)
    reached = total[..., None, :] >= np.array(SHARES)[:, None] - ROUNDING
    return np.where(absent, np.nan, entropy + 0.0), lasts_from(reached & ~absent[..., None, :], time)


@measure(
    Variable("occupancy", ("*", "seed", "time", "vertex"), "float64", "share of the tokens at the vertex"),
    Variable("occupancy_entropy", ("*", "seed", "time"), "float64", "entropy of the occupancy", "nat"),
    Variable("time_to_share", ("*", "seed", "share"), "float64", "first time of that share at vertices", "step"),
)
def vertex_occupancy(
    ds: xr.Dataset,
    *,
    definition: Literal["radius", "region"] = "radius",
    radius: float | None = None,
    tolerance: float = TOLERANCE,
    among: Among = "run",
) -> xr.Dataset:
    """Measure the share of the tokens at each vertex of the limit polytope, at every stored step.

    Two definitions (arXiv 2509.15958; v the vertices, w the limit points of `limit_polytope`):

    - ``"radius"``: o_v(t) is the share of the tokens with ``|z_i(t) - v| <= radius``; a token within reach of
      several vertices counts for the nearest.
    - ``"region"``: o_v(t) is the share of the tokens in the quiescent region
      ``Q_v = {x : <A x, v - w> > delta(t) for every other w}``. A probe in it moves to v for ever, where the
      gap of v is at least delta. That x be in the limit polytope itself is not asked for: tokens get there in
      the limit only.

    Either way ``sum_v o_v <= 1``.

    Parameters
    ----------
    ds
        A localmax dataset.
    definition
        ``"radius"`` or ``"region"``.
    radius : float, optional
        Euclidean; by default a tenth of the member's scale ``max_i |z_i|`` in the first stored frame. Not for
        ``"region"``.
    tolerance : float
        Of `limit_polytope`.
    among : {"run", "selection"}
        Whose limits and shares: all tokens of the run (a selection of them is refused), or, on its own, what a
        selection of tokens and components has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is. Vertices are those of `limit_polytope`, with the same numbers and its coordinates
        ``limits_certified`` and ``tokens_moving``.

        - ``occupancy`` (<swept>, seed, time, vertex): NaN beyond the last vertex
        - ``occupancy_entropy`` (<swept>, seed, time): ``- sum_v o_v ln o_v - o ln o``, with o the share of
          the tokens at no vertex
        - ``time_to_share`` (<swept>, seed, share): first stored time from which on at least 50, 90, 99 % of
          the tokens are at vertices; NaN where that does not come

        Absent members have NaN.

    Raises
    ------
    UnknownName
        If ``definition`` is neither of the two.
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or ``radius`` is
        not a number above 0, or comes with ``"region"``.

    Warns
    -----
    UnsettledWarning
        As `limit_polytope`.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]], steps=30)
    >>> occupied = lmdata.vertex_occupancy(ds, radius=0.1).isel(seed=0)
    >>> occupied.occupancy.isel(time=-1).values.round(2), occupied.time_to_share.values
    (array([0.33, 0.67,  nan]), array([0., 3., 3.]))
    """
    if definition not in ("radius", "region"):
        raise UnknownName.among("definition of occupancy", str(definition), ("radius", "region"))
    if radius is not None and definition == "region":
        raise InvalidInput(f"radius is {radius!r} with definition='region'; it is for definition='radius' alone")
    radius = None if radius is None else as_number(radius, "radius", minimum=0, above=True)
    position = positions(ds, "vertex_occupancy")
    check_whole(ds, "vertex_occupancy", among)
    times = times_of(ds, "vertex_occupancy")
    models = localmax_of(ds, "vertex_occupancy")
    limit, certified = limits_of(ds, "vertex_occupancy", tolerance=tolerance, among=among)
    new = {"vertex": range(ds.sizes["token"])}
    if definition == "radius":
        within = f"{RADIUS!r} of the largest initial norm" if radius is None else repr(radius)
        occupied = measured(
            ds,
            shares_by_radius,
            position,
            limit["vertex_position"],
            names=("occupancy",),
            core=(CORE, ("vertex", "component")),
            new=new,
            comment=f"tokens within {within} of the vertex",
            radius=radius,
        )
    else:
        occupied = measured(
            ds,
            shares_by_region,
            position,
            sensitivities(ds, models, "vertex_occupancy"),
            limit["cluster"],
            limit["limit_position"],
            limit["token_vertex"],
            names=("occupancy",),
            core=(CORE, ("time",), ("token",), ("token", "component"), ("token",)),
            new=new,
            comment="tokens in the quiescent region of the vertex",
            alignment=alignment_of(ds, models, "vertex_occupancy"),
        )
    summed_up = measured(
        ds,
        entropy_of,
        occupied["occupancy"],
        times,
        names=("occupancy_entropy", "time_to_share"),
        core=(("time", "vertex"), ("time",)),
        new={"share": SHARES},
        comment=occupied["occupancy"].attrs["comment"],
    )
    return marked(occupied.assign(summed_up.data_vars), certified, limit.coords[MOVING], "vertex_occupancy")
