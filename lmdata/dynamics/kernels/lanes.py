"""Eight tokens that listen side by side, one a lane of a vector register: the innermost loops on the processor.

A *block* is a flat array of rows of `LANES` numbers, one number for each of eight tokens. In d dimensions row
k < d is component k of their keys, row d the largest score or the threshold, row d + 1 the number of
neighbours, rows d + 2 to 2d + 1 the sums of the neighbours' high halves and rows 2d + 2 to 3d + 1 those of
the low ones.

In two and three dimensions the loops are written out, so that all rows stay in registers; all others share one plain
loop. A dimension that is written out comes as a tuple of that length, ``axes``, so that each is compiled on its own,
without the other branches; the empty tuple is any other. Scores are summed over ascending components, each operation
rounded on its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled
from lmdata.numerics.vectors import LANES, load, some, splat, spread, store, where

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
def smaller(a: Any, b: Any) -> Any:
    """Return the smaller of two numbers, lane by lane."""
    return where(b > a, a, b)


@compiled(inline=True)
def larger(a: Any, b: Any) -> Any:
    """Return the larger of two numbers, lane by lane."""
    return where(a > b, a, b)


@compiled(inline=True)
def _add(total: Any, near: Any, value: Any) -> Any:
    """Return the total with the value of a token in those lanes whose token it is near."""
    return where(near, total + value, total)


@compiled(inline=True)
def _score(block: NDArray[np.float64], positions: NDArray[np.float64], j: int) -> Any:
    """Return the scores of the block's tokens with token j."""
    score = load(block, 0) * spread(positions[0], j)
    for k in range(1, positions.shape[0]):
        score = score + load(block, k * LANES) * spread(positions[k], j)
    return score


@compiled(borrowed=True)
def maxima(
    block: NDArray[np.float64], positions: NDArray[np.float64], begin: int, end: int, axes: tuple[int, ...]
) -> None:
    """Raise row d of the block to the largest score with tokens begin..end, a multiple of four."""
    d = components(axes, positions.shape[0])
    best = load(block, d * LANES)
    if len(axes) == 2:
        x, y, u, v = positions[0], positions[1], load(block, 0), load(block, LANES)
        for j in range(begin, end, 4):
            s0, s1 = u * spread(x, j) + v * spread(y, j), u * spread(x, j + 1) + v * spread(y, j + 1)
            s2, s3 = u * spread(x, j + 2) + v * spread(y, j + 2), u * spread(x, j + 3) + v * spread(y, j + 3)
            best = larger(larger(larger(s0, s1), larger(s2, s3)), best)
    elif len(axes) == 3:
        x, y, z = positions[0], positions[1], positions[2]
        u, v, w = load(block, 0), load(block, LANES), load(block, 2 * LANES)
        for j in range(begin, end, 2):
            s0 = u * spread(x, j) + v * spread(y, j) + w * spread(z, j)
            s1 = u * spread(x, j + 1) + v * spread(y, j + 1) + w * spread(z, j + 1)
            best = larger(larger(s0, s1), best)
    else:
        for j in range(begin, end):
            best = larger(_score(block, positions, j), best)
    store(block, d * LANES, best)


@compiled(borrowed=True)
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
    """Add to rows d + 1 to 3d + 1 what tokens begin..end contribute as neighbours.

    ``one`` is what a token counts: 1, or 0 for one that only fills up an array.
    """
    d = components(axes, positions.shape[0])
    threshold, count = load(block, d * LANES), load(block, (d + 1) * LANES)
    if len(axes) == 2:
        x, y, g, h, k, l = positions[0], positions[1], high[0], high[1], low[0], low[1]  # noqa: E741
        u, v = load(block, 0), load(block, LANES)
        sum_g, sum_h = load(block, 4 * LANES), load(block, 5 * LANES)
        sum_k, sum_l = load(block, 6 * LANES), load(block, 7 * LANES)
        for j in range(begin, end):
            near = u * spread(x, j) + v * spread(y, j) >= threshold
            count = _add(count, near, spread(one, j))
            sum_g, sum_h = _add(sum_g, near, spread(g, j)), _add(sum_h, near, spread(h, j))
            sum_k, sum_l = _add(sum_k, near, spread(k, j)), _add(sum_l, near, spread(l, j))
        store(block, 4 * LANES, sum_g)
        store(block, 5 * LANES, sum_h)
        store(block, 6 * LANES, sum_k)
        store(block, 7 * LANES, sum_l)
    elif len(axes) == 3:
        x, y, z = positions[0], positions[1], positions[2]
        f, g, h, k, l, m = high[0], high[1], high[2], low[0], low[1], low[2]  # noqa: E741
        u, v, w = load(block, 0), load(block, LANES), load(block, 2 * LANES)
        sum_f, sum_g, sum_h = load(block, 5 * LANES), load(block, 6 * LANES), load(block, 7 * LANES)
        sum_k, sum_l, sum_m = load(block, 8 * LANES), load(block, 9 * LANES), load(block, 10 * LANES)
        for j in range(begin, end):
            near = u * spread(x, j) + v * spread(y, j) + w * spread(z, j) >= threshold
            count = _add(count, near, spread(one, j))
            sum_f, sum_k = _add(sum_f, near, spread(f, j)), _add(sum_k, near, spread(k, j))
            sum_g, sum_l = _add(sum_g, near, spread(g, j)), _add(sum_l, near, spread(l, j))
            sum_h, sum_m = _add(sum_h, near, spread(h, j)), _add(sum_m, near, spread(m, j))
        store(block, 5 * LANES, sum_f)
        store(block, 6 * LANES, sum_g)
        store(block, 7 * LANES, sum_h)
        store(block, 8 * LANES, sum_k)
        store(block, 9 * LANES, sum_l)
        store(block, 10 * LANES, sum_m)
    else:
        for j in range(begin, end):
            near = _score(block, positions, j) >= threshold
            if some(near):
                count = _add(count, near, spread(one, j))
                for k in range(d):
                    coarse, fine = (d + 2 + k) * LANES, (2 * d + 2 + k) * LANES
                    store(block, coarse, _add(load(block, coarse), near, spread(high[k], j)))
                    store(block, fine, _add(load(block, fine), near, spread(low[k], j)))
    store(block, (d + 1) * LANES, count)


@compiled(inline=True)
def _bounds(block: NDArray[np.float64], corners: NDArray[np.float64], box: int, d: int) -> tuple[Any, Any]:
    """Return bounds of every computed score of the block's tokens with a token in the box ``corners[box]`` (2, d)."""
    first, last = corners[box, 0], corners[box, 1]
    a, b = load(block, 0) * spread(first, 0), load(block, 0) * spread(last, 0)
    least, most = smaller(a, b), larger(a, b)
    for k in range(1, d):
        a, b = load(block, k * LANES) * spread(first, k), load(block, k * LANES) * spread(last, k)
        least, most = least + smaller(a, b), most + larger(a, b)
    return least, most


@compiled(borrowed=True)
def maxima_of_boxes(
    blocks: NDArray[np.float64],
    positions: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    corners: NDArray[np.float64],
    boxes: NDArray[np.int32],
    axes: tuple[int, ...],
) -> None:
    """Raise row d of each block to the largest score with a token in ``boxes``, nodes of a tree."""
    d = components(axes, positions.shape[0])
    for box in boxes:
        for own in range(len(blocks)):
            block = blocks[own]
            _, most = _bounds(block, corners, box, d)
            if some(most > load(block, d * LANES)):
                maxima(block, positions, begin[box], (end[box] + LANES - 1) // LANES * LANES, axes)


@compiled(borrowed=True)
def sums_of_boxes(
    blocks: NDArray[np.float64],
    positions: NDArray[np.float64],
    one: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    corners: NDArray[np.float64],
    totals: NDArray[np.float64],
    boxes: NDArray[np.int32],
    axes: tuple[int, ...],
) -> None:
    """Add to rows d + 1 to 3d + 1 of each block what tokens in ``boxes``, nodes of a tree, contribute as neighbours.

    ``totals[box]`` (1 + 2d) is what a whole box contributes. Thresholds are in row 3d + 2; row d is overwritten. All
    blocks hear a box before the next one comes, while it is near in memory.
    """
    d = components(axes, positions.shape[0])
    never = splat(np.inf)
    for box in boxes:
        for own in range(len(blocks)):
            block = blocks[own]
            threshold = load(block, (3 * d + 2) * LANES)
            least, most = _bounds(block, corners, box, d)
            inside = least >= threshold
            if some(inside):
                for entry in range(2 * d + 1):
                    row = (d + 1 + entry) * LANES
                    store(block, row, _add(load(block, row), inside, spread(totals[box], entry)))
            in_part = where(inside, never, where(most >= threshold, threshold, never))
            if some(never > in_part):
                store(block, d * LANES, in_part)
                stop = (end[box] + LANES - 1) // LANES * LANES
                sums(block, positions, one, high, low, begin[box], stop, axes)


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
    count = load(block, (d + 1) * LANES)
    for k in range(d):
        coarse = load(block, (d + 2 + k) * LANES) - count * load(high[k], begin)
        fine = load(block, (2 * d + 2 + k) * LANES) - count * load(low[k], begin)
        store(pulls[k], begin, (coarse + fine) / count)
