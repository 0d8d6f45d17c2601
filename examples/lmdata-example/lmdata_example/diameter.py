"""A measure: the largest distance between two tokens."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.data.registry import Variable


def diameters(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the largest distance between two of the tokens (..., n, d), for each state; NaN for an absent one.

    Examples
    --------
    >>> diameters(np.array([[[0.0, 0.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]]))
    array([5., 0.])
    """
    farthest = [((position - position[..., i : i + 1, :]) ** 2).sum(axis=-1) for i in range(position.shape[-2])]
    return np.sqrt(np.max(farthest, axis=(0, -1)))


@measure(Variable("diameter", ("*", "seed", "time"), "float64", "largest distance between two tokens"))
def diameter(ds: xr.Dataset) -> xr.DataArray:
    """Measure the largest distance between two tokens, at every stored step.

    Parameters
    ----------
    ds
        A dataset of any model.

    Returns
    -------
    xarray.DataArray
        ``diameter`` (<swept>, seed, time), lazy where ``ds`` is; NaN for absent members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[0.0, 0.0], [3.0, 4.0]], steps=0)
    >>> diameter(ds).item()
    5.0
    """
    return measured(
        ds,
        diameters,
        positions(ds, "diameter"),
        names=("diameter",),
        core=(("token", "component"),),
        source="lmdata-example",
    )["diameter"]
