"""The equiangular solution of self-attention on the sphere: one number for the angle of every pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number, as_real_array


def equiangular_alignment(
    time: ArrayLike, inverse_temperature: float, *, tokens: int, start: float = 0.0
) -> NDArray[np.float64]:
    r"""Return the cosine y(t) of every pair of n tokens on the sphere that begin at equal angles.

    .. math:: y' = \frac{2 (1 - y) ((n - 1) y + 1)}{e^{\beta (1 - y)} + n - 1}, \qquad y(0) = y_0

    For SA with D = V = I (arXiv 2312.10794); n orthogonal tokens have y_0 = 0, and tokens drawn
    uniformly in high dimension nearly so.

    Parameters
    ----------
    time : array (t,)
        Ascending times >= 0.
    inverse_temperature : float
        beta >= 0.
    tokens : int
        n >= 2.
    start : float
        y_0, in [-1 / (n - 1), 1].

    Returns
    -------
    array (t,)
        By scipy's DOP853 with relative tolerance 1e-12.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> equiangular_alignment([0.0, 1.0], 1.0, tokens=2).round(4)
    array([0.    , 0.5792])
    """
    from scipy.integrate import solve_ivp

    times = as_real_array(time, "time")
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    n = as_count(tokens, "tokens", minimum=2)
    first = as_number(start, "start", minimum=-1 / (n - 1))
    if times.ndim != 1 or times.size == 0 or times[0] < 0 or (np.diff(times) < 0).any():
        raise InvalidInput("time must be a sequence of ascending times >= 0")
    if first > 1:
        raise InvalidInput(f"start is {first}; a cosine is at most 1")

    def velocity(_: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        decay = np.exp(-beta * (1 - y))
        return np.asarray(2 * (1 - y) * ((n - 1) * y + 1) * decay / (1 + (n - 1) * decay))

    span = (0.0, max(float(times[-1]), np.finfo(float).tiny))
    solution = solve_ivp(velocity, span, [first], method="DOP853", rtol=1e-12, atol=1e-14, t_eval=times)
    return np.asarray(solution.y[0])


def equiangular_curve(
    time: ArrayLike, inverse_temperature: ArrayLike, *, tokens: int, threshold: float = 0.999
) -> NDArray[np.float64]:
    r"""Return, at every time, the largest of the given betas at which the cosine has reached the threshold.

    The boundary of the clustered region in the (t, beta) phase diagram (arXiv 2312.10794). 0 where there is none.

    Parameters
    ----------
    time : (time,)
        Times t >= 0, dimensionless.
    inverse_temperature : (beta,)
        The betas that are tried.
    tokens : int
        Number n of tokens.
    threshold : float
        Cosine from which on tokens count as one cluster.

    Returns
    -------
    ndarray (time,)
        A beta for each time.

    Examples
    --------
    >>> equiangular_curve([0.0, 6.0, 30.0], [0.5, 1.0, 4.0], tokens=128)
    array([0., 1., 4.])
    """
    betas = as_real_array(inverse_temperature, "inverse_temperature")
    reached = np.stack([equiangular_alignment(time, beta, tokens=tokens) >= threshold for beta in betas.tolist()])
    return np.asarray(np.where(reached, betas[:, None], 0.0).max(axis=0))
