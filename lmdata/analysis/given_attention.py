"""Attention that a dataset was given, by head: its weights, and the graph of whom each token attends to most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import positions
from lmdata.analysis.parameters import Among, check_whole
from lmdata.data import registry
from lmdata.errors import InvalidInput

SOURCE = "attention weights that came with the states"


def given_attention(ds: xr.Dataset, measure: str, among: Among) -> xr.DataArray | None:
    """Return the attention of a dataset, (<swept>, seed, time, head, token, key), NaN for members that are not there.

    None where it has none, or is looked at under a model, whose weights then count (`lmdata.with_model`).

    Raises
    ------
    InvalidInput
        If tokens were selected without their keys, or some were left out and ``among`` is ``"run"``.
    """
    positions(ds, measure)
    if "model" in ds.attrs or "attention" not in ds.data_vars or "head" not in ds["attention"].dims:
        return None
    check_whole(ds, measure, among)
    weights = ds["attention"]
    if not {"token", "key"} <= set(weights.dims) or not np.array_equal(ds["token"].values, ds["key"].values):
        raise InvalidInput(
            f"{measure} is about the attention between the tokens, and the keys of the dataset are others: select both "
            "alike, as in ds.isel(token=[0, 1], key=[0, 1])"
        )
    if "status" in ds:
        weights = weights.where(ds["status"] == registry.COMPLETE)
    return weights


def weights_by_place(weights: NDArray[np.floating]) -> Iterator[tuple[tuple[int, ...], NDArray[np.float64]]]:
    """Yield the place of every matrix (..., n, n) that is there, and the matrix in float64; one that is not is NaN.

    Raises
    ------
    InvalidInput
        If some weights of a matrix are not finite, and others are.

    Examples
    --------
    >>> found = weights_by_place(np.array([[[1.0, 0.0], [0.5, 0.5]], [[np.nan, np.nan]] * 2]))
    >>> [(place, matrix.tolist()) for place, matrix in found]
    [((0,), [[1.0, 0.0], [0.5, 0.5]])]
    """
    for place in np.ndindex(weights.shape[:-2]):
        matrix = weights[place].astype(np.float64)
        if np.isnan(matrix).all():
            continue
        if not np.isfinite(matrix).all():
            raise InvalidInput(f"attention{list(place)} has weights that are not finite beside others that are")
        yield place, matrix


def attended_most(weights: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return the graph (..., n, n) of hardmax at the weights' own scores: row i marks the keys of the largest weight.

    Softmax keeps the order of scores, so that these are the keys of the largest score.

    Examples
    --------
    >>> attended_most(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist()
    [[False, True], [True, True]]
    """
    return np.asarray(weights >= weights.max(axis=-1, keepdims=True))
