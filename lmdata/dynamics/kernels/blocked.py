"""Localmax for many tokens in many dimensions: a float32 matrix product filters, float64 decides; the same bits.

Scores of a few rows at a time come from a matrix product in float32, scaled by powers of two so that nothing overflows.
Whatever the order of its sums, such a score is off by at most (d + 8) 2^-24 |y_i| max_j |z_j|, so that it decides every
entry farther than that from the threshold. Only the others are computed in float64 in the order of the canonical step
(`lmdata.dynamics.kernels.canonical`): one by one, or the whole row where they are many. Sums over neighbours are
exact, so a row with more neighbours than not takes those of all tokens less those of the others. No n x n array is
ever held.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lmdata.dynamics.kernels.canonical import alignment_keys, split
from lmdata.dynamics.kernels.drive import drive
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import parallel_for

BLOCK = 2**21
"""Scores held at once by each thread, unless that is less than 16 rows."""

CHUNK = 64
"""Scores whose largest is looked at first."""

type Floats = NDArray[np.float64]
type Singles = NDArray[np.float32]


@compiled(no_refcount=True)
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


@compiled(no_refcount=True)
def _score(keys: NDArray[np.float64], tokens: NDArray[np.float64], i: int, j: int) -> float:
    """Return the canonical score of one pair."""
    total = keys[i, 0] * tokens[j, 0]
    for k in range(1, tokens.shape[1]):
        total += keys[i, k] * tokens[j, k]
    return float(total)


@compiled(no_refcount=True)
def _score_row(keys: NDArray[np.float64], positions: NDArray[np.float64], i: int, row: NDArray[np.float64]) -> None:
    """Fill the canonical scores of token i with all tokens, positions (d, n)."""
    for j in range(row.size):
        row[j] = keys[i, 0] * positions[0, j]
    for k in range(1, positions.shape[0]):
        key = keys[i, k]
        for j in range(row.size):
            row[j] += key * positions[k, j]


@compiled(no_refcount=True)
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


class Listening(NamedTuple):
    """One member's tokens at one step, prepared for products of blocks of rows."""

    tokens: Floats  # (n, d) z
    positions: Floats  # (d, n) the same, component by component
    keys: Floats  # (n, d) y = z A^T
    delta: float
    left: Singles  # (n, d) keys over a power of two, so that their products do not overflow
    right: Singles  # (d, n) tokens over another
    scaled_delta: float  # delta over both
    error: Floats  # (n,) by how much a row's scaled scores are off, at most
    bound: Floats  # (n,) by how much its canonical scores are off the exact ones


class Sums(NamedTuple):
    """What is summed over the neighbours of each token, and the sums."""

    values: Floats  # (n, w)
    whole: Floats  # (w,) the sum over all tokens
    counts: Floats  # (n,) the numbers of neighbours
    totals: Floats  # (n, w)


@compiled()
def _sum_neighbours(scores: Singles, bits: NDArray[np.int32], begin: int, listening: Listening, sums: Sums) -> int:
    """Fill counts and totals for rows begin.. from their float32 scores (r, n), whose memory ``bits`` is.

    Return in how many rows an entry besides the largest lies within the bound of the threshold.
    """
    rows, n = scores.shape
    keys, tokens = listening.keys, listening.tokens
    near, chosen = np.empty(n, np.int32), np.empty(n, np.int32)
    exact, largest = np.empty(n), np.empty((n + CHUNK - 1) // CHUNK, np.float32)
    ambiguous = 0
    for row in range(rows):
        i = begin + row
        _chunk_maxima(bits[row], largest)
        top = float(np.max(largest))
        # Twice the error, once for the score and once for the largest, and the rounding of these sums: what is below
        # `low` is no neighbour for certain, what is above `sure` is one, what is above `leading` may be the largest.
        slack = 2.0 * listening.error[i] + 2.0**-50 * (abs(top) + listening.scaled_delta)
        low, sure = top - listening.scaled_delta - slack, top - listening.scaled_delta + slack
        leading = top - slack
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
            # The canonical largest score decides: of the leaders, one by one, or the whole row where they are many.
            by_row = (undecided + leaders) * 16 > n
            if by_row:
                _score_row(keys, listening.positions, i, exact)
            threshold, leader = -np.inf, -1
            for entry in range(found):
                j = near[entry]
                if scores[row, j] >= leading:
                    score = exact[j] if by_row else _score(keys, tokens, i, j)
                    if score > threshold:
                        threshold, leader = score, j
            threshold -= listening.delta
            kept, hinged = 0, False
            for entry in range(found):
                j = near[entry]
                inside = True
                if scores[row, j] < sure:
                    score = exact[j] if by_row else _score(keys, tokens, i, j)
                    inside = score >= threshold
                    hinged |= (j != leader) & (abs(score - threshold) <= listening.bound[i])
                if inside:
                    chosen[kept] = j
                    kept += 1
            ambiguous += hinged
        else:
            kept = found
            for entry in range(found):
                chosen[entry] = near[entry]
        sums.counts[i] = kept
        _sum_values(sums.values, chosen[:kept], sums.whole, sums.totals[i])
    return ambiguous


def _scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return values / 2^e within [-1, 1], and e."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    return values * 2.0**-exponent, exponent


def listening_of(state: NDArray[np.float64], delta: float, alignment: NDArray[np.float64] | None) -> Listening:
    """Prepare the tokens (n, d) of one member for the products of one step."""
    d = state.shape[1]
    keys = np.ascontiguousarray(alignment_keys(state, alignment))
    scaled, shift = _scaled(state)
    scaled_keys, key_shift = (scaled, shift) if alignment is None else _scaled(keys)
    length, longest = np.linalg.norm(scaled_keys, axis=1), np.linalg.norm(scaled, axis=1).max()
    lengths = length * longest * (1.0 + 2.0**-20)
    with np.errstate(over="ignore", under="ignore"):
        scaled_delta = float(np.ldexp(delta, -shift - key_shift))
        left, right = scaled_keys.astype(np.float32), scaled.astype(np.float32).T
    return Listening(
        tokens=np.ascontiguousarray(state),
        positions=np.ascontiguousarray(state.T),
        keys=keys,
        delta=float(delta),
        left=left,
        right=right,
        scaled_delta=scaled_delta,
        error=(d + 8) * 2.0**-24 * lengths + d * 2.0**-140,
        bound=np.ldexp((2 * d + 4) * 2.0**-53 * lengths, shift + key_shift),
    )


def sum_values(
    listening: Listening, values: NDArray[np.float64], rows: int, threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the number of neighbours (n,), the sums (n, w) of their values (n, w), and the ambiguous rows."""
    n = len(listening.tokens)
    sums = Sums(values, values.sum(axis=0), np.empty(n), np.empty(values.shape))
    ambiguous: list[int] = []

    def run(begin: int, end: int) -> None:
        scores = np.empty((min(rows, end - begin), n), np.float32)
        for start in range(begin, end, rows):
            block = scores[: min(rows, end - start)]
            np.matmul(listening.left[start : start + len(block)], listening.right, out=block)
            ambiguous.append(_sum_neighbours(block, block.view(np.int32), start, listening, sums))

    parallel_for(run, n, rows, threads=threads)
    return sums.counts, sums.totals, sum(ambiguous)


def _rows(n: int) -> int:
    """Return how many rows of n scores make a block."""
    return min(n, max(16, BLOCK // n))


def _pulls(
    state: NDArray[np.float64], delta: float, alignment: NDArray[np.float64] | None, rows: int, threads: int | None
) -> tuple[NDArray[np.float64], int]:
    """Return fl(D / c), the tokens' displacements (n, d) to their neighbour means, and the number of ambiguous rows."""
    d = state.shape[1]
    high, low = (half[0] for half in split(state[None]))
    listening = listening_of(state, delta, alignment)
    counts, totals, ambiguous = sum_values(listening, np.hstack([high, low]), rows, threads)
    count = counts[:, None]
    return ((totals[:, :d] - count * high) + (totals[:, d:] - count * low)) / count, ambiguous


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

    def follow(member: int, threads: int | None) -> None:
        present, ties = state[member], 0

        def step(now: int) -> bool:
            nonlocal present, ties
            pulls, ties = _pulls(present, sensitivity[member, now], alignment, rows, threads)
            before, present = present, present + gain[member] * pulls
            return bool((present != before).any())

        def record(frame: int) -> None:
            frames[member, frame], ambiguous[member, frame] = present, ties

        drive(step, record, keep, sensitivity[member])

    def follow_each(begin: int, end: int) -> None:
        for member in range(begin, end):
            follow(member, threads=1)

    with threadpool_limits(1, user_api="blas"):
        if members == 1:
            follow(0, threads)
        else:
            parallel_for(follow_each, members, 1, threads=threads)
    return frames, {"ambiguous_ties": ambiguous}
