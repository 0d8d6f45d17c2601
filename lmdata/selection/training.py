"""Training runs as labelled datasets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.threads import crew
from lmdata.runs.sizes import available_memory
from lmdata.selection.model import LOSSES, TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.selection.sources import ProblemSource, Starts

if TYPE_CHECKING:
    import xarray as xr

    from lmdata.selection.kernel import DataSet

type Progress = Callable[[int, int], None]

BATCH = 256
"""Members between two reports of progress."""


def train(
    model: TokenSelection,
    problem: ProblemSource | Problem,
    *,
    steps: int,
    starts: Starts | Any = None,
    seeds: Sequence[int] = (0,),
    sweep: Mapping[str, Sequence[float]] | None = None,
    record: int | Sequence[int] | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Train one-layer softmax attention from every start, on the problem of every seed, at every swept value.

    Parameters
    ----------
    model
        What is trained, by which loss and how.
    problem
        A source such as ``construction("single-local")``, ``gaussian(...)`` or ``sentences()``, or a `Problem`.
    steps
        Number of iterations T; iteration 0 is the start.
    starts
        Starts of the prompt or of W: an array (start, feature) or (start, feature, feature), or
        ``starts(count=...)``; zero by default. In joint training v starts at the problem's value vector.
    seeds
        Seeds of random problems and of random starts.
    sweep
        Values of parameters of the model or of the problem; each becomes a dimension of that name.
    record
        Iterations to keep: all, every k-th and the last, or exactly these.
    store
        Where to keep the run: a new folder, or one that holds the same run already. In memory without it. It is
        trained in memory and appears in one move when it is whole, so that there is nothing to resume.
    progress
        Called as ``progress(members done, members)``.

    Returns
    -------
    xarray.Dataset
        In memory, or lazy from the store, with dims (<swept>, start, seed, iteration, sample, token, feature): the
        trained ``prompt``, ``weight`` or ``value`` and the ``loss`` by iteration; ``status``, ``digest`` and
        ``steps_done`` by member; and the problem: ``token_vector``, ``token_count``, ``label``, ``fixed_value``,
        ``fixed_weight``, ``query_vector``, ``word``, as far as there are such. All numbers are dimensionless. A member
        whose numbers overflow has the status failed, and NaN from there on.

    Raises
    ------
    InvalidInput
        Before any work, naming the argument, its value and the remedy.
    RecipeMismatch, StoreError
        If the store holds something else, or cannot be written.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> ds = train(TokenSelection(), construction("single-local"), starts=[[0, 1, 0], [0, -1.5, 0]], steps=200)
    >>> dict(ds.prompt.sizes)
    {'start': 2, 'seed': 1, 'iteration': 201, 'feature': 3}
    """
    recipe = SelectionRecipe.of(model, problem, steps=steps, starts=starts, seeds=seeds, sweep=sweep, record=record)
    if store is None:
        return run(recipe, progress=progress)
    from lmdata.selection.storing import run_to_store

    return run_to_store(recipe, store, progress=progress)


def run(recipe: SelectionRecipe, *, progress: Progress | None = None) -> xr.Dataset:
    """Run a recipe; `train` with its arguments already checked."""
    from lmdata.selection.dataset import assemble

    problems = draw_problems(recipe)
    _check_size(recipe, len(next(iter(problems.values())).value))
    members = _members(recipe, problems)
    paths = Paths.empty(recipe, members)
    spread = crew()
    for first in range(0, len(members), BATCH):
        batch = range(first, min(first + BATCH, len(members)))

        def task(begin: int, end: int, batch: range = batch) -> None:
            for row in batch[begin:end]:
                paths.steps_done[row] = _train_one(recipe, members[row], paths, row)

        spread(task, len(batch), 1)
        if progress is not None:
            progress(batch.stop, len(members))
    return assemble(recipe, list(problems.values()), paths)


def _check_size(recipe: SelectionRecipe, features: int) -> None:
    """Refuse a run that memory cannot hold, before anything is allocated."""
    members = len(recipe.points()) * recipe.starts.count * len(recipe.seeds)
    numbers = {"prompt": features, "weight": features**2, "joint": 2 * features}[recipe.model.trained] + 1
    needed, limit = members * len(recipe.recorded) * numbers * 8, available_memory()
    if needed > limit:
        raise InvalidInput(
            f"the run has {members:,} members of {len(recipe.recorded):,} iterations of {numbers:,} numbers, "
            f"{needed / 2**30:,.2f} GiB in all, more than the available memory of {limit / 2**30:,.2f} GiB (a run is "
            "trained in memory, and stored when it is whole): record fewer iterations (record=k), or train in parts"
        )


@dataclass(frozen=True)
class Paths:
    """What training gives, a row a member; NaN from where numbers overflowed."""

    weights: NDArray[np.float64]
    """Prompt (member, frame, feature, 1), or W (member, frame, feature, query feature)."""
    values: NDArray[np.float64]
    """Value vector (member, frame, feature) of joint training; no frames otherwise."""
    losses: NDArray[np.float64]
    """Mean loss (member, frame)."""
    steps_done: NDArray[np.int64]

    @classmethod
    def empty(cls, recipe: SelectionRecipe, members: list[_Member]) -> Paths:
        """Return paths to write into."""
        m, frames = len(members), len(recipe.recorded)
        d = len(members[0].problem.value)
        return cls(
            weights=np.full((m, frames, d, d if recipe.model.trained == "weight" else 1), np.nan),
            values=np.full((m, frames if recipe.model.trained == "joint" else 0, d), np.nan),
            losses=np.full((m, frames), np.nan),
            steps_done=np.zeros(m, np.int64),
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
