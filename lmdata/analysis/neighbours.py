"""Neighbourhoods of many frames: each that differs from its predecessor is looked at, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis import graph_bits, graph_tree
from lmdata.analysis.presence import present
from lmdata.dynamics.kernels.canonical import neighbourhoods
from lmdata.dynamics.kernels.tree import System
from lmdata.numerics.threads import parallel_for

BLOCK_PAIRS = 2**16
"""Pairs of tokens held at a time, or those of one frame."""

GRAIN = 2**17
"""Pairs of tokens that are worth a thread."""


class Frames(NamedTuple):
    """States and what says who hears whom in them, as compiled functions take them."""

    states: NDArray[np.float64]  # (f, n, d)
    sensitivity: NDArray[np.float64]  # (f,)
    matrix: NDArray[np.float64]  # (d, d) the alignment matrix A, or (0, 0) for the identity

    def many(self) -> bool:
        """Return whether the tokens are so many that their graph is not made (`lmdata.analysis.graph_tree`)."""
        return graph_tree.serves(self.states, self.matrix)

    def system(self, frame: int, threads: int = 1) -> System:
        """Return the tokens of a frame of `many`, with thresholds and numbers of neighbours."""
        system = System(self.states[frame], self.matrix if self.matrix.size else None, threads=threads)
        graph_tree.listening(system, float(self.sensitivity[frame]))
        return system

    def over_few(self, task: Callable[[graph_bits.Work, int, int], object]) -> None:
        """Call ``task(room, begin, end)`` for ranges of frames that make up all."""
        f, n, d = self.states.shape
        parallel_for(lambda begin, end: task(graph_bits.work(n, d), begin, end), f, max(1, GRAIN // n**2))

    def over_many(self, task: Callable[[int], object], *results: NDArray[np.generic]) -> None:
        """Call ``task(frame)``, which fills the results of a frame, and copy them to those that equal it."""
        source = self.sources()
        found = np.unique(source[source >= 0])
        for_each(task, found.tolist())
        again = np.flatnonzero((source >= 0) & (source != np.arange(len(source))))
        for result in results:
            result[again] = result[source[again]]

    def sources(self) -> NDArray[np.int64]:
        """Return for each frame the first of the consecutive ones that equal it to the bit, or -1 if it is absent.

        Examples
        --------
        >>> states = np.array([[[1.0]], [[1.0]], [[1.0]], [[np.nan]]])
        >>> frames_of(states, np.array([0.0, 0.0, 0.5, 0.5]), None).sources().tolist()
        [0, 0, 2, -1]
        """
        states, delta, _ = self
        source = np.where(present(states), np.arange(len(states)), -1)
        for frame in range(1, len(states)):
            if delta[frame] == delta[frame - 1] and np.array_equal(states[frame], states[frame - 1]):
                source[frame] = source[frame - 1]
        return source


def for_each[T](task: Callable[[T], object], values: list[T]) -> None:
    """Call the task with each value, on all cores.

    Examples
    --------
    >>> for_each(print, [3])
    3
    """

    def run(begin: int, end: int) -> None:
        for value in values[begin:end]:
            task(value)

    parallel_for(run, len(values), 1)


def frames_of(
    position: NDArray[np.floating], sensitivity: NDArray[np.float64], alignment: NDArray[np.float64] | None
) -> Frames:
    """Return states (..., n, d) one after the other, with a sensitivity (...) that is broadcast against them.

    Examples
    --------
    >>> frames_of(np.zeros((2, 3, 4, 1), np.float32), np.zeros(3), None).states.shape
    (6, 4, 1)
    """
    *shape, n, d = position.shape
    return Frames(
        np.ascontiguousarray(position, np.float64).reshape(-1, n, d),
        np.broadcast_to(np.asarray(sensitivity, np.float64), shape).flatten(),
        np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment, np.float64),
    )


def graphs(
    position: NDArray[np.floating], sensitivity: NDArray[np.float64], alignment: NDArray[np.float64] | None
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield (frame, C) for each frame that holds tokens; row i of C marks the neighbourhood of token i.

    The neighbourhoods are those of the canonical step, to the bit.

    Parameters
    ----------
    position : (f, n, d)
    sensitivity : (f,)
    alignment : (d, d) or None

    Examples
    --------
    >>> frames = np.array([[[1.0], [0.5]], [[np.nan], [np.nan]]])
    >>> [(frame, graph.tolist()) for frame, graph in graphs(frames, np.zeros(2), None)]
    [(0, [[True, False], [True, False]])]
    """
    frames = np.flatnonzero(present(position))
    size = max(1, BLOCK_PAIRS // position.shape[1] ** 2)
    for start in range(0, frames.size, size):
        block = frames[start : start + size]
        yield from zip(block.tolist(), neighbourhoods(position[block], sensitivity[block], alignment), strict=True)
