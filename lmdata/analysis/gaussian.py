"""The Gaussian closure of self-attention: mean and covariance of normal tokens, without the tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_real_array


class Moments(NamedTuple):
    """Moments of tokens along time.

    Attributes
    ----------
    mean : array (t, d)
    covariance : array (t, d, d)
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def gaussian_closure(
    time: ArrayLike,
    mean: ArrayLike,
    covariance: ArrayLike,
    *,
    values: ArrayLike | None = None,
    scores: ArrayLike | None = None,
) -> Moments:
    r"""Return mean and covariance of normally distributed tokens under self-attention (arXiv 2501.18322).

    Under `SelfAttention` in the plain form a token at x of a normal density goes at the speed
    :math:`V (m + \Sigma B x)`, the mean of the density weighted with :math:`e^{\langle B x, y \rangle}`. That is linear
    in x, so that the density stays normal:

    .. math:: m' = V (I + \Sigma B)\, m, \qquad \Sigma' = V \Sigma B \Sigma + (V \Sigma B \Sigma)^T

    In one dimension :math:`\Sigma = \Sigma_0 / (1 - 2 v b \Sigma_0 t)`: with v b < 0 a collapse as
    :math:`1 / (2 |v b| t)`, which is that of the tokens of ``attention-collapse``, and with v b > 0 a blow-up. Finitely
    many tokens follow it to :math:`O(n^{-1/2})` as long as the weights are not those of a few far ones.

    Parameters
    ----------
    time : array (t,)
        Ascending times >= 0.
    mean, covariance : array (d,), (d, d)
        m and Sigma at time 0; Sigma symmetric and positive semidefinite.
    values, scores : array (d, d), optional
        V, and :math:`B = \beta K^T Q` of :math:`\beta \langle Q x, K y \rangle`; identities by default.

    Returns
    -------
    Moments
        ``mean`` (t, d) and ``covariance`` (t, d, d), by scipy's DOP853 with tolerances of 1e-12, relative,
        and of 1e-15 of the largest moment at first.

    Raises
    ------
    InvalidInput
        If an argument is not allowed, or the covariance blows up before the last time, saying when.

    Examples
    --------
    >>> gaussian_closure([0.0, 2.0], [0.0], [[1.0]], values=[[-1.0]]).covariance[:, 0, 0].round(12)
    array([1. , 0.2])
    """
    from scipy.integrate import solve_ivp

    times = as_real_array(time, "time")
    centre, spread = as_real_array(mean, "mean"), as_real_array(covariance, "covariance")
    d = centre.size
    if times.ndim != 1 or times.size == 0 or times[0] < 0 or (np.diff(times) < 0).any():
        raise InvalidInput("time must be a sequence of ascending times >= 0")
    if centre.ndim != 1 or spread.shape != (d, d) or not np.allclose(spread, spread.T, rtol=1e-12, atol=0):
        raise InvalidInput(
            f"mean has shape {centre.shape} and covariance {spread.shape}; they must be (component,) and "
            "(component, component), the latter symmetric"
        )
    if (least := float(np.linalg.eigvalsh(spread)[0])) < -1e-12 * float(np.abs(spread).max()):
        raise InvalidInput(f"covariance has the eigenvalue {least:g}; variances are not negative")
    matrices = {"values": values, "scores": scores}
    given = {name: np.eye(d) if m is None else as_real_array(m, name) for name, m in matrices.items()}
    for name, matrix in given.items():
        if matrix.shape != (d, d):
            raise InvalidInput(f"{name} has shape {matrix.shape}; it must be {(d, d)}, as the tokens have {d}")

    def velocity(_: float, state: NDArray[np.float64]) -> NDArray[np.float64]:
        m, sigma = state[:d], state[d:].reshape(d, d)
        attended = given["values"] @ sigma @ given["scores"]  # V Sigma B
        half = attended @ sigma
        return np.concatenate([given["values"] @ m + attended @ m, (half + half.T).ravel()])

    last = max(float(times[-1]), np.finfo(float).tiny)
    begin = np.concatenate([centre, spread.ravel()])
    least_error = max(1e-15 * float(np.abs(begin).max()), np.finfo(float).tiny)
    with np.errstate(over="ignore", invalid="ignore"):
        found = solve_ivp(velocity, (0.0, last), begin, method="DOP853", rtol=1e-12, atol=least_error, t_eval=times)
    if not found.success:
        reached = found.t[-1] if len(found.t) else 0.0
        raise InvalidInput(f"the covariance blows up between time {reached:g} and {last:g}: ask for earlier times")
    states = found.y.T
    return Moments(states[:, :d].copy(), states[:, d:].reshape(-1, d, d).copy())
