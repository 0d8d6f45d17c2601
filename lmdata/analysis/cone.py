"""The cone that holds all tokens: how far the origin is from their hull, or how deep inside."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import nnls

from lmdata.analysis.hull_kernels import QHULL_RANK, RANK_TOLERANCE
from lmdata.analysis.measuring import measure, measured_states
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable


def margin(points: NDArray[np.floating]) -> float:
    r"""Return :math:`\max_{|w| = 1} \min_i \langle x_i, w \rangle` of points (n, d); `cone_margin` says what it is.

    Above zero, the shortest w with <x_i, w> >= 1 is found as by Lawson and Hanson (Solving Least Squares Problems,
    chapter 23), by least squares over non-negative weights. What is returned is the least <x_i, w> at that w, a bound
    from below whatever the solver did. Where it is not above its rounding, `depth` is asked.

    Examples
    --------
    >>> round(margin(np.array([[1.0, 1.0], [1.0, -2.0]])), 12), margin(np.array([[1.0], [-2.0]]))
    (1.0, -1.0)
    """
    n, d = points.shape
    size = np.abs(points).max()
    if size == 0:
        return 0.0
    scaled = points.astype(np.float64) / size
    target = np.zeros(d + 1)
    target[d] = 1.0
    weights, _ = nnls(np.vstack([scaled.T, np.ones(n)]), target, maxiter=30 * (n + d))
    normal = weights @ scaled  # the point of the hull nearest to the origin, times the sum of the weights
    length = np.sqrt((normal * normal).sum())
    least = float((scaled @ normal).min() / length) if length > 0 else 0.0
    rounding = 4.0 * (d + n) * np.finfo(np.float64).eps * np.sqrt(d)
    return (least if least > rounding else 0.0 - depth(scaled)) * float(size)


def depth(points: NDArray[np.float64]) -> float:
    """Return how far the origin, which is in the hull of points (n, d), is from its boundary.

    It is the least distance from the plane of a facet, by qhull; 0 where the hull is flat or the origin on its
    boundary. NaN in more than seven dimensions, where facets are too many to be listed, and where qhull gives up.

    Examples
    --------
    >>> depth(np.array([[2.0, 1.0], [-2.0, 1.0], [2.0, -1.0], [-2.0, -1.0]]))
    1.0
    """
    from scipy.spatial import ConvexHull, QhullError

    n, d = points.shape
    if d == 1:
        return float(max(0.0, min(points.max(), -points.min())))
    if n <= d or np.linalg.svd(points, compute_uv=False)[-1] <= RANK_TOLERANCE * np.abs(points).max():
        return 0.0  # a normal of the span of the points is at right angles to all of them
    if d > QHULL_RANK:
        return np.nan
    try:
        offsets = ConvexHull(points).equations[:, -1]
    except QhullError:
        return np.nan
    return float(max(0.0, (-offsets).min()))


def margins(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return `margin` (...) of states (..., n, d); NaN in an absent one.

    Examples
    --------
    >>> margins(np.array([[[3.0, 0.0], [0.0, 4.0]], [[np.nan, np.nan], [np.nan, np.nan]]])).round(12).tolist()
    [2.4, nan]
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d)
    found = np.full(len(states), np.nan)
    for state in np.flatnonzero(present(states)):
        found[state] = margin(np.ascontiguousarray(states[state]))
    return found.reshape(shape)


@measure(
    Variable("cone_margin", ("*", "seed", "time"), "float64", "margin of the best half-space that holds all tokens")
)
def cone_margin(ds: xr.Dataset) -> xr.DataArray:
    r"""Measure how well one open half-space holds all tokens, at every stored step.

    .. math:: \max_{|w| = 1} \min_i \langle x_i, w \rangle = \begin{cases}
              \operatorname{dist}(0, \operatorname{conv} X) & \text{the origin is outside of the hull} \\
              -\operatorname{dist}(0, \partial \operatorname{conv} X) & \text{it is inside} \end{cases}

    On the sphere, tokens of an open half-space gather at one point under self-attention (arXiv 2312.10794), and trained
    transformers keep theirs in a narrow cone. Where it is not above 0, no open half-space holds them all. It is 0 where
    a closed one does, as one always does with no more tokens than components. Below 0 it tells how far a half-space
    must be moved off the origin to hold them; that is found through the facets of the hull, in up to seven dimensions.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.

    Returns
    -------
    xarray.DataArray
        ``cone_margin`` (<swept>, seed, time), in units of the tokens, lazy where ``ds`` is; NaN for absent members,
        and where it is below 0 in more than seven dimensions (or qhull gives up).

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[3.0, 0.0], [0.0, 4.0]], steps=0)
    >>> cone_margin(ds).round(12).item()
    2.4
    """
    return measured_states(
        ds,
        margins,
        "cone_margin",
        "cone_margin",
        source="half-space of the tokens, arXiv 2312.10794",
    )["cone_margin"]
