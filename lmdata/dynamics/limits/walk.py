"""The walk over the sensitivity axis of one start: a tree of intervals that share their first steps.

A node is an interval of sensitivities with one and the same trajectory so far, and the state it came to. A step either
keeps the interval whole or cuts it where the graph changes first (`lmdata.dynamics.kernels.intervals`); the part beyond
the cut waits on a stack, with the state before the step. So the walk goes depth first and in ascending order, and no
step that two intervals share is computed twice.

A node ends as a leaf:

- `CERTIFIED`, when a proof (`lmdata.dynamics.kernels.certificate`) covers its interval;
- `AT_REST`, when its state repeats to the bit, whatever of the later sensitivities is taken, which is a proof too, of
  the canonical floats;
- `ENCLOSED`, where sensitivities change for ever, when tokens of one limit are in a box that they never leave, and
  listen to nobody outside: their limits are proved, though not who of them listens to whom at the last bits;
- `UNRESOLVED`, when it would have to be cut, and is narrower than the resolution;
- `RECORDED`, when it came to the end of a record;
- `OPEN`, when no proof was found in the number of steps that was allowed.

Where a limit gap lies inside a node's interval, no step will ever bring its proof: then the part that is proved is cut
off, and the rests go on. Such a cut is no change of the trajectory; leaves carry the number of their *chain*, which is
new after every change of the graph, so that pieces of one trajectory are joined again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.certificate import (
    CLIQUES,
    ERROR,
    FROM,
    SAME,
    SLACK,
    TO,
    TRAVELLER,
    Proof,
    certify,
    enclose,
    follow,
    number_limits,
)
from lmdata.dynamics.kernels.intervals import Scratch, listen, next_flip, prepare
from lmdata.numerics.compiled import compiled

type Floats = NDArray[np.float64]
type Bytes = NDArray[np.uint8]
type Integers = NDArray[np.int64]

CERTIFIED, AT_REST, UNRESOLVED, RECORDED, OPEN, ENCLOSED = 1, 2, 3, 4, 5, 6
"""How a leaf ends."""

PATIENCE = 2
"""Steps without a change of the graph before a proof is tried."""
NARROW = 16.0
"""A proof cuts an interval in pieces once its slack is this many times below the interval's width."""
UP = 1.0 + 2.0**-30


class System(NamedTuple):
    """What is walked over."""

    matrix: Floats  # (d, d), or (0, 0) for the identity
    influence: float
    shape: Floats  # (steps + 1,) delta(t) / delta0
    least: Floats  # (steps + 1,) smallest shape from t on, for ever
    most: Floats  # (steps + 1,) largest
    record: bool  # to the last step, without proofs
    width: float  # narrower intervals are not cut any more
    eager: float  # slack from which on the first proof is tried


class Stack(NamedTuple):
    """Nodes that wait: entry by entry the state, the graph before it, and numbers."""

    positions: Floats  # (depth, d, padded)
    before: Bytes  # (depth, blocks, n)
    bounds: Floats  # (depth, 3) lower, upper, slack at which a proof is tried
    counts: Integers  # (depth, 4) step, step of the last change, chain, steps without a change


class Leaves(NamedTuple):
    """What the walk found, in ascending order."""

    bounds: Floats  # (leaf, 2) lower, upper
    numbers: Floats  # (leaf, 2) margin, error of the limit
    counts: (
        Integers  # (leaf, 7) how it ends, last step, step of the last change, chain; cliques, tokens in them, limits
    )
    limit: Floats  # (leaf, n, d)
    clique: Integers  # (leaf, n) number of the token's limit, those of cliques first


DEPTH, CHAIN, COUNT = range(3)
"""Entries of the walk's ``place``: nodes on the stack, number of the next chain, leaves so far."""


@compiled(inline=True)
def _before(number: float) -> float:
    """Return the float before a positive one."""
    return np.int64(np.float64(number).view(np.int64) - 1).view(np.float64)


@compiled(inline=True)
def _copy(source: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy a matrix, entry by entry: a slice would be counted, and threads would wait for each other."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@compiled(no_refcount=True)
def push(
    stack: Stack,
    place: Integers,
    positions: Floats,
    before: Bytes,
    bounds: tuple[float, float, float],
    counts: tuple[int, int, int, int],
) -> None:
    """Put a node on the stack."""
    top = place[DEPTH]
    _copy(positions, stack.positions[top])
    _copy(before, stack.before[top])
    for k in range(3):
        stack.bounds[top, k] = bounds[k]
    for k in range(4):
        stack.counts[top, k] = counts[k]
    place[DEPTH] = top + 1


@compiled(no_refcount=True)
def _estimate(room: Scratch, n: int) -> float:
    """Return about how far the gaps still are from those of the limits, if the graph stays."""
    total = 0.0
    for k in range(room.keys.shape[0]):
        way, low, high = 0.0, np.inf, -np.inf
        for i in range(n):
            way = max(way, abs(room.pulls[k, i]))
            low, high = min(low, room.keys[k, i]), max(high, room.keys[k, i])
        total += (2.0 * max(abs(low), abs(high)) + (high - low) + 2.0 * way) * way
    return total


@compiled(no_refcount=True)
def _settles(now: Floats, room: Scratch, n: int) -> bool:
    """Return whether every pull is small, so that it is worth while to ask for groups."""
    for k in range(now.shape[0]):
        reach, way = 0.0, 0.0
        for i in range(n):
            reach, way = max(reach, abs(now[k, i])), max(way, abs(room.pulls[k, i]))
        if way > SAME * reach:
            return False
    return True


@compiled(no_refcount=True)
def _emit(
    leaves: Leaves,
    place: Integers,
    lower: float,
    upper: float,
    counts: tuple[int, int, int, int],
    positions: Floats,
    margin: float,
    proof: Proof,
) -> None:
    """Write down a leaf, joined to the one before it where both are unresolved, or proved and of one chain."""
    end, step, chain = counts[0], counts[1], counts[3]
    at = place[COUNT]
    if at > 0 and leaves.bounds[at - 1, 1] == lower and leaves.counts[at - 1, 0] == end:
        if end == UNRESOLVED:
            leaves.bounds[at - 1, 1] = upper
            return
        if end == CERTIFIED and leaves.counts[at - 1, 3] == chain:
            leaves.bounds[at - 1, 1] = upper
            leaves.numbers[at - 1, 0] = min(leaves.numbers[at - 1, 0], margin)
            leaves.counts[at - 1, 1] = max(leaves.counts[at - 1, 1], step)
            return
    n, d = proof.limit.shape
    leaves.bounds[at, 0], leaves.bounds[at, 1] = lower, upper
    leaves.numbers[at, 0] = leaves.numbers[at, 1] = np.nan
    for k in range(4):
        leaves.counts[at, k] = counts[k]
    for k in range(4, 7):
        leaves.counts[at, k] = -1
    proved = end in (CERTIFIED, AT_REST, ENCLOSED)
    if proved:
        error = 0.0 if end == AT_REST else proof.found[ERROR]
        if end == AT_REST:
            reach = 0.0
            for i in range(n):
                for k in range(d):
                    proof.limit[i, k] = positions[k, i]
                    reach = max(reach, abs(positions[k, i]))
            number_limits(proof.limit, SAME * reach, proof)
        else:
            number_limits(proof.limit, 2.0 * error, proof)
        leaves.numbers[at, 0], leaves.numbers[at, 1] = margin, error
        for k in range(3):
            leaves.counts[at, 4 + k] = np.int64(proof.found[CLIQUES + k])
    if leaves.limit.shape[0] > at:
        for i in range(n):
            leaves.clique[at, i] = proof.clique[i] if proved else TRAVELLER
            for k in range(d):
                leaves.limit[at, i, k] = proof.limit[i, k] if proved else positions[k, i]
                if end == UNRESOLVED:
                    leaves.limit[at, i, k] = np.nan
    place[COUNT] = at + 1


@compiled(no_refcount=True)
def _stays(
    now: Floats, room: Scratch, least: float, most: float, lower: float, last: float, axes: tuple[int, ...]
) -> bool:
    """Return whether a state that did not move never will: its graph is the same at all later sensitivities."""
    if least == most:
        return True
    return most < np.inf and not listen(now, lower * least, last * most, room, axes)


@compiled(no_refcount=True)
def walk(
    system: System, stack: Stack, leaves: Leaves, place: Integers, room: Scratch, proof: Proof, now: Floats,
    before: Bytes, axes: tuple[int, ...],
) -> None:  # fmt: skip
    """Go on with the walk until its stack is empty, or the stack or the leaves have no more room.

    ``now`` (d, padded) and ``before`` (blocks, n) are work space.
    """
    n = proof.clique.size
    gain = system.influence / (1.0 + system.influence)
    final = system.shape.size - 1
    while place[DEPTH] > 0 and place[COUNT] < leaves.bounds.shape[0]:
        top = place[DEPTH] - 1
        place[DEPTH] = top
        _copy(stack.positions[top], now)
        _copy(stack.before[top], before)
        lower, upper, wanted = stack.bounds[top, 0], stack.bounds[top, 1], stack.bounds[top, 2]
        step, frozen, chain, still = (
            stack.counts[top, 0], stack.counts[top, 1], stack.counts[top, 2], stack.counts[top, 3],
        )  # fmt: skip
        while True:
            if place[DEPTH] + 3 > stack.bounds.shape[0]:
                push(stack, place, now, before, (lower, upper, wanted), (step, frozen, chain, still))
                return
            shape, last = system.shape[step], _before(upper)
            prepare(now, system.matrix, n, room)
            # at step 0 all is cut, so that it does not matter in which parts the axis is walked
            narrow = not system.record and step > 0 and upper - lower < system.width
            if listen(now, lower * shape, last * shape, room, axes):
                if narrow:
                    _emit(leaves, place, lower, upper, (UNRESOLVED, step, frozen, chain), now, 0.0, proof)
                    break
                cut = next_flip(now, room, shape, lower, last)
                push(stack, place, now, before, (cut, upper, wanted), (step, frozen, chain, still))
                upper = cut
            changed = step == 0
            for b in range(before.shape[0]):
                for j in range(n):
                    changed |= before[b, j] != room.heard[b, j]
            if changed:
                _copy(room.heard, before)
                frozen, chain, still, wanted = step, place[CHAIN], 0, system.eager
                place[CHAIN] += 1
            else:
                still += 1
            if not system.record:
                estimate = _estimate(room, n) if still >= PATIENCE else np.inf
                if estimate <= wanted and certify(now, room.heard, system.matrix, system.influence, proof):
                    least, most = system.least[step], system.most[step]
                    start, stop, slack = proof.found[FROM], proof.found[TO], proof.found[SLACK]
                    if least > 0.0:
                        start, slack = start / least * UP, slack / least
                    elif start > 0.0:
                        start = np.inf
                    if most > 0.0:
                        stop = stop / most * (2.0 - UP)
                    if start <= lower and upper <= stop:
                        margin = lower - start if start > 0.0 else np.inf
                        if stop < np.inf:
                            margin = min(margin, stop - upper)
                        _emit(leaves, place, lower, upper, (CERTIFIED, step, frozen, chain), now, margin, proof)
                        break
                    # how much slack the interval allows: none where a limit gap lies inside it
                    spare = np.inf
                    if start > 0.0:
                        spare = min(spare, lower - (start - slack))
                    if stop < np.inf:
                        spare = min(spare, stop + slack - upper)
                    if spare > 0.0:
                        wanted = estimate * min(0.5, 0.9 * spare / slack)
                    elif start - slack >= upper or stop + slack <= lower:
                        wanted = -1.0  # the graph will change: wait until it does
                    elif narrow:  # a limit gap lies inside
                        _emit(leaves, place, lower, upper, (UNRESOLVED, step, frozen, chain), now, 0.0, proof)
                        break
                    else:
                        inner, outer = max(start, lower), min(stop, upper)
                        wanted = estimate * min(0.5, (upper - lower) / (NARROW * slack))
                        if slack * NARROW <= upper - lower and inner < outer:
                            if outer < upper:
                                push(stack, place, now, before, (outer, upper, wanted), (step, frozen, chain, still))
                            if lower < inner:
                                again = (step, frozen, chain, still - 1)  # the step is to be taken anew
                                push(stack, place, now, before, (inner, outer, np.inf), again)
                                upper = inner
                            else:
                                _emit(leaves, place, lower, outer, (CERTIFIED, step, frozen, chain), now,
                                      stop - outer, proof)  # fmt: skip
                                break
                changing = system.least[step] < system.most[step] < np.inf  # for ever
                if (
                    changing
                    and _settles(now, room, n)
                    and enclose(now, room.heard, system.matrix, system.influence, proof)
                ):
                    stop = proof.found[TO]
                    if stop == np.inf or last * system.most[step] < stop:  # a single group is sure of itself
                        margin = stop / system.most[step] - upper if stop < np.inf else np.inf
                        _emit(leaves, place, lower, upper, (ENCLOSED, step, frozen, chain), now, margin, proof)
                        break
            if step == final:
                end = RECORDED if system.record else OPEN
                _emit(leaves, place, lower, upper, (end, step, frozen, chain), now, 0.0, proof)
                break
            moved = False
            for k in range(now.shape[0]):
                for j in range(n):
                    after = now[k, j] + gain * room.pulls[k, j]
                    moved |= after != now[k, j]
                    now[k, j] = after
                for j in range(n, now.shape[1]):
                    now[k, j] = now[k, 0]
            if not moved and _stays(now, room, system.least[step], system.most[step], lower, last, axes):
                follow(room.heard, proof)
                end, step = (RECORDED, final) if system.record else (AT_REST, step)
                _emit(leaves, place, lower, upper, (end, step, frozen, chain), now, 0.0, proof)
                break
            step += 1
