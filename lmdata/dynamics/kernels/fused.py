"""Localmax for many small systems: one compiled loop with all steps inside, bit for bit the canonical step.

A member's tokens stay in the fastest cache, component by component, from its first step to its last. Scores
are summed over ascending components without fused multiply-add, sums over neighbours are exact in any order
(`lmdata.dynamics.kernels.canonical`), and a member whose state repeats is finished. Eight tokens listen side by side,
one in each lane of a vector register.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.lanes import (
    Floats,
    Integers,
    Tokens,
    aligned,
    axes_of,
    block_size,
    components,
    count_row,
    key_row,
    larger,
    maxima,
    pulls_of,
    score_row,
    sums,
    threshold_row,
)
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import parallel_for
from lmdata.numerics.vectors import LANES, absolute, any_lane, broadcast, largest, load, rint, store

GRAIN = 2**17
"""Pairs of tokens, over all steps, that are worth a thread."""


class Batch(NamedTuple):
    """What is to be computed: the arguments of `advance`, and the frames that it returns."""

    state: Floats  # (m, n, d) before the first step
    sensitivity: Floats  # (m, s)
    gain: Floats  # (m,) alpha / (1 + alpha)
    matrix: Floats  # (d, d) the alignment matrix A, or (0, 0) for the identity
    keep: Integers  # (f,)
    frames: Floats  # (m, f, n, d) the result


class Workspace(NamedTuple):
    """Room for one member at a time; made by `workspace`."""

    tokens: Tokens
    block: Floats  # the eight tokens that listen, see `lmdata.dynamics.kernels.lanes`
    counts: Floats  # (padded,) numbers of neighbours
    pulls: Floats  # (d, padded) displacements from the tokens to their neighbour means


@compiled(inline=True)
def _power(exponent: int) -> Any:
    """Return 2**exponent, a normal number, in every lane."""
    return broadcast(np.int64((exponent + 1023) << 52).view(np.float64))


@compiled(no_refcount=True)
def split(positions: Floats, n: int, high: Floats, low: Floats) -> None:
    """Split the first n of positions (d, padded) as high + low, 0 beyond: `lmdata.dynamics.kernels.canonical.split`."""
    spare = 1
    while 1 << (spare - 1) < n:
        spare += 1
    for k in range(positions.shape[0]):
        values, coarse, fine = positions[k], high[k], low[k]
        sizes = broadcast(0.0)
        for j in range(0, values.size, LANES):
            sizes = larger(absolute(load(values, j)), sizes)
        # the exponent stands in the bits of the largest: powers of two, and products with them, are exact
        size: Any = np.float64(largest(sizes)).view(np.int64)
        exponent = max((size >> 52) - 1022, -900)
        unit, inverse = _power(exponent - 52 + spare), _power(52 - spare - exponent)
        finer_unit, finer_inverse = _power(exponent - 105 + 2 * spare), _power(105 - 2 * spare - exponent)
        for j in range(0, values.size, LANES):
            value = load(values, j)
            part = unit * rint(value * inverse)
            store(coarse, j, part)
            store(fine, j, finer_unit * rint((value - part) * finer_inverse))
        for j in range(n, values.size):
            coarse[j] = fine[j] = 0.0


@compiled(inline=True)
def alignment_keys(tokens: Tokens, matrix: Floats) -> None:
    """Fill the keys y = z A^T, over ascending components; z itself where A is empty."""
    d, padded = tokens.positions.shape
    for row in range(d):
        for j in range(0, padded, LANES):
            if matrix.size == 0:
                store(tokens.keys[row], j, load(tokens.positions[row], j))
            else:
                key = load(tokens.positions[0], j) * broadcast(matrix[row, 0])
                for k in range(1, d):
                    key = key + load(tokens.positions[k], j) * broadcast(matrix[row, k])
                store(tokens.keys[row], j, key)


@compiled(no_refcount=True)
def prepare(tokens: Tokens, n: int, matrix: Floats) -> None:
    """Fill the halves and the keys of the first n positions."""
    split(tokens.positions, n, tokens.high, tokens.low)
    alignment_keys(tokens, matrix)


@compiled(inline=True)
def _find_pulls(work: Workspace, delta: float, axes: tuple[int, ...]) -> None:
    """Fill counts and pulls: fl(D / c), the displacement of each token to its neighbour mean."""
    tokens, block = work.tokens, work.block
    d, padded = components(axes, tokens.positions.shape[0]), tokens.positions.shape[1]
    for begin in range(0, padded, LANES):
        for k in range(d):
            store(block, key_row(k), load(tokens.keys[k], begin))
        store(block, score_row(d), broadcast(-np.inf))
        maxima(block, tokens.positions, 0, padded, axes)
        store(block, score_row(d), load(block, score_row(d)) - broadcast(delta))
        for row in range(count_row(d), threshold_row(d), LANES):
            store(block, row, broadcast(0.0))
        sums(block, tokens.positions, tokens.one, tokens.high, tokens.low, 0, padded, axes)
        store(work.counts, begin, load(block, count_row(d)))
        pulls_of(block, tokens.high, tokens.low, begin, work.pulls, axes)


@compiled(inline=True)
def _load(member: Floats, positions: Floats) -> None:
    """Fill positions (d, padded) with the tokens (n, d) of a member and copies of its first."""
    for k in range(positions.shape[0]):
        for i in range(positions.shape[1]):
            positions[k, i] = member[i if i < member.shape[0] else 0, k]


@compiled(inline=True)
def _store(positions: Floats, frame: Floats) -> None:
    """Fill the frame (n, d) with the tokens."""
    for i in range(frame.shape[0]):
        for k in range(frame.shape[1]):
            frame[i, k] = positions[k, i]


@compiled(inline=True)
def _steady_from(sensitivity: Floats) -> int:
    """Return the first step from which on the sensitivity stays: `lmdata.dynamics.kernels.drive.steady_from`."""
    step = sensitivity.size - 1
    while step > 0 and sensitivity[step] == sensitivity[step - 1]:
        step -= 1
    return step


@compiled(inline=True)
def _move(positions: Floats, pulls: Floats, n: int, gain: float) -> bool:
    """Move the tokens along their pulls; return whether any is elsewhere now."""
    moved = False
    for k in range(positions.shape[0]):
        values, own = positions[k], pulls[k]
        for j in range(n, values.size):  # what fills up stays copies of the first
            own[j] = own[0]
        for j in range(0, values.size, LANES):
            before = load(values, j)
            after = before + broadcast(gain) * load(own, j)
            moved |= any_lane(after != before)
            store(values, j, after)
    return moved


@compiled(no_refcount=True)
def _run(batch: Batch, work: Workspace, begin: int, end: int, axes: tuple[int, ...]) -> None:
    """Fill the frames of members begin..end: `lmdata.dynamics.kernels.drive.drive`, compiled in."""
    n = batch.state.shape[1]
    for member in range(begin, end):
        steady = _steady_from(batch.sensitivity[member])
        _load(batch.state[member], work.tokens.positions)
        now, moving = 0, True
        for frame in range(batch.keep.size):
            while now < batch.keep[frame] and moving:
                split(work.tokens.positions, n, work.tokens.high, work.tokens.low)
                alignment_keys(work.tokens, batch.matrix)
                _find_pulls(work, batch.sensitivity[member, now], axes)
                moving = _move(work.tokens.positions, work.pulls, n, batch.gain[member]) or now < steady
                now += 1
            _store(work.tokens.positions, batch.frames[member, frame])


def workspace(n: int, d: int) -> Workspace:
    """Return room for a member of n tokens with d components, zeroed but for the ones of the tokens."""
    padded = -(-n // LANES) * LANES
    positions, keys, high, low, pulls = aligned(5, d, padded)
    one, counts = aligned(2, padded)
    one[:n] = 1.0
    return Workspace(Tokens(positions, keys, one, high, low), aligned(block_size(d)), counts, pulls)


def advance(
    state: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Step a batch of members; arguments and frames are those of `lmdata.dynamics.kernels.canonical.advance`.

    ``threads`` (default: one a core) shares out the members and does not touch the result.

    Examples
    --------
    >>> import numpy as np
    >>> state = np.array([[[1.0], [0.5], [-1.0]]])
    >>> frames, _ = advance(state, np.zeros((1, 2)), np.array([1.0]), None, (0, 2))
    >>> frames[0, :, :, 0]
    array([[ 1.   ,  0.5  , -1.   ],
           [ 1.   ,  0.875, -1.   ]])
    """
    members, n, d = state.shape
    batch = Batch(
        np.ascontiguousarray(state),
        np.ascontiguousarray(sensitivity),
        influence / (1.0 + influence),
        np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment),
        np.array(keep, np.int64),
        np.empty((members, len(keep), n, d)),
    )

    def run(begin: int, end: int) -> None:
        _run(batch, workspace(n, d), begin, end, axes_of(d))

    parallel_for(run, members, max(1, GRAIN // (n * n * max(1, sensitivity.shape[1]))), threads=threads)
    return batch.frames, {}
