"""Eight tokens that listen side by side, one a lane of a vector register: the innermost loops on the processor.

A *block* is a flat array of rows of `LANES` numbers, one number for each of eight tokens; functions such as `count_row`
say where a row begins. The rows are one array, since a function that is handed many arrays spends longer on taking them
than on the few tokens of a small member.

In two and three dimensions the loops are written out, so that all rows stay in registers; all others share one plain
loop. A dimension that is written out comes as a tuple of that length, ``axes``, so that each is compiled on its own,
without the other branches; the empty tuple is any other. Scores are summed over ascending components, each operation
rounded on its own.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled
from lmdata.numerics.vectors import LANES, any_lane, broadcast, broadcast_at, load, store, where

WRITTEN_OUT = (2, 3)
"""Dimensions whose loops are written out."""

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Tokens(NamedTuple):
    """One member's tokens, component by component, filled up to a multiple of `LANES`."""

    positions: Floats  # (d, padded) z; what fills it up has no larger components than the tokens
    keys: Floats  # (d, padded) y = z A^T
    one: Floats  # (padded,) what a token counts as a neighbour: 1, or 0 for one that only fills up
    high: Floats  # (d, padded) the coarse halves of `lmdata.dynamics.kernels.canonical.split`; 0 beyond the tokens
    low: Floats  # (d, padded) the fine ones


class Tree(NamedTuple):
    """The nodes of a kd-tree over the tokens, in preorder; made by `lmdata.dynamics.kernels.kdtree.tree_of`."""

    begin: Integers  # (nodes,) the first token of the node
    end: Integers  # (nodes,) one past its last token
    right: Integers  # (nodes,) the right child; 0 where the node is a leaf
    last: Integers  # (nodes,) one past the last node of the subtree
    depth: Integers  # (nodes,) 0 for the root


class Boxes(NamedTuple):
    """What a node of the tree holds."""

    corners: Floats  # (nodes, 2, d) the smallest and the largest components of its tokens
    key_corners: Floats  # (nodes, 2, d) those of its keys
    totals: Floats  # (nodes, 1 + 2 d) the number of its tokens, the sums of their high and of their low halves


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
def key_row(k: int) -> int:
    """Return where component k of the keys of the block's tokens begins."""
    return k * LANES


@compiled(inline=True)
def score_row(d: int) -> int:
    """Return where the largest scores begin, and then the thresholds that follow from them."""
    return d * LANES


@compiled(inline=True)
def count_row(d: int) -> int:
    """Return where the numbers of neighbours begin."""
    return (d + 1) * LANES


@compiled(inline=True)
def high_row(d: int, k: int) -> int:
    """Return where the sums of component k of the neighbours' high halves begin."""
    return (d + 2 + k) * LANES


@compiled(inline=True)
def low_row(d: int, k: int) -> int:
    """Return where the sums of component k of the neighbours' low halves begin."""
    return (2 * d + 2 + k) * LANES


@compiled(inline=True)
def threshold_row(d: int) -> int:
    """Return where a tree keeps the thresholds: `score_row` then holds those that a box has yet to be compared with."""
    return (3 * d + 2) * LANES


def aligned(*shape: int) -> Floats:
    """Return zeros whose memory begins where a cache line does.

    Vectors that lie across two lines take twice as long, and NumPy's arrays begin at any multiple of 16 bytes.

    Examples
    --------
    >>> aligned(2, 3).ctypes.data % 64, aligned(2, 3).tolist()
    (0, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    """
    size = math.prod(shape)
    room = np.zeros(size + LANES)
    first = -room.ctypes.data % (8 * LANES) // 8
    return room[first : first + size].reshape(shape)


def block_size(d: int) -> int:
    """Return the size of a block.

    Examples
    --------
    >>> block_size(2) // LANES
    9
    """
    return (3 * d + 3) * LANES


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
def _score(block: Floats, positions: Floats, j: int) -> Any:
    """Return the scores of the block's tokens with token j."""
    score = load(block, key_row(0)) * broadcast_at(positions[0], j)
    for k in range(1, positions.shape[0]):
        score = score + load(block, key_row(k)) * broadcast_at(positions[k], j)
    return score


@compiled(no_refcount=True)
def maxima(block: Floats, positions: Floats, begin: int, end: int, axes: tuple[int, ...]) -> None:
    """Raise the block's largest scores to those with tokens begin..end, a multiple of four."""
    d = components(axes, positions.shape[0])
    best = load(block, score_row(d))
    # the maximum is all that one token waits for from the one before: it is taken of four, or two, as a tournament
    if len(axes) == 2:
        x, y = positions[0], positions[1]
        u, v = load(block, key_row(0)), load(block, key_row(1))
        for j in range(begin, end, 4):
            s0 = u * broadcast_at(x, j) + v * broadcast_at(y, j)
            s1 = u * broadcast_at(x, j + 1) + v * broadcast_at(y, j + 1)
            s2 = u * broadcast_at(x, j + 2) + v * broadcast_at(y, j + 2)
            s3 = u * broadcast_at(x, j + 3) + v * broadcast_at(y, j + 3)
            best = larger(larger(larger(s0, s1), larger(s2, s3)), best)
    elif len(axes) == 3:
        x, y, z = positions[0], positions[1], positions[2]
        u, v, w = load(block, key_row(0)), load(block, key_row(1)), load(block, key_row(2))
        for j in range(begin, end, 2):
            s0 = u * broadcast_at(x, j) + v * broadcast_at(y, j) + w * broadcast_at(z, j)
            s1 = u * broadcast_at(x, j + 1) + v * broadcast_at(y, j + 1) + w * broadcast_at(z, j + 1)
            best = larger(larger(s0, s1), best)
    else:
        for j in range(begin, end):
            best = larger(_score(block, positions, j), best)
    store(block, score_row(d), best)


@compiled(no_refcount=True)
def sums(
    block: Floats,
    positions: Floats,
    one: Floats,
    high: Floats,
    low: Floats,
    begin: int,
    end: int,
    axes: tuple[int, ...],
) -> None:
    """Add to the block's counts and sums what tokens begin..end contribute as neighbours.

    A neighbour is a token whose score reaches what stands in the block's `score_row`. The arrays are those of `Tokens`,
    without the keys: of the innermost loop every argument is felt.
    """
    d = components(axes, positions.shape[0])
    threshold, count = load(block, score_row(d)), load(block, count_row(d))
    if len(axes) == 2:
        x, y = positions[0], positions[1]
        u, v = load(block, key_row(0)), load(block, key_row(1))
        high_x, high_y = load(block, high_row(d, 0)), load(block, high_row(d, 1))
        low_x, low_y = load(block, low_row(d, 0)), load(block, low_row(d, 1))
        for j in range(begin, end):
            near = u * broadcast_at(x, j) + v * broadcast_at(y, j) >= threshold
            count = _add(count, near, broadcast_at(one, j))
            high_x = _add(high_x, near, broadcast_at(high[0], j))
            high_y = _add(high_y, near, broadcast_at(high[1], j))
            low_x = _add(low_x, near, broadcast_at(low[0], j))
            low_y = _add(low_y, near, broadcast_at(low[1], j))
        store(block, high_row(d, 0), high_x)
        store(block, high_row(d, 1), high_y)
        store(block, low_row(d, 0), low_x)
        store(block, low_row(d, 1), low_y)
    elif len(axes) == 3:
        x, y, z = positions[0], positions[1], positions[2]
        u, v, w = load(block, key_row(0)), load(block, key_row(1)), load(block, key_row(2))
        high_x, high_y, high_z = (
            load(block, high_row(d, 0)),
            load(block, high_row(d, 1)),
            load(block, high_row(d, 2)),
        )
        low_x, low_y, low_z = load(block, low_row(d, 0)), load(block, low_row(d, 1)), load(block, low_row(d, 2))
        for j in range(begin, end):
            near = u * broadcast_at(x, j) + v * broadcast_at(y, j) + w * broadcast_at(z, j) >= threshold
            count = _add(count, near, broadcast_at(one, j))
            high_x = _add(high_x, near, broadcast_at(high[0], j))
            high_y = _add(high_y, near, broadcast_at(high[1], j))
            high_z = _add(high_z, near, broadcast_at(high[2], j))
            low_x = _add(low_x, near, broadcast_at(low[0], j))
            low_y = _add(low_y, near, broadcast_at(low[1], j))
            low_z = _add(low_z, near, broadcast_at(low[2], j))
        store(block, high_row(d, 0), high_x)
        store(block, high_row(d, 1), high_y)
        store(block, high_row(d, 2), high_z)
        store(block, low_row(d, 0), low_x)
        store(block, low_row(d, 1), low_y)
        store(block, low_row(d, 2), low_z)
    else:
        # in many dimensions the rows do not fit into registers: they are touched only where somebody hears the token
        for j in range(begin, end):
            near = _score(block, positions, j) >= threshold
            if any_lane(near):
                count = _add(count, near, broadcast_at(one, j))
                for k in range(d):
                    coarse, fine = high_row(d, k), low_row(d, k)
                    store(block, coarse, _add(load(block, coarse), near, broadcast_at(high[k], j)))
                    store(block, fine, _add(load(block, fine), near, broadcast_at(low[k], j)))
    store(block, count_row(d), count)


@compiled(inline=True)
def _bounds(block: Floats, corners: Floats, box: int, d: int) -> tuple[Any, Any]:
    """Return bounds of every computed score of the block's tokens with a token in the box ``corners[box]`` (2, d).

    A product with a key is extreme at one of the two corners, and rounding is monotone: summed in the order of the
    scores, the extremes bound every computed score, without a tolerance.
    """
    first, last = corners[box, 0], corners[box, 1]
    a, b = load(block, key_row(0)) * broadcast_at(first, 0), load(block, key_row(0)) * broadcast_at(last, 0)
    least, most = smaller(a, b), larger(a, b)
    for k in range(1, d):
        a, b = load(block, key_row(k)) * broadcast_at(first, k), load(block, key_row(k)) * broadcast_at(last, k)
        least, most = least + smaller(a, b), most + larger(a, b)
    return least, most


@compiled(no_refcount=True)
def maxima_of_boxes(
    blocks: Floats,
    tokens: Tokens,
    tree: Tree,
    corners: Floats,
    listed: NDArray[np.int32],
    axes: tuple[int, ...],
) -> None:
    """Raise each block's largest scores to those with tokens in the ``listed`` boxes, nodes of a tree."""
    d = components(axes, tokens.positions.shape[0])
    for box in listed:
        for own in range(len(blocks)):
            block = blocks[own]
            _, most = _bounds(block, corners, box, d)
            if any_lane(most > load(block, score_row(d))):
                stop = (tree.end[box] + LANES - 1) // LANES * LANES
                maxima(block, tokens.positions, tree.begin[box], stop, axes)


@compiled(no_refcount=True)
def sums_of_boxes(
    blocks: Floats, tokens: Tokens, tree: Tree, boxes: Boxes, listed: NDArray[np.int32], axes: tuple[int, ...]
) -> None:
    """Add to each block's counts and sums what tokens in the ``listed`` boxes, nodes of a tree, contribute.

    Thresholds are in `threshold_row`; `score_row` is overwritten. All blocks hear a box before the next one comes,
    while it is near in memory.
    """
    d = components(axes, tokens.positions.shape[0])
    never = broadcast(np.inf)
    for box in listed:
        for own in range(len(blocks)):
            block = blocks[own]
            threshold = load(block, threshold_row(d))
            least, most = _bounds(block, boxes.corners, box, d)
            # lanes for which the box is above the threshold as a whole take its totals ...
            inside = least >= threshold
            if any_lane(inside):
                for entry in range(2 * d + 1):
                    row = count_row(d) + entry * LANES
                    store(block, row, _add(load(block, row), inside, broadcast_at(boxes.totals[box], entry)))
            # ... and if it is neither above nor below for some, those compare its tokens one by one
            in_part = where(inside, never, where(most >= threshold, threshold, never))
            if any_lane(never > in_part):
                store(block, score_row(d), in_part)
                stop = (tree.end[box] + LANES - 1) // LANES * LANES
                sums(block, tokens.positions, tokens.one, tokens.high, tokens.low, tree.begin[box], stop, axes)


@compiled(inline=True)
def pulls_of(block: Floats, high: Floats, low: Floats, begin: int, pulls: Floats, axes: tuple[int, ...]) -> None:
    """Fill pulls of tokens begin..begin + 8, fl(D / c), their displacements to their neighbour means, from the sums."""
    d = components(axes, pulls.shape[0])
    count = load(block, count_row(d))
    for k in range(d):
        coarse = load(block, high_row(d, k)) - count * load(high[k], begin)
        fine = load(block, low_row(d, k)) - count * load(low[k], begin)
        store(pulls[k], begin, (coarse + fine) / count)
