"""Leaders: tokens that are their own neighbours."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis import graph_tree
from lmdata.analysis.given_attention import SOURCE as GIVEN
from lmdata.analysis.given_attention import attended_most, given_attention, own_sensitivity, told
from lmdata.analysis.graph_frames import find_leaders
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.neighbours import frames_of
from lmdata.analysis.parameters import Among, alignment_of, check_whole, localmax_of, sensitivities
from lmdata.data.registry import Variable


def self_aligned(
    position: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    alignment: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Return which tokens are in their own neighbourhood, (..., n), for states (..., n, d); False in an absent one.

    Parameters are those of `lmdata.analysis.interaction.graph_statistics`.

    Examples
    --------
    >>> self_aligned(np.array([[1.0], [0.5], [-1.0]]), np.array(0.25)).tolist()
    [True, True, True]
    """
    frames = frames_of(position, sensitivity, alignment)
    leader = np.zeros(frames.states.shape[:2], np.bool_)

    def lead(frame: int) -> None:
        leader[frame] = graph_tree.leaders(frames.system(frame))

    if frames.many():
        frames.over_many(lead, leader)
    else:
        frames.over_few(lambda room, begin, end: find_leaders(*frames, room, begin, end, leader))
    return leader.reshape(position.shape[:-1])


def leading(weights: NDArray[np.floating], sensitivity: float = 0.0) -> NDArray[np.bool_]:
    """Return which tokens are their own neighbours at the scores of weights (..., n, n), (..., n).

    Examples
    --------
    >>> leading(np.array([[0.6, 0.4], [0.7, 0.3]])).tolist()
    [True, False]
    """
    return np.asarray(np.diagonal(attended_most(weights, sensitivity), axis1=-2, axis2=-1))


@measure(
    Variable("leader", ("*", "seed", "time", "token"), "bool", "token is its own neighbour", None),
)
def leaders(ds: xr.Dataset, *, sensitivity: float | None = None, among: Among = "run") -> xr.DataArray:
    """Tell which tokens are leaders at every stored step: ``<A z_i, z_i> >= max_l <A z_i, z_l> - delta(t)``.

    The word is hardmax's (arXiv 2407.01602, definition of leaders); for localmax, tokens aligned with
    themselves up to the sensitivity (arXiv 2509.15958).

    Of states that came with their attention, a token leads under a head if it is its own neighbour at the model's own
    scores, ``ln P_ii >= max_j ln P_ij - delta``: with delta = 0, if it attends to no other more than to itself.

    Parameters
    ----------
    ds
        A localmax dataset, or one with the variable ``attention``.
    sensitivity : float, optional
        delta >= 0 for given attention, in units of its scores (inverse temperature and all); 0 by default. Localmax has
        its own.
    among : {"run", "selection"}
        Of whom the graph is: all tokens of the run (a selection of them is refused), or, on its own, what a selection
        of tokens and components has left.

    Returns
    -------
    xarray.DataArray
        ``leader``, bool (<swept>, seed, time, token), lazy where ``ds`` is; with given attention (<swept>, seed, time,
        head, token). False for absent members: see the coordinate ``status``.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or a sensitivity is not
        allowed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]], steps=3)
    >>> lmdata.leaders(ds).isel(seed=0, time=0).values
    array([ True, False,  True])
    """
    weights = given_attention(ds, "leaders", among)
    delta = own_sensitivity(sensitivity, "leaders", given=weights is not None)
    if weights is not None:
        core = (("token", "key"),)
        return measured(
            ds, leading, weights, names=("leader",), core=core, source=GIVEN, comment=told(delta), sensitivity=delta
        )["leader"]
    position = positions(ds, "leaders")
    check_whole(ds, "leaders", among)
    models = localmax_of(ds, "leaders")
    return measured(
        ds,
        self_aligned,
        position,
        sensitivities(ds, models, "leaders"),
        names=("leader",),
        core=(("token", "component"), ()),
        comment="neighbourhoods of the stored positions, at every stored step",
        alignment=alignment_of(ds, models, "leaders"),
    )["leader"]
