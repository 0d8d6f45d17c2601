"""Interaction graphs of many tokens, never made: edges counted and walked along by the tree of the step.

Boxes of tokens bound every computed score between them without any tolerance (`lmdata.dynamics.kernels.tree`): a pair
of boxes that is wholly above or below the thresholds is decided at once, and the others are compared token by token.
Neighbourhoods are those of the canonical step, to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.graph_bits import number_by_first
from lmdata.dynamics.kernels.lanes import Boxes, Floats, Integers, Tokens, Tree
from lmdata.dynamics.kernels.planner import TREE_FROM
from lmdata.dynamics.kernels.tree import System
from lmdata.numerics.compiled import compiled

type Flags = NDArray[np.bool_]

OTHERWISE = 4096
"""Tokens from which on bits of a graph leave the cache, where boxes decide nothing: scores are then computed anew."""

STACK = 1024
"""Room for the boxes, or pairs of them, that a walk down a tree has yet to look at: three a level at most."""


class Graph(NamedTuple):
    """One frame: tokens in the order of a tree, and what is needed to find edges. Tokens are numbered by that order."""

    tokens: Tokens
    tree: Tree
    boxes: Boxes
    ids: Integers  # (n,) the token at each place
    places: Integers  # (n,) the place of each token
    thresholds: Floats  # (padded,) what a score must reach
    lowest: Floats  # (nodes,) the smallest threshold of the node's tokens
    highest: Floats  # (nodes,)
    unseen: Integers  # (nodes,) how many of the node's tokens have not been seen in a walk
    seen: Flags  # (n,)
    stack: Integers  # (room,)
    point: Floats  # (2, d) room for a box of one token


@compiled(inline=True)
def _bounds(a: Floats, b: Floats) -> tuple[float, float]:
    """Return bounds of every computed score of a token in one box (2, d) with one in the other: keys, and positions."""
    least = most = 0.0
    for k in range(a.shape[1]):
        p, q, r, s = a[0, k] * b[0, k], a[0, k] * b[1, k], a[1, k] * b[0, k], a[1, k] * b[1, k]
        low, high = min(min(p, q), min(r, s)), max(max(p, q), max(r, s))
        least = low if k == 0 else least + low
        most = high if k == 0 else most + high
    return least, most


@compiled(inline=True)
def _hears(graph: Graph, i: int, j: int) -> bool:
    """Return whether token i hears token j."""
    keys, positions = graph.tokens.keys, graph.tokens.positions
    score = keys[0, i] * positions[0, j]
    for k in range(1, len(keys)):
        score += keys[k, i] * positions[k, j]
    return bool(score >= graph.thresholds[i])


@compiled(no_refcount=True)
def _fill_ranges(tree: Tree, thresholds: Floats, lowest: Floats, highest: Floats) -> None:
    """Fill the range of each node's thresholds."""
    for node in range(len(lowest) - 1, -1, -1):  # children before their parents
        right = tree.right[node]
        if right != 0:
            lowest[node] = min(lowest[node + 1], lowest[right])
            highest[node] = max(highest[node + 1], highest[right])
            continue
        lowest[node] = highest[node] = thresholds[tree.begin[node]]
        for i in range(tree.begin[node], tree.end[node]):
            lowest[node], highest[node] = min(lowest[node], thresholds[i]), max(highest[node], thresholds[i])


@compiled(no_refcount=True)
def count_mutual(graph: Graph) -> int:
    """Return how many edges between different tokens have their reverse."""
    tree, boxes, stack, lowest, highest = graph.tree, graph.boxes, graph.stack, graph.lowest, graph.highest
    begin, end, right = tree.begin, tree.end, tree.right
    stack[0] = stack[1] = 0
    top, found = 2, 0
    while top > 0:
        top -= 2
        q, v = stack[top], stack[top + 1]
        if q == v:
            if right[q] != 0:
                stack[top], stack[top + 1] = q + 1, q + 1
                stack[top + 2], stack[top + 3] = right[q], right[q]
                stack[top + 4], stack[top + 5] = q + 1, right[q]
                top += 6
                continue
            for i in range(begin[q], end[q]):
                for j in range(i + 1, end[q]):
                    found += _hears(graph, i, j) and _hears(graph, j, i)
            continue
        least, most = _bounds(boxes.key_corners[q], boxes.corners[v])
        if most < lowest[q]:
            continue
        back_least, back_most = _bounds(boxes.key_corners[v], boxes.corners[q])
        if back_most < lowest[v]:
            continue
        size, other = end[q] - begin[q], end[v] - begin[v]
        if least >= highest[q] and back_least >= highest[v]:
            found += size * other
        elif right[q] == 0 and right[v] == 0:
            for i in range(begin[q], end[q]):
                for j in range(begin[v], end[v]):
                    found += _hears(graph, i, j) and _hears(graph, j, i)
        elif right[v] == 0 or (right[q] != 0 and size >= other):
            stack[top], stack[top + 1] = q + 1, v
            stack[top + 2], stack[top + 3] = right[q], v
            top += 4
        else:
            stack[top], stack[top + 1] = q, v + 1
            stack[top + 2], stack[top + 3] = q, right[v]
            top += 4
    return 2 * found


@compiled(no_refcount=True)
def begin_walk(graph: Graph) -> None:
    """Let no token be seen."""
    graph.seen[:] = False
    for node in range(len(graph.unseen)):
        graph.unseen[node] = graph.tree.end[node] - graph.tree.begin[node]


@compiled(no_refcount=True)
def _see(graph: Graph, i: int) -> bool:
    """See a token; return whether it was unseen."""
    if graph.seen[i]:
        return False
    graph.seen[i] = True
    tree, node = graph.tree, 0
    while True:
        graph.unseen[node] -= 1
        right = tree.right[node]
        if right == 0:
            return True
        node = right if i >= tree.begin[right] else node + 1


@compiled(no_refcount=True)
def walk(graph: Graph, listed: Integers, done: int, count: int, backwards: bool) -> int:
    """Add to the list of tokens, by their own numbers, all unseen ones that those from ``done`` to ``count`` reach.

    Forwards a token reaches whom it hears, backwards who hears it. What is listed is seen. Return the new ``count``.
    """
    tree, boxes, stack, point = graph.tree, graph.boxes, graph.stack, graph.point
    corners = boxes.key_corners if backwards else boxes.corners
    own = graph.tokens.positions if backwards else graph.tokens.keys
    for entry in range(done, count):
        _see(graph, graph.places[listed[entry]])
    while done < count and graph.unseen[0] > 0:
        token = graph.places[listed[done]]
        done += 1
        for k in range(len(own)):
            point[0, k] = point[1, k] = own[k, token]
        stack[0], top = 0, 1
        while top > 0:
            top -= 1
            v = stack[top]
            if graph.unseen[v] == 0:
                continue
            _, most = _bounds(point, corners[v])
            if most < (graph.lowest[v] if backwards else graph.thresholds[token]):
                continue
            if tree.right[v] != 0:
                stack[top], stack[top + 1] = tree.right[v], v + 1
                top += 2
                continue
            for i in range(tree.begin[v], tree.end[v]):
                if not graph.seen[i] and (_hears(graph, i, token) if backwards else _hears(graph, token, i)):
                    _see(graph, i)
                    listed[count] = graph.ids[i]
                    count += 1
    return count


@compiled(no_refcount=True)
def find_sinks(graph: Graph, listed: Integers, roots: Integers, out: Integers) -> int:
    """Number the sink components and return how many there are, as `lmdata.analysis.graph_bits.find_sinks` does."""
    n, found, count = len(graph.ids), 0, 0
    begin_walk(graph)
    for token in range(n):
        if not graph.seen[graph.places[token]]:
            roots[found], listed[count] = token, token
            found += 1
            count = walk(graph, listed, count, count + 1, True)
    kept, count = found, 0
    begin_walk(graph)
    for entry in range(found - 1, -1, -1):
        token = roots[entry]
        if not graph.seen[graph.places[token]]:
            kept -= 1
            roots[kept], listed[count] = token, token
            count = walk(graph, listed, count, count + 1, True)
    out[:] = -1
    begin_walk(graph)
    count = 0
    for entry in range(kept, found):
        start, listed[count] = count, roots[entry]
        count = walk(graph, listed, count, count + 1, False)
        for place in range(start, count):
            out[listed[place]] = roots[entry]
    return number_by_first(out, listed)


@compiled(no_refcount=True)
def list_outward(graph: Graph, label: Integers, ranges: Integers, listed: Integers, count: int) -> int:
    """Add to the list all tokens with a label from 0 on that hear one of another label; return the new ``count``.

    ``label`` (n,) is by token, ``ranges`` (nodes, 2) is room.
    """
    tree, corners, stack, point, ids = graph.tree, graph.boxes.corners, graph.stack, graph.point, graph.ids
    keys = graph.tokens.keys
    for node in range(len(ranges) - 1, -1, -1):
        right = tree.right[node]
        if right != 0:
            ranges[node, 0] = min(ranges[node + 1, 0], ranges[right, 0])
            ranges[node, 1] = max(ranges[node + 1, 1], ranges[right, 1])
            continue
        ranges[node, 0] = ranges[node, 1] = label[ids[tree.begin[node]]]
        for i in range(tree.begin[node], tree.end[node]):
            ranges[node, 0] = min(ranges[node, 0], label[ids[i]])
            ranges[node, 1] = max(ranges[node, 1], label[ids[i]])
    for token in range(len(ids)):
        own, threshold = label[ids[token]], graph.thresholds[token]
        if own < 0:
            continue
        for k in range(len(keys)):
            point[0, k] = point[1, k] = keys[k, token]
        stack[0], top, outward = 0, 1, False
        while top > 0 and not outward:
            top -= 1
            v = stack[top]
            if ranges[v, 0] == own and ranges[v, 1] == own:
                continue
            least, most = _bounds(point, corners[v])
            if most < threshold:
                continue
            if least >= threshold:
                outward = True
            elif tree.right[v] != 0:
                stack[top], stack[top + 1] = tree.right[v], v + 1
                top += 2
            else:
                for j in range(tree.begin[v], tree.end[v]):
                    if label[ids[j]] != own and _hears(graph, token, j):
                        outward = True
                        break
        if outward:
            listed[count] = ids[token]
            count += 1
    return count


def serves(states: NDArray[np.float64], matrix: NDArray[np.float64]) -> bool:
    """Return whether states (f, n, d), of which some may be NaN throughout, are many tokens, whose scores are finite.

    Examples
    --------
    >>> serves(np.zeros((1, 20, 2)), np.empty((0, 0))), serves(np.zeros((1, 2000, 2)), np.empty((0, 0)))
    (False, True)
    """
    _, n, d = states.shape
    if n < TREE_FROM.get(d, OTHERWISE):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.nanmax(np.abs(states), axis=(0, 1), initial=0.0)
        return bool(np.isfinite((np.abs(matrix) @ largest if matrix.size else largest) @ largest))


def listening(system: System, sensitivity: float) -> None:
    """Find thresholds and numbers of neighbours of the tokens of a state."""
    system.sort()
    system.fill()
    system.listen(sensitivity)


def graph_of(system: System) -> Graph:
    """Return the graph of a state that is `listening`."""
    nodes, n = len(system.tree.begin), system.n
    places = np.empty(n, np.int64)
    places[system.ids] = np.arange(n)
    values = system.thresholds.values
    lowest, highest = np.empty((2, nodes))
    _fill_ranges(system.tree, values, lowest, highest)
    unseen, seen, stack = np.empty(nodes, np.int64), np.empty(n, np.bool_), np.empty(STACK, np.int64)
    point = np.empty((2, len(system.sorted.positions)))
    return Graph(
        system.sorted,
        system.tree,
        system.boxes,
        system.ids,
        places,
        values,
        lowest,
        highest,
        unseen,
        seen,
        stack,
        point,
    )


def leaders(system: System) -> NDArray[np.bool_]:
    """Return which tokens (n,) are their own neighbours, of a state that is `listening`."""
    keys, positions = system.sorted.keys, system.sorted.positions
    score = keys[0] * positions[0]
    for k in range(1, len(keys)):
        score = score + keys[k] * positions[k]
    leader = np.empty(system.n, np.bool_)
    leader[system.ids] = (score >= system.thresholds.values)[: system.n]
    return leader


def numbers(system: System) -> tuple[NDArray[np.int64], float, NDArray[np.int64], int]:
    """Return neighbour counts, reciprocity, sink components and their number, of a state that is `listening`."""
    graph, n = graph_of(system), system.n
    count, sink = np.empty((2, n), np.int64)
    count[system.ids] = system.means.counts[:n]
    edges = int(count.sum()) - np.count_nonzero(leaders(system))
    reciprocity = count_mutual(graph) / edges if edges else np.nan
    return count, reciprocity, sink, find_sinks(graph, np.empty(n, np.int64), np.empty(n, np.int64), sink)
