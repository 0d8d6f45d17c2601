"""Localmax for many tokens in many dimensions: a float32 matrix product filters, float64 decides; the same bits.

Scores of a few rows at a time come from a matrix product in float32, scaled by powers of two so that nothing overflows.
Whatever the order of its sums, such a score is off by at most (d + 8) 2^-24 |y_i| max_j |z_j|, so that it decides every
entry farther than that from the threshold. Only the others are computed in float64 in the order of the canonical step
(`lmdata.dynamics.kernels.canonical`): one by one, or the whole row where they are many. Sums over neighbours are
exact, so a row with more neighbours than not takes those of all tokens less those of the others. No n x n array is
ever held.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lmdata.dynamics.kernels.canonical import alignment_keys, split
from lmdata.dynamics.kernels.fused import steady_from
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import Spread, crew

BLOCK = 2**21
"""Scores held at once by each thread, unless that is less than 16 rows."""

CHUNK = 64
"""Scores whose largest is looked at first."""


@compiled(borrowed=True)
def _chunk_maxima(bits: NDArray[np.int32], largest: NDArray[np.float32]) -> None:
    """Fill the largest score of each chunk.

    ``bits`` is the memory of float32 scores as integers: with the lower bits of negative numbers flipped they are
    ordered like the numbers, and the maximum of integers vectorises.
    """
    for chunk in range(largest.size):
        part = bits[chunk * CHUNK : min(chunk * CHUNK + CHUNK, bits.size)]
        top = np.int32(-(2**31))
        for j in range(part.size):
            value = np.int32(part[j] ^ ((part[j] >> 31) & 0x7FFFFFFF))
            top = value if value > top else top
        largest[chunk] = np.int32(top ^ ((top >> 31) & 0x7FFFFFFF)).view(np.float32)


@compiled(borrowed=True)
def _score(keys: NDArray[np.float64], tokens: NDArray[np.float64], i: int, j: int) -> float:
    """Return the canonical score of one pair."""
    total = keys[i, 0] * tokens[j, 0]
    for k in range(1, tokens.shape[1]):
        total += keys[i, k] * tokens[j, k]
    return float(total)


@compiled(borrowed=True)
def _score_row(keys: NDArray[np.float64], positions: NDArray[np.float64], i: int, row: NDArray[np.float64]) -> None:
    """Fill the canonical scores of token i with all tokens, positions (d, n)."""
    for j in range(row.size):
        row[j] = keys[i, 0] * positions[0, j]
    for k in range(1, positions.shape[0]):
        key = keys[i, k]
        for j in range(row.size):
            row[j] += key * positions[k, j]


@compiled(borrowed=True)
def _sum_values(
    values: NDArray[np.float64], chosen: NDArray[np.int32], whole: NDArray[np.float64], total: NDArray[np.float64]
) -> None:
    """Fill the sum of the chosen rows (ascending) of values (n, w); ``whole`` is that of all. Exact, in any order."""
    n, width = values.shape
    if 2 * chosen.size <= n:
        for k in range(width):
            total[k] = 0.0
        for j in chosen:
            for k in range(width):
                total[k] += values[j, k]
        return
    for k in range(width):
        total[k] = whole[k]
    entry = 0
    for j in range(n):
        if entry < chosen.size and chosen[entry] == j:
            entry += 1
            continue
        for k in range(width):
            total[k] -= values[j, k]


@compiled()
def _sum_neighbours(
    scores: NDArray[np.float32],
    bits: NDArray[np.int32],
    begin: int,
    scaled_delta: float,
    delta: float,
    error: NDArray[np.float64],
    bound: NDArray[np.float64],
    keys: NDArray[np.float64],
    tokens: NDArray[np.float64],
    positions: NDArray[np.float64],
    values: NDArray[np.float64],
    whole: NDArray[np.float64],
    counts: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> int:
    """Fill counts (n,) and totals (n, w), the sums of values (n, w), for rows begin.. from their float32 scores (r, n).

    ``error`` bounds that of the scaled scores of each row, ``bound`` that of its canonical scores. Return in how many
    rows an entry besides the largest lies within the bound of the threshold.
    """
    rows, n = scores.shape
    near, chosen = np.empty(n, np.int32), np.empty(n, np.int32)
    exact, largest = np.empty(n), np.empty((n + CHUNK - 1) // CHUNK, np.float32)
    ambiguous = 0
    for row in range(rows):
        i = begin + row
        _chunk_maxima(bits[row], largest)
        top = float(np.max(largest))
        slack = 2.0 * error[i] + 2.0**-50 * (abs(top) + scaled_delta)
        low, sure, leading = top - scaled_delta - slack, top - scaled_delta + slack, top - slack
        found = undecided = leaders = 0
        for chunk in range(largest.size):
            if largest[chunk] < low:
                continue
            for j in range(chunk * CHUNK, min(chunk * CHUNK + CHUNK, n)):
                score = float(scores[row, j])
                if score >= low:
                    near[found] = j
                    found += 1
                    undecided += score < sure
                    leaders += score >= leading
        if undecided > 0:
            by_row = (undecided + leaders) * 16 > n
            if by_row:
                _score_row(keys, positions, i, exact)
            threshold, leader = -np.inf, -1
            for entry in range(found):
                j = near[entry]
                if scores[row, j] >= leading:
                    score = exact[j] if by_row else _score(keys, tokens, i, j)
                    if score > threshold:
                        threshold, leader = score, j
            threshold -= delta
            kept, hinged = 0, False
            for entry in range(found):
                j = near[entry]
                inside = True
                if scores[row, j] < sure:
                    score = exact[j] if by_row else _score(keys, tokens, i, j)
                    inside = score >= threshold
                    hinged |= (j != leader) & (abs(score - threshold) <= bound[i])
                if inside:
                    chosen[kept] = j
                    kept += 1
            ambiguous += hinged
        else:
            kept = found
            for entry in range(found):
                chosen[entry] = near[entry]
        counts[i] = kept
        _sum_values(values, chosen[:kept], whole, totals[i])
    return ambiguous


def _scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return values / 2^e within [-1, 1], and e."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    return values * 2.0**-exponent, exponent


class _Listening:
    """The tokens of one member at one step, prepared for products of blocks of rows."""

    def __init__(self, state: NDArray[np.float64], delta: float, alignment: NDArray[np.float64] | None) -> None:
        d = state.shape[1]
        self.tokens = np.ascontiguousarray(state)
        self.positions = np.ascontiguousarray(state.T)
        self.keys = np.ascontiguousarray(alignment_keys(state, alignment))
        scaled, shift = _scaled(state)
        scaled_keys, key_shift = (scaled, shift) if alignment is None else _scaled(self.keys)
        length, longest = np.linalg.norm(scaled_keys, axis=1), np.linalg.norm(scaled, axis=1).max()
        lengths = length * longest * (1.0 + 2.0**-20)
        self.error = (d + 8) * 2.0**-24 * lengths + d * 2.0**-140
        self.bound = np.ldexp((2 * d + 4) * 2.0**-53 * lengths, shift + key_shift)
        self.delta = delta
        with np.errstate(over="ignore", under="ignore"):
            self.scaled_delta = float(np.ldexp(delta, -shift - key_shift))
            self.left, self.right = scaled_keys.astype(np.float32), scaled.astype(np.float32).T

    def sum_values(
        self, values: NDArray[np.float64], rows: int, spread: Spread
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Return the number of neighbours (n,), the sums (n, w) of their values (n, w), and the ambiguous rows."""
        n = len(self.tokens)
        counts, totals, whole = np.empty(n), np.empty(values.shape), values.sum(axis=0)
        tokens = (self.keys, self.tokens, self.positions)
        ambiguous: list[int] = []

        def run(begin: int, end: int) -> None:
            scores = np.empty((min(rows, end - begin), n), np.float32)
            for start in range(begin, end, rows):
                block = scores[: min(rows, end - start)]
                np.matmul(self.left[start : start + len(block)], self.right, out=block)
                bits, deltas, bounds = block.view(np.int32), (self.scaled_delta, self.delta), (self.error, self.bound)
                ambiguous.append(
                    _sum_neighbours(block, bits, start, *deltas, *bounds, *tokens, values, whole, counts, totals)
                )

        spread(run, n, rows)
        return counts, totals, sum(ambiguous)


def _rows(n: int) -> int:
    """Return how many rows of n scores make a block."""
    return min(n, max(16, BLOCK // n))


def _pulls(
    state: NDArray[np.float64], delta: float, alignment: NDArray[np.float64] | None, rows: int, spread: Spread
) -> tuple[NDArray[np.float64], int]:
    """Return fl(D / c), the way of each token (n, d) to its neighbour mean, and the number of ambiguous rows."""
    d = state.shape[1]
    high, low = (half[0] for half in split(state[None]))
    counts, totals, ambiguous = _Listening(state, delta, alignment).sum_values(np.hstack([high, low]), rows, spread)
    count = counts[:, None]
    return ((totals[:, :d] - count * high) + (totals[:, d:] - count * low)) / count, ambiguous


def neighbour_sets(
    state: NDArray[np.float64],
    sensitivity: float,
    alignment: NDArray[np.float64] | None = None,
    *,
    threads: int | None = None,
    rows: int | None = None,
) -> NDArray[np.bool_]:
    """Return C_i of one system (n, d) as booleans (n, n), as this kernel decides them; for tests.

    What is summed over the neighbours is one number for each token, 1 for itself.

    Examples
    --------
    >>> import numpy as np
    >>> neighbour_sets(np.array([[1.0], [0.5], [-1.0]]), 0.5)
    array([[ True,  True, False],
           [ True,  True, False],
           [False, False,  True]])
    """
    spread = crew(threads)
    listening = _Listening(state, sensitivity, alignment)
    _, totals, _ = listening.sum_values(np.eye(len(state)), rows or _rows(len(state)), spread)
    return totals > 0.0


def advance(
    state: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    threads: int | None = None,
    rows: int | None = None,
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Step a batch of members; arguments and frames are those of `lmdata.dynamics.kernels.canonical.advance`.

    ``threads`` (default: one a core) shares out the members, or the rows where members are few; ``rows`` is how many
    are multiplied at once. Neither touches the result. The matrix products of the process run on one thread meanwhile.

    Returns
    -------
    frames : ndarray (m, len(keep), n, d)
    diagnostics : dict
        ``ambiguous_ties`` (m, len(keep)): in how many rows of the step that led to the frame an entry besides the
        largest lay within the rounding bound (2d + 4) 2^-53 |y_i| max_j |z_j| of the threshold; 0 at offset 0.

    Examples
    --------
    >>> import numpy as np
    >>> state = np.array([[[1.0], [0.5], [-1.0]]])
    >>> frames, diagnostics = advance(state, np.zeros((1, 2)), np.array([1.0]), None, (0, 2))
    >>> frames[0, :, :, 0]
    array([[ 1.   ,  0.5  , -1.   ],
           [ 1.   ,  0.875, -1.   ]])
    >>> diagnostics["ambiguous_ties"]
    array([[0, 0]])
    """
    members, n, _ = state.shape
    frames, ambiguous = np.empty((members, len(keep), *state.shape[1:])), np.zeros((members, len(keep)), np.int64)
    gain, rows = influence / (1.0 + influence), rows or _rows(n)

    def follow(member: int, spread: Spread) -> None:
        present, now, ties, moving, steady = state[member], 0, 0, True, steady_from(sensitivity[member])
        for frame, offset in enumerate(keep):
            while now < offset and moving:
                pulls, ties = _pulls(present, sensitivity[member, now], alignment, rows, spread)
                after = present + gain[member] * pulls
                moving = bool((after != present).any()) or now < steady
                present, now = after, now + 1
            frames[member, frame], ambiguous[member, frame] = present, ties

    spread = crew(threads)
    with threadpool_limits(1, user_api="blas"):
        if members == 1:
            follow(0, spread)
        else:
            spread(lambda begin, end: _each(follow, begin, end), members, 1)
    return frames, {"ambiguous_ties": ambiguous}


def _each(follow: Callable[[int, Spread], None], begin: int, end: int) -> None:
    """Follow members begin..end, each on the calling thread."""
    for member in range(begin, end):
        follow(member, lambda task, count, grain: task(0, count))
