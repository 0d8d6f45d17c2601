"""Measures of training runs: what attention selects, and how far the path has turned to a max-margin solution.

All but `solutions`, which solves convex programs, are lazy on lazy datasets and return what is lazy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from lmdata.errors import InvalidInput
from lmdata.selection.geometry import Solution, examine, optimal_tokens, selections
from lmdata.selection.problem import Problem
from lmdata.selection.programs import Norm
from lmdata.selection.variables import INFEASIBLE, SOLVED, UNFINISHED, VARIABLES, describe

EQUAL = 1e-9
"""Weights of attention within this of each other, relatively, are equal: above their rounding for scores up to 1e6."""

_STATUS = {"solved": SOLVED, "infeasible": INFEASIBLE, "unfinished": UNFINISHED}


def solutions(
    ds: xr.Dataset,
    *,
    selected: Iterable[Sequence[int]] | None = None,
    norm: Norm | None = None,
    limit: int = 1000,
) -> xr.Dataset:
    """Return the max-margin solutions that training may converge to, for the problem of every seed.

    Solution 0 selects each sample's token of highest score, even where that is infeasible: then its status says so.
    The others are the locally optimal ones, by falling margin. If there are more than ``limit`` combinations of
    separable tokens, those that a member selects at the end stand for all; the attribute ``candidates`` tells.
    In joint training the candidates are always those that a member selects, and samples that do not support the
    separator of the labels are relaxed.

    Parameters
    ----------
    ds
        Result of `train`.
    selected
        Selections to examine instead, each a token number a sample; all of them are returned, in order.
    norm
        Norm to minimise; by default that of the run's mirror exponent, each its own where it is swept.
    limit
        Combinations of separable tokens up to which all are examined.

    Returns
    -------
    xarray.Dataset
        By (swept parameters of the problem, seed, solution): ``direction`` (or ``matrix_direction`` of W;
        ``value_direction`` of joint training), ``selected_token`` (..., sample), ``solution_margin``,
        ``solution_violation`` (0: every constraint holds exactly), ``solution_status``, ``locally_optimal``,
        ``globally_optimal``. NaN and -1 pad seeds with fewer solutions.

    Raises
    ------
    InvalidInput
        If ``ds`` is no training run.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, solutions, train
    >>> found = solutions(train(TokenSelection(), construction("single-local"), steps=10))
    >>> (found.direction[0].values.round(3) + 0.0).tolist()
    [[-0.099, 0.99, 0.0], [1.0, 0.0, 0.0]]
    """
    model = json.loads(ds.attrs.get("model", "{}"))
    if model.get("kind") != "selection":
        raise InvalidInput(
            f"ds is a dataset of the model {model.get('kind')!r}; solutions are those of a training run, which "
            "lmdata.selection.train makes (of tokens that move, lmdata.limit_polytope finds the limits)"
        )
    joint, of = model["trained"] == "joint", "weight" if model["trained"] == "weight" else "prompt"
    given = [tuple(s) for s in selected or ()]
    last = None if given else _last_selection(ds)
    by_exponent = norm is None and "exponent" in ds.dims
    dims = _data_dims(ds, "exponent") if by_exponent else _data_dims(ds)
    found, complete = [], True
    for point in product(*(range(ds.sizes[dim]) for dim in dims)):
        where = dict(zip(dims, point, strict=True))
        one = ds.isel(where)
        problem = _problem(one)
        own_norm = (float(one.exponent) if by_exponent else model["exponent"]) if norm is None else norm
        candidates, all_of_them = (
            _candidates(problem, of, joint, last.isel(where), limit) if last is not None else (given, True)
        )
        complete &= all_of_them
        examined = [examine(problem, c, of=of, norm=own_norm, joint=joint) for c in candidates]
        found.append(examined if last is None else _ordered(examined))
    made = _solution_dataset(ds, dims, found, of, joint)
    told = "exponent" if by_exponent else str(model["exponent"] if norm is None else norm)
    return made.assign_attrs(norm=told, candidates="all" if complete else "best scores and members' own")


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
    if "weight" in ds:
        along = xr.dot(ds.weight, ds.query_vector, dim="query_feature")
    else:
        prompt = ds.prompt.rename(feature="query_feature")
        along = xr.dot(ds.fixed_weight, prompt, dim="query_feature")
    scores = xr.dot(along, ds.token_vector, dim="feature")
    powers = np.exp(scores - scores.where(_present(ds)).max("token")).where(_present(ds), 0.0)
    return _named(ds, powers / powers.sum("token"), "attention")


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
    path, dims = _path(ds)
    direction = found.matrix_direction if "weight" in ds else found.direction
    length = _norm(path, dims) * _norm(direction, dims)
    cosine = xr.dot(path, direction, dim=dims) / length.where(length > 0)
    return _named(ds, cosine, "direction_correlation")


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
    same = (ds.token_vector == chosen).all("feature") & _present(ds)
    mass = xr.dot(attention(ds), same.astype(float), dim="token").where(found.selected_token >= 0)
    return _named(ds, mass, "selected_mass")


def path_margin(ds: xr.Dataset, found: xr.Dataset) -> xr.DataArray:
    """Return the margin of each solution's selection along the path's unit direction, (..., iteration, solution).

    ``min over i, t of <k_is - k_it, p> / |p|``; at the max-margin solution it equals ``solution_margin``.

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
    path, dims = _path(ds)
    if "weight" in ds:
        along = xr.dot(path, ds.query_vector, dim="query_feature")
    else:
        along = xr.dot(ds.fixed_weight, path.rename(feature="query_feature"), dim="query_feature")
    chosen = _at_selected(ds.token_vector, found)
    rivals = _present(ds) & ~(ds.token_vector == chosen).all("feature")
    gap = xr.dot(along, chosen - ds.token_vector, dim="feature").where(rivals)
    length = _norm(path, dims)
    margin = gap.min(["sample", "token"]) / length.where(length > 0)
    return _named(ds, margin, "path_margin")


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
    path, dims = _path(ds)
    norm = _norm(path, dims)
    growth = norm.diff("iteration") / ds.iteration.diff("iteration")
    made = {"norm": norm, "norm_growth": growth.reindex(iteration=ds.iteration)}
    if "value" in ds:
        made["value_norm"] = _norm(ds.value, ["feature"])
    return xr.Dataset({name: _named(ds, array, name) for name, array in made.items()})


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
    return _named(ds, number.astype(np.int64), "winner")


def _path(ds: xr.Dataset) -> tuple[xr.DataArray, list[str]]:
    """Return the trained prompt or W, and its own dimensions."""
    return (ds.weight, ["feature", "query_feature"]) if "weight" in ds else (ds.prompt, ["feature"])


def _norm(array: xr.DataArray, dims: list[str]) -> xr.DataArray:
    return xr.DataArray(np.sqrt((array**2).sum(dims, skipna=False)))


def _present(ds: xr.Dataset) -> xr.DataArray:
    return xr.DataArray(ds.token < ds.token_count)


def _named(ds: xr.Dataset, array: xr.DataArray, name: str) -> xr.DataArray:
    """Return an array in the registered order of dimensions, with its registered name and attributes."""
    tail = [dim for dim in VARIABLES[name].dims if dim in array.dims and dim not in ("start", "seed")]
    front = [dim for dim in ds.loss.dims if dim in array.dims and dim not in tail]
    made = array.transpose(*front, *tail).rename(name)
    made.attrs = describe(name)
    return made


def _at_selected(tokens: xr.DataArray, found: xr.Dataset) -> xr.DataArray:
    """Return the selected tokens themselves, (..., solution, sample, feature)."""
    return tokens.isel(token=found.selected_token.clip(min=0)).drop_vars("token", errors="ignore")


def _data_dims(ds: xr.Dataset, *besides: str) -> tuple[str, ...]:
    """Return the dimensions of the problems, and others, in the order of the members."""
    return tuple(str(dim) for dim in ds.loss.dims if dim in ds.token_count.dims or dim in besides)


def _problem(ds: xr.Dataset) -> Problem:
    """Return the problem of a dataset that holds one."""

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


def _last_selection(ds: xr.Dataset) -> xr.DataArray:
    """Return the token of most weight at the end, (<swept>, start, seed, sample); -1 where training failed."""
    final = attention(ds.isel(iteration=-1, drop=True)).load()
    return xr.DataArray(final.fillna(-1.0).argmax("token").where(final.notnull().all("token"), -1))


def _candidates(
    problem: Problem, of: str, joint: bool, last: xr.DataArray, limit: int
) -> tuple[list[tuple[int, ...]], bool]:
    """Return the selections to examine, the one of highest scores first, and whether they are all there are."""
    first = [] if joint else [optimal_tokens(problem)]
    if not joint:
        try:
            return list(dict.fromkeys([*first, *selections(problem, of=of, limit=limit)])), True
        except InvalidInput:
            pass
    rows = last.transpose(..., "sample").values.reshape(-1, last.sizes["sample"])
    own = [tuple(int(t) for t in row) for row in rows if (row >= 0).all()]
    return list(dict.fromkeys([*first, *own])), False


def _ordered(examined: list[Solution]) -> list[Solution]:
    """Return the first solution, then the locally optimal others by falling margin."""
    others = [s for s in examined[1:] if s.locally_optimal]
    return [*examined[:1], *sorted(others, key=lambda s: -s.parameter.margin)]


def _solution_dataset(
    ds: xr.Dataset, dims: tuple[str, ...], found: list[list[Solution]], of: str, joint: bool
) -> xr.Dataset:
    count = max(map(len, found))
    direction = "matrix_direction" if of == "weight" else "direction"
    columns: dict[str, Any] = {
        direction: (lambda s: s.parameter.solution, np.nan),
        "selected_token": (lambda s: s.selected, -1),
        "solution_margin": (lambda s: s.parameter.margin, np.nan),
        "solution_violation": (lambda s: s.parameter.violation, np.nan),
        "solution_status": (lambda s: np.uint8(_STATUS[s.parameter.status]), np.uint8(255)),
        "locally_optimal": (lambda s: s.locally_optimal, False),
        "globally_optimal": (lambda s: s.globally_optimal, False),
    }
    if joint:
        columns["value_direction"] = (lambda s: s.value.solution, np.nan)
    data = {}
    for name, (value, fill) in columns.items():
        rows = [[np.asarray(value(s)) for s in problem] for problem in found]
        like = next(row[0] for row in rows if row)
        padded = [[*row, *[np.full_like(like, fill)] * (count - len(row))] for row in rows]
        array = np.reshape(padded, (*(ds.sizes[dim] for dim in dims), count, *like.shape))
        data[name] = ((*dims, "solution", *VARIABLES[name].dims[3:]), array, describe(name))
    coords = {dim: ds[dim] for dim in dims}
    return xr.Dataset(data, coords=coords)
