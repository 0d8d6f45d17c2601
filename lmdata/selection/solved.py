"""The max-margin solutions that a training run may converge to, of the problem of every seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from lmdata.errors import InvalidInput
from lmdata.selection.geometry import Solution, examine, optimal_tokens, selections
from lmdata.selection.measures import attention
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.programs import Norm
from lmdata.selection.reading import model_of, problem_of
from lmdata.selection.variables import INFEASIBLE, SOLVED, UNFINISHED, VARIABLES, describe

STATUS = {"solved": SOLVED, "infeasible": INFEASIBLE, "unfinished": UNFINISHED}
"""Values of ``solution_status`` by the word of `lmdata.selection.solver.MaxMargin`."""


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
        Norm to minimise; by default the one that the training tends to: l_q of the mirror exponent q (each its own
        where it is swept), the largest entry (``math.inf``) of sign descent, the nuclear norm of factors.
    limit
        Combinations of separable tokens up to which all are examined.

    Returns
    -------
    xarray.Dataset
        By (swept parameters of the problem, seed, solution): ``direction`` (or ``matrix_direction`` of W;
        ``value_direction`` and ``value_support`` of joint training), ``selected_token`` (..., sample),
        ``solution_margin``, ``solution_violation`` (0: every constraint holds exactly), ``solution_status``,
        ``token_support``, ``locally_optimal``, ``globally_optimal``. NaN and -1 pad seeds with fewer solutions. Under a
        nonlinear head, scores are those of one token alone, and optimality is that of its tangent there.

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
    model = model_of(ds)
    given = [tuple(s) for s in selected or ()]
    last = None if given else _last_selection(ds)
    by_exponent = norm is None and "exponent" in ds.dims
    dims = _data_dims(ds, "exponent") if by_exponent else _data_dims(ds)
    found, complete = [], True
    for point in product(*(range(ds.sizes[dim]) for dim in dims)):
        one = ds.isel(dict(zip(dims, point, strict=True)))
        problem = problem_of(one)
        own_norm = (float(one.exponent) if by_exponent else model.margin_norm) if norm is None else norm
        candidates, all_of_them = (
            _candidates(problem, model, last.isel(dict(zip(dims, point, strict=True))), limit)
            if last is not None
            else (given, True)
        )
        complete &= all_of_them
        joint = model.trained == "joint"
        examined = [examine(problem, c, of=model.of, norm=own_norm, joint=joint, head=model.head) for c in candidates]
        found.append(examined if last is None else _ordered(examined))
    made = _solution_dataset(ds, dims, found, model)
    told = "exponent" if by_exponent else str(model.margin_norm if norm is None else norm)
    return made.assign_attrs(norm=told, candidates="all" if complete else "best scores and members' own")


def _data_dims(ds: xr.Dataset, *besides: str) -> tuple[str, ...]:
    """Return the dimensions of the problems, and others, in the order of the members."""
    return tuple(str(dim) for dim in ds.loss.dims if dim in ds.token_count.dims or dim in besides)


def _last_selection(ds: xr.Dataset) -> xr.DataArray:
    """Return the token of most weight at the end, (<swept>, start, seed, sample); -1 where training failed."""
    final = attention(ds.isel(iteration=-1, drop=True)).load()
    return xr.DataArray(final.fillna(-1.0).argmax("token").where(final.notnull().all("token"), -1))


def _candidates(
    problem: Problem, model: TokenSelection, last: xr.DataArray, limit: int
) -> tuple[list[tuple[int, ...]], bool]:
    """Return the selections to examine, the one of highest scores first, and whether they are all there are."""
    joint = model.trained == "joint"
    first = [] if joint else [optimal_tokens(problem, head=model.head)]
    if not joint:
        try:
            return list(dict.fromkeys([*first, *selections(problem, of=model.of, limit=limit)])), True
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
    ds: xr.Dataset, dims: tuple[str, ...], found: list[list[Solution]], model: TokenSelection
) -> xr.Dataset:
    count = max(map(len, found))
    direction = "matrix_direction" if model.of == "weight" else "direction"
    columns: dict[str, Any] = {
        direction: (lambda s: s.parameter.solution, np.nan),
        "selected_token": (lambda s: s.selected, -1),
        "solution_margin": (lambda s: s.parameter.margin, np.nan),
        "solution_violation": (lambda s: s.parameter.violation, np.nan),
        "solution_status": (lambda s: np.uint8(STATUS[s.parameter.status]), np.uint8(255)),
        "token_support": (lambda s: s.token_support, False),
        "locally_optimal": (lambda s: s.locally_optimal, False),
        "globally_optimal": (lambda s: s.globally_optimal, False),
    }
    if model.trained == "joint":
        columns["value_direction"] = (lambda s: s.value.solution, np.nan)
        columns["value_support"] = (lambda s: s.value.support, False)
    data = {}
    for name, (value, fill) in columns.items():
        rows = [[np.asarray(value(s)) for s in problem] for problem in found]
        like = next(row[0] for row in rows if row)
        padded = [[*row, *[np.full_like(like, fill)] * (count - len(row))] for row in rows]
        array = np.reshape(padded, (*(ds.sizes[dim] for dim in dims), count, *like.shape))
        data[name] = ((*dims, "solution", *VARIABLES[name].dims[3:]), array, describe(name))
    coords = {dim: ds[dim] for dim in dims}
    return xr.Dataset(data, coords=coords)
