"""Drive the kernels over blocks of members, in segments, and hand the frames to a sink (a store, or memory).

Blocks of small members are computed several at a time; long members are computed in segments of a few seconds, with
a checkpoint between two of them. Neither changes a bit: a member's steps depend on its own state alone.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lmdata.data.frames import Frames, Sink
from lmdata.data.registry import variable
from lmdata.dynamics.batch import check, draw
from lmdata.dynamics.kernels.backends import Choice, choose
from lmdata.runs.progress import Progress, reporting
from lmdata.runs.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

GROUP_BYTES = 64 * 2**20
"""Frames that are held in memory at a time, where members are not larger."""
FIRST_SEGMENT = 2e9
"""Token pairs times components of the first segment of a run: under a second or two on any kernel."""
SEGMENT_SECONDS = 5.0
"""Later segments are as long as this takes: what Ctrl-C waits for, and what a kill can lose."""


def blank(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of a declared variable that holds its fill value everywhere."""
    spec = variable(name)
    return np.full(shape, spec.fill, spec.dtype)


@dataclass(frozen=True)
class _Front:
    """Blocks that advance together: the state that they have reached, and the frames already handed over."""

    blocks: list[Sequence[int]]
    state: NDArray[np.float64]
    step: int
    frames: int

    def split(self) -> Iterator[tuple[Sequence[int], slice]]:
        """Yield each block with its rows."""
        first = 0
        for block in self.blocks:
            yield block, slice(first, first + len(block))
            first += len(block)


@dataclass(frozen=True)
class Runner:
    """A recipe, the tokens it starts from and the kernel that steps it; call it with blocks and a sink."""

    recipe: Recipe
    choice: Choice
    starts: NDArray[np.float64]
    """The tokens of each distinct seed, (seed, n, d)."""
    diagnostics: tuple[str, ...]
    progress: Progress | bool | None

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        backend: str,
        progress: Progress | bool | None,
        diagnostics: tuple[str, ...] | None = None,
    ) -> Self:
        """Choose the kernel, draw the tokens and check every model of the sweep against them.

        ``diagnostics`` are those that the sink has; without them, those that model and kernel give.
        """
        n, d = recipe.tokens.shape
        choice = choose(backend, kind=recipe.model.kind, members=recipe.size, tokens=n, components=d)
        starts = draw(recipe.tokens, recipe.distinct_seeds)
        check(recipe.models, starts, recipe.steps)
        if diagnostics is None:  # a call for no step at all says which there are
            still = type(recipe.model).advance(
                recipe.models[:1], starts[:1], start=0, record=[0], seeds=recipe.seeds[:1], backend=str(choice)
            )
            diagnostics = tuple(sorted(still.diagnostics))
        return cls(recipe, choice, starts, diagnostics, progress)

    def __call__(self, blocks: Iterable[Sequence[int]], sink: Sink) -> None:
        """Compute the members of every block and hand them to the sink."""
        todo = list(blocks)
        total = self.recipe.size
        done = total - sum(map(len, todo))
        with reporting(self.progress, total) as report:
            report(done)
            for front in self._fronts(todo, sink):
                self._march(front, sink)
                done += len(front.state)
                report(done)

    def stretch(self, blocks: Sequence[Sequence[int]], sink: Sink, *, seconds: float) -> None:
        """Compute blocks for some seconds; members that are then not finished are at a checkpoint, or not begun."""
        end = time.monotonic() + seconds
        for front in self._fronts(blocks, sink):
            self._march(front, sink, end)
            if time.monotonic() >= end:
                return

    @property
    def most(self) -> int:
        """Members that are computed together, at least one: more would need a checkpoint, or too much memory."""
        n, d = self.recipe.tokens.shape
        work = max(1, self.recipe.steps) * n * n * d
        return max(1, int(min(GROUP_BYTES / self.recipe.member_bytes, FIRST_SEGMENT / work)))

    def groups[Block: Sequence[int]](self, blocks: Iterable[Block]) -> Iterator[list[Block]]:
        """Yield blocks in groups that are computed together.

        A group ends before it would need a checkpoint, which costs as much for a small member as for a large one.
        """
        group: list[Block] = []
        for block in blocks:
            if group and sum(map(len, group)) + len(block) > self.most:
                yield group
                group = []
            group.append(block)
        if group:
            yield group

    def _fronts(self, blocks: Iterable[Sequence[int]], sink: Sink) -> Iterator[_Front]:
        """Yield what was begun, at its checkpoint, and then the other blocks in groups.

        Members of a block are at several checkpoints where one of them failed: they then go on one by one.
        """
        fresh: list[Sequence[int]] = []
        for block in blocks:
            if begun := sink.last_checkpoint(block):
                yield _Front([block], begun.state, begun.step, begun.frames)
                continue
            left = list(block)
            for member in sink.begun(block) if len(block) > 1 else ():
                if begun := sink.last_checkpoint([member]):
                    left.remove(member)
                    yield _Front([[member]], begun.state, begun.step, begun.frames)
            if left:
                fresh.append(left)
        for group in self.groups(fresh):
            yield self._start(group)

    def _start(self, blocks: list[Sequence[int]]) -> _Front:
        numbers = np.concatenate([np.asarray(block) for block in blocks])
        return _Front(blocks, self.starts[numbers % len(self.starts)], 0, 0)  # seeds are the last axis of the grid

    def _march(self, front: _Front, sink: Sink, until: float = math.inf) -> None:
        """Advance a front to the last step, segment by segment, or to a checkpoint some time after ``until``."""
        m, n, d = front.state.shape
        length = max(1, int(FIRST_SEGMENT / (m * n * n * d)))
        while front.step < self.recipe.steps or front.frames < len(self.recipe.recorded):
            end = min(front.step + length, self.recipe.steps)
            kept = [step for step in self.recipe.recorded[front.frames :] if step <= end]
            fitting = max(1, GROUP_BYTES // (m * n * d * 8))
            if len(kept) > fitting:
                kept, end = kept[:fitting], kept[fitting - 1]
            begun = time.perf_counter()
            try:
                reached = self._segment(front, kept, end, sink)
            except ArithmeticError as error:
                self._isolate(front, error, sink, until)
                return
            if time.monotonic() >= until:
                return
            elapsed = time.perf_counter() - begun
            length = max(1, int((end - front.step) * np.clip(SEGMENT_SECONDS / max(elapsed, 1e-6), 0.25, 4)))
            front = reached

    def _segment(self, front: _Front, kept: list[int], end: int, sink: Sink) -> _Front:
        numbers = [number for block in front.blocks for number in block]
        record = kept if kept and kept[-1] == end else [*kept, end]
        result = type(self.recipe.model).advance(
            self.recipe.models_of(numbers),
            front.state,
            start=front.step,
            record=record,
            seeds=self.recipe.seeds_of(numbers),
            backend=str(self.choice),
        )
        state, frames = result.position[:, -1], result.position[:, : len(kept)]
        diagnostics = {  # another kernel than the one that began the run may know more, or less
            name: result.diagnostics.get(name, blank(name, frames.shape[:2]))[:, : len(kept)]
            for name in self.diagnostics
        }
        finished = end == self.recipe.steps and front.frames + len(kept) == len(self.recipe.recorded)
        for block, rows in front.split():
            own = {name: values[rows] for name, values in diagnostics.items()}
            reached = None if finished else state[rows]
            sink.take(Frames(block, frames[rows], own, front.frames, end, reached))
        return _Front(front.blocks, state, end, front.frames + len(kept))

    def _isolate(self, front: _Front, error: ArithmeticError, sink: Sink, until: float) -> None:
        """Where the arithmetic of some member failed, go on with each alone until then, and mark those that fail."""
        if len(front.state) == 1:
            [[number]] = front.blocks
            logger.warning("member %s failed: %s", self.recipe.members[number], error)
            sink.fail([number], str(error), steps_done=front.step)
            return
        numbers = [number for block in front.blocks for number in block]
        for row, number in enumerate(numbers):
            self._march(_Front([[number]], front.state[row : row + 1], front.step, front.frames), sink, until)
            if time.monotonic() >= until:
                return
