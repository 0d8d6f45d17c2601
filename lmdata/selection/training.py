"""Training the members of a recipe: problems are drawn, and each start is trained on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.memory import available_memory
from lmdata.numerics.threads import parallel_for
from lmdata.selection.model import LOSSES, TokenSelection
from lmdata.selection.paths import Paths
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.wording import counted

if TYPE_CHECKING:
    from lmdata.selection.kernel import DataSet

type Progress = Callable[[int, int], None]

BATCH = 256
"""Members between two reports of progress."""


def train_members(recipe: SelectionRecipe, progress: Progress | None = None) -> tuple[list[Problem], Paths]:
    """Train every member of a recipe; return the problems (C order of problem parameters and seeds) and the paths."""
    problems = draw_problems(recipe)
    _check_size(recipe, len(next(iter(problems.values())).value))
    members = _members(recipe, problems)
    paths = Paths.empty(recipe.model.trained, len(members), len(recipe.recorded), len(members[0].problem.value))
    for first in range(0, len(members), BATCH):
        batch = range(first, min(first + BATCH, len(members)))

        def task(begin: int, end: int, batch: range = batch) -> None:
            for row in batch[begin:end]:
                paths.steps_done[row] = _train_one(recipe, members[row], paths, row)

        parallel_for(task, len(batch), 1)
        if progress is not None:
            progress(batch.stop, len(members))
    return list(problems.values()), paths


def _check_size(recipe: SelectionRecipe, features: int) -> None:
    """Refuse a run that memory cannot hold, before anything is allocated."""
    members = recipe.size
    numbers = {"prompt": features, "weight": features**2, "joint": 2 * features}[recipe.model.trained] + 1
    needed, limit = members * len(recipe.recorded) * numbers * 8, available_memory()
    if needed > limit:
        raise InvalidInput(
            f"the run has {counted(members, 'member', form=',')} of "
            f"{counted(len(recipe.recorded), 'iteration', form=',')} of {numbers:,} numbers, "
            f"{needed / 2**30:,.2f} GiB in all, more than the available memory of {limit / 2**30:,.2f} GiB (a run is "
            "trained in memory, and stored when it is whole): record fewer iterations (record=k), or train in parts"
        )


@dataclass(frozen=True)
class _Member:
    """One training run: its model, problem and start."""

    model: TokenSelection
    problem: Problem
    data: DataSet
    start: NDArray[np.float64]


type _Problems = dict[tuple[tuple[float, ...], int], Problem]


def draw_problems(recipe: SelectionRecipe) -> _Problems:
    """Return the problem of every (swept values, seed), in C order; refuse what has nothing to train."""
    problems: _Problems = {}
    for point in recipe.points(recipe.problem_sweep):
        source = recipe.at(point)[1]
        once = None if source.depends_on_seed else source.draw(recipe.seeds[0])
        for seed in recipe.seeds:
            problem = source.draw(seed) if once is None else once
            _check(problem, recipe.model.trained)
            problems[tuple(point.values()), seed] = problem
    return problems


def _check(problem: Problem, trained: str) -> None:
    if trained == "weight" and problem.query is None:
        raise InvalidInput(
            "query is None, but training the weights needs queries: give the problem query=(feature,) for one, "
            "or (sample, feature) for one a sample"
        )
    keys = problem.tokens if trained == "weight" else problem.keys()
    if not ((keys != keys[:, :1]).any(axis=2) & problem.present).any():
        raise InvalidInput(
            "all tokens of each sample have equal keys, so that there is nothing to select: give tokens that differ, "
            "and weights that do not map them to one key"
        )


def _members(recipe: SelectionRecipe, problems: _Problems) -> list[_Member]:
    """Return every member, in C order of (swept, start, seed)."""
    drawn = {}
    for (point, seed), problem in problems.items():
        d = len(problem.value)
        shape = (d, d) if recipe.model.trained == "weight" else (d,)
        drawn[point, seed] = problem, _kernel_data(problem, recipe.model.trained), recipe.starts.draw(seed, shape)
    members = []
    for values in recipe.points():
        model = recipe.at(values)[0]
        point = tuple(values[name] for name in recipe.problem_sweep)
        for start in range(recipe.starts.count):
            for seed in recipe.seeds:
                problem, data, starts = drawn[point, seed]
                members.append(_Member(model, problem, data, starts[start]))
    return members


def _kernel_data(problem: Problem, trained: str) -> DataSet:
    from lmdata.selection.kernel import DataSet

    if trained == "weight":
        keys, queries = problem.tokens, problem.query
    else:
        keys, queries = problem.keys(), np.ones((len(problem.labels), 1))
    present = problem.present
    alike = [np.flatnonzero((own == key).all(axis=1))[0] for own in keys for key in own]
    first = np.concatenate([[0], np.cumsum(problem.lengths)])
    starts = np.repeat(first[:-1], problem.lengths)
    return DataSet(
        np.ascontiguousarray(keys[present].T),
        np.ascontiguousarray(queries),
        np.ascontiguousarray(problem.tokens[present].T),
        problem.labels,
        first.astype(np.uint64),
        starts + np.reshape(alike, present.shape)[present],
    )


def _train_one(recipe: SelectionRecipe, member: _Member, paths: Paths, row: int) -> int:
    """Train a member into its row of the paths; return the iterations done."""
    from lmdata.selection.kernel import Rule, train_member

    model = member.model
    radius = np.inf if model.radius is None else model.radius
    value_step = model.step if model.value_step is None else model.value_step
    value_epsilon = model.epsilon if model.value_epsilon is None else model.value_epsilon
    return train_member(
        member.data,
        member.start.reshape(paths.weights.shape[2:]).copy(),
        member.problem.value.copy(),
        Rule(model.step, model.normalised, model.epsilon, model.exponent, radius),
        Rule(value_step, model.normalised, value_epsilon, model.exponent, np.inf),
        LOSSES.index(model.loss),
        model.trained == "joint",
        model.arithmetic == "published",
        recipe.steps,
        np.array(recipe.recorded, np.int64),
        paths.weights[row],
        paths.values[row],
        paths.losses[row],
    )
