"""The convex programs of max-margin problems, as clarabel takes them.

The solver is clarabel (interior point, Rust, Apache licence), called by its own interface. One solver then serves
all norms: a quadratic program for the Euclidean norm, a linear one for the largest entry, power cones for l_q, the
semidefinite cone for the nuclear norm. qpsolvers states quadratic programs only; cvxpy states all, but takes about 4 ms
to translate a problem that clarabel solves in 0.2 ms, and enumerating selections solves thousands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import ExtraMissing

type Floats = NDArray[np.float64]
type Norm = float | Literal["nuclear"]

TOLERANCE = 1e-13
"""Relative accuracy asked of the solver, for optimality and certificates alike; mostly more than it reaches."""


class Scaling(NamedTuple):
    """How a program is scaled before it is solved: the solution is the same, its rounding another."""

    columns: bool
    """Bring every column to the same size, rather than the whole matrix."""
    factor: float
    """Divide the bounds by this besides."""
    refined: bool = True
    """Let the solver equilibrate the matrix and refine its linear systems."""


SCALINGS = (
    Scaling(columns=True, factor=1.0),
    Scaling(columns=True, factor=3.0),
    Scaling(columns=False, factor=1.0),
    Scaling(columns=False, factor=1 / 3),
    Scaling(columns=True, factor=0.1),
    Scaling(columns=True, factor=1.0, refined=False),
    Scaling(columns=False, factor=30.0, refined=False),
)
"""Tried in turn until one is solved: rounding decides where an interior-point method gets stuck."""


def solve(
    constraints: Floats, bounds: Floats, shape: tuple[int, ...], norm: Norm, scaling: Scaling
) -> tuple[Floats, Floats]:
    """Return u (k,) and multipliers (constraint,) where the solver stopped: near a solution, a certificate or neither.

    Multipliers have no scale: they are those of a multiple of the objective.
    """
    from scipy import sparse

    clarabel = _clarabel()
    count, size = constraints.shape
    largest = np.abs(constraints).max(axis=0)
    column = _powers(largest if scaling.columns else np.full(size, largest.max()))
    row = _powers((np.abs(constraints) * column).max(axis=1))
    scaled, heights = constraints * column * row[:, None], bounds * row
    unit = float(heights.max()) * scaling.factor  # the program is homogeneous: u / unit keeps bounds / unit
    program = _program(shape, size, norm)
    variables = len(program.linear)
    scale = sparse.diags(np.concatenate([column / column.max(), np.ones(variables - size)]))
    rest = sparse.csc_matrix((count, variables - size))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.equilibrate_enable = settings.iterative_refinement_enable = scaling.refined
    for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas", "tol_infeas_abs", "tol_infeas_rel"):
        setattr(settings, name, TOLERANCE)
    found = clarabel.DefaultSolver(
        sparse.csc_matrix(scale @ program.quadratic @ scale),
        program.linear,
        sparse.vstack([sparse.hstack([sparse.csc_matrix(-scaled), rest]), program.rows @ scale], format="csc"),
        np.concatenate([-heights / unit, np.zeros(program.rows.shape[0])]),
        [clarabel.NonnegativeConeT(count), *program.cones],
        settings,
    ).solve()
    return np.array(found.x)[:size] * column * unit, np.array(found.z[:count]) * row


def _powers(sizes: Floats) -> Floats:
    """Return powers of two near the inverse of sizes, by which scaling is exact; 1 for a size of 0."""
    return np.asarray(np.ldexp(1.0, -np.frexp(sizes)[1]))


@dataclass(frozen=True, eq=False)
class _Program:
    """``minimise x^T P x / 2 + c^T x`` with the rows of ``-E x`` in cones; the first variables of x are u."""

    quadratic: Any
    linear: Floats
    rows: Any
    cones: list[Any]


def _program(shape: tuple[int, ...], size: int, norm: Norm) -> _Program:
    if norm == "nuclear":
        return _nuclear(shape)
    return _euclidean(size) if norm == 2.0 else _largest(size) if norm == math.inf else _power(size, norm)


def _euclidean(size: int) -> _Program:
    """Minimise |u|^2 / 2."""
    from scipy import sparse

    return _Program(sparse.identity(size, format="csc"), np.zeros(size), sparse.csc_matrix((0, size)), [])


def _largest(size: int) -> _Program:
    """Minimise t with ``-t <= u_j <= t``, which is the largest entry of u."""
    from scipy import sparse

    below = sparse.hstack([sparse.identity(size), np.full((size, 1), -1.0)])
    above = sparse.hstack([-sparse.identity(size), np.full((size, 1), -1.0)])
    rows = sparse.vstack([below, above], format="csc")
    quadratic = sparse.csc_matrix((size + 1, size + 1))
    return _Program(quadratic, np.eye(size + 1)[size], rows, [_clarabel().NonnegativeConeT(2 * size)])


def _power(size: int, q: float) -> _Program:
    """Minimise t with ``sum_j r_j = t`` and ``|u_j| <= r_j^(1/q) t^(1 - 1/q)``, which is the l_q norm of u."""
    from scipy import sparse

    clarabel = _clarabel()
    t = 2 * size
    rows = sparse.lil_matrix((1 + 3 * size, t + 1))
    rows[0, size:t], rows[0, t] = 1.0, -1.0
    for j in range(size):
        for place, column in enumerate((size + j, t, j)):
            rows[1 + 3 * j + place, column] = -1.0
    cones = [clarabel.ZeroConeT(1), *(clarabel.PowerConeT(1.0 / q) for _ in range(size))]
    return _Program(sparse.csc_matrix((t + 1, t + 1)), np.eye(t + 1)[t], rows.tocsc(), cones)


def _nuclear(shape: tuple[int, ...]) -> _Program:
    """Minimise ``(tr X + tr Y) / 2`` with ``[[X, U], [U^T, Y]]`` positive semidefinite: the nuclear norm of U."""
    from scipy import sparse

    clarabel = _clarabel()
    a, b = shape
    upper = [(i, j) for j in range(a + b) for i in range(j + 1)]  # the cone's order: columns of the upper triangle
    extra = iter(range(a * b, a * b + len(upper) - a * b))
    rows = sparse.lil_matrix((len(upper), len(upper)))
    cost = np.zeros(len(upper))
    for row, (i, j) in enumerate(upper):
        column = i * b + (j - a) if i < a <= j else next(extra)
        rows[row, column] = -1.0 if i == j else -math.sqrt(2.0)
        cost[column] = 0.5 if i == j else 0.0
    cone = clarabel.PSDTriangleConeT(a + b)
    return _Program(sparse.csc_matrix((len(upper), len(upper))), cost, rows.tocsc(), [cone])


def _clarabel() -> Any:
    if missing := ExtraMissing.of("selection", "a max-margin problem", ("clarabel",)):
        raise missing
    import clarabel

    return clarabel
