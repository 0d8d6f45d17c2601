"""Systems that hypothesis draws, and two oracles: the step's definition in plain Python, and exact arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from lmdata.dynamics.kernels.canonical import SMALLEST_EXPONENT

UNIT = 2.0**-53
"""Relative error of one float64 operation."""


class System(NamedTuple):
    """Tokens (n, d) with the parameters of one localmax step."""

    tokens: np.ndarray
    sensitivity: float
    influence: float
    alignment: np.ndarray | None

    def batch(self):
        """Return the arguments of the canonical step for a batch of this one member."""
        return self.tokens[None], np.array([self.sensitivity]), np.array([self.influence]), self.alignment


def _tokens(kind, n, d):
    """Return a strategy for tokens in general position, on a lattice, or coincident and collinear."""
    if kind == "general":
        numbers = st.floats(-1.0, 1.0, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-100 else 0.0)
        return st.lists(numbers, min_size=n * d, max_size=n * d).map(lambda v: np.array(v).reshape(n, d) + 0.0)
    lattice = st.lists(st.integers(-3, 3), min_size=n * d, max_size=n * d).map(lambda v: np.array(v).reshape(n, d) / 2)
    if kind == "lattice":
        return lattice.map(lambda z: z + 0.0)
    few = st.integers(1, max(1, n // 2))
    repeated = st.tuples(lattice, few).map(lambda drawn: drawn[0][np.arange(n) % drawn[1]])
    line = st.lists(st.integers(-4, 4), min_size=n, max_size=n).map(lambda v: np.outer(v, np.arange(1, d + 1)) / 4)
    return st.one_of(repeated, line).map(lambda z: z + 0.0)


def _alignment(d):
    """Return a strategy for dyadic matrices B B' + I / 4, symmetric positive definite to the bit."""
    entries = st.lists(st.integers(-2, 2), min_size=d * d, max_size=d * d)
    return entries.map(lambda v: (np.array(v).reshape(d, d) @ np.array(v).reshape(d, d).T) / 4 + np.eye(d) / 4)


@st.composite
def systems(draw, kinds=("general", "lattice", "degenerate"), most_tokens=8, most_components=3, aligned=True):
    """Draw a system; sensitivities hit exact ties on purpose (multiples of 1/4)."""
    n, d = draw(st.integers(1, most_tokens)), draw(st.integers(1, most_components))
    tokens = draw(st.sampled_from(kinds).flatmap(lambda kind: _tokens(kind, n, d)))
    sensitivity = draw(st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, 8.0]), st.floats(1e-6, 1.0)))
    influence = draw(st.one_of(st.sampled_from([0.5, 1.0, 3.0]), st.floats(0.1, 10.0)))
    matrix = draw(_alignment(d)) if aligned and draw(st.booleans()) else None
    return System(tokens, sensitivity, influence, matrix)


def literal_step(system):
    """Return the next state (n, d) by the canonical step's definition, in loops over Python floats."""
    z, (n, d) = system.tokens.tolist(), system.tokens.shape
    a = np.eye(d).tolist() if system.alignment is None else system.alignment.tolist()
    keys = [[_ascending(z[i][k] * a[row][k] for k in range(d)) for row in range(d)] for i in range(n)]
    spare = math.ceil(math.log2(n)) + 1
    high, low = [[0.0] * d for _ in z], [[0.0] * d for _ in z]
    for k in range(d):
        exponent = max(math.frexp(max(abs(row[k]) for row in z))[1], SMALLEST_EXPONENT)
        coarse, fine = 2.0 ** (exponent - 52 + spare), 2.0 ** (exponent - 105 + 2 * spare)
        for i in range(n):
            high[i][k] = coarse * round(z[i][k] / coarse)
            low[i][k] = fine * round((z[i][k] - high[i][k]) / fine)
    gain = system.influence / (1.0 + system.influence)
    after = [row[:] for row in z]
    for i in range(n):
        score = [_ascending(keys[i][k] * z[j][k] for k in range(d)) for j in range(n)]
        threshold = max(score) - system.sensitivity
        near = [j for j in reversed(range(n)) if score[j] >= threshold]
        for k in range(d):
            coarse = sum(high[j][k] for j in near) - len(near) * high[i][k]
            fine = sum(low[j][k] for j in near) - len(near) * low[i][k]
            after[i][k] = z[i][k] + gain * ((coarse + fine) / len(near))
    return np.array(after)


def _ascending(terms):
    """Return the sum of terms in order, each addition rounded (the built-in sum compensates floats)."""
    total = 0.0
    for term in terms:
        total = total + term
    return total


class Exact(NamedTuple):
    """One localmax step in rational arithmetic."""

    scores: list[list[Fraction]]
    neighbours: list[list[int]]
    means: list[list[Fraction]]
    after: list[list[Fraction]]


def exact_step(system, neighbours=None):
    """Return one step in rational arithmetic, for its own neighbourhoods or those given."""
    z = [[Fraction(x) for x in row] for row in system.tokens.tolist()]
    n, d = len(z), len(z[0])
    a = np.eye(d) if system.alignment is None else system.alignment
    a = [[Fraction(x) for x in row] for row in a.tolist()]
    keys = [[sum(a[row][k] * z[i][k] for k in range(d)) for row in range(d)] for i in range(n)]
    scores = [[sum(keys[i][k] * z[j][k] for k in range(d)) for j in range(n)] for i in range(n)]
    if neighbours is None:
        delta = Fraction(system.sensitivity)
        neighbours = [[j for j in range(n) if row[j] >= max(row) - delta] for row in scores]
    alpha = Fraction(system.influence)
    means = [[sum(z[j][k] for j in near) / len(near) for k in range(d)] for near in neighbours]
    after = [[(z[i][k] + alpha * means[i][k]) / (1 + alpha) for k in range(d)] for i in range(n)]
    return Exact(scores, neighbours, means, after)


def rounding_bound(system):
    """Return, for each token, by how much a computed score minus its threshold can be wrong."""
    d = system.tokens.shape[1]
    matrix = np.eye(d) if system.alignment is None else np.abs(system.alignment)
    reach = np.abs(system.tokens).max(axis=0)
    scale = np.abs(system.tokens) @ matrix @ reach + system.sensitivity
    return [Fraction(float(s)) * Fraction(2 * (2 * d + 4)) * Fraction(UNIT) for s in scale]


def clusters(tokens, tolerance):
    """Return the cluster number of each token: single linkage at ``tolerance``, by brute force."""
    n = len(tokens)
    label = list(range(n))
    for i, j in itertools.combinations(range(n), 2):
        if np.linalg.norm(tokens[i] - tokens[j]) <= tolerance and label[i] != label[j]:
            old, new = label[j], label[i]
            label = [new if one == old else one for one in label]
    return np.unique(label, return_inverse=True)[1]


def extreme(points):
    """Return which of a few distinct points are no convex combination of the others (linear programming)."""
    from scipy.optimize import linprog

    found = []
    for i in range(len(points)):
        others = np.delete(points, i, axis=0)
        if len(others) == 0:
            found.append(True)
            continue
        equations = np.vstack([others.T, np.ones(len(others))])
        solution = linprog(np.zeros(len(others)), A_eq=equations, b_eq=[*points[i], 1.0], method="highs")
        found.append(solution.status == 2)
    return np.array(found)
