r"""One step of :math:`x' = F(x, t)`: Euler, classical Runge-Kutta, an exponential integrator, an adaptive reference.

A field is any function of (state (m, n, d), time) that returns the velocity. Attention is evaluated anew at every
stage. On a surface the field is tangent, and the caller retracts the result; that keeps the order of a scheme.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmdata.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Field = Callable[["Array", float], "Array"]
Linear = Callable[["Array", float], "Array"]


class Scheme(NamedTuple):
    """What is known of a scheme: its order, and how far it is stable along the negative real axis."""

    order: int
    stable_until: float


SCHEMES = {
    "euler": Scheme(order=1, stable_until=2.0),
    "layernorm": Scheme(order=1, stable_until=2.0),
    "geodesic": Scheme(order=1, stable_until=2.0),
    "rk4": Scheme(order=4, stable_until=2.785293563405282),
    "exponentiated": Scheme(order=1, stable_until=2.0),
    "exponential": Scheme(order=4, stable_until=2.785293563405282),
    "adaptive": Scheme(order=8, stable_until=np.inf),
}


TOLERANCE = 1e-10
"""Relative and absolute tolerance of the adaptive scheme, a step."""

NEGLIGIBLE = 1e-120
"""Rates below this count as none: the squares of their errors would be no numbers, and the integrator would stop."""


def euler(field: Field, state: Array, time: float, step: float) -> Array:
    r"""Return :math:`x + h F(x, t)`; order 1.

    Examples
    --------
    >>> float(euler(lambda x, t: -x, np.ones(()), 0.0, 0.5))
    0.5
    """
    return state + step * field(state, time)


def runge_kutta(field: Field, state: Array, time: float, step: float) -> Array:
    """Return one step of the classical method of order 4, four evaluations of the field.

    Examples
    --------
    >>> float(runge_kutta(lambda x, t: -x, np.ones(()), 0.0, 0.5))  # exp(-1/2) = 0.60653...
    0.606770...
    """
    half = step / 2
    first = field(state, time)
    second = field(state + half * first, time + half)
    third = field(state + half * second, time + half)
    fourth = field(state + step * third, time + step)
    return state + (step / 6) * (first + 2 * (second + third) + fourth)


def exponential(field: Field, flow: Linear, state: Array, time: float, step: float) -> Array:
    r"""Return one step of order 4 for :math:`x' = V x + N(x, t)` that is exact where N = 0 (Lawson 1967).

    Parameters
    ----------
    field : function
        N, the nonlinear part alone.
    flow : function
        ``flow(x, s)`` returns :math:`e^{sV} x`.

    Examples
    --------
    >>> decay = lambda x, s: np.exp(-s) * x
    >>> float(exponential(lambda x, t: 0 * x, decay, np.ones(()), 0.0, 1.0))
    0.367879...
    """
    half = step / 2
    first = field(state, time)
    middle = flow(state, half)
    first_there = flow(first, half)
    second = field(middle + half * first_there, time + half)
    third = field(middle + half * second, time + half)
    fourth = field(flow(middle + step * third, half), time + step)
    return flow(middle + (step / 6) * (first_there + 2 * (second + third)), half) + (step / 6) * fourth


def adaptive(field: Field, state: Array, time: float, step: float, *, tolerance: float = TOLERANCE) -> Array:
    """Return the state one step on, by scipy's DOP853 with as many inner steps as the tolerance needs.

    Each member is integrated alone, and each step afresh, so that results depend neither on the batch nor on where
    a run was cut.

    Parameters
    ----------
    tolerance : float
        Relative and absolute tolerance of the integrator.

    Raises
    ------
    InvalidInput
        If the integrator gives up, with its reason.

    Examples
    --------
    >>> end = adaptive(lambda x, t: -x, np.ones((1, 1, 1)), 0.0, 1.0)
    >>> bool(abs(end.item() - np.exp(-1.0)) < 1e-9)
    True
    """
    from scipy.integrate import solve_ivp

    result = np.empty_like(state)
    for member in range(len(state)):

        def flat(when: float, values: Any, member: int = member) -> Any:
            full = state.copy()
            full[member] = values.reshape(full[member].shape)
            rate = field(full, when)[member].ravel()
            return np.where(np.abs(rate) < NEGLIGIBLE, 0.0, rate)

        solution = solve_ivp(
            flat, (time, time + step), state[member].ravel(), method="DOP853", rtol=tolerance, atol=tolerance,
            t_eval=[time + step],
        )  # fmt: skip
        if not solution.success:
            raise InvalidInput(
                f"the adaptive integrator failed between time {time} and {time + step}: {solution.message}; "
                "the solution may blow up there: stop earlier, or use the rescaled form"
            )
        result[member] = solution.y[:, 0].reshape(state.shape[1:])
    return result
