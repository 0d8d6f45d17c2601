"""What measures read of a training run: its model, its problems, what was trained, and the scores of tokens."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from lmdata.errors import InvalidInput
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.variables import VARIABLES, describe


def model_of(ds: xr.Dataset) -> TokenSelection:
    """Return the model of a training run.

    Raises
    ------
    InvalidInput
        If it is a dataset of another kind.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> model_of(train(TokenSelection(step=0.5), construction("single-local"), steps=0)).step
    0.5
    """
    model = json.loads(ds.attrs.get("model", "{}"))
    if model.get("kind") != "selection":
        raise InvalidInput(
            f"ds is a dataset of the model {model.get('kind')!r}; solutions are those of a training run, which "
            "lmdata.selection.train makes (of tokens that move, lmdata.limit_polytope finds the limits)"
        )
    return TokenSelection.from_specification(model)


def trained_weights(ds: xr.Dataset) -> xr.DataArray | None:
    """Return the trained W (..., iteration, feature, query_feature), K Q^T of factors; None where a prompt is trained.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, gaussian, starts, train
    >>> model = TokenSelection(trained="factors", width=2)
    >>> ds = train(model, gaussian(1, 2, 4, queries="random"), steps=0, starts=starts(count=1))
    >>> dict(ds.query_matrix.sizes)["width"], trained_weights(ds).shape
    (2, (1, 1, 1, 4, 4))
    """
    if "key_matrix" in ds:
        return xr.DataArray(xr.dot(ds.key_matrix, ds.query_matrix, dim="width"))
    return ds.weight if "weight" in ds else None


def problem_of(ds: xr.Dataset) -> Problem:
    """Return the problem of a dataset that holds one, at one seed and one value of what is swept.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> problem_of(train(TokenSelection(), construction("single-local"), steps=0).isel(seed=0)).tokens.shape
    (1, 3, 3)
    """

    def optional(name: str) -> Any:
        return ds[name].values if name in ds else None

    return Problem(
        ds.token_vector.values,
        ds.label.values,
        value=optional("fixed_value"),
        weight=optional("fixed_weight"),
        query=optional("query_vector"),
        lengths=ds.token_count.values,
    )


def attention_of(along: xr.DataArray, tokens: xr.DataArray, there: xr.DataArray) -> xr.DataArray:
    """Return the softmax weights of tokens (..., token, feature) whose scores are their products with ``along``.

    Examples
    --------
    >>> tokens = xr.DataArray(np.log([[1.0], [3.0]]), dims=("token", "feature"))
    >>> attention_of(xr.DataArray([1.0], dims="feature"), tokens, xr.DataArray([True, True], dims="token")).values
    array([0.25, 0.75])
    """
    scores = xr.dot(along, tokens, dim="feature")
    powers = np.exp(scores - scores.where(there).max("token")).where(there, 0.0)
    return xr.DataArray(powers / powers.sum("token"))


def path_of(ds: xr.Dataset) -> tuple[xr.DataArray, list[str]]:
    """Return the trained prompt or W, and its own dimensions.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> ds = train(TokenSelection(), construction("single-local"), steps=0)
    >>> path_of(ds)[1]
    ['feature']
    """
    weights = trained_weights(ds)
    return (ds.prompt, ["feature"]) if weights is None else (weights, ["feature", "query_feature"])


def along_path(ds: xr.Dataset) -> xr.DataArray:
    """Return what the scores of tokens are products with: W p, or W z of each sample, (..., iteration, feature).

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> ds = train(TokenSelection(), construction("single-local"), steps=0)
    >>> along_path(ds).dims
    ('seed', 'feature', 'start', 'iteration')
    """
    weights = trained_weights(ds)
    if weights is None:
        return xr.DataArray(xr.dot(ds.fixed_weight, ds.prompt.rename(feature="query_feature"), dim="query_feature"))
    return xr.DataArray(xr.dot(weights, ds.query_vector, dim="query_feature"))


def present(ds: xr.Dataset) -> xr.DataArray:
    """Return which tokens there are, (..., sample, token).

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> present(train(TokenSelection(), construction("single-local"), steps=0)).all().item()
    True
    """
    return xr.DataArray(ds.token < ds.token_count)


def named(ds: xr.Dataset, array: xr.DataArray, name: str) -> xr.DataArray:
    """Return an array in the registered order of dimensions, with its registered name and attributes.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> ds = train(TokenSelection(), construction("single-local"), steps=0)
    >>> named(ds, ds.prompt.isel(feature=0), "norm").attrs["long_name"]
    'norm of the trained parameter'
    """
    tail = [dim for dim in VARIABLES[name].dims if dim in array.dims and dim not in ("start", "seed")]
    front = [dim for dim in ds.loss.dims if dim in array.dims and dim not in tail]
    made = array.transpose(*front, *tail).rename(name)
    made.attrs = describe(name)
    return made
