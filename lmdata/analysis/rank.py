"""How far tokens are from being one: their distance from consensus, and how many directions they take up evenly."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured_states
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable


def of_size_one(position: NDArray[np.floating], axis: int | tuple[int, int]) -> NDArray[np.float64]:
    """Return numbers over a power of two, the largest along ``axis`` in [1/2, 1), so that no square overflows.

    Examples
    --------
    >>> of_size_one(np.array([3.0, 1.0]), axis=-1).tolist()
    [0.75, 0.25]
    """
    points = np.ascontiguousarray(position, dtype=np.float64)
    _, exponent = np.frexp(np.abs(points).max(axis=axis, keepdims=True))
    return np.ldexp(points, -exponent)


def directions(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return tokens (..., n, d) brought to length one; one at the origin, which has no direction, stays there.

    Examples
    --------
    >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    points = of_size_one(position, axis=-1)
    length = np.sqrt((points * points).sum(axis=-1, keepdims=True))
    return np.divide(points, length, out=np.zeros_like(points), where=length > 0)


def residuals(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distance from consensus, relative to the length, (...), of states (..., n, d); `token_rank` says how.

    NaN in an absent state, and where all tokens are at the origin.

    Examples
    --------
    >>> residuals(np.array([[1.0], [0.0]])).item() ** 2
    0.5000000000000001
    """
    points = of_size_one(position, axis=(-2, -1))
    spread = points - points.mean(axis=-2, keepdims=True)
    apart, length = (np.sqrt((part * part).sum(axis=-1).sum(axis=-1)) for part in (spread, points))
    return np.asarray(np.divide(apart, length, out=np.full(length.shape, np.nan), where=length > 0))


def effective_dimensions(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the effective number of directions (...) of the tokens of states (..., n, d); `token_rank` says how.

    NaN in an absent state, and where all tokens are at the origin.

    Examples
    --------
    >>> effective_dimensions(np.array([[1.0, 0.0], [0.0, 3.0]])).round(12).item()
    2.0
    """
    here = present(position)
    unit = directions(np.where(here[..., None, None], position, 0.0))
    singular = np.linalg.svd(unit, compute_uv=False)
    total = singular.sum(axis=-1, keepdims=True)
    share = np.divide(singular, total, out=np.zeros_like(singular), where=total > 0)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
    return np.where(here & (total[..., 0] > 0), np.exp(entropy), np.nan)


def mean_cosines(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean cosine of two tokens, (...), in states (..., n, d).

    Tokens at the origin have no direction, and are left out. NaN in an absent state, and where fewer than two are left.

    Examples
    --------
    >>> mean_cosines(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])).round(12).item()
    0.333333333333
    """
    unit = directions(position)
    squares = (unit * unit).sum(axis=-1)
    count = (squares > 0).sum(axis=-1)
    total = unit.sum(axis=-2)
    pairs = (total * total).sum(axis=-1) - squares.sum(axis=-1)  # |sum u|^2 is the pairs, and each with itself
    enough = present(position) & (count > 1)
    return np.asarray(np.divide(pairs, count * (count - 1), out=np.full(pairs.shape, np.nan), where=enough))


def statistics(position: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return `residuals`, `effective_dimensions` and `mean_cosines` of states (..., n, d).

    Examples
    --------
    >>> [part.item() for part in statistics(np.array([[1.0, 0.0], [1.0, 0.0]]))]
    [0.0, 1.0, 1.0]
    """
    return residuals(position), effective_dimensions(position), mean_cosines(position)


@measure(
    Variable("residual", ("*", "seed", "time"), "float64", "distance of the tokens from consensus, over their length"),
    Variable("effective_dimension", ("*", "seed", "time"), "float64", "effective number of directions of the tokens"),
    Variable("mean_cosine", ("*", "seed", "time"), "float64", "mean cosine of two tokens"),
)
def token_rank(ds: xr.Dataset) -> xr.Dataset:
    r"""Measure how far the tokens are from consensus, where their matrix has rank one, at every stored step.

    With the tokens' matrix X, its mean row :math:`\bar x`, and U the same with every row brought to length one:

    .. math:: r = \frac{\| X - 1 \bar x^T \|_F}{\| X \|_F}, \qquad
              D = \exp\Big( -\sum_k p_k \ln p_k \Big), \; p = \frac{\sigma(U)}{\sum_k \sigma_k(U)}, \qquad
              c = \frac{1}{n (n - 1)} \sum_{i \ne j} \langle u_i, u_j \rangle,

    :math:`\sigma` the singular values. Attention alone drives r to 0 (arXiv 2103.03404, there with another norm); D is
    the effective rank of Roy and Vetterli (2007). At consensus off the origin r = 0, D = 1 and c = 1.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is; NaN for absent members, and where all tokens are at the origin.

        - ``residual`` (<swept>, seed, time): r, between 0 and 1
        - ``effective_dimension`` (<swept>, seed, time): D, between 1 and min(n, d)
        - ``mean_cosine`` (<swept>, seed, time): c over pairs of tokens that have a direction; NaN without a pair

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], steps=0)
    >>> {name: round(value.item(), 12) for name, value in token_rank(ds).items()}
    {'residual': 1.0, 'effective_dimension': 2.0, 'mean_cosine': -0.333333333333}
    """
    return measured_states(
        ds,
        statistics,
        "token_rank",
        "residual",
        "effective_dimension",
        "mean_cosine",
        source="rank collapse, arXiv 2103.03404; effective rank, Roy and Vetterli 2007",
    )
