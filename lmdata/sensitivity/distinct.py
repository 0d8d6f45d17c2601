"""How many different limits a start has over the sensitivity axis, up to the error that their proofs allow."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.dynamics.kernels.certificate import SAME
from lmdata.dynamics.limits.walk import AT_REST
from lmdata.errors import InvalidInput
from lmdata.sensitivity.functions import check_atlas, slices

type Floats = NDArray[np.float64]


def distinct_limits(ds: xr.Dataset) -> xr.Dataset:
    """Count the different limits over the proved intervals of every start, up to their errors.

    Two intervals have the same limit if no token's limits differ by more than the sum of their errors in any
    component; so do those that are linked by others. What is counted as different is certainly different.

    Parameters
    ----------
    ds
        An atlas with ``limits``.

    Returns
    -------
    xarray.Dataset
        - ``limit_number`` (interval): number of its limit among those of its start, in order of the sensitivity; -1
          where nothing is proved
        - ``grouping_number`` (interval): the same of which tokens end together, wherever that is
        - ``distinct_limit_count``, ``distinct_grouping_count`` (seed)

    Raises
    ------
    InvalidInput
        If ``ds`` is no atlas, or has no limits.

    Notes
    -----
    Limits are those of the canonical floats, so an interval of a few floats at a tie may have a limit of its own. At
    rest, where the error is 0, they count as equal within 2^-40 of the farthest token, as tokens of one limit do.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]], sensitivity=(0.1, 5.0))
    >>> found = ds.atlas.distinct_limits()
    >>> found.distinct_limit_count.values, found.distinct_grouping_count.values
    (array([16]), array([2]))
    """
    check_atlas(ds, "distinct_limits")
    if "limit_position" not in ds:
        raise InvalidInput("the atlas has no limit_position; make it without steps, and with limits=True")
    number = np.full(ds.sizes["interval"], -1, np.int64)
    grouping = number.copy()
    for own in slices(ds):
        one = ds[["certified", "outcome", "limit_error", "limit_position", "cluster"]].isel(interval=own).compute()
        proved = np.flatnonzero(one["certified"].values)
        limits = one["limit_position"].values[proved]
        reach = float(np.abs(limits).max(initial=0.0))
        error = np.where(one["outcome"].values[proved] == AT_REST, SAME * reach, one["limit_error"].values[proved])
        number[own.start + proved] = families(limits.reshape(len(proved), -1), error)
        grouping[own.start + proved] = _groupings(one["cluster"].values[proved])
    counts = [[int(found[own].max(initial=-1)) + 1 for own in slices(ds)] for found in (number, grouping)]
    meanings = ("number of the limit among those of the start", "number of the grouping of the tokens by their limits")
    told = ("different limits over the proved intervals", "different groupings over the proved intervals")
    return xr.Dataset(
        {
            "limit_number": ("interval", number, {"long_name": meanings[0]}),
            "grouping_number": ("interval", grouping, {"long_name": meanings[1]}),
            "distinct_limit_count": ("seed", np.array(counts[0]), {"long_name": told[0], "units": "1"}),
            "distinct_grouping_count": ("seed", np.array(counts[1]), {"long_name": told[1], "units": "1"}),
        },
        coords={"seed": ds["seed"]},
    )


def families(points: Floats, error: Floats) -> NDArray[np.int64]:
    """Return numbers of families of points (m, k), in order of appearance: within the sum of their errors they are one.

    Examples
    --------
    >>> families(np.array([[0.0], [1.0], [1.1], [0.0], [1.2]]), np.array([0.0, 0.06, 0.06, 0.0, 0.06])).tolist()
    [0, 1, 1, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count, k = points.shape
    # along any direction those that are one are near: all others need not be looked at
    direction = np.random.default_rng(0).uniform(-1.0, 1.0, k)
    along = points @ direction
    order = np.argsort(along, kind="stable")
    along, points, wide = along[order], points[order], error[order]
    stretch = float(np.abs(direction).sum())
    rounding = 4.0 * np.finfo(float).eps * (k + 2) * stretch * float(np.abs(points).max(initial=0.0))
    labels = np.arange(count)
    lag = 1
    while lag < count and (along[lag:] - along[:-lag] <= 2.0 * stretch * wide.max() + rounding).any():
        near = along[lag:] - along[:-lag] <= stretch * (wide[lag:] + wide[:-lag]) + rounding
        first = np.flatnonzero(near & (labels[lag:] != labels[:-lag]))
        second = first + lag
        one = np.abs(points[first] - points[second]).max(axis=1, initial=0.0) <= wide[first] + wide[second]
        links = (np.ones(int(one.sum())), (labels[first[one]], labels[second[one]]))
        labels = connected_components(coo_array(links, shape=(count, count)), directed=False)[1][labels]
        lag += 1
    found = np.empty(count, np.int64)
    found[order] = labels
    return _renumbered(found)


def _groupings(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers of the partitions of the tokens that clusters (m, n) stand for, whatever clusters are called."""
    first = (cluster[:, :, None] == cluster[:, None, :]).argmax(axis=2) if len(cluster) else cluster
    return _renumbered(
        np.unique(first, axis=0, return_inverse=True)[1].ravel() if len(first) else np.empty(0, np.int64)
    )


def _renumbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels as 0, 1, ... in order of appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse], np.int64)
