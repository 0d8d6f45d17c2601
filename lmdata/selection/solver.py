"""Max-margin problems: the smallest parameter, in some norm, that keeps every constraint.

    minimise |u|  subject to  <g_j, u> >= b_j

A convex program, which `lmdata.selection.programs` states and clarabel solves in floats. No verdict rests on its word:
a solution is accepted when it keeps every constraint in exact arithmetic and its multipliers bound its norm from below,
infeasibility when a certificate of it holds exactly (`lmdata.selection.exact`); until then the program is scaled
otherwise and solved again. So verdicts do not hang on the rounding of a machine's linear algebra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number
from lmdata.selection.exact import is_feasible, is_infeasible, slacks
from lmdata.selection.programs import SCALINGS, Norm, solve

type Floats = NDArray[np.float64]

GOOD, ACCEPTED = 1e-10, 1e-8
"""How far, relative to its norm, a solution may be above the bound of its multipliers: at once, and at last."""
SUPPORT = 1e-6
"""A constraint supports the solution if its slack is within this of its bound."""
_STEPS = (0.0, 1e1, 1e3, 1e5)
"""By how many roundings a solution is moved, in turn, until it keeps its constraints exactly."""


@dataclass(frozen=True, eq=False)
class MaxMargin:
    """A max-margin solution, or that there is none.

    Parameters
    ----------
    status
        ``solved``; ``infeasible``: it is proved in exact arithmetic that no parameter keeps all constraints;
        ``unfinished``: neither could be verified, as where the margin is within the rounding of the constraints.
    solution
        u, in the shape that was asked for; NaN unless solved.
    margin
        1 / |u| in the norm that was minimised; NaN unless solved.
    multipliers : (constraint,)
        Lagrange multipliers of the problem that minimises |u|, not negative; a certificate: the dual norm of
        their weighted sum of the g_j is 1, and their weighted sum of the bounds is |u|, to `ACCEPTED`. NaN unless
        solved.
    support : (constraint,)
        Whether the constraint holds with equality, to `SUPPORT`.
    violation
        By how much the solution misses a constraint at most, in exact arithmetic: 0, unless bounds of 0 force an
        equation that no floats near the solution keep. NaN unless solved.
    """

    status: Literal["solved", "infeasible", "unfinished"]
    solution: Floats
    margin: float
    multipliers: Floats
    support: NDArray[np.bool]
    violation: float


def max_margin(
    constraints: Floats, *, bounds: Floats | None = None, shape: tuple[int, ...] | None = None, norm: Norm = 2.0
) -> MaxMargin:
    """Return the smallest u with ``<g_j, u> >= b_j``.

    Parameters
    ----------
    constraints : (constraint, k)
        The vectors g_j; matrices flattened.
    bounds : (constraint,), optional
        b_j >= 0: 1 by default; 0 where a constraint is relaxed.
    shape
        Shape of u, for matrices; its product is k.
    norm
        l_q norm of the entries, q > 1 (2: Euclidean or Frobenius; infinity: the largest entry, of which there may be
        several solutions), or ``"nuclear"`` for the sum of singular values.

    Raises
    ------
    InvalidInput
        If the norm is not known, or ``"nuclear"`` without a matrix shape, or a bound is negative.
    BackendUnavailable
        If clarabel is not installed.

    Examples
    --------
    >>> found = max_margin(np.array([[1.0, 1.0], [1.0, -1.0]]))
    >>> found.solution.round(6), round(found.margin, 6)
    (array([1., 0.]), 1.0)
    >>> max_margin(np.array([[1.0], [-1.0]])).status
    'infeasible'
    """
    count, size = constraints.shape
    shape = (size,) if shape is None else shape
    bounds = np.ones(count) if bounds is None else bounds
    if norm != "nuclear" and norm != math.inf:
        norm = as_number(norm, "norm", minimum=1.0, above=True)
    elif norm == "nuclear" and len(shape) != 2:
        raise InvalidInput(f"norm is 'nuclear' for a parameter of shape {shape}; only matrices have singular values")
    if not (bounds >= 0).all():
        raise InvalidInput(f"bounds is {bounds!r:.200}; they must be 0 or above")
    if not bounds.any():
        return MaxMargin("solved", np.zeros(shape), math.inf, np.zeros(count), np.ones(count, np.bool), 0.0)
    best: tuple[float, MaxMargin | None] = ACCEPTED, None
    for scaling in SCALINGS:
        u, weights = solve(constraints, bounds, shape, norm, scaling)
        weights = np.maximum(weights, 0.0)
        if not (np.isfinite(u).all() and np.isfinite(weights).all() and weights.any()):
            continue
        near = [(u, weights)] if norm != 2.0 else [(u, weights), _polished(constraints, bounds, weights)]
        best = min([best, *(_verified(constraints, bounds, shape, norm, *pair) for pair in near)], key=lambda b: b[0])
        if best[1] is None and is_infeasible(constraints, bounds, weights):
            return _none("infeasible", shape, count)
        if best[0] <= GOOD:
            break
    return best[1] or _none("unfinished", shape, count)


def norm_of(u: Floats, norm: Norm) -> float:
    """Return the norm that `max_margin` minimises.

    Examples
    --------
    >>> norm_of(np.diag([3.0, 4.0]), 2.0), norm_of(np.diag([3.0, 4.0]), "nuclear")
    (5.0, 7.0)
    """
    if norm == "nuclear":
        return float(np.linalg.norm(u, "nuc"))
    largest = float(np.abs(u).max(initial=0.0))
    return largest * float(((np.abs(u) / largest) ** norm).sum() ** (1.0 / norm)) if largest else 0.0


def dual_norm_of(u: Floats, norm: Norm) -> float:
    """Return the largest ``<u, w>`` over all w with ``norm_of(w, norm) <= 1``.

    Examples
    --------
    >>> dual_norm_of(np.diag([3.0, 4.0]), 2.0), dual_norm_of(np.diag([3.0, 4.0]), "nuclear")
    (5.0, 4.0)
    """
    if norm == "nuclear":
        return float(np.linalg.norm(u, 2))
    return norm_of(u, 1.0 if norm == math.inf else norm / (norm - 1.0))


def _none(status: Literal["infeasible", "unfinished"], shape: tuple[int, ...], count: int) -> MaxMargin:
    nothing, nowhere = np.full(count, math.nan), np.zeros(count, np.bool)
    return MaxMargin(status, np.full(shape, math.nan), math.nan, nothing, nowhere, math.nan)


def _verified(
    constraints: Floats, bounds: Floats, shape: tuple[int, ...], norm: Norm, u: Floats, weights: Floats
) -> tuple[float, MaxMargin | None]:
    """Return the gap of a solution made of u and multipliers near it, and the solution; infinity if it is none."""
    dual = dual_norm_of((weights @ constraints).reshape(shape), norm)
    u, slack = _corrected(constraints, bounds, u)
    length = norm_of(u.reshape(shape), norm)
    violation = max(0.0, -float(slack.min()))
    if not dual > 0.0 or violation > SUPPORT or (violation and not is_feasible(constraints, bounds, u)):
        return math.inf, None
    multipliers = weights / dual
    gap = abs(length - float(multipliers @ bounds)) / length
    return gap, MaxMargin("solved", u.reshape(shape), 1.0 / length, multipliers, slack <= SUPPORT, violation)


def _polished(constraints: Floats, bounds: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the Euclidean solution and its multipliers, were the constraints that weigh all tight: to rounding."""
    share = weights * np.linalg.norm(constraints, axis=1)
    tight = share > SUPPORT * share.max()
    u = np.linalg.lstsq(constraints[tight], bounds[tight])[0]
    multipliers = np.zeros(len(bounds))
    multipliers[tight] = np.maximum(np.linalg.lstsq(constraints[tight].T, u)[0], 0.0)
    return u, multipliers


def _corrected(constraints: Floats, bounds: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Return u, moved by some roundings so that it keeps every constraint exactly where it can, and its slacks.

    Constraints with a bound are kept by stretching u. Those with bound 0 are not, and u is first moved off them.
    """
    relaxed, held = bounds == 0, bounds > 0
    best = u, np.full(len(bounds), -np.inf)
    terms = np.finfo(float).eps * (np.abs(constraints) @ np.abs(u))
    for step in _STEPS:
        moved = u
        near = relaxed & (constraints @ u < step * terms)
        if near.any():
            away = step * terms[near] - constraints[near] @ u
            moved = u + np.linalg.lstsq(constraints[near], away)[0]
        reached = constraints[held] @ moved
        if not (reached > 0).all():
            continue
        stretch = max(1.0, float((bounds[held] / reached).max()))
        moved = moved * (stretch * (1.0 + step * np.finfo(float).eps))
        slack = slacks(constraints, bounds, moved)
        if slack.min() > best[1].min():
            best = moved, slack
        if slack.min() >= 0.0:
            break
    return best
