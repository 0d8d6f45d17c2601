"""A balanced kd-tree whose shape depends on the number of tokens alone, rebuilt in place at every step.

Nodes are numbered in preorder: the left child of a node is the next one, the subtree of a node is a contiguous range of
nodes, and node v holds the tokens ``begin[v]`` to ``end[v]``, which begin at a multiple of eight. Building a tree only
moves the tokens, so that each node's are on one side of a median plane of its parent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.lanes import Boxes, Floats, Integers, Tokens, Tree, components
from lmdata.errors import InvalidInput
from lmdata.numerics.compiled import compiled


@compiled()
def _grow(n: int, leaf: int, tree: Tree) -> int:
    """Fill the arrays of a tree; return the number of nodes."""
    # depth first without recursion: parents[h] is the node at height h of the path to the present one
    parents = np.empty(64, np.int64)
    tree.begin[0], tree.end[0] = 0, n
    count, height = 1, 0
    node = 0
    while True:
        tree.depth[node] = height
        tree.right[node] = 0
        size = tree.end[node] - tree.begin[node]
        if size > leaf:
            parents[height] = node
            height += 1
            # the left child takes half the tokens, up to a multiple of eight: so that each node begins at one
            tree.begin[count] = tree.begin[node]
            tree.end[count] = tree.begin[node] + (size // 2 + 7) // 8 * 8
            node = count
            count += 1
            continue
        # a leaf: go up past all nodes that have both children, and on with the right child of the first that has not
        tree.last[node] = count
        while height > 0 and tree.right[parents[height - 1]] != 0:
            height -= 1
            tree.last[parents[height]] = count
        if height == 0:
            return count
        parent = parents[height - 1]
        tree.right[parent] = count
        tree.begin[count], tree.end[count] = tree.end[parent + 1], tree.end[parent]
        node = count
        count += 1


def tree_of(n: int, leaf: int) -> Tree:
    """Return the tree over n tokens with at most ``leaf`` tokens, a multiple of eight, in a leaf.

    Raises
    ------
    InvalidInput
        If ``leaf`` is no multiple of eight.

    Examples
    --------
    >>> tree = tree_of(20, 8)
    >>> tree.begin.tolist(), tree.end.tolist(), tree.right.tolist()
    ([0, 0, 0, 8, 16], [20, 16, 8, 16, 20], [4, 3, 0, 0, 0])
    """
    if leaf < 8 or leaf % 8 != 0:
        raise InvalidInput(f"leaf is {leaf}; tokens listen eight at a time: give a multiple of 8")
    room = Tree(*(np.empty(2 * (-(-n // 8)) + 1, np.int64) for _ in Tree._fields))
    count = _grow(n, leaf, room)
    return Tree(*(array[:count].copy() for array in room))


def cut(tree: Tree, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the roots of the largest subtrees of at most ``size`` tokens, and the nodes above them, in preorder.

    Examples
    --------
    >>> roots, above = cut(tree_of(20, 8), 16)
    >>> roots.tolist(), above.tolist()
    ([1, 4], [0])
    """
    small = (tree.end - tree.begin <= size) | (tree.right == 0)
    roots, node = [], 0
    while node < len(small):
        if small[node]:
            roots.append(node)
            node = int(tree.last[node])
        else:
            node += 1
    return np.array(roots, np.int64), np.flatnonzero(~small)


@compiled(no_refcount=True)
def _select(
    positions: Floats, ids: Integers, begin: int, end: int, middle: int, axis: int, axes: tuple[int, ...]
) -> None:
    """Move tokens so that along ``axis`` none before ``middle`` lies beyond one after it (Hoare's quickselect)."""
    values = positions[axis]
    low, high = begin, end - 1
    while low < high:
        # the median of three, which is never the extreme of many equal values: collapsed clusters are the rule here
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:  # equal ones are exchanged too, so that they are shared out evenly
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


@compiled(no_refcount=True)
def arrange(
    positions: Floats, ids: Integers, tree: Tree, corners: Floats, nodes: Integers, axes: tuple[int, ...]
) -> None:
    """Move the tokens to their places and fill corners[node] (2, d), the smallest box, for nodes in preorder."""
    d = components(axes, positions.shape[0])
    for node in nodes:
        begin, end, right = tree.begin[node], tree.end[node], tree.right[node]
        widest, extent = 0, -1.0
        for k in range(d):
            values = positions[k]
            low = high = values[begin]
            for i in range(begin, end):
                low = values[i] if values[i] < low else low
                high = values[i] if values[i] > high else high
            corners[node, 0, k], corners[node, 1, k] = low, high
            if high - low > extent:
                widest, extent = k, high - low
        if right != 0 and extent > 0.0:
            _select(positions, ids, begin, end, tree.begin[right], widest, axes)


@compiled(no_refcount=True)
def gather(tokens: Tokens, tree: Tree, boxes: Boxes, nodes: Integers, axes: tuple[int, ...]) -> None:
    """Fill the totals and the key corners of boxes, for nodes in preorder: their corners are those of `arrange`."""
    keys, one, high, low = tokens.keys, tokens.one, tokens.high, tokens.low
    key_corners, totals = boxes.key_corners, boxes.totals
    d = components(axes, keys.shape[0])
    for node in nodes[::-1]:  # children before their parents
        right = tree.right[node]
        if right != 0:
            left = node + 1
            for entry in range(2 * d + 1):
                totals[node, entry] = totals[left, entry] + totals[right, entry]
            for k in range(d):
                key_corners[node, 0, k] = min(key_corners[left, 0, k], key_corners[right, 0, k])
                key_corners[node, 1, k] = max(key_corners[left, 1, k], key_corners[right, 1, k])
            continue
        begin, end = tree.begin[node], tree.end[node]
        for entry in range(2 * d + 1):
            totals[node, entry] = 0.0
        for i in range(begin, end):
            totals[node, 0] += one[i]
        for k in range(d):
            smallest = largest = keys[k, begin]
            for i in range(begin, end):
                totals[node, 1 + k] += high[k, i]
                totals[node, 1 + d + k] += low[k, i]
                smallest, largest = min(smallest, keys[k, i]), max(largest, keys[k, i])
            key_corners[node, 0, k], key_corners[node, 1, k] = smallest, largest
