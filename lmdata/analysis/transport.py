"""How far apart two clouds of tokens are, whatever the tokens' names."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.pairing import aligned, check_labels
from lmdata.analysis.presence import present
from lmdata.data import registry
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput


def distances(position: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the Wasserstein-2 distance (...) of clouds (..., n, d); NaN where one is absent.

    Examples
    --------
    >>> distances(np.array([[0.0], [1.0]]), np.array([[1.0], [0.5]])).item()
    0.3535533905932738
    """
    from scipy.optimize import linear_sum_assignment

    position, other = np.broadcast_arrays(position, other)
    *shape, n, d = position.shape
    one, two = position.reshape(-1, n, d).astype(np.float64), other.reshape(-1, n, d).astype(np.float64)
    found = np.full(len(one), np.nan)
    for frame in np.flatnonzero(present(one) & present(two)):
        cost = ((one[frame][:, None, :] - two[frame][None, :, :]) ** 2).sum(axis=-1)
        found[frame] = np.sqrt(cost[linear_sum_assignment(cost)].mean())
    return found.reshape(shape)


@measure(
    Variable("transport_distance", ("*", "seed", "time"), "float64", "Wasserstein-2 distance of the token clouds"),
)
def transport_distance(ds: xr.Dataset, other: xr.Dataset) -> xr.DataArray:
    r"""Measure the Wasserstein-2 distance of the token clouds of two datasets at every time that both have.

    .. math:: W_2^2 = \min_\pi \frac1n \sum_i |x_i - y_{\pi(i)}|^2

    over permutations, by the Hungarian method, exactly: O(n^3) a frame. Two models of one seed start from the same
    tokens, at distance zero.

    Parameters
    ----------
    ds, other
        Datasets of lmdata with equally many tokens and components. Dimensions that only one has are broadcast;
        of shared ones, the coordinates that both have are compared.

    Returns
    -------
    xarray.DataArray
        ``transport_distance`` (<swept>, seed, time), lazy where a dataset is; NaN for absent members.

    Raises
    ------
    InvalidInput
        If the clouds are of different size, or share no time or seed.

    Examples
    --------
    >>> import lmdata
    >>> square = lmdata.tokens.uniform(6, 2)
    >>> one, two = (lmdata.simulate(lmdata.Localmax(delta), square, steps=3) for delta in (0.0, 0.2))
    >>> transport_distance(one, two).isel(seed=0, time=0).item()
    0.0
    """
    for dim in ("token", "component"):
        if ds.sizes.get(dim) != other.sizes.get(dim):
            raise InvalidInput(f"the datasets have {ds.sizes.get(dim)} and {other.sizes.get(dim)} along {dim!r}")
    if registry.PRESENT in ds.coords or registry.PRESENT in other.coords:
        one, two = (each.coords.get(registry.PRESENT) for each in (ds, other))
        if one is None or two is None or not one.variable.equals(two.variable):
            raise InvalidInput(
                "runs of the datasets have other tokens (coordinate 'token_present'), and clouds of one size are "
                "compared: measure runs of as many tokens apart"
            )
    first, second = positions(ds, "transport_distance"), positions(other, "transport_distance")
    check_labels(first, second, "transport_distance", apart=("token", "component"))
    number = {dim: np.arange(first.sizes[dim]) for dim in ("token", "component")}
    alike = [
        one.drop_vars([*number, *(name for name in other.dims if name not in one.dims)], errors="ignore")
        for one, other in ((first, second), (second, first))
    ]
    here, there = aligned("transport_distance", *(one.assign_coords(number) for one in alike))
    return measured(
        here.to_dataset(name="position"),
        distances,
        here,
        there,
        names=("transport_distance",),
        core=(("token", "component"), ("token", "component")),
        source="Wasserstein-2 distance of empirical measures",
    )["transport_distance"]
