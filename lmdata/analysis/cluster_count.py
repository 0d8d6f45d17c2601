"""How many clusters the tokens form, by distance and by the rank of a Boolean matrix; when they merge."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.clusters import clusters
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, times_of
from lmdata.analysis.presence import check_frames, present
from lmdata.analysis.times import lasts_from
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number

SOURCE = "clusters of self-attention dynamics, arXiv 2312.10794"


def counts(
    position: NDArray[np.floating], *, reach: float, cosine: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return clusters by distance, by rank, and the largest one's share, (...), of states (..., n, d).

    -1 and NaN in an absent state.

    Examples
    --------
    >>> state = np.array([[1.0, 0.0], [1.0, 1e-3], [0.0, 1.0]])
    >>> [part.item() for part in counts(state, reach=0.01, cosine=0.999)]
    [2, 2, 0.6666666666666666]
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    components, rank = np.full(len(states), -1, np.int64), np.full(len(states), -1, np.int64)
    largest = np.full(len(states), np.nan)
    for frame in np.flatnonzero(present(states)):
        state = states[frame]
        sizes = np.bincount(clusters(state, reach))
        components[frame], largest[frame] = sizes.size, sizes.max() / n
        norm = np.sqrt((state**2).sum(axis=1, keepdims=True))
        unit = np.divide(state, norm, out=np.zeros_like(state), where=norm > 0)
        rank[frame] = np.linalg.matrix_rank((unit @ unit.T > cosine).astype(np.float64), hermitian=True)
    return components.reshape(shape), rank.reshape(shape), largest.reshape(shape)


def merges(
    count: NDArray[np.int64], time: NDArray[Any], *, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return merge times and plateaus, (..., most), of counts (..., t), as `metastability` defines them.

    Examples
    --------
    >>> merge, plateau = merges(np.array([3, 3, 2, 1, 1]), np.array([0.0, 1.0, 2.0, 3.0, 4.0]), most=3)
    >>> merge.tolist(), plateau.tolist()
    ([3.0, 2.0, 0.0], [1.0, 1.0, 2.0])
    """
    here = count >= 0
    check_frames(here, "metastability")
    merge = np.stack([lasts_from(here & (count <= k), time) for k in range(1, most + 1)], axis=-1)
    end = np.concatenate([np.full((*merge.shape[:-1], 1), float(time[-1])), merge[..., :-1]], axis=-1)
    plateau = np.where(np.isnan(end), float(time[-1]), end) - merge
    return merge, plateau


@measure(
    Variable("cluster_count", ("*", "seed", "time"), "int64", "connected components of the tokens within reach"),
    Variable(
        "cluster_rank", ("*", "seed", "time"), "int64", "rank of the matrix of pairs with a cosine above the threshold"
    ),
    Variable("largest_share", ("*", "seed", "time"), "float64", "share of the tokens in the largest cluster"),
)
def cluster_counts(ds: xr.Dataset, *, reach: float = 0.05, cosine: float = 0.9999) -> xr.Dataset:
    r"""Count the clusters of every stored state, by two definitions.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.
    reach : float
        Tokens at most so far apart are linked; clusters are connected components. Unit of the tokens.
    cosine : float
        For the rule of arXiv 2312.10794: the rank of the matrix with entries
        :math:`[\cos \angle (x_i, x_j) > 1 - \epsilon]`. It counts clusters where they are far apart, and is
        reported beside the first for comparison.

    Returns
    -------
    xarray.Dataset
        ``cluster_count``, ``cluster_rank`` and ``largest_share``, each (<swept>, seed, time), lazy where ``ds`` is;
        -1, -1 and NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or a parameter is not allowed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.0], [-1.0, 0.0]], steps=20)
    >>> cluster_counts(ds).cluster_count.isel(seed=0, time=[0, -1]).values
    array([3, 2])
    """
    reach = as_number(reach, "reach", minimum=0, above=True)
    cosine = as_number(cosine, "cosine")
    if not -1.0 <= cosine <= 1.0:
        raise InvalidInput(f"cosine is {cosine!r}; it must lie between -1 and 1")
    return measured(
        ds,
        counts,
        positions(ds, "cluster_counts"),
        names=("cluster_count", "cluster_rank", "largest_share"),
        core=(CORE[1:],),
        source=SOURCE,
        comment=f"distance up to {reach:g}; cosine above {cosine:g}",
        reach=reach,
        cosine=cosine,
    )


@measure(
    Variable("merge_time", ("*", "seed", "clusters"), "float64", "time from which there are no more clusters", "step"),
    Variable("plateau", ("*", "seed", "clusters"), "float64", "time spent at so many clusters", "step"),
)
def metastability(ds: xr.Dataset, *, reach: float = 0.05) -> xr.Dataset:
    """Measure when clusters merge for good, and how long each number of them lasts (arXiv 2410.06833).

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.
    reach : float
        As in `cluster_counts`.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is. With k = 1..n along the dimension ``clusters``:

        - ``merge_time`` (<swept>, seed, clusters): first stored time from which on there are at most k clusters;
          NaN if that does not come
        - ``plateau`` (<swept>, seed, clusters): how long there are exactly k, the last plateau to the end of the
          record; 0 where k is skipped, NaN where it is not reached

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or ``reach`` is not positive.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(1e3), [[1.0], [0.0], [-1.0]], steps=10)
    >>> metastability(ds).merge_time.isel(seed=0).values
    array([5., 5., 0.])
    """
    reach = as_number(reach, "reach", minimum=0, above=True)
    count = cluster_counts(ds, reach=reach)["cluster_count"]
    most = ds.sizes["token"]
    return measured(
        ds,
        merges,
        count,
        times_of(ds, "metastability"),
        names=("merge_time", "plateau"),
        core=(("time",), ("time",)),
        new={"clusters": range(1, most + 1)},
        source="metastable clusters of self-attention, arXiv 2410.06833",
        comment=f"clusters: tokens linked at distances up to {reach:g}",
        most=most,
    )
