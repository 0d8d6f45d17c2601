"""Quiescent sets: tokens near a vertex that from some time on listen only to each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.ends import MOVING, marked
from lmdata.analysis.graph_bits import Words, Work, work
from lmdata.analysis.graph_frames import MATES, find_closed
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.neighbours import GRAIN, Frames, frames_of
from lmdata.analysis.parameters import CORE, Among, alignment_of, check_whole, localmax_of, sensitivities, times_of
from lmdata.analysis.polytope import TOLERANCE, limits_of
from lmdata.analysis.presence import present
from lmdata.analysis.quiescent_many import follow_many
from lmdata.analysis.times import lasts_from
from lmdata.data.registry import Variable
from lmdata.numerics.threads import parallel_for


class Quiescence(NamedTuple):
    """What `closed_sets` finds, for each member."""

    closed: NDArray[np.bool_]
    quiescent: NDArray[np.bool_]
    entry_time: NDArray[np.float64]
    s1: NDArray[np.bool_]
    s1_size: NDArray[np.int64]
    dwell: NDArray[np.int64]
    exits: NDArray[np.int64]
    vertex_share: NDArray[np.float64]
    s1_to_s2: NDArray[np.float64]
    s2_to_s1: NDArray[np.float64]
    s2_to_s2: NDArray[np.float64]


def closed_sets(
    position: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    vertex: NDArray[np.int64],
    time: NDArray[np.integer],
    *,
    alignment: NDArray[np.float64] | None = None,
) -> Quiescence:
    """Return closed and quiescent tokens and their statistics; shapes are those of `quiescent_sets`.

    Parameters
    ----------
    position : (..., t, n, d)
        A member with NaN is absent.
    sensitivity : (..., t)
        Broadcast against the members.
    vertex : (..., n)
        Number of the vertex at which each token ends, or -1.
    time : (t,)
    alignment : (d, d), optional
        A; the identity by default.

    Examples
    --------
    >>> position = np.array([[[1.0], [-0.1], [-1.0]], [[1.0], [0.5], [-1.0]], [[1.0], [0.9], [-1.0]]])
    >>> found = closed_sets(position, np.zeros(3), np.array([1, 1, 0]), np.arange(3))
    >>> found.quiescent.tolist()
    [[True, False, True], [True, True, True], [True, True, True]]
    >>> found.entry_time.tolist(), found.vertex_share.round(2).tolist()
    ([0.0, 1.0, 0.0], [0.33, 0.67, nan])
    """
    *shape, t, n, _ = position.shape
    frames = frames_of(position, sensitivity, alignment)
    ends = np.ascontiguousarray(vertex, np.int64).reshape(-1, n)
    m = len(ends)
    states = frames.states.reshape(m, t, n, -1)
    delta = frames.sensitivity.reshape(m, t)
    here = present(states[:, 0])
    closed = np.zeros((m, t, n), np.bool_)
    quiescent = np.zeros((m, t, n), np.bool_)
    share = np.full((m, n), np.nan)
    weight = np.full((3, m, t), np.nan)
    many = frames.many()

    def follow(begin: int, end: int) -> None:
        room = None if many else _room(*states.shape[2:])
        outside = np.empty((t, n))
        for member in begin + np.flatnonzero(here[begin:end]):
            own = Frames(states[member], delta[member], frames.matrix)
            if room is None:
                follow_many(own, ends[member], closed[member], quiescent[member], outside)
            else:
                find_closed(*own, *room, ends[member], closed[member], quiescent[member], outside)
            weight[:, member] = _weights(outside, quiescent[member, -1])
            inside = ends[member][quiescent[member, -1]]
            count = int(ends[member].max()) + 1
            share[member, :count] = np.bincount(inside, minlength=count) / n

    if many:
        follow(0, m)
    else:
        parallel_for(follow, m, max(1, GRAIN // (t * n**2)))
    found = Quiescence(
        closed=closed,
        quiescent=quiescent,
        entry_time=lasts_from(np.moveaxis(quiescent, 1, 2), time),
        s1=quiescent[:, -1],
        s1_size=np.where(here[:, None], quiescent.sum(axis=-1), -1),
        dwell=np.where(here[:, None], closed.sum(axis=1), -1),
        exits=np.where(here[:, None], (closed[:, :-1] & ~closed[:, 1:]).sum(axis=1), -1),
        vertex_share=share,
        s1_to_s2=weight[0],
        s2_to_s1=weight[1],
        s2_to_s2=weight[2],
    )
    return Quiescence._make(array.reshape((*shape, *array.shape[1:])) for array in found)


def _room(n: int, d: int) -> tuple[Work, Words, Words]:
    """Return room for a member of n tokens with d components."""
    room = work(n, d)
    return room, np.empty((MATES + n, room.seen.size), np.uint64), np.empty_like(room.hearers)


def _weights(outside: NDArray[np.float64], s1: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean weight that S1 gives S2, S2 gives S1 and S2 gives S2, (3, t); NaN of a set without tokens.

    ``outside`` (t, n) is what of each token's weight goes to S2; it is not looked at where S2 is empty.
    """
    found = np.full((3, len(outside)), np.nan)
    if s1.all():
        found[0] = 0.0
        return found
    found[2] = np.compress(~s1, outside, axis=1).mean(axis=1)
    found[1] = 1.0 - found[2]
    if s1.any():
        found[0] = np.compress(s1, outside, axis=1).mean(axis=1)
    return found


@measure(
    Variable("closed", ("*", "seed", "time", "token"), "bool", "token is in a closed set of its vertex", None),
    Variable("quiescent", ("*", "seed", "time", "token"), "bool", "token is quiescent from here on", None),
    Variable(
        "entry_time", ("*", "seed", "token"), "float64", "time from which the token is quiescent for good", "step"
    ),
    Variable("s1", ("*", "seed", "token"), "bool", "token is in the quiescent set of a vertex", None),
    Variable("s1_size", ("*", "seed", "time"), "int64", "quiescent tokens"),
    Variable("dwell", ("*", "seed", "token"), "int64", "stored steps at which the token is closed"),
    Variable("exits", ("*", "seed", "token"), "int64", "times that the token ceases to be closed"),
    Variable("vertex_share", ("*", "seed", "vertex"), "float64", "share of the tokens quiescent at the vertex"),
    Variable("s1_to_s2", ("*", "seed", "time"), "float64", "mean weight that S1 tokens give to S2 tokens"),
    Variable("s2_to_s1", ("*", "seed", "time"), "float64", "mean weight that S2 tokens give to S1 tokens"),
    Variable("s2_to_s2", ("*", "seed", "time"), "float64", "mean weight that S2 tokens give to S2 tokens"),
)
def quiescent_sets(ds: xr.Dataset, *, tolerance: float = TOLERANCE, among: Among = "run") -> xr.Dataset:
    """Find the quiescent set of every vertex, from every stored step on.

    A set of tokens is *closed* at t if no edge of the interaction graph leaves it, and *quiescent* from t0 on
    if it is closed at every t >= t0 (arXiv 2509.15958); for a record that ends, at every stored step from t0
    to its last. The quiescent set of a vertex v is the largest such set of tokens that end at v
    (`limit_polytope`): a token is in it unless some chain of listening, at stored steps from t0 on, leads to
    a token that ends elsewhere.

    Parameters
    ----------
    ds
        A localmax dataset.
    tolerance : float
        Of `limit_polytope`.
    among : {"run", "selection"}
        Of whom the graph is: all tokens of the run (a selection of them is refused), or, on its own, what a selection
        of tokens and components has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``quiescent`` (<swept>, seed, time, token): in the quiescent set of its vertex from this step on;
          once true, it stays so
        - ``closed`` (<swept>, seed, time, token): in the largest set of its vertex that is closed at this
          step alone, which it may leave again
        - ``entry_time`` (<swept>, seed, token): first stored time at which it is quiescent; NaN if at none
        - ``s1`` (<swept>, seed, token): S1, quiescent at the last step; the others are S2, which still listen
          to several clusters
        - ``s1_size`` (<swept>, seed, time): quiescent tokens at the step
        - ``dwell`` (<swept>, seed, token): number of stored steps at which the token is ``closed``
        - ``exits`` (<swept>, seed, token): times that ``closed`` turns false
        - ``vertex_share`` (<swept>, seed, vertex): share of all tokens in S1 and at the vertex; NaN beyond
          the last
        - ``s1_to_s2``, ``s2_to_s1``, ``s2_to_s2`` (<swept>, seed, time): the weight 1 / |C_i| of every neighbour,
          summed over those in the one set and averaged over the tokens of the other; S1 and S2 are those of the last
          step. NaN where the listening set is empty

        Absent members have False, -1 and NaN; the coordinate ``status`` tells. The coordinates ``limits_certified``
        and ``tokens_moving`` are those of `limit_polytope`.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters.

    Warns
    -----
    UnsettledWarning
        As `limit_polytope`.

    Examples
    --------
    The first two tokens stay at their vertex from the start. At step 0 the third still listens to the fourth, and
    later they listen to it: no set that holds them is closed at every step before 1.

    >>> import lmdata
    >>> model = lmdata.Localmax(alignment_sensitivity=0.25)
    >>> ds = lmdata.simulate(model, [[1.0], [1.0], [0.1], [-1.0]], steps=30)
    >>> quiet = lmdata.quiescent_sets(ds).isel(seed=0)
    >>> quiet.entry_time.values, quiet.s1_size.values[:3]
    (array([1., 1., 1., 0.]), array([1, 4, 4]))
    """
    position = positions(ds, "quiescent_sets")
    check_whole(ds, "quiescent_sets", among)
    times = times_of(ds, "quiescent_sets")
    models = localmax_of(ds, "quiescent_sets")
    limit, certified = limits_of(ds, "quiescent_sets", tolerance=tolerance, among=among)
    found = measured(
        ds,
        closed_sets,
        position,
        sensitivities(ds, models, "quiescent_sets"),
        limit["token_vertex"],
        times,
        names=Quiescence._fields,
        core=(CORE, ("time",), ("token",), ("time",)),
        new={"vertex": range(ds.sizes["token"])},
        comment=f"at every stored step up to the last; {limit['cluster'].attrs['comment']}",
        alignment=alignment_of(ds, models, "quiescent_sets"),
    )
    return marked(found, certified, limit.coords[MOVING], "quiescent_sets")
