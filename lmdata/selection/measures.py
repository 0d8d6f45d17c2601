"""Measures of training runs: what attention selects, and how far the path has turned to a max-margin solution.

All are lazy on lazy datasets and return what is lazy.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from lmdata.selection.reading import along_path, attention_of, named, path_of, present

EQUAL = 1e-9
"""Weights of attention within this of each other, relatively, are equal: above their rounding for scores up to 1e6."""


def attention(ds: xr.Dataset) -> xr.DataArray:
    """Return the softmax weights ``softmax(X W p)`` along the path, (..., iteration, sample, token).

    Tokens beyond a sample's own have the weight 0.

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.

    Returns
    -------
    DataArray
        (<swept>, start, seed, iteration, sample, token), dimensionless; each sample's weights sum to one.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, attention, construction, train
    >>> attention(train(TokenSelection(), construction("single-global"), steps=0)).values.round(3).ravel()
    array([0.333, 0.333, 0.333])
    """
    return named(ds, attention_of(along_path(ds), ds.token_vector, present(ds)), "attention")


def direction_correlation(ds: xr.Dataset, found: xr.Dataset) -> xr.DataArray:
    """Return the cosine of the path with each max-margin solution, (..., iteration, solution).

    ``<p, p_mm> / (|p| |p_mm|)``, Euclidean or Frobenius; NaN where p is zero or the solution infeasible. By
    theorem 1 and 2 of arXiv 2306.13596 it goes to 1 for the locally optimal solution that wins.

    Parameters
    ----------
    ds
        Result of `train`.
    found
        Result of `solutions`.

    Returns
    -------
    DataArray
        (<swept>, start, seed, iteration, solution), between -1 and 1.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, direction_correlation, solutions, train
    >>> ds = train(TokenSelection(), construction("single-global"), steps=2000)
    >>> bool(direction_correlation(ds, solutions(ds))[0, 0, -1, 0] > 0.9995)
    True
    """
    path, dims = path_of(ds)
    direction = found.direction if dims == ["feature"] else found.matrix_direction
    length = _norm(path, dims) * _norm(direction, dims)
    cosine = xr.dot(path, direction, dim=dims) / length.where(length > 0)
    return named(ds, cosine, "direction_correlation")


def selected_mass(ds: xr.Dataset, found: xr.Dataset) -> xr.DataArray:
    """Return the softmax weight on each solution's selected tokens, (..., iteration, solution, sample).

    Equal tokens of a sample count as one. The weight of a solution that wins goes to 1.

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.
    found : Dataset
        Its max-margin solutions, of `solutions`.

    Returns
    -------
    DataArray
        (<swept>, start, seed, iteration, solution, sample), between 0 and 1; NaN where a solution has no selection.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, selected_mass, solutions, train
    >>> ds = train(TokenSelection(), construction("single-global"), steps=2000)
    >>> bool(selected_mass(ds, solutions(ds))[0, 0, -1, 0, 0] > 0.9999)
    True
    """
    chosen = _at_selected(ds.token_vector, found)
    same = (ds.token_vector == chosen).all("feature") & present(ds)
    mass = xr.dot(attention(ds), same.astype(float), dim="token").where(found.selected_token >= 0)
    return named(ds, mass, "selected_mass")


def path_margin(ds: xr.Dataset, found: xr.Dataset) -> xr.DataArray:
    """Return the margin of each solution's selection along the path's unit direction, (..., iteration, solution).

    ``min over i, t of <k_is - k_it, p> / |p|`` in the norm of the solutions; at the max-margin solution it equals
    ``solution_margin``, which no path exceeds.

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.
    found : Dataset
        Its max-margin solutions, of `solutions`.

    Returns
    -------
    DataArray
        (<swept>, start, seed, iteration, solution), dimensionless; NaN where the path is at zero.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, path_margin, solutions, train
    >>> ds = train(TokenSelection(), construction("single-global"), steps=2000)
    >>> path_margin(ds, solutions(ds))[0, 0, -1, 0].item() <= solutions(ds).solution_margin[0, 0].item()
    True
    """
    path, dims = path_of(ds)
    chosen = _at_selected(ds.token_vector, found)
    rivals = present(ds) & ~(ds.token_vector == chosen).all("feature")
    gap = xr.dot(along_path(ds), chosen - ds.token_vector, dim="feature").where(rivals)
    length = _length(path, dims, found)
    margin = gap.min(["sample", "token"]) / length.where(length > 0)
    return named(ds, margin, "path_margin")


def norms(ds: xr.Dataset) -> xr.Dataset:
    """Return the norm of what is trained and its growth per iteration, (..., iteration).

    Under normalised gradient descent the growth tends to the step; under plain gradient descent the norm grows like
    ``log(iteration) |p_mm|``. Euclidean or Frobenius; ``value_norm`` besides in joint training.

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.

    Returns
    -------
    Dataset
        ``norm``, ``norm_growth`` and, in joint training, ``value_norm``, each (<swept>, start, seed, iteration).

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, norms, train
    >>> found = norms(train(TokenSelection(step=0.1), construction("single-global"), steps=2000))
    >>> found.norm_growth[0, 0, -1].round(4).item()
    0.1
    """
    path, dims = path_of(ds)
    norm = _norm(path, dims)
    growth = norm.diff("iteration") / ds.iteration.diff("iteration")
    made = {"norm": norm, "norm_growth": growth.reindex(iteration=ds.iteration)}
    if "value" in ds:
        made["value_norm"] = _norm(ds.value, ["feature"])
    return xr.Dataset({name: named(ds, array, name) for name, array in made.items()})


def winner(ds: xr.Dataset, found: xr.Dataset) -> xr.DataArray:
    """Return which solution each member selects at its last stored iteration, (<swept>, start, seed).

    The locally optimal solution whose selected tokens have the most weight in every sample, to one part in 1e9; the
    first of several, -1 if none has.

    Parameters
    ----------
    ds : Dataset
        A training run, of `lmdata.selection.train` or `lmdata.open`.
    found : Dataset
        Its max-margin solutions, of `solutions`.

    Returns
    -------
    DataArray
        (<swept>, start, seed), the number of a solution, or -1.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, solutions, train, winner
    >>> ds = train(TokenSelection(), construction("single-local"), starts=[[0, 1, 0], [0, -1.5, 0]], steps=1000)
    >>> winner(ds, solutions(ds)).values.ravel()
    array([0, 1])
    """
    end = ds.isel(iteration=-1, drop=True)
    most = attention(end).max("token") <= selected_mass(end, found) * (1.0 + EQUAL)
    wins = most.all("sample") & found.locally_optimal
    number = wins.argmax("solution").where(wins.any("solution"), -1)
    return named(ds, number.astype(np.int64), "winner")


def _norm(array: xr.DataArray, dims: list[str]) -> xr.DataArray:
    return xr.DataArray(np.sqrt((array**2).sum(dims, skipna=False)))


def _length(path: xr.DataArray, dims: list[str], found: xr.Dataset) -> xr.DataArray:
    """Return the norm of the path in which the solutions have the largest margin."""
    norm = found.attrs.get("norm", "2.0")
    if norm == "2.0":
        return _norm(path, dims)
    if norm == "nuclear":
        return xr.DataArray(
            xr.apply_ufunc(
                lambda w: np.linalg.norm(np.where(np.isfinite(w), w, 0.0), "nuc", axis=(-2, -1)),
                path, input_core_dims=[dims], dask="parallelized", output_dtypes=[np.float64],
            )
        )  # fmt: skip
    largest = abs(path).max(dims)
    if norm == "inf":
        return largest
    exponent = path.exponent if norm == "exponent" else float(norm)
    powers = (abs(path) / largest.where(largest > 0)) ** exponent
    return xr.DataArray(largest * powers.sum(dims, skipna=False) ** (1.0 / exponent))


def _at_selected(tokens: xr.DataArray, found: xr.Dataset) -> xr.DataArray:
    """Return the selected tokens themselves, (..., solution, sample, feature)."""
    return tokens.isel(token=found.selected_token.clip(min=0)).drop_vars("token", errors="ignore")
