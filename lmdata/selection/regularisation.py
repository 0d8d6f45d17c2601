"""The regularisation path: the best parameter of each norm, and where its direction goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.runs import train
from lmdata.selection.source import ProblemSource
from lmdata.selection.sources import Starts
from lmdata.selection.sources import starts as normal_starts

if TYPE_CHECKING:
    import xarray as xr

STEPS_PER_RADIUS = 5
"""Iterations, in multiples of those that it takes to reach the largest sphere."""


def regularisation_path(
    problem: ProblemSource | Problem,
    radii: Sequence[float],
    *,
    loss: str = "logistic",
    trained: str = "prompt",
    starts: Starts | Any = None,
    seeds: Sequence[int] = (0,),
    step: float = 0.05,
    value_radii: Sequence[float] | None = None,
) -> xr.Dataset:
    """Return the minimiser of the loss over the ball ``|p| <= R`` for each radius R (arXiv 2306.13596, section 3).

    ``p(R) / R`` tends to the globally optimal max-margin direction as R grows. The loss is not convex: projected
    normalised gradient descent runs from every start, and the end of least loss is taken.

    Of v and p jointly it is the minimiser over ``|p| <= R, |v| <= r`` for each pair. As both grow,
    ``v / r`` tends to the separator v_mm of the labels at the selected tokens, and ``p / R`` to p_mm, relaxed where a
    sample does not support v_mm.

    Parameters
    ----------
    problem
        As for `train`.
    radii
        Norms R, above zero.
    loss, trained
        As of `TokenSelection`; ``trained`` is ``"prompt"``, ``"weight"`` or ``"joint"``.
    starts
        As for `train`; 16 normal ones by default.
    seeds
        As for `train`.
    step
        Length of a step; smaller ones end closer to the minimiser.
    value_radii
        Norms r of v in joint paths, above zero; the radii without them. v starts at the problem's value vector.

    Returns
    -------
    xarray.Dataset
        As `train` returns it for the ends alone, with the dimension ``radius`` (and ``value_radius`` of joint paths)
        and without ``start``: the number of the best start stands in the coordinate ``start``. All measures of training
        runs apply.

    Examples
    --------
    >>> from lmdata.selection import construction, direction_correlation, regularisation_path, solutions
    >>> path = regularisation_path(construction("single-local"), [1, 10, 100])
    >>> correlation = direction_correlation(path, solutions(path)).sel(solution=0)
    >>> bool((correlation.diff("radius") > 0).all() and correlation[-1] > 0.9999)
    True
    """
    if trained not in ("prompt", "weight", "joint"):
        raise InvalidInput(
            f"trained is {trained!r}; a regularisation path is of the 'prompt', of the 'weight', or of both 'joint'"
        )
    if value_radii is not None and trained != "joint":
        raise InvalidInput(
            f"value_radii is {value_radii!r:.200} with trained {trained!r}; v is trained under 'joint' alone"
        )
    sweep = {"radius": radii}
    if trained == "joint":
        sweep["value_radius"] = radii if value_radii is None else value_radii
    step = as_number(step, "step", minimum=0.0, above=True)
    largest = max(
        as_number(radius, "value_radii" if name == "value_radius" else "radii", minimum=0.0, above=True)
        for name, column in sweep.items()
        for radius in column
    )
    model = TokenSelection(trained=trained, loss=loss, step=step)
    steps = STEPS_PER_RADIUS * math.ceil(largest / step)
    begin = normal_starts(count=16) if starts is None else starts
    ds = train(model, problem, steps=steps, starts=begin, seeds=seeds, sweep=sweep, record=[steps])
    best = ds.loss.isel(iteration=-1, drop=True).fillna(np.inf).argmin("start")
    chosen = ds.isel(start=best).drop_vars(["digest", "status", "steps_done"])
    del chosen.attrs["digest"]
    return chosen
