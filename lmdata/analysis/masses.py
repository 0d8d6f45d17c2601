"""States as points with weights: the cells of a density with their masses, or tokens of equal weight."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.measuring import DENSITIES
from lmdata.analysis.parameters import check_all, holds, model_of
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_real_array
from lmdata.wording import counted

type Array = NDArray[np.float64]


def cells_of(ds: xr.Dataset, measure: str) -> Array | None:
    """Return where the cells of a density are, (n, d) unit vectors in the order of its tokens; None for particles.

    Raises
    ------
    InvalidInput
        If some cells were left out, or the model does not say where they are.
    """
    if holds(ds) != DENSITIES:
        return None
    numbers = check_all(ds, "token", measure)
    model = model_of(ds, measure)
    if not hasattr(model, "cells"):
        raise InvalidInput(
            f"{measure} needs the places of the cells, and {type(model).__name__} does not give them: let it have "
            "cells(n), which returns lmdata.numerics.cells.Cells"
        )
    return np.asarray(model.cells(numbers.size).points[numbers])


def components_of(ds: xr.Dataset, cells: Array | None, measure: str) -> int:
    """Return the number of components of the space in which points are; refuse the line.

    Raises
    ------
    InvalidInput
        If it is one: directions on the line are but two.
    """
    count = int(ds.sizes.get("component", 0)) if cells is None else cells.shape[1]
    if count == 1:
        raise InvalidInput(
            f"{measure} is about directions on the circle or a sphere; the tokens have {counted(count, 'component')}"
        )
    return count


def alignment_for(alignment: ArrayLike | None, components: int) -> Array | None:
    """Return D as an array (d, d), symmetric, or None for the identity.

    Raises
    ------
    InvalidInput
        If it has another shape, or is not symmetric.

    Examples
    --------
    >>> alignment_for([[1, 0], [0, 2]], 2)
    array([[1., 0.],
           [0., 2.]])
    """
    if alignment is None:
        return None
    matrix = np.ascontiguousarray(as_real_array(alignment, "alignment"), dtype=np.float64)
    if matrix.shape != (components, components):
        raise InvalidInput(f"alignment has shape {matrix.shape}; D must be ({components}, {components})")
    if (matrix != matrix.T).any():
        raise InvalidInput(
            f"alignment is not symmetric: {matrix.tolist()}; attention is a gradient for symmetric D alone"
        )
    return matrix
