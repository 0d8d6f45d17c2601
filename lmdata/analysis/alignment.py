"""How the directions of tokens gather: shares and histograms of the cosines of pairs."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured_states
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number
from lmdata.numerics.compiled import compiled

SOURCE = "phase diagram of self-attention on the sphere, arXiv 2312.10794"


@compiled()
def count_cosines(position: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many pairs i < j have their cosine in each bin, (f, bins), for states (f, n, d).

    A bin includes its lower edge, the last one both; cosines outside all bins are not counted. Tokens at the origin
    have no direction: their pairs are not counted.

    Examples
    --------
    >>> count_cosines(np.array([[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]]), np.array([-1.0, 0.5, 1.0])).tolist()
    [[2, 1]]
    """
    f, n, d = position.shape
    bins = edges.size - 1
    counts = np.zeros((f, bins), np.int64)
    unit = np.empty((n, d))
    for frame in range(f):
        for i in range(n):
            square = 0.0
            for k in range(d):
                square += position[frame, i, k] ** 2
            for k in range(d):
                unit[i, k] = position[frame, i, k] / np.sqrt(square) if square > 0.0 else np.nan
        for i in range(n):
            for j in range(i):
                cosine = 0.0
                for k in range(d):
                    cosine += unit[i, k] * unit[j, k]
                cosine = min(max(cosine, -1.0), 1.0)
                if not edges[0] <= cosine <= edges[bins]:
                    continue
                place = np.searchsorted(edges, cosine, side="right") - 1 if bins > 1 else 0
                counts[frame, min(place, bins - 1)] += 1
    return counts


def shares(position: NDArray[np.floating], *, threshold: float) -> NDArray[np.float64]:
    """Return the share of the pairs with a cosine of at least ``threshold``, (...), for states (..., n, d).

    NaN in an absent state, and for a single token, which has no pair.

    Examples
    --------
    >>> shares(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]), threshold=0.999).item()
    0.3333333333333333
    """
    *shape, n, d = position.shape
    states = np.ascontiguousarray(position.reshape(-1, n, d), dtype=np.float64)
    counts = count_cosines(states, np.array([threshold, 1.0]))[:, 0]
    pairs = max(n * (n - 1) // 2, 1)
    share = np.where(present(states) & (n > 1), counts / pairs, np.nan)
    return np.asarray(share.reshape(shape))


def densities(position: NDArray[np.floating], *, bins: int) -> NDArray[np.float64]:
    """Return the density of the cosines of pairs on [-1, 1] in equal bins, (..., bins), for states (..., n, d).

    Examples
    --------
    >>> densities(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]), bins=2).round(3).tolist()
    [0.0, 1.0]
    """
    *shape, n, d = position.shape
    states = np.ascontiguousarray(position.reshape(-1, n, d), dtype=np.float64)
    counts = count_cosines(states, np.linspace(-1.0, 1.0, bins + 1))
    total = counts.sum(axis=1, keepdims=True)
    density = np.divide(counts * (bins / 2), total, out=np.full(counts.shape, np.nan), where=total > 0)
    return np.asarray(density.reshape(*shape, bins))


@measure(
    Variable(
        "aligned_share",
        ("*", "seed", "time"),
        "float64",
        "share of the pairs of tokens with a cosine above the threshold",
    ),
)
def pair_alignment(ds: xr.Dataset, *, threshold: float = 0.999) -> xr.DataArray:
    r"""Measure the share of pairs with :math:`\cos \angle (x_i, x_j) \ge 1 - \epsilon`, at every stored step.

    Its mean over seeds is the phase diagram of arXiv 2312.10794, where
    :math:`\epsilon = 10^{-3}`.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.
    threshold : float
        1 - epsilon, in [-1, 1].

    Returns
    -------
    xarray.DataArray
        ``aligned_share`` (<swept>, seed, time), lazy where ``ds`` is; NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or the threshold is no cosine.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(1e3), lmdata.tokens.uniform(4, 2), steps=40)
    >>> pair_alignment(ds).isel(seed=0, time=-1).item()
    1.0
    """
    threshold = as_number(threshold, "threshold")
    if not -1.0 <= threshold <= 1.0:
        raise InvalidInput(f"threshold is {threshold!r}; it must be a cosine, between -1 and 1")
    return measured_states(
        ds,
        shares,
        "pair_alignment",
        "aligned_share",
        source=SOURCE,
        comment=f"cosines of at least {threshold:g}",
        threshold=threshold,
    )["aligned_share"]


@measure(
    Variable("cosine_density", ("*", "seed", "time", "bin"), "float64", "density of the cosines of pairs of tokens"),
)
def cosine_density(ds: xr.Dataset, *, bins: int = 50) -> xr.DataArray:
    """Measure the histogram of the cosines of pairs of tokens, at every stored step, as a density on [-1, 1].

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.
    bins : int
        Number of equal bins; their centres are the coordinate ``bin``.

    Returns
    -------
    xarray.DataArray
        ``cosine_density`` (<swept>, seed, time, bin), lazy where ``ds`` is; NaN for absent members, and where no
        pair has a cosine.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or there is no bin.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], steps=0)
    >>> cosine_density(ds, bins=2).isel(seed=0, time=0).values
    array([0., 1.])
    """
    bins = as_count(bins, "bins")
    density = measured_states(
        ds,
        densities,
        "cosine_density",
        "cosine_density",
        new={"bin": ((np.arange(bins) + 0.5) * 2 / bins - 1).tolist()},
        source=SOURCE,
        bins=bins,
    )["cosine_density"]
    density["bin"].attrs["long_name"] = "cosine"
    return density
