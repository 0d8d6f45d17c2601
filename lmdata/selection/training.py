"""Training the members of a recipe: problems are drawn, and each start is trained on its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.data.frames import Sink
from lmdata.data.grid import Grid
from lmdata.data.store.guard import EAGER_BYTES
from lmdata.errors import InvalidInput, RecipeMismatch
from lmdata.numerics.threads import cores, parallel_for
from lmdata.runs.means import Means
from lmdata.runs.progress import Progress, reporting
from lmdata.runs.road import Compute
from lmdata.runs.runner import GROUP_BYTES
from lmdata.runs.sizes import check_room
from lmdata.selection.dataset import layout_of
from lmdata.selection.heads import HEADS
from lmdata.selection.model import LOSSES, TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.wording import counted

if TYPE_CHECKING:
    from lmdata.selection.kernel import DataSet

SECONDS = 5.0
"""About so long members are trained until they are kept: what Ctrl-C waits for, and what a kill can lose."""


@dataclass(frozen=True)
class Trainer:
    """A recipe, its problems and starts; call it with blocks and a sink. See `lmdata.runs.road.Work`."""

    recipe: SelectionRecipe
    layout: Grid
    members: list[_Member]
    progress: Progress | bool | None

    @classmethod
    def of(cls, recipe: SelectionRecipe, means: Means, layout: Grid | None = None) -> Self:
        """Draw the problems and the starts, and check what they need.

        Raises
        ------
        InvalidInput
            If there is nothing to be trained, or no room for it.
        RecipeMismatch
            If the problems are not those of the layout of a store.
        """
        problems = draw_problems(recipe)
        drawn = layout_of(recipe, list(problems.values()))
        if layout is None:
            _check_size(drawn, means.store)
        elif not _same(layout.given(), drawn.given()):
            raise RecipeMismatch(
                f"{means.store} was begun with other problems than its recipe gives here: they were drawn by another "
                "version of what makes them; go on with that version, or train anew into another place"
            )
        return cls(recipe, layout or drawn, _members(recipe, problems), means.progress)

    def __call__(self, blocks: Iterable[Sequence[int]], sink: Sink) -> None:
        """Train the members of every block and hand them to the sink, some seconds' worth at a time."""
        todo = [(number, block) for block, numbers in enumerate(blocks) for number in numbers]
        total = len(self.members)
        most = max(cores(), GROUP_BYTES // self.layout.member_bytes)
        count = min(most, 8 * cores())
        with reporting(self.progress, total) as report:
            report(total - len(todo))
            while todo:
                batch, todo = todo[:count], todo[count:]
                begun = time.perf_counter()
                self._train(batch, sink)
                elapsed = max(time.perf_counter() - begun, 1e-6)
                count = int(np.clip(count * np.clip(SECONDS / elapsed, 0.25, 4.0), cores(), most))
                report(total - len(todo))

    @contextmanager
    def computing(self) -> Iterator[Compute]:
        """Yield what trains the members that a store lacks."""
        yield lambda store: self(store.pending(), store)

    def _train(self, batch: list[tuple[int, int]], sink: Sink) -> None:
        """Train members, given with the numbers of their blocks."""
        numbers = [number for number, _ in batch]
        paths = _Paths.empty(self.layout, len(batch))

        def task(begin: int, end: int) -> None:
            for row in range(begin, end):
                paths.steps_done[row] = _train_one(self.recipe, self.members[numbers[row]], paths, row)

        parallel_for(task, len(batch), 1)
        whole = (paths.steps_done == self.recipe.steps) & np.isfinite(paths.losses).all(axis=1)
        trained = paths.parts(self.layout)
        first, *others = self.layout.parts
        for _, rows_of_block in groupby(range(len(batch)), key=lambda row: batch[row][1]):
            rows = list(rows_of_block)
            kept = [row for row in rows if whole[row]]
            if kept:
                sink.put(
                    [numbers[row] for row in kept],
                    trained[first][kept],
                    steps_done=self.recipe.steps,
                    diagnostics={"loss": paths.losses[kept], **{name: trained[name][kept] for name in others}},
                )
            for row in rows:
                if not whole[row]:
                    done = int(paths.steps_done[row])
                    sink.fail(
                        [numbers[row]], f"its numbers overflow after {counted(done, 'iteration')}", steps_done=done
                    )


@dataclass(frozen=True)
class _Paths:
    """What training writes, a row a member; NaN from where numbers overflowed."""

    weights: NDArray[np.float64]
    """Prompt (member, frame, feature, 1), W (member, frame, feature, query feature), or K above Q (..., width)."""
    values: NDArray[np.float64]
    """Value vector (member, frame, feature) of joint training; no frames otherwise."""
    losses: NDArray[np.float64]
    """Mean loss (member, frame)."""
    steps_done: NDArray[np.int64]

    @classmethod
    def empty(cls, layout: Grid, members: int) -> Self:
        """Return paths to write into."""
        m, frames, (d, *columns) = members, layout.frames, layout.tail(layout.parts[0])
        rows = 2 * d if "key_matrix" in layout.parts else d
        return cls(
            weights=np.full((m, frames, rows, *(columns or [1])), np.nan),
            values=np.full((m, frames if "value" in layout.parts else 0, d), np.nan),
            losses=np.full((m, frames), np.nan),
            steps_done=np.zeros(m, np.int64),
        )

    def parts(self, layout: Grid) -> dict[str, NDArray[np.float64]]:
        """Return what is kept, by the name of its variable."""
        first, *others = layout.parts
        if first == "key_matrix":
            keys, queries = np.split(self.weights, 2, axis=2)
            return {first: keys, others[0]: queries}
        shape = (*self.losses.shape, *layout.tail(first))
        return {first: self.weights.reshape(shape), "value": self.values}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two layouts have the same problems, to the last bit."""
    return set(one) == set(other) and all(
        values.shape == other[name][1].shape and values.tobytes() == other[name][1].tobytes()
        for name, (_, values, _) in one.items()
    )


def _check_size(layout: Grid, store: str | os.PathLike[str] | None) -> None:
    """Refuse a run that cannot be held, before anything is allocated."""
    remedy = "record fewer iterations (record=k), or give store=PATH" if store is None else "train in parts"
    for name, (_, values, _) in layout.given().items():
        if store is not None and values.nbytes > EAGER_BYTES:
            raise InvalidInput(
                f"{name} of the problems takes {values.nbytes} B, and a store keeps at most {EAGER_BYTES} B, which are "
                "read whole: give fewer seeds or samples, or train in memory (store=None)"
            )
    member = layout.member_bytes + 8 * layout.frames
    check_room(layout.size, member, store, piece=member * cores(), working=0, remedy=remedy)


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
            _check(problem, recipe.model.of)
            problems[tuple(point.values()), seed] = problem
    return problems


def _check(problem: Problem, of: str) -> None:
    if of == "weight" and problem.query is None:
        raise InvalidInput(
            "query is None, but training the weights needs queries: give the problem query=(feature,) for one, "
            "or (sample, feature) for one a sample"
        )
    keys = problem.tokens if of == "weight" else problem.keys()
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
        shape = {"weight": (d, d), "factors": (2, d, recipe.model.width or d)}.get(recipe.model.trained, (d,))
        drawn[point, seed] = problem, _kernel_data(problem, recipe.model.of), recipe.starts.draw(seed, shape)
        if recipe.model.trained == "factors" and not drawn[point, seed][2].any(axis=(1, 2, 3)).all():
            raise InvalidInput(
                "starts has factors of zeros, which have no gradient and stay there: give others, such as "
                "starts(count=1, scale=0.01)"
            )
    members = []
    for values in recipe.points():
        model = recipe.at(values)[0]
        point = tuple(values[name] for name in recipe.problem_sweep)
        for start in range(recipe.starts.count):
            for seed in recipe.seeds:
                problem, data, starts = drawn[point, seed]
                members.append(_Member(model, problem, data, starts[start]))
    return members


def _kernel_data(problem: Problem, of: str) -> DataSet:
    from lmdata.selection.kernel import DataSet

    if of == "weight":
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


def _train_one(recipe: SelectionRecipe, member: _Member, paths: _Paths, row: int) -> int:
    """Train a member into its row of the paths; return the iterations done."""
    from lmdata.selection.descent import Rule
    from lmdata.selection.kernel import train_member

    model = member.model
    radius = np.inf if model.radius is None else model.radius
    value_radius = np.inf if model.value_radius is None else model.value_radius
    value_step = model.step if model.value_step is None else model.value_step
    value_epsilon = model.epsilon if model.value_epsilon is None else model.value_epsilon
    sign = model.descent == "sign"
    return train_member(
        member.data,
        member.start.reshape(paths.weights.shape[2:]).copy(),
        member.problem.value.copy(),
        Rule(model.step, model.normalised, model.epsilon, model.exponent, radius, sign),
        Rule(value_step, model.normalised, value_epsilon, model.exponent, value_radius, sign),
        LOSSES.index(model.loss),
        HEADS.index(model.head),
        model.trained == "joint",
        model.trained == "factors",
        model.arithmetic == "published",
        recipe.steps,
        np.array(recipe.recorded, np.int64),
        paths.weights[row],
        paths.values[row],
        paths.losses[row],
    )
