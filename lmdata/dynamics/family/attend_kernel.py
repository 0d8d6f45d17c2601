"""The compiled rows of `attend`: see there for what they compute. Imported at first use, since numba is heavy."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmdata.dynamics.compiled import compiled

LANES = 64
"""Rows that a task computes side by side, so that loops over rows fill the vector registers."""

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
def exponentiate(x: Any, work: Any, bits: Any, width: int) -> None:
    """Replace x[:width] by its exponential, relative error below 3e-16, 0 below `LEAST`, for x up to 709.

    ``work`` is scratch of shape (2, LANES), ``bits`` the same memory seen as int64.
    """
    for lane in range(width):
        y = max(x[lane], LEAST)
        work[0, lane] = y * _LOG2_E + _ROUND
        k = work[0, lane] - _ROUND
        r = (y - k * _LN2_HIGH) - k * _LN2_LOW
        p = _C13 * r + _C12
        p = p * r + _C11
        p = p * r + _C10
        p = p * r + _C9
        p = p * r + _C8
        p = p * r + _C7
        p = p * r + _C6
        p = p * r + _C5
        p = p * r + _C4
        p = p * r + _C3
        p = p * r + _C2
        p = p * r + _C1
        work[1, lane] = p * r + _C0
    for lane in range(width):  # times 2**k, by adding k to the exponent field
        bits[1, lane] = bits[1, lane] + (bits[0, lane] << 52)
    for lane in range(width):
        x[lane] = work[1, lane] if x[lane] >= LEAST else 0.0


@compiled(inline=True)
def _scores(score: Any, query: Any, key: Any, width: int) -> None:
    """Set score[:width] to the inner products of the queries of a block with one key, components ascending."""
    for lane in range(width):
        score[lane] = query[0, lane] * key[0]
    for k in range(1, key.shape[0]):
        y = key[k]
        for lane in range(width):
            score[lane] += query[k, lane] * y


@compiled()
def attend_rows(
    queries: Any, keys: Any, values: Any, scale: Any, normalised: bool, causal: bool,
    first: int, last: int, increment: Any, mass: Any,
) -> None:  # fmt: skip
    """Compute the blocks first..last-1 of `LANES` rows, counted over members and then rows."""
    n, d = values.shape[1], values.shape[2]
    blocks = (n + LANES - 1) // LANES
    query, own, moved = np.empty((queries.shape[2], LANES)), np.empty((d, LANES)), np.empty((d, LANES))
    score, top, total = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    work = np.empty((2, LANES))
    bits = work.view(np.int64)
    for task in range(first, last):
        member, row = task // blocks, task % blocks * LANES
        width = min(LANES, n - row)
        end = row + width if causal else n
        for lane in range(width):
            for k in range(queries.shape[2]):
                query[k, lane] = queries[member, row + lane, k]
            for k in range(d):
                own[k, lane] = values[member, row + lane, k]
                moved[k, lane] = 0.0
            top[lane] = -np.inf if normalised else 0.0
            total[lane] = 0.0
        if normalised:
            for j in range(end):
                _scores(score, query, keys[member, j], width)
                for lane in range(max(j - row, 0) if causal else 0, width):
                    top[lane] = max(top[lane], score[lane])
        for j in range(end):
            _scores(score, query, keys[member, j], width)
            for lane in range(width):
                score[lane] = scale[member] * (score[lane] - top[lane])
            if causal:
                for lane in range(j - row):
                    score[lane] = -np.inf
            exponentiate(score, work, bits, width)
            for lane in range(width):
                total[lane] += score[lane]
            for k in range(d):
                y = values[member, j, k]
                for lane in range(width):
                    moved[k, lane] += score[lane] * (y - own[k, lane])
        for lane in range(width):
            divisor = total[lane] if normalised else float(n)
            for k in range(d):
                increment[member, row + lane, k] = moved[k, lane] / divisor
            mass[member, row + lane] = total[lane] if normalised else total[lane] / n
