"""The proof in rational arithmetic: nothing is rounded, and what is claimed of a start holds as it stands.

The trajectory is followed exactly from the start. At every step it is asked whether its graph can change again:

- *by distance*, as in `lmdata.dynamics.kernels.certificate`, without the terms for rounding;
- *by segments*, which is what sensitivity 0 needs, for there the gaps inside a cluster tend to the sensitivity itself.
  Say that a token's target is fixed if the mean of its neighbours never moves. Where v and j have one and the same
  fixed target, ``z_v - z_j`` only shrinks; and a token i with a fixed target moves on a segment towards it. Then
  ``<A z_i, z_v - z_j>`` keeps its sign for ever if it is positive at the segment's start and not negative at its end,
  and a tie stays one if it is zero at both.

Chains, whose targets move themselves, are decided by distance or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Vector = list[Fraction]
type Rows = list[Vector]
type Graph = list[list[int]]

MOST_TOKENS = 8
"""Tokens of a proof in rational arithmetic, whose numbers grow with every step."""
MOST_STEPS = 200
"""Steps that are taken in rational arithmetic, at most: half a minute for eight tokens."""


class ExactProof(NamedTuple):
    """What is proved of a start."""

    proved: bool
    """Whether a proof was found."""
    step: int
    """Steps to the proof, or that were tried."""
    frozen_from: int
    """The step from which no neighbourhood ever changes."""
    limit: Rows | None
    """Z*, exactly."""
    graphs: list[Graph]
    """Neighbours of every token at steps 0 to ``step``."""


def prove(
    tokens: NDArray[np.float64],
    sensitivity: float,
    influence: float,
    alignment: NDArray[np.float64] | None = None,
    *,
    most: int = MOST_STEPS,
) -> ExactProof:
    """Follow a start (n, d) exactly until its limit is proved, for at most so many steps.

    Examples
    --------
    >>> found = prove(np.array([[1.0], [0.5], [-1.0]]), 0.0, 1.0)
    >>> found.proved, found.limit
    (True, [[Fraction(1, 1)], [Fraction(1, 1)], [Fraction(-1, 1)]])
    """
    z = [[Fraction(x) for x in row] for row in tokens.tolist()]
    d = tokens.shape[1]
    matrix = np.eye(d) if alignment is None else alignment
    a = [[Fraction(x) for x in row] for row in matrix.tolist()]
    delta, alpha = Fraction(sensitivity), Fraction(influence)
    graphs: list[Graph] = []
    frozen = 0
    for step in range(most + 1):
        graph = neighbours(z, delta, a)
        if graphs and graph != graphs[-1]:
            frozen = step
        graphs.append(graph)
        if step - frozen >= 1:
            limit = limit_of(z, graph)
            if limit is not None and (
                _by_distance(z, limit, graph, delta, a) or _by_segments(z, limit, graph, delta, a)
            ):
                return ExactProof(True, step, frozen, limit, graphs)
        z = _moved(z, graph, alpha)
    return ExactProof(False, most, frozen, None, graphs)


def neighbours(z: Rows, delta: Fraction, a: Rows) -> Graph:
    """Return C_i of every token, ascending, by exact comparison."""
    found = []
    for key in (_image(a, row) for row in z):
        scores = [_dot(key, row) for row in z]
        least = max(scores) - delta
        found.append([j for j, score in enumerate(scores) if score >= least])
    return found


def limit_of(z: Rows, graph: Graph) -> Rows | None:
    """Return lim W^t Z while the graph stays, or None if a closed set is no clique (then distances decide nothing)."""
    n, d = len(z), len(z[0])
    limit: list[Vector | None] = [None] * n
    for i in range(n):
        if i in graph[i] and all(graph[j] == graph[i] for j in graph[i]):
            limit[i] = _mean([z[j] for j in graph[i]])
    others = [i for i in range(n) if limit[i] is None]
    place = {i: row for row, i in enumerate(others)}
    system = []
    for i in others:
        share = Fraction(1, len(graph[i]))
        row = [Fraction(0)] * (len(others) + d)
        row[place[i]] += 1
        for j in graph[i]:
            known = limit[j]
            if known is None:
                row[place[j]] -= share
            else:
                for k in range(d):
                    row[len(others) + k] += share * known[k]
        system.append(row)
    solved = _solved(system)
    if solved is None:
        return None
    for i, row in zip(others, solved, strict=True):
        limit[i] = row
    return [row for row in limit if row is not None]


def holds(z: Rows, graph: Graph, low: Fraction, high: Fraction, a: Rows) -> bool:
    """Return whether distances prove that a graph stays for ever, for every sensitivity in [low, high) that has it.

    Examples
    --------
    >>> one = [[Fraction(1)]]
    >>> z = [[Fraction(1)], [Fraction(-1)]]
    >>> holds(z, [[0], [1]], Fraction(0), Fraction(2), one), holds(z, [[0], [1]], Fraction(0), Fraction(3), one)
    (True, False)
    """
    limit = limit_of(z, graph)
    if limit is None:
        return False
    for i, others in enumerate(graph):
        gaps, slack = _gaps(z, limit, a, i)
        for j, gap in enumerate(gaps):
            if j not in others:
                if gap - slack < high:
                    return False
            elif gap + slack > low and any(z[v] != z[j] for v in others):
                return False
    return True


def _by_distance(z: Rows, limit: Rows, graph: Graph, delta: Fraction, a: Rows) -> bool:
    """Return whether gaps of the limits keep clear of delta by more than any later distance allows."""
    for i, others in enumerate(graph):
        gaps, slack = _gaps(z, limit, a, i)
        if not all(
            (gaps[j] + slack <= delta or all(z[v] == z[j] for v in others)) if j in others else gaps[j] - slack > delta
            for j in range(len(z))
        ):
            return False
    return True


def _gaps(z: Rows, limit: Rows, a: Rows, i: int) -> tuple[Vector, Fraction]:
    """Return the gaps of a token in the limit, and by how much they can differ from now on."""
    d = len(a)
    radius = [max(abs(x[k] - y[k]) for x, y in zip(z, limit, strict=True)) for k in range(d)]
    keys = [_image(a, row) for row in limit]
    slack = sum((2 * abs(keys[i][k]) * radius[k] for k in range(d)), Fraction(0))
    slack += sum((radius[k] * (max(y[k] for y in keys) - min(y[k] for y in keys)) for k in range(d)), Fraction(0))
    slack += 2 * sum((abs(a[k][m]) * radius[k] * radius[m] for k in range(d) for m in range(d)), Fraction(0))
    scores = [_dot(keys[i], row) for row in limit]
    return [max(scores) - score for score in scores], slack


def _by_segments(z: Rows, limit: Rows, graph: Graph, delta: Fraction, a: Rows) -> bool:
    """Return whether signs along segments, and distances, show that the graph of sensitivity 0 stays."""
    if delta != 0:
        return False
    fixed = _fixed(z, graph)
    for i, others in enumerate(graph):
        gaps, slack = _gaps(z, limit, a, i)
        first = others[0]
        start, end = _image(a, z[i]), _image(a, limit[i])
        for j in range(len(z)):
            if j == first:
                continue
            if z[j] == z[first] and graph[j] == graph[first]:  # equal tokens stay equal
                if j not in others:
                    return False
                continue
            if j not in others and gaps[j] - slack > 0:
                continue
            if not (i in fixed and j in fixed and first in fixed and limit[j] == limit[first]):
                return False
            way = [x - y for x, y in zip(z[first], z[j], strict=True)]
            now, then = _dot(start, way), _dot(end, way)
            if not ((now == 0 and then == 0) if j in others else (now > 0 and then >= 0)):
                return False
    return True


def _fixed(z: Rows, graph: Graph) -> set[int]:
    """Return the tokens whose neighbours' mean never moves: it is of cliques, and of tokens that rest for ever."""
    still = set(range(len(z)))
    while True:
        left = {i for i in still if z[i] == _mean([z[j] for j in graph[i]]) and set(graph[i]) <= still}
        if left == still:
            break
        still = left
    cliques = {i for i in range(len(z)) if i in graph[i] and all(graph[j] == graph[i] for j in graph[i])}
    return {
        i
        for i, heard in enumerate(graph)
        if all(j in still or (j in cliques and set(graph[j]) <= set(heard)) for j in heard)
    }


def _moved(z: Rows, graph: Graph, alpha: Fraction) -> Rows:
    means = [_mean([z[j] for j in heard]) for heard in graph]
    return [[(x + alpha * m) / (1 + alpha) for x, m in zip(*rows, strict=True)] for rows in zip(z, means, strict=True)]


def _mean(rows: Sequence[Vector]) -> Vector:
    return [sum(column, Fraction(0)) / len(rows) for column in zip(*rows, strict=True)]


def _dot(x: Vector, y: Vector) -> Fraction:
    return sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0))


def _image(a: Rows, x: Vector) -> Vector:
    return [_dot(row, x) for row in a]


def _solved(system: Rows) -> Rows | None:
    """Return the right sides that stand behind a square system, solved; None if it is singular."""
    size = len(system)
    for p in range(size):
        pivot = next((row for row in range(p, size) if system[row][p] != 0), None)
        if pivot is None:
            return None
        system[p], system[pivot] = system[pivot], system[p]
        system[p] = [entry / system[p][p] for entry in system[p]]
        for row in range(size):
            factor = system[row][p]
            if row != p and factor != 0:
                system[row] = [x - factor * y for x, y in zip(system[row], system[p], strict=True)]
    return [row[size:] for row in system]
