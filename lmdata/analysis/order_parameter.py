"""The order parameter: how far the directions of tokens agree."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured_states
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable


def mean_lengths(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the length (...) of the mean direction of states (..., n, d); NaN in an absent one.

    Examples
    --------
    >>> mean_lengths(np.array([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [-1.0, 0.0]]])).round(4).tolist()
    [0.7071, 0.0]
    """
    here = present(position)
    mean = directions(np.where(here[..., None, None], position, 0.0)).mean(axis=-2)
    return np.where(here, np.sqrt((mean * mean).sum(axis=-1)), np.nan)


@measure(Variable("order_parameter", ("*", "seed", "time"), "float64", "length of the mean direction of the tokens"))
def order_parameter(ds: xr.Dataset) -> xr.DataArray:
    r"""Measure how far the directions of the tokens agree, at every stored step.

    .. math:: \Big| \frac1n \sum_i \frac{x_i}{|x_i|} \Big|

    It is 1 for tokens of one direction and 0 for balanced ones; of n tokens that are uniform on the sphere, its mean
    square is 1/n. Under noise it is what sets in at `critical_strength` (arXiv 2606.05140).

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model; a token at the origin, which has no direction, counts as zero.

    Returns
    -------
    xarray.DataArray
        ``order_parameter`` (<swept>, seed, time), dimensionless, lazy where ``ds`` is; NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[3.0, 0.0], [0.0, 4.0]], steps=0)
    >>> order_parameter(ds).round(4).item()
    0.7071
    """
    return measured_states(
        ds, mean_lengths, "order_parameter", "order_parameter", source="noisy attention, arXiv 2606.05140"
    )["order_parameter"]
