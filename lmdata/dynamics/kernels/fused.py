"""Localmax for many small systems: one compiled loop with all steps inside, bit for bit the canonical step.

A member's tokens stay in the fastest cache, component by component, from its first step to its last. Scores
are summed over ascending components without fused multiply-add, sums over neighbours are exact in any order
(`lmdata.dynamics.kernels.canonical`), and a member whose state repeats is finished. Eight tokens listen side by side,
one in each lane of a vector register.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.lanes import axes_of, components, larger, maxima, pulls_of, sums
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import crew
from lmdata.numerics.vectors import LANES, absolute, largest, load, rint, some, splat, store

GRAIN = 2**17
"""Pairs of tokens, over all steps, that are worth a thread."""


@compiled(inline=True)
def _power(exponent: int) -> Any:
    """Return 2**exponent, a normal number, in every lane."""
    return splat(np.int64((exponent + 1023) << 52).view(np.float64))


@compiled(borrowed=True)
def halves(positions: NDArray[np.float64], n: int, high: NDArray[np.float64], low: NDArray[np.float64]) -> None:
    """Split the first n of positions (d, padded) into high + low, 0 beyond: `lmdata.dynamics.kernels.canonical.split`.

    Whatever fills the positions up has no larger components than they have.
    """
    spare = 1
    while 1 << (spare - 1) < n:
        spare += 1
    for k in range(positions.shape[0]):
        values, coarse, fine = positions[k], high[k], low[k]
        sizes = splat(0.0)
        for j in range(0, values.size, LANES):
            sizes = larger(absolute(load(values, j)), sizes)
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
def keys_of(positions: NDArray[np.float64], matrix: NDArray[np.float64], keys: NDArray[np.float64]) -> None:
    """Fill keys (d, padded) with y = z A^T, over ascending components; z itself where A is empty."""
    d, padded = positions.shape
    for row in range(d):
        for j in range(0, padded, LANES):
            if matrix.size == 0:
                store(keys[row], j, load(positions[row], j))
            else:
                key = load(positions[0], j) * splat(matrix[row, 0])
                for k in range(1, d):
                    key = key + load(positions[k], j) * splat(matrix[row, k])
                store(keys[row], j, key)


@compiled(inline=True)
def _find_pulls(
    positions: NDArray[np.float64],
    keys: NDArray[np.float64],
    one: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    delta: float,
    block: NDArray[np.float64],
    counts: NDArray[np.float64],
    pulls: NDArray[np.float64],
    axes: tuple[int, ...],
) -> None:
    """Fill counts and pulls (d, padded): fl(D / c), the way of each token to its neighbour mean."""
    d, padded = components(axes, positions.shape[0]), positions.shape[1]
    for begin in range(0, padded, LANES):
        for k in range(d):
            store(block, k * LANES, load(keys[k], begin))
        store(block, d * LANES, splat(-np.inf))
        maxima(block, positions, 0, padded, axes)
        store(block, d * LANES, load(block, d * LANES) - splat(delta))
        for row in range(d + 1, 3 * d + 2):
            store(block, row * LANES, splat(0.0))
        sums(block, positions, one, high, low, 0, padded, axes)
        store(counts, begin, load(block, (d + 1) * LANES))
        pulls_of(block, high, low, begin, pulls, axes)


@compiled(inline=True)
def _load(member: NDArray[np.float64], positions: NDArray[np.float64]) -> None:
    """Fill positions (d, padded) with the tokens (n, d) of a member and copies of its first."""
    for k in range(positions.shape[0]):
        for i in range(positions.shape[1]):
            positions[k, i] = member[i if i < member.shape[0] else 0, k]


@compiled(inline=True)
def _store(positions: NDArray[np.float64], frame: NDArray[np.float64]) -> None:
    """Fill the frame (n, d) with the tokens."""
    for i in range(frame.shape[0]):
        for k in range(frame.shape[1]):
            frame[i, k] = positions[k, i]


@compiled(inline=True)
def steady_from(sensitivity: NDArray[np.float64]) -> int:
    """Return the first step from which on the sensitivity stays what it is."""
    step = sensitivity.size - 1
    while step > 0 and sensitivity[step] == sensitivity[step - 1]:
        step -= 1
    return step


@compiled(inline=True)
def _move(positions: NDArray[np.float64], pulls: NDArray[np.float64], n: int, gain: float) -> bool:
    """Move the tokens along their pulls; return whether any is elsewhere now."""
    moved = False
    for k in range(positions.shape[0]):
        values, ways = positions[k], pulls[k]
        for j in range(n, values.size):  # copies of the first
            ways[j] = ways[0]
        for j in range(0, values.size, LANES):
            before = load(values, j)
            after = before + splat(gain) * load(ways, j)
            moved |= some(after != before)
            store(values, j, after)
    return moved


@compiled(borrowed=True)
def _run(
    state: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    gain: NDArray[np.float64],
    matrix: NDArray[np.float64],
    keep: NDArray[np.int64],
    frames: NDArray[np.float64],
    arrays: NDArray[np.float64],
    rows: NDArray[np.float64],
    begin: int,
    end: int,
    axes: tuple[int, ...],
) -> None:
    """Fill the frames of members begin..end; ``arrays`` and ``rows`` are `workspace`."""
    positions, heard, pulls, high, low = arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]
    one, block, counts = rows[0], rows[1], rows[2]
    for member in range(begin, end):
        steady = steady_from(sensitivity[member])
        _load(state[member], positions)
        now, moving = 0, True
        for frame in range(keep.size):
            while now < keep[frame] and moving:
                halves(positions, state.shape[1], high, low)
                keys_of(positions, matrix, heard)
                _find_pulls(positions, heard, one, high, low, sensitivity[member, now], block, counts, pulls, axes)
                moving = _move(positions, pulls, state.shape[1], gain[member]) or now < steady
                now += 1
            _store(positions, frames[member, frame])


def workspace(n: int, d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return zeroed arrays for one member at a time.

    They are (5, d, padded): positions, keys, pulls, high and low halves; and (3, padded, or the size of a
    block if more): ones for the n tokens with zeros for the padding, a block, counts of neighbours.
    """
    padded = -(-n // LANES) * LANES
    rows = np.zeros((3, max(padded, (3 * d + 2) * LANES)))
    rows[0, :n] = 1.0
    return np.zeros((5, d, padded)), rows


def neighbour_sets(
    state: NDArray[np.float64], sensitivity: float, alignment: NDArray[np.float64] | None = None
) -> NDArray[np.bool_]:
    """Return C_i of one system (n, d) as booleans (n, n), as this kernel decides them; for tests.

    Token by token, all others are taken out of the count: what remains says who listens to it.

    Examples
    --------
    >>> import numpy as np
    >>> neighbour_sets(np.array([[1.0], [0.5], [-1.0]]), 0.5)
    array([[ True,  True, False],
           [ True,  True, False],
           [False, False,  True]])
    """
    n, d = state.shape
    (positions, heard, pulls, high, low), (one, block, counts) = workspace(n, d)
    positions[:] = state[[*range(n), *[0] * (positions.shape[1] - n)]].T
    keys_of(positions, np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment), heard)
    sets = np.empty((n, n), np.bool_)
    for j in range(n):
        one[:] = 0.0
        one[j] = 1.0
        _find_pulls(positions, heard, one, high, low, sensitivity, block, counts, pulls, axes_of(d))
        sets[:, j] = counts[:n] > 0.0
    return sets


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
    frames = np.empty((members, len(keep), n, d))
    matrix = np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment)
    state, sensitivity = np.ascontiguousarray(state), np.ascontiguousarray(sensitivity)
    gain, offsets = influence / (1.0 + influence), np.array(keep, np.int64)

    def run(begin: int, end: int) -> None:
        _run(state, sensitivity, gain, matrix, offsets, frames, *workspace(n, d), begin, end, axes_of(d))

    spread = crew(threads)
    spread(run, members, max(1, GRAIN // (n * n * max(1, sensitivity.shape[1]))))
    return frames, {}
