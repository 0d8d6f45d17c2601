"""Measures of what a training run predicts: token scores, margins of labels, and the direction of the value vector.

All are lazy on lazy datasets and return what is lazy.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from lmdata.errors import InvalidInput
from lmdata.numerics.activations import activate
from lmdata.selection.problem import Problem
from lmdata.selection.reading import along_path, attention_of, model_of, named, present, trained_weights


def token_scores(ds: xr.Dataset) -> xr.DataArray:
    """Return the scores ``y_i <x_it, v>`` of the tokens for the labels (definition 1 of arXiv 2306.13596).

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.

    Returns
    -------
    DataArray
        (<swept>, seed, sample, token), by start and iteration too where v is trained; NaN beyond a sample's tokens.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, token_scores, train
    >>> token_scores(train(TokenSelection(), construction("single-local"), steps=0)).values.ravel()
    array([1. , 0.9, 0. ])
    """
    scores = ds.label * xr.dot(ds.token_vector, _value(ds), dim="feature")
    return named(ds, scores.where(present(ds)), "token_score")


def margins(ds: xr.Dataset, problem: Problem | None = None) -> xr.DataArray:
    """Return the margins ``y_i f(X_i)`` along the path; a label is predicted where its margin is above zero.

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.
    problem : Problem, optional
        Other samples to be predicted, such as fresh ones of the same source; those of the run without it. Their value
        vector and weights do not matter, and their queries do where W is trained.

    Returns
    -------
    DataArray
        (<swept>, start, seed, iteration, sample), dimensionless.

    Raises
    ------
    InvalidInput
        If other samples have another number of features, or no queries where W is trained.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, margins, train
    >>> ds = train(TokenSelection(), construction("single-local"), steps=200)
    >>> margins(ds)[0, 0, [0, -1], 0].values.round(3)
    array([0.633, 1.   ])
    """
    if problem is None:
        tokens, labels, there = ds.token_vector, ds.label, present(ds)
    else:
        tokens, labels, there = _samples(ds, problem)
    weights = trained_weights(ds)
    if problem is None or weights is None:
        along = along_path(ds)
    elif problem.query is None:
        raise InvalidInput("query of the problem is None; under trained weights its samples need queries")
    else:
        along = xr.dot(weights, xr.DataArray(problem.query, dims=("sample", "query_feature")), dim="query_feature")
    shares = attention_of(along, tokens, there)
    model = model_of(ds)
    if model.head == "linear":
        output = xr.dot(shares, xr.dot(tokens, _value(ds), dim="feature"), dim="token")
    else:
        mean = xr.dot(shares, tokens, dim="token")
        reached = xr.apply_ufunc(activate, mean, model.head, dask="parallelized", output_dtypes=[np.float64])
        output = xr.dot(reached, _value(ds), dim="feature")
    return named(ds, labels * output, "label_margin")


def value_correlation(ds: xr.Dataset, found: xr.Dataset) -> xr.DataArray:
    """Return the cosine of the trained value vector with each separator of the labels, (..., iteration, solution).

    ``<v, v_mm> / (|v| |v_mm|)``, where v_mm has the largest margin at the tokens that the solution selects, in its
    norm. In joint training it goes to 1 with that of the prompt, as attention comes to select them (arXiv 2306.13596).

    Parameters
    ----------
    ds : Dataset
        A run of joint training, of `lmdata.selection.train` or `lmdata.open`.
    found : Dataset
        Its max-margin solutions, of `solutions`.

    Returns
    -------
    DataArray
        (<swept>, start, seed, iteration, solution), between -1 and 1; NaN where v is zero or labels are inseparable.

    Raises
    ------
    InvalidInput
        If v is not trained.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, solutions, train, value_correlation
    >>> ds = train(TokenSelection(trained="joint"), construction("joint-tight"), starts=[[0, -1]], steps=1000)
    >>> bool(value_correlation(ds, solutions(ds))[0, 0, -1, 0] > 0.9999)
    True
    """
    if "value" not in ds:
        raise InvalidInput(
            f"v is fixed where {model_of(ds).trained!r} is trained; its direction changes under 'joint' alone"
        )
    length = np.sqrt(
        (ds.value**2).sum("feature", skipna=False) * (found.value_direction**2).sum("feature", skipna=False)
    )
    cosine = xr.dot(ds.value, found.value_direction, dim="feature") / length.where(length > 0)
    return named(ds, cosine, "value_correlation")


def _value(ds: xr.Dataset) -> xr.DataArray:
    return xr.DataArray(ds.value if "value" in ds else ds.fixed_value)


def _samples(ds: xr.Dataset, problem: Problem) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return tokens, labels and which tokens there are of other samples, without coordinates to be aligned by."""
    if problem.tokens.shape[2] != ds.sizes["feature"]:
        raise InvalidInput(
            f"problem has {problem.tokens.shape[2]} features, and the run {ds.sizes['feature']}; draw it from a source "
            "of the same size"
        )
    return (
        xr.DataArray(problem.tokens, dims=("sample", "token", "feature")),
        xr.DataArray(problem.labels, dims="sample"),
        xr.DataArray(problem.present, dims=("sample", "token")),
    )
