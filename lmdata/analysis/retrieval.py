"""Retrieval: how much of each token's first state the last token of a sequence holds, and what linear theory says."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_all, steps_of
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number, as_real_array

SOURCE = "retrieval under causal attention with a bias by distance, arXiv 2605.09213"
WIDTH = math.pi / 8
"""Width of what counts as the same content: an eighth of the half circle."""
MODES = 20
"""Fourier modes that are summed."""


def mode_weights(width: float, modes: int) -> NDArray[np.float64]:
    r"""Return :math:`w_k = e^{-k^2 s^2 / 2}` for k = 1 to ``modes``, the Fourier coefficients of a bump of width s.

    Examples
    --------
    >>> mode_weights(np.pi / 8, 3).round(4)
    array([0.9258, 0.7346, 0.4996])
    """
    order = np.arange(1, modes + 1)
    return np.asarray(np.exp(-((order * width) ** 2) / 2))


def overlaps(
    position: NDArray[np.floating], tokens: NDArray[np.int64], step: NDArray[np.int64], *, width: float, modes: int
) -> NDArray[np.float64]:
    """Return the overlap of the last token with the start of each, (..., t, n), of members (..., t, n, d).

    Parameters
    ----------
    position : (..., t, n, d)
    tokens : (n,)
        Number of each token in the sequence.
    step : (t,)
        Step numbers, one of them 0.
    width, modes
        As in `retrieval_profile`.

    Examples
    --------
    >>> start = np.array([[[1.0, 0.0], [0.0, 1.0]]])  # one frame of two tokens
    >>> overlaps(start, np.arange(2), np.zeros(1, int), width=1.0, modes=1).round(4)
    array([[0.    , 0.6065]])
    """
    last, first = int(tokens.argmax()), int(step.argmin())
    here = present(position)
    unit = directions(np.where(here[..., None, None], position, 0.0))
    start = np.broadcast_to(unit[..., first, None, :, :], unit.shape)
    cosine = (unit[..., last, None, :] * start).sum(axis=-1).clip(-1.0, 1.0)
    before, now, total = np.ones_like(cosine), cosine, np.zeros_like(cosine)
    for weight in mode_weights(width, modes):  # Chebyshev's recurrence for the cosine of multiples of an angle
        total = total + weight * now
        before, now = now, 2.0 * cosine * now - before
    return np.where(here[..., None], total, np.nan)


@measure(
    Variable(
        "retrieval", ("*", "seed", "time", "token"), "float64", "overlap of the last token with the token's first state"
    ),
)
def retrieval_profile(ds: xr.Dataset, *, width: float = WIDTH, modes: int = MODES) -> xr.DataArray:
    r"""Measure how much of each token's start the last token of the sequence holds, at every stored step.

    .. math:: R_j(t) = \sum_{k=1}^{K} w_k \cos k \angle(x_n(t), x_j(0)), \qquad w_k = e^{-k^2 s^2 / 2},

    a bump of width s round the first state of token j, without its mean, at the place of the last token. Of tokens that
    start independently and uniformly on the circle its mean over seeds is 0 where the last token knows nothing of
    token j, and :math:`\sum_k w_k` where it is its copy. Under causal attention it is large for the last token itself
    (it keeps its state), and in the course of time for the first ones: a U, the middle lost (arXiv 2307.03172,
    2605.09213). `retrieval_theory` is its mean in linear theory; average over ``seed`` to compare.

    Parameters
    ----------
    ds
        A dataset of lmdata with the frame at step 0.
    width : float
        s > 0, in radians; by default pi/8.
    modes : int
        K >= 1.

    Returns
    -------
    xarray.DataArray
        ``retrieval`` (<swept>, seed, time, token), lazy where ``ds`` is; NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, all tokens and the frame at step 0, or an argument is not allowed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.PositionalAttention(), lmdata.tokens.sphere(3, 2), steps=5)
    >>> retrieval_profile(ds).isel(seed=0, time=0).values.round(3)
    array([-0.5  ,  0.188,  2.692])
    """
    width = as_number(width, "width", minimum=0, above=True)
    modes = as_count(modes, "modes")
    position = positions(ds, "retrieval_profile")
    tokens = xr.DataArray(check_all(ds, "token", "retrieval_profile"), dims="token")
    steps = steps_of(ds, "retrieval_profile")
    if 0 not in steps:
        raise InvalidInput(
            f"retrieval_profile compares with the start, and the frames are at the steps {steps.tolist()!r:.60}: keep "
            "the one at step 0"
        )
    return measured(
        ds,
        overlaps,
        position,
        tokens,
        xr.DataArray(steps, dims="time"),
        names=("retrieval",),
        core=(CORE, ("token",), ("time",)),
        source=SOURCE,
        comment=f"width {width:g}, {modes} modes",
        width=width,
        modes=modes,
    )["retrieval"]


def retrieval_theory(
    time: ArrayLike,
    inverse_temperature: float,
    *,
    tokens: int,
    slope: float,
    width: float = WIDTH,
    modes: int = MODES,
) -> NDArray[np.float64]:
    r"""Return the mean retrieval of `PositionalAttention` on the circle, strict and unnormalised, in linear theory.

    To first order a mode k of the density of token i moves by :math:`\rho_i' = a_k \sum_{j<i} q^{i-j-1} \rho_j`, with
    :math:`q = e^{-\lambda}` and :math:`a_k = k^2 I_k(\beta) / \beta`. That is the exponential of a triangular Toeplitz
    matrix: at m positions from the last token

    .. math:: R_m(t) = \sum_k w_k \sum_{r=1}^{m} \binom{m-1}{r-1} q^{m-r} \frac{(a_k t)^r}{r!}, \qquad
              R_0 = \sum_k w_k

    Exact for many tokens at each position; for one at each, to first order in t (arXiv 2605.09213).

    Parameters
    ----------
    time : array (t,)
        Times >= 0 of the model.
    inverse_temperature : float
        beta >= 0.
    tokens : int
        n >= 1.
    slope : float
        lambda >= 0.
    width, modes
        As in `retrieval_profile`.

    Returns
    -------
    array (t, n)
        In the order of the sequence: the last token's own comes last.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> retrieval_theory([0.0, 4.0], 1.0, tokens=3, slope=1.0).round(3)
    array([[0.   , 0.   , 2.692],
           [5.786, 4.142, 2.692]])
    """
    times = as_real_array(time, "time")
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    n = as_count(tokens, "tokens")
    q = math.exp(-as_number(slope, "slope", minimum=0))
    modes = as_count(modes, "modes")
    weights = mode_weights(as_number(width, "width", minimum=0, above=True), modes)
    if times.ndim != 1 or (times < 0).any():
        raise InvalidInput("time must be a sequence of times >= 0")
    passed = uniform_growth(beta, modes) * times[:, None]
    found = np.empty((times.size, n))
    found[:, n - 1] = weights.sum()
    for m in range(1, n):
        term, total = passed.copy(), np.zeros_like(passed)  # (a t)^r / r! times the binomial, r from 1
        for r in range(1, m + 1):
            total += term * q ** (m - r)
            term = term * passed / (r + 1) * (m - r) / r
        found[:, n - 1 - m] = total @ weights
    return found


def retrieval_turn(inverse_temperature: float, *, slope: float, width: float = WIDTH, modes: int = MODES) -> float:
    r"""Return the time at which the last token begins to hold more of the token but one before it than of the next.

    .. math:: t_c = 2 (1 - e^{-\lambda}) \frac{\sum_k w_k a_k}{\sum_k w_k a_k^2}, \qquad
              a_k = \frac{k^2 I_k(\beta)}{\beta}, \quad w_k = e^{-k^2 s^2 / 2},

    from :math:`R_1 = R_2` of `retrieval_theory`: before it the profile falls with distance (recency), from it on it
    begins to rise towards the first tokens. In the time of :math:`\theta' = \partial_\theta e^{\beta \cos\theta}`, in
    which arXiv 2605.09213 has it (:math:`a_k = k^2 I_k(\beta)`), it is beta times shorter.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    slope : float
        lambda >= 0.
    width, modes
        As in `retrieval_profile`.

    Returns
    -------
    float
        In the model's time.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> round(retrieval_turn(1.0, slope=1.0), 6)
    2.457489
    """
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    slope = as_number(slope, "slope", minimum=0)
    modes = as_count(modes, "modes")
    weights = mode_weights(as_number(width, "width", minimum=0, above=True), modes)
    rates = uniform_growth(beta, modes)
    return float(2 * -math.expm1(-slope) * (weights @ rates) / (weights @ rates**2))
