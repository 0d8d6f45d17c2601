"""Compositions: several tokens of a sample that share attention in the end, as nonlinear heads may have it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from lmdata.numerics.checks import as_number
from lmdata.selection.geometry import att_svm
from lmdata.selection.measures import attention
from lmdata.selection.programs import Norm
from lmdata.selection.reading import model_of, named, path_of, problem_of
from lmdata.selection.solved import STATUS


def composition(ds: xr.Dataset, *, least: float = 1e-3, norm: Norm | None = None) -> xr.Dataset:
    """Return which tokens each member attends to in the end, and the max-margin direction that keeps them together.

    Where a nonlinear head scores a mean of tokens above every one of them, attention settles on several. The parameter
    then is a finite part, which decides their weights, and a part that grows along the solution of the generalised SVM:
    equal scores of the tokens attended to, and a margin of 1 above the others (arXiv 2308.16898).

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.
    least : float
        Weight from which a token is attended to, at the last stored iteration.
    norm : float or "nuclear", optional
        As for `solutions`, the one that the training tends to by default.

    Returns
    -------
    Dataset
        ``composed`` (<swept>, start, seed, sample, token); ``composition_direction`` or ``composition_matrix``,
        ``composition_margin`` and ``composition_status`` by member; ``composition_correlation``, the cosine of the path
        with the direction, by iteration.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, composition, given, train
    >>> problem = given([[[1, 0, 0], [0, 1, 0], [0, 0, 0]]], [1], value=[1, 1, 0])
    >>> ds = train(TokenSelection(head="tanh"), problem, steps=300)
    >>> found = composition(ds)
    >>> found.composed.values.ravel(), found.composition_direction.values.ravel().round(6) + 0.0
    (array([ True,  True, False]), array([1., 1., 0.]))
    """
    model, least = model_of(ds), as_number(least, "least", minimum=0.0, above=True)
    ends = attention(ds.isel(iteration=-1, drop=True)).load()
    composed = named(ds, ends >= least, "composed")
    dims = tuple(str(dim) for dim in ds.loss.dims if dim != "iteration")
    path, own = path_of(ds)
    shape = [ds.sizes[dim] for dim in dims]
    solved: list[dict[str, Any]] = []
    for point in product(*map(range, shape)):
        where = dict(zip(dims, point, strict=True))
        one = ds.isel(where)
        own_norm = model.margin_norm if norm is None else norm
        if norm is None and "exponent" in dims:
            own_norm = float(one.exponent)
        selected = [np.flatnonzero(row).tolist() for row in composed.isel(where).transpose("sample", "token").values]
        if not all(selected):  # training failed: nothing has any weight
            nothing = np.full([one.sizes[dim] for dim in own], np.nan)
            solved.append({"solution": nothing, "margin": np.nan, "status": np.uint8(255)})
            continue
        found = att_svm(problem_of(one), selected, of=model.of, norm=own_norm)
        solved.append({"solution": found.solution, "margin": found.margin, "status": np.uint8(STATUS[found.status])})
    made = {
        key: np.reshape([one[key] for one in solved], (*shape, *np.shape(solved[0][key])))
        for key in ("solution", "margin", "status")
    }
    coords = {dim: ds[dim] for dim in dims}
    direction = xr.DataArray(made["solution"], dims=(*dims, *own), coords=coords)
    length = (path**2).sum(own, skipna=False) ** 0.5 * (direction**2).sum(own, skipna=False) ** 0.5
    cosine = xr.dot(path, direction, dim=own) / length.where(length > 0)
    name = "composition_direction" if len(own) == 1 else "composition_matrix"
    arrays = {
        "composed": composed,
        name: direction,
        "composition_margin": xr.DataArray(made["margin"], dims=dims, coords=coords),
        "composition_status": xr.DataArray(made["status"], dims=dims, coords=coords),
        "composition_correlation": cosine,
    }
    return xr.Dataset({name: named(ds, array, name) for name, array in arrays.items()})
