"""Eight tokens that listen side by side, one a lane of a vector register: the innermost loops on the processor.

A *block* is a flat array of rows of `LANES` numbers, one number for each of eight tokens. In d dimensions row
k < d is component k of their keys, row d the largest score or the threshold, row d + 1 the number of
neighbours, rows d + 2 to 2d + 1 the sums of the neighbours' high halves and rows 2d + 2 to 3d + 1 those of
the low ones.

In two and three dimensions the loops are written out, so that a compiler turns each line into vector
instructions; all others share one plain loop. A dimension that is written out comes as a tuple of that
length, ``axes``, so that each is compiled on its own, without the other branches; the empty tuple is any other. Scores
are summed over ascending components, each operation rounded on its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.compiled import compiled

LANES = 8
"""Tokens in a block. Token arrays are padded to a multiple of it."""

WRITTEN_OUT = (2, 3)
"""Dimensions whose loops are written out."""


def axes_of(d: int) -> tuple[int, ...]:
    """Return the ``axes`` with which functions here are compiled for d components.

    Examples
    --------
    >>> axes_of(2), axes_of(5)
    ((0, 0), ())
    """
    return (0,) * d if d in WRITTEN_OUT else ()


@compiled(inline=True)
def components(axes: tuple[int, ...], size: int) -> int:
    """Return d: known when compiling where it is written out, else the ``size`` of some array."""
    return len(axes) if len(axes) > 0 else size


@compiled(inline=True)
def _smaller(a: float, b: float) -> float:
    return a if a < b else b


@compiled(inline=True)
def _larger(a: float, b: float) -> float:
    return a if a > b else b


@compiled(inline=True)
def _add_one(total: float, near: bool, value: float) -> float:
    return total + value if near else total


@compiled(inline=True)
def _add(total: float, near0: bool, value0: float, near1: bool, value1: float) -> float:
    """Return the total with those of two values that belong to neighbours."""
    total = total + value0 if near0 else total
    return total + value1 if near1 else total


@compiled()
def maxima(
    block: NDArray[np.float64], positions: NDArray[np.float64], begin: int, end: int, axes: tuple[int, ...]
) -> None:
    """Raise row d of the block to the largest score with tokens begin..end, a multiple of eight."""
    d = components(axes, positions.shape[0])
    if d == 2:
        x, y = positions[0], positions[1]
        for j in range(begin, end, 8):
            a0, a1, a2, a3, b0, b1, b2, b3 = x[j], x[j + 1], x[j + 2], x[j + 3], y[j], y[j + 1], y[j + 2], y[j + 3]
            i = j + 4
            a4, a5, a6, a7, b4, b5, b6, b7 = x[i], x[i + 1], x[i + 2], x[i + 3], y[i], y[i + 1], y[i + 2], y[i + 3]
            for lane in range(LANES):
                u, v = block[lane], block[LANES + lane]
                s0, s1 = _larger(u * a0 + v * b0, u * a1 + v * b1), _larger(u * a2 + v * b2, u * a3 + v * b3)
                s2, s3 = _larger(u * a4 + v * b4, u * a5 + v * b5), _larger(u * a6 + v * b6, u * a7 + v * b7)
                best = _larger(_larger(s0, s1), _larger(s2, s3))
                block[2 * LANES + lane] = _larger(best, block[2 * LANES + lane])
    elif d == 3:
        x, y, z = positions[0], positions[1], positions[2]
        for j in range(begin, end, 4):
            a0, a1, a2, a3, b0, b1, b2, b3 = x[j], x[j + 1], x[j + 2], x[j + 3], y[j], y[j + 1], y[j + 2], y[j + 3]
            c0, c1, c2, c3 = z[j], z[j + 1], z[j + 2], z[j + 3]
            for lane in range(LANES):
                u, v, w = block[lane], block[LANES + lane], block[2 * LANES + lane]
                s0 = _larger(u * a0 + v * b0 + w * c0, u * a1 + v * b1 + w * c1)
                s1 = _larger(u * a2 + v * b2 + w * c2, u * a3 + v * b3 + w * c3)
                block[3 * LANES + lane] = _larger(_larger(s0, s1), block[3 * LANES + lane])
    else:
        for j in range(begin, end):
            for lane in range(LANES):
                score = block[lane] * positions[0, j]
                for k in range(1, d):
                    score += block[k * LANES + lane] * positions[k, j]
                block[d * LANES + lane] = _larger(score, block[d * LANES + lane])


@compiled()
def sums(
    block: NDArray[np.float64],
    positions: NDArray[np.float64],
    one: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    begin: int,
    end: int,
    axes: tuple[int, ...],
) -> None:
    """Add to rows d + 1 to 3d + 1 what tokens begin..end, an even number, contribute as neighbours.

    ``one`` is what a token counts: 1, or 0 for one that only fills up an array.
    """
    d = components(axes, positions.shape[0])
    if d == 2:
        x, y, g, h, k, l = positions[0], positions[1], high[0], high[1], low[0], low[1]  # noqa: E741
        for j in range(begin, end, 2):
            a0, b0, c0, a1, b1, c1 = x[j], y[j], one[j], x[j + 1], y[j + 1], one[j + 1]
            g0, h0, k0, l0, g1, h1, k1, l1 = g[j], h[j], k[j], l[j], g[j + 1], h[j + 1], k[j + 1], l[j + 1]
            for lane in range(LANES):
                u, v, threshold = block[lane], block[LANES + lane], block[2 * LANES + lane]
                near0, near1 = u * a0 + v * b0 >= threshold, u * a1 + v * b1 >= threshold
                block[3 * LANES + lane] = _add(block[3 * LANES + lane], near0, c0, near1, c1)
                block[4 * LANES + lane] = _add(block[4 * LANES + lane], near0, g0, near1, g1)
                block[5 * LANES + lane] = _add(block[5 * LANES + lane], near0, h0, near1, h1)
                block[6 * LANES + lane] = _add(block[6 * LANES + lane], near0, k0, near1, k1)
                block[7 * LANES + lane] = _add(block[7 * LANES + lane], near0, l0, near1, l1)
    elif d == 3:
        x, y, z = positions[0], positions[1], positions[2]
        for j in range(begin, end, 2):
            i = j + 1
            a0, b0, c0, a1, b1, c1 = x[j], y[j], z[j], x[i], y[i], z[i]
            n0, f0, g0, h0, k0, l0, m0 = one[j], high[0, j], high[1, j], high[2, j], low[0, j], low[1, j], low[2, j]
            n1, f1, g1, h1, k1, l1, m1 = one[i], high[0, i], high[1, i], high[2, i], low[0, i], low[1, i], low[2, i]
            for lane in range(LANES):
                u, v, w = block[lane], block[LANES + lane], block[2 * LANES + lane]
                near0 = u * a0 + v * b0 + w * c0 >= block[3 * LANES + lane]
                near1 = u * a1 + v * b1 + w * c1 >= block[3 * LANES + lane]
                block[4 * LANES + lane] = _add(block[4 * LANES + lane], near0, n0, near1, n1)
                block[5 * LANES + lane] = _add(block[5 * LANES + lane], near0, f0, near1, f1)
                block[6 * LANES + lane] = _add(block[6 * LANES + lane], near0, g0, near1, g1)
                block[7 * LANES + lane] = _add(block[7 * LANES + lane], near0, h0, near1, h1)
                block[8 * LANES + lane] = _add(block[8 * LANES + lane], near0, k0, near1, k1)
                block[9 * LANES + lane] = _add(block[9 * LANES + lane], near0, l0, near1, l1)
                block[10 * LANES + lane] = _add(block[10 * LANES + lane], near0, m0, near1, m1)
    else:
        for j in range(begin, end):
            for lane in range(LANES):
                score = block[lane] * positions[0, j]
                for k in range(1, d):
                    score += block[k * LANES + lane] * positions[k, j]
                if score >= block[d * LANES + lane]:
                    block[(d + 1) * LANES + lane] += one[j]
                    for k in range(d):
                        block[(d + 2 + k) * LANES + lane] += high[k, j]
                        block[(2 * d + 2 + k) * LANES + lane] += low[k, j]


@compiled()
def hear_box(
    block: NDArray[np.float64],
    corners: NDArray[np.float64],
    totals: NDArray[np.float64],
    box: int,
    axes: tuple[int, ...],
) -> bool:
    """Add a whole box to the sums of those that listen to all of it; return whether any may listen to a part.

    ``corners[box]`` (2, d) bounds the box, ``totals[box]`` (1 + 2d) is what it contributes. Thresholds are in row
    3d + 2; row d is given those of the tokens that may listen to a part, and infinity for all others.
    """
    d = components(axes, corners.shape[2])
    if d == 2:
        a, b, c, e = corners[box, 0, 0], corners[box, 1, 0], corners[box, 0, 1], corners[box, 1, 1]
        total = totals[box]
        t0, t1, t2, t3, t4 = total[0], total[1], total[2], total[3], total[4]
        for lane in range(LANES):
            pa, pb, qc, qe = block[lane] * a, block[lane] * b, block[LANES + lane] * c, block[LANES + lane] * e
            threshold = block[8 * LANES + lane]
            inside = _smaller(pa, pb) + _smaller(qc, qe) >= threshold
            part = threshold if _larger(pa, pb) + _larger(qc, qe) >= threshold else np.inf
            block[2 * LANES + lane] = np.inf if inside else part
            block[3 * LANES + lane] = _add_one(block[3 * LANES + lane], inside, t0)
            block[4 * LANES + lane] = _add_one(block[4 * LANES + lane], inside, t1)
            block[5 * LANES + lane] = _add_one(block[5 * LANES + lane], inside, t2)
            block[6 * LANES + lane] = _add_one(block[6 * LANES + lane], inside, t3)
            block[7 * LANES + lane] = _add_one(block[7 * LANES + lane], inside, t4)
    elif d == 3:
        a, b, c, e = corners[box, 0, 0], corners[box, 1, 0], corners[box, 0, 1], corners[box, 1, 1]
        f, g = corners[box, 0, 2], corners[box, 1, 2]
        total = totals[box]
        t0, t1, t2, t3, t4, t5, t6 = total[0], total[1], total[2], total[3], total[4], total[5], total[6]
        for lane in range(LANES):
            pa, pb, qc, qe = block[lane] * a, block[lane] * b, block[LANES + lane] * c, block[LANES + lane] * e
            rf, rg = block[2 * LANES + lane] * f, block[2 * LANES + lane] * g
            threshold = block[11 * LANES + lane]
            inside = _smaller(pa, pb) + _smaller(qc, qe) + _smaller(rf, rg) >= threshold
            most = _larger(pa, pb) + _larger(qc, qe) + _larger(rf, rg)
            part = threshold if most >= threshold else np.inf
            block[3 * LANES + lane] = np.inf if inside else part
            block[4 * LANES + lane] = _add_one(block[4 * LANES + lane], inside, t0)
            block[5 * LANES + lane] = _add_one(block[5 * LANES + lane], inside, t1)
            block[6 * LANES + lane] = _add_one(block[6 * LANES + lane], inside, t2)
            block[7 * LANES + lane] = _add_one(block[7 * LANES + lane], inside, t3)
            block[8 * LANES + lane] = _add_one(block[8 * LANES + lane], inside, t4)
            block[9 * LANES + lane] = _add_one(block[9 * LANES + lane], inside, t5)
            block[10 * LANES + lane] = _add_one(block[10 * LANES + lane], inside, t6)
    else:
        for lane in range(LANES):
            least = most = 0.0
            for k in range(d):
                low, high = block[k * LANES + lane] * corners[box, 0, k], block[k * LANES + lane] * corners[box, 1, k]
                least = _smaller(low, high) if k == 0 else least + _smaller(low, high)
                most = _larger(low, high) if k == 0 else most + _larger(low, high)
            threshold = block[(3 * d + 2) * LANES + lane]
            block[d * LANES + lane] = threshold if least < threshold <= most else np.inf
            if least >= threshold:
                for entry in range(2 * d + 1):
                    block[(d + 1 + entry) * LANES + lane] += totals[box, entry]
    weakest = np.inf
    for lane in range(LANES):
        weakest = min(weakest, block[d * LANES + lane])
    return weakest < np.inf


@compiled(inline=True)
def pulls_of(
    block: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    begin: int,
    pulls: NDArray[np.float64],
    axes: tuple[int, ...],
) -> None:
    """Fill fl(D / c), the way of tokens begin..begin + 8 to their neighbour means, from the block's sums."""
    d = components(axes, pulls.shape[0])
    for k in range(d):
        for lane in range(LANES):
            i, count = begin + lane, block[(d + 1) * LANES + lane]
            coarse = block[(d + 2 + k) * LANES + lane] - count * high[k, i]
            fine = block[(2 * d + 2 + k) * LANES + lane] - count * low[k, i]
            pulls[k, i] = (coarse + fine) / count
