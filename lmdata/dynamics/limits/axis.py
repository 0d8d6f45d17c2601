"""Walks over the axis of many starts, cut in parts that are independent, on the processor's cores."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.canonical import alignment_keys, scores
from lmdata.dynamics.kernels.certificate import proof
from lmdata.dynamics.kernels.intervals import first_flips, listen, load_state, prepare, scratch
from lmdata.dynamics.limits.walk import COUNT, DEPTH, UNRESOLVED, Leaves, Stack, System, walk
from lmdata.numerics.threads import parallel_for

type Floats = NDArray[np.float64]

FEW = 64
"""Nodes that a stack first has room for."""
HELD = 2**12
"""Leaves that a walk holds before they are collected."""
PARTS = 48
"""Into how many parts the axis of a single start is cut."""


class Axis(NamedTuple):
    """What is asked of every start."""

    matrix: Floats
    """A (d, d), or (0, 0) for the identity."""
    influence: float
    shape: Floats
    """delta(t) / delta0 at steps 0, 1, ... up to the last that may be taken."""
    least: Floats
    """The smallest shape from each step on, for ever."""
    most: Floats
    """The largest."""
    lower: float
    upper: float
    record: bool
    """Walk to the last step, without proofs."""
    resolution: float
    """Width, relative to the largest gap, below which an interval is not cut any more."""
    limits: bool
    """Keep the limits of every token."""


class Part(NamedTuple):
    """One start's walk over a part of the axis."""

    start: int
    lower: float
    upper: float


def axes_of(d: int) -> tuple[int, ...]:
    """Return the ``axes`` of the kernels: the plane is compiled on its own, all other dimensions together."""
    return (0, 0) if d == 2 else ()


def largest_gap(tokens: Floats, axis: Axis) -> float:
    """Return the largest gap max_l s_il - s_ij of a start (n, d): beyond, every token listens to all."""
    score = scores(alignment_keys(tokens, axis.matrix if axis.matrix.size else None), tokens)
    return float((score.max(axis=1) - score.min(axis=1)).max())


def parts_of(starts: Floats, axis: Axis, wanted: int) -> list[Part]:
    """Cut the axis of every start where the first graph changes, into about ``wanted`` parts in all."""
    found: list[Part] = []
    each = max(1, wanted // len(starts))
    for number, tokens in enumerate(starts):
        edges = [axis.lower, axis.upper]
        if each > 1 and axis.shape[0] > 0.0:
            changes = np.unique(_first_flips(tokens, axis))
            chosen = changes[np.linspace(0, len(changes) - 1, each).astype(np.int64)] if len(changes) else changes
            edges = [axis.lower, *np.unique(chosen).tolist(), axis.upper]
        found += [Part(number, low, high) for low, high in itertools.pairwise(edges) if low < high]
    return found


def _first_flips(tokens: Floats, axis: Axis) -> Floats:
    n, d = tokens.shape
    room, positions = scratch(n, d), load_state(tokens)
    prepare(positions, axis.matrix, n, room)
    shape, last = float(axis.shape[0]), math.nextafter(axis.upper, 0.0)
    if not listen(positions, axis.lower * shape, last * shape, room, axes_of(d)):
        return np.empty(0)
    return first_flips(positions, room, shape, axis.lower, last)


def walk_axis(starts: Floats, axis: Axis, *, threads: int | None = None) -> list[Leaves]:
    """Return the leaves of every start (m, n, d), in ascending order; ``threads`` does not touch the result."""
    parts = parts_of(starts, axis, PARTS)
    walked: list[Leaves | None] = [None] * len(parts)

    def work(begin: int, end: int) -> None:
        for number in range(begin, end):
            walked[number] = walk_part(starts[parts[number].start], axis, parts[number])

    parallel_for(work, len(parts), 1, threads=threads)
    of_start: list[list[Leaves]] = [[] for _ in starts]
    for part, leaves in zip(parts, walked, strict=True):
        assert leaves is not None
        of_start[part.start].append(leaves)
    return [joined(found) for found in of_start]


def joined(parts: list[Leaves]) -> Leaves:
    """Return leaves one after the other; unresolved ones that meet between two parts are one."""
    kept = [parts[0]]
    for part in parts[1:]:
        before = kept[-1]
        if len(part.bounds) and len(before.bounds) and UNRESOLVED == before.counts[-1, 0] == part.counts[0, 0]:
            before.bounds[-1, 1] = part.bounds[0, 1]
            part = Leaves._make(array[1:] for array in part)
        if len(part.bounds):
            kept.append(part)
    return Leaves._make(np.concatenate(arrays) for arrays in zip(*kept, strict=True))


def walk_part(tokens: Floats, axis: Axis, part: Part) -> Leaves:
    """Return the leaves of one start (n, d) over a part of the axis."""
    n, d = tokens.shape
    room, work = scratch(n, d), proof(n, d)
    gap = largest_gap(tokens, axis)
    system = System(
        axis.matrix, axis.influence, axis.shape, axis.least, axis.most, axis.record, axis.resolution * gap, gap / 4
    )
    positions = load_state(tokens)
    stack = _stack(FEW, positions, room.heard)
    stack.positions[0] = positions
    stack.bounds[0] = part.lower, part.upper, system.eager
    place = np.zeros(3, np.int64)
    place[DEPTH] = 1
    held = _leaves(HELD, n, d, axis.limits)
    now, before = np.zeros_like(positions), np.zeros_like(room.heard)
    collected: list[Leaves] = []
    while place[DEPTH] > 0:
        walk(system, stack, held, place, room, work, now, before, axes_of(d))
        count = int(place[COUNT])
        if place[DEPTH] + 3 > len(stack.bounds):
            stack = _grown(stack)
        if count == HELD:
            # the last leaf stays, so that the next may be joined to it
            collected.append(Leaves._make(array[: count - 1].copy() for array in held))
            for array in held:
                array[:1] = array[count - 1 : count]
            place[COUNT] = 1
    count = int(place[COUNT])
    collected.append(Leaves._make(array[:count].copy() for array in held))
    return joined(collected)


def _stack(size: int, positions: Floats, heard: NDArray[np.uint8]) -> Stack:
    return Stack(
        np.zeros((size, *positions.shape)),
        np.zeros((size, *heard.shape), np.uint8),
        np.zeros((size, 3)),
        np.zeros((size, 4), np.int64),
    )


def _grown(stack: Stack) -> Stack:
    """Return the stack with twice the room."""
    return Stack._make(np.concatenate([array, np.zeros_like(array)]) for array in stack)


def _leaves(size: int, n: int, d: int, limits: bool) -> Leaves:
    kept = size if limits else 0
    return Leaves(
        np.zeros((size, 2)),
        np.zeros((size, 2)),
        np.zeros((size, 7), np.int64),
        np.zeros((kept, n, d)),
        np.zeros((kept, n), np.int64),
    )
