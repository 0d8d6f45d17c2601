"""The compiled rows of `attend`: see there for what they compute. Imported at first use, since numba is heavy."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmdata.dynamics.kernels.lanes import larger
from lmdata.numerics.compiled import compiled
from lmdata.numerics.vectors import LANES, broadcast, broadcast_at, load, store, times_power, where

ROWS = 32
"""Rows that a task computes side by side, so that a key is fetched once for all of them: a multiple of 32."""

LEAST = -708.0
"""Exponents below this count as minus infinity: exp(-708) is the last power that is a normal float64."""

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238  # ln 2 in two parts, the first with trailing zeros: k * high is exact
_LN2_LOW = 1.9082149292705877e-10
_ROUND = 1.5 * 2.0**52  # adding it rounds to an integer, and leaves that integer in the low bits

# Taylor coefficients 1/13! .. 1/0!: below 1 unit in the last place on [-ln(2)/2, ln(2)/2]
_C13, _C12, _C11, _C10, _C9, _C8, _C7, _C6, _C5, _C4, _C3, _C2, _C1, _C0 = (
    1.0 / factorial
    for factorial in (
        6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0,
        720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0,
    )
)  # fmt: skip


@compiled(inline=True)
def exponential(x: Any) -> Any:
    """Return exp of eight numbers, relative error below 3e-16, 0 below `LEAST`, for x up to 709."""
    least = broadcast(LEAST)
    y = larger(x, least)
    shifted = y * broadcast(_LOG2_E) + broadcast(_ROUND)
    k = shifted - broadcast(_ROUND)
    r = (y - k * broadcast(_LN2_HIGH)) - k * broadcast(_LN2_LOW)
    p = broadcast(_C13) * r + broadcast(_C12)
    p = p * r + broadcast(_C11)
    p = p * r + broadcast(_C10)
    p = p * r + broadcast(_C9)
    p = p * r + broadcast(_C8)
    p = p * r + broadcast(_C7)
    p = p * r + broadcast(_C6)
    p = p * r + broadcast(_C5)
    p = p * r + broadcast(_C4)
    p = p * r + broadcast(_C3)
    p = p * r + broadcast(_C2)
    p = p * r + broadcast(_C1)
    return where(x >= least, times_power(p * r + broadcast(_C0), shifted), broadcast(0.0))


@compiled(inline=True)
def _find_scores(query: Any, key: Any, width: int, score: Any) -> None:
    """Fill score[:width] with the inner products of the queries of a block with one key, components ascending.

    Four vectors at a time: while one waits for its last sum, the others are on their way.
    """
    for at in range(0, width, 4 * LANES):
        y = broadcast_at(key, 0)
        a, b = load(query[0], at) * y, load(query[0], at + LANES) * y
        c, e = load(query[0], at + 2 * LANES) * y, load(query[0], at + 3 * LANES) * y
        for k in range(1, key.shape[0]):
            y = broadcast_at(key, k)
            a, b = a + load(query[k], at) * y, b + load(query[k], at + LANES) * y
            c, e = c + load(query[k], at + 2 * LANES) * y, e + load(query[k], at + 3 * LANES) * y
        store(score, at, a)
        store(score, at + LANES, b)
        store(score, at + 2 * LANES, c)
        store(score, at + 3 * LANES, e)


@compiled(no_refcount=True)
def attend_rows(
    queries: Any, keys: Any, values: Any, scale: Any, normalised: bool, causal: bool,
    first: int, last: int, work: Any, increment: Any, mass: Any,
) -> None:  # fmt: skip
    """Compute the blocks first..last-1 of `ROWS` rows, counted over members and then rows; ``work`` is `workspace`."""
    n, d, components = values.shape[1], values.shape[2], queries.shape[2]
    blocks = (n + ROWS - 1) // ROWS
    number, score, top, total = work[0], work[1], work[2], work[3]
    query, own, moved = work[4 : 4 + components], work[4 + components : 4 + components + d], work[4 + components + d :]
    for task in range(first, last):
        member, row = task // blocks, task % blocks * ROWS
        width = min(ROWS, n - row)
        end = row + width if causal else n
        for lane in range(ROWS):
            token = min(row + lane, n - 1)
            for k in range(components):
                query[k, lane] = queries[member, token, k]
            for k in range(d):
                own[k, lane] = values[member, token, k]
                moved[k, lane] = 0.0
            number[lane] = row + lane
            top[lane] = -np.inf if normalised else 0.0
            total[lane] = 0.0
        if normalised:
            for j in range(end):
                _find_scores(query, keys[member, j], width, score)
                for at in range(0, width, LANES):
                    before = load(top, at)
                    after = larger(load(score, at), before)
                    if causal:
                        after = where(load(number, at) >= broadcast(float(j)), after, before)
                    store(top, at, after)
        factor = broadcast(scale[member])
        for j in range(end):
            value = values[member, j]
            _find_scores(query, keys[member, j], width, score)
            for at in range(0, width, LANES):
                exponent = factor * (load(score, at) - load(top, at))
                if causal:
                    exponent = where(load(number, at) >= broadcast(float(j)), exponent, broadcast(-np.inf))
                weight = exponential(exponent)
                store(total, at, load(total, at) + weight)
                for k in range(d):
                    store(moved[k], at, load(moved[k], at) + weight * (broadcast_at(value, k) - load(own[k], at)))
        for lane in range(width):
            divisor = total[lane] if normalised else float(n)
            for k in range(d):
                increment[member, row + lane, k] = moved[k, lane] / divisor
            mass[member, row + lane] = total[lane] if normalised else total[lane] / n


def workspace(components: int, d: int) -> Any:
    """Return scratch for `attend_rows`: rows of `ROWS` numbers."""
    return np.empty((4 + components + 2 * d, ROWS))
