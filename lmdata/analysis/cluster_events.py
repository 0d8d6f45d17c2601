"""What becomes of clusters from frame to frame: which merge, which part, and which stay as they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.cluster_count import SOURCE
from lmdata.analysis.clusters import clusters
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_order
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.numerics.checks import as_number


class Events(NamedTuple):
    """What happens between two partitions of the tokens."""

    merges: int
    births: int
    kept: int


def events_between(before: NDArray[np.int64], after: NDArray[np.int64]) -> Events:
    """Return what leads from clusters to clusters, by the number of each token's, (n,), counted from 0.

    `cluster_events` says how.

    Examples
    --------
    >>> events_between(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]))  # a token goes over to another cluster
    Events(merges=1, births=1, kept=1)
    """
    parts = np.unique(np.stack([before, after]), axis=1)
    first, last = (np.bincount(column) for column in parts)  # of each cluster, in how many parts it is
    kept = ((first[parts[0]] == 1) & (last[parts[1]] == 1)).sum()
    return Events(parts.shape[1] - last.size, parts.shape[1] - first.size, int(kept))


def events(position: NDArray[np.floating], *, reach: float) -> tuple[NDArray[np.int64], ...]:
    """Return merges, births and clusters that are kept, (..., t), of members (..., t, n, d); -1 in absent ones.

    Examples
    --------
    >>> position = np.array([[[0.0], [1.0], [5.0]], [[0.0], [0.1], [5.0]], [[0.0], [5.0], [5.0]]])
    >>> [part.tolist() for part in events(position, reach=0.2)]
    [[0, 1, 1], [0, 0, 1], [0, 1, 0]]
    """
    *shape, t, n, d = position.shape
    members = position.reshape(-1, t, n, d).astype(np.float64)
    found = np.full((3, len(members), t), -1, np.int64)
    for member in np.flatnonzero(present(members[:, 0])):
        labels = [clusters(np.ascontiguousarray(state), reach) for state in members[member]]
        found[:, member, 0] = 0
        for frame in range(1, t):
            found[:, member, frame] = events_between(labels[frame - 1], labels[frame])
    return tuple(part.reshape(*shape, t) for part in found)


@measure(
    Variable("cluster_merges", ("*", "seed", "time"), "int64", "merges of clusters since the last stored step"),
    Variable("cluster_births", ("*", "seed", "time"), "int64", "clusters that parted from another since then"),
    Variable("clusters_kept", ("*", "seed", "time"), "int64", "clusters of the same tokens as at the last stored step"),
)
def cluster_events(ds: xr.Dataset, *, reach: float = 0.05) -> xr.Dataset:
    r"""Count the merges and births of clusters from each stored frame to the next.

    Clusters are those of `cluster_counts`: tokens linked at distances up to ``reach``. Two clusters of successive
    frames are linked if they share a token; with A and B the clusters of a frame and of the next, and
    :math:`A \wedge B = \{a \cap b \ne \emptyset\}` their parts in common,

    .. math:: \text{births} = |A \wedge B| - |A|, \qquad \text{merges} = |A \wedge B| - |B|, \qquad
              |B| = |A| + \text{births} - \text{merges}.

    Clusters part into the common parts, a birth for each part beyond the first, and these merge into the new clusters:
    the shortest way from one to the other that parts before it merges. A token that goes over to another cluster is a
    birth and a merge.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model or none. Tokens that a selection has left out are in no cluster.
    reach : float
        As in `cluster_counts`, in units of the tokens.

    Returns
    -------
    xarray.Dataset
        ``cluster_merges``, ``cluster_births`` and ``clusters_kept`` (those of the same tokens as one of the frame
        before), each (<swept>, seed, time), at the later of the two frames and 0 at the first. Lazy where ``ds`` is;
        -1 for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, its steps do not ascend, or ``reach`` is not positive.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(1e3), [[1.0], [0.0], [-1.0]], steps=10)
    >>> cluster_events(ds).cluster_merges.isel(seed=0).values
    array([0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0])
    """
    reach = as_number(reach, "reach", minimum=0, above=True)
    position = positions(ds, "cluster_events")
    check_order(ds, "cluster_events")
    return measured(
        ds,
        events,
        position,
        names=("cluster_merges", "cluster_births", "clusters_kept"),
        core=(CORE,),
        source=SOURCE,
        comment=f"clusters: tokens linked at distances up to {reach:g}; between stored steps",
        reach=reach,
    )
