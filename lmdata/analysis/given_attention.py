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
from lmdata.numerics.checks import as_number

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


def attended_most(weights: NDArray[np.floating], sensitivity: float = 0.0) -> NDArray[np.bool_]:
    r"""Return the graph (..., n, n) of localmax at the weights' own scores: row i marks the neighbours of token i.

    .. math:: C_i = \{ j : \ln P_{ij} \ge \max_l \ln P_{il} - \delta, \; P_{ij} > 0 \}

    Weights of softmax tell the scores :math:`\beta s_{ij}` but for a constant of the row, which makes no difference.
    With delta = 0 these are the keys of the largest weight, as hardmax has them. A key of weight 0 is masked, or so far
    below that its score is not told: it is no neighbour.

    Examples
    --------
    >>> weights = np.array([[0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    >>> attended_most(weights).tolist()
    [[False, True, False], [True, True, False], [False, False, False]]
    >>> attended_most(weights, np.log(4.1)).sum(axis=-1).tolist()
    [2, 2, 0]
    """
    wide = np.asarray(weights, np.float64)
    least = wide.max(axis=-1, keepdims=True) * np.exp(-sensitivity)
    return np.asarray((wide >= least) & (wide > 0))


def own_sensitivity(sensitivity: float | None, measure: str, *, given: bool) -> float:
    """Return the sensitivity at which given attention is looked at, 0 by default.

    Raises
    ------
    InvalidInput
        If it is no number of at least 0, or there is no ``given`` attention: the model has its own then.
    """
    if sensitivity is None:
        return 0.0
    if not given:
        raise InvalidInput(
            f"{measure} takes a sensitivity for attention that came with the states; the neighbourhoods of this "
            "dataset are those of its model: leave it out, or look at the states under another (lmdata.with_model)"
        )
    return as_number(sensitivity, "sensitivity", minimum=0)


def told(sensitivity: float) -> str:
    """Return the comment of results that hang on a sensitivity.

    Examples
    --------
    >>> told(0.5)
    'neighbourhoods at the scores of the attention, at sensitivity 0.5'
    """
    return f"neighbourhoods at the scores of the attention, at sensitivity {sensitivity:g}"
