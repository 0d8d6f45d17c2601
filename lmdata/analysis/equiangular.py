"""The equiangular solution of self-attention on the sphere: one number for the angle of every pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number, as_real_array

SPEEDS = ("post", "pre", "peri", "ngpt", "sqrt-depth")
"""Placements of the normalisation whose equiangular tokens have one speed all along."""


def equiangular_alignment(
    time: ArrayLike,
    inverse_temperature: float,
    *,
    tokens: int,
    start: float = 0.0,
    placement: str = "post",
    length: float = 1.0,
    rate: float = 1.0,
) -> NDArray[np.float64]:
    r"""Return the cosine y(t) of every pair of n tokens that begin at equal angles.

    .. math:: y' = \frac{2 (1 - y) ((n - 1) y + 1)}{s (e^{\beta (1 - y)} + n - 1)}, \qquad y(0) = y_0

    For SA with D = V = I on the sphere s is 1 (arXiv 2312.10794); n orthogonal tokens have y_0 = 0, and tokens drawn
    uniformly in high dimension nearly so. With other placements of the normalisation, those of
    `lmdata.NormalisedAttention` (arXiv 2510.22026), s depends on the length r of the tokens, on that of what they
    attend to, or on time; from :math:`p = 1 / (1 + (n - 1) e^{-\beta (1 - y)})` and
    :math:`q = p\, e^{-\beta (1 - y)}`,

    .. math:: r' \propto \langle \theta, A \rangle = p + (n - 1) q y, \qquad
              |A|^2 = p^2 + 2 (n - 1) p q y + (n - 1) q^2 (1 + (n - 2) y)

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
    placement : {"post", "pre", "peri", "ngpt", "sqrt-depth"}
        Where tokens are normalised. Mix-LN is two calls: ``pre`` from the cosine that ``post`` has reached.
    length : float
        r at time 0, for ``pre`` and ``peri``.
    rate : float
        alpha of ``ngpt``.

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
    >>> (1 - equiangular_alignment([200.0], 1.0, tokens=32, placement="pre")) * 200**2  # a power law: t^-2
    array([1.2010...])
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
    if placement not in SPEEDS:
        raise InvalidInput(f"placement is {placement!r}; it must be one of {', '.join(map(repr, SPEEDS))}")
    radius = as_number(length, "length", minimum=0, above=True)
    alpha = as_number(rate, "rate", minimum=0, above=True)
    if placement != "post":
        return _at_speed(times, beta, n, first, placement, radius, alpha)

    def velocity(_: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        decay = np.exp(-beta * (1 - y))
        return np.asarray(2 * (1 - y) * ((n - 1) * y + 1) * decay / (1 + (n - 1) * decay))

    span = (0.0, max(float(times[-1]), np.finfo(float).tiny))
    solution = solve_ivp(velocity, span, [first], method="DOP853", rtol=1e-12, atol=1e-14, t_eval=times)
    return np.asarray(solution.y[0])


def _at_speed(
    times: NDArray[np.float64], beta: float, n: int, first: float, placement: str, length: float, rate: float
) -> NDArray[np.float64]:
    """Return the cosines where the speed varies; 1 - y is the unknown, so that it keeps its digits as it vanishes."""
    from scipy.integrate import solve_ivp

    def velocity(time: float, state: NDArray[np.float64]) -> list[float]:
        apart, radius = state
        y, decay = 1 - apart, np.exp(-beta * apart)
        p = 1 / (1 + (n - 1) * decay)
        q = decay * p
        along = p + (n - 1) * q * y
        square = p**2 + 2 * (n - 1) * p * q * y + (n - 1) * q**2 * (1 + (n - 2) * y)
        size = np.sqrt(max(square, np.finfo(float).tiny))  # what a simplex attends to at beta = 0 is zero: it stays
        growth = {"pre": along, "peri": along / size}.get(placement, 0.0)
        slowness = {"pre": radius, "peri": radius * size, "ngpt": size / rate, "sqrt-depth": np.sqrt(time + 1)}
        return [-2 * apart * ((n - 1) * y + 1) * q / slowness[placement], growth]

    span = (0.0, max(float(times[-1]), np.finfo(float).tiny))
    solution = solve_ivp(velocity, span, [1 - first, length], method="DOP853", rtol=1e-12, atol=1e-18, t_eval=times)
    return np.asarray(1 - solution.y[0])


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
