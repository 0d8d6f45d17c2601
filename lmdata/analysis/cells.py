"""Dominance cells: which vertex of a polytope a token is most aligned with."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.measuring import measure, measured_states
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import scores
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_real_array


def cell_of(points: NDArray[np.floating], vertices: NDArray[np.float64], *, unit: bool = False) -> NDArray[np.int64]:
    r"""Return :math:`\arg\max_v \langle x, v \rangle` for points (..., n, d) and vertices (v, d); the first of equals.

    Points that are NaN are in no cell, -1.

    Parameters
    ----------
    unit : bool
        Divide each vertex by its norm: cells of directions.

    Examples
    --------
    >>> cell_of(np.array([[1.0, 0.2], [0.1, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [0, 1]
    """
    directions = vertices / np.linalg.norm(vertices, axis=1, keepdims=True) if unit else vertices
    value = scores(points.astype(np.float64), directions)
    return np.where(np.isnan(value).any(axis=-1), -1, value.argmax(axis=-1)).astype(np.int64)


@measure(
    Variable("cell", ("*", "seed", "time", "token"), "int64", "vertex that the token is most aligned with", None),
)
def dominance_cells(ds: xr.Dataset, vertices: ArrayLike, *, unit: bool = False) -> xr.DataArray:
    """Tell in whose dominance cell each token is at every stored step (arXiv 2508.09628).

    The cell of a vertex v of a polytope holds the points at least as aligned with v as with every other vertex. Under
    hardmax towards fixed vertices, a Frank-Wolfe step, tokens never leave the cell of the vertex they follow if it
    holds that vertex.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.
    vertices : array (vertex, component)
        The vertices, such as those of `limit_polytope`.
    unit : bool
        Compare directions instead, as if all vertices had one norm.

    Returns
    -------
    xarray.DataArray
        ``cell`` (<swept>, seed, time, token), the row of the vertex, lazy where ``ds`` is; -1 for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or the vertices do not fit.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.2, 0.1], [-1.0, 0.0]], steps=2)
    >>> dominance_cells(ds, [[1, 0], [-1, 0]]).isel(seed=0, time=-1).values
    array([0, 0, 1])
    """
    corners = as_real_array(vertices, "vertices")
    if corners.ndim != 2 or corners.shape[1] != ds.sizes.get("component") or len(corners) == 0:
        raise InvalidInput(f"vertices has shape {corners.shape}; it must be (vertex, {ds.sizes.get('component')})")
    if unit and not corners.any(axis=1).all():
        raise InvalidInput("a vertex is zero, which has no direction; leave it out, or give unit=False")
    return measured_states(
        ds,
        cell_of,
        "dominance_cells",
        "cell",
        source="dominance cells, arXiv 2508.09628",
        comment="directions" if unit else "",
        vertices=corners,
        unit=unit,
    )["cell"]
