"""The cone that holds all tokens: how far the origin is from their hull."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import nnls

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable


def margin(points: NDArray[np.floating]) -> float:
    r"""Return :math:`\max_{|w| \le 1} \min_i \langle x_i, w \rangle` of points (n, d).

    It is the distance of the origin from their hull. The shortest w with <x_i, w> >= 1 is found as by Lawson and Hanson
    (Solving Least Squares Problems, chapter 23), by least squares over non-negative weights. What is returned is the
    least <x_i, w> at that w, a bound from below whatever the solver did; where it is not above its rounding, 0.

    Examples
    --------
    >>> round(margin(np.array([[1.0, 1.0], [1.0, -2.0]])), 12), margin(np.array([[1.0], [-1.0]]))
    (1.0, 0.0)
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
    return least * float(size) if least > rounding else 0.0


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


@measure(Variable("cone_margin", ("*", "seed", "time"), "float64", "distance of the origin from the tokens' hull"))
def cone_margin(ds: xr.Dataset) -> xr.DataArray:
    r"""Measure how well one open half-space holds all tokens, at every stored step.

    .. math:: \max_{|w| \le 1} \min_i \langle x_i, w \rangle = \operatorname{dist}(0, \operatorname{conv} X)

    On the sphere, tokens of an open half-space gather at one point under self-attention (arXiv 2312.10794), and trained
    transformers keep theirs in a narrow cone. 0 where no open half-space holds them all.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.

    Returns
    -------
    xarray.DataArray
        ``cone_margin`` (<swept>, seed, time), in units of the tokens, lazy where ``ds`` is; NaN for absent members.

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
    return measured(
        ds,
        margins,
        positions(ds, "cone_margin"),
        names=("cone_margin",),
        core=(("token", "component"),),
        source="half-space of the tokens, arXiv 2312.10794",
    )["cone_margin"]
