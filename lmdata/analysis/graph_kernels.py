"""Compiled walks over interaction graphs: edges, sink components, closed sets.

A graph of n tokens is a boolean array (n, n); entry (i, j) says that j is a neighbour of i: an edge i -> j.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled


@compiled()
def count_edges(graph: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the number of edges between different tokens, and how many of them have their reverse.

    Examples
    --------
    >>> import numpy as np
    >>> count_edges(np.array([[True, True, True], [True, False, False], [False, False, True]]))
    (3, 2)
    """
    n = graph.shape[0]
    edges = mutual = 0
    for i in range(n):
        for j in range(n):
            if i != j and graph[i, j]:
                edges += 1
                mutual += graph[j, i]
    return edges, mutual


@compiled()
def sink_components(graph: NDArray[np.bool_], out: NDArray[np.int64]) -> int:
    """Number the sink strongly connected components of a graph and return how many there are.

    A sink component has no edge that leaves it: it is a minimal closed set. Components are found by Tarjan's
    algorithm (1972), without recursion, in O(n^2).

    Parameters
    ----------
    graph : (n, n)
        At least one token; each token may or may not be its own neighbour.
    out : (n,)
        Is given the number of each token's sink component, or -1 for a token in none. Numbers count from 0 in
        the order of the components' first tokens.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty(3, np.int64)
    >>> graph = np.array([[False, True, True], [False, True, False], [False, False, True]])
    >>> sink_components(graph, out), out.tolist()
    (2, [-1, 0, 1])
    """
    n = graph.shape[0]
    order = np.full(n, -1)  # when the token was first met
    low = np.empty(n, np.int64)  # the earliest token known to be reachable within its component
    pointer = np.zeros(n, np.int64)  # the next neighbour to look at
    component = np.full(n, -1)
    path, stack = np.empty(n, np.int64), np.empty(n, np.int64)
    leaves = np.empty(n, np.bool_)  # by component
    met = components = height = 0
    for root in range(n):
        if order[root] >= 0:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            i = path[depth]
            if order[i] < 0:
                order[i] = low[i] = met
                met += 1
                stack[height] = i
                height += 1
            descended = False
            while pointer[i] < n:
                j = pointer[i]
                pointer[i] += 1
                if not graph[i, j] or component[j] >= 0:
                    continue
                if order[j] < 0:
                    depth += 1
                    path[depth] = j
                    descended = True
                    break
                low[i] = min(low[i], order[j])
            if descended:
                continue
            if low[i] == order[i]:
                top = height
                while component[i] < 0:
                    height -= 1
                    component[stack[height]] = components
                leaves[components] = False
                for k in range(height, top):
                    for j in range(n):
                        if graph[stack[k], j] and 0 <= component[j] < components:
                            leaves[components] = True
                components += 1
            depth -= 1
            if depth >= 0:
                low[path[depth]] = min(low[path[depth]], low[i])
    number = np.full(components, -1)
    sinks = 0
    for i in range(n):
        c = component[i]
        if not leaves[c] and number[c] < 0:
            number[c] = sinks
            sinks += 1
        out[i] = number[c]
    return sinks


@compiled()
def forget_listeners(graph: NDArray[np.bool_], label: NDArray[np.int64], kept: NDArray[np.bool_]) -> None:
    """Reduce a set of tokens to its largest part that is closed within each label, in place.

    What remains of ``kept`` is the largest subset whose tokens have neighbours only in the subset, and only
    of their own label: for each label a closed set of the graph.

    Parameters
    ----------
    graph : (n, n)
    label : (n,)
        The vertex of each token, for example.
    kept : (n,)
        The set; is made smaller.

    Examples
    --------
    >>> import numpy as np
    >>> chain = np.array([[True, False, False], [True, False, False], [False, True, False]])
    >>> kept = np.ones(3, np.bool_)
    >>> forget_listeners(chain, np.array([0, 0, 1]), kept)
    >>> kept.tolist()
    [True, True, False]
    """
    n = label.size
    lost = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        if kept[i]:
            for j in range(n):
                if graph[i, j] and (not kept[j] or label[j] != label[i]):
                    kept[i] = False
                    lost[count] = i
                    count += 1
                    break
    while count > 0:
        count -= 1
        j = lost[count]
        for i in range(n):
            if kept[i] and graph[i, j]:
                kept[i] = False
                lost[count] = i
                count += 1
