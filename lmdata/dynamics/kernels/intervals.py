"""The canonical step for a whole interval of sensitivities at once, and the exact floats at which it changes.

The sensitivity delta enters a step only through the comparisons ``s_ij >= fl(max_l s_il - delta)``, whose right side
never rises with delta. So a pair that listens, or does not, at *both* ends of an interval of floats does so at every
float between, and the graph is one and the same on the whole interval exactly where the two ends have one graph.
Where they differ, the next change is the least float delta with ``fl(max - delta) <= s_ij`` over the pairs that differ;
it is found by bisection over the bits, for it need not be near the real number ``max - s_ij``: the difference is
rounded to the spacing of ``max``.

A sensitivity that changes with the step, ``delta(t) = fl(delta0 shape(t))``, has one rounding more and is bisected
the same way; ``shape`` is 1 where it is constant.

A graph is held as bytes ``heard[block, j]``: bit i says that token ``8 block + i`` listens to token j.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.fused import alignment_keys, split, workspace
from lmdata.dynamics.kernels.lanes import (
    Tokens,
    components,
    count_row,
    key_row,
    maxima,
    pulls_of,
    score_row,
    sums,
    threshold_row,
)
from lmdata.numerics.compiled import compiled
from lmdata.numerics.vectors import LANES, bits, broadcast, broadcast_at, load, store

type Floats = NDArray[np.float64]
type Bytes = NDArray[np.uint8]


class Scratch(NamedTuple):
    """What one step writes down on its way, reserved once a walk; arrays are (d, padded) where not said."""

    keys: Floats
    pulls: Floats
    high: Floats
    low: Floats
    one: Floats  # (padded,) 1 a token, 0 a place that only fills up
    block: Floats  # see `lmdata.dynamics.kernels.lanes`; and a row of upper thresholds
    tops: Floats  # (padded,) the largest score of each token
    heard: Bytes  # (blocks, n) the graph at the lower end
    wider: Bytes  # (blocks, n) the graph at the upper end


def scratch(n: int, d: int) -> Scratch:
    """Return zeroed arrays for systems of n tokens in d dimensions."""
    tokens, block, _, pulls = workspace(n, d)
    heard, wider = np.zeros((2, -(-n // LANES), n), np.uint8)
    tops = np.zeros_like(tokens.one)
    return Scratch(tokens.keys, pulls, tokens.high, tokens.low, tokens.one, block, tops, heard, wider)


@compiled(no_refcount=True)
def _mark(
    block: Floats,
    positions: Floats,
    wide: Floats,
    heard: Bytes,
    wider: Bytes,
    axes: tuple[int, ...],
) -> bool:
    """Fill a block's rows of both graphs; return whether they differ. The block holds the lower thresholds."""
    d = components(axes, positions.shape[0])
    near, far = load(block, score_row(d)), load(wide, 0)
    differ: Any = np.uint8(0)
    if len(axes) == 2:
        x, y, u, v = positions[0], positions[1], load(block, key_row(0)), load(block, key_row(1))
        for j in range(heard.size):
            score = u * broadcast_at(x, j) + v * broadcast_at(y, j)
            inner, outer = bits(score >= near), bits(score >= far)
            heard[j], wider[j] = inner, outer
            differ |= inner ^ outer
    else:
        for j in range(heard.size):
            score = load(block, key_row(0)) * broadcast_at(positions[0], j)
            for k in range(1, d):
                score = score + load(block, key_row(k)) * broadcast_at(positions[k], j)
            inner, outer = bits(score >= near), bits(score >= far)
            heard[j], wider[j] = inner, outer
            differ |= inner ^ outer
    return bool(differ != 0)


@compiled(no_refcount=True)
def listen(positions: Floats, near: float, far: float, room: Scratch, axes: tuple[int, ...]) -> bool:
    """Fill graphs, largest scores and pulls; return whether the graphs of sensitivities near <= far differ.

    ``room.keys``, ``room.high`` and ``room.low`` are those of the positions (d, padded); the pulls are those of
    ``near``.
    """
    d, padded = components(axes, positions.shape[0]), positions.shape[1]
    block, wide = room.block, room.block[threshold_row(d) :]
    differ = False
    for begin in range(0, padded, LANES):
        for k in range(d):
            store(block, key_row(k), load(room.keys[k], begin))
        store(block, score_row(d), broadcast(-np.inf))
        maxima(block, positions, 0, padded, axes)
        top = load(block, score_row(d))
        store(room.tops, begin, top)
        store(block, score_row(d), top - broadcast(near))
        store(wide, 0, top - broadcast(far))
        for row in range(count_row(d), threshold_row(d), LANES):
            store(block, row, broadcast(0.0))
        sums(block, positions, room.one, room.high, room.low, 0, padded, axes)
        pulls_of(block, room.high, room.low, begin, room.pulls, axes)
        place = begin // LANES
        differ |= _mark(block, positions, wide, room.heard[place], room.wider[place], axes)
    return differ


@compiled(inline=True)
def score_of(positions: Floats, keys: Floats, i: int, j: int) -> float:
    """Return the canonical score of token i with token j."""
    total: float = keys[0, i] * positions[0, j]
    for k in range(1, positions.shape[0]):
        total += keys[k, i] * positions[k, j]
    return total


@compiled()
def flip(top: float, score: float, shape: float, below: float, above: float) -> float:
    """Return the least float delta in (below, above] with fl(top - fl(delta shape)) <= score.

    It holds at ``above`` and not at ``below``; both are at least 0.

    Examples
    --------
    >>> flip(1.0, 0.75, 1.0, 0.0, 2.0) == 0.25 - 2.0**-54  # the differences round to even, on which 0.75 lies
    True
    """
    low, high = np.float64(below).view(np.int64), np.float64(above).view(np.int64)
    while high - low > 1:
        middle = low + ((high - low) >> 1)
        if top - np.int64(middle).view(np.float64) * shape <= score:
            high = middle
        else:
            low = middle
    return np.int64(high).view(np.float64)


@compiled(no_refcount=True)
def next_flip(positions: Floats, room: Scratch, shape: float, lower: float, last: float) -> float:
    """Return the least float in (lower, last] at which the graph of `listen` is another than at lower.

    The graphs at ``lower`` and ``last`` differ; ``room`` is as `listen` left it for them.
    """
    best = last
    n = room.heard.shape[1]
    for i in range(n):
        place, bit = i // LANES, np.uint8(1 << (i % LANES))
        nearest, found = -np.inf, False
        for j in range(n):
            if (room.heard[place, j] ^ room.wider[place, j]) & bit:
                score = score_of(positions, room.keys, i, j)
                if not found or score > nearest:
                    nearest, found = score, True
        if found:
            before = np.int64(np.float64(best).view(np.int64) - 1).view(np.float64)
            if before > lower and room.tops[i] - before * shape <= nearest:
                best = flip(room.tops[i], nearest, shape, lower, before)
    return best


@compiled()
def prepare(positions: Floats, matrix: Floats, n: int, room: Scratch) -> None:
    """Fill the keys and halves of the positions (d, padded)."""
    tokens = Tokens(positions, room.keys, room.one, room.high, room.low)
    split(positions, n, room.high, room.low)
    alignment_keys(tokens, matrix)


@compiled()
def first_flips(positions: Floats, room: Scratch, shape: float, lower: float, last: float) -> Floats:
    """Return every float in (lower, last] at which the graph of these positions changes, ascending, with repeats.

    ``room`` is as `listen` left it for ``lower`` and ``last``.
    """
    n = room.heard.shape[1]
    found = np.empty(n * n)
    count = 0
    for i in range(n):
        place, bit = i // LANES, np.uint8(1 << (i % LANES))
        for j in range(n):
            if (room.heard[place, j] ^ room.wider[place, j]) & bit:
                score = score_of(positions, room.keys, i, j)
                found[count] = flip(room.tops[i], score, shape, lower, last)
                count += 1
    return np.sort(found[:count])


def load_state(tokens: Floats) -> Floats:
    """Return tokens (n, d) as positions (d, padded), filled up with copies of the first.

    Examples
    --------
    >>> load_state(np.array([[1.0], [2.0]]))
    array([[1., 2., 1., 1., 1., 1., 1., 1.]])
    """
    n = len(tokens)
    padded = -(-n // LANES) * LANES
    return np.ascontiguousarray(tokens[[*range(n), *[0] * (padded - n)]].T) + 0.0
