"""A balanced kd-tree whose shape depends on the number of tokens alone, rebuilt in place at every step.

Nodes are numbered in preorder: the left child of a node is the next one, the subtree of a node is a contiguous range of
nodes, and node v holds the tokens ``begin[v]`` to ``end[v]``, which begin at a multiple of eight. Building a tree only
moves the tokens, so that each node's are on one side of a median plane of its parent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.lanes import components
from lmdata.errors import InvalidInput
from lmdata.numerics.compiled import compiled


class Shape(NamedTuple):
    """The nodes of a tree, in preorder."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    right: NDArray[np.int64]
    """The right child; 0 where the node is a leaf."""
    last: NDArray[np.int64]
    """One past the last node of the subtree."""
    depth: NDArray[np.int64]


@compiled()
def _grow(
    n: int,
    leaf: int,
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    right: NDArray[np.int64],
    last: NDArray[np.int64],
    depth: NDArray[np.int64],
) -> int:
    """Fill the arrays of a `Shape`; return the number of nodes."""
    parents = np.empty(64, np.int64)
    begin[0], end[0] = 0, n
    count, height = 1, 0
    node = 0
    while True:
        depth[node] = height
        right[node] = 0
        if end[node] - begin[node] > leaf:
            parents[height] = node
            height += 1
            begin[count] = begin[node]
            end[count] = begin[node] + ((end[node] - begin[node]) // 2 + 7) // 8 * 8
            node = count
            count += 1
            continue
        last[node] = count
        while height > 0 and right[parents[height - 1]] != 0:
            height -= 1
            last[parents[height]] = count
        if height == 0:
            return count
        parent = parents[height - 1]
        right[parent] = count
        begin[count], end[count] = end[parent + 1], end[parent]
        node = count
        count += 1


def shape_of(n: int, leaf: int) -> Shape:
    """Return the shape of a tree over n tokens with at most ``leaf`` tokens, a multiple of eight, in a leaf.

    Raises
    ------
    InvalidInput
        If ``leaf`` is no multiple of eight.

    Examples
    --------
    >>> shape = shape_of(20, 8)
    >>> shape.begin.tolist(), shape.end.tolist(), shape.right.tolist()
    ([0, 0, 0, 8, 16], [20, 16, 8, 16, 20], [4, 3, 0, 0, 0])
    """
    if leaf < 8 or leaf % 8 != 0:
        raise InvalidInput(f"leaf is {leaf}; tokens listen eight at a time: give a multiple of 8")
    arrays = [np.empty(2 * (-(-n // 8)) + 1, np.int64) for _ in Shape._fields]
    count = _grow(n, leaf, *arrays)
    return Shape(*(array[:count].copy() for array in arrays))


def cut(shape: Shape, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the roots of the largest subtrees of at most ``size`` tokens, and the nodes above them, in preorder.

    Examples
    --------
    >>> roots, above = cut(shape_of(20, 8), 16)
    >>> roots.tolist(), above.tolist()
    ([1, 4], [0])
    """
    small = (shape.end - shape.begin <= size) | (shape.right == 0)
    roots, node = [], 0
    while node < len(small):
        if small[node]:
            roots.append(node)
            node = int(shape.last[node])
        else:
            node += 1
    return np.array(roots, np.int64), np.flatnonzero(~small)


@compiled(borrowed=True)
def _select(
    positions: NDArray[np.float64],
    ids: NDArray[np.int64],
    begin: int,
    end: int,
    middle: int,
    axis: int,
    axes: tuple[int, ...],
) -> None:
    """Move tokens so that along ``axis`` none before ``middle`` lies beyond one after it (Hoare's quickselect)."""
    values = positions[axis]
    low, high = begin, end - 1
    while low < high:
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                for k in range(components(axes, positions.shape[0])):
                    positions[k, i], positions[k, j] = positions[k, j], positions[k, i]
                ids[i], ids[j] = ids[j], ids[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@compiled(borrowed=True)
def arrange(
    positions: NDArray[np.float64],
    ids: NDArray[np.int64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    right: NDArray[np.int64],
    corners: NDArray[np.float64],
    nodes: NDArray[np.int64],
    axes: tuple[int, ...],
) -> None:
    """Move the tokens to their places and fill corners[node] (2, d), the smallest box, for nodes in preorder."""
    d = components(axes, positions.shape[0])
    for node in nodes:
        widest, extent = 0, -1.0
        for k in range(d):
            values = positions[k]
            low = high = values[begin[node]]
            for i in range(begin[node], end[node]):
                low = values[i] if values[i] < low else low
                high = values[i] if values[i] > high else high
            corners[node, 0, k], corners[node, 1, k] = low, high
            if high - low > extent:
                widest, extent = k, high - low
        if right[node] != 0 and extent > 0.0:
            _select(positions, ids, begin[node], end[node], begin[right[node]], widest, axes)


@compiled(borrowed=True)
def gather(
    keys: NDArray[np.float64],
    one: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    right: NDArray[np.int64],
    key_corners: NDArray[np.float64],
    totals: NDArray[np.float64],
    nodes: NDArray[np.int64],
    axes: tuple[int, ...],
) -> None:
    """Fill totals[node] (1 + 2d), count and sums of halves, and key_corners[node] (2, d), for nodes in preorder."""
    d = components(axes, keys.shape[0])
    for node in nodes[::-1]:
        if right[node] != 0:
            one_child, other = node + 1, right[node]
            for entry in range(2 * d + 1):
                totals[node, entry] = totals[one_child, entry] + totals[other, entry]
            for k in range(d):
                key_corners[node, 0, k] = min(key_corners[one_child, 0, k], key_corners[other, 0, k])
                key_corners[node, 1, k] = max(key_corners[one_child, 1, k], key_corners[other, 1, k])
            continue
        for entry in range(2 * d + 1):
            totals[node, entry] = 0.0
        for i in range(begin[node], end[node]):
            totals[node, 0] += one[i]
        for k in range(d):
            smallest = largest = keys[k, begin[node]]
            for i in range(begin[node], end[node]):
                totals[node, 1 + k] += high[k, i]
                totals[node, 1 + d + k] += low[k, i]
                smallest, largest = min(smallest, keys[k, i]), max(largest, keys[k, i])
            key_corners[node, 0, k], key_corners[node, 1, k] = smallest, largest
